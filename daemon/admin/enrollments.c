/* enrollments.c - what the control API says of enrollments, and the switches on one */
#include "admin/enrollments.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "admin/answer.h"
#include "admin/commands.h"
#include "admin/inactivity.h"
#include "admin/leave.h"
#include "admin/renewals.h"
#include "admin/target.h"
#include "base/clock.h"
#include "base/encode.h"
#include "base/proplist.h"

#include "base/duration.h"
#include "mdm/party.h"
#include "mdm/schema.h"
#include "mdm/service.h"
#include "policy/gate.h"
#include "store/queue.h"
#include "store/result.h"

#define PAGE_MAX 1000
#define PAGE_STANDARD 100
#define INFORMATION_MAX (1u << 20)

struct filter {
	int state; /* -1: any */
	bool locked, users, awaited;
	int64_t inactive_for, now; /* seconds without a response; 0: any */
	size_t limit, start;
};

static json_t *
line_json(struct admin *a, const struct roster_line *line, const struct enrollment *e)
{
	const struct device_facts *f = &e->facts;
	json_t *j = json_object();

	json_object_set_new(j, "id", json_text(e->id));
	json_object_set_new(j, "channel", json_string(channel_name(e->channel)));
	json_object_set_new(j, "state", json_string(state_name(e->state)));
	json_object_set_new(j, "removal", json_string(removal_name(e->removal)));
	json_object_set_new(j, "locked", json_boolean(e->locked));
	json_object_set_new(j, "paused", json_boolean(e->paused_since != 0));
	json_object_set_new(j, "serial", json_text(f->serial));
	json_object_set_new(j, "name", json_text(f->device_name));
	json_object_set_new(j, "model", json_text(f->model_name ? f->model_name : f->product));
	json_object_set_new(j, "product", json_text(f->product));
	json_object_set_new(j, "system", json_string(schema_os_name(schema_os_of(f))));
	json_object_set_new(j, "os", json_text(f->os_version));
	json_object_set_new(j, "build", json_text(f->build));
	json_object_set_new(j, "user", json_text(e->user_long ? e->user_long : e->user_short));
	json_object_set_new(j, "topic", json_text(e->topic));
	json_object_set_new(j, "enrolled_at", json_time(e->enrolled_at));
	json_object_set_new(j, "last_seen",
		json_time(line ? roster_last_seen(a->mdm.roster, e->id) : e->last_seen));
	return j;
}

/* A parameter as a number within 0..max; `otherwise` when it is missing, -1 when it is none. */
static long
number_of(struct http_request *r, const char *name, long otherwise, long max)
{
	struct buf text = BUF_INIT;
	long n = otherwise;
	char *end;
	int err = http_query_get(r, name, false, &text);

	if (err == 0) {
		n = strtol(buf_str(&text), &end, 10);
		if (*end || !text.len || n < 0 || n > max)
			n = -1;
	} else if (err != -ENOENT) {
		n = -1;
	}
	buf_free(&text);
	return n;
}

static bool
is_set(struct http_request *r, const char *name)
{
	struct buf text = BUF_INIT;
	bool set = http_query_get(r, name, false, &text) == 0 &&
		   bytes_eq_str(buf_bytes(&text), "true");

	buf_free(&text);
	return set;
}

/* The state's number, -1 for any, -2 for a word that is none. */
static int
state_of(struct http_request *r)
{
	struct buf text = BUF_INIT;
	int found = http_query_get(r, "state", false, &text) == 0 ? -2 : -1;

	for (int s = STATE_PENDING; found == -2 && s < STATE_COUNT; s++)
		if (strcasecmp(buf_str(&text), state_name((enum state)s)) == 0)
			found = s;
	buf_free(&text);
	return found;
}

/* A parameter as seconds; 0 when it is missing, -1 when it is no duration. */
static int64_t
duration_of(struct http_request *r, const char *name)
{
	struct buf text = BUF_INIT;
	int64_t seconds = 0;
	int err = http_query_get(r, name, false, &text);

	if (err == 0 && duration_parse(buf_str(&text), &seconds) < 0)
		seconds = -1;
	buf_free(&text);
	return err == 0 || err == -ENOENT ? seconds : -1;
}

static bool
read_filter(struct admin *a, struct http_request *r, struct filter *f)
{
	long limit = number_of(r, "limit", PAGE_STANDARD, PAGE_MAX),
	     start = number_of(r, "cursor", 0, LONG_MAX);

	f->state = state_of(r);
	f->locked = is_set(r, "locked");
	f->users = is_set(r, "users");
	f->awaited = is_set(r, "awaited");
	f->now = mdm_now(&a->mdm);
	f->inactive_for = duration_of(r, "inactive_for");
	f->limit = limit > 0 ? (size_t)limit : PAGE_STANDARD;
	f->start = start > 0 ? (size_t)start : 0;
	if (f->state != -2 && limit > 0 && start >= 0 && f->inactive_for >= 0)
		return true;
	answer_error(r, 400,
		"state is one of Pending, Enrolled, Inactive, Removed; limit is 1 to %d; cursor is "
		"the one of the page before; inactive_for is a time like 14d",
		PAGE_MAX);
	return false;
}

static bool
fits(const struct filter *f, const struct roster_line *line)
{
	if (!line || (f->state >= 0 && line->state != f->state) || (f->locked && !line->locked) ||
		(f->awaited && !line->awaited))
		return false;
	if (f->inactive_for &&
		(line->last_seen > f->now - f->inactive_for || line->state == STATE_REMOVED))
		return false;
	return f->users || !channel_is_user((enum channel)line->channel);
}

void
enrollments_list(struct http_request *r, void *ctx)
{
	struct admin *a = ctx;
	struct filter f;
	json_t *list, *body;
	size_t i, count;
	char cursor[32];

	if (!read_filter(a, r, &f))
		return;
	list = json_array();
	count = roster_count(a->mdm.roster);
	for (i = f.start; i < count && json_array_size(list) < f.limit; i++) {
		const struct roster_line *line = roster_at(a->mdm.roster, i);
		struct enrollment *e = NULL;

		if (!fits(&f, line) || enrollment_load(a->mdm.store, line->id, &e) < 0)
			continue;
		json_array_append_new(list, line_json(a, line, e));
		enrollment_free(e);
	}
	body = json_object();
	json_object_set_new(body, "enrollments", list);
	if (i < count) {
		snprintf(cursor, sizeof(cursor), "%zu", i);
		json_object_set_new(body, "cursor", json_string(cursor));
	}
	answer_json(r, 200, body);
}

/* The latest answer of one kind under its key, or NULL. */
static json_t *
latest(struct admin *a, const char *id, const char *kind, const char *key, int64_t *at)
{
	struct buf body = BUF_INIT;
	plist_t root = NULL, value;
	json_t *j = NULL;

	if (result_latest_get(a->mdm.store, id, kind, INFORMATION_MAX, at, &body) == 0 &&
		proplist_parse(buf_bytes(&body), &root) == 0) {
		value = plist_dict_get_item(root, key);
		if (value)
			j = json_from_plist(value);
	}
	plist_free(root);
	buf_wipe(&body);
	return j;
}

static void
add_identity(json_t *j, const struct enrollment *e)
{
	struct buf hex = BUF_INIT;
	json_t *identity;

	if (!e->current.set)
		return;
	identity = json_object();
	encode_hex(&hex, bytes_of(e->current.cert, sizeof(e->current.cert)));
	json_object_set_new(identity, "sha256", json_string(buf_str(&hex)));
	json_object_set_new(identity, "not_after", json_time(e->current.not_after));
	json_object_set_new(identity, "number", json_string(e->number));
	json_object_set_new(identity, "since", json_time(e->current.since));
	json_object_set_new(identity, "renewal_begun", json_time(e->renewal_begun));
	json_object_set_new(identity, "renewal_failures", json_integer(e->renewal_failures));
	json_object_set_new(j, "identity", identity);
	buf_free(&hex);
}

static void
add_lock(json_t *j, const struct enrollment *e)
{
	json_t *lock;

	if (!e->locked)
		return;
	lock = json_object();
	json_object_set_new(lock, "cause", json_string(lock_cause_name(e->lock_cause)));
	json_object_set_new(lock, "since", json_time(e->locked_since));
	json_object_set_new(lock, "by", json_text(e->locked_by));
	json_object_set_new(j, "lock", lock);
}

static void
add_counts(struct admin *a, json_t *j, const struct enrollment *e)
{
	struct gate_answer gate = gate_decide(e->state, e->locked, a->mdm.conf->allow_unenrolled);
	struct queue *q = NULL;

	if (queue_load(a->mdm.store, e->id, &q) == 0)
		json_object_set_new(j, "queue", json_integer((json_int_t)q->count));
	queue_free(q);
	json_object_set_new(j, "access", json_string(gate.allowed ? "allowed" : gate.reason));
	json_object_set_new(j, "refused", json_integer(e->refused));
	json_object_set_new(j, "refused_at", json_time(e->refused_at));
	json_object_set_new(j, "refused_why", json_text(e->refused_why));
}

/* How much of lock-after is over. */
static void
add_silence(struct admin *a, json_t *j, const struct enrollment *e)
{
	const struct service_clock *c = service_clock_of(&a->mdm, e->topic);
	char words[32];

	if (!c || !e->unanswered_since)
		return;
	duration_words(inactivity_silence(c, e->unanswered_since), words, sizeof(words));
	json_object_set_new(j, "silent_for", json_string(words));
}

static void
show(struct admin *a, struct http_request *r, const char *id)
{
	struct enrollment *e = NULL;
	json_t *j, *information;
	int64_t at = 0;
	int err = enrollment_load(a->mdm.store, id, &e);

	if (err < 0) {
		answer_error(r, err == -ENOENT ? 404 : 500, "%s: %s", id,
			err == -ENOENT ? "no such enrollment" : "the record cannot be read");
		return;
	}
	j = line_json(a, roster_find(a->mdm.roster, id), e);
	json_object_set_new(j, "parent", json_text(e->parent));
	json_object_set_new(j, "state_since", json_time(e->state_since));
	json_object_set_new(j, "first_enrolled_at", json_time(e->first_enrolled_at));
	json_object_set_new(j, "generation", json_integer(e->generation));
	json_object_set_new(j, "token_update", json_time(e->token_time));
	json_object_set_new(j, "last_push", json_time(e->last_push));
	json_object_set_new(j, "unanswered_asks", json_integer(e->unanswered));
	json_object_set_new(j, "paused_since", json_time(e->paused_since));
	json_object_set_new(j, "imported_at", json_time(e->imported_at));
	json_object_set_new(j, "adopted_at", json_time(e->adopted_at));
	add_silence(a, j, e);
	add_lock(j, e);
	add_identity(j, e);
	add_counts(a, j, e);
	information = latest(a, id, "DeviceInformation", "QueryResponses", &at);
	if (information) {
		json_object_set_new(j, "device_information_at", json_time(at));
		json_object_set_new(j, "device_information", information);
	}
	information = latest(a, id, "SecurityInfo", "SecurityInfo", &at);
	if (information)
		json_object_set_new(j, "security_info", information);
	enrollment_free(e);
	answer_json(r, 200, j);
}

static void
set_lock(struct admin *a, struct http_request *r, const char *id, bool lock)
{
	struct enrollment *e = NULL;
	struct buf actor = BUF_INIT;
	int err = enrollment_load(a->mdm.store, id, &e);

	if (err < 0) {
		answer_error(r, 500, "%s: the record cannot be read", id);
		return;
	}
	target_actor(r, &actor);
	err = party_set_lock(&a->mdm, e, lock, buf_str(&actor));
	if (err < 0)
		answer_error(r, 503, "%s: the store takes no changes now: %s", id, strerror(-err));
	else
		answer_json(r, 200, line_json(a, roster_find(a->mdm.roster, id), e));
	enrollment_free(e);
	buf_free(&actor);
}

static void
verb_show(struct admin *a, struct http_request *r, const char *id, const char *rest)
{
	(void)rest;
	show(a, r, id);
}

static void
verb_lock(struct admin *a, struct http_request *r, const char *id, const char *rest)
{
	(void)rest;
	set_lock(a, r, id, true);
}

static void
verb_unlock(struct admin *a, struct http_request *r, const char *id, const char *rest)
{
	(void)rest;
	set_lock(a, r, id, false);
}

static const struct {
	const char *name; /* "" : the enrollment itself */
	enum http_method method;
	bool with_rest; /* a further part is allowed */
	void (*run)(struct admin *a, struct http_request *r, const char *id, const char *rest);
} verbs[] = {
	{ "", HTTP_GET, false, verb_show },
	{ "", HTTP_DELETE, false, leave_forget },
	{ "remove", HTTP_POST, false, leave_remove },
	{ "secrets", HTTP_GET, false, leave_secrets },
	{ "lock", HTTP_POST, false, verb_lock },
	{ "unlock", HTTP_POST, false, verb_unlock },
	{ "pause", HTTP_POST, false, inactivity_pause },
	{ "refresh", HTTP_POST, false, inactivity_refresh },
	{ "queue", HTTP_GET, false, commands_queue },
	{ "queue", HTTP_POST, false, commands_send },
	{ "queue", HTTP_DELETE, true, commands_cancel },
	{ "renew", HTTP_POST, false, renewals_one },
	{ "results", HTTP_GET, true, commands_results },
};

void
enrollments_one(struct http_request *r, void *ctx)
{
	struct admin *a = ctx;
	char *copy, *parts[3] = { NULL };
	size_t count = target_parts(http_path(r), "/v1/enrollments/", &copy, parts, 3);
	const char *verb = count > 1 ? parts[1] : "";
	struct buf id = BUF_INIT;
	bool known = false;

	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]) && count >= 1 && count <= 3; i++) {
		if (strcmp(verbs[i].name, verb) != 0 || (count == 3 && !verbs[i].with_rest))
			continue;
		known = true;
		if (http_method(r) != verbs[i].method &&
			!(http_method(r) == HTTP_HEAD && verbs[i].method == HTTP_GET))
			continue;
		if (target_or_answer(a, r, parts[0], &id))
			verbs[i].run(a, r, buf_str(&id), count == 3 ? parts[2] : NULL);
		goto out;
	}
	answer_error(r, known ? 405 : 404,
		known ? "this method does not apply here" : "there is no such resource");
out:
	buf_free(&id);
	free(copy);
}
