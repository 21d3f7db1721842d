/* command.c - commands as property lists: built from words or taken from a file, and classified */
#include "mdm/command.h"

#include "base/encode.h"
#include "base/mem.h"
#include "base/proplist.h"

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
	{ "DeviceConfigured",               FAMILY_OTHER,         false, true },
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
	{ "UserConfigured",                 FAMILY_OTHER,         false, true },
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

bool
command_takes_pin(const char *type)
{
	return strcmp(type, "DeviceLock") == 0 || strcmp(type, "EraseDevice") == 0;
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

static char *
pin_of(plist_t inner, const char *type)
{
	const char *pin = command_takes_pin(type) ? proplist_str(inner, "PIN") : NULL;

	return pin ? xstrdup(pin) : NULL;
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
	ret->pin = pin_of(inner, type);
	ret->fills =
		command_fills(type, "UnlockToken") && proplist_data(inner, "UnlockToken").len == 0;
	plist_dict_set_item(root, "CommandUUID", plist_new_string(ret->uuid));
	proplist_to_xml(root, &ret->plist);
	plist_free(root);
	if (ret->plist.len > 0 && ret->plist.len <= COMMAND_MAX)
		return 0;
	command_free(ret);
	return fail(why, xasprintf("the command is larger than %u KiB", COMMAND_MAX >> 10));
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
command_build(const struct schema *s, const char *type, const struct command_word *words,
	size_t count, struct command *ret, char **why)
{
	const struct schema_command *c = schema_find(s, type);
	plist_t inner;
	size_t i;

	if (!type_valid(type))
		return fail(why, xasprintf("'%s' is not the name of a command", type));
	inner = plist_new_dict();
	plist_dict_set_item(inner, "RequestType", plist_new_string(type));
	for (i = 0; i < count; i++) {
		if (command_value_put(inner, c, &words[i], why) < 0) {
			plist_free(inner);
			return -EINVAL;
		}
	}
	add_defaults(inner, type);
	return finish(inner, NULL, ret, why);
}

int
command_from_words(
	const char *type, const char *const *words, size_t count, struct command *ret, char **why)
{
	struct command_word *list = xcalloc(count + 1, sizeof(*list));
	size_t i;
	int rc;

	for (i = 0; i < count; i++)
		list[i].text = words[i];
	rc = command_build(NULL, type, list, count, ret, why);
	free(list);
	return rc;
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
	mem_wipe_str(c->pin);
	buf_wipe(&c->plist);
	memset(c, 0, sizeof(*c));
}
