/* fake_judge.c - what Apple would say to a request: method, path, fields, body, in that order */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "fake.h"

#define DEVICE_PATH "/3/device/"

static void
verdict(struct push *p, int status, const char *reason)
{
	p->status = status;
	snprintf(p->reason, sizeof(p->reason), "%s", reason);
}

static const char *
get(const struct push *p, const char *name)
{
	return json_string_value(json_object_get(p->fields, name));
}

static int
is_lower_hex(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (!isdigit((unsigned char)s[i]) && (s[i] < 'a' || s[i] > 'f'))
			return 0;
	return 1;
}

static int
is_uuid(const char *s)
{
	if (strlen(s) != 36)
		return 0;
	for (size_t i = 0; i < 36; i++) {
		if (i == 8 || i == 13 || i == 18 || i == 23) {
			if (s[i] != '-')
				return 0;
		} else if (!is_lower_hex(s + i, 1)) {
			return 0;
		}
	}
	return 1;
}

static int
is_integer(const char *s)
{
	size_t len = strlen(s);

	return len > 0 && len <= 18 && strspn(s, "0123456789") == len;
}

static int
check_target(struct push *p)
{
	const char *method = get(p, ":method"), *path = get(p, ":path"), *token;
	size_t len;

	if (!method || strcmp(method, "POST") != 0) {
		verdict(p, 405, "MethodNotAllowed");
		return -1;
	}
	if (!path || strncmp(path, DEVICE_PATH, strlen(DEVICE_PATH)) != 0) {
		verdict(p, 404, "BadPath");
		return -1;
	}
	token = path + strlen(DEVICE_PATH);
	len = strlen(token);
	snprintf(p->token, sizeof(p->token), "%s", token);
	if (len == 0)
		verdict(p, 400, "MissingDeviceToken");
	else if (strchr(token, '/') || strchr(token, '?'))
		verdict(p, 404, "BadPath");
	else if (len % 2 != 0 || len > 200 || !is_lower_hex(token, len))
		verdict(p, 400, "BadDeviceToken");
	else
		return 0;
	return -1;
}

static int
check_fields(struct push *p)
{
	const char *scheme = get(p, ":scheme"), *type = get(p, "apns-push-type"),
		   *priority = get(p, "apns-priority"), *expiration = get(p, "apns-expiration"),
		   *id = get(p, "apns-id"), *collapse = get(p, "apns-collapse-id");

	if (p->duplicate)
		verdict(p, 400, "DuplicateHeaders");
	else if (!scheme || strcmp(scheme, "https") != 0 || !get(p, ":authority"))
		verdict(p, 404, "BadPath");
	else if (!type || strcmp(type, "mdm") != 0)
		verdict(p, 400, "InvalidPushType");
	else if (!priority || (strcmp(priority, "10") != 0 && strcmp(priority, "5") != 0 &&
				      strcmp(priority, "1") != 0))
		verdict(p, 400, "BadPriority");
	else if (!expiration || !is_integer(expiration))
		verdict(p, 400, "BadExpirationDate");
	else if (id && !is_uuid(id))
		verdict(p, 400, "BadMessageId");
	else if (collapse && strlen(collapse) > 64)
		verdict(p, 400, "BadCollapseId");
	else
		return 0;
	return -1;
}

static int
check_topic(struct push *p, const char *cert_topic)
{
	const char *topic = get(p, "apns-topic");

	if (!cert_topic[0])
		verdict(p, 403, "MissingProviderToken");
	else if (!topic)
		verdict(p, 400, "MissingTopic");
	else if (strncmp(topic, "com.apple.mgmt.", 15) != 0)
		verdict(p, 400, "BadTopic");
	else if (strcmp(topic, cert_topic) != 0)
		verdict(p, 400, "TopicDisallowed");
	else
		return 0;
	return -1;
}

static int
check_body(struct push *p)
{
	if (p->body_len > BODY_MAX) {
		verdict(p, 413, "PayloadTooLarge");
		return -1;
	}
	p->payload = json_loadb(p->body, p->body_len, JSON_REJECT_DUPLICATES, NULL);
	/* Only "mdm" may be there, and above all no "aps". */
	if (!json_is_object(p->payload) || json_object_size(p->payload) != 1 ||
		!json_is_string(json_object_get(p->payload, "mdm"))) {
		verdict(p, 400, "PayloadEmpty");
		return -1;
	}
	return 0;
}

static const struct rule *
find_rule(const struct fake *f, const char *token, const char *serial)
{
	const struct rule *r;

	TAILQ_FOREACH(r, &f->rules, link)
	{
		if (r->serial[0] && strcasecmp(r->serial, serial) != 0)
			continue;
		if (strcmp(r->token, "*") == 0 || strcmp(r->token, token) == 0)
			return r;
	}
	return NULL;
}

void
judge(const struct fake *f, struct push *p, const char *topic, const char *serial)
{
	const struct rule *r;

	if (check_target(p) || check_fields(p) || check_topic(p, topic) || check_body(p))
		return;
	r = find_rule(f, p->token, serial);
	if (!r) {
		verdict(p, 200, "");
		return;
	}
	verdict(p, r->status, r->reason);
	p->timestamp = r->timestamp;
}
