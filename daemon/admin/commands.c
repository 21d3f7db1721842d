/* commands.c - commands into queues, pushes, and what devices answered */
#include "admin/commands.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "admin/answer.h"
#include "admin/arguments.h"
#include "admin/role.h"
#include "admin/target.h"
#include "base/mem.h"
#include "base/proplist.h"
#include "mdm/enqueue.h"
#include "mdm/push.h"
#include "store/result.h"

#define IDS_MAX 1000 /* in one path */
#define RESULT_MAX (17u << 20)

void
commands_queue(struct admin *a, struct http_request *r, const char *id, const char *rest)
{
	struct queue *q = NULL;
	json_t *list, *body;

	(void)rest;
	if (queue_load(a->mdm.store, id, &q) < 0) {
		answer_error(r, 500, "%s: the queue cannot be read", id);
		return;
	}
	list = json_array();
	for (size_t i = 0; i < q->count; i++) {
		const struct queue_entry *e = &q->entries[i];
		json_t *j = json_object();

		json_object_set_new(j, "uuid", json_text(e->uuid));
		json_object_set_new(j, "type", json_text(e->type));
		json_object_set_new(j, "actor", json_text(e->actor));
		json_object_set_new(j, "queued_at", json_time(e->queued_at));
		json_object_set_new(j, "expires_at", json_time(e->expires_at));
		json_object_set_new(j, "offered_at", json_time(e->offered_at));
		json_object_set_new(j, "not_now", json_integer(e->not_now));
		json_object_set_new(j, "retry_at", json_time(e->retry_at));
		json_array_append_new(list, j);
	}
	queue_free(q);
	body = json_object();
	json_object_set_new(body, "queue", list);
	answer_json(r, 200, body);
}

static json_t *
result_json(const struct result *item)
{
	json_t *j = json_object();

	json_object_set_new(j, "uuid", json_text(item->uuid));
	json_object_set_new(j, "type", json_text(item->type));
	json_object_set_new(j, "status", json_text(item->status));
	json_object_set_new(j, "error_text", json_text(item->error));
	json_object_set_new(j, "actor", json_text(item->actor));
	json_object_set_new(j, "at", json_time(item->at));
	json_object_set_new(j, "queued_at", json_time(item->queued_at));
	return j;
}

/* The answer's keys without those that every report has. */
static json_t *
answer_of(struct admin *a, const char *id, const char *uuid)
{
	static const char *const common[] = { "UDID", "EnrollmentID", "UserID", "UserShortName",
		"UserLongName", "EnrollmentUserID", "NotOnConsole", "Status", "CommandUUID",
		"RequestType" };
	struct buf body = BUF_INIT;
	plist_t root = NULL;
	json_t *j = NULL;

	if (result_body(a->mdm.store, id, uuid, RESULT_MAX, &body) == 0 &&
		proplist_parse(buf_bytes(&body), &root) == 0) {
		j = json_from_plist(root);
		for (size_t i = 0; i < sizeof(common) / sizeof(common[0]); i++)
			json_object_del(j, common[i]);
	}
	plist_free(root);
	buf_wipe(&body);
	return j;
}

static void
one_result(struct admin *a, struct http_request *r, const char *id, const struct result_list *list,
	const char *uuid)
{
	for (size_t i = 0; i < list->count; i++) {
		json_t *j, *answer;

		if (strcmp(list->items[i].uuid, uuid) != 0)
			continue;
		j = result_json(&list->items[i]);
		answer = role_hides_answer(role_of(r), list->items[i].type)
				 ? NULL
				 : answer_of(a, id, uuid);
		json_object_set_new(j, "answer", answer ? answer : json_null());
		answer_json(r, 200, j);
		return;
	}
	answer_error(r, 404, "%s: no answer to %s is kept", id, uuid);
}

void
commands_results(struct admin *a, struct http_request *r, const char *id, const char *rest)
{
	struct result_list list = { 0 };
	json_t *items, *body;

	if (result_list_load(a->mdm.store, id, &list) < 0) {
		answer_error(r, 500, "%s: the answers cannot be read", id);
		return;
	}
	if (rest) {
		one_result(a, r, id, &list, rest);
	} else {
		items = json_array();
		for (size_t i = 0; i < list.count; i++)
			json_array_append_new(items, result_json(&list.items[i]));
		body = json_object();
		json_object_set_new(body, "results", items);
		answer_json(r, 200, body);
	}
	result_list_free(&list);
}

/* The ids of a path, resolved; an id that means nothing keeps its text, and mdm_enqueue says so. */
struct ids {
	char *items[IDS_MAX];
	size_t count;
};

static bool
ids_read(struct admin *a, struct ids *ids, const char *text)
{
	char *copy = xstrdup(text), *rest = copy, *part;
	bool fits = true;

	ids->count = 0;
	while (fits && (part = strsep(&rest, ",")) != NULL) {
		struct buf id = BUF_INIT;

		if (!*part)
			continue;
		fits = ids->count < IDS_MAX;
		if (fits && target_resolve(a, part, &id) < 0) {
			buf_reset(&id);
			buf_add_str(&id, part);
		}
		if (fits)
			ids->items[ids->count++] = buf_steal_str(&id);
		else
			buf_free(&id);
	}
	free(copy);
	return fits && ids->count;
}

static void
ids_free(struct ids *ids)
{
	for (size_t i = 0; i < ids->count; i++)
		free(ids->items[i]);
}

static void
set_status(json_t *status, const char *id, const char *key, const char *text)
{
	json_t *one = json_object();

	json_object_set_new(one, key, json_text(text));
	json_object_set_new(status, id, one);
}

static bool
is_set(struct http_request *r, const char *name)
{
	struct buf text = BUF_INIT;
	bool set = http_query_get(r, name, false, &text) == 0 && text.len > 0;

	buf_free(&text);
	return set;
}

/* Why an enrollment cannot be pushed to now, appended; nothing: it can. */
static void
push_fault(struct admin *a, const char *id, struct buf *out)
{
	const struct roster_line *line = roster_find(a->mdm.roster, id);
	const char *topic = line ? roster_topic(a->mdm.roster, line->topic) : NULL;

	if (!line)
		buf_add_str(out, enqueue_fault_words(-ENOENT));
	else if (line->state == STATE_REMOVED)
		enqueue_fault_text(&a->mdm, id, -ESTALE, out);
	else if (!line->has_token)
		buf_add_str(out, "it has no push token yet");
	else if (!topic || !certdir_push_for(a->mdm.certs, topic, mdm_now(&a->mdm)))
		buf_add_str(out, "there is no valid push certificate for its topic");
}

/* False: it cannot be pushed to, and `only` (NULL: one of several) gets the reason as its error. */
static bool
push_status(struct admin *a, json_t *status, const char *id, json_t *only)
{
	struct buf fault = BUF_INIT;
	bool fine;

	push_fault(a, id, &fault);
	fine = fault.len == 0;
	set_status(
		status, id, fine ? "push_result" : "push_error", fine ? "asked" : buf_str(&fault));
	if (!fine && only)
		json_object_set_new(only, "error", json_text(buf_str(&fault)));
	buf_free(&fault);
	return fine;
}

/*
 * Callers of the API get NanoMDM's keys and no others; what cordonctl reads beside them is for the
 * control socket, and for those who asked for it.
 */
static void
keep_shape(struct http_request *r, json_t *body)
{
	if (http_side(r) != HTTP_API || strncmp(http_path(r), "/v1/enrollments/", 16) == 0)
		return;
	json_object_del(body, "error");
	if (!is_set(r, "check") && !is_set(r, "strict"))
		json_object_del(body, "warnings");
}

/* A user channel is judged by what its device said of itself. */
static void
check_fit(struct admin *a, const struct ids *ids, const struct command *c,
	struct schema_notes *warnings)
{
	const struct schema_command *known = schema_find(a->schema, c->type);
	struct enrollment *e = NULL, *device = NULL;

	if (!known || ids->count != 1 || enrollment_load(a->mdm.store, ids->items[0], &e) < 0)
		return;
	if (e->parent && enrollment_load(a->mdm.store, e->parent, &device) == 0) {
		device->channel = e->channel;
		schema_check_fit(known, device, warnings);
	} else {
		schema_check_fit(known, e, warnings);
	}
	enrollment_free(device);
	enrollment_free(e);
}

static void
add_fault(struct admin *a, json_t *body, json_t *status, const char *id, int fault, bool only)
{
	struct buf text = BUF_INIT;

	enqueue_fault_text(&a->mdm, id, fault, &text);
	set_status(status, id, "command_error", buf_str(&text));
	if (only)
		json_object_set_new(body, "error", json_text(buf_str(&text)));
	buf_free(&text);
}

/* Queues `c` for all ids and answers in NanoMDM's shape. */
static void
enqueue(struct admin *a, struct http_request *r, const struct ids *ids, const struct command *c,
	bool no_push, struct schema_notes *warnings)
{
	struct buf actor = BUF_INIT;
	struct enqueue_options o = { .by_person = true, .no_push = no_push };
	int *fault = xcalloc(ids->count, sizeof(*fault));
	json_t *body = json_object(), *status = json_object();
	int queued;

	target_actor(r, &actor);
	o.actor = buf_str(&actor);
	queued = mdm_enqueue(&a->mdm, (const char *const *)ids->items, ids->count, c, &o, fault);
	for (size_t i = 0; i < ids->count && queued >= 0; i++)
		if (fault[i])
			add_fault(a, body, status, ids->items[i], fault[i], ids->count == 1);
		else if (!no_push)
			push_status(a, status, ids->items[i], NULL);
	if (json_object_size(status))
		json_object_set(body, "status", status);
	if (no_push)
		json_object_set_new(body, "no_push", json_true());
	json_object_set_new(body, "command_uuid", json_text(c->uuid));
	json_object_set_new(body, "request_type", json_text(c->type));
	if (queued < 0) {
		json_object_set_new(body, "command_error", json_text(enqueue_fault_words(queued)));
		json_object_set_new(body, "error", json_text(enqueue_fault_words(queued)));
	}
	check_fit(a, ids, c, warnings);
	arguments_warnings(body, warnings);
	keep_shape(r, body);
	answer_json(r, queued <= 0 ? 500 : (size_t)queued < ids->count ? 207 : 200, body);
	json_decref(status);
	free(fault);
	buf_free(&actor);
}

/* Scripts of NanoMDM's send what they like; who asks for it gets it checked. */
static int
read_command(struct admin *a, struct http_request *r, struct command *c,
	struct schema_notes *warnings, char **why)
{
	bool strict = is_set(r, "strict");
	int rc = command_from_plist(http_body(r), c, why);

	if (rc == 0 && (strict || is_set(r, "check")))
		rc = command_check(a->schema, c, strict, warnings, why);
	return rc;
}

void
commands_enqueue_handle(struct http_request *r, void *ctx)
{
	struct admin *a = ctx;
	struct ids *ids = xcalloc(1, sizeof(*ids));
	struct schema_notes warnings = { 0 };
	struct command c = { 0 };
	char *why = NULL;

	if (!ids_read(a, ids, http_path(r) + strlen("/v1/enqueue/")))
		answer_error(r, 400, "up to %d ids, separated by commas, are wanted in the path",
			IDS_MAX);
	else if (read_command(a, r, &c, &warnings, &why) < 0)
		answer_error(r, 400, "%s", why ? why : "this is not a command");
	else if (role_may_send_or_answer(r, c.type))
		enqueue(a, r, ids, &c, is_set(r, "nopush"), &warnings);
	command_free(&c);
	schema_notes_free(&warnings);
	free(why);
	ids_free(ids);
	free(ids);
}

void
commands_send(struct admin *a, struct http_request *r, const char *id, const char *rest)
{
	struct ids *ids = xcalloc(1, sizeof(*ids));
	struct schema_notes warnings = { 0 };
	struct command c = { 0 };
	json_t *body = answer_body(r);
	char *why = NULL;

	(void)rest;
	if (!body)
		goto out;
	ids->items[ids->count++] = xstrdup(id);
	if (!arguments_command(a, body, &c, &warnings, &why))
		answer_error(r, 400, "%s", why ? why : "this command cannot be built");
	else if (role_may_send_or_answer(r, c.type))
		enqueue(a, r, ids, &c, json_is_true(json_object_get(body, "no_push")), &warnings);
	command_free(&c);
	schema_notes_free(&warnings);
	free(why);
	json_decref(body);
out:
	ids_free(ids);
	free(ids);
}

void
commands_cancel(struct admin *a, struct http_request *r, const char *id, const char *rest)
{
	struct buf actor = BUF_INIT;
	bool offered = false;
	json_t *body;
	int rc;

	target_actor(r, &actor);
	rc = rest ? mdm_cancel(&a->mdm, id, rest, buf_str(&actor), &offered) : -ENOENT;
	buf_free(&actor);
	if (rc == -ENOENT) {
		answer_error(r, 404, "%s: no command with this UUID waits", id);
	} else if (rc < 0) {
		answer_error(r, 503, "%s: the store takes no changes now: %s", id, strerror(-rc));
	} else {
		body = json_object();
		json_object_set_new(body, "command_uuid", json_text(rest));
		json_object_set_new(body, "handed_out", json_boolean(offered));
		answer_json(r, 200, body);
	}
}

void
commands_push_handle(struct http_request *r, void *ctx)
{
	struct admin *a = ctx;
	struct ids *ids = xcalloc(1, sizeof(*ids));
	json_t *body = json_object(), *status = json_object();
	size_t bad = 0;

	if (!ids_read(a, ids, http_path(r) + strlen("/v1/push/"))) {
		answer_error(r, 400, "up to %d ids, separated by commas, are wanted in the path",
			IDS_MAX);
		json_decref(body);
		goto out;
	}
	for (size_t i = 0; i < ids->count; i++) {
		if (push_status(a, status, ids->items[i], ids->count == 1 ? body : NULL))
			pusher_ask(&a->mdm, ids->items[i], ids->count > 1);
		else
			bad++;
	}
	keep_shape(r, body);
	json_object_set(body, "status", status);
	answer_json(r, bad == 0 ? 200 : bad < ids->count ? 207 : 500, body);
out:
	json_decref(status);
	ids_free(ids);
	free(ids);
}
