/* connect.c - the command channel: a report in, the next command out */
#include "mdm/connect.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/proplist.h"
#include "base/table.h"
#include "mdm/change.h"
#include "mdm/command_end.h"
#include "mdm/command_fill.h"
#include "mdm/command_setup.h"
#include "mdm/push.h"
#include "mdm/refresh.h"
#include "mdm/renewal.h"
#include "policy/states.h"
#include "store/queue.h"
#include "store/result.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Seconds until a NotNow command's device is asked again: first, second ... and from then on. */
static const int64_t not_now_delays[] = { 900, 3600, 14400, 86400 };

struct visit {
	struct mdm *m;
	const struct message *msg;
	const struct speaker *who;
	struct party party;
	struct enrollment *self; /* whose queue it is: the device's or the user's record */
	struct queue *queue;
	bool changed; /* the queue */
	struct reply *out;
};

static int64_t
session_start(struct mdm *m, const char *id)
{
	int64_t *start = m->sessions ? table_get(m->sessions, bytes_str(id)) : NULL;

	return start ? *start : mdm_now(m);
}

/*
 * An Idle begins a session: what was NotNow before is offered again.  Seconds are coarse, so the
 * start is put behind every NotNow that is there.
 */
static void
session_begin(struct visit *v)
{
	int64_t *start = xmalloc(sizeof(*start));
	size_t i;

	*start = mdm_now(v->m);
	for (i = 0; i < v->queue->count; i++)
		if (v->queue->entries[i].not_now_at >= *start)
			*start = v->queue->entries[i].not_now_at + 1;
	if (!v->m->sessions)
		v->m->sessions = table_new(free);
	table_put(v->m->sessions, bytes_str(v->msg->id), start);
}

static void
session_end(struct visit *v)
{
	if (v->m->sessions)
		table_delete(v->m->sessions, bytes_str(v->msg->id));
}

static void
drop_entry(struct visit *v, struct queue_entry *e)
{
	if (queue_body_drop(v->m->store, e->uuid) < 0)
		log_debug("the body of command %s stays: it cannot be dropped", e->uuid);
	queue_remove(v->queue, e);
	v->changed = true;
}

/*
 * Nobody waits for the answers that the daemon asks for by itself, thousands a day: the counters of
 * reports have them, a question that fails too.  What a device does not understand is a fault of
 * ours, and what it could not install is an administrator's to know.
 */
static bool
is_routine(const struct visit *v, const struct queue_entry *e)
{
	return !e->by_person && (v->msg->status == REPORT_ACKNOWLEDGED ||
					(v->msg->status == REPORT_ERROR && e->refresh));
}

static void
log_result(const struct visit *v, const struct queue_entry *e)
{
	static const enum event events[REPORT_STATUS_COUNT] = {
		[REPORT_ACKNOWLEDGED] = EV_COMMAND_DONE,
		[REPORT_ERROR] = EV_COMMAND_FAILED,
		[REPORT_FORMAT_ERROR] = EV_COMMAND_FORMAT,
	};
	static const char *const words[REPORT_STATUS_COUNT] = {
		[REPORT_ACKNOWLEDGED] = "carried out",
		[REPORT_ERROR] = "could not carry out",
		[REPORT_FORMAT_ERROR] = "did not understand",
	};
	const char *id = v->msg->id, *error = v->msg->error;

	if (is_routine(v, e)) {
		log_debug("%s %s %s%s%s", id, words[v->msg->status], e->type, error ? ": " : "",
			error ? error : "");
		return;
	}
	log_event(events[v->msg->status],
		FIELDS(F_ENROLLMENT(id), F_COMMAND(e->uuid), F_REASON(error), F_ACTOR(e->actor)),
		"%s %s %s%s%s", id, words[v->msg->status], e->type, error ? ": " : "",
		error ? error : "");
}

static int
store_result(struct visit *v, const struct queue_entry *e)
{
	struct result r = { .uuid = e->uuid,
		.type = e->type,
		.status = (char *)(uintptr_t)report_status_name(v->msg->status),
		.error = (char *)(uintptr_t)v->msg->error,
		.actor = e->actor,
		.subject = e->subject,
		.at = mdm_now(v->m),
		.queued_at = e->queued_at,
		.generation = v->self->generation,
		.has_body = true };
	int rc = result_add(
		v->m->store, v->msg->id, &r, v->msg->body, v->m->conf->queue.keep_results);

	return rc == -EEXIST ? 0 : rc;
}

/* DeviceInformation says anew what Authenticate said, and more. */
static void
learn_facts(struct visit *v)
{
	plist_t answers = proplist_dict(v->msg->root, "QueryResponses");
	struct device_facts facts = { 0 };
	struct enrollment *e = v->party.device;

	if (!answers || v->self != e)
		return;
	message_device_facts(answers, &facts);
	device_facts_merge(&e->facts, &facts);
	device_facts_free(&facts);
	e->supervised = proplist_bool(answers, "IsSupervised", e->supervised);
	e->awaiting_configuration =
		proplist_bool(answers, "AwaitingConfiguration", e->awaiting_configuration);
	v->party.dirty = true;
}

/* An erased device is gone, whatever we thought had become of the command. */
static int
erased(struct visit *v)
{
	struct enrollment *e = v->party.device;
	struct state_outcome o = state_decide(e->state, e->removal, ON_ERASED);

	if (v->self != e || o.action != ACT_REMOVE)
		return 0;
	v->party.dirty = false;
	return party_remove(v->m, e, o.removal, NULL);
}

/* What a successful answer means to us beyond being stored. */
static int
acknowledged(struct visit *v, const struct queue_entry *e)
{
	if (strcmp(e->type, "DeviceInformation") == 0)
		learn_facts(v);
	if (refresh_is_kind(e->type))
		return change_keep(v->m, v->self, e, v->msg->root, v->msg->body);
	return 0;
}

/* It is not asked to leave its setup assistant twice, also when it would not. */
static int
note_setup(struct visit *v, const struct queue_entry *e)
{
	if (!command_setup_answered(v->self, e->type))
		return 0;
	if (v->self != v->party.device)
		return enrollment_save(v->m->store, v->self);
	v->party.dirty = true;
	return 0;
}

/* Stored durably (the reply waits for the commit), then out of the queue.  Twice is once. */
static int
report_final(struct visit *v, struct queue_entry *e)
{
	bool erase = strcmp(e->type, "EraseDevice") == 0;
	bool done = v->msg->status == REPORT_ACKNOWLEDGED;
	int rc = store_result(v, e);

	if (rc == 0 && done)
		rc = acknowledged(v, e);
	if (rc == 0)
		rc = note_setup(v, e);
	if (rc < 0)
		return rc;
	log_result(v, e);
	if (e->renewal && !done && v->self == v->party.device) {
		renewal_failed(
			v->m, v->self, v->msg->error ? v->msg->error : "the device refused it");
		v->party.dirty = true;
	}
	drop_entry(v, e);
	if (!erase || !done)
		return 0;
	rc = queue_save(v->m->store, v->queue);
	return rc < 0 ? rc : erased(v);
}

static int
report_not_now(struct visit *v, struct queue_entry *e)
{
	const size_t last = sizeof(not_now_delays) / sizeof(not_now_delays[0]) - 1;
	int64_t now = mdm_now(v->m), start = session_start(v->m, v->msg->id);

	e->not_now_at = now > start ? now : start;
	e->retry_at = now + not_now_delays[e->not_now < last ? e->not_now : last];
	e->not_now++;
	v->changed = true;
	if (e->renewal) {
		renewal_put_off(v->self);
		v->party.dirty = true;
	}
	return 0;
}

static void
count(struct mdm_numbers *n, enum report_status s)
{
	uint64_t *const by_status[REPORT_STATUS_COUNT] = {
		[REPORT_IDLE] = &n->idle,
		[REPORT_ACKNOWLEDGED] = &n->acknowledged,
		[REPORT_ERROR] = &n->error,
		[REPORT_FORMAT_ERROR] = &n->format_error,
		[REPORT_NOT_NOW] = &n->not_now,
	};

	(*by_status[s])++;
}

/*
 * A command that ended here may have been carried out all the same: it was handed out, and then
 * cancelled, say.  Its end stays what it is, but an erased device is gone.
 */
static int
report_stray(struct visit *v)
{
	const char *uuid = v->msg->uuid;
	struct result_list list = { 0 };
	bool erase = false;
	size_t i;

	v->m->numbers.unknown_uuid++;
	log_info("%s reports %s for a command that does not wait for it: %s", v->msg->id,
		report_status_name(v->msg->status), uuid ? uuid : "(none)");
	if (!uuid || v->msg->status != REPORT_ACKNOWLEDGED)
		return 0;
	if (result_list_load(v->m->store, v->msg->id, &list) < 0)
		return 0;
	for (i = 0; i < list.count; i++)
		if (strcmp(list.items[i].uuid, uuid) == 0)
			erase = strcmp(list.items[i].type, "EraseDevice") == 0 &&
				command_ended_here(list.items[i].status) &&
				list.items[i].generation == v->self->generation;
	result_list_free(&list);
	return erase ? erased(v) : 0;
}

/* Only this enrollment's own queue is asked: another's UUID is as unknown as any. */
static int
take_report(struct visit *v)
{
	struct queue_entry *e;

	count(&v->m->numbers, v->msg->status);
	if (v->msg->status == REPORT_IDLE) {
		session_begin(v);
		return 0;
	}
	e = v->msg->uuid ? queue_find(v->queue, v->msg->uuid) : NULL;
	if (!e)
		return report_stray(v);
	return v->msg->status == REPORT_NOT_NOW ? report_not_now(v, e) : report_final(v, e);
}

static int
drop_expired(struct visit *v)
{
	int rc = command_expire(v->m, v->queue, v->self->generation);

	if (rc > 0)
		v->changed = true;
	return rc < 0 ? rc : 0;
}

/* An expired identity is offered nothing but its renewal (DESIGN `identity-grace`). */
static struct queue_entry *
next_entry(struct visit *v)
{
	struct queue_entry *e;
	size_t i;

	if (v->who->expired && v->self == v->party.device &&
		renewal_rescue(v->m, v->self, v->queue))
		v->changed = v->party.dirty = true;
	if (!v->who->expired)
		return queue_next(v->queue, session_start(v->m, v->msg->id));
	for (i = 0; i < v->queue->count; i++) {
		e = &v->queue->entries[i];
		if (e->renewal && e->not_now_at < session_start(v->m, v->msg->id))
			return e;
	}
	return NULL;
}

/*
 * Nothing is offered any more: the device goes.  If NotNow was its last word it polls by itself,
 * else the waiting ones are asked for later (facts/protocol.md B.4).
 */
static void
say_goodbye(struct visit *v)
{
	int64_t now = mdm_now(v->m), soonest = 0;
	size_t i;

	for (i = 0; i < v->queue->count; i++) {
		int64_t at = v->queue->entries[i].retry_at;

		if (at > 0 && (soonest == 0 || at < soonest))
			soonest = at;
	}
	if (v->queue->count == 0)
		session_end(v);
	if (soonest && v->msg->status != REPORT_NOT_NOW)
		pusher_ask_later(v->m, v->msg->id, soonest > now ? soonest - now : 0);
}

static int
offer(struct visit *v, struct queue_entry *e)
{
	int rc;

	if (e->renewal) {
		v->party.dirty = true;
		rc = renewal_body(v->m, v->self, e, &v->out->body);
	} else {
		rc = queue_body_get(v->m->store, e->uuid, &v->out->body);
		if (rc == 0)
			rc = command_fill(v->m, v->self, e, &v->out->body);
	}
	if (rc == 0 && e->offered_at != mdm_now(v->m)) {
		e->offered_at = mdm_now(v->m);
		v->changed = true;
	}
	return rc;
}

static bool
is_lost(int rc)
{
	return rc == -ENOENT || rc == -EBADMSG || rc == -ENODATA;
}

/* A body that is lost or damaged must not wedge the queue: it is given up, with a word. */
static int
give_up(struct visit *v, struct queue_entry *e, int fault)
{
	const struct command_verdict lost = { .how = END_LOST,
		.generation = v->self->generation,
		.why = fault == -ENODATA ? "the device gave no unlock token" : NULL };

	buf_wipe(&v->out->body);
	v->changed = true;
	if (fault == -ESTALE) { /* a renewal that is not wanted any more */
		drop_entry(v, e);
		return 0;
	}
	log_error("%s for %s is given up: %s", e->type, v->msg->id,
		lost.why ? lost.why : "its body cannot be read from the store");
	return command_end(v->m, v->queue, e, &lost);
}

static int
offer_next(struct visit *v)
{
	struct queue_entry *e;
	int rc = drop_expired(v);

	if (rc == 0 && !v->who->expired)
		rc = command_setup_offer(v->m, v->self, v->queue);
	v->changed = v->changed || rc > 0;
	while (rc >= 0 && (e = next_entry(v)) != NULL) {
		rc = offer(v, e);
		if (rc == 0) {
			v->out->type = TYPE_PLIST;
			return 0;
		}
		rc = rc == -ESTALE || is_lost(rc) ? give_up(v, e, rc) : rc;
	}
	if (rc >= 0)
		say_goodbye(v);
	return rc < 0 ? rc : 0;
}

static int
converse(struct visit *v)
{
	int rc = take_report(v);

	/* An erased device is gone, and its queue with it. */
	if (rc == 0 && v->party.device->state != STATE_REMOVED)
		rc = offer_next(v);
	if (rc == 0 && v->changed && v->party.device->state != STATE_REMOVED)
		rc = queue_save(v->m->store, v->queue);
	return rc < 0 ? rc : party_save(v->m, &v->party);
}

static bool
whose_queue(struct visit *v)
{
	bool user = channel_is_user(v->msg->channel);

	v->self = user ? v->party.user : v->party.device;
	if (v->self && v->self->channel == v->msg->channel)
		return true;
	party_refuse(v->m, &v->party, v->msg,
		user ? "This user channel sent no TokenUpdate." : "This id is of another channel.",
		v->out);
	return false;
}

void
connect_answer(
	struct mdm *m, const struct message *msg, const struct speaker *who, struct reply *out)
{
	struct visit v = { .m = m, .msg = msg, .who = who, .out = out };

	if (party_load(m, msg, who, &v.party) < 0) {
		reply_busy(out);
		return;
	}
	if (!party_accept(m, &v.party, msg, who, out) || !whose_queue(&v))
		party_save(m, &v.party);
	else if (queue_load(m->store, msg->id, &v.queue) < 0 || converse(&v) < 0)
		reply_busy(out);
	queue_free(v.queue);
	party_free(&v.party);
}
