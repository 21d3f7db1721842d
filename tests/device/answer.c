/* answer.c - what a device answers to a command */
#include "answer.h"

#include <stdio.h>
#include <string.h>

#include "facts.h"
#include "install.h"
#include "inventory.h"
#include "prop.h"
#include "schema.h"

#define DOMAIN_MDM "MCMDMErrorDomain"
#define CODE_UNKNOWN 12021
#define CODE_NOT_ALLOWED 12006

typedef const char *answer_fn(struct device *, plist_t command, plist_t report);

static answer_fn device_information, security_info, profile_list, certificate_list, app_list,
	device_lock, erase_device, declarative, configured;

/* Access right bits as in Apple's table; 0: none needed.  No function: the schema's answer. */
static const struct request {
	const char *type;
	int right;
	answer_fn *answer;
} requests[] = {
	{ "AccountConfiguration", 0, NULL },
	{ "ActivationLockBypassCode", 0, NULL },
	{ "ActiveNSExtensions", 256, NULL },
	{ "ApplyRedemptionCode", 4096, NULL },
	{ "AvailableOSUpdates", 4096, NULL },
	{ "CertificateList", 1, certificate_list },
	{ "ClearActivationLockBypassCode", 0, NULL },
	{ "ClearPasscode", 4, NULL },
	{ "ClearRestrictionsPassword", 0, NULL },
	{ "ContentCachingInformation", 32, NULL },
	{ "DeclarativeManagement", 0, declarative },
	{ "DeleteUser", 0, NULL },
	{ "DeviceConfigured", 0, configured },
	{ "DeviceInformation", 0, device_information },
	{ "DeviceLocation", 0, NULL },
	{ "DeviceLock", 4, device_lock },
	{ "DisableLostMode", 0, NULL },
	{ "DisableRemoteDesktop", 0, NULL },
	{ "EnableLostMode", 0, NULL },
	{ "EnableRemoteDesktop", 0, NULL },
	{ "EraseDevice", 8, erase_device },
	{ "InstallApplication", 4096, NULL },
	{ "InstallEnterpriseApplication", 4096, NULL },
	{ "InstallMedia", 4096, NULL },
	{ "InstallProfile", 2, install_profile },
	{ "InstallProvisioningProfile", 128, NULL },
	{ "InstalledApplicationList", 256, app_list },
	{ "InviteToProgram", 4096, NULL },
	{ "LOMDeviceRequest", 4, NULL },
	{ "LOMSetupRequest", 4, NULL },
	{ "LogOutUser", 0, NULL },
	{ "ManagedApplicationAttributes", 4096, NULL },
	{ "ManagedApplicationConfiguration", 4096, NULL },
	{ "ManagedApplicationFeedback", 4096, NULL },
	{ "ManagedApplicationList", 4096, NULL },
	{ "ManagedMediaList", 4096, NULL },
	{ "NSExtensionMappings", 256, NULL },
	{ "OSUpdateStatus", 4096, NULL },
	{ "PlayLostModeSound", 0, NULL },
	{ "ProfileList", 1, profile_list },
	{ "ProvisioningProfileList", 64, NULL },
	{ "RefreshCellularPlans", 0, NULL },
	{ "RemoveApplication", 4096, NULL },
	{ "RemoveMedia", 4096, NULL },
	{ "RemoveProfile", 2, install_remove },
	{ "RemoveProvisioningProfile", 128, NULL },
	{ "RequestMirroring", 0, NULL },
	{ "RequestUnlockToken", 0, NULL },
	{ "RestartDevice", 4, NULL },
	{ "Restrictions", 512, NULL },
	{ "RotateFileVaultKey", 4, NULL },
	{ "ScheduleOSUpdate", 4096, NULL },
	{ "ScheduleOSUpdateScan", 0, NULL },
	{ "SecurityInfo", 1024, security_info },
	{ "SetAutoAdminPassword", 0, NULL },
	{ "SetFirmwarePassword", 4, NULL },
	{ "SetRecoveryLock", 4, NULL },
	{ "Settings", 2048, NULL },
	{ "ShutDownDevice", 4, NULL },
	{ "StopMirroring", 0, NULL },
	{ "UnlockUserAccount", 4, NULL },
	{ "UserConfigured", 0, NULL },
	{ "UserList", 0, NULL },
	{ "ValidateApplications", 4096, NULL },
	{ "VerifyFirmwarePassword", 0, NULL },
	{ "VerifyRecoveryLock", 4, NULL },
};

const char *
answer_error(plist_t report, const char *domain, int64_t code, const char *text)
{
	plist_t chain = plist_new_array(), item = plist_new_dict();

	prop_set_int(item, "ErrorCode", code);
	prop_set_string(item, "ErrorDomain", domain);
	prop_set_string(item, "LocalizedDescription", text);
	prop_set_string(item, "USEnglishDescription", text);
	plist_array_append_item(chain, item);
	plist_dict_set_item(report, "ErrorChain", chain);
	return "Error";
}

static const char *
device_information(struct device *d, plist_t command, plist_t report)
{
	plist_dict_set_item(report, "QueryResponses",
		facts_query(d, prop_node(command, "Queries", PLIST_ARRAY)));
	return "Acknowledged";
}

static const char *
security_info(struct device *d, plist_t command, plist_t report)
{
	(void)command;
	plist_dict_set_item(report, "SecurityInfo", facts_security(d));
	return "Acknowledged";
}

static const char *
profile_list(struct device *d, plist_t command, plist_t report)
{
	plist_dict_set_item(report, "ProfileList", inventory_profiles(d, command));
	return "Acknowledged";
}

static const char *
certificate_list(struct device *d, plist_t command, plist_t report)
{
	plist_dict_set_item(report, "CertificateList", inventory_certificates(d, command));
	return "Acknowledged";
}

static const char *
app_list(struct device *d, plist_t command, plist_t report)
{
	plist_dict_set_item(report, "InstalledApplicationList", inventory_apps(d, command));
	return "Acknowledged";
}

static bool
six_digits(const char *pin)
{
	return pin != NULL && strlen(pin) == 6 && strspn(pin, "0123456789") == 6;
}

static const char *
device_lock(struct device *d, plist_t command, plist_t report)
{
	if (d->mac && !six_digits(prop_string(command, "PIN")))
		return answer_error(report, DOMAIN_MDM, 12040, "a Mac needs a PIN of six digits");
	prop_set_string(report, "MessageResult", "Success");
	return "Acknowledged";
}

static const char *
erase_device(struct device *d, plist_t command, plist_t report)
{
	const char *pin = prop_string(command, "PIN");

	if (d->mac && pin != NULL && !six_digits(pin))
		return answer_error(report, DOMAIN_MDM, 12040, "the PIN has not six digits");
	d->then = DEVICE_ERASED;
	return "Acknowledged";
}

static const char *
declarative(struct device *d, plist_t command, plist_t report)
{
	(void)command;
	(void)report;
	d->then = DEVICE_DECLARES;
	return "Acknowledged";
}

static const char *
configured(struct device *d, plist_t command, plist_t report)
{
	(void)command;
	if (!d->awaiting)
		return answer_error(report, DOMAIN_MDM, 12074, "the device is not awaiting this");
	d->awaiting = false;
	return "Acknowledged";
}

static const struct request *
find_request(const char *type)
{
	for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++)
		if (strcmp(requests[i].type, type) == 0)
			return &requests[i];
	return NULL;
}

/* Whether an unwilling answer for this type is still due; counts it. */
static bool
due(struct option_type *list, int n, const char *type)
{
	for (int i = 0; i < n; i++) {
		if (strcmp(list[i].type, type) != 0 || list[i].count == 0)
			continue;
		if (list[i].count > 0)
			list[i].count--;
		return true;
	}
	return false;
}

static const char *
carry_out(struct device *d, const char *type, plist_t command, plist_t report)
{
	const struct request *r = find_request(type);
	char why[128];

	if (r == NULL && !(schema_loaded() && schema_knows(type)))
		return d->o->unknown_error
			       ? answer_error(report, DOMAIN_MDM, CODE_UNKNOWN, "unknown command")
			       : "Acknowledged";
	if (!schema_accepts(type, command, why, sizeof(why))) {
		answer_error(report, DOMAIN_MDM, 12020, why);
		return "CommandFormatError";
	}
	if (r != NULL && r->right != 0 && !(d->profile->rights & r->right) && !d->o->ignore_rights)
		return answer_error(report, DOMAIN_MDM, CODE_NOT_ALLOWED,
			"the access rights do not allow this");
	if (r != NULL && r->answer != NULL)
		return r->answer(d, command, report);
	schema_fill(type, report);
	return "Acknowledged";
}

const char *
answer_command(struct device *d, plist_t command, plist_t report)
{
	const char *type = prop_string(command, "RequestType"), *status;

	if (type == NULL)
		status = "CommandFormatError";
	else if (due(d->not_now, d->o->n_not_now, type))
		status = "NotNow";
	else if (due(d->error, d->o->n_error, type))
		status = answer_error(report, DOMAIN_MDM, 12001, "this device was told to fail");
	else
		status = carry_out(d, type, command, report);
	prop_set_string(report, "Status", status);
	return status;
}
