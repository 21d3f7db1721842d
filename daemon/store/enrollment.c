/* enrollment.c - the record of one device or user channel, and its indexes */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/access.h"
#include "store/enrollment.h"
#include "store/fields.h"
#include "store/queue.h"
#include "store/result.h"

#define E struct enrollment

static const struct field fields[] = {
	FIELD(1, FIELD_STR, E, parent),
	FIELD_OF(2, E, channel, CHANNEL_COUNT),
	FIELD_OF(3, E, state, STATE_COUNT),
	FIELD_OF(4, E, removal, REMOVAL_COUNT),
	FIELD(5, FIELD_INT, E, state_since),
	FIELD(6, FIELD_BOOL, E, locked),
	FIELD_OF(7, E, lock_cause, LOCK_CAUSE_COUNT),
	FIELD(8, FIELD_INT, E, locked_since),
	FIELD(9, FIELD_STR, E, locked_by),
	FIELD(10, FIELD_INT, E, paused_since),
	FIELD(11, FIELD_INT, E, enrolled_at),
	FIELD(12, FIELD_INT, E, first_enrolled_at),
	FIELD(13, FIELD_UINT, E, generation),
	FIELD(14, FIELD_STR, E, user_short),
	FIELD(15, FIELD_STR, E, user_long),
	FIELD(16, FIELD_BOOL, E, supervised),
	FIELD(17, FIELD_BOOL, E, awaiting_configuration),
	FIELD_SIZED(18, FIELD_TEXT, E, number),
	FIELD(19, FIELD_BOOL, E, current.set),
	FIELD_SIZED(20, FIELD_BYTES, E, current.cert),
	FIELD(21, FIELD_INT, E, current.not_after),
	FIELD(22, FIELD_INT, E, current.since),
	FIELD(23, FIELD_BOOL, E, previous.set),
	FIELD_SIZED(24, FIELD_BYTES, E, previous.cert),
	FIELD(25, FIELD_INT, E, previous.not_after),
	FIELD(26, FIELD_INT, E, previous.since),
	FIELD_SIZED(27, FIELD_BYTES, E, replaced),
	FIELD(28, FIELD_BOOL, E, has_replaced),
	FIELD(29, FIELD_STR, E, topic),
	FIELD(30, FIELD_INT, E, token_time),
	FIELD(31, FIELD_BOOL, E, token_bad),
	FIELD(32, FIELD_INT, E, last_seen),
	FIELD(33, FIELD_INT, E, last_push),
	FIELD(34, FIELD_INT, E, unanswered_since),
	FIELD(35, FIELD_UINT, E, unanswered),
	FIELD(36, FIELD_INT, E, refused_at),
	FIELD(37, FIELD_STR, E, refused_why),
	FIELD(38, FIELD_UINT, E, refused),
	FIELD(39, FIELD_BOOL, E, has_token),
	FIELD(40, FIELD_BUF, E, sealed),
	FIELD(41, FIELD_INT, E, refreshed[0]),
	FIELD(42, FIELD_INT, E, refreshed[1]),
	FIELD(43, FIELD_INT, E, refreshed[2]),
	FIELD(44, FIELD_INT, E, refreshed[3]),
	FIELD(45, FIELD_INT, E, refreshed[4]),
	FIELD(48, FIELD_STR, E, facts.serial),
	FIELD(49, FIELD_STR, E, facts.model),
	FIELD(50, FIELD_STR, E, facts.model_name),
	FIELD(51, FIELD_STR, E, facts.product),
	FIELD(52, FIELD_STR, E, facts.os_version),
	FIELD(53, FIELD_STR, E, facts.build),
	FIELD(54, FIELD_STR, E, facts.device_name),
	FIELD(55, FIELD_STR, E, facts.imei),
	FIELD(56, FIELD_STR, E, facts.meid),
	FIELD(57, FIELD_STR, E, facts.eas_id),
	FIELD(60, FIELD_INT, E, renewal_begun),
	FIELD(61, FIELD_INT, E, renewal_offered),
	FIELD(62, FIELD_UINT, E, renewal_offers),
	FIELD(63, FIELD_UINT, E, renewal_failures),
	FIELD(70, FIELD_INT, E, renewal_failed_at),
	FIELD(71, FIELD_UINT, E, token_updates),
	FIELD(72, FIELD_INT, E, imported_at),
	FIELD_SIZED(73, FIELD_TEXT, E, origin),
	FIELD_SIZED(74, FIELD_BYTES, E, imported[0]),
	FIELD_SIZED(75, FIELD_BYTES, E, imported[1]),
	FIELD_SIZED(76, FIELD_BYTES, E, imported[2]),
	FIELD(77, FIELD_INT, E, adopted_at),
};

#undef E

/* Inside the sealed field. */
enum { TAG_TOKEN = 1, TAG_MAGIC };

bool
enrollment_id_valid(const char *id)
{
	size_t len = id ? strnlen(id, ENROLLMENT_ID_MAX + 1) : 0;

	if (len == 0 || len > ENROLLMENT_ID_MAX || !utf8_valid(bytes_of(id, len)))
		return false;
	for (size_t i = 0; i < len; i++)
		if ((unsigned char)id[i] < 0x20 || id[i] == 0x7f || id[i] == '/')
			return false;
	return true;
}

struct enrollment *
enrollment_new(const char *id, enum channel channel)
{
	struct enrollment *e = xcalloc(1, sizeof(*e));

	e->id = xstrdup(id);
	e->channel = channel;
	return e;
}

void
enrollment_free(struct enrollment *e)
{
	if (!e)
		return;
	buf_wipe(&e->token);
	mem_wipe_str(e->magic);
	fields_free(fields, FIELD_COUNT(fields), e);
	free(e->id);
	free(e);
}

int
enrollment_decode(struct bytes key, struct bytes value, struct enrollment **ret)
{
	struct enrollment *e;
	int r;

	if (key.len < 2)
		return -EBADMSG;
	e = xcalloc(1, sizeof(*e));
	e->id = xstrndup((const char *)key.data + 1, key.len - 1);
	r = fields_decode(fields, FIELD_COUNT(fields), value, e, NULL, NULL);
	if (r < 0) {
		enrollment_free(e);
		return r;
	}
	*ret = e;
	return 0;
}

/* What cannot be opened stays as it is, so that a save does not lose it. */
static void
unseal(struct store *s, struct bytes key, struct enrollment *e)
{
	struct buf plain = BUF_INIT;
	struct record_reader r;
	struct bytes field;
	uint8_t tag;

	if (e->sealed.len == 0)
		return;
	if (store_unseal(s, key, buf_bytes(&e->sealed), &plain) < 0) {
		buf_wipe(&plain);
		return;
	}
	buf_free(&e->sealed);
	record_open(&r, buf_bytes(&plain));
	while (record_next(&r, &tag, &field)) {
		if (tag == TAG_TOKEN)
			buf_add_bytes(&e->token, field);
		else if (tag == TAG_MAGIC)
			record_str(&e->magic, field);
	}
	buf_wipe(&plain);
}

void
enrollment_count_sealed(
	struct store *s, struct bytes key, struct bytes value, size_t *all, size_t *shut)
{
	struct enrollment *e;

	if (enrollment_decode(key, value, &e) < 0)
		return;
	*all += e->sealed.len > 0;
	unseal(s, key, e);
	*shut += e->sealed.len > 0;
	enrollment_free(e);
}

int
enrollment_load(struct store *s, const char *id, struct enrollment **ret)
{
	struct buf key = BUF_INIT, value = BUF_INIT;
	int r = store_get(s, record_key(&key, 'e', id, NULL), &value);

	if (r == 0)
		r = enrollment_decode(buf_bytes(&key), buf_bytes(&value), ret);
	if (r == 0)
		unseal(s, buf_bytes(&key), *ret);
	buf_free(&value);
	buf_free(&key);
	return r;
}

static int
seal(struct store *s, struct bytes key, const struct enrollment *e, struct buf *out)
{
	struct buf plain = BUF_INIT;
	int r;

	if (e->token.len == 0 && !e->magic) {
		buf_add_bytes(out, buf_bytes(&e->sealed));
		return 0;
	}
	record_begin(&plain, 1);
	record_add(&plain, TAG_TOKEN, buf_bytes(&e->token));
	record_add_str(&plain, TAG_MAGIC, e->magic);
	r = store_seal(s, key, buf_bytes(&plain), out);
	buf_wipe(&plain);
	return r;
}

static int
encode(struct store *s, struct bytes key, const struct enrollment *e, struct buf *value)
{
	struct enrollment stored = *e; /* borrows everything but the sealed bytes */
	int r;

	stored.sealed = (struct buf)BUF_INIT;
	r = seal(s, key, e, &stored.sealed);
	if (r == 0) {
		stored.has_token = e->token.len > 0 || (e->has_token && e->sealed.len > 0);
		record_begin(value, 1);
		fields_encode(fields, FIELD_COUNT(fields), &stored, value);
	}
	buf_free(&stored.sealed);
	return r;
}

static bool
same(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

/* Moves the id from the old value's list to the new one's; NULL: in none. */
static int
move_index(struct store *s, char letter, const char *from, const char *to, const char *id)
{
	int r = 0;

	if (same(from, to))
		return 0;
	if (from)
		r = access_list_remove(s, letter, from, id);
	if (to && r == 0)
		r = access_list_add(s, letter, to, id);
	return r;
}

/* A serial number of any length may come from a device; a key has its limit. */
static const char *
indexable(const char *part)
{
	return part && *part && strlen(part) <= ENROLLMENT_ID_MAX ? part : NULL;
}

/* `before` or `after` NULL: there was or will be none. */
static int
update_indexes(struct store *s, const char *id, const struct enrollment *before,
	const struct enrollment *after)
{
	static const struct device_facts none;
	const struct device_facts *old = before ? &before->facts : &none;
	const struct device_facts *new = after ? &after->facts : &none;
	int r = move_index(s, 's', indexable(old->serial), indexable(new->serial), id);

	if (r == 0)
		r = move_index(s, 'a', indexable(old->eas_id), indexable(new->eas_id), id);
	if (r == 0)
		r = move_index(
			s, 'p', before ? before->parent : NULL, after ? after->parent : NULL, id);
	return r;
}

/* The record as it is, for its indexes; *ret NULL when there is none or it is damaged. */
static int
load_stored(struct store *s, struct bytes key, struct enrollment **ret)
{
	struct buf value = BUF_INIT;
	int r = store_get(s, key, &value);

	*ret = NULL;
	if (r == 0)
		enrollment_decode(key, buf_bytes(&value), ret);
	buf_free(&value);
	return r == -ENOENT ? 0 : r;
}

int
enrollment_save(struct store *s, const struct enrollment *e)
{
	struct buf key = BUF_INIT, value = BUF_INIT;
	struct bytes k = record_key(&key, 'e', e->id, NULL);
	struct enrollment *before = NULL;
	int r = load_stored(s, k, &before);

	if (r == 0)
		r = encode(s, k, e, &value);
	if (r == 0)
		r = update_indexes(s, e->id, before, e);
	if (r == 0)
		r = store_put(s, k, buf_bytes(&value));
	enrollment_free(before);
	buf_free(&value);
	buf_free(&key);
	return r;
}

/* ---- forget ---- */

static int
forget_one(void *arg, const char *id)
{
	static const char letters[] = { 'c', 'u', 't', 'p', 'e' };
	struct store *s = arg;
	struct buf key = BUF_INIT;
	struct enrollment *before = NULL;
	int r = load_stored(s, record_key(&key, 'e', id, NULL), &before);

	if (r == 0)
		r = update_indexes(s, id, before, NULL);
	if (r == 0)
		r = queue_clear(s, id, NULL);
	if (r == 0)
		r = result_forget(s, id);
	for (size_t i = 0; i < sizeof(letters) && r == 0; i++)
		r = access_delete(s, letters[i], id, NULL);
	enrollment_free(before);
	buf_free(&key);
	return r;
}

int
enrollment_forget(struct store *s, const char *id)
{
	int r = enrollment_users(s, id, forget_one, s);

	return r < 0 ? r : forget_one(s, id);
}

int
enrollment_by_serial(
	struct store *s, const char *serial, int (*each)(void *arg, const char *id), void *arg)
{
	return indexable(serial) ? access_list_each(s, 's', serial, each, arg) : 0;
}

int
enrollment_by_eas(
	struct store *s, const char *eas, int (*each)(void *arg, const char *id), void *arg)
{
	return indexable(eas) ? access_list_each(s, 'a', eas, each, arg) : 0;
}

int
enrollment_users(
	struct store *s, const char *device, int (*each)(void *arg, const char *id), void *arg)
{
	return access_list_each(s, 'p', device, each, arg);
}
