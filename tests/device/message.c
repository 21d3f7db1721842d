/* message.c - what a device says to the MDM server, signed and sent; and what a refusal means */
#include "message.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "prop.h"
#include "request.h"
#include "sign.h"
#include "step.h"

#define RAW_MAX (64u * 1024 * 1024)
#define TYPE_CHECKIN "application/x-apple-aspen-mdm-checkin"
#define TYPE_COMMAND "application/x-apple-aspen-mdm; charset=UTF-8"

plist_t
message_new(const struct device *d, bool user)
{
	plist_t dict = plist_new_dict();

	prop_set_string(dict, "UDID", d->udid);
	if (user) {
		prop_set_string(dict, "UserID", d->o->user_id);
		prop_set_string(dict, "UserShortName", d->o->user_name);
		prop_set_string(dict, "UserLongName", d->o->user_name);
	}
	return dict;
}

/* The base64 of a signature over `body`, with the faults that were asked for. */
static char *
make_signature(struct device *d, const struct blob *body)
{
	const struct options *o = d->o;
	const struct sign_how how = { options_digest(o), o->attached_signature, o->ber };
	struct identity other = { NULL, NULL };
	const struct identity *id = &d->id;
	struct blob flipped = { NULL, 0 }, bytes;
	char *text = NULL;

	if (o->sign_with != NULL) {
		if (device_read_identity(o->sign_with, &other) < 0)
			return NULL;
		id = &other;
	}
	if (o->body_flip) {
		flipped = blob_copy(body->data, body->len);
		flipped.data[flipped.len / 2] ^= 1;
		body = &flipped;
	}
	bytes = sign_bytes(id->cert, id->key, body, &how);
	if (bytes.len > 0)
		text = util_base64(bytes.data, bytes.len);
	blob_free(&bytes);
	blob_free(&flipped);
	device_free_identity(&other);
	return text;
}

static char *
pad_signature(char *text, int length)
{
	size_t have = strlen(text), want = (size_t)length;

	if (want <= have)
		return text;
	text = util_grow(text, want + 1);
	memset(text + have, 'A', want - have);
	text[want] = '\0';
	return text;
}

/* The header line, or NULL where there is none to be sent; *ret_ok says whether that is a fault. */
static char *
signature_header(struct device *d, enum meter_kind kind, const struct blob *body, bool *ret_ok)
{
	const struct options *o = d->o;
	bool cached = o->cache_signatures && kind == METER_IDLE;
	char *text, *line;

	*ret_ok = true;
	if (o->no_signature || d->profile == NULL || !d->profile->sign_message)
		return NULL;
	if (o->signature != NULL)
		return util_printf("Mdm-Signature: %s", o->signature);
	if (cached && d->idle_signature.len > 0)
		return util_dup((const char *)d->idle_signature.data);
	text = d->id.cert != NULL ? make_signature(d, body) : NULL;
	*ret_ok = text != NULL;
	if (text == NULL)
		return NULL;
	text = pad_signature(text, o->long_signature);
	line = util_printf("Mdm-Signature: %s", text);
	free(text);
	if (cached) {
		blob_free(&d->idle_signature);
		d->idle_signature = blob_copy(line, strlen(line));
	}
	return line;
}

static bool
says_unrecognized(const struct http_reply *r)
{
	json_t *j = json_loadb((const char *)r->body.data, r->body.len, 0, NULL);
	const char *code = json_string_value(json_object_get(j, "code"));
	bool yes = code != NULL && strcmp(code, "com.apple.unrecognized.device") == 0;
	plist_t dict = j == NULL ? prop_parse(r->body.data, r->body.len) : NULL;

	if (dict != NULL) {
		code = prop_string(dict, "code");
		yes = code != NULL && strcmp(code, "com.apple.unrecognized.device") == 0;
		plist_free(dict);
	}
	json_decref(j);
	return yes;
}

/* Apple's rules for answers to MDM messages (facts A.10). */
static enum outcome
judge(struct device *d, const struct http_reply *r)
{
	char quote[161];

	if (r->status == 200)
		return OUTCOME_OK;
	request_quote(r, quote);
	if (r->status == 401 || (r->status == 403 && r->body.len > 0 && says_unrecognized(r))) {
		fprintf(stderr, "fake-device: %s: UNENROLLED BY THE SERVER: HTTP %ld: %s\n",
			d->udid, r->status, quote);
		step_print(d->udid, "unenrolled",
			json_pack("{s:I, s:s}", "status", (json_int_t)r->status, "body", quote));
		device_fault(d, OUTCOME_UNENROLLED, "HTTP %ld: %s", r->status, quote);
		device_forget(d, r->status == 401 ? "401" : "unrecognized");
		return OUTCOME_UNENROLLED;
	}
	return device_fault(d, OUTCOME_REFUSED, "HTTP %ld: %s", r->status, quote);
}

enum outcome
message_send(struct device *d, enum message_channel channel, enum meter_kind kind,
	const struct blob *body, struct http_reply *ret)
{
	const char *headers[4] = { "User-Agent: MDM/1.0", NULL, NULL, NULL };
	bool checkin = channel == MESSAGE_CHECKIN, ok;
	char *signature, *type;
	enum outcome o;

	memset(ret, 0, sizeof(*ret));
	signature = signature_header(d, kind, body, &ok);
	if (!ok)
		return device_fault(d, OUTCOME_LOCAL, "the message cannot be signed");
	type = util_printf("Content-Type: %s", d->o->raw_type != NULL ? d->o->raw_type
					       : checkin	      ? TYPE_CHECKIN
								      : TYPE_COMMAND);
	headers[1] = type;
	headers[2] = signature;
	o = request_send(d, kind, "PUT", checkin ? d->profile->checkin_url : d->profile->server_url,
		headers, body, ret);
	free(signature);
	free(type);
	return o == OUTCOME_OK ? judge(d, ret) : o;
}

enum outcome
message_checkin(
	struct device *d, enum meter_kind kind, plist_t dict, bool empty, struct http_reply *ret)
{
	struct blob body = prop_xml(dict);
	enum outcome o = message_send(d, MESSAGE_CHECKIN, kind, &body, ret);

	plist_free(dict);
	blob_free(&body);
	if (o == OUTCOME_OK && empty && ret->body.len > 0)
		o = device_fault(d, OUTCOME_MALFORMED,
			"a body of %zu bytes where Apple's protocol has none", ret->body.len);
	return o;
}

enum outcome
message_raw(struct device *d)
{
	enum message_channel channel = MESSAGE_COMMAND;
	struct http_reply r;
	struct blob body;
	enum outcome o;
	char quote[161];
	int rc = util_read(d->o->raw, RAW_MAX, &body);

	if (rc < 0)
		return device_fault(d, OUTCOME_LOCAL, "%s: %s", d->o->raw, strerror(-rc));
	if (d->o->raw_type != NULL && strstr(d->o->raw_type, "checkin") != NULL)
		channel = MESSAGE_CHECKIN;
	o = message_send(d, channel, METER_OTHER, &body, &r);
	blob_free(&body);
	if (r.fault == OUTCOME_OK && r.status != 0)
		step_print(d->udid, "raw",
			json_pack("{s:I, s:s, s:I, s:s}", "status", (json_int_t)r.status, "type",
				r.type, "length", (json_int_t)r.body.len, "body",
				request_quote(&r, quote)));
	http_reply_fini(&r);
	return o;
}
