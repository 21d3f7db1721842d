/* profile.c - the enrollment profile, from recorded facts to a property list */
#include "mdm/profile.h"

#include "base/encode.h"
#include "base/mem.h"
#include "base/proplist.h"
#include "pki/cert.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SCEP_KEY_BITS 2048
#define SCEP_KEY_USAGE 5 /* signing and encryption */

/* The host of server-name without its port: "mdm.example.org:8443", "[2001:db8::1]:443". */
static char *
host_of(const char *server_name)
{
	const char *end;

	if (server_name[0] == '[') {
		end = strchrnul(server_name, ']');
		return xstrndup(server_name + 1, (size_t)(end - server_name - 1));
	}
	end = strchrnul(server_name, ':');
	return xstrndup(server_name, (size_t)(end - server_name));
}

char *
profile_identifier(const char *server_name)
{
	char *host = host_of(server_name), *dot;
	struct buf out = BUF_INIT;
	size_t i;

	for (i = 0; host[i]; i++)
		if (!isalnum((unsigned char)host[i]) && host[i] != '.' && host[i] != '-')
			host[i] = '-';
	while ((dot = strrchr(host, '.')) != NULL) {
		if (dot[1])
			buf_printf(&out, "%s.", dot + 1);
		*dot = '\0';
	}
	buf_printf(&out, "%s.cordon.enroll", host);
	free(host);
	return buf_steal_str(&out);
}

void
profile_common_name(const char *number, char *out, size_t size)
{
	snprintf(out, size, "Cordon %.8s", number);
}

int
profile_facts_fill(struct profile_facts *f, const struct conf *conf, const struct certpair *push,
	const struct certpair *ssc)
{
	if (!push || !push->topic || !ssc->chain)
		return -EINVAL;
	profile_facts_free(f);
	f->identifier = profile_identifier(conf->server_name);
	f->server_url = xasprintf("https://%s/mdm", conf->server_name);
	f->checkin_url = xasprintf("https://%s/checkin", conf->server_name);
	f->topic = xstrdup(push->topic);
	f->access_rights = conf->enrollment.access_rights;
	f->per_user = true;
	f->server_name = xstrdup(conf->server_name);
	memcpy(f->signer, ssc->sha256, SHA256_LEN);
	return 0;
}

static void
set_str(plist_t dict, const char *key, const char *value)
{
	if (value && *value)
		plist_dict_set_item(dict, key, plist_new_string(value));
}

static void
set_int(plist_t dict, const char *key, uint64_t value)
{
	plist_dict_set_item(dict, key, plist_new_uint(value));
}

static void
set_bool(plist_t dict, const char *key, bool value)
{
	plist_dict_set_item(dict, key, plist_new_bool(value));
}

/* What every payload has; `suffix` "" is the profile itself.  `uuid` receives the new one. */
static plist_t
payload_new(const struct profile *p, const char *type, const char *suffix, const char *name,
	char uuid[UUID_LEN + 1])
{
	char *identifier = xasprintf("%s%s", p->facts->identifier, suffix);
	plist_t dict = plist_new_dict();
	char *c;

	uuid_new(uuid);
	for (c = uuid; *c; c++)
		*c = (char)toupper((unsigned char)*c);
	set_str(dict, "PayloadType", type);
	set_int(dict, "PayloadVersion", 1);
	set_str(dict, "PayloadIdentifier", identifier);
	set_str(dict, "PayloadUUID", uuid);
	set_str(dict, "PayloadDisplayName", name);
	set_str(dict, "PayloadOrganization", p->organization);
	free(identifier);
	return dict;
}

/* One RDN of one value: [ [ type, value ] ]. */
static void
add_rdn(plist_t subject, const char *type, const char *value)
{
	plist_t rdn = plist_new_array(), pair = plist_new_array();

	plist_array_append_item(pair, plist_new_string(type));
	plist_array_append_item(pair, plist_new_string(value));
	plist_array_append_item(rdn, pair);
	plist_array_append_item(subject, rdn);
}

plist_t
profile_scep_content(const struct profile *p)
{
	plist_t dict = plist_new_dict(), subject = plist_new_array();
	char name[32];
	char *url = xasprintf("https://%s/scep", p->facts->server_name);

	profile_common_name(p->number, name, sizeof(name));
	add_rdn(subject, "O", p->organization);
	add_rdn(subject, "CN", name);
	set_str(dict, "URL", url);
	set_str(dict, "Name", "cordon");
	plist_dict_set_item(dict, "Subject", subject);
	set_str(dict, "Challenge", p->challenge);
	set_int(dict, "Keysize", SCEP_KEY_BITS);
	set_str(dict, "Key Type", "RSA");
	set_int(dict, "Key Usage", SCEP_KEY_USAGE);
	set_bool(dict, "KeyIsExtractable", false);
	set_bool(dict, "AllowAllAppsAccess", false);
	free(url);
	return dict;
}

static plist_t
scep_payload(const struct profile *p, char uuid[UUID_LEN + 1])
{
	plist_t dict = payload_new(p, "com.apple.security.scep", ".scep", "Device identity", uuid);

	plist_dict_set_item(dict, "PayloadContent", profile_scep_content(p));
	return dict;
}

static plist_t
capabilities(const struct profile_facts *f)
{
	plist_t list = plist_new_array();

	if (f->per_user)
		plist_array_append_item(
			list, plist_new_string("com.apple.mdm.per-user-connections"));
	plist_array_append_item(list, plist_new_string("com.apple.mdm.bootstraptoken"));
	plist_array_append_item(list, plist_new_string("com.apple.mdm.token"));
	return list;
}

static plist_t
mdm_payload(const struct profile *p, const char *identity)
{
	char uuid[UUID_LEN + 1];
	plist_t dict = payload_new(p, "com.apple.mdm", ".mdm", "Device management", uuid);

	set_str(dict, "IdentityCertificateUUID", identity);
	set_str(dict, "Topic", p->facts->topic);
	set_str(dict, "ServerURL", p->facts->server_url);
	set_str(dict, "CheckInURL", p->facts->checkin_url);
	set_bool(dict, "SignMessage", true);
	set_bool(dict, "CheckOutWhenRemoved", true);
	set_int(dict, "AccessRights", (uint64_t)p->facts->access_rights);
	plist_dict_set_item(dict, "ServerCapabilities", capabilities(p->facts));
	return dict;
}

static plist_t
root_payload(const struct profile *p)
{
	char uuid[UUID_LEN + 1];
	struct buf der = BUF_INIT;
	plist_t dict;

	if (cert_to_der(p->tls_root, &der) < 0)
		return NULL;
	dict = payload_new(p, "com.apple.security.root", ".tls-root", "Server certificate", uuid);
	set_str(dict, "PayloadCertificateFileName", "tls-root.cer");
	plist_dict_set_item(
		dict, "PayloadContent", plist_new_data((const char *)der.data, der.len));
	buf_free(&der);
	return dict;
}

/* Certificates first: they are installed before the MDM payload contacts the server. */
static plist_t
contents(const struct profile *p)
{
	plist_t list = plist_new_array(), root;
	char identity[UUID_LEN + 1];

	if (p->tls_root) {
		root = root_payload(p);
		if (!root) {
			plist_free(list);
			return NULL;
		}
		plist_array_append_item(list, root);
	}
	plist_array_append_item(list, scep_payload(p, identity));
	plist_array_append_item(list, mdm_payload(p, identity));
	return list;
}

static bool
is_text(const char *s)
{
	return s && *s && utf8_valid(bytes_str(s));
}

int
profile_build(const struct profile *p, struct buf *out)
{
	char uuid[UUID_LEN + 1];
	plist_t top, list;

	if (!is_text(p->name) || !is_text(p->organization))
		return -EINVAL;
	list = contents(p);
	if (!list)
		return -EINVAL;
	top = payload_new(p, "Configuration", "", p->name, uuid);
	if (p->description && is_text(p->description))
		set_str(top, "PayloadDescription", p->description);
	set_str(top, "PayloadScope", "System");
	plist_dict_set_item(top, "PayloadContent", list);
	proplist_to_xml(top, out);
	plist_free(top);
	return 0;
}
