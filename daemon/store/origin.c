/* origin.c - the server before this one: its profile and its CAs */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/access.h"
#include "store/fields.h"
#include "store/meta.h"
#include "store/origin.h"

#define CURRENT "origin" /* meta */

static const struct field fields[] = {
	FIELD(1, FIELD_INT, struct origin, created),
	FIELD(2, FIELD_STR, struct origin, actor),
	FIELD(3, FIELD_BUF, struct origin, cas),
	FIELD(4, FIELD_BUF, struct origin, sealed),
};

#define TAG_FACTS 16

struct origin *
origin_new(void)
{
	return xcalloc(1, sizeof(struct origin));
}

void
origin_free(struct origin *o)
{
	if (!o)
		return;
	profile_facts_free(&o->facts);
	buf_wipe(&o->profile);
	fields_free(fields, FIELD_COUNT(fields), o);
	free(o);
}

static int
decode_other(void *arg, uint8_t tag, struct bytes value)
{
	struct origin *o = arg;

	return tag == TAG_FACTS ? profile_facts_decode(&o->facts, value) : 0;
}

static int
decode(struct bytes id, struct bytes value, struct origin **ret)
{
	struct origin *o = origin_new();
	int r = id.len < sizeof(o->id) ? 0 : -EBADMSG;

	if (r == 0)
		r = fields_decode(fields, FIELD_COUNT(fields), value, o, decode_other, o);
	if (r < 0) {
		origin_free(o);
		return r;
	}
	memcpy(o->id, id.data, id.len);
	*ret = o;
	return 0;
}

int
origin_load(struct store *s, const char *id, struct origin **ret)
{
	struct buf key = BUF_INIT, value = BUF_INIT;
	struct bytes k = record_key(&key, 'o', id, NULL);
	int r = store_get(s, k, &value);

	if (r == 0)
		r = decode(bytes_str(id), buf_bytes(&value), ret);
	if (r == 0 && store_unseal(s, k, buf_bytes(&(*ret)->sealed), &(*ret)->profile) == 0)
		buf_free(&(*ret)->sealed);
	buf_free(&value);
	buf_free(&key);
	return r;
}

static int
count_one(void *arg, struct bytes key, struct bytes value)
{
	(void)key;
	(void)value;
	++*(size_t *)arg;
	return 0;
}

static int
room_for(struct store *s, struct bytes key)
{
	size_t count = 0;

	if (store_has(s, key))
		return 0;
	store_each(s, bytes_str("o"), count_one, &count);
	return count < ORIGIN_MAX ? 0 : -ENOSPC;
}

int
origin_save(struct store *s, const struct origin *o)
{
	struct buf key = BUF_INIT, value = BUF_INIT;
	struct bytes k = record_key(&key, 'o', o->id, NULL);
	struct origin stored = *o; /* borrows everything but the sealed bytes */
	int r = room_for(s, k);

	stored.sealed = (struct buf)BUF_INIT;
	if (o->profile.len == 0)
		buf_add_bytes(&stored.sealed, buf_bytes(&o->sealed));
	else if (r == 0)
		r = store_seal(s, k, buf_bytes(&o->profile), &stored.sealed);
	record_begin(&value, 1);
	fields_encode(fields, FIELD_COUNT(fields), &stored, &value);
	profile_facts_nest(&value, TAG_FACTS, &o->facts);
	if (r == 0)
		r = store_put(s, k, buf_bytes(&value));
	if (r == 0)
		r = meta_put_str(s, CURRENT, o->id);
	buf_free(&stored.sealed);
	buf_free(&value);
	buf_free(&key);
	return r;
}

int
origin_current(struct store *s, struct origin **ret)
{
	char *id;
	int r = meta_get_str(s, CURRENT, &id);

	if (r < 0)
		return r;
	r = origin_load(s, id, ret);
	free(id);
	return r;
}

struct walk {
	int (*each)(void *arg, const struct origin *o);
	void *arg;
};

static int
visit(void *arg, struct bytes key, struct bytes value)
{
	struct walk *w = arg;
	struct origin *o;
	int r;

	if (decode(bytes_of(key.data + 1, key.len - 1), value, &o) < 0)
		return 0;
	r = w->each(w->arg, o);
	origin_free(o);
	return r;
}

int
origin_each(struct store *s, int (*each)(void *arg, const struct origin *o), void *arg)
{
	struct walk w = { each, arg };

	return store_each(s, bytes_str("o"), visit, &w);
}
