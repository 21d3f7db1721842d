/* command_end.c - how a command ends without an answer */
#include "mdm/command_end.h"

#include "base/log.h"
#include "base/mem.h"
#include "store/enrollment.h"
#include "store/result.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const struct {
	const char *name, *words;
	enum event event; /* EV_NONE: a plain line */
} endings[END_COUNT] = {
	[END_SUPERSEDED] = { "Superseded", "is superseded by a later one", EV_NONE },
	[END_EXPIRED] = { "Expired", "expired: the device did not take it in time",
		EV_COMMAND_EXPIRED },
	[END_CANCELLED] = { "Cancelled", "is cancelled", EV_COMMAND_CANCELLED },
	[END_LOST] = { "Lost", "is given up: its body cannot be read from the store", EV_NONE },
};

const char *
command_ending_name(enum command_ending how)
{
	return endings[how].name;
}

bool
command_ended_here(const char *status)
{
	size_t i;

	for (i = 0; i < END_COUNT; i++)
		if (strcmp(endings[i].name, status) == 0)
			return true;
	return false;
}

static void
tell(const char *id, const struct queue_entry *e, const struct command_verdict *v)
{
	const char *words = endings[v->how].words, *actor = v->actor ? v->actor : e->actor;

	if (!e->by_person || endings[v->how].event == EV_NONE)
		log_info("%s for %s %s", e->type, id, words);
	else
		log_event(endings[v->how].event,
			FIELDS(F_ENROLLMENT(id), F_COMMAND(e->uuid), F_ACTOR(actor),
				F_REASON(v->why)),
			"%s for %s %s%s%s%s%s", e->type, id, words, v->actor ? " by " : "",
			v->actor ? v->actor : "", v->why ? ": " : "", v->why ? v->why : "");
}

static void
count(struct mdm_numbers *n, enum command_ending how)
{
	uint64_t *const by_ending[END_COUNT] = {
		[END_SUPERSEDED] = &n->superseded,
		[END_EXPIRED] = &n->expired,
		[END_CANCELLED] = &n->cancelled,
		[END_LOST] = &n->cancelled,
	};

	(*by_ending[how])++;
}

static int
record(struct mdm *m, const char *id, const struct queue_entry *e, const struct command_verdict *v)
{
	struct result r = { .uuid = e->uuid,
		.type = e->type,
		.status = (char *)(uintptr_t)command_ending_name(v->how),
		.error = (char *)(uintptr_t)v->why,
		.actor = e->actor,
		.at = mdm_now(m),
		.queued_at = e->queued_at,
		.generation = v->generation };
	int rc;

	if (e->refresh || e->renewal)
		return 0;
	rc = result_add(m->store, id, &r, bytes_of(NULL, 0), m->conf->queue.keep_results);
	return rc == -EEXIST ? 0 : rc;
}

int
command_end(struct mdm *m, struct queue *q, struct queue_entry *e, const struct command_verdict *v)
{
	int rc = record(m, q->id, e, v);

	if (rc < 0)
		return rc;
	tell(q->id, e, v);
	count(&m->numbers, v->how);
	rc = queue_body_drop(m->store, e->uuid);
	if (rc < 0)
		log_debug("the body of command %s stays: it cannot be dropped", e->uuid);
	queue_remove(q, e);
	return 0;
}

int
command_end_all(struct mdm *m, const char *id, const struct command_verdict *v, size_t *ended)
{
	struct queue *q = NULL;
	size_t count_before;
	int rc = queue_load(m->store, id, &q);

	if (ended)
		*ended = 0;
	if (rc == -EBADMSG) /* what it held is not known, but it must not stay */
		return queue_clear(m->store, id, NULL);
	if (rc < 0)
		return rc;
	count_before = q->count;
	while (rc == 0 && q->count > 0)
		rc = command_end(m, q, &q->entries[0], v);
	if (rc == 0 && count_before)
		rc = queue_save(m->store, q);
	if (rc == 0 && ended)
		*ended = count_before;
	queue_free(q);
	return rc;
}

int
command_expire(struct mdm *m, struct queue *q, unsigned generation)
{
	const struct command_verdict v = { .how = END_EXPIRED, .generation = generation };
	int64_t now = mdm_now(m);
	int expired = 0, rc;
	size_t i;

	for (i = q->count; i-- > 0;) {
		if (q->entries[i].expires_at == 0 || q->entries[i].expires_at > now)
			continue;
		rc = command_end(m, q, &q->entries[i], &v);
		if (rc < 0)
			return rc;
		expired++;
	}
	return expired;
}

static bool
has_expired(const struct queue *q, int64_t now)
{
	size_t i;

	for (i = 0; i < q->count; i++)
		if (q->entries[i].expires_at > 0 && q->entries[i].expires_at <= now)
			return true;
	return false;
}

static void
sweep_one(struct mdm *m, const char *id)
{
	struct enrollment *e = NULL;
	struct queue *q;

	if (queue_load(m->store, id, &q) < 0)
		return;
	if (has_expired(q, mdm_now(m)) && enrollment_load(m->store, id, &e) == 0 &&
		command_expire(m, q, e->generation) > 0 && queue_save(m->store, q) < 0)
		log_debug("expired commands of %s stay: the store takes no changes", id);
	enrollment_free(e);
	queue_free(q);
}

void
command_sweep(struct mdm *m)
{
	size_t count_all = roster_count(m->roster), i;

	for (i = 0; i < COMMAND_SWEEP && count_all > 0; i++) {
		const struct roster_line *line;

		if (m->sweep_at >= count_all) {
			m->sweep_at = 0;
			return;
		}
		line = roster_at(m->roster, m->sweep_at++);
		if (line)
			sweep_one(m, line->id);
	}
}
