/* inventory.c - lists of real size: profiles, certificates, applications */
#include "inventory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "prop.h"

/* A certificate of usual size for the lists; its bytes are not looked at by anyone. */
#define FILLER_BYTES 1100

static const char *const apps[][2] = {
	{ "com.apple.Pages", "Pages" },
	{ "com.apple.Numbers", "Numbers" },
	{ "com.apple.Keynote", "Keynote" },
	{ "com.microsoft.Office.Outlook", "Microsoft Outlook" },
	{ "com.microsoft.skype.teams", "Microsoft Teams" },
	{ "us.zoom.videomeetings", "Zoom Workplace" },
	{ "com.tinyspeck.chatlyio", "Slack" },
	{ "org.mozilla.ios.Firefox", "Firefox" },
	{ "ch.sbb.mobile", "SBB Mobile" },
	{ "org.example.fieldwork", "Au\xc3\x9f"
				   "endienst \xe2\x80\x93 Field & Work" },
};

static void
add_data(plist_t dict, const char *key, X509 *cert)
{
	unsigned char *der = NULL;
	int len = i2d_X509(cert, &der);

	if (len > 0)
		prop_set_data(dict, key, der, (size_t)len);
	OPENSSL_free(der);
}

static plist_t
list_entry(const char *identifier, const char *uuid, const char *name)
{
	plist_t one = plist_new_dict();

	prop_set_string(one, "PayloadIdentifier", identifier);
	prop_set_string(one, "PayloadUUID", uuid);
	prop_set_string(one, "PayloadDisplayName", name);
	prop_set_string(one, "PayloadOrganization", "Example Organization");
	prop_set_int(one, "PayloadVersion", 1);
	prop_set_bool(one, "PayloadRemovalDisallowed", false);
	prop_set_bool(one, "HasRemovalPasscode", false);
	prop_set_bool(one, "IsEncrypted", false);
	return one;
}

static plist_t
payload_entry(const char *identifier, const char *uuid, const char *type)
{
	plist_t one = plist_new_dict();

	prop_set_string(one, "PayloadIdentifier", identifier);
	prop_set_string(one, "PayloadUUID", uuid);
	prop_set_string(one, "PayloadType", type);
	prop_set_int(one, "PayloadVersion", 1);
	return one;
}

static plist_t
describe_mdm(const struct device *d)
{
	const struct profile *p = d->profile;
	plist_t one = list_entry(p->identifier, p->uuid, p->name), payloads = plist_new_array(),
		list;
	plist_t content = plist_dict_get_item(p->root, "PayloadContent");

	for (uint32_t i = 0; i < plist_array_get_size(content); i++) {
		plist_t c = plist_array_get_item(content, i);

		plist_array_append_item(payloads,
			payload_entry(prop_string(c, "PayloadIdentifier"),
				prop_string(c, "PayloadUUID"), prop_string(c, "PayloadType")));
	}
	plist_dict_set_item(one, "PayloadContent", payloads);
	if (p->signer != NULL) {
		plist_t holder = plist_new_dict();

		list = plist_new_array();
		add_data(holder, "der", p->signer);
		if (plist_dict_get_item(holder, "der") != NULL)
			plist_array_append_item(
				list, plist_copy(plist_dict_get_item(holder, "der")));
		plist_dict_set_item(one, "SignerCertificates", list);
		plist_free(holder);
	}
	return one;
}

static plist_t
describe_installed(const json_t *j)
{
	plist_t one = list_entry(json_string_value(json_object_get(j, "identifier")),
		json_string_value(json_object_get(j, "uuid")),
		json_string_value(json_object_get(j, "name")));

	prop_set_bool(one, "IsManaged", true);
	prop_set_string(one, "Source", "MDM");
	return one;
}

static plist_t
describe_filler(int i)
{
	char *identifier = util_printf("org.example.profile%03d", i);
	char *uuid = util_printf("5C0B7E3D-0000-4000-8000-%012d", i);
	char *inner = util_printf("6C0B7E3D-0000-4000-8000-%012d", i);
	char *name = util_printf("Settings for department no. %d", i);
	plist_t one = list_entry(identifier, uuid, name), payloads = plist_new_array();

	plist_array_append_item(
		payloads, payload_entry(identifier, inner,
				  i % 2 ? "com.apple.wifi.managed" : "com.apple.mail.managed"));
	plist_dict_set_item(one, "PayloadContent", payloads);
	prop_set_bool(one, "IsManaged", false);
	free(identifier);
	free(uuid);
	free(inner);
	free(name);
	return one;
}

plist_t
inventory_profiles(const struct device *d, plist_t command)
{
	plist_t list = plist_new_array();
	size_t i;
	json_t *one;

	plist_array_append_item(list, describe_mdm(d));
	json_array_foreach(d->installed, i, one)
		plist_array_append_item(list, describe_installed(one));
	if (!prop_bool(command, "ManagedOnly", false))
		for (int n = (int)plist_array_get_size(list); n < d->o->profiles; n++)
			plist_array_append_item(list, describe_filler(n));
	return list;
}

static plist_t
certificate_entry(const char *name, bool identity)
{
	plist_t one = plist_new_dict();

	prop_set_string(one, "CommonName", name);
	prop_set_bool(one, "IsIdentity", identity);
	return one;
}

plist_t
inventory_certificates(const struct device *d, plist_t command)
{
	plist_t list = plist_new_array(), one;
	uint8_t filler[FILLER_BYTES];
	char name[64];

	one = certificate_entry("MDM Identity", true);
	add_data(one, "Data", d->id.cert);
	plist_array_append_item(list, one);
	for (size_t i = 0; i < d->profile->n_roots; i++) {
		one = certificate_entry("Root", false);
		add_data(one, "Data", d->profile->roots[i]);
		plist_array_append_item(list, one);
	}
	if (prop_bool(command, "ManagedOnly", false))
		return list;
	for (int n = (int)plist_array_get_size(list); n < d->o->certificates; n++) {
		for (size_t i = 0; i < sizeof(filler);
			i++) /* hardly compressible, and the same each time */
			filler[i] = (uint8_t)((i * 2654435761u + (unsigned)n * 40503u) >> 13);
		snprintf(name, sizeof(name), "Example Certificate %d", n);
		one = certificate_entry(name, false);
		prop_set_data(one, "Data", filler, sizeof(filler));
		plist_array_append_item(list, one);
	}
	return list;
}

static bool
listed(plist_t list, const char *s)
{
	for (uint32_t i = 0; i < plist_array_get_size(list); i++) {
		const char *have = prop_text(plist_array_get_item(list, i));

		if (have != NULL && strcmp(have, s) == 0)
			return true;
	}
	return false;
}

static plist_t
app_entry(int i)
{
	size_t known = sizeof(apps) / sizeof(apps[0]);
	plist_t one = plist_new_dict();
	char *identifier, *name;

	if ((size_t)i < known) {
		identifier = util_dup(apps[i][0]);
		name = util_dup(apps[i][1]);
	} else {
		identifier = util_printf("org.example.app%03d", i);
		name = util_printf("Example Application %d", i);
	}
	prop_set_string(one, "Identifier", identifier);
	prop_set_string(one, "Name", name);
	prop_set_string(one, "Version", "16.0.2.1048");
	prop_set_string(one, "ShortVersion", "16.0.2");
	prop_set_int(one, "BundleSize", 41943040 + i * 4096);
	prop_set_int(one, "DynamicSize", 1048576 + i * 512);
	prop_set_int(one, "ExternalVersionIdentifier", 800000000 + i);
	prop_set_bool(one, "IsValidated", true);
	prop_set_bool(one, "Installing", false);
	prop_set_bool(one, "AppStoreVendable", i % 3 != 0);
	prop_set_bool(one, "DeviceBasedVPP", i % 3 == 1);
	prop_set_bool(one, "BetaApp", false);
	prop_set_bool(one, "AdHocCodeSigned", false);
	prop_set_bool(one, "HasUpdateAvailable", i % 7 == 0);
	free(identifier);
	free(name);
	return one;
}

/* Only the keys of Items, when it is there. */
static plist_t
narrow(plist_t one, plist_t items)
{
	plist_t out = plist_new_dict();

	for (uint32_t i = 0; i < plist_array_get_size(items); i++) {
		const char *key = prop_text(plist_array_get_item(items, i));
		plist_t n = key != NULL ? plist_dict_get_item(one, key) : NULL;

		if (n != NULL)
			plist_dict_set_item(out, key, plist_copy(n));
	}
	plist_free(one);
	return out;
}

plist_t
inventory_apps(const struct device *d, plist_t command)
{
	plist_t list = plist_new_array();
	plist_t wanted = prop_node(command, "Identifiers", PLIST_ARRAY);
	plist_t items = prop_node(command, "Items", PLIST_ARRAY);
	bool managed = prop_bool(command, "ManagedAppsOnly", false);

	for (int i = 0; i < d->o->apps; i++) {
		plist_t one = app_entry(i);

		if ((wanted != NULL && !listed(wanted, prop_string(one, "Identifier"))) ||
			(managed && i % 3 != 1)) {
			plist_free(one);
			continue;
		}
		plist_array_append_item(list, items != NULL ? narrow(one, items) : one);
	}
	return list;
}

bool
inventory_remove(struct device *d, const char *identifier)
{
	for (size_t i = 0; i < json_array_size(d->installed); i++) {
		const char *have = json_string_value(
			json_object_get(json_array_get(d->installed, i), "identifier"));

		if (have != NULL && strcmp(have, identifier) == 0)
			return json_array_remove(d->installed, i) == 0;
	}
	return false;
}

void
inventory_add(struct device *d, const struct profile *p)
{
	inventory_remove(d, p->identifier);
	json_array_append_new(
		d->installed, json_pack("{s:s, s:s, s:s}", "identifier", p->identifier, "uuid",
				      p->uuid, "name", p->name != NULL ? p->name : ""));
}
