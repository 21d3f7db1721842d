/* layer.c - records that changed, with tombstones, counted in bytes */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "base/table.h"
#include "store/layer.h"

/* What the table and the allocator take for each record beside its bytes. */
#define RECORD_OVERHEAD 96u

#define GENTLE_RECORDS 128u	/* between two pauses */
#define GENTLE_PAUSE_NS 1000000 /* 200,000 records take two seconds */

struct layer {
	struct table *table;
	size_t bytes;
};

struct layer *
layer_new(void)
{
	struct layer *l = xcalloc(1, sizeof(*l));

	l->table = table_new(free);
	return l;
}

void
layer_free(struct layer *l)
{
	if (!l)
		return;
	table_free(l->table);
	free(l);
}

struct freeing {
	struct table *table;
	unsigned records;
};

static int
free_record(void *arg, struct bytes key, void *value)
{
	const struct timespec pause = { 0, GENTLE_PAUSE_NS };
	struct freeing *f = arg;

	(void)value;
	table_delete(f->table, key);
	if (++f->records % GENTLE_RECORDS == 0)
		nanosleep(&pause, NULL);
	return 0;
}

void
layer_free_gently(struct layer *l)
{
	struct freeing f = { NULL, 0 };

	if (!l)
		return;
	f.table = l->table;
	table_each(l->table, free_record, &f);
	layer_free(l);
}

static size_t
weight(const struct change *c)
{
	return RECORD_OVERHEAD + c->key_len + c->len;
}

void
layer_set(struct layer *l, struct bytes key, struct bytes value)
{
	const struct change *old = layer_get(l, key);
	struct change *c = xmalloc(sizeof(*c) + value.len);

	if (old)
		l->bytes -= weight(old);
	c->key_len = (uint32_t)key.len;
	c->len = (uint32_t)value.len;
	c->deleted = !value.data;
	if (value.len > 0)
		memcpy(c->data, value.data, value.len);
	l->bytes += weight(c);
	table_put(l->table, key, c);
}

const struct change *
layer_get(const struct layer *l, struct bytes key)
{
	return l ? table_get(l->table, key) : NULL;
}

struct bytes
change_value(const struct change *c)
{
	return c->deleted ? bytes_of(NULL, 0) : bytes_of(c->data, c->len);
}

struct walk {
	int (*each)(void *arg, struct bytes key, const struct change *c);
	void *arg;
};

static int
walk_one(void *arg, struct bytes key, void *value)
{
	struct walk *w = arg;

	return w->each(w->arg, key, value);
}

int
layer_each(struct layer *l, int (*each)(void *arg, struct bytes key, const struct change *c),
	void *arg)
{
	struct walk w = { each, arg };

	return l ? table_each(l->table, walk_one, &w) : 0;
}

size_t
layer_count(const struct layer *l)
{
	return l ? table_count(l->table) : 0;
}

size_t
layer_bytes(const struct layer *l)
{
	return l ? l->bytes : 0;
}
