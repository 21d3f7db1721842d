/* link.c - enrollment links */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/access.h"
#include "store/fields.h"
#include "store/link.h"

static const struct field fields[] = {
	FIELD(1, FIELD_INT, struct link, created),
	FIELD(2, FIELD_INT, struct link, expires),
	FIELD(3, FIELD_UINT, struct link, uses_max),
	FIELD(4, FIELD_UINT, struct link, uses),
	FIELD(5, FIELD_STR, struct link, serial),
	FIELD(6, FIELD_STR, struct link, device),
	FIELD(7, FIELD_STR, struct link, actor),
	FIELD(8, FIELD_STR, struct link, note),
	FIELD(9, FIELD_BOOL, struct link, revoked),
	FIELD(10, FIELD_BOOL, struct link, challenge),
};

struct link *
link_new(void)
{
	return xcalloc(1, sizeof(struct link));
}

void
link_free(struct link *l)
{
	if (!l)
		return;
	fields_free(fields, FIELD_COUNT(fields), l);
	free(l);
}

void
link_hash(const char *token, char hash[2 * SHA256_LEN + 1])
{
	digest_sha256_hex(bytes_str(token), hash);
}

static int
decode(struct bytes hash, struct bytes value, struct link **ret)
{
	struct link *l = link_new();
	int r = hash.len < sizeof(l->hash) ? 0 : -EBADMSG;

	if (r == 0)
		r = fields_decode(fields, FIELD_COUNT(fields), value, l, NULL, NULL);
	if (r < 0) {
		link_free(l);
		return r;
	}
	memcpy(l->hash, hash.data, hash.len);
	*ret = l;
	return 0;
}

int
link_load(struct store *s, const char *hash, struct link **ret)
{
	struct buf value = BUF_INIT;
	int r = access_get(s, 'l', hash, NULL, &value);

	if (r == 0)
		r = decode(bytes_str(hash), buf_bytes(&value), ret);
	buf_free(&value);
	return r;
}

int
link_save(struct store *s, const struct link *l)
{
	struct buf value = BUF_INIT;
	int r;

	record_begin(&value, 1);
	fields_encode(fields, FIELD_COUNT(fields), l, &value);
	r = access_put(s, 'l', l->hash, NULL, &value);
	buf_free(&value);
	return r;
}

int
link_delete(struct store *s, const char *hash)
{
	return access_delete(s, 'l', hash, NULL);
}

const char *
link_refusal(const struct link *l, int64_t now)
{
	if (l->revoked)
		return "this enrollment link was revoked";
	if (l->expires != 0 && now >= l->expires)
		return "this enrollment link has expired";
	if (l->uses_max != LINK_ANY && l->uses >= l->uses_max)
		return "this enrollment link was used already";
	return NULL;
}

struct each {
	int (*each)(void *arg, const struct link *l);
	void *arg;
};

static int
each_one(void *arg, struct bytes key, struct bytes value)
{
	const struct each *e = arg;
	struct link *l;
	int r;

	if (decode(bytes_of(key.data + 1, key.len - 1), value, &l) < 0)
		return 0; /* one damaged link hides no other */
	r = e->each(e->arg, l);
	link_free(l);
	return r;
}

int
link_each(struct store *s, int (*each)(void *arg, const struct link *l), void *arg)
{
	struct each e = { each, arg };

	return store_each(s, bytes_str("l"), each_one, &e);
}
