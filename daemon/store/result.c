/* result.c - what devices answered */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "store/access.h"
#include "store/fields.h"
#include "store/result.h"

#define ERROR_MAX 512u /* bytes of a device's error text in the list; its answer has all of it */
#define KEEP_MAX 1000u /* so that the list stays a record */

static const struct field fields[] = {
	FIELD(1, FIELD_STR, struct result, uuid),
	FIELD(2, FIELD_STR, struct result, type),
	FIELD(3, FIELD_STR, struct result, status),
	FIELD(4, FIELD_STR, struct result, error),
	FIELD(5, FIELD_STR, struct result, actor),
	FIELD(6, FIELD_INT, struct result, at),
	FIELD(7, FIELD_INT, struct result, queued_at),
	FIELD(8, FIELD_UINT, struct result, generation),
	FIELD(9, FIELD_BOOL, struct result, has_body),
	FIELD(10, FIELD_STR, struct result, subject),
};

enum { TAG_RESULT = 1, TAG_KIND }; /* 'r': results; kinds that have a latest answer ('f') */
enum { TAG_AT = 1 };		   /* 'f' beside its blob */

/* The 'r' record: the list, and what else `forget` must know. */
struct ledger {
	struct result_list list;
	char **kinds;
	size_t kind_count;
};

void
result_list_free(struct result_list *l)
{
	for (size_t i = 0; i < l->count; i++)
		fields_free(fields, FIELD_COUNT(fields), &l->items[i]);
	free(l->items);
	*l = (struct result_list){ 0 };
}

static void
ledger_fini(struct ledger *g)
{
	result_list_free(&g->list);
	for (size_t i = 0; i < g->kind_count; i++)
		free(g->kinds[i]);
	free(g->kinds);
}

static struct result *
list_grow(struct result_list *l)
{
	if (l->count == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 8;
		l->items = xrealloc(l->items, l->cap * sizeof(*l->items));
	}
	memset(&l->items[l->count], 0, sizeof(*l->items));
	return &l->items[l->count++];
}

static void
add_kind(struct ledger *g, struct bytes kind)
{
	g->kinds = xrealloc(g->kinds, (g->kind_count + 1) * sizeof(char *));
	g->kinds[g->kind_count++] = xstrndup((const char *)kind.data, kind.len);
}

static int
decode_result(struct ledger *g, struct bytes value)
{
	struct result *item = list_grow(&g->list);
	int r = fields_decode(fields, FIELD_COUNT(fields), value, item, NULL, NULL);

	return r == 0 && !item->uuid ? -EBADMSG : r;
}

static int
ledger_load(struct store *s, const char *id, struct ledger *g)
{
	struct buf value = BUF_INIT;
	struct record_reader r;
	struct bytes field;
	uint8_t tag;
	int err = access_get(s, 'r', id, NULL, &value);

	memset(g, 0, sizeof(*g));
	if (err == 0)
		err = record_open(&r, buf_bytes(&value));
	while (err == 0 && record_next(&r, &tag, &field)) {
		if (tag == TAG_RESULT)
			err = decode_result(g, field);
		else if (tag == TAG_KIND)
			add_kind(g, field);
	}
	if (err == 0 && r.damaged)
		err = -EBADMSG;
	buf_free(&value);
	if (err < 0) {
		ledger_fini(g);
		memset(g, 0, sizeof(*g));
	}
	return err == -ENOENT ? 0 : err;
}

static int
ledger_save(struct store *s, const char *id, const struct ledger *g)
{
	struct buf value = BUF_INIT;
	int r;

	record_begin(&value, 1);
	for (size_t i = 0; i < g->kind_count; i++)
		record_add_str(&value, TAG_KIND, g->kinds[i]);
	for (size_t i = 0; i < g->list.count; i++)
		fields_nest(&value, TAG_RESULT, fields, FIELD_COUNT(fields), &g->list.items[i]);
	r = access_put(s, 'r', id, NULL, &value);
	buf_free(&value);
	return r;
}

int
result_list_load(struct store *s, const char *id, struct result_list *ret)
{
	struct ledger g;
	int r = ledger_load(s, id, &g);

	*ret = g.list;
	g.list = (struct result_list){ 0 };
	ledger_fini(&g);
	return r;
}

/* ---- bodies: one answer as a record of its own ---- */

static int
body_put(struct store *s, struct bytes key, struct bytes body, int64_t at)
{
	struct buf record = BUF_INIT;
	int r;

	record_begin(&record, 1);
	record_add_int(&record, TAG_AT, at);
	r = access_blob_add(s, key, body, RESULT_INLINE, &record);
	if (r == 0)
		r = store_put(s, key, buf_bytes(&record));
	buf_free(&record);
	return r;
}

/* With the reference to its file.  0 also when there is none. */
static int
body_delete(struct store *s, struct bytes key)
{
	struct buf record = BUF_INIT;
	int r = store_get(s, key, &record);

	if (r == 0) {
		access_blob_drop(s, buf_bytes(&record));
		r = store_delete(s, key);
	}
	buf_free(&record);
	return r == -ENOENT ? 0 : r;
}

static int
delete_answer(struct store *s, char letter, const char *id, const char *second)
{
	struct buf key = BUF_INIT;
	int r = body_delete(s, record_key(&key, letter, id, second));

	buf_free(&key);
	return r;
}

/* ---- adding ---- */

static bool
in_list(const struct result_list *l, const char *uuid)
{
	for (size_t i = 0; i < l->count; i++)
		if (strcmp(l->items[i].uuid, uuid) == 0)
			return true;
	return false;
}

static char *
copy_str(const char *s, size_t max)
{
	size_t len = s ? strnlen(s, max + 1) : 0;

	if (!s)
		return NULL;
	if (len > max) /* not in the middle of a character */
		for (len = max; len > 0 && ((unsigned char)s[len] & 0xc0) == 0x80;)
			len--;
	return xstrndup(s, len);
}

static void
append(struct result_list *l, const struct result *r, bool has_body)
{
	struct result *item = list_grow(l);

	*item = *r;
	item->uuid = xstrdup(r->uuid);
	item->type = copy_str(r->type, ERROR_MAX);
	item->status = copy_str(r->status, ERROR_MAX);
	item->error = copy_str(r->error, ERROR_MAX);
	item->actor = copy_str(r->actor, ERROR_MAX);
	item->subject = copy_str(r->subject, ERROR_MAX);
	item->has_body = has_body;
}

/*
 * Forgets the oldest beyond `keep`.  Those without a body (superseded, expired, cancelled) are
 * counted apart: they must not push out what devices answered.
 */
static int
trim(struct store *s, const char *id, struct result_list *l, bool has_body, size_t keep)
{
	size_t alike = 0, i = 0;
	int r = 0;

	for (size_t k = 0; k < l->count; k++)
		alike += l->items[k].has_body == has_body;
	while (alike > keep && r == 0) {
		if (l->items[i].has_body != has_body) {
			i++;
			continue;
		}
		if (has_body)
			r = delete_answer(s, 'R', id, l->items[i].uuid);
		fields_free(fields, FIELD_COUNT(fields), &l->items[i]);
		memmove(&l->items[i], &l->items[i + 1], (l->count - i - 1) * sizeof(*l->items));
		l->count--;
		alike--;
	}
	return r;
}

static unsigned
bounded(unsigned keep)
{
	return keep < 1 ? 1 : keep > KEEP_MAX ? KEEP_MAX : keep;
}

int
result_add(
	struct store *s, const char *id, const struct result *r, struct bytes body, unsigned keep)
{
	struct buf key = BUF_INIT;
	struct ledger g;
	int err = ledger_load(s, id, &g);

	if (err == -EBADMSG)
		err = 0; /* a damaged list is begun anew: an answer must find its place */
	if (err == 0 && in_list(&g.list, r->uuid))
		err = -EEXIST;
	if (err == 0 && body.len > 0)
		err = body_put(s, record_key(&key, 'R', id, r->uuid), body, r->at);
	if (err == 0) {
		append(&g.list, r, body.len > 0);
		err = trim(s, id, &g.list, body.len > 0, bounded(keep));
	}
	if (err == 0)
		err = ledger_save(s, id, &g);
	ledger_fini(&g);
	buf_free(&key);
	return err;
}

int
result_body(struct store *s, const char *id, const char *uuid, size_t max, struct buf *ret)
{
	struct buf key = BUF_INIT, record = BUF_INIT;
	struct bytes k = record_key(&key, 'R', id, uuid);
	int r = store_get(s, k, &record);

	if (r == 0)
		r = access_blob_get(s, k, buf_bytes(&record), max, ret);
	buf_free(&record);
	buf_free(&key);
	return r;
}

/* ---- the latest of each kind ---- */

static int
note_kind(struct store *s, const char *id, const char *kind)
{
	struct ledger g;
	int r = ledger_load(s, id, &g);

	for (size_t i = 0; i < g.kind_count && r == 0; i++)
		if (strcmp(g.kinds[i], kind) == 0)
			r = -EEXIST;
	if (r == 0 || r == -EBADMSG) {
		add_kind(&g, bytes_str(kind));
		r = ledger_save(s, id, &g);
	}
	ledger_fini(&g);
	return r == -EEXIST ? 0 : r;
}

int
result_latest_put(struct store *s, const char *id, const char *kind, int64_t at, struct bytes body)
{
	struct buf key = BUF_INIT, old = BUF_INIT;
	struct bytes k = record_key(&key, 'f', id, kind);
	int r = store_get(s, k, &old);
	bool first = r == -ENOENT;

	if (r == 0 || first)
		r = body_put(s, k, body, at);
	if (r == 0 && !first) /* after the put: the same answer again keeps its file */
		access_blob_drop(s, buf_bytes(&old));
	if (r == 0 && first)
		r = note_kind(s, id, kind);
	buf_free(&old);
	buf_free(&key);
	return r;
}

static int64_t
time_of(struct bytes record)
{
	struct record_reader r;
	struct bytes field;
	uint8_t tag;

	if (record_open(&r, record) == 0)
		while (record_next(&r, &tag, &field))
			if (tag == TAG_AT)
				return record_int(field);
	return 0;
}

int
result_latest_get(
	struct store *s, const char *id, const char *kind, size_t max, int64_t *at, struct buf *ret)
{
	struct buf key = BUF_INIT, record = BUF_INIT;
	struct bytes k = record_key(&key, 'f', id, kind);
	int r = store_get(s, k, &record);

	if (r == 0)
		r = access_blob_get(s, k, buf_bytes(&record), max, ret);
	if (r == 0 && at)
		*at = time_of(buf_bytes(&record));
	buf_free(&record);
	buf_free(&key);
	return r;
}

int
result_forget(struct store *s, const char *id)
{
	struct ledger g;
	int r = ledger_load(s, id, &g);

	if (r == -EBADMSG)
		r = 0;
	for (size_t i = 0; i < g.list.count && r == 0; i++)
		r = delete_answer(s, 'R', id, g.list.items[i].uuid);
	for (size_t i = 0; i < g.kind_count && r == 0; i++)
		r = delete_answer(s, 'f', id, g.kinds[i]);
	if (r == 0)
		r = access_delete(s, 'r', id, NULL);
	ledger_fini(&g);
	return r;
}
