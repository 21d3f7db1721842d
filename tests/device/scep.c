/* scep.c - SCEP as Apple's client speaks it, and its checks on what comes back */
#include "scep.h"

#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/pkcs7.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "keypool.h"
#include "pkimessage.h"
#include "prop.h"
#include "request.h"
#include "step.h"

#define DAY 86400L

/* What GetCACaps says. */
struct caps {
	bool aes, des3, sha1, sha256, post, renewal;
};

struct client {
	struct device *d;
	const struct profile *p;
	struct caps caps;
	struct pkimessage m;
	X509 *temporary; /* self-signed certificate of the new key */
	EVP_PKEY *key;
	struct blob csr;
	char *transaction;
};

static char *
make_url(const struct client *c, const char *operation, const char *message)
{
	const char *url = c->p->scep_url;

	return util_printf("%s%soperation=%s%s%s", url, strchr(url, '?') != NULL ? "&" : "?",
		operation, message != NULL ? "&message=" : "", message != NULL ? message : "");
}

static enum outcome
get(struct client *c, enum meter_kind kind, const char *operation, const char *message,
	struct http_reply *r)
{
	static const char *const headers[] = { "User-Agent: profiled/1.0", NULL };
	char *url = make_url(c, operation, message), quote[161];
	enum outcome o = request_send(c->d, kind, "GET", url, headers, NULL, r);

	free(url);
	if (o == OUTCOME_OK && r->status != 200)
		o = device_fault(c->d, OUTCOME_SCEP, "%s: HTTP %ld: %s", operation, r->status,
			request_quote(r, quote));
	return o;
}

static void
note_capability(struct caps *caps, const char *word)
{
	if (strcasecmp(word, "AES") == 0)
		caps->aes = true;
	else if (strcasecmp(word, "DES3") == 0)
		caps->des3 = true;
	else if (strcasecmp(word, "SHA-1") == 0)
		caps->sha1 = true;
	else if (strcasecmp(word, "SHA-256") == 0 || strcasecmp(word, "SHA-512") == 0)
		caps->sha256 = true;
	else if (strcasecmp(word, "POSTPKIOperation") == 0)
		caps->post = true;
	else if (strcasecmp(word, "Renewal") == 0)
		caps->renewal = true;
	else if (strcasecmp(word, "SCEPStandard") == 0)
		caps->aes = caps->sha256 = caps->post = true;
}

static enum outcome
get_caps(struct client *c)
{
	struct http_reply r;
	enum outcome o = get(c, METER_SCEP_CAPS, "GetCACaps", c->p->scep_name, &r);
	char *save = NULL;

	if (o == OUTCOME_OK && !request_is_type(&r, "text/plain"))
		o = device_fault(c->d, OUTCOME_SCEP, "GetCACaps: content type \"%s\"", r.type);
	if (o == OUTCOME_OK && r.body.len > 0)
		for (char *w = strtok_r((char *)r.body.data, " \r\n", &save); w != NULL;
			w = strtok_r(NULL, " \r\n", &save))
			note_capability(&c->caps, w);
	http_reply_fini(&r);
	if (o == OUTCOME_OK &&
		((!c->caps.sha1 && !c->caps.sha256) || (!c->caps.aes && !c->caps.des3)))
		o = device_fault(c->d, OUTCOME_SCEP,
			"the certification authority does not have the required capability");
	return o;
}

static bool
fingerprint_fits(const struct client *c, X509 *ca)
{
	plist_t n = prop_node(c->p->scep, "CAFingerprint", PLIST_DATA);
	uint8_t md[EVP_MAX_MD_SIZE];
	uint64_t len = 0;
	const char *want;
	unsigned n_md;

	if (n == NULL)
		return true;
	want = plist_get_data_ptr(n, &len);
	X509_digest(ca, len == 16 ? EVP_md5() : len == 20 ? EVP_sha1() : EVP_sha256(), md, &n_md);
	return n_md == len && memcmp(md, want, n_md) == 0;
}

/* What Apple wants of a CA that signs replies and is encrypted to, without an RA (facts G.3). */
static const char *
ca_fault(const struct client *c, X509 *ca)
{
	uint32_t usage = X509_get_key_usage(ca);
	int md = NID_undef, pk = NID_undef;

	OBJ_find_sigid_algs(X509_get_signature_nid(ca), &md, &pk);
	if (X509_check_ca(ca) != 1)
		return "no basicConstraints CA:TRUE";
	if (EVP_PKEY_get_base_id(X509_get0_pubkey(ca)) != EVP_PKEY_RSA ||
		EVP_PKEY_get_bits(X509_get0_pubkey(ca)) < 2048)
		return "not an RSA key of 2048 bits or more";
	if (pk == NID_rsassaPss || md == NID_md5 || md == NID_sha1)
		return "signed with PSS, SHA-1 or MD5";
	if (!(usage & KU_KEY_CERT_SIGN) || !(usage & KU_DIGITAL_SIGNATURE) ||
		!(usage & KU_KEY_ENCIPHERMENT))
		return "key usage is incorrect (certificate signing, digital signature and key "
		       "encipherment are needed)";
	if (X509_cmp_current_time(X509_get0_notBefore(ca)) > 0 ||
		X509_cmp_current_time(X509_get0_notAfter(ca)) < 0)
		return "not valid now";
	if (!fingerprint_fits(c, ca))
		return "not the one of CAFingerprint";
	return NULL;
}

static enum outcome
get_ca(struct client *c)
{
	struct device *d = c->d;
	const unsigned char *at;
	struct http_reply r;
	enum outcome o = get(c, METER_SCEP_CA, "GetCACert", c->p->scep_name, &r);
	const char *why;
	X509 *ca = NULL;

	if (o == OUTCOME_OK && !request_is_type(&r, "application/x-x509-ca-cert"))
		o = device_fault(d, OUTCOME_SCEP, "GetCACert: content type \"%s\"", r.type);
	if (o == OUTCOME_OK) {
		at = r.body.data;
		ca = r.body.len > 0 ? d2i_X509(NULL, &at, (long)r.body.len) : NULL;
		if (ca == NULL || at != r.body.data + r.body.len)
			o = device_fault(
				d, OUTCOME_SCEP, "GetCACert: not exactly one DER certificate");
		else if ((why = ca_fault(c, ca)) != NULL)
			o = device_fault(d, OUTCOME_SCEP, "GetCACert: the CA is %s", why);
	}
	http_reply_fini(&r);
	ERR_clear_error();
	if (o != OUTCOME_OK) {
		X509_free(ca);
		return o;
	}
	X509_free(d->ca);
	d->ca = ca;
	return OUTCOME_OK;
}

/* Subject of the payload: RDNs of [type, value] pairs, types short names or OIDs. */
static bool
add_subject(X509_NAME *name, plist_t subject)
{
	for (uint32_t i = 0; subject != NULL && i < plist_array_get_size(subject); i++) {
		plist_t rdn = plist_array_get_item(subject, i);

		for (uint32_t j = 0; j < plist_array_get_size(rdn); j++) {
			plist_t pair = plist_array_get_item(rdn, j);
			const char *type = prop_text(plist_array_get_item(pair, 0));
			const char *value = prop_text(plist_array_get_item(pair, 1));

			if (X509_NAME_add_entry_by_txt(name, type, MBSTRING_UTF8,
				    (const unsigned char *)value, -1, -1, j == 0 ? 0 : -1) != 1)
				return false;
		}
	}
	return true;
}

static void
push_name(GENERAL_NAMES *names, int type, const char *value)
{
	GENERAL_NAME *gn = GENERAL_NAME_new();
	ASN1_IA5STRING *s = ASN1_IA5STRING_new();

	ASN1_STRING_set(s, value, -1);
	GENERAL_NAME_set0_value(gn, type, s);
	sk_GENERAL_NAME_push(names, gn);
}

/* SubjectAltName: each kind is a string or an array of strings. */
static void
add_alt_names(STACK_OF(X509_EXTENSION) * *exts, plist_t san)
{
	static const struct {
		const char *key;
		int type;
	} kinds[] = { { "rfc822Name", GEN_EMAIL }, { "dNSName", GEN_DNS },
		{ "uniformResourceIdentifier", GEN_URI } };
	GENERAL_NAMES *names = sk_GENERAL_NAME_new_null();

	for (size_t i = 0; san != NULL && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		plist_t n = plist_dict_get_item(san, kinds[i].key);

		if (n != NULL && plist_get_node_type(n) == PLIST_STRING)
			push_name(names, kinds[i].type, prop_text(n));
		for (uint32_t j = 0; n != NULL && plist_get_node_type(n) == PLIST_ARRAY &&
				     j < plist_array_get_size(n);
			j++)
			if (prop_text(plist_array_get_item(n, j)) != NULL)
				push_name(names, kinds[i].type,
					prop_text(plist_array_get_item(n, j)));
	}
	if (sk_GENERAL_NAME_num(names) > 0)
		X509V3_add1_i2d(exts, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT);
	GENERAL_NAMES_free(names);
}

static bool
add_extensions(X509_REQ *req, const struct profile *p)
{
	STACK_OF(X509_EXTENSION) *exts = NULL;
	ASN1_BIT_STRING *usage = ASN1_BIT_STRING_new();
	bool ok;

	ASN1_BIT_STRING_set_bit(usage, 0, (p->key_usage & 1) != 0);
	ASN1_BIT_STRING_set_bit(usage, 2, (p->key_usage & 4) != 0);
	X509V3_add1_i2d(&exts, NID_key_usage, usage, 1, X509V3_ADD_DEFAULT);
	ASN1_BIT_STRING_free(usage);
	add_alt_names(&exts, prop_node(p->scep, "SubjectAltName", PLIST_DICT));
	ok = X509_REQ_add_extensions(req, exts) == 1;
	sk_X509_EXTENSION_pop_free(exts, X509_EXTENSION_free);
	return ok;
}

static bool
add_challenge(struct client *c, X509_REQ *req)
{
	char *wrong = NULL;
	const char *challenge = c->p->challenge;
	bool ok;

	if (challenge == NULL)
		return true;
	if (c->d->o->bad_challenge)
		challenge = wrong = util_printf("not-%s", challenge);
	ok = X509_REQ_add1_attr_by_NID(req, NID_pkcs9_challengePassword, MBSTRING_UTF8,
		     (const unsigned char *)challenge, -1) == 1;
	free(wrong);
	return ok;
}

static enum outcome
make_csr(struct client *c)
{
	const EVP_MD *md = options_digest(c->d->o);
	X509_REQ *req = X509_REQ_new();
	unsigned char *der = NULL;
	int len = -1;

	ERR_clear_error();
	if (add_subject(X509_REQ_get_subject_name(req),
		    prop_node(c->p->scep, "Subject", PLIST_ARRAY)) &&
		X509_REQ_set_pubkey(req, c->key) == 1 && add_challenge(c, req) &&
		add_extensions(req, c->p) && X509_REQ_sign(req, c->key, md) > 0)
		len = i2d_X509_REQ(req, &der);
	if (len > 0)
		c->csr = blob_copy(der, (size_t)len);
	OPENSSL_free(der);
	X509_REQ_free(req);
	if (len > 0)
		return OUTCOME_OK;
	device_fault(c->d, OUTCOME_SCEP,
		"the CSR cannot be made (is the Subject of the payload good?): %s",
		ERR_reason_error_string(ERR_peek_last_error()));
	ERR_clear_error();
	return OUTCOME_SCEP;
}

static X509 *
self_sign(EVP_PKEY *key)
{
	X509_NAME *name = X509_NAME_new();
	char uuid[UTIL_UUID_SIZE];
	X509 *x = X509_new();
	bool ok;

	util_uuid(uuid);
	X509_set_version(x, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_gmtime_adj(X509_getm_notBefore(x), -600);
	X509_gmtime_adj(X509_getm_notAfter(x), 365 * DAY);
	ok = X509_NAME_add_entry_by_txt(
		     name, "CN", MBSTRING_ASC, (unsigned char *)uuid, -1, -1, 0) == 1 &&
	     X509_set_subject_name(x, name) == 1 && X509_set_issuer_name(x, name) == 1 &&
	     X509_set_pubkey(x, key) == 1 && X509_sign(x, key, EVP_sha256()) > 0;
	X509_NAME_free(name);
	if (ok)
		return x;
	X509_free(x);
	return NULL;
}

/* Hex of a hash of the public key.  A shared key needs more, or two devices would be one. */
static char *
make_transaction(const struct client *c)
{
	unsigned char *spki = NULL;
	uint8_t md[EVP_MAX_MD_SIZE];
	struct blob b = { NULL, 0 };
	unsigned n_md;
	char *hex;
	int len = i2d_PUBKEY(c->key, &spki);

	blob_append(&b, spki, len > 0 ? (size_t)len : 0);
	if (keypool_shared())
		blob_append(&b, c->d->udid, strlen(c->d->udid));
	EVP_Digest(b.data, b.len, md, &n_md, options_digest(c->d->o), NULL);
	hex = util_hex(md, n_md);
	OPENSSL_free(spki);
	blob_free(&b);
	return hex;
}

static const EVP_CIPHER *
choose_cipher(const struct client *c)
{
	const char *wish = c->d->o->cipher;

	if (wish == NULL)
		return c->caps.aes ? EVP_aes_128_cbc() : EVP_des_ede3_cbc();
	if (strcmp(wish, "aes256") == 0)
		return EVP_aes_256_cbc();
	if (strcmp(wish, "3des") == 0)
		return EVP_des_ede3_cbc();
	if (strcmp(wish, "des") == 0)
		return EVP_des_cbc();
	return EVP_aes_128_cbc();
}

static enum outcome
prepare(struct client *c, const struct identity *signer)
{
	struct device *d = c->d;

	c->key = keypool_take((int)c->p->key_bits);
	c->temporary = c->key != NULL ? self_sign(c->key) : NULL;
	if (c->temporary == NULL)
		return device_fault(d, OUTCOME_LOCAL, "no RSA key can be made");
	c->transaction = make_transaction(c);
	c->m.ca = d->ca;
	c->m.cert = signer != NULL ? signer->cert : c->temporary;
	c->m.key = signer != NULL ? signer->key : c->key;
	c->m.md = options_digest(d->o);
	c->m.cipher = choose_cipher(c);
	c->m.ber = d->o->ber;
	c->m.transaction = c->transaction;
	return make_csr(c);
}

/* Apple's GET form: only '=' is percent-encoded. */
static char *
raw_base64(const struct blob *b)
{
	char *plain = util_base64(b->data, b->len), *out = util_alloc(strlen(plain) * 3 + 1),
	     *o = out;

	for (const char *p = plain; *p != '\0'; p++) {
		if (*p != '=') {
			*o++ = *p;
			continue;
		}
		memcpy(o, "%3D", 3);
		o += 3;
	}
	free(plain);
	return out;
}

static enum outcome
operate(struct client *c, const struct blob *message, struct http_reply *r)
{
	static const char *const headers[] = { "User-Agent: profiled/1.0",
		"Content-Type: application/x-pki-message", NULL };
	struct device *d = c->d;
	char quote[161], *url, *text;
	enum outcome o;

	if (d->o->scep_get || !c->caps.post) {
		text = raw_base64(message);
		o = get(c, METER_SCEP, "PKIOperation", text, r);
		free(text);
	} else {
		url = make_url(c, "PKIOperation", NULL);
		o = request_send(d, METER_SCEP, "POST", url, headers, message, r);
		free(url);
		if (o == OUTCOME_OK && r->status != 200)
			o = device_fault(d, OUTCOME_SCEP, "PKIOperation: HTTP %ld: %s", r->status,
				request_quote(r, quote));
	}
	if (o == OUTCOME_OK && !request_is_type(r, "application/x-pki-message"))
		o = device_fault(d, OUTCOME_SCEP, "PKIOperation: content type \"%s\"", r->type);
	return o;
}

/* One message and its reply; a FAILURE is an outcome, PENDING is not. */
static enum outcome
exchange(struct client *c, const char *type, const struct blob *content,
	struct pkimessage_reply *ret)
{
	static const char *const infos[] = { "badAlg", "badMessageCheck", "badRequest", "badTime",
		"badCertId" };
	struct http_reply r = { 0 };
	struct blob message;
	char why[256];
	enum outcome o;

	c->m.type = type;
	util_random(c->m.nonce, sizeof(c->m.nonce));
	message = pkimessage_build(&c->m, content, why);
	if (message.len == 0)
		return device_fault(c->d, OUTCOME_LOCAL, "SCEP: %s", why);
	if (c->d->o->scep_bad_cms)
		message.data[message.len - 40] ^= 1; /* in the signature value, which comes last */
	o = operate(c, &message, &r);
	blob_free(&message);
	if (o == OUTCOME_OK && !pkimessage_open(&c->m, &r.body, ret, why))
		o = device_fault(c->d, OUTCOME_SCEP, "SCEP: %s", why);
	else if (o == OUTCOME_OK && ret->status == '2')
		o = device_fault(c->d, OUTCOME_SCEP, "SCEP: FAILURE, failInfo %c (%s)", ret->info,
			infos[ret->info - '0']);
	http_reply_fini(&r);
	return o;
}

/* IssuerAndSubject: SEQUENCE { issuer Name, subject Name } */
static struct blob
issuer_and_subject(const struct client *c)
{
	const unsigned char *at = c->csr.data;
	X509_REQ *req = d2i_X509_REQ(NULL, &at, (long)c->csr.len);
	unsigned char *issuer = NULL, *subject = NULL, *p;
	int a = i2d_X509_NAME(X509_get_subject_name(c->m.ca), &issuer);
	int b = i2d_X509_NAME(X509_REQ_get_subject_name(req), &subject);
	int len = ASN1_object_size(1, a + b, V_ASN1_SEQUENCE);
	struct blob out = { NULL, 0 };
	unsigned char *buf = util_alloc((size_t)len);

	p = buf;
	ASN1_put_object(&p, 1, a + b, V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL);
	memcpy(p, issuer, (size_t)a);
	memcpy(p + a, subject, (size_t)b);
	blob_append(&out, buf, (size_t)len);
	free(buf);
	OPENSSL_free(issuer);
	OPENSSL_free(subject);
	X509_REQ_free(req);
	return out;
}

static enum outcome
request_until_final(struct client *c, struct pkimessage_reply *ret)
{
	enum outcome o = exchange(c, PKIMESSAGE_PKCS_REQ, &c->csr, ret);
	struct blob ias;

	for (int64_t i = 0; o == OUTCOME_OK && ret->status == '3' && i < c->p->retries; i++) {
		util_sleep((double)c->p->retry_delay);
		ias = issuer_and_subject(c);
		o = exchange(c, PKIMESSAGE_CERT_POLL, &ias, ret);
		blob_free(&ias);
	}
	if (o == OUTCOME_OK && ret->status == '3')
		o = device_fault(c->d, OUTCOME_SCEP, "SCEP: still PENDING");
	return o;
}

static const char *
issued_fault(const struct client *c, X509 *x)
{
	uint32_t usage = X509_get_key_usage(x);

	if (X509_NAME_cmp(X509_get_issuer_name(x), X509_get_subject_name(c->m.ca)) != 0 ||
		X509_verify(x, X509_get0_pubkey(c->m.ca)) != 1)
		return "not issued by the CA";
	if (X509_check_ca(x) != 0)
		return "itself a CA";
	if (!(usage & KU_DIGITAL_SIGNATURE) || !(usage & KU_KEY_ENCIPHERMENT))
		return "without key usage for signing and encryption";
	if (!(X509_get_extension_flags(x) & EXFLAG_XKUSAGE) ||
		!(X509_get_extended_key_usage(x) & XKU_SSL_CLIENT))
		return "without extended key usage clientAuth";
	if (X509_cmp_current_time(X509_get0_notBefore(x)) > 0 ||
		X509_cmp_current_time(X509_get0_notAfter(x)) < 0)
		return "not valid now";
	return NULL;
}

/* Certs-only SignedData: the certificate of our key is in it. */
static enum outcome
take_certificate(struct client *c, const struct blob *content, X509 **ret)
{
	const unsigned char *at = content->data;
	PKCS7 *p7 = d2i_PKCS7(NULL, &at, (long)content->len);
	STACK_OF(X509) * certs;
	const char *why = "not there";
	X509 *x;

	*ret = NULL;
	if (p7 == NULL || at != content->data + content->len || !PKCS7_type_is_signed(p7) ||
		sk_PKCS7_SIGNER_INFO_num(p7->d.sign->signer_info) > 0) {
		PKCS7_free(p7);
		return device_fault(
			c->d, OUTCOME_SCEP, "SCEP: the reply holds no certs-only SignedData");
	}
	certs = p7->d.sign->cert;
	for (int i = 0; *ret == NULL && i < sk_X509_num(certs); i++) {
		x = sk_X509_value(certs, i);
		if (X509_check_private_key(x, c->key) == 1 && (why = issued_fault(c, x)) == NULL) {
			X509_up_ref(x);
			*ret = x;
		}
	}
	PKCS7_free(p7);
	ERR_clear_error();
	if (*ret == NULL)
		return device_fault(
			c->d, OUTCOME_SCEP, "SCEP: the certificate of our key is %s", why);
	return OUTCOME_OK;
}

static void
tell(const struct client *c, X509 *cert)
{
	BIGNUM *bn = ASN1_INTEGER_to_BN(X509_get0_serialNumber(cert), NULL);
	char *serial = BN_bn2hex(bn),
	     *subject = X509_NAME_oneline(X509_get_subject_name(cert), NULL, 0), *text;
	json_t *root = json_false();
	uint8_t *der = NULL;
	int len = i2d_X509(cert, &der);

	for (size_t i = 0; i < c->p->n_roots; i++)
		if (X509_cmp(c->p->roots[i], c->m.ca) == 0)
			root = json_true();
	/* the only trace of an identity that is given up again */
	text = util_base64(der, len > 0 ? (size_t)len : 0);
	step_acked(c->d->udid, "scep",
		json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:o}", "certificate", text, "serial",
			serial, "subject", subject, "transaction", c->transaction, "cipher",
			EVP_CIPHER_get0_name(c->m.cipher), "renewal", c->m.cert != c->temporary,
			"ca_is_tls_root", root));
	OPENSSL_free(der);
	OPENSSL_free(serial);
	OPENSSL_free(subject);
	free(text);
	BN_free(bn);
}

enum outcome
scep_enroll(struct device *d, const struct identity *signer, struct identity *ret)
{
	struct client c = { .d = d, .p = d->profile };
	struct pkimessage_reply reply = { 0 };
	X509 *cert = NULL;
	enum outcome o;

	o = get_caps(&c);
	if (o == OUTCOME_OK)
		o = get_ca(&c);
	if (o == OUTCOME_OK)
		o = prepare(&c, signer);
	if (o == OUTCOME_OK)
		o = request_until_final(&c, &reply);
	if (o == OUTCOME_OK)
		o = take_certificate(&c, &reply.content, &cert);
	if (o == OUTCOME_OK) {
		tell(&c, cert);
		ret->cert = cert;
		ret->key = c.key;
		c.key = NULL;
	}
	blob_free(&reply.content);
	blob_free(&c.csr);
	free(c.transaction);
	X509_free(c.temporary);
	EVP_PKEY_free(c.key);
	return o;
}
