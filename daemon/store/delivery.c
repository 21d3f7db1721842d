/* delivery.c - enrollment profiles that were handed out */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/access.h"
#include "store/delivery.h"
#include "store/fields.h"

#define SWEEP_AGE (DELIVERY_LIFETIME + 86400)

static const struct field fact_fields[] = {
	FIELD(1, FIELD_STR, struct profile_facts, identifier),
	FIELD(2, FIELD_STR, struct profile_facts, server_url),
	FIELD(3, FIELD_STR, struct profile_facts, checkin_url),
	FIELD(4, FIELD_STR, struct profile_facts, topic),
	FIELD(5, FIELD_INT, struct profile_facts, access_rights),
	FIELD(6, FIELD_BOOL, struct profile_facts, per_user),
	FIELD(7, FIELD_STR, struct profile_facts, server_name),
	FIELD_SIZED(8, FIELD_BYTES, struct profile_facts, signer),
	FIELD(9, FIELD_STR, struct profile_facts, origin),
};

static const struct field fields[] = {
	FIELD_SIZED(1, FIELD_BYTES, struct delivery, challenge),
	FIELD_SIZED(2, FIELD_TEXT, struct delivery, link),
	FIELD(3, FIELD_STR, struct delivery, renewal_of),
	FIELD(4, FIELD_INT, struct delivery, created),
	FIELD(5, FIELD_UINT, struct delivery, uses),
	FIELD_SIZED(6, FIELD_BYTES, struct delivery, last_cert),
	FIELD(7, FIELD_BOOL, struct delivery, closed),
	FIELD(8, FIELD_STR, struct delivery, enrollment),
};

#define TAG_FACTS 16

void
profile_facts_free(struct profile_facts *f)
{
	fields_free(fact_fields, FIELD_COUNT(fact_fields), f);
}

static char *
copy_str(const char *s)
{
	return s ? xstrdup(s) : NULL;
}

void
profile_facts_copy(struct profile_facts *to, const struct profile_facts *from)
{
	*to = *from;
	to->identifier = copy_str(from->identifier);
	to->server_url = copy_str(from->server_url);
	to->checkin_url = copy_str(from->checkin_url);
	to->topic = copy_str(from->topic);
	to->server_name = copy_str(from->server_name);
	to->origin = copy_str(from->origin);
}

void
profile_facts_nest(struct buf *out, uint8_t tag, const struct profile_facts *f)
{
	fields_nest(out, tag, fact_fields, FIELD_COUNT(fact_fields), f);
}

int
profile_facts_decode(struct profile_facts *f, struct bytes value)
{
	return fields_decode(fact_fields, FIELD_COUNT(fact_fields), value, f, NULL, NULL);
}

struct delivery *
delivery_new(void)
{
	struct delivery *d = xcalloc(1, sizeof(*d));

	uuid_new(d->number);
	return d;
}

void
delivery_free(struct delivery *d)
{
	if (!d)
		return;
	profile_facts_free(&d->facts);
	fields_free(fields, FIELD_COUNT(fields), d);
	free(d);
}

static int
decode_other(void *arg, uint8_t tag, struct bytes value)
{
	struct delivery *d = arg;

	return tag == TAG_FACTS ? profile_facts_decode(&d->facts, value) : 0;
}

static int
decode(struct bytes number, struct bytes value, struct delivery **ret)
{
	struct delivery *d = xcalloc(1, sizeof(*d));
	int r = number.len < sizeof(d->number) ? 0 : -EBADMSG;

	if (r == 0)
		r = fields_decode(fields, FIELD_COUNT(fields), value, d, decode_other, d);
	if (r < 0) {
		delivery_free(d);
		return r;
	}
	memcpy(d->number, number.data, number.len);
	*ret = d;
	return 0;
}

int
delivery_load(struct store *s, const char *number, struct delivery **ret)
{
	struct buf value = BUF_INIT;
	int r = access_get(s, 'n', number, NULL, &value);

	if (r == 0)
		r = decode(bytes_str(number), buf_bytes(&value), ret);
	buf_free(&value);
	return r;
}

static struct bytes
challenge_key(struct buf *key, const unsigned char hash[SHA256_LEN])
{
	return record_key_bytes(key, 'h', bytes_of(hash, SHA256_LEN));
}

int
delivery_by_challenge(struct store *s, struct bytes challenge, struct delivery **ret)
{
	unsigned char hash[SHA256_LEN];
	struct buf key = BUF_INIT, number = BUF_INIT;
	int r;

	digest_sha256(challenge, hash);
	r = store_get(s, challenge_key(&key, hash), &number);
	if (r == 0)
		r = delivery_load(s, buf_str(&number), ret);
	buf_free(&number);
	buf_free(&key);
	return r;
}

int
delivery_save(struct store *s, const struct delivery *d)
{
	struct buf key = BUF_INIT, value = BUF_INIT;
	struct bytes index = challenge_key(&key, d->challenge);
	int r;

	record_begin(&value, 1);
	fields_encode(fields, FIELD_COUNT(fields), d, &value);
	profile_facts_nest(&value, TAG_FACTS, &d->facts);
	r = access_put(s, 'n', d->number, NULL, &value);
	if (r == 0 && !store_has(s, index)) /* it never changes: written once */
		r = store_put(s, index, bytes_str(d->number));
	buf_free(&value);
	buf_free(&key);
	return r;
}

/* ---- the sweep ---- */

struct sweep {
	int64_t before;
	struct delivery **items;
	size_t count, cap;
};

static int
note_old(void *arg, struct bytes key, struct bytes value)
{
	struct sweep *w = arg;
	struct delivery *d;

	if (decode(bytes_of(key.data + 1, key.len - 1), value, &d) < 0)
		return 0;
	if (d->enrollment || d->uses > 0 || d->created >= w->before ||
		w->count == DELIVERY_SWEEP_MAX) {
		delivery_free(d);
		return 0;
	}
	if (w->count == w->cap) {
		w->cap = w->cap ? 2 * w->cap : 64;
		w->items = xrealloc(w->items, w->cap * sizeof(struct delivery *));
	}
	w->items[w->count++] = d;
	return 0;
}

static int
delete_one(struct store *s, const struct delivery *d)
{
	struct buf key = BUF_INIT;
	int r = store_delete(s, challenge_key(&key, d->challenge));

	if (r == 0)
		r = access_delete(s, 'n', d->number, NULL);
	buf_free(&key);
	return r;
}

int
delivery_sweep(struct store *s, int64_t now)
{
	struct sweep w = { .before = now - SWEEP_AGE };
	int r = store_each(s, bytes_str("n"), note_old, &w);

	for (size_t i = 0; i < w.count; i++) {
		if (r >= 0)
			r = delete_one(s, w.items[i]);
		delivery_free(w.items[i]);
	}
	free(w.items);
	return r < 0 ? r : (int)w.count;
}
