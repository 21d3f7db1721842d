/* spool.c - events on their way to the webhook */
#include "store/spool.h"

#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "store/access.h"
#include "store/fields.h"

#define LETTER 'w'
#define KEY_LEN 9u

static const struct field fields[] = {
	FIELD(1, FIELD_STR, struct spool_event, lane),
	FIELD(2, FIELD_INT, struct spool_event, created),
	FIELD(3, FIELD_INT, struct spool_event, size),
};

static struct bytes
key_of(struct buf *b, uint64_t number)
{
	buf_reset(b);
	buf_add_char(b, LETTER);
	buf_add_u64(b, number);
	return buf_bytes(b);
}

int
spool_put(struct store *s, const struct spool_event *e, struct bytes text)
{
	struct buf key = BUF_INIT, record = BUF_INIT;
	int r;

	key_of(&key, e->number);
	record_begin(&record, 1);
	fields_encode(fields, FIELD_COUNT(fields), e, &record);
	r = access_blob_add(s, buf_bytes(&key), text, SPOOL_INLINE, &record);
	if (r == 0)
		r = store_put(s, buf_bytes(&key), buf_bytes(&record));
	buf_free(&record);
	buf_free(&key);
	return r;
}

int
spool_get(struct store *s, uint64_t number, struct buf *ret)
{
	struct buf key = BUF_INIT, record = BUF_INIT;
	int r = store_get(s, key_of(&key, number), &record);

	if (r == 0)
		r = access_blob_get(s, buf_bytes(&key), buf_bytes(&record), SPOOL_TEXT_MAX, ret);
	buf_free(&record);
	buf_free(&key);
	return r;
}

int
spool_delete(struct store *s, uint64_t number)
{
	struct buf key = BUF_INIT, record = BUF_INIT;
	int r = store_get(s, key_of(&key, number), &record);

	if (r == 0)
		r = store_delete(s, buf_bytes(&key));
	if (r == 0)
		access_blob_drop(s, buf_bytes(&record));
	buf_free(&record);
	buf_free(&key);
	return r == -ENOENT ? 0 : r;
}

int
spool_decode(struct bytes key, struct bytes value, struct spool_event *ret)
{
	int r;

	*ret = (struct spool_event){ 0 };
	if (key.len != KEY_LEN || key.data[0] != LETTER)
		return -ENOENT;
	r = fields_decode(fields, FIELD_COUNT(fields), value, ret, NULL, NULL);
	if (r < 0) {
		fields_free(fields, FIELD_COUNT(fields), ret);
		return r;
	}
	ret->number = bytes_u64(key.data + 1);
	if (!ret->lane)
		ret->lane = xstrdup("");
	return 0;
}

struct list {
	struct spool_event *items;
	size_t count, cap;
};

static int
collect(void *arg, struct bytes key, struct bytes value)
{
	struct list *l = arg;
	struct spool_event e;

	if (spool_decode(key, value, &e) < 0)
		return 0;
	if (l->count == l->cap) {
		l->cap = l->cap ? 2 * l->cap : 64;
		l->items = xrealloc(l->items, l->cap * sizeof(*l->items));
	}
	l->items[l->count++] = e;
	return 0;
}

static int
by_number(const void *a, const void *b)
{
	uint64_t x = ((const struct spool_event *)a)->number,
		 y = ((const struct spool_event *)b)->number;

	return x < y ? -1 : x > y;
}

int
spool_list(struct store *s, struct spool_event **ret, size_t *count)
{
	struct list l = { 0 };
	int r = store_each(s, bytes_str("w"), collect, &l);

	if (l.count)
		qsort(l.items, l.count, sizeof(*l.items), by_number);
	*ret = l.items;
	*count = l.count;
	return r < 0 ? r : 0;
}
