/* ddm.c - declarative management as a device does it */
#include "ddm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "message.h"
#include "prop.h"
#include "request.h"
#include "step.h"

/* Kinds in the manifest, in endpoints and in status reports. */
static const char *const kinds[][3] = {
	{ "Activations", "activation", "activations" },
	{ "Configurations", "configuration", "configurations" },
	{ "Assets", "asset", "assets" },
	{ "Management", "management", "management" },
};

/* PUT the check-in message of an endpoint; *ret_status 200 or 404 are answers. */
static enum outcome
ask(struct device *d, const char *endpoint, const char *data, struct http_reply *r)
{
	plist_t dict = message_new(d, false);
	enum outcome o;

	prop_set_string(dict, "MessageType", "DeclarativeManagement");
	prop_set_string(dict, "Endpoint", endpoint);
	if (data != NULL)
		prop_set_data(dict, "Data", data, strlen(data));
	o = message_checkin(d, METER_OTHER, dict, false, r);
	return o == OUTCOME_REFUSED && r->status == 404 ? OUTCOME_OK : o;
}

static enum outcome
ask_json(struct device *d, const char *endpoint, json_t **ret)
{
	struct http_reply r;
	enum outcome o = ask(d, endpoint, NULL, &r);

	*ret = NULL;
	if (o == OUTCOME_OK && r.status == 200) {
		*ret = json_loadb((const char *)r.body.data, r.body.len, 0, NULL);
		if (!json_is_object(*ret) || !request_is_type(&r, "application/json"))
			o = device_fault(d, OUTCOME_MALFORMED, "%s: no JSON object", endpoint);
	}
	step_print(d->udid, "declarative",
		json_pack("{s:s, s:I}", "endpoint", endpoint, "status", (json_int_t)r.status));
	if (o != OUTCOME_OK) {
		json_decref(*ret);
		*ret = NULL;
	}
	http_reply_fini(&r);
	return o;
}

enum outcome
ddm_ask(struct device *d, const char *endpoint)
{
	json_t *j;
	enum outcome o = ask_json(d, endpoint, &j);

	if (j != NULL)
		step_print(d->udid, "declarative-answer", json_pack("{s:o}", "body", j));
	return o;
}

/* One declaration that is new or changed.  A 404 means that the set changed meanwhile: drop it. */
static enum outcome
fetch(struct device *d, const char *kind, const char *id, const char *token, json_t *set)
{
	char *endpoint = util_printf("declaration/%s/%s", kind, id);
	const char *got;
	json_t *j;
	enum outcome o = ask_json(d, endpoint, &j);

	free(endpoint);
	if (o != OUTCOME_OK || j == NULL)
		return o;
	got = json_string_value(json_object_get(j, "Identifier"));
	if (got == NULL || strcmp(got, id) != 0 || !json_is_string(json_object_get(j, "Type")) ||
		!json_is_string(json_object_get(j, "ServerToken")) ||
		!json_is_object(json_object_get(j, "Payload")))
		o = device_fault(d, OUTCOME_MALFORMED, "declaration %s: not as Apple's schema", id);
	else
		json_object_set_new(set, id, json_pack("{s:s, s:s}", "kind", kind, "token", token));
	json_decref(j);
	return o;
}

static enum outcome
apply_kind(struct device *d, const json_t *list, const char *kind, json_t *set)
{
	enum outcome o = OUTCOME_OK;

	if (!json_is_array(list))
		return device_fault(d, OUTCOME_MALFORMED, "the manifest has no list of %ss", kind);
	for (size_t i = 0; i < json_array_size(list) && o == OUTCOME_OK; i++) {
		json_t *one = json_array_get(list, i), *have;
		const char *id = json_string_value(json_object_get(one, "Identifier"));
		const char *token = json_string_value(json_object_get(one, "ServerToken"));

		if (id == NULL || token == NULL)
			return device_fault(d, OUTCOME_MALFORMED, "the manifest lacks a token");
		have = json_object_get(d->declarations, id);
		if (have != NULL &&
			strcmp(json_string_value(json_object_get(have, "token")), token) == 0)
			json_object_set(set, id, have);
		else
			o = fetch(d, kind, id, token, set);
	}
	return o;
}

static enum outcome
apply_manifest(struct device *d, const json_t *manifest)
{
	json_t *lists = json_object_get(manifest, "Declarations"), *set = json_object();
	enum outcome o = OUTCOME_OK;

	for (size_t i = 0; i < 4 && o == OUTCOME_OK; i++)
		o = apply_kind(d, json_object_get(lists, kinds[i][0]), kinds[i][1], set);
	if (o == OUTCOME_OK) {
		json_decref(d->declarations);
		d->declarations = set;
	} else {
		json_decref(set);
	}
	return o;
}

static char *
make_status(const struct device *d)
{
	json_t *lists = json_object(), *all, *have;
	const char *id;
	char *text;

	for (size_t i = 0; i < 4; i++) {
		json_t *list = json_array();

		json_object_foreach(d->declarations, id,
			have) if (strcmp(json_string_value(json_object_get(have, "kind")),
					  kinds[i][1]) == 0) json_array_append_new(list,
			json_pack("{s:s, s:b, s:s, s:O}", "identifier", id, "active", 1, "valid",
				"valid", "server-token", json_object_get(have, "token")));
		json_object_set_new(lists, kinds[i][2], list);
	}
	all = json_pack("{s:{s:{s:o}, s:{s:{s:s}, s:{s:s}}}, s:[]}", "StatusItems", "management",
		"declarations", lists, "device", "model", "family", d->mac ? "Mac" : "iPhone",
		"operating-system", "version", d->os, "Errors");
	text = json_dumps(all, JSON_COMPACT);
	json_decref(all);
	return text;
}

static enum outcome
send_status(struct device *d)
{
	struct http_reply r;
	char *status = make_status(d);
	enum outcome o = ask(d, "status", status, &r);

	free(status);
	if (o == OUTCOME_OK && r.status == 200)
		step_acked(d->udid, "declarative-status", NULL);
	http_reply_fini(&r);
	return o;
}

enum outcome
ddm_sync(struct device *d)
{
	json_t *tokens, *manifest = NULL;
	const char *token = NULL;
	enum outcome o = ask_json(d, "tokens", &tokens);

	if (o != OUTCOME_OK || tokens == NULL)
		return o;
	token = json_string_value(
		json_object_get(json_object_get(tokens, "SyncTokens"), "DeclarationsToken"));
	if (token == NULL)
		o = device_fault(d, OUTCOME_MALFORMED, "tokens: no DeclarationsToken");
	else if (d->declarations_token == NULL || strcmp(token, d->declarations_token) != 0)
		o = ask_json(d, "declaration-items", &manifest);
	if (o == OUTCOME_OK && manifest != NULL)
		o = apply_manifest(d, manifest);
	if (o == OUTCOME_OK && manifest != NULL) {
		free(d->declarations_token);
		d->declarations_token = util_dup(token);
		o = send_status(d);
	}
	json_decref(manifest);
	json_decref(tokens);
	return o;
}
