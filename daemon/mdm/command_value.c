/* command_value.c - "key=value" as a value of a property list */
#include "mdm/command_value.h"

#include "base/encode.h"
#include "base/mem.h"
#include "base/proplist.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define APPLE_EPOCH INT64_C(978307200) /* 2001-01-01, where property lists count from */
#define KEY_MAX 255u

static enum schema_type
type_of(const struct schema_node *n)
{
	return n ? n->type : SCHEMA_ANY;
}

static bool
looks_like_json(struct bytes text)
{
	size_t i = 0;

	while (i < text.len && strchr(" \t\r\n", text.data[i]) && text.data[i])
		i++;
	return i < text.len && (text.data[i] == '{' || text.data[i] == '[');
}

/* ---- scalars ---- */

static plist_t
integer_node(const char *text)
{
	unsigned long long n;
	char *end;

	errno = 0;
	n = strtoull(text, &end, 10);
	if (errno != 0 || *end != '\0' || text[0] < '0' || text[0] > '9' || n > INT64_MAX)
		return NULL;
	return plist_new_uint((uint64_t)n);
}

static plist_t
real_node(const char *text)
{
	char *end;
	double d = strtod(text, &end);

	if (end == text || *end != '\0' || !isfinite(d))
		return NULL;
	return plist_new_real(d);
}

static plist_t
boolean_node(const char *text)
{
	if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
		return NULL;
	return plist_new_bool(text[0] == 't');
}

static plist_t
data_node(const char *text)
{
	struct buf raw = BUF_INIT;
	plist_t node = NULL;

	if (decode_base64_loose(&raw, bytes_str(text)) == 0 && raw.len > 0)
		node = plist_new_data((const char *)raw.data, raw.len);
	buf_wipe(&raw);
	return node;
}

static plist_t
date_node(const char *text)
{
	static const char *const forms[] = { "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d" };
	size_t i;

	for (i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		struct tm tm = { 0 };
		const char *end = strptime(text, forms[i], &tm);
		int64_t at;

		if (!end || *end != '\0')
			continue;
		at = (int64_t)timegm(&tm) - APPLE_EPOCH;
		if (at >= INT32_MIN && at <= INT32_MAX)
			return plist_new_date((int32_t)at, 0);
	}
	return NULL;
}

static plist_t
guess(const char *text)
{
	plist_t node = boolean_node(text);

	if (!node)
		node = integer_node(text);
	return node ? node : plist_new_string(text);
}

static plist_t
scalar(enum schema_type type, const char *text)
{
	switch (type) {
	case SCHEMA_ANY:
		return guess(text);
	case SCHEMA_STRING:
		return plist_new_string(text);
	case SCHEMA_BOOLEAN:
		return boolean_node(text);
	case SCHEMA_INTEGER:
		return integer_node(text);
	case SCHEMA_REAL:
		return real_node(text);
	case SCHEMA_DATA:
		return data_node(text);
	case SCHEMA_DATE:
		return date_node(text);
	default:
		return NULL;
	}
}

/* ---- JSON ---- */

static plist_t from_json(const struct schema_node *n, const json_t *j);

static plist_t
from_object(const struct schema_node *n, const json_t *j)
{
	plist_t dict = plist_new_dict(), inner;
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)j, key, value)
	{
		inner = from_json(n && n->count ? schema_child(n, key) : NULL, value);
		if (!inner) {
			plist_free(dict);
			return NULL;
		}
		plist_dict_set_item(dict, key, inner);
	}
	return dict;
}

/* Which of the alternatives is meant: JSON's texts are compared before anything is typed. */
static const struct schema_node *
alternative(const struct schema_node *array, const json_t *element)
{
	const struct schema_node *found = NULL;
	plist_t probe;

	if (!array || array->type != SCHEMA_ARRAY || array->count == 0)
		return NULL;
	if (array->count == 1)
		return &array->children[0];
	probe = from_json(NULL, element);
	if (probe)
		found = schema_element(array, probe);
	plist_free(probe);
	return found;
}

static plist_t
from_array(const struct schema_node *n, const json_t *j)
{
	plist_t list = plist_new_array(), inner;
	const json_t *element;
	size_t i;

	json_array_foreach(j, i, element)
	{
		inner = from_json(alternative(n, element), element);
		if (!inner) {
			plist_free(list);
			return NULL;
		}
		plist_array_append_item(list, inner);
	}
	return list;
}

static plist_t
from_number(enum schema_type type, const json_t *j)
{
	if (json_is_real(j))
		return type == SCHEMA_REAL || type == SCHEMA_ANY
			       ? plist_new_real(json_real_value(j))
			       : NULL;
	if (type == SCHEMA_REAL)
		return plist_new_real(json_number_value(j));
	if (type != SCHEMA_INTEGER && type != SCHEMA_ANY)
		return NULL;
	return json_integer_value(j) < 0 ? NULL : plist_new_uint((uint64_t)json_integer_value(j));
}

/* A text of JSON is what the schema says: data as base64, dates; never a number or a boolean. */
static plist_t
from_text(enum schema_type type, const char *text)
{
	if (type == SCHEMA_ANY)
		return plist_new_string(text);
	if (type == SCHEMA_STRING || type == SCHEMA_DATA || type == SCHEMA_DATE)
		return scalar(type, text);
	return NULL;
}

static plist_t
from_json(const struct schema_node *n, const json_t *j)
{
	enum schema_type type = type_of(n);

	if (json_is_object(j))
		return type == SCHEMA_DICT || type == SCHEMA_ANY ? from_object(n, j) : NULL;
	if (json_is_array(j))
		return type == SCHEMA_ARRAY || type == SCHEMA_ANY ? from_array(n, j) : NULL;
	if (json_is_string(j))
		return from_text(type, json_string_value(j));
	if (json_is_number(j))
		return from_number(type, j);
	if (json_is_boolean(j) && (type == SCHEMA_BOOLEAN || type == SCHEMA_ANY))
		return plist_new_bool(json_is_true(j));
	return NULL;
}

/* jansson's own limit is too deep for what works on the result recursively. */
static bool
too_deep(struct bytes in)
{
	unsigned depth = 0;
	bool text = false;
	size_t i;

	for (i = 0; i < in.len; i++) {
		unsigned char c = in.data[i];

		if (text && c == '\\')
			i++;
		else if (c == '"')
			text = !text;
		else if (!text && (c == '[' || c == '{') && ++depth > COMMAND_JSON_DEPTH)
			return true;
		else if (!text && (c == ']' || c == '}') && depth)
			depth--;
	}
	return false;
}

static plist_t
json_node(const struct schema_node *n, struct bytes text, char **why)
{
	json_error_t error;
	json_t *j;
	plist_t node;

	if (too_deep(text)) {
		*why = xasprintf("its JSON is nested deeper than %u", COMMAND_JSON_DEPTH);
		return NULL;
	}
	j = json_loadb((const char *)text.data, text.len, JSON_REJECT_DUPLICATES, &error);
	if (!j) {
		*why = xasprintf("its JSON has a fault in line %d: %s", error.line, error.text);
		return NULL;
	}
	node = from_json(n, j);
	if (!node)
		*why = xstrdup("something in its JSON is of another type than the schema's");
	json_decref(j);
	return node;
}

/* ---- lists ---- */

static void
append_all(plist_t list, plist_t more)
{
	uint32_t i, count = plist_array_get_size(more);

	for (i = 0; i < count; i++)
		plist_array_append_item(list, plist_copy(plist_array_get_item(more, i)));
}

/* Each part between commas; false when one is empty or of another type. */
static bool
append_parts(plist_t list, enum schema_type type, const char *text)
{
	const char *end;

	for (;; text = end + 1) {
		plist_t node;
		char *part;

		end = strchrnul(text, ',');
		part = xstrndup(text, (size_t)(end - text));
		node = *part ? scalar(type, part) : NULL;
		free(part);
		if (!node)
			return false;
		plist_array_append_item(list, node);
		if (*end == '\0')
			return true;
	}
}

static bool
append_json(plist_t list, const struct schema_node *n, struct bytes text, char **why)
{
	bool whole = text.data[strspn((const char *)text.data, " \t\r\n")] == '[';
	plist_t node;

	if (whole) {
		node = json_node(n, text, why);
		if (node)
			append_all(list, node);
		plist_free(node);
		return node != NULL;
	}
	/* One element alone: wrapped, so that the right alternative is found. */
	char *wrapped = xasprintf("[%.*s]", (int)text.len, (const char *)text.data);

	node = json_node(n, bytes_str(wrapped), why);
	free(wrapped);
	if (node)
		append_all(list, node);
	plist_free(node);
	return node != NULL;
}

static enum schema_type
element_type(const struct schema_node *n)
{
	return n->count ? n->children[0].type : SCHEMA_ANY;
}

/* A list grows with each word. */
static plist_t
list_node(const struct schema_node *n, plist_t before, const char *text, char **why)
{
	plist_t list = before && plist_get_node_type(before) == PLIST_ARRAY ? plist_copy(before)
									    : plist_new_array();
	enum schema_type type = element_type(n);
	bool done;

	if (looks_like_json(bytes_str(text)))
		done = append_json(list, n, bytes_str(text), why);
	else
		done = append_parts(list, type, text);
	if (done)
		return list;
	if (!*why)
		*why = xasprintf("it is a list whose elements take %s", schema_type_words(type));
	plist_free(list);
	return NULL;
}

static plist_t
text_node(const struct schema_node *n, plist_t before, const char *text, char **why)
{
	enum schema_type type = type_of(n);
	plist_t node;

	if (type == SCHEMA_ARRAY)
		return list_node(n, before, text, why);
	if ((type == SCHEMA_DICT || type == SCHEMA_ANY) && looks_like_json(bytes_str(text)))
		return json_node(n, bytes_str(text), why);
	node = scalar(type, text);
	if (!node)
		*why = xasprintf("it takes %s", schema_type_words(type));
	return node;
}

/* ---- files ---- */

static plist_t
file_structure(const struct schema_node *n, plist_t before, struct bytes content, char **why)
{
	plist_t root = NULL, list;
	char *text;

	if (looks_like_json(content)) {
		text = xstrndup((const char *)content.data, content.len);
		root = text_node(n, before, text, why);
		mem_wipe_str(text);
		return root;
	}
	if (proplist_parse(content, &root) < 0) {
		*why = xstrdup("the file is neither JSON nor a property list with a dictionary");
		return NULL;
	}
	if (type_of(n) != SCHEMA_ARRAY)
		return root;
	list = before && plist_get_node_type(before) == PLIST_ARRAY ? plist_copy(before)
								    : plist_new_array();
	plist_array_append_item(list, root);
	return list;
}

static plist_t
file_text(const struct schema_node *n, struct bytes content, char **why)
{
	plist_t node = NULL;
	char *text;

	while (content.len > 0 && strchr("\r\n", content.data[content.len - 1]))
		content.len--;
	if (utf8_valid(content) && !memchr(content.data, '\0', content.len)) {
		text = xstrndup((const char *)content.data, content.len);
		node = scalar(type_of(n), text);
		mem_wipe_str(text);
	}
	if (!node)
		*why = xasprintf(
			"it takes %s, and that is not in the file", schema_type_words(type_of(n)));
	return node;
}

static plist_t
file_node(const struct schema_node *n, plist_t before, struct bytes content, char **why)
{
	enum schema_type type = type_of(n);
	plist_t list, data;

	if (content.len == 0) {
		*why = xstrdup("the file is empty");
		return NULL;
	}
	/* What nobody knows is data in a file, so that nothing of it gets lost. */
	if (type == SCHEMA_DATA || (type == SCHEMA_ANY && !n))
		return plist_new_data((const char *)content.data, content.len);
	if (type == SCHEMA_ARRAY && element_type(n) == SCHEMA_DATA) {
		list = before && plist_get_node_type(before) == PLIST_ARRAY ? plist_copy(before)
									    : plist_new_array();
		data = plist_new_data((const char *)content.data, content.len);
		plist_array_append_item(list, data);
		return list;
	}
	if (type == SCHEMA_ARRAY || type == SCHEMA_DICT || type == SCHEMA_ANY)
		return file_structure(n, before, content, why);
	return file_text(n, content, why);
}

/* ---- where it goes ---- */

/* The place that a key names: a dictionary's key, or an array's index. */
struct place {
	plist_t holder;
	char key[KEY_MAX + 1]; /* of a dictionary; "" for an element */
	uint32_t index;
	const struct schema_node *node; /* of what comes there; NULL: not known */
};

static plist_t
at(const struct place *p)
{
	if (*p->key)
		return plist_dict_get_item(p->holder, p->key);
	return p->index < plist_array_get_size(p->holder)
		       ? plist_array_get_item(p->holder, p->index)
		       : NULL;
}

static void
set(const struct place *p, plist_t node)
{
	if (*p->key)
		plist_dict_set_item(p->holder, p->key, node);
	else if (p->index < plist_array_get_size(p->holder))
		plist_array_set_item(p->holder, node, p->index);
	else
		plist_array_append_item(p->holder, node);
}

/* What is there, or a new one of this kind; NULL when something else is there. */
static plist_t
container(const struct place *p, plist_type type)
{
	plist_t node = at(p);

	if (node)
		return plist_get_node_type(node) == type ? node : NULL;
	node = type == PLIST_DICT ? plist_new_dict() : plist_new_array();
	set(p, node);
	return node;
}

static bool
take_name(const char **path, struct place *p)
{
	size_t len = strcspn(*path, ".[");

	if (len == 0 || len > KEY_MAX)
		return false;
	memcpy(p->key, *path, len);
	p->key[len] = '\0';
	*path += len;
	return true;
}

static bool
take_index(const char **path, struct place *p)
{
	char *end;
	unsigned long n = strtoul(*path + 1, &end, 10);

	if (end == *path + 1 || *end != ']' || n > COMMAND_INDEX_MAX)
		return false;
	p->index = (uint32_t)n;
	p->key[0] = '\0';
	*path = end + 1;
	return true;
}

static const char *
no_path(void)
{
	return "a key is NAME, NAME.INNER or NAME[0].INNER";
}

/* Into an array's element. */
static const char *
step_index(struct place *p, const char **path)
{
	const struct schema_node *array = p->node;
	plist_t holder = container(p, PLIST_ARRAY);

	if (!holder || (type_of(array) != SCHEMA_ARRAY && type_of(array) != SCHEMA_ANY))
		return "what has an index must be a list";
	p->holder = holder;
	if (!take_index(path, p))
		return no_path();
	if (p->index > plist_array_get_size(holder))
		return "a list is filled from [0] on, without gaps";
	p->node = NULL;
	if (array && array->count == 1)
		p->node = &array->children[0];
	if (!array || array->count < 2 || **path != '.')
		return NULL;
	/* Of alternatives the next key tells which one is meant. */
	char next[KEY_MAX + 1];
	size_t len = strcspn(*path + 1, ".[");
	plist_t element = container(p, PLIST_DICT);

	if (!element || len == 0 || len > KEY_MAX)
		return no_path();
	memcpy(next, *path + 1, len);
	next[len] = '\0';
	p->node = schema_element_for(array, element, next);
	return NULL;
}

/* Into a dictionary's key. */
static const char *
step_name(struct place *p, const char **path)
{
	const struct schema_node *dict = p->node;
	plist_t holder = container(p, PLIST_DICT);

	(*path)++;
	if (!holder || (type_of(dict) != SCHEMA_DICT && type_of(dict) != SCHEMA_ANY))
		return "what has inner keys must be a dictionary";
	p->holder = holder;
	if (!take_name(path, p))
		return no_path();
	p->node = dict && dict->count ? schema_child(dict, p->key) : NULL;
	return NULL;
}

static const char *
find_place(plist_t command, const struct schema_command *c, const char *path, struct place *p)
{
	const char *fault = NULL;
	unsigned steps;

	p->holder = command;
	if (!take_name(&path, p))
		return no_path();
	p->node = c ? schema_child(&c->request, p->key) : NULL;
	for (steps = 0; *path && !fault; steps++) {
		if (steps == SCHEMA_DEPTH_MAX)
			return no_path();
		fault = *path == '['   ? step_index(p, &path)
			: *path == '.' ? step_name(p, &path)
				       : no_path();
	}
	return fault;
}

static int
refuse(char **why, const char *key, char *reason)
{
	*why = xasprintf("%s: %s", key, reason);
	free(reason);
	return -EINVAL;
}

static int
put(plist_t command, const struct schema_command *c, const char *key, const char *value,
	struct bytes content, char **why)
{
	struct place p;
	const char *fault = find_place(command, c, key, &p);
	char *reason = NULL;
	plist_t before, node;

	if (fault)
		return refuse(why, key, xstrdup(fault));
	before = at(&p);
	if (before && type_of(p.node) != SCHEMA_ARRAY)
		return refuse(why, key, xstrdup("it is given twice"));
	node = content.data ? file_node(p.node, before, content, &reason)
			    : text_node(p.node, before, value, &reason);
	if (!node)
		return refuse(why, key, reason);
	set(&p, node);
	return 0;
}

int
command_value_put(
	plist_t command, const struct schema_command *c, const struct command_word *w, char **why)
{
	const char *equals = w->content.data ? w->text + strlen(w->text) : strchr(w->text, '=');
	char *key;
	int rc;

	if (!equals || equals == w->text || !utf8_valid(bytes_str(w->text))) {
		*why = xasprintf("'%s' is not key=value", w->text);
		return -EINVAL;
	}
	key = xstrndup(w->text, (size_t)(equals - w->text));
	if (strcmp(key, "RequestType") == 0)
		rc = refuse(why, key, xstrdup("it is given by the command's name"));
	else
		rc = put(command, c, key, equals + (*equals == '='), w->content, why);
	free(key);
	return rc;
}
