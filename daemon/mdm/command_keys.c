/* command_keys.c - what type Apple's schema gives to the keys of commands */
#include "mdm/command_keys.h"

#include <string.h>

/* Sorted by request and key. */
static const struct command_key keys[] = {
	{ "AccountConfiguration", "AutoSetupAdminAccounts", KEY_NESTED },
	{ "AccountConfiguration", "DontAutoPopulatePrimaryAccountInfo", KEY_BOOLEAN },
	{ "AccountConfiguration", "LockPrimaryAccountInfo", KEY_BOOLEAN },
	{ "AccountConfiguration", "ManagedLocalUserShortName", KEY_STRING },
	{ "AccountConfiguration", "PrimaryAccountFullName", KEY_STRING },
	{ "AccountConfiguration", "PrimaryAccountUserName", KEY_STRING },
	{ "AccountConfiguration", "SetPrimarySetupAccountAsRegularUser", KEY_BOOLEAN },
	{ "AccountConfiguration", "SkipPrimarySetupAccountCreation", KEY_BOOLEAN },
	{ "ActiveNSExtensions", "FilterExtensionPoints", KEY_STRINGS },
	{ "ApplyRedemptionCode", "Identifier", KEY_STRING },
	{ "ApplyRedemptionCode", "RedemptionCode", KEY_STRING },
	{ "CertificateList", "ManagedOnly", KEY_BOOLEAN },
	{ "ClearPasscode", "UnlockToken", KEY_DATA },
	{ "DeclarativeManagement", "Data", KEY_DATA },
	{ "DeleteUser", "DeleteAllUsers", KEY_BOOLEAN },
	{ "DeleteUser", "ForceDeletion", KEY_BOOLEAN },
	{ "DeleteUser", "UserName", KEY_STRING },
	{ "DeviceInformation", "DeviceAttestationNonce", KEY_DATA },
	{ "DeviceInformation", "Queries", KEY_STRINGS },
	{ "DeviceLock", "Message", KEY_STRING },
	{ "DeviceLock", "PIN", KEY_STRING },
	{ "DeviceLock", "PhoneNumber", KEY_STRING },
	{ "EnableLostMode", "Footnote", KEY_STRING },
	{ "EnableLostMode", "Message", KEY_STRING },
	{ "EnableLostMode", "PhoneNumber", KEY_STRING },
	{ "EraseDevice", "DisallowProximitySetup", KEY_BOOLEAN },
	{ "EraseDevice", "ObliterationBehavior", KEY_STRING },
	{ "EraseDevice", "PIN", KEY_STRING },
	{ "EraseDevice", "PreserveDataPlan", KEY_BOOLEAN },
	{ "EraseDevice", "ReturnToService", KEY_NESTED },
	{ "InstallApplication", "Attributes", KEY_NESTED },
	{ "InstallApplication", "ChangeManagementState", KEY_STRING },
	{ "InstallApplication", "Configuration", KEY_NESTED },
	{ "InstallApplication", "Identifier", KEY_STRING },
	{ "InstallApplication", "InstallAsManaged", KEY_BOOLEAN },
	{ "InstallApplication", "ManagementFlags", KEY_INTEGER },
	{ "InstallApplication", "ManifestURL", KEY_STRING },
	{ "InstallApplication", "Options", KEY_NESTED },
	{ "InstallApplication", "iOSApp", KEY_BOOLEAN },
	{ "InstallApplication", "iTunesStoreID", KEY_INTEGER },
	{ "InstallEnterpriseApplication", "ChangeManagementState", KEY_STRING },
	{ "InstallEnterpriseApplication", "Configuration", KEY_NESTED },
	{ "InstallEnterpriseApplication", "InstallAsManaged", KEY_BOOLEAN },
	{ "InstallEnterpriseApplication", "ManagementFlags", KEY_INTEGER },
	{ "InstallEnterpriseApplication", "Manifest", KEY_NESTED },
	{ "InstallEnterpriseApplication", "ManifestURL", KEY_STRING },
	{ "InstallEnterpriseApplication", "ManifestURLPinningCerts", KEY_NESTED },
	{ "InstallEnterpriseApplication", "PinningRevocationCheckRequired", KEY_BOOLEAN },
	{ "InstallEnterpriseApplication", "iOSApp", KEY_BOOLEAN },
	{ "InstallMedia", "Author", KEY_STRING },
	{ "InstallMedia", "Kind", KEY_STRING },
	{ "InstallMedia", "MediaType", KEY_STRING },
	{ "InstallMedia", "MediaURL", KEY_STRING },
	{ "InstallMedia", "PersistentID", KEY_STRING },
	{ "InstallMedia", "Title", KEY_STRING },
	{ "InstallMedia", "Version", KEY_STRING },
	{ "InstallMedia", "iTunesStoreID", KEY_INTEGER },
	{ "InstallProfile", "Payload", KEY_DATA },
	{ "InstallProvisioningProfile", "ProvisioningProfile", KEY_DATA },
	{ "InstalledApplicationList", "Identifiers", KEY_STRINGS },
	{ "InstalledApplicationList", "Items", KEY_STRINGS },
	{ "InstalledApplicationList", "ManagedAppsOnly", KEY_BOOLEAN },
	{ "InviteToProgram", "InvitationURL", KEY_STRING },
	{ "InviteToProgram", "ProgramID", KEY_STRING },
	{ "LOMDeviceRequest", "RequestList", KEY_NESTED },
	{ "ManagedApplicationAttributes", "Identifiers", KEY_STRINGS },
	{ "ManagedApplicationConfiguration", "Identifiers", KEY_STRINGS },
	{ "ManagedApplicationFeedback", "DeleteFeedback", KEY_BOOLEAN },
	{ "ManagedApplicationFeedback", "Identifiers", KEY_STRINGS },
	{ "ManagedApplicationList", "Identifiers", KEY_STRINGS },
	{ "ProfileList", "ManagedOnly", KEY_BOOLEAN },
	{ "ProvisioningProfileList", "ManagedOnly", KEY_BOOLEAN },
	{ "RefreshCellularPlans", "eSIMServerURL", KEY_STRING },
	{ "RemoveApplication", "Identifier", KEY_STRING },
	{ "RemoveMedia", "MediaType", KEY_STRING },
	{ "RemoveMedia", "PersistentID", KEY_STRING },
	{ "RemoveMedia", "iTunesStoreID", KEY_STRING },
	{ "RemoveProfile", "Identifier", KEY_STRING },
	{ "RemoveProvisioningProfile", "UUID", KEY_STRING },
	{ "RequestMirroring", "DestinationDeviceID", KEY_STRING },
	{ "RequestMirroring", "DestinationName", KEY_STRING },
	{ "RequestMirroring", "Password", KEY_STRING },
	{ "RequestMirroring", "ScanTime", KEY_INTEGER },
	{ "RestartDevice", "KextPaths", KEY_STRINGS },
	{ "RestartDevice", "NotifyUser", KEY_BOOLEAN },
	{ "RestartDevice", "RebuildKernelCache", KEY_BOOLEAN },
	{ "Restrictions", "ProfileRestrictions", KEY_BOOLEAN },
	{ "RotateFileVaultKey", "FileVaultUnlock", KEY_NESTED },
	{ "RotateFileVaultKey", "KeyType", KEY_STRING },
	{ "RotateFileVaultKey", "NewCertificate", KEY_DATA },
	{ "RotateFileVaultKey", "ReplyEncryptionCertificate", KEY_DATA },
	{ "ScheduleOSUpdate", "Updates", KEY_NESTED },
	{ "ScheduleOSUpdateScan", "Force", KEY_BOOLEAN },
	{ "SetAutoAdminPassword", "GUID", KEY_STRING },
	{ "SetAutoAdminPassword", "passwordHash", KEY_DATA },
	{ "SetFirmwarePassword", "AllowOroms", KEY_BOOLEAN },
	{ "SetFirmwarePassword", "CurrentPassword", KEY_STRING },
	{ "SetFirmwarePassword", "NewPassword", KEY_STRING },
	{ "SetRecoveryLock", "CurrentPassword", KEY_STRING },
	{ "SetRecoveryLock", "NewPassword", KEY_STRING },
	{ "Settings", "Settings", KEY_NESTED },
	{ "UnlockUserAccount", "UserName", KEY_STRING },
	{ "ValidateApplications", "Identifiers", KEY_STRINGS },
	{ "VerifyFirmwarePassword", "Password", KEY_STRING },
	{ "VerifyRecoveryLock", "Password", KEY_STRING },
};

enum command_key_type
command_key_type(const char *request, const char *key)
{
	size_t i;

	for (i = 0; i < command_key_count(); i++)
		if (strcmp(keys[i].request, request) == 0 && strcmp(keys[i].key, key) == 0)
			return keys[i].type;
	return KEY_UNKNOWN;
}

size_t
command_key_count(void)
{
	return sizeof(keys) / sizeof(keys[0]);
}

const struct command_key *
command_key_at(size_t index)
{
	return index < command_key_count() ? &keys[index] : NULL;
}
