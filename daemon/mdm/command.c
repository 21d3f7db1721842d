/* command.c - commands as property lists: built from words or taken from a file, and classified */
#include "mdm/command.h"

#include "base/encode.h"
#include "base/mem.h"
#include "base/proplist.h"
#include "mdm/command_keys.h"

#include <errno.h>
#include <openssl/cms.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

/* clang-format off */
static const struct command_class classes[] = {
	/*                                family                urgent keeps */
	{ "AccountConfiguration",           FAMILY_SETTINGS,      false, false },
	{ "ApplyRedemptionCode",            FAMILY_APPLICATIONS,  false, false },
	{ "CertificateList",                FAMILY_QUERY,         false, false },
	{ "ClearPasscode",                  FAMILY_PASSCODE,      false, true },
	{ "ClearRestrictionsPassword",      FAMILY_PASSCODE,      false, false },
	{ "DeclarativeManagement",          FAMILY_DECLARATIONS,  false, false },
	{ "DeviceInformation",              FAMILY_QUERY,         false, false },
	{ "DeviceLocation",                 FAMILY_LOST_MODE,     false, false },
	{ "DeviceLock",                     FAMILY_PASSCODE,      true,  true },
	{ "DisableLostMode",                FAMILY_LOST_MODE,     false, false },
	{ "EnableLostMode",                 FAMILY_LOST_MODE,     false, true },
	{ "EraseDevice",                    FAMILY_PASSCODE,      true,  true },
	{ "InstallApplication",             FAMILY_APPLICATIONS,  false, false },
	{ "InstallEnterpriseApplication",   FAMILY_APPLICATIONS,  false, false },
	{ "InstallMedia",                   FAMILY_APPLICATIONS,  false, false },
	{ "InstallProfile",                 FAMILY_PROFILES,      false, false },
	{ "InstallProvisioningProfile",     FAMILY_PROFILES,      false, false },
	{ "InstalledApplicationList",       FAMILY_QUERY,         false, false },
	{ "InviteToProgram",                FAMILY_APPLICATIONS,  false, false },
	{ "ManagedApplicationAttributes",   FAMILY_QUERY,         false, false },
	{ "ManagedApplicationConfiguration", FAMILY_QUERY,        false, false },
	{ "ManagedApplicationFeedback",     FAMILY_QUERY,         false, false },
	{ "ManagedApplicationList",         FAMILY_QUERY,         false, false },
	{ "ManagedMediaList",               FAMILY_QUERY,         false, false },
	{ "PlayLostModeSound",              FAMILY_LOST_MODE,     false, false },
	{ "ProfileList",                    FAMILY_QUERY,         false, false },
	{ "ProvisioningProfileList",        FAMILY_QUERY,         false, false },
	{ "RemoveApplication",              FAMILY_APPLICATIONS,  false, false },
	{ "RemoveMedia",                    FAMILY_APPLICATIONS,  false, false },
	{ "RemoveProfile",                  FAMILY_PROFILES,      false, true },
	{ "RemoveProvisioningProfile",      FAMILY_PROFILES,      false, false },
	{ "RequestUnlockToken",             FAMILY_PASSCODE,      false, false },
	{ "Restrictions",                   FAMILY_QUERY,         false, false },
	{ "RotateFileVaultKey",             FAMILY_PASSCODE,      false, false },
	{ "SecurityInfo",                   FAMILY_QUERY,         false, false },
	{ "SetAutoAdminPassword",           FAMILY_PASSCODE,      false, false },
	{ "SetFirmwarePassword",            FAMILY_PASSCODE,      false, false },
	{ "SetRecoveryLock",                FAMILY_PASSCODE,      false, false },
	{ "Settings",                       FAMILY_SETTINGS,      false, false },
	{ "UnlockUserAccount",              FAMILY_PASSCODE,      false, false },
	{ "UserList",                       FAMILY_QUERY,         false, false },
	{ "ValidateApplications",           FAMILY_APPLICATIONS,  false, false },
	{ "VerifyFirmwarePassword",         FAMILY_PASSCODE,      false, false },
	{ "VerifyRecoveryLock",             FAMILY_PASSCODE,      false, false },
};
/* clang-format on */

/*
 * Not among them: DevicePropertiesAttestation (Apple limits how often), EACSPreflight (works the
 * device), PushToken (a secret, and we have it), what was removed in favour of
 * ServiceSubscriptions.
 */
const char *const command_queries[] = { "UDID", "ProvisioningUDID", "DeviceName", "OSVersion",
	"SupplementalOSVersionExtra", "BuildVersion", "SupplementalBuildVersion", "ModelName",
	"Model", "ModelNumber", "ProductName", "SerialNumber", "IsAppleSilicon", "DeviceCapacity",
	"AvailableDeviceCapacity", "BatteryLevel", "HasBattery", "IMEI", "MEID",
	"ModemFirmwareVersion", "CellularTechnology", "ServiceSubscriptions", "PhoneNumber",
	"IsRoaming", "WiFiMAC", "BluetoothMAC", "EthernetMAC", "HostName", "LocalHostName",
	"TimeZone", "IsSupervised", "IsMultiUser", "AwaitingConfiguration",
	"IsDeviceLocatorServiceEnabled", "IsActivationLockEnabled", "IsActivationLockSupported",
	"IsMDMLostModeEnabled", "IsCloudBackupEnabled", "LastCloudBackupDate",
	"EASDeviceIdentifier", "SystemIntegrityProtectionEnabled", "SoftwareUpdateDeviceID",
	"PINRequiredForEraseDevice", "PINRequiredForDeviceLock", "SupportsiOSAppInstalls",
	"SupportsLOMDevice", "OSUpdateSettings", NULL };

const struct command_class *
command_class(const char *type)
{
	static const struct command_class other = { "", FAMILY_OTHER, false, false };
	size_t i;

	for (i = 0; i < sizeof(classes) / sizeof(classes[0]); i++)
		if (strcmp(classes[i].type, type) == 0)
			return &classes[i];
	return &other;
}

static int
fail(char **why, char *sentence)
{
	*why = sentence;
	return -EINVAL;
}

/* A PayloadIdentifier, from a profile as it is or inside a CMS signature; NULL when there is none.
 */
static char *
profile_subject(struct bytes profile)
{
	const unsigned char *p = profile.data;
	CMS_ContentInfo *cms = d2i_CMS_ContentInfo(NULL, &p, (long)profile.len);
	ASN1_OCTET_STRING **inner = cms ? CMS_get0_content(cms) : NULL;
	char *subject = NULL;
	plist_t root;

	if (inner && *inner)
		profile =
			bytes_of(ASN1_STRING_get0_data(*inner), (size_t)ASN1_STRING_length(*inner));
	if (proplist_parse(profile, &root) == 0) {
		const char *id = proplist_str(root, "PayloadIdentifier");

		subject = id && *id ? xstrdup(id) : NULL;
		plist_free(root);
	}
	CMS_ContentInfo_free(cms);
	ERR_clear_error();
	return subject;
}

static char *
subject_of(plist_t inner, const char *type)
{
	struct bytes payload = proplist_data(inner, "Payload");
	const char *id = proplist_str(inner, "Identifier");

	if (strcmp(type, "RemoveProfile") == 0 && id && *id)
		return xstrdup(id);
	if (strcmp(type, "InstallProfile") == 0 && payload.len > 0)
		return profile_subject(payload);
	return NULL;
}

static bool
type_valid(const char *type)
{
	size_t len = strlen(type);

	return len > 0 && len <= QUEUE_TYPE_MAX &&
	       strspn(type, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789") ==
		       len;
}

static bool
uuid_usable(const char *uuid)
{
	size_t len = strlen(uuid), i;

	for (i = 0; i < len; i++)
		if (uuid[i] < 0x21 || uuid[i] > 0x7e || uuid[i] == '/')
			return false;
	return len > 0 && len <= QUEUE_UUID_MAX;
}

/* Takes `inner` in any case.  `uuid` NULL: a new one. */
static int
finish(plist_t inner, const char *uuid, struct command *ret, char **why)
{
	const char *type = proplist_str(inner, "RequestType");
	plist_t root = plist_new_dict();
	char fresh[UUID_LEN + 1];
	const struct command_class *class;

	plist_dict_set_item(root, "Command", inner);
	uuid_new(fresh);
	memset(ret, 0, sizeof(*ret));
	ret->type = xstrdup(type);
	ret->given_uuid = uuid != NULL;
	ret->uuid = xstrdup(uuid ? uuid : fresh);
	ret->subject = subject_of(inner, type);
	class = command_class(type);
	ret->family = class->family;
	ret->urgent = class->urgent;
	ret->expires = !class->keeps;
	plist_dict_set_item(root, "CommandUUID", plist_new_string(ret->uuid));
	proplist_to_xml(root, &ret->plist);
	plist_free(root);
	if (ret->plist.len > 0 && ret->plist.len <= COMMAND_MAX)
		return 0;
	command_free(ret);
	return fail(why, xasprintf("the command is larger than %u KiB", COMMAND_MAX >> 10));
}

static plist_t
guess(const char *value)
{
	char *end;
	long long n;

	if (strcmp(value, "true") == 0 || strcmp(value, "false") == 0)
		return plist_new_bool(value[0] == 't');
	errno = 0;
	n = strtoll(value, &end, 10);
	if (errno == 0 && *end == '\0' && value[0] >= '0' && value[0] <= '9')
		return plist_new_uint((uint64_t)n);
	return plist_new_string(value);
}

static plist_t
integer_node(const char *value)
{
	char *end;
	long long n;

	errno = 0;
	n = strtoll(value, &end, 10);
	if (errno != 0 || *end != '\0' || value[0] < '0' || value[0] > '9')
		return NULL;
	return plist_new_uint((uint64_t)n);
}

static plist_t
data_node(const char *value)
{
	struct buf raw = BUF_INIT;
	plist_t node = NULL;

	if (decode_base64(&raw, bytes_str(value)) == 0 && raw.len > 0)
		node = plist_new_data((const char *)raw.data, raw.len);
	buf_wipe(&raw);
	return node;
}

/* Appends each part between commas; NULL when one is empty. */
static plist_t
strings_node(plist_t before, const char *value)
{
	plist_t list = before ? plist_copy(before) : plist_new_array();
	const char *end;

	for (;; value = end + 1) {
		end = strchrnul(value, ',');
		if (end == value)
			break;
		char *part = xstrndup(value, (size_t)(end - value));
		plist_array_append_item(list, plist_new_string(part));
		free(part);
		if (*end == '\0')
			return list;
	}
	plist_free(list);
	return NULL;
}

static const char *const wanted[] = {
	[KEY_UNKNOWN] = "a value",
	[KEY_STRING] = "text",
	[KEY_BOOLEAN] = "true or false",
	[KEY_INTEGER] = "a whole number",
	[KEY_DATA] = "base64",
	[KEY_STRINGS] = "a list of words with commas",
	[KEY_NESTED] = "a dictionary or list; send it with --file",
};

static plist_t
value_node(enum command_key_type type, plist_t before, const char *value)
{
	switch (type) {
	case KEY_UNKNOWN:
		return guess(value);
	case KEY_STRING:
		return plist_new_string(value);
	case KEY_BOOLEAN:
		if (strcmp(value, "true") != 0 && strcmp(value, "false") != 0)
			return NULL;
		return plist_new_bool(value[0] == 't');
	case KEY_INTEGER:
		return integer_node(value);
	case KEY_DATA:
		return data_node(value);
	case KEY_STRINGS:
		return strings_node(before, value);
	case KEY_NESTED:
		break;
	}
	return NULL;
}

static int
add_word(plist_t inner, const char *request, const char *word, char **why)
{
	const char *equals = strchr(word, '=');
	char *key = xstrndup(word, equals ? (size_t)(equals - word) : 0);
	enum command_key_type type = command_key_type(request, key);
	plist_t before, node = NULL;
	int rc = -EINVAL;

	before = *key ? plist_dict_get_item(inner, key) : NULL;
	if (!*key || !utf8_valid(bytes_str(word)))
		*why = xasprintf("'%s' is not key=value", word);
	else if (strcmp(key, "RequestType") == 0)
		*why = xstrdup("RequestType is given by the command's name");
	else if (before && type != KEY_STRINGS)
		*why = xasprintf("%s is given twice", key);
	else if (!(node = value_node(type, before, equals + 1)))
		*why = xasprintf("%s of %s takes %s", key, request, wanted[type]);
	else
		rc = 0;
	if (node)
		plist_dict_set_item(inner, key, node);
	free(key);
	return rc;
}

/* What a bare name leaves to us. */
static void
add_defaults(plist_t inner, const char *type)
{
	plist_t list;
	size_t i;

	if (strcmp(type, "DeviceInformation") != 0 || proplist_has(inner, "Queries"))
		return;
	list = plist_new_array();
	for (i = 0; command_queries[i]; i++)
		plist_array_append_item(list, plist_new_string(command_queries[i]));
	plist_dict_set_item(inner, "Queries", list);
}

int
command_from_words(
	const char *type, const char *const *words, size_t count, struct command *ret, char **why)
{
	plist_t inner;
	size_t i;

	if (!type_valid(type))
		return fail(why, xasprintf("'%s' is not the name of a command", type));
	inner = plist_new_dict();
	plist_dict_set_item(inner, "RequestType", plist_new_string(type));
	for (i = 0; i < count; i++) {
		if (add_word(inner, type, words[i], why) < 0) {
			plist_free(inner);
			return -EINVAL;
		}
	}
	add_defaults(inner, type);
	return finish(inner, NULL, ret, why);
}

int
command_from_plist(struct bytes file, struct command *ret, char **why)
{
	plist_t root, inner;
	const char *type, *uuid;
	int rc = proplist_parse(file, &root);

	if (rc == -E2BIG)
		return fail(why, xstrdup("the property list is nested too deeply"));
	if (rc < 0)
		return fail(why, xstrdup("this is not a property list with a dictionary"));
	inner = proplist_has(root, "Command") ? proplist_dict(root, "Command") : root;
	type = inner ? proplist_str(inner, "RequestType") : NULL;
	uuid = inner == root ? NULL : proplist_str(root, "CommandUUID");
	if (!type || !type_valid(type))
		rc = fail(why, xstrdup("there is no Command with a RequestType in it"));
	else if (inner != root && proplist_has(root, "CommandUUID") &&
		 (!uuid || !uuid_usable(uuid)))
		rc = fail(why, xasprintf("CommandUUID must be printable text of 1 to %u characters "
					 "without blanks or '/'",
				       QUEUE_UUID_MAX));
	else
		rc = finish(plist_copy(inner), uuid, ret, why);
	plist_free(root);
	return rc;
}

void
command_free(struct command *c)
{
	free(c->uuid);
	free(c->type);
	free(c->subject);
	buf_wipe(&c->plist);
	memset(c, 0, sizeof(*c));
}
