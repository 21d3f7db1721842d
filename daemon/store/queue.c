/* queue.c - commands that wait for one enrollment */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/access.h"
#include "store/fields.h"
#include "store/queue.h"

static const struct field fields[] = {
	FIELD(1, FIELD_STR, struct queue_entry, uuid),
	FIELD(2, FIELD_STR, struct queue_entry, type),
	FIELD_OF(3, struct queue_entry, family, FAMILY_QUERY + 1),
	FIELD(4, FIELD_BOOL, struct queue_entry, urgent),
	FIELD(5, FIELD_BOOL, struct queue_entry, by_person),
	FIELD(6, FIELD_BOOL, struct queue_entry, refresh),
	FIELD(7, FIELD_BOOL, struct queue_entry, renewal),
	FIELD(8, FIELD_STR, struct queue_entry, subject),
	FIELD(9, FIELD_STR, struct queue_entry, actor),
	FIELD(10, FIELD_INT, struct queue_entry, queued_at),
	FIELD(11, FIELD_INT, struct queue_entry, expires_at),
	FIELD(12, FIELD_INT, struct queue_entry, offered_at),
	FIELD(13, FIELD_UINT, struct queue_entry, not_now),
	FIELD(14, FIELD_INT, struct queue_entry, not_now_at),
	FIELD(15, FIELD_INT, struct queue_entry, retry_at),
};

#define TAG_ENTRY 1

void
queue_entry_clear(struct queue_entry *e)
{
	fields_free(fields, FIELD_COUNT(fields), e);
}

void
queue_free(struct queue *q)
{
	if (!q)
		return;
	for (size_t i = 0; i < q->count; i++)
		queue_entry_clear(&q->entries[i]);
	free(q->entries);
	free(q->id);
	free(q);
}

/* Makes room at the end and returns it. */
static struct queue_entry *
grow(struct queue *q)
{
	if (q->count == q->cap) {
		q->cap = q->cap ? 2 * q->cap : 4;
		q->entries = xrealloc(q->entries, q->cap * sizeof(*q->entries));
	}
	return &q->entries[q->count++];
}

static int
decode_entry(struct queue *q, struct bytes value)
{
	struct queue_entry *e = grow(q);

	memset(e, 0, sizeof(*e));
	return fields_decode(fields, FIELD_COUNT(fields), value, e, NULL, NULL) < 0 || !e->uuid ||
			       !e->type
		       ? -EBADMSG
		       : 0;
}

static int
decode(struct queue *q, struct bytes value)
{
	struct record_reader r;
	struct bytes field;
	uint8_t tag;
	int err = record_open(&r, value);

	while (err == 0 && record_next(&r, &tag, &field))
		if (tag == TAG_ENTRY)
			err = decode_entry(q, field);
	return err == 0 && r.damaged ? -EBADMSG : err;
}

int
queue_load(struct store *s, const char *id, struct queue **ret)
{
	struct queue *q = xcalloc(1, sizeof(*q));
	struct buf value = BUF_INIT;
	int r = access_get(s, 'q', id, NULL, &value);

	q->id = xstrdup(id);
	r = r == -ENOENT ? 0 : r == 0 ? decode(q, buf_bytes(&value)) : r;
	buf_free(&value);
	if (r < 0) {
		queue_free(q);
		return r;
	}
	*ret = q;
	return 0;
}

int
queue_save(struct store *s, const struct queue *q)
{
	struct buf value = BUF_INIT;
	int r;

	if (q->count == 0)
		return access_delete(s, 'q', q->id, NULL);
	record_begin(&value, 1);
	for (size_t i = 0; i < q->count; i++)
		fields_nest(&value, TAG_ENTRY, fields, FIELD_COUNT(fields), &q->entries[i]);
	r = access_put(s, 'q', q->id, NULL, &value);
	buf_free(&value);
	return r;
}

void
queue_add(struct queue *q, struct queue_entry *entry)
{
	size_t at = 0;

	grow(q);
	if (entry->urgent)
		while (at < q->count - 1 && q->entries[at].urgent)
			at++;
	else
		at = q->count - 1;
	memmove(&q->entries[at + 1], &q->entries[at], (q->count - 1 - at) * sizeof(*entry));
	q->entries[at] = *entry;
	memset(entry, 0, sizeof(*entry));
}

struct queue_entry *
queue_find(struct queue *q, const char *uuid)
{
	for (size_t i = 0; i < q->count; i++)
		if (strcmp(q->entries[i].uuid, uuid) == 0)
			return &q->entries[i];
	return NULL;
}

void
queue_remove(struct queue *q, struct queue_entry *entry)
{
	size_t at = (size_t)(entry - q->entries);

	queue_entry_clear(entry);
	memmove(entry, entry + 1, (q->count - at - 1) * sizeof(*entry));
	q->count--;
}

static bool
stepped_aside(const struct queue_entry *e, int64_t session_start)
{
	return e->not_now > 0 && e->not_now_at >= session_start;
}

/* Queries and commands of no family depend on no other. */
static bool
keeps_order(enum family f)
{
	return f != FAMILY_OTHER && f != FAMILY_QUERY;
}

struct queue_entry *
queue_next(struct queue *q, int64_t session_start)
{
	unsigned held = 0; /* a bit for each family that waits behind a NotNow */

	for (size_t i = 0; i < q->count; i++) {
		struct queue_entry *e = &q->entries[i];

		if (stepped_aside(e, session_start)) {
			if (keeps_order(e->family))
				held |= 1u << e->family;
		} else if (e->urgent || !(held & 1u << e->family)) {
			return e;
		}
	}
	return NULL;
}

/* ---- bodies ---- */

#define TAG_COUNT 1

static int
count_get(struct store *s, const char *uuid, int64_t *count)
{
	struct buf value = BUF_INIT;
	struct record_reader reader;
	struct bytes field;
	uint8_t tag;
	int r = access_get(s, 'B', uuid, NULL, &value);

	*count = 0;
	if (r == 0 && record_open(&reader, buf_bytes(&value)) == 0)
		while (record_next(&reader, &tag, &field))
			if (tag == TAG_COUNT)
				*count = record_int(field);
	buf_free(&value);
	return r == -ENOENT ? 0 : r;
}

static int
count_set(struct store *s, const char *uuid, int64_t count)
{
	struct buf value = BUF_INIT;
	int r;

	record_begin(&value, 1);
	record_add_int(&value, TAG_COUNT, count);
	r = access_put(s, 'B', uuid, NULL, &value);
	buf_free(&value);
	return r;
}

/* The body is there already: the same command for more enrollments, or another under its name. */
static int
add_references(struct store *s, const char *uuid, struct bytes plist, int64_t count)
{
	struct buf old = BUF_INIT;
	int r = queue_body_get(s, uuid, &old);

	if (r == 0)
		r = bytes_eq(buf_bytes(&old), plist) ? count_set(s, uuid, count) : -EEXIST;
	buf_wipe(&old);
	return r;
}

int
queue_body_put(struct store *s, const char *uuid, struct bytes plist, unsigned references)
{
	struct buf key = BUF_INIT, value = BUF_INIT;
	struct bytes k = record_key(&key, 'b', uuid, NULL);
	int64_t count;
	int r = count_get(s, uuid, &count);

	if (r == 0 && count > 0) {
		r = add_references(s, uuid, plist, count + references);
	} else if (r == 0) {
		record_begin(&value, 1);
		r = access_blob_add(s, k, plist, QUEUE_BODY_INLINE, &value);
		if (r == 0)
			r = store_put(s, k, buf_bytes(&value));
		if (r == 0)
			r = count_set(s, uuid, references);
	}
	buf_free(&value);
	buf_free(&key);
	return r;
}

int
queue_body_get(struct store *s, const char *uuid, struct buf *ret)
{
	struct buf key = BUF_INIT, value = BUF_INIT;
	struct bytes k = record_key(&key, 'b', uuid, NULL);
	int r = store_get(s, k, &value);

	if (r == 0)
		r = access_blob_get(s, k, buf_bytes(&value), QUEUE_BODY_MAX, ret);
	buf_free(&value);
	buf_free(&key);
	return r;
}

static int
delete_body(struct store *s, const char *uuid)
{
	struct buf value = BUF_INIT;
	int r = access_get(s, 'b', uuid, NULL, &value);

	if (r == 0) {
		access_blob_drop(s, buf_bytes(&value));
		r = access_delete(s, 'b', uuid, NULL);
	}
	if (r == 0 || r == -ENOENT)
		r = access_delete(s, 'B', uuid, NULL);
	buf_free(&value);
	return r;
}

int
queue_body_drop(struct store *s, const char *uuid)
{
	int64_t count;
	int r = count_get(s, uuid, &count);

	if (r < 0)
		return r;
	return count > 1 ? count_set(s, uuid, count - 1) : delete_body(s, uuid);
}

int
queue_clear(struct store *s, const char *id, size_t *dropped)
{
	struct queue *q = NULL;
	int r = queue_load(s, id, &q);

	if (dropped)
		*dropped = 0;
	if (r == -EBADMSG) /* what a damaged queue held is not known, but it must not stay */
		return access_delete(s, 'q', id, NULL);
	if (r < 0)
		return r;
	for (size_t i = 0; i < q->count && r == 0; i++)
		r = queue_body_drop(s, q->entries[i].uuid);
	if (r == 0)
		r = access_delete(s, 'q', id, NULL);
	if (r == 0 && dropped)
		*dropped = q->count;
	queue_free(q);
	return r;
}
