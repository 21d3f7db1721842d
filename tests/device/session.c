/* session.c - one connection to the command channel */
#include "session.h"

#include <stdlib.h>
#include <string.h>

#include "answer.h"
#include "ddm.h"
#include "enroll.h"
#include "message.h"
#include "prop.h"
#include "request.h"
#include "step.h"

struct session {
	struct device *d;
	bool user;
	struct blob report; /* what is owed; of the device channel it is kept in d->pending */
	char *uuid, *type, *status;
	bool repeated, declares;
	int limit;
	struct session_result *result;
};

static void
note_report(struct session *s, const char *uuid, const char *type, const char *status)
{
	free(s->uuid);
	free(s->type);
	free(s->status);
	s->uuid = util_dup(uuid);
	s->type = util_dup(type);
	s->status = util_dup(status);
}

/* The report of an earlier session that was never answered. */
static void
take_pending(struct session *s)
{
	struct device *d = s->d;
	plist_t dict;

	if (s->user || d->pending.len == 0)
		return;
	dict = prop_parse(d->pending.data, d->pending.len);
	if (dict == NULL || prop_string(dict, "CommandUUID") == NULL ||
		prop_string(dict, "Status") == NULL) {
		blob_free(&d->pending);
		plist_free(dict);
		return;
	}
	s->report = blob_copy(d->pending.data, d->pending.len);
	s->repeated = true;
	note_report(s, prop_string(dict, "CommandUUID"), "", prop_string(dict, "Status"));
	plist_free(dict);
}

static struct blob
idle_body(struct session *s)
{
	struct device *d = s->d;
	struct blob body;
	plist_t dict;

	if (!s->user && d->idle_body.len > 0)
		return blob_copy(d->idle_body.data, d->idle_body.len);
	dict = message_new(d, s->user);
	prop_set_string(dict, "Status", "Idle");
	body = prop_xml(dict);
	plist_free(dict);
	if (!s->user && d->o->cache_signatures)
		d->idle_body = blob_copy(body.data, body.len);
	return body;
}

static void
count_report(struct session *s)
{
	static const char *const words[] = { "Acknowledged", "Error", "CommandFormatError",
		"NotNow" };
	struct meter *m = s->d->meter;

	s->result->commands++;
	s->result->not_now_last = strcmp(s->status, "NotNow") == 0;
	for (size_t i = 0; m != NULL && i < 4; i++)
		if (strcmp(words[i], s->status) == 0)
			m->report[i]++;
	if (m != NULL && s->repeated)
		m->report[METER_REPEATED]++;
}

/* The server has the report: say so, and do what was to follow it. */
static enum outcome
report_acked(struct session *s)
{
	struct device *d = s->d;
	enum outcome o = OUTCOME_OK;

	step_acked(d->udid, "report",
		json_pack("{s:s, s:s, s:s, s:b, s:b}", "uuid", s->uuid, "type", s->type, "status",
			s->status, "repeated", s->repeated, "user", s->user));
	count_report(s);
	s->repeated = false;
	blob_free(&s->report);
	if (!s->user)
		blob_free(&d->pending);
	switch (d->then) {
	case DEVICE_GOES_ON:
		return OUTCOME_OK;
	case DEVICE_DECLARES:
		s->declares = true;
		break;
	case DEVICE_ERASED:
		step_print(d->udid, "erased", NULL);
		device_forget(d, "erased");
		break;
	case DEVICE_LEAVES:
		if (d->profile->checkout_when_removed)
			o = enroll_checkout(d);
		step_print(d->udid, "left", json_pack("{s:s}", "checkout", outcome_words(o)));
		device_forget(d, "removed");
		o = OUTCOME_OK; /* CheckOut is tried once, whatever becomes of it */
		break;
	}
	d->then = DEVICE_GOES_ON;
	return device_save(d) == 0 ? o : OUTCOME_LOCAL;
}

/* The command in an answer, checked for what every command has.  NULL: not one. */
static plist_t
parse_command(struct device *d, const struct http_reply *r)
{
	plist_t dict;

	if (!request_is_type(r, "application/xml") && !request_is_type(r, "text/xml")) {
		device_fault(d, OUTCOME_MALFORMED, "a command of content type \"%s\"", r->type);
		return NULL;
	}
	dict = prop_parse(r->body.data, r->body.len);
	if (dict == NULL || prop_string(dict, "CommandUUID") == NULL ||
		prop_node(dict, "Command", PLIST_DICT) == NULL) {
		device_fault(d, OUTCOME_MALFORMED,
			"the answer is no dictionary with CommandUUID and Command");
		if (dict != NULL)
			plist_free(dict);
		return NULL;
	}
	return dict;
}

static enum outcome
carry_out(struct session *s, plist_t dict)
{
	struct device *d = s->d;
	plist_t command = prop_node(dict, "Command", PLIST_DICT), report;
	const char *uuid = prop_string(dict, "CommandUUID"), *status;
	const char *type = prop_string(command, "RequestType");

	report = message_new(d, s->user);
	prop_set_string(report, "CommandUUID", uuid);
	d->then = DEVICE_GOES_ON;
	status = answer_command(d, command, report);
	if (status == NULL) {
		plist_free(report);
		device_save(d);
		return d->state == DEVICE_ENROLLED ? OUTCOME_LOCAL : OUTCOME_UNENROLLED;
	}
	if (d->mac)
		prop_set_string(report, "RequestType", type);
	note_report(s, uuid, type != NULL ? type : "", status);
	s->report = prop_xml(report);
	plist_free(report);
	if (s->user)
		return OUTCOME_OK;
	blob_free(&d->pending);
	d->pending = blob_copy(s->report.data, s->report.len);
	return device_save(d) == 0 ? OUTCOME_OK : OUTCOME_LOCAL;
}

/* One exchange: report or Idle out, the next command in.  *ret_more: a new report is owed. */
static enum outcome
exchange(struct session *s, bool *ret_more)
{
	bool is_report = s->report.len > 0;
	struct blob body = is_report ? blob_copy(s->report.data, s->report.len) : idle_body(s);
	struct http_reply r;
	plist_t dict;
	enum outcome o = message_send(
		s->d, MESSAGE_COMMAND, is_report ? METER_REPORT : METER_IDLE, &body, &r);

	*ret_more = false;
	blob_free(&body);
	if (o == OUTCOME_OK)
		o = is_report ? report_acked(s) : OUTCOME_OK;
	if (o == OUTCOME_OK && !is_report)
		step_acked(s->d->udid, "idle", NULL);
	if (o == OUTCOME_OK && s->d->state == DEVICE_ENROLLED && r.body.len > 0 &&
		(s->limit < 0 || s->result->commands < s->limit)) {
		dict = parse_command(s->d, &r);
		o = dict != NULL ? carry_out(s, dict) : OUTCOME_MALFORMED;
		*ret_more = o == OUTCOME_OK;
		if (dict != NULL)
			plist_free(dict);
	}
	http_reply_fini(&r);
	return o;
}

enum outcome
session_run(struct device *d, bool user, int limit, struct session_result *ret)
{
	struct session s = { .d = d, .user = user, .limit = limit, .result = ret };
	bool more = true;
	enum outcome o = OUTCOME_OK;

	memset(ret, 0, sizeof(*ret));
	take_pending(&s);
	while (o == OUTCOME_OK && more && d->state == DEVICE_ENROLLED)
		o = exchange(&s, &more);
	if (o == OUTCOME_OK && s.declares && d->state == DEVICE_ENROLLED) {
		o = ddm_sync(d);
		if (device_save(d) < 0)
			o = OUTCOME_LOCAL;
	}
	blob_free(&s.report);
	free(s.uuid);
	free(s.type);
	free(s.status);
	return o;
}

enum outcome
session_peek(struct device *d)
{
	struct session s = { .d = d };
	struct blob body = idle_body(&s);
	struct http_reply r;
	enum outcome o = message_send(d, MESSAGE_COMMAND, METER_IDLE, &body, &r);
	plist_t dict = NULL, command;

	blob_free(&body);
	if (o == OUTCOME_OK && r.body.len > 0) {
		dict = parse_command(d, &r);
		o = dict != NULL ? OUTCOME_OK : OUTCOME_MALFORMED;
	}
	if (o == OUTCOME_OK) {
		command = prop_node(dict, "Command", PLIST_DICT);
		step_print(d->udid, "offered",
			json_pack("{s:s?, s:s?}", "uuid", prop_string(dict, "CommandUUID"), "type",
				prop_string(command, "RequestType")));
	}
	if (dict != NULL)
		plist_free(dict);
	http_reply_fini(&r);
	return o;
}
