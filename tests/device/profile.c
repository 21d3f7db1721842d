/* profile.c - an enrollment (or other) profile, read as strictly as a device reads it */
#include "profile.h"

#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "prop.h"

#define RIGHTS_ALL 8191

enum presence { OPTIONAL, REQUIRED };

struct rule {
	const char *key, *type;
	enum presence presence;
};

/* From Apple's schema; the same order. */
static const struct rule top_rules[] = {
	{ "PayloadIdentifier", "string", REQUIRED },
	{ "PayloadUUID", "string", REQUIRED },
	{ "PayloadType", "string", REQUIRED },
	{ "PayloadVersion", "integer", REQUIRED },
	{ "IsEncrypted", "boolean", OPTIONAL },
	{ "PayloadContent", "array", REQUIRED },
	{ "PayloadDescription", "string", OPTIONAL },
	{ "PayloadDisplayName", "string", OPTIONAL },
	{ "HasRemovalPasscode", "boolean", OPTIONAL },
	{ "PayloadOrganization", "string", OPTIONAL },
	{ "PayloadRemovalDisallowed", "boolean", OPTIONAL },
	{ "PayloadScope", "string", OPTIONAL },
	{ "RemovalDate", "date", OPTIONAL },
	{ "DurationUntilRemoval", "real", OPTIONAL },
	{ "PayloadExpirationDate", "date", OPTIONAL },
	{ "TargetDeviceType", "integer", OPTIONAL },
	{ "ConsentText", "dictionary", OPTIONAL },
	{ NULL, NULL, OPTIONAL },
};

static const struct rule common_rules[] = {
	{ "PayloadIdentifier", "string", REQUIRED },
	{ "PayloadUUID", "string", REQUIRED },
	{ "PayloadType", "string", REQUIRED },
	{ "PayloadVersion", "integer", REQUIRED },
	{ "PayloadDescription", "string", OPTIONAL },
	{ "PayloadDisplayName", "string", OPTIONAL },
	{ "PayloadOrganization", "string", OPTIONAL },
	{ NULL, NULL, OPTIONAL },
};

static const struct rule mdm_rules[] = {
	{ "IdentityCertificateUUID", "string", REQUIRED },
	{ "Topic", "string", REQUIRED },
	{ "ServerURL", "string", REQUIRED },
	{ "CheckInURL", "string", OPTIONAL },
	{ "SignMessage", "boolean", OPTIONAL },
	{ "AccessRights", "integer", REQUIRED }, /* optional in account-driven enrollment alone */
	{ "UseDevelopmentAPNS", "boolean", OPTIONAL },
	{ "ServerURLPinningCertificateUUIDs", "array", OPTIONAL },
	{ "CheckInURLPinningCertificateUUIDs", "array", OPTIONAL },
	{ "PinningRevocationCheckRequired", "boolean", OPTIONAL },
	{ "ServerCapabilities", "array", OPTIONAL },
	{ "CheckOutWhenRemoved", "boolean", OPTIONAL },
	{ "RequiredAppIDForMDM", "integer", OPTIONAL },
	{ "PromptUserToAllowBootstrapTokenForAuthentication", "boolean", OPTIONAL },
	{ NULL, NULL, OPTIONAL },
};

static const struct rule scep_rules[] = {
	{ "URL", "string", REQUIRED },
	{ "Name", "string", OPTIONAL },
	{ "Subject", "array", OPTIONAL },
	{ "Challenge", "string", OPTIONAL },
	{ "Keysize", "integer", OPTIONAL },
	{ "Key Type", "string", OPTIONAL },
	{ "Key Usage", "integer", OPTIONAL },
	{ "CAFingerprint", "data", OPTIONAL },
	{ "Retries", "integer", OPTIONAL },
	{ "RetryDelay", "integer", OPTIONAL },
	{ "SubjectAltName", "dictionary", OPTIONAL },
	{ "KeyIsExtractable", "boolean", OPTIONAL },
	{ "AllowAllAppsAccess", "boolean", OPTIONAL },
	{ NULL, NULL, OPTIONAL },
};

/* Where the reading stands: what a fault is reported into. */
struct reader {
	struct profile *p;
	char *why;
	size_t why_len;
};

__attribute__((format(printf, 2, 3))) static bool
fault(const struct reader *r, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(r->why, r->why_len, fmt, ap);
	va_end(ap);
	return false;
}

static bool
follow_rules(const struct reader *r, plist_t dict, const struct rule *rules, const char *where)
{
	for (; rules->key != NULL; rules++) {
		plist_t n = plist_dict_get_item(dict, rules->key);

		if (n == NULL && rules->presence == REQUIRED)
			return fault(r, "%s: the required key %s is missing", where, rules->key);
		if (n != NULL && !prop_is(n, rules->type))
			return fault(r, "%s: %s is no %s", where, rules->key, rules->type);
	}
	return true;
}

static bool
is_uuid(const char *s)
{
	static const char form[] = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";

	if (strlen(s) != sizeof(form) - 1)
		return false;
	for (size_t i = 0; form[i] != '\0'; i++)
		if (form[i] == '-' ? s[i] != '-' : !strchr("0123456789abcdefABCDEF", s[i]))
			return false;
	return true;
}

static bool
has_prefix(const char *s, const char *prefix)
{
	return strncasecmp(s, prefix, strlen(prefix)) == 0;
}

static plist_t
find_payload(plist_t content, const char *uuid)
{
	for (uint32_t i = 0; i < plist_array_get_size(content); i++) {
		plist_t one = plist_array_get_item(content, i);
		const char *have = prop_string(one, "PayloadUUID");

		if (have != NULL && strcasecmp(have, uuid) == 0)
			return one;
	}
	return NULL;
}

/* Every payload: common keys, UUIDs in form and each once. */
static bool
check_common(const struct reader *r, plist_t content)
{
	for (uint32_t i = 0; i < plist_array_get_size(content); i++) {
		plist_t one = plist_array_get_item(content, i);
		const char *uuid;

		if (plist_get_node_type(one) != PLIST_DICT)
			return fault(r, "PayloadContent: item %u is no dictionary", i);
		if (!follow_rules(r, one, common_rules, "payload"))
			return false;
		uuid = prop_string(one, "PayloadUUID");
		if (!is_uuid(uuid))
			return fault(r, "payload: PayloadUUID \"%.64s\" is no UUID", uuid);
		if (find_payload(content, uuid) != one || strcasecmp(uuid, r->p->uuid) == 0)
			return fault(r, "PayloadUUID %s is used twice", uuid);
		if (prop_int(one, "PayloadVersion", 0) != 1)
			return fault(r, "payload %s: PayloadVersion is not 1", uuid);
	}
	return true;
}

static bool
check_rights(const struct reader *r, int64_t rights)
{
	if (rights < 1 || rights > RIGHTS_ALL)
		return fault(
			r, "AccessRights %lld: outside 1 to %d", (long long)rights, RIGHTS_ALL);
	if ((rights & 2) && !(rights & 1))
		return fault(r, "AccessRights: 2 (install profiles) needs 1 (inspect profiles)");
	if ((rights & 128) && !(rights & 64))
		return fault(r, "AccessRights: 128 needs 64 (provisioning profiles)");
	return true;
}

static bool
check_capabilities(const struct reader *r, plist_t list)
{
	static const char *const known[] = { "com.apple.mdm.per-user-connections",
		"com.apple.mdm.bootstraptoken", "com.apple.mdm.token" };

	for (uint32_t i = 0; list != NULL && i < plist_array_get_size(list); i++) {
		const char *s = prop_text(plist_array_get_item(list, i));
		size_t k = 0;

		while (s != NULL && k < 3 && strcmp(s, known[k]) != 0)
			k++;
		if (s == NULL || k == 3)
			return fault(r, "ServerCapabilities: \"%.64s\" is not one of Apple's",
				s != NULL ? s : "(no string)");
		if (k == 0)
			r->p->per_user = true;
	}
	return true;
}

static bool
read_mdm(const struct reader *r, plist_t mdm)
{
	struct profile *p = r->p;

	if (p->mdm != NULL)
		return fault(r, "two com.apple.mdm payloads in one profile");
	if (!follow_rules(r, mdm, mdm_rules, "com.apple.mdm"))
		return false;
	p->mdm = mdm;
	p->topic = prop_string(mdm, "Topic");
	p->server_url = prop_string(mdm, "ServerURL");
	p->checkin_url = prop_string(mdm, "CheckInURL");
	if (p->checkin_url == NULL)
		p->checkin_url = p->server_url;
	p->rights = prop_int(mdm, "AccessRights", 0);
	p->sign_message = prop_bool(mdm, "SignMessage", false);
	p->checkout_when_removed = prop_bool(mdm, "CheckOutWhenRemoved", false);
	if (!has_prefix(p->topic, "com.apple.mgmt."))
		return fault(r, "Topic \"%.128s\" does not begin with com.apple.mgmt.", p->topic);
	if (!has_prefix(p->server_url, "https://") || !has_prefix(p->checkin_url, "https://"))
		return fault(r, "ServerURL and CheckInURL must begin with https://");
	if (plist_dict_get_item(mdm, "EnrollmentMode") != NULL ||
		plist_dict_get_item(mdm, "AssignedManagedAppleID") != NULL)
		return fault(r, "EnrollmentMode belongs to account-driven enrollment only");
	if (plist_dict_get_item(mdm, "ServerURLPinningCertificateUUIDs") != NULL ||
		plist_dict_get_item(mdm, "CheckInURLPinningCertificateUUIDs") != NULL)
		return fault(r, "this device cannot pin certificates");
	return check_rights(r, p->rights) &&
	       check_capabilities(r, prop_node(mdm, "ServerCapabilities", PLIST_ARRAY));
}

/* Subject is an array of RDNs, each an array of [type, value]. */
static bool
check_subject(const struct reader *r, plist_t subject)
{
	for (uint32_t i = 0; subject != NULL && i < plist_array_get_size(subject); i++) {
		plist_t rdn = plist_array_get_item(subject, i);

		if (plist_get_node_type(rdn) != PLIST_ARRAY || plist_array_get_size(rdn) == 0)
			return fault(r, "SCEP Subject: item %u is no array of pairs", i);
		for (uint32_t j = 0; j < plist_array_get_size(rdn); j++) {
			plist_t pair = plist_array_get_item(rdn, j);

			if (plist_get_node_type(pair) != PLIST_ARRAY ||
				plist_array_get_size(pair) != 2 ||
				prop_text(plist_array_get_item(pair, 0)) == NULL ||
				prop_text(plist_array_get_item(pair, 1)) == NULL)
				return fault(r, "SCEP Subject: item %u is no pair of strings", i);
		}
	}
	return true;
}

static bool
check_fingerprint(const struct reader *r, plist_t scep)
{
	plist_t n = plist_dict_get_item(scep, "CAFingerprint");
	uint64_t len = 0;

	if (n == NULL)
		return true;
	plist_get_data_ptr(n, &len);
	return len == 16 || len == 20 || len == 32 ||
	       fault(r, "CAFingerprint has %llu bytes", (unsigned long long)len);
}

static bool
read_scep(const struct reader *r, plist_t payload)
{
	plist_t scep = prop_node(payload, "PayloadContent", PLIST_DICT);
	struct profile *p = r->p;
	const char *type;

	if (scep == NULL)
		return fault(r, "com.apple.security.scep: PayloadContent is no dictionary");
	if (!follow_rules(r, scep, scep_rules, "com.apple.security.scep"))
		return false;
	p->scep = scep;
	p->scep_url = prop_string(scep, "URL");
	p->scep_name = prop_string(scep, "Name");
	p->challenge = prop_string(scep, "Challenge");
	p->key_bits = prop_int(scep, "Keysize", 1024);
	p->key_usage = prop_int(scep, "Key Usage", 0);
	p->retries = prop_int(scep, "Retries", 3);
	p->retry_delay = prop_int(scep, "RetryDelay", 10);
	type = prop_string(scep, "Key Type");
	if (!has_prefix(p->scep_url, "https://") && !has_prefix(p->scep_url, "http://"))
		return fault(r, "SCEP URL is no http or https URL");
	if (type != NULL && strcmp(type, "RSA") != 0)
		return fault(r, "SCEP Key Type \"%.32s\": only RSA exists", type);
	if (p->key_bits != 2048 && p->key_bits != 4096)
		return fault(
			r, "SCEP Keysize %lld: 2048 or 4096 is wanted", (long long)p->key_bits);
	if (p->key_usage != 5)
		return fault(r, "SCEP Key Usage %lld: the MDM identity needs 5 (sign and encrypt)",
			(long long)p->key_usage);
	if (prop_bool(scep, "KeyIsExtractable", true))
		return fault(r, "SCEP KeyIsExtractable must be false for a management identity");
	return check_subject(r, prop_node(scep, "Subject", PLIST_ARRAY)) &&
	       check_fingerprint(r, scep);
}

static X509 *
decode_certificate(const char *der, size_t len)
{
	const unsigned char *at = (const unsigned char *)der;
	X509 *x = d2i_X509(NULL, &at, (long)len);

	if (x != NULL && at != (const unsigned char *)der + len) {
		X509_free(x);
		x = NULL;
	}
	return x;
}

static X509 *
decode_pem(const char *pem, size_t len)
{
	BIO *in = BIO_new_mem_buf(pem, (int)len);
	X509 *x = PEM_read_bio_X509(in, NULL, NULL, NULL);

	BIO_free(in);
	return x;
}

static bool
read_root(const struct reader *r, plist_t payload, bool pem)
{
	plist_t data = prop_node(payload, "PayloadContent", PLIST_DATA);
	uint64_t len = 0;
	const char *bytes;
	X509 *x;

	if (data == NULL)
		return fault(r, "certificate payload: PayloadContent is no data");
	if (r->p->n_roots == PROFILE_ROOTS_MAX)
		return fault(r, "more than %d certificate payloads", PROFILE_ROOTS_MAX);
	bytes = plist_get_data_ptr(data, &len);
	x = pem ? decode_pem(bytes, (size_t)len) : decode_certificate(bytes, (size_t)len);
	ERR_clear_error();
	if (x == NULL)
		return fault(r, "certificate payload: not exactly one certificate");
	r->p->roots[r->p->n_roots++] = x;
	if (X509_check_ca(x) != 1)
		return fault(r, "certificate payload: no basicConstraints CA:TRUE");
	return true;
}

static bool
read_payload(const struct reader *r, plist_t payload)
{
	const char *type = prop_string(payload, "PayloadType");

	if (strcmp(type, "com.apple.mdm") == 0)
		return read_mdm(r, payload);
	if (strcmp(type, "com.apple.security.root") == 0 ||
		strcmp(type, "com.apple.security.pkcs1") == 0)
		return read_root(r, payload, false);
	if (strcmp(type, "com.apple.security.pem") == 0)
		return read_root(r, payload, true);
	return true;
}

static bool
resolve_identity(const struct reader *r, plist_t content)
{
	const char *uuid = prop_string(r->p->mdm, "IdentityCertificateUUID"), *type;
	plist_t payload = find_payload(content, uuid);

	if (payload == NULL)
		return fault(
			r, "IdentityCertificateUUID %.64s names no payload of this profile", uuid);
	type = prop_string(payload, "PayloadType");
	if (strcmp(type, "com.apple.security.scep") != 0)
		return fault(r, "identity payload of type %.64s: this device has SCEP only", type);
	return read_scep(r, payload);
}

static bool
read_profile(const struct reader *r)
{
	struct profile *p = r->p;
	const char *type, *scope;
	plist_t content;

	if (!follow_rules(r, p->root, top_rules, "profile"))
		return false;
	type = prop_string(p->root, "PayloadType");
	scope = prop_string(p->root, "PayloadScope");
	p->identifier = prop_string(p->root, "PayloadIdentifier");
	p->uuid = prop_string(p->root, "PayloadUUID");
	p->name = prop_string(p->root, "PayloadDisplayName");
	content = plist_dict_get_item(p->root, "PayloadContent");
	if (strcmp(type, "Configuration") != 0)
		return fault(r, "PayloadType is \"%.64s\", not Configuration", type);
	if (prop_int(p->root, "PayloadVersion", 0) != 1)
		return fault(r, "PayloadVersion is not 1");
	if (p->identifier[0] == '\0' || !is_uuid(p->uuid))
		return fault(r, "PayloadIdentifier is empty or PayloadUUID is no UUID");
	if (prop_bool(p->root, "IsEncrypted", false))
		return fault(r, "an encrypted profile, before there is a key for it");
	if (scope != NULL && strcmp(scope, "System") != 0 && strcmp(scope, "User") != 0)
		return fault(r, "PayloadScope \"%.32s\"", scope);
	if (!check_common(r, content))
		return false;
	for (uint32_t i = 0; i < plist_array_get_size(content); i++)
		if (!read_payload(r, plist_array_get_item(content, i)))
			return false;
	return p->mdm == NULL || resolve_identity(r, content);
}

/* Content of a SignedData with exactly one signer, whose certificate is in it. */
static bool
open_signed(const struct reader *r, struct blob *ret)
{
	const unsigned char *at = r->p->raw.data;
	STACK_OF(X509) *signers = NULL;
	BIO *out = BIO_new(BIO_s_mem());
	CMS_ContentInfo *cms;
	char *data;
	long len;
	bool ok = false;

	ERR_clear_error();
	cms = d2i_CMS_ContentInfo(NULL, &at, (long)r->p->raw.len);
	if (cms == NULL || at != r->p->raw.data + r->p->raw.len)
		fault(r, "neither a property list nor a CMS message");
	else if (CMS_verify(cms, NULL, NULL, NULL, out, CMS_BINARY | CMS_NO_SIGNER_CERT_VERIFY) !=
			 1 ||
		 (signers = CMS_get0_signers(cms)) == NULL)
		fault(r, "the signature of the profile is not good: %s",
			ERR_reason_error_string(ERR_peek_last_error()));
	else if (sk_X509_num(signers) != 1)
		fault(r, "the profile has %d signers", sk_X509_num(signers));
	else
		ok = true;
	if (ok) {
		r->p->signer = sk_X509_value(signers, 0);
		X509_up_ref(r->p->signer);
		len = BIO_get_mem_data(out, &data);
		*ret = blob_copy(data, (size_t)len);
	}
	sk_X509_free(signers);
	CMS_ContentInfo_free(cms);
	BIO_free(out);
	ERR_clear_error();
	return ok;
}

struct profile *
profile_parse(const void *data, size_t len, char *why, size_t why_len)
{
	struct profile *p = util_alloc(sizeof(*p));
	struct reader r = { p, why, why_len };
	struct blob content = { NULL, 0 };
	bool ok = true;

	p->raw = blob_copy(data, len);
	if (len > 0 && p->raw.data[0] == 0x30)
		ok = open_signed(&r, &content);
	else
		content = blob_copy(data, len);
	if (ok) {
		p->root = prop_parse(content.data, content.len);
		ok = p->root != NULL
			     ? read_profile(&r)
			     : fault(&r, "the profile is no property list with a dictionary");
	}
	blob_free(&content);
	if (ok)
		return p;
	profile_free(p);
	return NULL;
}

bool
profile_may_update(const struct profile *now, const struct profile *next, char *why, size_t why_len)
{
	const struct reader r = { NULL, why, why_len };

	if (strcmp(now->identifier, next->identifier) != 0)
		return fault(&r, "another MDM profile is installed: %s", now->identifier);
	if (strcmp(now->topic, next->topic) != 0)
		return fault(&r, "the topic of the MDM payload cannot change");
	if (strcmp(now->server_url, next->server_url) != 0)
		return fault(&r, "the ServerURL of the MDM payload cannot change");
	if (strcmp(now->checkin_url, next->checkin_url) != 0)
		return fault(&r, "the CheckInURL of the MDM payload cannot change");
	if (now->per_user != next->per_user)
		return fault(&r, "per-user-connections cannot be added or removed");
	if (next->rights & ~now->rights)
		return fault(&r, "access rights cannot be added (%lld to %lld)",
			(long long)now->rights, (long long)next->rights);
	if ((now->signer == NULL) != (next->signer == NULL) ||
		(now->signer != NULL && X509_cmp(now->signer, next->signer) != 0))
		return fault(&r, "the profile is not signed by the signer of the installed one");
	return true;
}

void
profile_free(struct profile *p)
{
	if (p == NULL)
		return;
	for (size_t i = 0; i < p->n_roots; i++)
		X509_free(p->roots[i]);
	X509_free(p->signer);
	if (p->root != NULL)
		plist_free(p->root);
	blob_free(&p->raw);
	free(p);
}
