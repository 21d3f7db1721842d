/*
 * table.c - hash table with chains, grown by linear hashing
 *
 * Each insertion splits at most one bucket, so that a table of a million entries never stops the
 * event loop to rehash.  Keys come from devices: the hash is SipHash-1-3 under a random key.
 */
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "base/table.h"

#define FIRST_BUCKETS 8

struct entry {
	struct entry *next;
	uint64_t hash;
	void *value;
	size_t len;
	unsigned char key[];
};

struct table {
	struct entry **buckets;
	size_t cap;   /* allocated buckets */
	size_t base;  /* power of two; base + split buckets are in use */
	size_t split; /* next bucket to split, < base */
	size_t count;
	uint64_t seed[2];
	void (*drop)(void *value);
};

#define ROTATE(v, n) ((v) << (n) | (v) >> (64 - (n)))

static void
sip_round(uint64_t v[4])
{
	v[0] += v[1];
	v[1] = ROTATE(v[1], 13) ^ v[0];
	v[0] = ROTATE(v[0], 32);
	v[2] += v[3];
	v[3] = ROTATE(v[3], 16) ^ v[2];
	v[0] += v[3];
	v[3] = ROTATE(v[3], 21) ^ v[0];
	v[2] += v[1];
	v[1] = ROTATE(v[1], 17) ^ v[2];
	v[2] = ROTATE(v[2], 32);
}

static void
sip_block(uint64_t v[4], uint64_t m)
{
	v[3] ^= m;
	sip_round(v);
	v[0] ^= m;
}

static uint64_t
hash_key(const struct table *t, struct bytes key)
{
	uint64_t v[4] = { t->seed[0] ^ UINT64_C(0x736f6d6570736575),
		t->seed[1] ^ UINT64_C(0x646f72616e646f6d),
		t->seed[0] ^ UINT64_C(0x6c7967656e657261),
		t->seed[1] ^ UINT64_C(0x7465646279746573) };
	uint64_t m;
	size_t left;

	for (left = key.len; left >= 8; left -= 8, key.data += 8) {
		memcpy(&m, key.data, 8);
		sip_block(v, m);
	}
	m = 0;
	if (left > 0)
		memcpy(&m, key.data, left);
	sip_block(v, m | (uint64_t)key.len << 56);
	v[2] ^= 0xff;
	sip_round(v);
	sip_round(v);
	sip_round(v);
	return v[0] ^ v[1] ^ v[2] ^ v[3];
}

struct table *
table_new(void (*drop)(void *value))
{
	struct table *t = xcalloc(1, sizeof(*t));

	t->cap = t->base = FIRST_BUCKETS;
	t->buckets = xcalloc(t->cap, sizeof(struct entry *));
	t->drop = drop;
	random_bytes(t->seed, sizeof(t->seed));
	return t;
}

static void
drop_value(const struct table *t, void *value)
{
	if (t->drop)
		t->drop(value);
}

void
table_free(struct table *t)
{
	struct entry *e, *next;
	size_t i;

	if (!t)
		return;
	for (i = 0; i < t->base + t->split; i++)
		for (e = t->buckets[i]; e; e = next) {
			next = e->next;
			drop_value(t, e->value);
			free(e);
		}
	free(t->buckets);
	free(t);
}

size_t
table_count(const struct table *t)
{
	return t->count;
}

static size_t
bucket_of(const struct table *t, uint64_t hash)
{
	size_t i = hash & (2 * t->base - 1);

	return i < t->base + t->split ? i : i - t->base;
}

/* The place that points at the entry, or at the NULL that ends its chain. */
static struct entry **
find(const struct table *t, struct bytes key, uint64_t hash)
{
	struct entry **p = &t->buckets[bucket_of(t, hash)];

	for (; *p; p = &(*p)->next)
		if ((*p)->hash == hash && bytes_eq(bytes_of((*p)->key, (*p)->len), key))
			break;
	return p;
}

void *
table_get(const struct table *t, struct bytes key)
{
	const struct entry *e = *find(t, key, hash_key(t, key));

	return e ? e->value : NULL;
}

static void
split_bucket(struct table *t)
{
	struct entry **from = &t->buckets[t->split], **to, *e;

	if (t->base + t->split == t->cap) {
		t->buckets = xrealloc(t->buckets, 2 * t->cap * sizeof(struct entry *));
		t->cap *= 2;
		from = &t->buckets[t->split];
	}
	to = &t->buckets[t->base + t->split];
	*to = NULL;
	while ((e = *from)) {
		if (!(e->hash & t->base)) {
			from = &e->next;
			continue;
		}
		*from = e->next;
		e->next = *to;
		*to = e;
	}
	if (++t->split == t->base) {
		t->base *= 2;
		t->split = 0;
	}
}

void
table_put(struct table *t, struct bytes key, void *value)
{
	uint64_t hash = hash_key(t, key);
	struct entry *e, **p = find(t, key, hash);
	void *old;

	if (*p) {
		old = (*p)->value;
		(*p)->value = value;
		if (old != value)
			drop_value(t, old);
		return;
	}
	e = xmalloc(sizeof(*e) + key.len);
	*e = (struct entry){ NULL, hash, value, key.len };
	if (key.len > 0)
		memcpy(e->key, key.data, key.len);
	*p = e;
	if (++t->count > t->base + t->split)
		split_bucket(t);
}

void *
table_take(struct table *t, struct bytes key)
{
	struct entry **p = find(t, key, hash_key(t, key)), *e = *p;
	void *value;

	if (!e)
		return NULL;
	*p = e->next;
	value = e->value;
	free(e);
	t->count--;
	return value;
}

bool
table_delete(struct table *t, struct bytes key)
{
	void *value = table_take(t, key);

	if (value)
		drop_value(t, value);
	return value != NULL;
}

int
table_each(struct table *t, int (*each)(void *arg, struct bytes key, void *value), void *arg)
{
	struct entry *e, *next;
	size_t i;
	int r;

	for (i = 0; i < t->base + t->split; i++)
		for (e = t->buckets[i]; e; e = next) {
			next = e->next;
			r = each(arg, bytes_of(e->key, e->len), e->value);
			if (r != 0)
				return r;
		}
	return 0;
}
