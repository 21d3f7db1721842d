/*
 * proplist.c - checks around libplist: nesting, size, cycles and sharing before it, UTF-8 after
 *
 * libplist copies a shared object of a binary list at every reference, so that a few hundred bytes
 * could ask for any amount of memory; the walk here visits what libplist would visit and counts.
 */
#include "config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/proplist.h"

#define NODES_MAX 400000U	 /* about 80 MB in libplist; a long application list has 60,000 */
#define EXPANDED_MAX (32U << 20) /* bytes of strings and data, each counted at every reference */
#define WRAPPERS 2		 /* <plist> around and a leaf inside the deepest container */
#define TRAILER_LEN 32
#define HEADER_LEN 8

/* XML */

struct xml_scan {
	const char *at, *end;
	unsigned depth, containers;
	size_t elements;
};

static bool
starts_with(const struct xml_scan *s, const char *text)
{
	size_t len = strlen(text);

	return (size_t)(s->end - s->at) >= len && memcmp(s->at, text, len) == 0;
}

/* Moves behind the first `mark` after the `skip` bytes of the opening. */
static int
skip_past(struct xml_scan *s, size_t skip, const char *mark)
{
	const char *from = s->at + skip;
	const char *found = memmem(from, (size_t)(s->end - from), mark, strlen(mark));

	if (!found)
		return -EINVAL;
	s->at = found + strlen(mark);
	return 0;
}

/*
 * The '>' that ends the tag at s->at.  NULL when two parsers could disagree about it: a '<' or a
 * '[' inside, or a '>' within quotes.
 */
static const char *
tag_end(const struct xml_scan *s)
{
	const char *p;
	char quote = 0;

	for (p = s->at + 1; p < s->end; p++) {
		if (*p == '<' || *p == '[')
			return NULL;
		if (*p == '>')
			return quote ? NULL : p;
		if (quote ? *p == quote : *p == '"' || *p == '\'')
			quote = quote ? 0 : *p;
	}
	return NULL;
}

static bool
is_container(const char *name, size_t len)
{
	return (len == 4 && memcmp(name, "dict", 4) == 0) ||
	       (len == 5 && memcmp(name, "array", 5) == 0);
}

static size_t
name_length(const char *name, const char *end)
{
	size_t len = 0;

	while (name + len < end && !strchr(" \t\r\n/", name[len]))
		len++;
	return len;
}

static int
scan_tag(struct xml_scan *s)
{
	const char *end = tag_end(s), *tag = s->at + 1;
	bool closes, container;

	if (!end)
		return -EINVAL;
	closes = *tag == '/';
	tag += closes;
	container = is_container(tag, name_length(tag, end));
	s->at = end + 1;
	if (closes) {
		if (s->depth == 0 || (container && s->containers == 0))
			return -EINVAL;
		s->depth--;
		s->containers -= container;
		return 0;
	}
	if (++s->elements > NODES_MAX)
		return -E2BIG;
	if (end[-1] == '/')
		return container && s->containers >= PROPLIST_DEPTH_MAX ? -E2BIG : 0;
	s->depth++;
	s->containers += container;
	return s->containers > PROPLIST_DEPTH_MAX || s->depth > PROPLIST_DEPTH_MAX + WRAPPERS
		       ? -E2BIG
		       : 0;
}

static int
scan_markup(struct xml_scan *s)
{
	const char *end;

	if (starts_with(s, "<!--"))
		return skip_past(s, 4, "-->");
	if (starts_with(s, "<![CDATA["))
		return skip_past(s, 9, "]]>");
	if (starts_with(s, "<?"))
		return skip_past(s, 2, "?>");
	if (!starts_with(s, "<!"))
		return scan_tag(s);
	/* an internal subset, which no device sends, is refused by its '[' */
	end = starts_with(s, "<!DOCTYPE") ? tag_end(s) : NULL;
	if (!end)
		return -EINVAL;
	s->at = end + 1;
	return 0;
}

static int
check_xml(struct bytes in)
{
	const char *text = (const char *)in.data;
	struct xml_scan s = { text, text + in.len, 0, 0, 0 };
	int r;

	if (memchr(in.data, 0, in.len))
		return -EINVAL;
	if (!utf8_valid(in))
		return -EILSEQ;
	while ((s.at = memchr(s.at, '<', (size_t)(s.end - s.at)))) {
		r = scan_markup(&s);
		if (r < 0)
			return r;
	}
	return s.depth == 0 ? 0 : -EINVAL;
}

/* Binary */

struct binary {
	struct bytes in;
	size_t table, count; /* offset table: place and number of objects */
	unsigned offset_size, ref_size;
	size_t visited, expanded;
};

/* One object's marker, with the count behind it resolved. */
struct object {
	unsigned kind;		/* high four bits of the marker */
	uint64_t count;		/* low four bits, or the integer that follows */
	size_t body, available; /* place behind marker and count; bytes up to the offset table */
};

static uint64_t
sized_int(const unsigned char *p, size_t width)
{
	uint64_t v = 0;

	while (width-- > 0)
		v = v << 8 | *p++;
	return v;
}

static int
read_object(const struct binary *b, uint64_t index, struct object *ret)
{
	const unsigned char *p = b->in.data;
	uint64_t at;
	size_t width;

	if (index >= b->count)
		return -EINVAL;
	at = sized_int(p + b->table + index * b->offset_size, b->offset_size);
	if (at < HEADER_LEN || at >= b->table)
		return -EINVAL;
	ret->kind = p[at] >> 4;
	ret->count = p[at] & 15;
	ret->body = (size_t)at + 1;
	if (ret->count == 15 && ret->kind >= 4 && ret->kind != 8) {
		if (ret->body >= b->table || p[ret->body] >> 4 != 1 || (p[ret->body] & 15) > 3)
			return -EINVAL;
		width = (size_t)1 << (p[ret->body] & 15);
		if (b->table - ret->body - 1 < width)
			return -EINVAL;
		ret->count = sized_int(p + ret->body + 1, width);
		ret->body += 1 + width;
	}
	ret->available = b->table - ret->body;
	return 0;
}

/* Bytes of an object without references; -1 for a kind that is not known. */
static int64_t
leaf_size(const struct object *o)
{
	switch (o->kind) {
	case 0: /* null, false, true */
		return o->count == 0 || o->count == 8 || o->count == 9 ? 0 : -1;
	case 1: /* integer of 2^n bytes */
		return o->count <= 4 ? INT64_C(1) << o->count : -1;
	case 2: /* real */
		return o->count == 2 || o->count == 3 ? INT64_C(1) << o->count : -1;
	case 3: /* date */
		return o->count == 3 ? 8 : -1;
	case 4: /* data, ASCII */
	case 5:
		return o->count <= EXPANDED_MAX ? (int64_t)o->count : -1;
	case 6: /* UTF-16 */
		return o->count <= EXPANDED_MAX ? (int64_t)o->count * 2 : -1;
	case 8: /* UID */
		return (int64_t)o->count + 1;
	default:
		return -1;
	}
}

/* libplist would cut such a string at its NUL, and what is judged would not be what was sent. */
static bool
holds_nul(const struct binary *b, const struct object *o)
{
	const unsigned char *text = b->in.data + o->body;
	uint64_t i;

	if (o->kind == 5)
		return memchr(text, 0, o->count) != NULL;
	for (i = 0; o->kind == 6 && i < o->count; i++)
		if (text[2 * i] == 0 && text[2 * i + 1] == 0)
			return true;
	return false;
}

static int
visit_leaf(struct binary *b, const struct object *o)
{
	int64_t size = leaf_size(o);

	if (size < 0 || (uint64_t)size > o->available)
		return -EINVAL;
	if (holds_nul(b, o))
		return -EILSEQ;
	b->expanded += (size_t)size;
	return b->expanded > EXPANDED_MAX ? -E2BIG : 0;
}

static int visit(struct binary *b, uint64_t index, unsigned depth);

static int
visit_key(struct binary *b, uint64_t index)
{
	struct object o;
	int r = read_object(b, index, &o);

	if (r < 0)
		return r;
	if (o.kind != 5 && o.kind != 6)
		return -EINVAL;
	return visit_leaf(b, &o);
}

/* Arrays (10) hold count references; dictionaries (13) count keys, then count values. */
static int
visit_container(struct binary *b, const struct object *o, unsigned depth)
{
	const unsigned char *refs = b->in.data + o->body;
	bool dict = o->kind == 13;
	uint64_t total, i, index;
	int r = 0;

	if (o->count > NODES_MAX)
		return -E2BIG;
	total = dict ? 2 * o->count : o->count;
	if (total > o->available / b->ref_size)
		return -EINVAL;
	if (depth > PROPLIST_DEPTH_MAX)
		return -E2BIG;
	for (i = 0; i < total && r == 0; i++) {
		index = sized_int(refs + i * b->ref_size, b->ref_size);
		r = dict && i < o->count ? visit_key(b, index) : visit(b, index, depth + 1);
	}
	return r;
}

/* Depth ends cycles as well; `visited` ends what is wide because it is shared. */
static int
visit(struct binary *b, uint64_t index, unsigned depth)
{
	struct object o;
	int r;

	if (++b->visited > NODES_MAX)
		return -E2BIG;
	r = read_object(b, index, &o);
	if (r < 0)
		return r;
	if (o.kind == 10 || o.kind == 13)
		return visit_container(b, &o, depth);
	return visit_leaf(b, &o);
}

static int
check_binary(struct bytes in)
{
	struct binary b = { .in = in };
	const unsigned char *trailer;
	uint64_t count, root, table;
	size_t room;

	if (in.len < HEADER_LEN + TRAILER_LEN + 1)
		return -EINVAL;
	trailer = in.data + in.len - TRAILER_LEN;
	b.offset_size = trailer[6];
	b.ref_size = trailer[7];
	count = bytes_u64(trailer + 8);
	root = bytes_u64(trailer + 16);
	table = bytes_u64(trailer + 24);
	room = in.len - TRAILER_LEN;
	if (b.offset_size < 1 || b.offset_size > 8 || b.ref_size < 1 || b.ref_size > 8)
		return -EINVAL;
	if (table <= HEADER_LEN || table >= room || count > (room - table) / b.offset_size)
		return -EINVAL;
	b.table = (size_t)table;
	b.count = (size_t)count;
	return visit(&b, root, 1);
}

/* After libplist */

static int
check_text(const char *text, uint64_t len)
{
	if (!text || strlen(text) != len || !utf8_valid(bytes_of(text, len)))
		return -EILSEQ;
	return 0;
}

static int check_node(plist_t node);

static int
check_dict(plist_t dict)
{
	plist_dict_iter iter = NULL;
	plist_t value = NULL;
	char *key = NULL;
	int r = 0;

	plist_dict_new_iter(dict, &iter);
	while (r == 0) {
		plist_dict_next_item(dict, iter, &key, &value);
		if (!value)
			break;
		r = check_text(key, key ? strlen(key) : 0);
		if (r == 0)
			r = check_node(value);
		free(key);
		key = NULL;
	}
	free(iter);
	return r;
}

static int
check_array(plist_t array)
{
	plist_array_iter iter = NULL;
	plist_t item = NULL;
	int r = 0;

	plist_array_new_iter(array, &iter);
	while (r == 0) {
		plist_array_next_item(array, iter, &item);
		if (!item)
			break;
		r = check_node(item);
	}
	free(iter);
	return r;
}

/* Recursion is bounded: the nesting was counted before. */
static int
check_node(plist_t node)
{
	const char *text;
	uint64_t len = 0;

	switch (plist_get_node_type(node)) {
	case PLIST_DICT:
		return check_dict(node);
	case PLIST_ARRAY:
		return check_array(node);
	case PLIST_STRING:
		text = plist_get_string_ptr(node, &len);
		return check_text(text, len);
	default:
		return 0;
	}
}

int
proplist_parse(struct bytes in, plist_t *ret)
{
	bool binary = in.len >= HEADER_LEN && memcmp(in.data, "bplist00", HEADER_LEN) == 0;
	plist_t root = NULL;
	int r;

	if (in.len == 0 || in.len > UINT32_MAX)
		return -EINVAL;
	r = binary ? check_binary(in) : check_xml(in);
	if (r < 0)
		return r;
	if (binary)
		plist_from_bin((const char *)in.data, (uint32_t)in.len, &root);
	else
		plist_from_xml((const char *)in.data, (uint32_t)in.len, &root);
	if (!root)
		return -EINVAL;
	r = plist_get_node_type(root) == PLIST_DICT ? check_node(root) : -EINVAL;
	if (r < 0)
		plist_free(root);
	else
		*ret = root;
	return r;
}

/* The value of `key` when it has this type, else NULL. */
static plist_t
typed(plist_t dict, const char *key, plist_type type)
{
	plist_t node;

	if (!dict || plist_get_node_type(dict) != PLIST_DICT)
		return NULL;
	node = plist_dict_get_item(dict, key);
	return node && plist_get_node_type(node) == type ? node : NULL;
}

struct bytes
proplist_data(plist_t dict, const char *key)
{
	plist_t node = typed(dict, key, PLIST_DATA);
	const char *data;
	uint64_t len = 0;

	if (!node)
		return bytes_of(NULL, 0);
	data = plist_get_data_ptr(node, &len);
	/* empty data is present: a view with an address */
	return bytes_of(data ? data : "", data ? (size_t)len : 0);
}

const char *
proplist_str(plist_t dict, const char *key)
{
	plist_t node = typed(dict, key, PLIST_STRING);

	return node ? plist_get_string_ptr(node, NULL) : NULL;
}

bool
proplist_bool(plist_t dict, const char *key, bool otherwise)
{
	plist_t node = typed(dict, key, PLIST_BOOLEAN);
	uint8_t value = 0;

	if (!node)
		return otherwise;
	plist_get_bool_val(node, &value);
	return value != 0;
}

int64_t
proplist_int(plist_t dict, const char *key, int64_t otherwise)
{
	plist_t node = typed(dict, key, PLIST_UINT);
	uint64_t value = 0;

	if (!node)
		return otherwise;
	plist_get_uint_val(node, &value);
	return (int64_t)value;
}

plist_t
proplist_dict(plist_t dict, const char *key)
{
	return typed(dict, key, PLIST_DICT);
}

plist_t
proplist_array(plist_t dict, const char *key)
{
	return typed(dict, key, PLIST_ARRAY);
}

void
proplist_each(plist_t array, bool (*each)(void *arg, plist_t item), void *arg)
{
	plist_array_iter iter = NULL;
	plist_t item = NULL;

	if (!array || plist_get_node_type(array) != PLIST_ARRAY)
		return;
	plist_array_new_iter(array, &iter);
	do {
		plist_array_next_item(array, iter, &item);
	} while (item && each(arg, item));
	free(iter);
}

bool
proplist_has(plist_t dict, const char *key)
{
	return dict && plist_get_node_type(dict) == PLIST_DICT && plist_dict_get_item(dict, key);
}

/* What libplist made. */
static void
give_back(char *made)
{
#ifdef HAVE_PLIST_MEM_FREE
	plist_mem_free(made);
#else
	plist_to_xml_free(made); /* and plist_to_bin_free is the same */
#endif
}

void
proplist_to_xml(plist_t node, struct buf *out)
{
	char *text = NULL;
	uint32_t len = 0;

	plist_to_xml(node, &text, &len);
	buf_add(out, text, text ? len : 0);
	give_back(text);
}

void
proplist_to_binary(plist_t node, struct buf *out)
{
	char *raw = NULL;
	uint32_t len = 0;

	plist_to_bin(node, &raw, &len);
	buf_add(out, raw, raw ? len : 0);
	give_back(raw);
}
