/* enqueue.c - commands into queues: limits, duplicates, supersession, and the push that follows */
#include "mdm/enqueue.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "mdm/command_end.h"
#include "mdm/command_fill.h"
#include "mdm/command_pin.h"
#include "mdm/push.h"
#include "store/enrollment.h"
#include "store/record.h"
#include "store/result.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define URGENT_ROOM 16u	 /* erase and lock find a place in a full queue */
#define SAY_EACH_MAX 20u /* beyond it one line tells of them all */

const char *
enqueue_fault_words(int fault)
{
	static const struct {
		int fault;
		const char *words;
	} table[] = {
		{ 0, "queued" },
		{ -ENOENT, "there is no such enrollment" },
		{ -ESTALE, "it is not enrolled" },
		{ -EDQUOT, "its queue is full" },
		{ -EEXIST, "this CommandUUID was used for it before" },
		{ -EALREADY, "the same question waits already" },
		{ -ENODATA, "the device gave no unlock token" },
		{ -EINVAL, "its PIN has not exactly six digits" },
		{ -ENOSPC, "the store takes no changes now: its file system is full" },
		{ -EROFS, "the store takes no changes now" },
	};
	size_t i;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (table[i].fault == fault)
			return table[i].words;
	return "the store cannot do it";
}

void
enqueue_fault_text(struct mdm *m, const char *id, int fault, struct buf *out)
{
	struct enrollment *e = NULL;
	char date[16];

	if (fault != -ESTALE || enrollment_load(m->store, id, &e) < 0) {
		buf_add_str(out, enqueue_fault_words(fault));
		return;
	}
	if (e->state == STATE_REMOVED)
		buf_printf(out, "removed on %s: it must be enrolled again",
			clock_date(e->state_since, date, sizeof(date)));
	else
		buf_add_str(out, "it has not finished its enrollment yet");
	enrollment_free(e);
}

/* A device that APNs gave up may come back; what was removed otherwise does not without enrolling.
 */
static int
load_enrolled(struct mdm *m, const char *id, struct enrollment **ret)
{
	struct enrollment *e;
	int rc = enrollment_load(m->store, id, &e);

	if (rc < 0)
		return rc;
	if (e->state == STATE_ENROLLED || e->state == STATE_INACTIVE ||
		(e->state == STATE_REMOVED && e->removal == REMOVAL_PUSH)) {
		*ret = e;
		return 0;
	}
	enrollment_free(e);
	return -ESTALE;
}

static bool
answered_before(struct mdm *m, const char *id, const struct command *c)
{
	struct result_list list = { 0 };
	bool found = false;
	size_t i;

	if (!c->given_uuid || result_list_load(m->store, id, &list) < 0)
		return false;
	for (i = 0; i < list.count; i++)
		found = found || strcmp(list.items[i].uuid, c->uuid) == 0;
	result_list_free(&list);
	return found;
}

static bool
waits_already(const struct queue *q, const char *type, int64_t now)
{
	const struct queue_entry *e;
	size_t i;

	for (i = 0; i < q->count; i++) {
		e = &q->entries[i];
		if (e->refresh && strcmp(e->type, type) == 0 &&
			(e->expires_at == 0 || e->expires_at > now))
			return true;
	}
	return false;
}

/*
 * A later InstallProfile or RemoveProfile of the same identifier: the waiting one is pointless.
 * One that was handed out may be carried out this very moment, and its report must find it; the
 * later one comes behind it all the same.
 */
static int
supersede(struct mdm *m, struct queue *q, const struct command *c, unsigned generation)
{
	const struct command_verdict v = { .how = END_SUPERSEDED,
		.generation = generation,
		.why = "a later command is for the same profile" };
	int rc = 0;
	size_t i;

	if (!c->subject || c->family != FAMILY_PROFILES)
		return 0;
	for (i = q->count; i-- > 0 && rc == 0;) {
		struct queue_entry *e = &q->entries[i];

		if (e->family != FAMILY_PROFILES || !e->subject || e->renewal ||
			strcmp(e->subject, c->subject) != 0)
			continue;
		if (e->offered_at == 0 || e->not_now_at >= e->offered_at)
			rc = command_end(m, q, e, &v);
	}
	return rc;
}

static void
append(struct mdm *m, struct queue *q, const struct command *c, const struct enqueue_options *o)
{
	int64_t now = mdm_now(m);
	struct queue_entry e = { .uuid = xstrdup(c->uuid),
		.type = xstrdup(c->type),
		.family = c->family,
		.urgent = c->urgent,
		.by_person = o->by_person,
		.refresh = o->refresh,
		.subject = c->subject ? xstrdup(c->subject) : NULL,
		.actor = o->actor ? xstrdup(o->actor) : NULL,
		.queued_at = now,
		.expires_at = c->expires ? now + m->conf->queue.lifetime : 0 };

	queue_add(q, &e);
}

static bool
is_full(const struct mdm *m, const struct queue *q, const struct command *c)
{
	return q->count >= m->conf->queue.limit + (c->urgent ? URGENT_ROOM : 0);
}

static int
judge(struct mdm *m, struct queue *q, const struct enrollment *e, const struct command *c,
	const struct enqueue_options *o)
{
	int rc = 0;

	if (queue_find(q, c->uuid) || answered_before(m, e->id, c))
		return -EEXIST;
	if (o->refresh && waits_already(q, c->type, mdm_now(m)))
		return -EALREADY;
	if (c->fills)
		rc = command_fillable(m, e, c->type);
	if (rc == 0 && is_full(m, q, c))
		rc = command_expire(m, q, e->generation); /* what is over takes no room */
	if (rc >= 0)
		rc = supersede(m, q, c, e->generation);
	if (rc == 0 && is_full(m, q, c))
		rc = -EDQUOT;
	return rc;
}

/*
 * Nothing waits for the device and nothing of it goes into the command: then the roster knows all
 * that is asked of its record, which is half of what a bulk would cost.
 */
static bool
needs_no_record(struct mdm *m, const struct queue *q, const struct command *c)
{
	const struct roster_line *line = roster_find(m->roster, q->id);
	struct buf key = BUF_INIT;
	bool changing;

	if (!line || (line->state != STATE_ENROLLED && line->state != STATE_INACTIVE) ||
		q->count > 0 || c->fills || command_takes_pin(c->type))
		return false;
	changing = store_changing(m->store, record_key(&key, 'e', q->id, NULL));
	buf_free(&key);
	return !changing;
}

static int
enqueue_first(
	struct mdm *m, struct queue *q, const struct command *c, const struct enqueue_options *o)
{
	if (answered_before(m, q->id, c))
		return -EEXIST;
	append(m, q, c, o);
	return queue_save(m->store, q);
}

static int
enqueue_checked(
	struct mdm *m, struct queue *q, const struct command *c, const struct enqueue_options *o)
{
	struct enrollment *e = NULL;
	int rc = load_enrolled(m, q->id, &e), saved;

	if (rc == 0) {
		rc = judge(m, q, e, c, o);
		if (rc == 0 && !channel_is_user(e->channel))
			rc = command_pin_keep(m, e, c->type, c->uuid, c->pin);
		if (rc == 0)
			append(m, q, c, o);
		/* Also a full one: some may have ended. */
		saved = rc == 0 || rc == -EDQUOT ? queue_save(m->store, q) : 0;
		rc = saved < 0 ? saved : rc;
	}
	enrollment_free(e);
	return rc;
}

static int
enqueue_one(struct mdm *m, const char *id, const struct command *c, const struct enqueue_options *o)
{
	struct queue *q = NULL;
	int rc = queue_load(m->store, id, &q);

	if (rc == 0)
		rc = needs_no_record(m, q, c) ? enqueue_first(m, q, c, o)
					      : enqueue_checked(m, q, c, o);
	queue_free(q);
	return rc;
}

int
enqueue_into(
	struct mdm *m, struct queue *q, const struct command *c, const struct enqueue_options *o)
{
	int rc = queue_body_put(m->store, c->uuid, buf_bytes(&c->plist), 1);

	if (rc == 0)
		append(m, q, c, o);
	return rc;
}

int
mdm_cancel(struct mdm *m, const char *id, const char *uuid, const char *actor, bool *offered)
{
	struct command_verdict v = { .how = END_CANCELLED, .actor = actor };
	struct enrollment *e = NULL;
	struct queue *q = NULL;
	struct queue_entry *entry;
	int rc = enrollment_load(m->store, id, &e);

	if (rc == 0)
		rc = queue_load(m->store, id, &q);
	entry = rc == 0 ? queue_find(q, uuid) : NULL;
	if (rc == 0 && !entry)
		rc = -ENOENT;
	if (rc == 0) {
		*offered = entry->offered_at > 0 && entry->not_now_at < entry->offered_at;
		v.generation = e->generation;
		v.why = *offered ? "it was handed out before: the device may carry it out" : NULL;
		rc = command_end(m, q, entry, &v);
	}
	if (rc == 0)
		rc = queue_save(m->store, q);
	queue_free(q);
	enrollment_free(e);
	return rc;
}

static void
say(const char *const *ids, size_t count, size_t queued, const int *fault, const struct command *c,
	const struct enqueue_options *o)
{
	const char *actor = o->actor ? o->actor : "cordond";
	size_t i;

	if (o->bulk)
		return;
	if (queued > SAY_EACH_MAX) {
		log_event(EV_COMMAND_QUEUED, FIELDS(F_COMMAND(c->uuid), F_ACTOR(actor)),
			"%s is queued for %zu enrollments, by %s", c->type, queued, actor);
		return;
	}
	for (i = 0; i < count; i++)
		if (fault[i] == 0 && o->by_person)
			log_event(EV_COMMAND_QUEUED,
				FIELDS(F_ENROLLMENT(ids[i]), F_COMMAND(c->uuid), F_ACTOR(actor)),
				"%s is queued for %s, by %s", c->type, ids[i], actor);
}

/* The bytes under this UUID are another command's. */
static bool
body_taken(struct mdm *m, const struct command *c)
{
	struct buf there = BUF_INIT;
	int rc = c->given_uuid ? queue_body_get(m->store, c->uuid, &there) : -ENOENT;
	bool taken = rc == 0 ? !bytes_eq(buf_bytes(&there), buf_bytes(&c->plist)) : rc != -ENOENT;

	buf_wipe(&there);
	return taken;
}

static size_t
enqueue_each(struct mdm *m, const char *const *ids, size_t count, const struct command *c,
	const struct enqueue_options *o, int *fault)
{
	bool taken = body_taken(m, c);
	size_t i, queued = 0;

	for (i = 0; i < count; i++) {
		fault[i] = taken ? -EEXIST : enqueue_one(m, ids[i], c, o);
		queued += fault[i] == 0;
	}
	return queued;
}

int
mdm_enqueue(struct mdm *m, const char *const *ids, size_t count, const struct command *c,
	const struct enqueue_options *o, int *fault)
{
	size_t queued = enqueue_each(m, ids, count, c, o, fault), i;
	int rc = 0;

	if (queued == 0)
		return 0;
	rc = queue_body_put(m->store, c->uuid, buf_bytes(&c->plist), (unsigned)queued);
	if (rc < 0)
		return rc;
	say(ids, count, queued, fault, c, o);
	for (i = 0; i < count && !o->no_push; i++)
		if (fault[i] == 0)
			pusher_ask_after_commit(m, ids[i], o->bulk || count > 1);
	return (int)queued;
}
