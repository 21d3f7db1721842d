/* profile_keep.c - the enrollment profile of another server: read, and made anew for a renewal */
#include "mdm/profile_keep.h"

#include "base/encode.h"
#include "base/mem.h"
#include "base/proplist.h"
#include "pki/cert.h"
#include "pki/cms.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TEXT_MAX 2000u /* bytes of an address or identifier */
#define RIGHTS_ALL 8191
#define SCEP_TYPE "com.apple.security.scep"
#define MDM_TYPE "com.apple.mdm"

static bool
is_type(plist_t payload, const char *type)
{
	const char *have = proplist_str(payload, "PayloadType");

	return have && strcmp(have, type) == 0;
}

static bool
is_identity(plist_t payload)
{
	return is_type(payload, SCEP_TYPE) || is_type(payload, "com.apple.security.acme") ||
	       is_type(payload, "com.apple.security.pkcs12");
}

static const char *
text(plist_t dict, const char *key)
{
	const char *s = proplist_str(dict, key);

	return s && *s && strlen(s) <= TEXT_MAX ? s : NULL;
}

static plist_t
payload_at(plist_t list, uint32_t i)
{
	plist_t p = plist_array_get_item(list, i);

	return p && plist_get_node_type(p) == PLIST_DICT ? p : NULL;
}

/* The MDM payload, if there is exactly one. */
static plist_t
find_mdm(plist_t list)
{
	plist_t found = NULL;
	uint32_t i;

	for (i = 0; i < plist_array_get_size(list); i++) {
		plist_t p = payload_at(list, i);

		if (!p || !is_type(p, MDM_TYPE))
			continue;
		if (found)
			return NULL;
		found = p;
	}
	return found;
}

/* The payload that the MDM payload has its identity from. */
static plist_t
find_identity(plist_t list, plist_t mdm)
{
	const char *uuid = text(mdm, "IdentityCertificateUUID"), *have;
	uint32_t i;

	for (i = 0; uuid && i < plist_array_get_size(list); i++) {
		plist_t p = payload_at(list, i);

		have = p ? proplist_str(p, "PayloadUUID") : NULL;
		if (have && is_identity(p) && strcasecmp(have, uuid) == 0)
			return p;
	}
	return NULL;
}

static bool
has_capability(plist_t mdm, const char *name)
{
	plist_t list = proplist_array(mdm, "ServerCapabilities"), item;
	const char *s;
	uint32_t i;

	for (i = 0; list && i < plist_array_get_size(list); i++) {
		item = plist_array_get_item(list, i);
		s = plist_get_node_type(item) == PLIST_STRING ? plist_get_string_ptr(item, NULL)
							      : NULL;
		if (s && strcmp(s, name) == 0)
			return true;
	}
	return false;
}

/* "mdm.example.org:8443" of an https address; NULL when it is none. */
static char *
authority_of(const char *url)
{
	size_t len;

	if (!url || strncasecmp(url, "https://", 8) != 0)
		return NULL;
	len = strcspn(url + 8, "/?#");
	return len > 0 && len < 256 && !memchr(url + 8, '@', len) ? xstrndup(url + 8, len) : NULL;
}

/* Is it a place where this server listens to devices? */
static bool
path_is_served(const char *url)
{
	const char *path = url + 8 + strcspn(url + 8, "/?#");
	size_t len = strcspn(path, "?#");

	return (len == 4 && strncmp(path, "/mdm", 4) == 0) ||
	       (len == 8 && strncmp(path, "/checkin", 8) == 0);
}

static void
warn(struct profile_kept *k, bool on, const char *sentence)
{
	if (on && k->warning_count < PROFILE_KEEP_WARNINGS)
		k->warnings[k->warning_count++] = sentence;
}

static const char *
take_mdm(plist_t mdm, struct profile_kept *k)
{
	const char *server = text(mdm, "ServerURL"), *checkin = text(mdm, "CheckInURL");
	const char *topic = text(mdm, "Topic");
	int64_t rights = proplist_int(mdm, "AccessRights", 0);

	if (proplist_has(mdm, "EnrollmentMode") || proplist_has(mdm, "AssignedManagedAppleID"))
		return "It is a profile of account-driven enrollment, which is not served here.";
	if (!topic || strncmp(topic, "com.apple.mgmt.", 15) != 0)
		return "Its MDM payload has no Topic.";
	if (rights < 1 || rights > RIGHTS_ALL)
		return "Its MDM payload has no AccessRights.";
	k->facts.server_name = authority_of(server);
	if (!k->facts.server_name)
		return "Its ServerURL is no https address.";
	if (proplist_has(mdm, "CheckInURL") && (!checkin || strncasecmp(checkin, "https://", 8)))
		return "Its CheckInURL is no https address.";
	k->facts.server_url = xstrdup(server);
	k->facts.checkin_url = xstrdup(checkin ? checkin : server);
	k->facts.topic = xstrdup(topic);
	k->facts.access_rights = rights;
	k->facts.per_user = has_capability(mdm, "com.apple.mdm.per-user-connections");
	warn(k, !path_is_served(server) || !path_is_served(k->facts.checkin_url),
		"devices call paths other than /mdm and /checkin: a proxy in front must lead them "
		"there");
	warn(k, !proplist_bool(mdm, "SignMessage", false),
		"SignMessage is false: these devices are known by their TLS certificate alone "
		"(device-authentication)");
	warn(k, proplist_bool(mdm, "UseDevelopmentAPNS", false),
		"UseDevelopmentAPNS is true: pushes to these devices go to Apple's other service");
	return NULL;
}

/* What must not be kept, and would be replaced anyway. */
static void
strip_identity(plist_t identity)
{
	static const char *const keys[] = { "PayloadContent", "Password", "ClientIdentifier" };
	size_t i;

	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if (plist_dict_get_item(identity, keys[i]))
			plist_dict_remove_item(identity, keys[i]);
}

static const char *
take(plist_t top, struct profile_kept *k)
{
	plist_t list = proplist_array(top, "PayloadContent"), mdm, identity;
	const char *identifier = text(top, "PayloadIdentifier"), *why;

	if (!is_type(top, "Configuration") || !list)
		return "It is not a configuration profile.";
	if (!identifier)
		return "It has no PayloadIdentifier.";
	mdm = find_mdm(list);
	if (!mdm)
		return "It has not exactly one MDM payload.";
	identity = find_identity(list, mdm);
	if (!identity)
		return "Its IdentityCertificateUUID names no SCEP, ACME or PKCS#12 payload of the "
		       "profile.";
	why = take_mdm(mdm, k);
	if (why)
		return why;
	k->facts.identifier = xstrdup(identifier);
	strip_identity(identity);
	proplist_to_binary(top, &k->profile);
	return NULL;
}

/* The content of a signed profile, or the file itself. */
static const char *
open_signed(struct bytes file, struct profile_kept *k, struct buf *content)
{
	struct buf name = BUF_INIT;
	X509 *signer = NULL;

	if (file.len == 0 || file.data[0] != 0x30) {
		buf_add_bytes(content, file);
		return NULL;
	}
	if (cms_open_signed(file, &signer, content) != CMS_OK)
		return "Its signature cannot be read, or is not of this content.";
	cert_sha256(signer, k->facts.signer);
	cert_subject(signer, &name);
	k->signer = buf_steal_str(&name);
	X509_free(signer);
	return NULL;
}

int
profile_keep_read(struct bytes file, struct profile_kept *ret, const char **why)
{
	struct buf content = BUF_INIT;
	plist_t top = NULL;

	memset(ret, 0, sizeof(*ret));
	*why = open_signed(file, ret, &content);
	if (!*why && proplist_parse(buf_bytes(&content), &top) < 0)
		*why = "It is not a property list.";
	if (!*why)
		*why = take(top, ret);
	plist_free(top);
	buf_wipe(&content);
	if (!*why)
		return 0;
	profile_kept_free(ret);
	return -EINVAL;
}

void
profile_kept_free(struct profile_kept *k)
{
	profile_facts_free(&k->facts);
	buf_wipe(&k->profile);
	free(k->signer);
	memset(k, 0, sizeof(*k));
}

/* ---- the renewal ---- */

static void
set_new(plist_t dict, const char *key, plist_t value)
{
	if (plist_dict_get_item(dict, key))
		plist_dict_remove_item(dict, key);
	plist_dict_set_item(dict, key, value);
}

static void
renew_uuid(plist_t payload, char uuid[UUID_LEN + 1])
{
	char *c;

	uuid_new(uuid);
	for (c = uuid; *c; c++)
		*c = (char)toupper((unsigned char)*c);
	set_new(payload, "PayloadUUID", plist_new_string(uuid));
}

/* Whatever the identity came from before, now it comes from our SCEP; its names stay. */
static void
renew_identity(const struct profile *p, plist_t identity, char uuid[UUID_LEN + 1])
{
	static const char *const acme[] = { "DirectoryURL", "KeySize", "KeyType", "HardwareBound",
		"Subject", "SubjectAltName", "UsageFlags", "ExtendedKeyUsage", "Attest",
		"KeyIsExtractable", "AllowAllAppsAccess", "PayloadCertificateFileName" };
	size_t i;

	for (i = 0; i < sizeof(acme) / sizeof(acme[0]); i++)
		if (plist_dict_get_item(identity, acme[i]))
			plist_dict_remove_item(identity, acme[i]);
	set_new(identity, "PayloadType", plist_new_string(SCEP_TYPE));
	set_new(identity, "PayloadContent", profile_scep_content(p));
	renew_uuid(identity, uuid);
}

int
profile_keep_build(const struct profile *p, struct bytes kept, struct buf *out)
{
	char uuid[UUID_LEN + 1];
	plist_t top = NULL, list, mdm, identity;

	if (proplist_parse(kept, &top) < 0)
		return -EINVAL;
	list = proplist_array(top, "PayloadContent");
	mdm = list ? find_mdm(list) : NULL;
	identity = mdm ? find_identity(list, mdm) : NULL;
	if (!identity) {
		plist_free(top);
		return -EINVAL;
	}
	renew_uuid(top, uuid);
	renew_uuid(mdm, uuid);
	renew_identity(p, identity, uuid);
	set_new(mdm, "IdentityCertificateUUID", plist_new_string(uuid));
	set_new(mdm, "AccessRights", plist_new_uint((uint64_t)p->facts->access_rights));
	proplist_to_xml(top, out);
	plist_free(top);
	return 0;
}
