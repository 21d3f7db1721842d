/* enqueue.c - commands into queues: limits, duplicates, supersession, and the push that follows */
#include "mdm/enqueue.h"

#include "base/log.h"
#include "base/mem.h"
#include "mdm/push.h"
#include "store/enrollment.h"
#include "store/result.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

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
		{ -ENOSPC, "its queue is full" },
		{ -EEXIST, "this CommandUUID was used for it before" },
		{ -EALREADY, "the same question waits already" },
		{ -EROFS, "the store takes no changes now" },
	};
	size_t i;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		if (table[i].fault == fault)
			return table[i].words;
	return "the store cannot do it";
}

/* A device that APNs gave up may come back; what was removed otherwise does not without enrolling.
 */
static int
judge_enrollment(struct mdm *m, const char *id)
{
	struct enrollment *e;
	bool takes;
	int rc = enrollment_load(m->store, id, &e);

	if (rc < 0)
		return rc;
	takes = e->state == STATE_ENROLLED || e->state == STATE_INACTIVE ||
		(e->state == STATE_REMOVED && e->removal == REMOVAL_PUSH);
	enrollment_free(e);
	return takes ? 0 : -ESTALE;
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

/* A later InstallProfile or RemoveProfile of the same identifier: the waiting one is pointless. */
static int
supersede(struct mdm *m, struct queue *q, const struct command *c)
{
	int rc = 0;
	size_t i;

	if (!c->subject || c->family != FAMILY_PROFILES)
		return 0;
	for (i = q->count; i-- > 0 && rc == 0;) {
		struct queue_entry *e = &q->entries[i];

		if (e->family != FAMILY_PROFILES || !e->subject || e->renewal ||
			strcmp(e->subject, c->subject) != 0)
			continue;
		/* It may be carried out this very moment; its report must find it. */
		if (e->offered_at > 0 && e->not_now_at == 0)
			continue;
		log_info("%s of %s for %s is superseded", e->type, e->subject, q->id);
		rc = queue_body_drop(m->store, e->uuid);
		queue_remove(q, e);
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

static int
enqueue_one(struct mdm *m, const char *id, const struct command *c, const struct enqueue_options *o)
{
	struct queue *q = NULL;
	int rc = judge_enrollment(m, id);
	bool full;

	if (rc == 0 && answered_before(m, id, c))
		rc = -EEXIST;
	if (rc == 0)
		rc = queue_load(m->store, id, &q);
	if (rc < 0)
		return rc;
	if (queue_find(q, c->uuid))
		rc = -EEXIST;
	else if (o->refresh && waits_already(q, c->type, mdm_now(m)))
		rc = -EALREADY;
	else
		rc = supersede(m, q, c);
	full = q->count >= m->conf->queue.limit;
	if (rc == 0 && !full)
		append(m, q, c, o);
	if (rc == 0)
		rc = queue_save(m->store, q);
	queue_free(q);
	return rc == 0 && full ? -ENOSPC : rc;
}

static void
say(const char *const *ids, size_t count, size_t queued, const int *fault, const struct command *c,
	const struct enqueue_options *o)
{
	const char *actor = o->actor ? o->actor : "cordond";
	size_t i;

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

/* The bytes under this UUID would be another command's. */
static bool
body_taken(struct mdm *m, const struct command *c)
{
	struct buf there = BUF_INIT;
	bool taken = c->given_uuid && queue_body_get(m->store, c->uuid, &there) != -ENOENT;

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
