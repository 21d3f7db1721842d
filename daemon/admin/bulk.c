/* bulk.c - one action for many enrollments, in slices */
#include "admin/bulk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "admin/answer.h"
#include "admin/arguments.h"
#include "admin/inactivity.h"
#include "admin/role.h"
#include "admin/target.h"
#include "base/clock.h"
#include "base/encode.h"
#include "base/log.h"
#include "base/mem.h"
#include "mdm/enqueue.h"
#include "mdm/push.h"
#include "mdm/refresh.h"
#include "store/enrollment.h"

#define BREATH_MS 1
#define CHUNK 16u /* enrollments between two looks at the clock */
#define IDS_MAX 100000u

struct filter {
	int state;	       /* -1: those that take commands */
	enum schema_os system; /* OS_UNKNOWN: any */
	bool locked, users;
	char **ids; /* NULL: all */
	size_t id_count;
};

struct failure {
	int fault;
	size_t count;
};

struct bulk {
	struct bulk *next;
	struct admin *admin;
	char id[UUID_LEN + 1];
	struct filter filter;
	struct command command; /* type NULL: only pushes, or the questions of the schedule */
	char *actor;
	bool refresh, no_push, done;
	struct loop_timer *timer;
	size_t at, matched, queued;
	struct failure failures[16];
	struct schema_notes warnings;
	int64_t began, ended;
};

/* ---- whom ---- */

static bool
takes_commands(const struct roster_line *line)
{
	return line->state == STATE_ENROLLED || line->state == STATE_INACTIVE;
}

/* What the roster does not know is asked of the record. */
static bool
fits(const struct bulk *b, const struct roster_line *line)
{
	const struct filter *f = &b->filter;
	struct enrollment *e;
	bool fit;

	if (!line || (f->state < 0 ? !takes_commands(line) : line->state != f->state))
		return false;
	if ((f->locked && !line->locked) ||
		(!f->users && channel_is_user((enum channel)line->channel)))
		return false;
	if (f->system == OS_UNKNOWN)
		return true;
	if (enrollment_load(b->admin->mdm.store, line->id, &e) < 0)
		return false;
	fit = schema_os_of(&e->facts) == f->system;
	enrollment_free(e);
	return fit;
}

static size_t
total(const struct bulk *b)
{
	return b->filter.ids ? b->filter.id_count : roster_count(b->admin->mdm.roster);
}

/* The next enrollment, or NULL when this one does not fit. */
static const char *
candidate(struct bulk *b)
{
	const struct roster *roster = b->admin->mdm.roster;
	size_t at = b->at++;
	const struct roster_line *line =
		b->filter.ids ? roster_find(roster, b->filter.ids[at]) : roster_at(roster, at);

	return fits(b, line) ? line->id : NULL;
}

/* ---- the work ---- */

static void
count_failure(struct bulk *b, int fault)
{
	size_t i;

	for (i = 0; i < sizeof(b->failures) / sizeof(b->failures[0]); i++) {
		if (b->failures[i].fault != 0 && b->failures[i].fault != fault)
			continue;
		b->failures[i].fault = fault;
		b->failures[i].count++;
		return;
	}
}

static void
send_chunk(struct bulk *b, const char *const *ids, size_t count)
{
	const struct enqueue_options o = {
		.actor = b->actor, .by_person = true, .no_push = b->no_push, .bulk = true
	};
	int fault[CHUNK] = { 0 };
	int queued = mdm_enqueue(&b->admin->mdm, ids, count, &b->command, &o, fault);
	size_t i;

	for (i = 0; i < count; i++)
		if (queued < 0 || fault[i])
			count_failure(b, queued < 0 ? queued : fault[i]);
	b->queued += queued > 0 ? (size_t)queued : 0;
}

static void
push_chunk(struct bulk *b, const char *const *ids, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		pusher_ask(&b->admin->mdm, ids[i], true);
	b->queued += count;
}

/* What waits already is asked for by a push, as for one device. */
static void
refresh_chunk(struct bulk *b, const char *const *ids, size_t count)
{
	size_t i;
	int rc;

	for (i = 0; i < count; i++) {
		rc = refresh_now(&b->admin->mdm, ids[i], b->actor, true);
		if (rc == -EALREADY)
			pusher_ask(&b->admin->mdm, ids[i], true);
		if (rc == 0 || rc == -EALREADY)
			b->queued++;
		else
			count_failure(b, rc);
	}
}

static void
chunk(struct bulk *b)
{
	const char *ids[CHUNK], *id;
	size_t count = 0, looked;

	for (looked = 0; looked < CHUNK && b->at < total(b); looked++)
		if ((id = candidate(b)) != NULL)
			ids[count++] = id;
	b->matched += count;
	if (count && b->command.type)
		send_chunk(b, ids, count);
	else if (count && b->refresh)
		refresh_chunk(b, ids, count);
	else if (count)
		push_chunk(b, ids, count);
}

static void
say(const struct bulk *b)
{
	if (b->command.type)
		log_event(EV_COMMAND_QUEUED, FIELDS(F_COMMAND(b->command.uuid), F_ACTOR(b->actor)),
			"%s is queued for %zu of %zu enrollments, by %s", b->command.type,
			b->queued, b->matched, b->actor);
	else
		log_info("%zu enrollments are asked %s, by %s", b->queued,
			b->refresh ? "for their information" : "to connect", b->actor);
}

static void
slice(void *arg)
{
	struct bulk *b = arg;
	int64_t start = clock_mono_us();

	while (b->at < total(b) && clock_mono_us() - start < BULK_SLICE_US)
		chunk(b);
	if (b->at < total(b)) {
		loop_timer_set(b->timer, BREATH_MS);
		return;
	}
	b->done = true;
	b->ended = mdm_now(&b->admin->mdm);
	say(b);
	command_free(&b->command);
}

/* ---- jobs ---- */

static void
job_free(struct bulk *b)
{
	size_t i;

	loop_timer_free(b->timer);
	for (i = 0; i < b->filter.id_count; i++)
		free(b->filter.ids[i]);
	free(b->filter.ids);
	command_free(&b->command);
	schema_notes_free(&b->warnings);
	free(b->actor);
	free(b);
}

void
bulk_free(struct admin *a)
{
	struct bulk *b;

	while ((b = a->bulks) != NULL) {
		a->bulks = b->next;
		job_free(b);
	}
}

static void
forget_oldest(struct admin *a)
{
	struct bulk **at = &a->bulks, *b;
	size_t kept = 0;

	while ((b = *at) != NULL) {
		if (!b->done || ++kept <= BULK_KEPT) {
			at = &b->next;
			continue;
		}
		*at = b->next;
		job_free(b);
	}
}

static json_t *
job_json(const struct bulk *b)
{
	json_t *j = json_object(), *failures = json_object();
	size_t i, failed = 0;

	for (i = 0; i < sizeof(b->failures) / sizeof(b->failures[0]); i++) {
		if (!b->failures[i].fault)
			continue;
		failed += b->failures[i].count;
		json_object_set_new(failures, enqueue_fault_words(b->failures[i].fault),
			json_integer((json_int_t)b->failures[i].count));
	}
	json_object_set_new(j, "bulk", json_string(b->id));
	json_object_set_new(j, "done", json_boolean(b->done));
	json_object_set_new(j, "total", json_integer((json_int_t)total(b)));
	json_object_set_new(j, "looked_at", json_integer((json_int_t)b->at));
	json_object_set_new(j, "matched", json_integer((json_int_t)b->matched));
	json_object_set_new(j, "queued", json_integer((json_int_t)b->queued));
	json_object_set_new(j, "failed", json_integer((json_int_t)failed));
	json_object_set_new(j, "failures", failures);
	json_object_set_new(j, "began_at", json_time(b->began));
	json_object_set_new(j, "ended_at", json_time(b->ended));
	arguments_warnings(j, &b->warnings);
	return j;
}

/* ---- asking for one ---- */

static bool
read_state(const json_t *value, int *state)
{
	const char *name = json_string_value(value);
	int s;

	*state = -1;
	if (!value)
		return true;
	for (s = STATE_PENDING; name && s < STATE_COUNT; s++)
		if (strcasecmp(name, state_name((enum state)s)) == 0)
			*state = s;
	return *state >= 0;
}

static bool
read_system(const json_t *value, enum schema_os *system)
{
	const char *name = json_string_value(value);
	int os;

	*system = OS_UNKNOWN;
	if (!value)
		return true;
	for (os = 0; name && os < OS_COUNT; os++)
		if (strcasecmp(name, schema_os_name((enum schema_os)os)) == 0)
			*system = (enum schema_os)os;
	return *system != OS_UNKNOWN;
}

static bool
read_ids(struct admin *a, const json_t *value, struct filter *f)
{
	const json_t *item;
	size_t i;

	if (!value)
		return true;
	if (!json_is_array(value) || json_array_size(value) > IDS_MAX)
		return false;
	f->ids = xcalloc(json_array_size(value) + 1, sizeof(char *));
	json_array_foreach(value, i, item)
	{
		struct buf id = BUF_INIT;

		if (!json_is_string(item))
			return false;
		if (target_resolve(a, json_string_value(item), &id) == 0)
			f->ids[f->id_count++] = buf_steal_str(&id);
		buf_free(&id);
	}
	return true;
}

static bool
read_filter(struct admin *a, const json_t *filter, struct filter *f)
{
	f->locked = json_is_true(json_object_get(filter, "locked"));
	f->users = json_is_true(json_object_get(filter, "users"));
	return json_is_object(filter) && read_state(json_object_get(filter, "state"), &f->state) &&
	       read_system(json_object_get(filter, "system"), &f->system) &&
	       read_ids(a, json_object_get(filter, "ids"), f);
}

static char *
read_job(struct bulk *b, const json_t *body)
{
	const json_t *action = json_object_get(body, "action"),
		     *send = json_object_get(action, "send");
	const char *name = json_string_value(action);
	char *why = NULL;

	if (!read_filter(b->admin, json_object_get(body, "filter"), &b->filter))
		return xstrdup("filter is an object of state (Pending, Enrolled, Inactive, "
			       "Removed), system (iOS, macOS, tvOS, visionOS, watchOS), locked, "
			       "users, ids");
	b->refresh = name && strcmp(name, "refresh") == 0;
	if (b->refresh || (name && strcmp(name, "push") == 0))
		return NULL;
	if (!json_is_object(send))
		return xstrdup("action is \"push\", \"refresh\", or {\"send\": "
			       "{\"request_type\", \"arguments\"}}; and \"lock\" with filter "
			       "{\"silent\": true}");
	b->no_push = json_is_true(json_object_get(send, "no_push"));
	arguments_command(b->admin, send, &b->command, &b->warnings, &why);
	return why;
}

const char *
bulk_start(struct admin *a, const json_t *body, const char *actor, char **why)
{
	struct bulk *b = xcalloc(1, sizeof(*b));

	b->admin = a;
	b->actor = xstrdup(actor);
	b->began = mdm_now(&a->mdm);
	uuid_new(b->id);
	*why = read_job(b, body);
	if (*why) {
		job_free(b);
		return NULL;
	}
	b->next = a->bulks;
	a->bulks = b;
	b->timer = loop_timer_new(a->mdm.loop, slice, b);
	loop_timer_set(b->timer, 0);
	forget_oldest(a);
	return b->id;
}

json_t *
bulk_json(const struct admin *a, const char *id)
{
	const struct bulk *b;

	for (b = a->bulks; b; b = b->next)
		if (strcmp(b->id, id) == 0)
			return job_json(b);
	return NULL;
}

static void
start(struct http_request *r, struct admin *a, const json_t *body)
{
	struct buf actor = BUF_INIT;
	char *why = NULL;
	const char *id;

	target_actor(r, &actor);
	id = bulk_start(a, body, buf_str(&actor), &why);
	if (id)
		answer_json(r, 202, bulk_json(a, id));
	else
		answer_error(r, 400, "%s", why);
	free(why);
	buf_free(&actor);
}

void
bulk_handle(struct http_request *r, void *ctx)
{
	json_t *body = answer_body(r);
	const json_t *how;
	const char *type;

	if (!body)
		return;
	how = json_object_get(body, "action");
	type = json_string_value(json_object_get(json_object_get(how, "send"), "request_type"));
	if (type && !role_may_send_or_answer(r, type))
		; /* answered */
	else if (!inactivity_bulk(ctx, r, body))
		start(r, ctx, body);
	json_decref(body);
}

void
bulk_one_handle(struct http_request *r, void *ctx)
{
	const char *id = http_path(r) + strlen("/v1/bulk/");
	json_t *j = bulk_json(ctx, id);

	if (j)
		answer_json(r, 200, j);
	else
		answer_error(r, 404, "%s: there is no such job", id);
}
