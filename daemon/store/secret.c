/*
 * secret.c - an enrollment's secrets, each sealed by itself, in one record
 *
 * 'u' id: for each secret a field that holds kind, generation and the sealed value.  What it is
 * sealed under names id, kind and generation: none opens in the place of another.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "store/access.h"
#include "store/enrollment.h"
#include "store/fields.h"

struct entry {
	unsigned kind, generation;
	struct buf sealed;
};

static const struct field fields[] = {
	FIELD(1, FIELD_UINT, struct entry, kind),
	FIELD(2, FIELD_UINT, struct entry, generation),
	FIELD(3, FIELD_BUF, struct entry, sealed),
};

#define TAG_ENTRY 1

static void
entry_fini(struct entry *e)
{
	fields_free(fields, FIELD_COUNT(fields), e);
}

static struct bytes
bound_to(struct buf *key, const char *id, unsigned generation, enum secret kind)
{
	struct bytes all;

	record_key(key, 'u', id, "");
	buf_printf(key, "%u.%u", generation, (unsigned)kind);
	all = buf_bytes(key);
	return all;
}

/* Calls each(arg, entry) until it returns non-zero.  -EBADMSG: damaged. */
static int
each_entry(struct bytes value, int (*each)(void *arg, struct entry *e), void *arg)
{
	struct record_reader r;
	struct bytes field;
	uint8_t tag;
	int err = record_open(&r, value);

	while (err == 0 && record_next(&r, &tag, &field)) {
		struct entry e = { 0 };

		if (tag != TAG_ENTRY)
			continue;
		err = fields_decode(fields, FIELD_COUNT(fields), field, &e, NULL, NULL);
		if (err == 0)
			err = each(arg, &e);
		entry_fini(&e);
	}
	return err == 0 && r.damaged ? -EBADMSG : err;
}

struct rewrite {
	unsigned kind, generation;
	bool put; /* a new value comes: the oldest generations go */
	bool found;
	struct buf *out;
};

static int
keep_other(void *arg, struct entry *e)
{
	struct rewrite *w = arg;
	bool it = e->kind == w->kind && e->generation == w->generation;

	if (it)
		w->found = true;
	if (it || (w->put && e->generation + SECRET_GENERATIONS <= w->generation))
		return 0;
	fields_nest(w->out, TAG_ENTRY, fields, FIELD_COUNT(fields), e);
	return 0;
}

/* A damaged record is begun anew rather than refusing secrets for ever. */
static int
rewrite(struct store *s, const char *id, struct rewrite *w)
{
	struct buf old = BUF_INIT;
	int r = access_get(s, 'u', id, NULL, &old);

	record_begin(w->out, 1);
	if (r == 0)
		each_entry(buf_bytes(&old), keep_other, w);
	buf_free(&old);
	return r == -ENOENT ? 0 : r;
}

int
secret_put(
	struct store *s, const char *id, unsigned generation, enum secret kind, struct bytes value)
{
	struct buf key = BUF_INIT, out = BUF_INIT;
	struct entry e = { .kind = kind, .generation = generation };
	struct rewrite w = { kind, generation, true, false, &out };
	int r = store_seal(s, bound_to(&key, id, generation, kind), value, &e.sealed);

	if (r == 0)
		r = rewrite(s, id, &w);
	if (r == 0) {
		fields_nest(&out, TAG_ENTRY, fields, FIELD_COUNT(fields), &e);
		r = access_put(s, 'u', id, NULL, &out);
	}
	entry_fini(&e);
	buf_free(&out);
	buf_free(&key);
	return r;
}

int
secret_delete(struct store *s, const char *id, unsigned generation, enum secret kind)
{
	struct buf out = BUF_INIT;
	struct rewrite w = { kind, generation, false, false, &out };
	int r = rewrite(s, id, &w);

	if (r == 0 && w.found)
		r = out.len > 1 ? access_put(s, 'u', id, NULL, &out)
				: access_delete(s, 'u', id, NULL);
	buf_free(&out);
	return r;
}

struct lookup {
	unsigned kind, generation;
	struct buf *sealed;
};

static int
take_it(void *arg, struct entry *e)
{
	struct lookup *l = arg;

	if (e->kind != l->kind || e->generation != l->generation)
		return 0;
	buf_add_bytes(l->sealed, buf_bytes(&e->sealed));
	return 1;
}

int
secret_get(struct store *s, const char *id, unsigned generation, enum secret kind, struct buf *ret)
{
	struct buf key = BUF_INIT, value = BUF_INIT, sealed = BUF_INIT;
	struct lookup l = { kind, generation, &sealed };
	int r = access_get(s, 'u', id, NULL, &value);

	if (r == 0)
		r = each_entry(buf_bytes(&value), take_it, &l);
	if (r == 0)
		r = -ENOENT;
	if (r == 1)
		r = store_unseal(s, bound_to(&key, id, generation, kind), buf_bytes(&sealed), ret);
	buf_free(&sealed);
	buf_free(&value);
	buf_free(&key);
	return r == -EINVAL ? -EBADMSG : r;
}

struct tally {
	struct store *store;
	const char *id;
	size_t *all, *shut;
};

static int
try_it(void *arg, struct entry *e)
{
	struct tally *t = arg;
	struct buf key = BUF_INIT, plain = BUF_INIT;
	struct bytes bound = bound_to(&key, t->id, e->generation, (enum secret)e->kind);

	(*t->all)++;
	*t->shut += store_unseal(t->store, bound, buf_bytes(&e->sealed), &plain) < 0;
	buf_wipe(&plain);
	buf_free(&key);
	return 0;
}

void
secret_count(struct store *s, struct bytes key, struct bytes value, size_t *all, size_t *shut)
{
	char *id = xstrndup((const char *)key.data + 1, key.len - 1);
	struct tally t = { s, id, all, shut };

	each_entry(value, try_it, &t);
	free(id);
}
