/* message.c - check-in messages and command reports: property lists to structs */
#include "mdm/message.h"

#include "base/encode.h"
#include "base/mem.h"
#include "base/proplist.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SHARED_IPAD_USER "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF"

static const char *const kind_names[MESSAGE_KIND_COUNT] = {
	[MESSAGE_AUTHENTICATE] = "Authenticate",
	[MESSAGE_TOKEN_UPDATE] = "TokenUpdate",
	[MESSAGE_CHECK_OUT] = "CheckOut",
	[MESSAGE_USER_AUTHENTICATE] = "UserAuthenticate",
	[MESSAGE_SET_BOOTSTRAP_TOKEN] = "SetBootstrapToken",
	[MESSAGE_GET_BOOTSTRAP_TOKEN] = "GetBootstrapToken",
	[MESSAGE_GET_TOKEN] = "GetToken",
	[MESSAGE_DECLARATIVE] = "DeclarativeManagement",
	[MESSAGE_RETURN_TO_SERVICE] = "ReturnToService",
	[MESSAGE_REPORT] = "report",
};

static const char *const status_names[REPORT_STATUS_COUNT] = {
	[REPORT_IDLE] = "Idle",
	[REPORT_ACKNOWLEDGED] = "Acknowledged",
	[REPORT_ERROR] = "Error",
	[REPORT_FORMAT_ERROR] = "CommandFormatError",
	[REPORT_NOT_NOW] = "NotNow",
};

static const char *const channel_types[CHANNEL_COUNT] = {
	[CHANNEL_DEVICE] = "Device",
	[CHANNEL_USER] = "User",
	[CHANNEL_SHARED_IPAD_USER] = "Shared iPad",
	[CHANNEL_USER_ENROLLMENT] = "User Enrollment (Device)",
	[CHANNEL_USER_ENROLLMENT_USER] = "User Enrollment",
};

const char *
message_kind_name(enum message_kind k)
{
	return k < MESSAGE_KIND_COUNT ? kind_names[k] : "unknown";
}

const char *
message_channel_type(enum channel c)
{
	return c < CHANNEL_COUNT ? channel_types[c] : "unknown";
}

const char *
report_status_name(enum report_status s)
{
	return s < REPORT_STATUS_COUNT ? status_names[s] : "unknown";
}

/* Fit for a record, an index and a line of text: bounded, no control characters. */
static bool
text_fits(const char *s)
{
	size_t i;

	for (i = 0; s[i]; i++)
		if (i >= MESSAGE_TEXT_MAX || (unsigned char)s[i] < 0x20 || s[i] == 0x7f)
			return false;
	return i > 0;
}

static const char *
text(plist_t dict, const char *key)
{
	const char *s = proplist_str(dict, key);

	return s && text_fits(s) ? s : NULL;
}

/* Empty is absent, as servers before us take it. */
static const char *
given(plist_t dict, const char *key)
{
	const char *s = proplist_str(dict, key);

	return s && *s ? s : NULL;
}

/*
 * A ':' joins device and user in our ids, so a device id with one in it could claim to be another
 * device's user; no Apple device has one.
 */
static bool
device_id_valid(const char *id)
{
	return enrollment_id_valid(id) && !strchr(id, ':');
}

static const char *
identify_device(struct message *m, const char *udid)
{
	const char *user = given(m->root, "UserID");

	m->channel = CHANNEL_DEVICE;
	m->device = xstrdup(udid);
	if (user && strcmp(user, SHARED_IPAD_USER) == 0) {
		user = given(m->root, "UserShortName");
		if (!user)
			return "A Shared iPad's user has no UserShortName.";
		m->channel = CHANNEL_SHARED_IPAD_USER;
	} else if (user) {
		m->channel = CHANNEL_USER;
	}
	m->id = user ? xasprintf("%s:%s", udid, user) : xstrdup(udid);
	return NULL;
}

static void
identify_user_enrollment(struct message *m, const char *enrollment)
{
	const char *user = given(m->root, "EnrollmentUserID");

	m->channel = user ? CHANNEL_USER_ENROLLMENT_USER : CHANNEL_USER_ENROLLMENT;
	m->device = xstrdup(enrollment);
	m->id = user ? xasprintf("%s:%s", enrollment, user) : xstrdup(enrollment);
}

/* facts/protocol.md A.2, in its order. */
static const char *
identify(struct message *m)
{
	const char *udid = given(m->root, "UDID"), *enrollment = given(m->root, "EnrollmentID");
	const char *why = NULL;

	if (udid)
		why = identify_device(m, udid);
	else if (enrollment)
		identify_user_enrollment(m, enrollment);
	else
		return "There is neither UDID nor EnrollmentID.";
	if (why)
		return why;
	if (!device_id_valid(m->device) || !enrollment_id_valid(m->id))
		return "The enrollment id is too long or has characters that no id may have.";
	m->user_short = text(m->root, "UserShortName");
	m->user_long = text(m->root, "UserLongName");
	return NULL;
}

static char *
copy(plist_t dict, const char *key)
{
	const char *s = text(dict, key);

	return s ? xstrdup(s) : NULL;
}

/* Key of the message or answer -> field of struct device_facts. */
struct fact_key {
	const char *key;
	size_t field;
};
#define FACT(key, field)                                  \
	{                                                 \
		key, offsetof(struct device_facts, field) \
	}

static const struct fact_key authenticate_facts[] = {
	FACT("SerialNumber", serial), FACT("Model", model), FACT("ModelName", model_name),
	FACT("ProductName", product), FACT("OSVersion", os_version), FACT("BuildVersion", build),
	FACT("DeviceName", device_name), FACT("IMEI", imei), FACT("MEID", meid),
	FACT("EASDeviceIdentifier", eas_id), /* only in DeviceInformation */
};

void
message_device_facts(plist_t responses, struct device_facts *facts)
{
	size_t i;

	for (i = 0; i < sizeof(authenticate_facts) / sizeof(authenticate_facts[0]); i++) {
		char **field = (char **)((char *)facts + authenticate_facts[i].field);

		*field = copy(responses, authenticate_facts[i].key);
	}
}

static const char *
read_token_update(struct message *m)
{
	m->token = proplist_data(m->root, "Token");
	m->magic = given(m->root, "PushMagic");
	m->unlock_token = proplist_data(m->root, "UnlockToken");
	if (m->token.len == 0 || m->token.len > MESSAGE_TOKEN_MAX)
		return "TokenUpdate has no Token, or one of impossible length.";
	if (!m->magic || strlen(m->magic) > MESSAGE_MAGIC_MAX)
		return "TokenUpdate has no PushMagic, or one of impossible length.";
	if (m->unlock_token.len > MESSAGE_SECRET_MAX)
		return "UnlockToken is too long.";
	return m->topic ? NULL : "TokenUpdate has no Topic.";
}

static const char *
read_authenticate(struct message *m)
{
	message_device_facts(m->root, &m->facts);
	return m->topic ? NULL : "Authenticate has no Topic.";
}

static const char *
read_bootstrap(struct message *m)
{
	m->bootstrap_token = proplist_data(m->root, "BootstrapToken");
	return m->bootstrap_token.len <= MESSAGE_SECRET_MAX ? NULL : "BootstrapToken is too long.";
}

static const char *
read_user_authenticate(struct message *m)
{
	m->digest_response = given(m->root, "DigestResponse");
	return channel_is_user(m->channel) ? NULL : "UserAuthenticate names no user.";
}

static const char *
read_get_token(struct message *m)
{
	m->service_type = text(m->root, "TokenServiceType");
	return m->service_type ? NULL : "GetToken has no TokenServiceType.";
}

static const char *
read_declarative(struct message *m)
{
	m->endpoint = text(m->root, "Endpoint");
	m->data = proplist_data(m->root, "Data");
	return m->endpoint ? NULL : "DeclarativeManagement has no Endpoint.";
}

static const char *(*const readers[MESSAGE_KIND_COUNT])(struct message *m) = {
	[MESSAGE_AUTHENTICATE] = read_authenticate,
	[MESSAGE_TOKEN_UPDATE] = read_token_update,
	[MESSAGE_USER_AUTHENTICATE] = read_user_authenticate,
	[MESSAGE_SET_BOOTSTRAP_TOKEN] = read_bootstrap,
	[MESSAGE_GET_TOKEN] = read_get_token,
	[MESSAGE_DECLARATIVE] = read_declarative,
};

static const char *
read_checkin(struct message *m)
{
	const char *type = proplist_str(m->root, "MessageType"), *why;
	size_t k;

	if (!type)
		return "There is no MessageType.";
	for (k = 0; k < MESSAGE_REPORT && strcmp(type, kind_names[k]) != 0; k++)
		;
	if (k == MESSAGE_REPORT)
		return "This MessageType is not known here.";
	m->kind = (enum message_kind)k;
	why = identify(m);
	if (why)
		return why;
	m->topic = text(m->root, "Topic");
	m->awaiting = proplist_bool(m->root, "AwaitingConfiguration", false);
	return readers[k] ? readers[k](m) : NULL;
}

static void
read_error_chain(struct message *m)
{
	plist_t chain = proplist_array(m->root, "ErrorChain");
	plist_t first = chain ? plist_array_get_item(chain, 0) : NULL;

	if (!first || plist_get_node_type(first) != PLIST_DICT)
		return;
	m->error = given(first, "LocalizedDescription");
	if (!m->error)
		m->error = given(first, "USEnglishDescription");
	m->error_domain = text(first, "ErrorDomain");
	m->error_code = proplist_int(first, "ErrorCode", 0);
}

/* A CommandUUID that could not be one of ours is as good as an unknown one. */
static const char *
read_report(struct message *m)
{
	const char *status = proplist_str(m->root, "Status"), *why;
	size_t s;

	m->kind = MESSAGE_REPORT;
	if (!status)
		return "There is no Status.";
	for (s = 0; s < REPORT_STATUS_COUNT && strcmp(status, status_names[s]) != 0; s++)
		;
	if (s == REPORT_STATUS_COUNT)
		return "This Status is not known here.";
	m->status = (enum report_status)s;
	why = identify(m);
	if (why)
		return why;
	m->uuid = m->status == REPORT_IDLE ? NULL : text(m->root, "CommandUUID");
	read_error_chain(m);
	return NULL;
}

static const char *
parse_fault(int rc)
{
	if (rc == -E2BIG)
		return "The property list is nested too deeply.";
	if (rc == -EILSEQ)
		return "The property list is not UTF-8.";
	return "This is not a property list with a dictionary.";
}

static int
parse(struct bytes body, const char *(*read)(struct message *), struct message **ret,
	const char **why)
{
	struct message *m = xcalloc(1, sizeof(*m));
	int rc = proplist_parse(body, &m->root);

	m->body = body;
	*why = rc < 0 ? parse_fault(rc) : read(m);
	if (!*why) {
		*ret = m;
		return 0;
	}
	message_free(m);
	return -EINVAL;
}

int
message_parse_checkin(struct bytes body, struct message **ret, const char **why)
{
	return parse(body, read_checkin, ret, why);
}

int
message_parse_report(struct bytes body, struct message **ret, const char **why)
{
	return parse(body, read_report, ret, why);
}

void
message_free(struct message *m)
{
	if (!m)
		return;
	if (m->root)
		plist_free(m->root);
	free(m->id);
	free(m->device);
	device_facts_free(&m->facts);
	free(m);
}
