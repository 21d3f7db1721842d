/* facts.c - what a device tells of itself: DeviceInformation and SecurityInfo */
#include "facts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "prop.h"

/* Which devices know a query. */
#define PHONE 1
#define MAC 2
#define ANY 3

/* Access rights that a query needs. */
#define RIGHT_NONE 0
#define RIGHT_DEVICE 16
#define RIGHT_NETWORK 32
#define RIGHT_APPS 4096

enum kind { TEXT, OWN, YES, NO, WHOLE, REAL, DATE, BUILT };

struct fact {
	const char *query;
	enum kind kind;
	int where, right;
	const char *value; /* TEXT */
	double number;	   /* WHOLE, REAL, DATE */
	size_t own;	   /* OWN: offset of a char * in struct device */
	plist_t (*build)(const struct device *);
};

#define OWNED(member) .own = offsetof(struct device, member)

static plist_t
build_organization(const struct device *d)
{
	plist_t dict = plist_new_dict();

	(void)d;
	prop_set_string(dict, "OrganizationName", "Example Organization");
	prop_set_string(dict, "OrganizationPhone", "+41 44 555 01 00");
	return dict;
}

static plist_t
build_options(const struct device *d)
{
	plist_t dict = plist_new_dict();

	prop_set_bool(dict, "ActivationLockAllowedWhileSupervised", false);
	if (d->mac)
		prop_set_bool(dict, "BootstrapTokenAllowed", true);
	return dict;
}

static plist_t
build_subscriptions(const struct device *d)
{
	plist_t list = plist_new_array(), one = plist_new_dict();

	prop_set_string(one, "Slot", "CTSubscriptionSlotOne");
	prop_set_string(one, "Label", "Primary");
	prop_set_string(one, "LabelID", "00000000-0000-0000-0000-000000000001");
	prop_set_string(one, "IMEI", d->imei);
	prop_set_string(one, "EID", "89049032007008882600000000000001");
	prop_set_string(one, "ICCID", "8941 0000 0000 0000 001");
	prop_set_string(one, "PhoneNumber", "+41795550100");
	prop_set_string(one, "CurrentCarrierNetwork", "Carrier");
	prop_set_string(one, "CarrierSettingsVersion", "61.0");
	prop_set_string(one, "CurrentMCC", "228");
	prop_set_string(one, "CurrentMNC", "01");
	prop_set_bool(one, "IsDataPreferred", true);
	prop_set_bool(one, "IsVoicePreferred", true);
	prop_set_bool(one, "IsRoaming", false);
	plist_array_append_item(list, one);
	return list;
}

static plist_t
build_token(const struct device *d)
{
	return plist_new_data((const char *)d->token.data, d->token.len);
}

static plist_t
build_accessibility(const struct device *d)
{
	plist_t dict = plist_new_dict();

	(void)d;
	prop_set_bool(dict, "BoldTextEnabled", false);
	prop_set_bool(dict, "VoiceOverEnabled", false);
	prop_set_bool(dict, "ZoomEnabled", false);
	prop_set_int(dict, "TextSize", 4);
	return dict;
}

static plist_t
build_updates(const struct device *d)
{
	plist_t dict = plist_new_dict();

	(void)d;
	prop_set_bool(dict, "AutoCheckEnabled", true);
	prop_set_bool(dict, "AutomaticOSInstallationEnabled", false);
	prop_set_bool(dict, "IsDefaultCatalog", true);
	plist_dict_set_item(dict, "PreviousScanDate", plist_new_date(750000000, 0));
	return dict;
}

static plist_t
build_model_name(const struct device *d)
{
	return plist_new_string(strncmp(d->product, "iPad", 4) == 0 ? "iPad"
				: d->mac			    ? "MacBook Pro"
								    : "iPhone");
}

static plist_t
build_model(const struct device *d)
{
	return plist_new_string(d->mac ? d->product : "MQ0E3LL");
}

static plist_t
build_awaiting(const struct device *d)
{
	return plist_new_bool(d->awaiting);
}

/* Derived from the serial number, so that no two devices share one. */
static plist_t
build_eas(const struct device *d)
{
	char *s = util_printf("%s%s", d->mac ? "" : "S", d->serial);
	plist_t n = plist_new_string(s);

	free(s);
	return n;
}

static const struct fact facts[] = {
	{ "UDID", OWN, ANY, RIGHT_NONE, OWNED(udid) },
	{ "DeviceName", OWN, ANY, RIGHT_DEVICE, OWNED(name) },
	{ "OSVersion", OWN, ANY, RIGHT_DEVICE, OWNED(os) },
	{ "BuildVersion", OWN, ANY, RIGHT_DEVICE, OWNED(build) },
	{ "ProductName", OWN, ANY, RIGHT_DEVICE, OWNED(product) },
	{ "SerialNumber", OWN, ANY, RIGHT_DEVICE, OWNED(serial) },
	{ "IMEI", OWN, PHONE, RIGHT_DEVICE, OWNED(imei) },
	{ "ProvisioningUDID", OWN, MAC, RIGHT_NONE, OWNED(udid) },
	{ "SupplementalOSVersionExtra", TEXT, ANY, RIGHT_DEVICE, .value = "(a)" },
	{ "SupplementalBuildVersion", OWN, ANY, RIGHT_DEVICE, OWNED(build) },
	{ "ModelName", BUILT, ANY, RIGHT_DEVICE, .build = build_model_name },
	{ "Model", BUILT, ANY, RIGHT_DEVICE, .build = build_model },
	{ "ModelNumber", TEXT, ANY, RIGHT_DEVICE, .value = "MQ0E3ZD/A" },
	{ "IsAppleSilicon", YES, MAC, RIGHT_DEVICE, .value = NULL },
	{ "DeviceCapacity", REAL, ANY, RIGHT_DEVICE, .number = 127.98 },
	{ "AvailableDeviceCapacity", REAL, ANY, RIGHT_DEVICE, .number = 63.25 },
	{ "ModemFirmwareVersion", TEXT, PHONE, RIGHT_DEVICE, .value = "3.10.01" },
	{ "CellularTechnology", WHOLE, PHONE, RIGHT_DEVICE, .number = 3 },
	{ "BatteryLevel", REAL, ANY, RIGHT_DEVICE, .number = 0.85 },
	{ "HasBattery", YES, MAC, RIGHT_DEVICE, .value = NULL },
	{ "IsSupervised", NO, ANY, RIGHT_DEVICE, .value = NULL },
	{ "IsMultiUser", NO, PHONE, RIGHT_DEVICE, .value = NULL },
	{ "IsDeviceLocatorServiceEnabled", YES, ANY, RIGHT_DEVICE, .value = NULL },
	{ "IsActivationLockEnabled", NO, ANY, RIGHT_DEVICE, .value = NULL },
	{ "IsActivationLockSupported", YES, ANY, RIGHT_DEVICE, .value = NULL },
	{ "IsDoNotDisturbInEffect", NO, PHONE, RIGHT_DEVICE, .value = NULL },
	{ "EASDeviceIdentifier", BUILT, ANY, RIGHT_DEVICE, .build = build_eas },
	{ "IsCloudBackupEnabled", YES, PHONE, RIGHT_DEVICE, .value = NULL },
	{ "LastCloudBackupDate", DATE, PHONE, RIGHT_DEVICE, .number = 753000000 },
	{ "IsMDMLostModeEnabled", NO, PHONE, RIGHT_DEVICE, .value = NULL },
	{ "AwaitingConfiguration", BUILT, ANY, RIGHT_DEVICE, .build = build_awaiting },
	{ "iTunesStoreAccountIsActive", YES, ANY, RIGHT_APPS, .value = NULL },
	{ "iTunesStoreAccountHash", TEXT, ANY, RIGHT_APPS,
		.value = "kdS0YGbkWbLzzkFfnQFfRzRWbyA=" },
	{ "OrganizationInfo", BUILT, ANY, RIGHT_NONE, .build = build_organization },
	{ "MDMOptions", BUILT, ANY, RIGHT_NONE, .build = build_options },
	{ "PushToken", BUILT, ANY, RIGHT_DEVICE, .build = build_token },
	{ "DiagnosticSubmissionEnabled", NO, ANY, RIGHT_DEVICE, .value = NULL },
	{ "AppAnalyticsEnabled", NO, ANY, RIGHT_DEVICE, .value = NULL },
	{ "TimeZone", TEXT, ANY, RIGHT_DEVICE, .value = "Europe/Zurich" },
	{ "AccessibilitySettings", BUILT, PHONE, RIGHT_DEVICE, .build = build_accessibility },
	{ "OSUpdateSettings", BUILT, MAC, RIGHT_DEVICE, .build = build_updates },
	{ "HostName", TEXT, MAC, RIGHT_DEVICE, .value = "mac.example.org" },
	{ "LocalHostName", TEXT, MAC, RIGHT_DEVICE, .value = "mac" },
	{ "SystemIntegrityProtectionEnabled", YES, MAC, RIGHT_DEVICE, .value = NULL },
	{ "SupportsiOSAppInstalls", YES, MAC, RIGHT_DEVICE, .value = NULL },
	{ "SupportsLOMDevice", NO, MAC, RIGHT_DEVICE, .value = NULL },
	{ "PINRequiredForEraseDevice", NO, MAC, RIGHT_DEVICE, .value = NULL },
	{ "PINRequiredForDeviceLock", NO, MAC, RIGHT_DEVICE, .value = NULL },
	{ "SoftwareUpdateDeviceID", TEXT, ANY, RIGHT_DEVICE, .value = "J316sAP" },
	{ "WiFiMAC", TEXT, ANY, RIGHT_NETWORK, .value = "a4:83:e7:00:00:01" },
	{ "BluetoothMAC", TEXT, ANY, RIGHT_NETWORK, .value = "a4:83:e7:00:00:02" },
	{ "EthernetMAC", TEXT, MAC, RIGHT_NETWORK, .value = "a4:83:e7:00:00:03" },
	{ "DataRoamingEnabled", NO, PHONE, RIGHT_NETWORK, .value = NULL },
	{ "PersonalHotspotEnabled", NO, PHONE, RIGHT_NETWORK, .value = NULL },
	{ "IsNetworkTethered", NO, PHONE, RIGHT_NETWORK, .value = NULL },
	{ "ServiceSubscriptions", BUILT, PHONE, RIGHT_NETWORK, .build = build_subscriptions },
};

static plist_t
make_node(const struct device *d, const struct fact *f)
{
	const char *own;

	switch (f->kind) {
	case TEXT:
		return plist_new_string(f->value);
	case OWN:
		own = *(char *const *)(const void *)((const char *)d + f->own);
		return own != NULL ? plist_new_string(own) : NULL;
	case YES:
	case NO:
		return plist_new_bool(f->kind == YES);
	case WHOLE:
		return plist_new_uint((uint64_t)f->number);
	case REAL:
		return plist_new_real(f->number);
	case DATE:
		return plist_new_date((int32_t)f->number, 0);
	case BUILT:
		return f->build(d);
	}
	return NULL;
}

static void
answer_one(const struct device *d, const char *query, plist_t responses)
{
	int here = d->mac ? MAC : PHONE;

	for (size_t i = 0; i < sizeof(facts) / sizeof(facts[0]); i++) {
		const struct fact *f = &facts[i];
		plist_t n;

		if (strcmp(f->query, query) != 0 || !(f->where & here))
			continue;
		if (f->right != 0 && !(d->profile->rights & f->right))
			return;
		n = make_node(d, f);
		if (n != NULL)
			plist_dict_set_item(responses, query, n);
		return;
	}
}

plist_t
facts_query(const struct device *d, plist_t queries)
{
	plist_t responses = plist_new_dict();

	for (uint32_t i = 0; queries != NULL && i < plist_array_get_size(queries); i++) {
		const char *query = prop_text(plist_array_get_item(queries, i));

		if (query != NULL)
			answer_one(d, query, responses);
	}
	return responses;
}

static void
add_mac_security(plist_t info)
{
	plist_t firewall = plist_new_dict(), firmware = plist_new_dict(), boot = plist_new_dict(),
		reduced = plist_new_dict();

	prop_set_bool(info, "FDE_Enabled", true);
	prop_set_bool(info, "FDE_HasPersonalRecoveryKey", true);
	prop_set_bool(info, "FDE_HasInstitutionalRecoveryKey", false);
	prop_set_bool(info, "SystemIntegrityProtectionEnabled", true);
	prop_set_bool(info, "RemoteDesktopEnabled", false);
	prop_set_bool(info, "AuthenticatedRootVolumeEnabled", true);
	prop_set_string(info, "BootstrapTokenAllowedForAuthentication", "allowed");
	prop_set_bool(info, "BootstrapTokenRequiredForSoftwareUpdate", true);
	prop_set_bool(info, "BootstrapTokenRequiredForKernelExtensionApproval", true);
	prop_set_bool(info, "IsRecoveryLockEnabled", false);
	prop_set_bool(firewall, "FirewallEnabled", true);
	prop_set_bool(firewall, "BlockAllIncoming", false);
	prop_set_bool(firewall, "StealthMode", false);
	plist_dict_set_item(firewall, "Applications", plist_new_array());
	plist_dict_set_item(info, "FirewallSettings", firewall);
	prop_set_bool(firmware, "PasswordExists", false);
	prop_set_bool(firmware, "ChangePending", false);
	plist_dict_set_item(info, "FirmwarePasswordStatus", firmware);
	prop_set_string(boot, "SecureBootLevel", "full");
	prop_set_string(boot, "ExternalBootLevel", "not supported");
	prop_set_bool(reduced, "AllowsMDM", false);
	plist_dict_set_item(boot, "ReducedSecurity", reduced);
	plist_dict_set_item(info, "SecureBoot", boot);
}

plist_t
facts_security(const struct device *d)
{
	plist_t info = plist_new_dict(), status = plist_new_dict();

	if (d->mac) {
		add_mac_security(info);
	} else {
		prop_set_int(info, "HardwareEncryptionCaps", 3);
		prop_set_bool(info, "PasscodePresent", true);
		prop_set_bool(info, "PasscodeCompliant", true);
		prop_set_bool(info, "PasscodeCompliantWithProfiles", true);
		prop_set_int(info, "PasscodeLockGracePeriod", 0);
		prop_set_int(info, "PasscodeLockGracePeriodEnforced", 0);
	}
	prop_set_bool(status, "EnrolledViaDEP", false);
	prop_set_bool(status, "UserApprovedEnrollment", true);
	prop_set_bool(status, "IsUserEnrollment", false);
	prop_set_bool(status, "IsActivationLockManageable", false);
	plist_dict_set_item(info, "ManagementStatus", status);
	return info;
}
