/* webhook_event.c - events as JSON: NanoMDM's keys for messages, our own for what we decided */
#include <stdlib.h>
#include <string.h>

#include "admin/answer.h"
#include "admin/webhook.h"
#include "base/clock.h"
#include "base/encode.h"
#include "base/proplist.h"

#define DEPTH_MAX PROPLIST_DEPTH_MAX

/* By these somebody could wake, unlock or open a device. */
static const char *const secret_keys[] = { "Token", "PushMagic", "UnlockToken", "BootstrapToken",
	"DigestResponse", "ActivationLockBypassCode", "ManagedActivationLockBypassCode",
	"PasscodeUnlockToken", "RecoveryKey", "NewRecoveryKey", "EncryptedNewRecoveryKey",
	"FDE_PersonalRecoveryKeyCMS", "PersonalRecoveryKey", "EscrowKey", "PIN", "Password" };

static bool
is_secret(const char *key)
{
	for (size_t i = 0; i < sizeof(secret_keys) / sizeof(secret_keys[0]); i++)
		if (strcmp(secret_keys[i], key) == 0)
			return true;
	return false;
}

static void
blank(plist_t node)
{
	if (plist_get_node_type(node) == PLIST_DATA)
		plist_set_data_val(node, "", 0);
	else if (plist_get_node_type(node) == PLIST_STRING)
		plist_set_string_val(node, "");
}

static void redact(plist_t node, unsigned depth);

static void
redact_dict(plist_t node, unsigned depth)
{
	plist_dict_iter at = NULL;
	plist_t value = NULL;
	char *key = NULL;

	plist_dict_new_iter(node, &at);
	for (plist_dict_next_item(node, at, &key, &value); value;
		plist_dict_next_item(node, at, &key, &value)) {
		if (is_secret(key))
			blank(value);
		redact(value, depth + 1);
		free(key);
		key = NULL;
	}
	free(at);
}

static bool
redact_item(void *arg, plist_t item)
{
	const unsigned *depth = arg;

	redact(item, *depth + 1);
	return true;
}

static void
redact(plist_t node, unsigned depth)
{
	if (depth > DEPTH_MAX)
		return;
	if (plist_get_node_type(node) == PLIST_DICT)
		redact_dict(node, depth);
	else
		proplist_each(node, redact_item, &depth);
}

static json_t *
base64_json(struct bytes in)
{
	struct buf text = BUF_INIT;
	json_t *j;

	encode_base64(&text, in, 0);
	j = json_stringn((const char *)text.data, text.len);
	buf_wipe(&text);
	return j;
}

static json_t *
raw_json(const struct message *msg, bool full)
{
	struct buf text = BUF_INIT;
	plist_t copy;
	json_t *j;

	if (full)
		return base64_json(msg->body);
	copy = plist_copy(msg->root);
	redact(copy, 0);
	proplist_to_xml(copy, &text);
	plist_free(copy);
	j = base64_json(buf_bytes(&text));
	buf_wipe(&text);
	return j;
}

/* The first value of each key; a parameter that is no text is left out. */
static json_t *
params_json(const char *query)
{
	json_t *j = json_object();

	while (*query) {
		size_t len = strcspn(query, "&"), name = strcspn(query, "=&");
		struct buf key = BUF_INIT, value = BUF_INIT;
		size_t skip = name < len ? name + 1 : len;

		if (name && decode_percent(&key, bytes_of(query, name), true) == 0 &&
			decode_percent(&value, bytes_of(query + skip, len - skip), true) == 0 &&
			!json_object_get(j, buf_str(&key)) && utf8_valid(buf_bytes(&key)))
			json_object_set_new(j, buf_str(&key), json_text(buf_str(&value)));
		buf_free(&key);
		buf_free(&value);
		query += len + (query[len] == '&');
	}
	if (json_object_size(j))
		return j;
	json_decref(j);
	return NULL;
}

static void
set_text(json_t *j, const char *key, const char *text)
{
	if (text)
		json_object_set_new(j, key, json_text(text));
}

static json_t *
ids_json(const struct message *msg)
{
	json_t *j = json_object();

	set_text(j, "id", msg->id);
	set_text(j, "type", message_channel_type(msg->channel));
	if (strcmp(msg->id, msg->device) != 0)
		set_text(j, "parent_id", msg->device);
	return j;
}

static json_t *
event_json(const char *topic)
{
	char id[UUID_LEN + 1];
	json_t *j = json_object();

	uuid_new(id);
	set_text(j, "topic", topic);
	set_text(j, "event_id", id);
	json_object_set_new(j, "created_at", json_time(clock_wall()));
	return j;
}

json_t *
webhook_message_json(const struct message *msg, const char *query, unsigned tally, bool full)
{
	bool report = msg->kind == MESSAGE_REPORT;
	struct buf topic = BUF_INIT;
	json_t *j, *inner = json_object(), *params = params_json(query ? query : "");

	buf_printf(&topic, "mdm.%s", report ? "Connect" : message_kind_name(msg->kind));
	j = event_json(buf_str(&topic));
	buf_free(&topic);
	set_text(inner, "udid", proplist_str(msg->root, "UDID"));
	set_text(inner, "enrollment_id", proplist_str(msg->root, "EnrollmentID"));
	if (report) {
		set_text(inner, "status", report_status_name(msg->status));
		set_text(inner, "command_uuid", msg->uuid);
	}
	if (params)
		json_object_set_new(inner, "url_params", params);
	json_object_set_new(inner, "raw_payload", raw_json(msg, full));
	if (msg->kind == MESSAGE_TOKEN_UPDATE)
		json_object_set_new(inner, "token_update_tally", json_integer(tally));
	json_object_set_new(inner, "ids", ids_json(msg));
	json_object_set_new(j, report ? "acknowledge_event" : "checkin_event", inner);
	return j;
}

json_t *
webhook_own_json(const struct log_record *record)
{
	struct buf topic = BUF_INIT;
	json_t *j, *inner = json_object();

	buf_printf(&topic, "cordon.%s", event_name(record->event));
	j = event_json(buf_str(&topic));
	buf_free(&topic);
	set_text(inner, "message", record->message);
	json_object_set_new(inner, "priority", json_integer(record->level));
	for (const struct log_field *f = record->fields; f && f->name; f++) {
		char name[40];
		size_t i;

		/* CORDON_ENROLLMENT is "enrollment" */
		for (i = 0; f->name[i + 7] && i < sizeof(name) - 1; i++)
			name[i] = (char)(f->name[i + 7] |
					 ('A' <= f->name[i + 7] && f->name[i + 7] <= 'Z' ? 0x20
											 : 0));
		name[i] = '\0';
		set_text(inner, name, f->value);
	}
	json_object_set_new(j, "cordon_event", inner);
	return j;
}
