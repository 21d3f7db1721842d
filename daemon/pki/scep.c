/* SCEP messages as Apple devices speak them: requests opened, replies made */
#include "pki/scep.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/pkcs7.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "pki/coding.h"
#include "pki/csr.h"
#include "pki/key.h"

#define RSA_BITS_MIN 2048
#define REPLY_NONCE_LEN 16
#define CHALLENGE_MAX 1024

#define OID_MESSAGE_TYPE "2.16.840.1.113733.1.9.2"
#define OID_STATUS "2.16.840.1.113733.1.9.3"
#define OID_FAIL_INFO "2.16.840.1.113733.1.9.4"
#define OID_SENDER_NONCE "2.16.840.1.113733.1.9.5"
#define OID_RECIPIENT_NONCE "2.16.840.1.113733.1.9.6"
#define OID_TRANSACTION "2.16.840.1.113733.1.9.7"
#define OID_FAIL_TEXT "1.3.6.1.5.5.7.24.1"

/* What an envelope may be encrypted with.  Single DES is refused by its absence. */
static const struct {
	int nid;
	const EVP_CIPHER *(*cipher)(void);
} ciphers[] = {
	{ NID_aes_128_cbc, EVP_aes_128_cbc },
	{ NID_aes_192_cbc, EVP_aes_192_cbc },
	{ NID_aes_256_cbc, EVP_aes_256_cbc },
	{ NID_des_ede3_cbc, EVP_des_ede3_cbc },
};

static const struct {
	const char *text;
	enum scep_type type;
} types[] = {
	{ "17", SCEP_RENEWAL_REQ },
	{ "19", SCEP_PKCS_REQ },
	{ "20", SCEP_CERT_POLL },
	{ "21", SCEP_GET_CERT },
	{ "22", SCEP_GET_CRL },
};

/* One request being opened. */
struct opening {
	X509 *const *cas;
	EVP_PKEY *const *keys;
	size_t count, which;
	bool allow_sha1;
	CMS_ContentInfo *cms;
	CMS_SignerInfo *si;
	struct scep_request *r;
	enum scep_fail fail;
};

/* Refuses for a reason that the client is told. */
static int
refuse(struct opening *o, enum scep_fail fail)
{
	o->fail = fail;

	return -EPROTO;
}

/* The value of a signed attribute that is there once, with one value of this type; else NULL. */
static const ASN1_STRING *
attribute(CMS_SignerInfo *si, const char *oid, int type)
{
	ASN1_OBJECT *obj = OBJ_txt2obj(oid, 1);
	const ASN1_STRING *value;

	ERR_clear_error();
	value = obj ? CMS_signed_get0_data_by_OBJ(si, obj, -3, type) : NULL;
	ASN1_OBJECT_free(obj);
	ERR_clear_error();

	return value;
}

static bool
is_printable(struct bytes text)
{
	size_t i;

	for (i = 0; i < text.len; i++)
		if (text.data[i] < 0x20 || text.data[i] > 0x7e)
			return false;

	return true;
}

static struct bytes
string_bytes(const ASN1_STRING *s)
{
	return bytes_of(ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s));
}

static int
read_transaction(struct opening *o)
{
	const ASN1_STRING *s = attribute(o->si, OID_TRANSACTION, V_ASN1_PRINTABLESTRING);
	struct bytes text;

	if (!s)
		return -EINVAL;
	text = string_bytes(s);
	if (text.len == 0 || text.len > SCEP_TRANSACTION_MAX || !is_printable(text))
		return -EINVAL;
	memcpy(o->r->transaction, text.data, text.len);
	o->r->transaction[text.len] = '\0';

	return 0;
}

static int
read_nonce(struct opening *o)
{
	const ASN1_STRING *s = attribute(o->si, OID_SENDER_NONCE, V_ASN1_OCTET_STRING);
	struct bytes nonce;

	if (!s)
		return -EINVAL;
	nonce = string_bytes(s);
	if (nonce.len == 0 || nonce.len > SCEP_NONCE_MAX)
		return -EINVAL;
	buf_add_bytes(&o->r->nonce, nonce);

	return 0;
}

static int
read_type(struct opening *o)
{
	const ASN1_STRING *s = attribute(o->si, OID_MESSAGE_TYPE, V_ASN1_PRINTABLESTRING);
	size_t i;

	if (!s)
		return -EINVAL;
	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (!bytes_eq_str(string_bytes(s), types[i].text))
			continue;
		o->r->type = types[i].type;
		return 0;
	}

	return refuse(o, SCEP_BAD_REQUEST);
}

/*
 * Who sent it and under which name: whatever goes wrong after this can be answered.  The
 * attributes are not proven yet; the answer to a message whose signature is wrong only echoes them.
 */
static int
read_sender(struct opening *o)
{
	X509 *cert;

	if (cms_signer(o->cms, &o->si, &cert) != CMS_OK)
		return -EINVAL;
	X509_up_ref(cert);
	o->r->signer = cert;
	if (read_transaction(o) || read_nonce(o))
		return -EINVAL;

	return 0;
}

/*
 * A first request is signed with a certificate that the device made for its new key.  Not every
 * client writes the same name into both fields, so the signature says it too.
 */
static bool
is_self_signed(X509 *c)
{
	bool ret = X509_NAME_cmp(X509_get_subject_name(c), X509_get_issuer_name(c)) == 0 ||
		   X509_verify(c, X509_get0_pubkey(c)) == 1;

	ERR_clear_error();

	return ret;
}

/* Checks the signature and takes out what it signed. */
static int
verify(struct opening *o, struct buf *content)
{
	BIO *out;
	bool right;

	if (cms_signer_digest(o->si, o->allow_sha1, &o->r->digest))
		return refuse(o, SCEP_BAD_ALG);
	out = BIO_new(BIO_s_mem());
	right = out && cms_verify(o->cms, o->r->signer, NULL, out);
	if (right)
		coding_take_bio(content, out);
	BIO_free(out);
	if (!right)
		return refuse(o, SCEP_BAD_MESSAGE_CHECK);
	o->r->self_signed = is_self_signed(o->r->signer);

	return 0;
}

/*
 * EnvelopedData ::= SEQUENCE { version, originatorInfo [0] OPTIONAL, recipientInfos SET,
 * encryptedContentInfo SEQUENCE { contentType, AlgorithmIdentifier, ... } }.  OpenSSL does not
 * say what a CMS envelope is encrypted with, so it is read from the DER that OpenSSL writes.
 */
static int
envelope_cipher(CMS_ContentInfo *env)
{
	unsigned char *der = NULL;
	int len = i2d_CMS_ContentInfo(env, &der);
	struct bytes at = bytes_of(der, len > 0 ? (size_t)len : 0);
	const unsigned char *p;
	ASN1_OBJECT *oid = NULL;
	int nid = NID_undef;

	if (coding_enter(&at, V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL) &&
		coding_pass(&at, V_ASN1_OBJECT, V_ASN1_UNIVERSAL) &&
		coding_enter(&at, 0, V_ASN1_CONTEXT_SPECIFIC) &&
		coding_enter(&at, V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL) &&
		coding_pass(&at, V_ASN1_INTEGER, V_ASN1_UNIVERSAL)) {
		coding_pass(&at, 0, V_ASN1_CONTEXT_SPECIFIC);
		if (coding_pass(&at, V_ASN1_SET, V_ASN1_UNIVERSAL) &&
			coding_enter(&at, V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL) &&
			coding_pass(&at, V_ASN1_OBJECT, V_ASN1_UNIVERSAL) &&
			coding_enter(&at, V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL)) {
			p = at.data;
			oid = d2i_ASN1_OBJECT(NULL, &p, (long)at.len);
		}
	}
	if (oid)
		nid = OBJ_obj2nid(oid);
	ASN1_OBJECT_free(oid);
	OPENSSL_free(der);
	ERR_clear_error();

	return nid;
}

static int
choose_cipher(struct opening *o, CMS_ContentInfo *env)
{
	int nid = envelope_cipher(env);
	size_t i;

	for (i = 0; i < sizeof(ciphers) / sizeof(ciphers[0]); i++) {
		if (ciphers[i].nid != nid)
			continue;
		o->r->cipher = ciphers[i].cipher();
		return 0;
	}

	return refuse(o, SCEP_BAD_ALG);
}

/* Which of our certificates it is encrypted to, by issuer and serial or by key id. */
static int
find_recipient(struct opening *o, CMS_ContentInfo *env)
{
	STACK_OF(CMS_RecipientInfo) *list = CMS_get0_RecipientInfos(env);
	CMS_RecipientInfo *ri;

	if (sk_CMS_RecipientInfo_num(list) != 1)
		return refuse(o, SCEP_BAD_MESSAGE_CHECK);
	ri = sk_CMS_RecipientInfo_value(list, 0);
	if (CMS_RecipientInfo_type(ri) != CMS_RECIPINFO_TRANS)
		return refuse(o, SCEP_BAD_MESSAGE_CHECK);
	for (o->which = 0; o->which < o->count; o->which++)
		if (CMS_RecipientInfo_ktri_cert_cmp(ri, o->cas[o->which]) == 0)
			return 0;
	o->which = 0;

	return refuse(o, SCEP_BAD_MESSAGE_CHECK);
}

/*
 * Decrypts.  A wrong key, wrong padding and a wrong length must look alike from outside
 * (Bleichenbacher): OpenSSL goes on with a random key when the key does not decrypt, and
 * everything that then fails, the parsing of the request included, has one answer.
 */
static int
decrypt(struct opening *o, CMS_ContentInfo *env, struct buf *plain)
{
	BIO *out = BIO_new(BIO_s_mem());
	bool right;

	ERR_clear_error();
	right = out && CMS_decrypt(env, o->keys[o->which], o->cas[o->which], NULL, out, CMS_BINARY);
	if (right)
		coding_take_bio(plain, out);
	BIO_free(out); /* cleanses what it held */
	ERR_clear_error();

	return right ? 0 : refuse(o, SCEP_BAD_MESSAGE_CHECK);
}

static int
open_envelope(struct opening *o, struct bytes content, struct buf *plain)
{
	CMS_ContentInfo *env = cms_parse(content, NID_pkcs7_enveloped);
	int r;

	if (!env)
		return refuse(o, SCEP_BAD_MESSAGE_CHECK);
	r = choose_cipher(o, env);
	if (r == 0)
		r = find_recipient(o, env);
	if (r == 0)
		r = decrypt(o, env, plain);
	CMS_ContentInfo_free(env);
	ERR_clear_error();

	return r;
}

/* The digest of the request's own signature counts like that of the message. */
static bool
csr_digest_allowed(X509_REQ *csr, bool allow_sha1)
{
	int md = NID_undef, pk = NID_undef;
	enum cms_digest ignored;

	if (OBJ_find_sigid_algs(X509_REQ_get_signature_nid(csr), &md, &pk) != 1)
		return false;

	return cms_digest_of(md, allow_sha1, &ignored) == 0;
}

static int
check_key(struct opening *o)
{
	struct scep_request *r = o->r;

	r->key = X509_REQ_get_pubkey(r->csr);
	ERR_clear_error();
	if (!r->key || !EVP_PKEY_is_a(r->key, "RSA") || !key_is_ordinary(r->key) ||
		EVP_PKEY_get_bits(r->key) < RSA_BITS_MIN || key_spki_sha256(r->key, r->spki))
		return refuse(o, SCEP_BAD_REQUEST);
	if (!csr_digest_allowed(r->csr, o->allow_sha1))
		return refuse(o, SCEP_BAD_ALG);
	if (X509_REQ_verify(r->csr, r->key) != 1)
		return refuse(o, SCEP_BAD_REQUEST);

	return 0;
}

/* A certificate that signed itself proves nothing but the key, so it must be the request's. */
static int
check_signer(struct opening *o)
{
	if (o->r->self_signed && EVP_PKEY_eq(X509_get0_pubkey(o->r->signer), o->r->key) != 1)
		return refuse(o, SCEP_BAD_REQUEST);

	return 0;
}

/* No challenge at all is fine here (renewals); two, or one that is no text, is not. */
static int
read_challenge(struct opening *o)
{
	X509_REQ *csr = o->r->csr;
	int at = X509_REQ_get_attr_by_NID(csr, NID_pkcs9_challengePassword, -1);
	X509_ATTRIBUTE *attr;
	ASN1_TYPE *value;
	unsigned char *text = NULL;
	int len = -1;
	bool good;

	if (at < 0)
		return 0;
	attr = X509_REQ_get_attr(csr, at);
	if (X509_REQ_get_attr_by_NID(csr, NID_pkcs9_challengePassword, at) >= 0 ||
		X509_ATTRIBUTE_count(attr) != 1)
		return refuse(o, SCEP_BAD_REQUEST);
	value = X509_ATTRIBUTE_get0_type(attr, 0);
	switch (ASN1_TYPE_get(value)) {
	case V_ASN1_PRINTABLESTRING:
	case V_ASN1_UTF8STRING:
	case V_ASN1_IA5STRING:
	case V_ASN1_T61STRING:
	case V_ASN1_NUMERICSTRING:
	case V_ASN1_VISIBLESTRING:
	case V_ASN1_BMPSTRING:
	case V_ASN1_UNIVERSALSTRING:
		len = ASN1_STRING_to_UTF8(&text, value->value.asn1_string);
		break;
	default:
		break;
	}
	good = len >= 0 && len <= CHALLENGE_MAX;
	if (good)
		buf_add(&o->r->challenge, text, (size_t)len);
	OPENSSL_clear_free(text, len > 0 ? (size_t)len : 0);

	return good ? 0 : refuse(o, SCEP_BAD_REQUEST);
}

static int
read_csr(struct opening *o, struct bytes plain)
{
	const unsigned char *p = plain.data;
	int r;

	if (plain.len > 0 && plain.len <= INT32_MAX)
		o->r->csr = d2i_X509_REQ(NULL, &p, (long)plain.len);
	if (!o->r->csr || p != plain.data + plain.len)
		return refuse(o, SCEP_BAD_MESSAGE_CHECK);
	r = check_key(o);
	if (r == 0)
		r = check_signer(o);
	if (r == 0)
		r = read_challenge(o);

	return r;
}

static int
read_content(struct opening *o)
{
	struct buf content = BUF_INIT, plain = BUF_INIT;
	int r = verify(o, &content);

	if (r == 0)
		r = read_type(o);
	if (r == 0 && (o->r->type == SCEP_PKCS_REQ || o->r->type == SCEP_RENEWAL_REQ)) {
		r = open_envelope(o, buf_bytes(&content), &plain);
		if (r == 0)
			r = read_csr(o, buf_bytes(&plain));
	}
	buf_wipe(&plain);
	buf_free(&content);
	ERR_clear_error();

	return r;
}

int
scep_open(struct bytes in, X509 *const *cas, EVP_PKEY *const *keys, size_t count, bool allow_sha1,
	struct scep_request **ret, size_t *which, enum scep_fail *fail)
{
	struct opening o = {
		.cas = cas,
		.keys = keys,
		.count = count,
		.allow_sha1 = allow_sha1,
		.fail = SCEP_BAD_REQUEST,
	};
	int r;

	o.cms = cms_parse(in, NID_pkcs7_signed);
	if (!o.cms)
		return -EINVAL;
	o.r = xcalloc(1, sizeof(*o.r));
	o.r->digest = CMS_DIGEST_SHA256;
	o.r->cipher = EVP_aes_128_cbc();
	r = read_sender(&o);
	if (r == 0)
		r = read_content(&o);
	CMS_ContentInfo_free(o.cms);
	if (r == 0 || r == -EPROTO) {
		*ret = o.r;
		*which = o.which;
		*fail = o.fail;
	} else {
		scep_request_free(o.r);
	}

	return r;
}

void
scep_request_free(struct scep_request *r)
{
	if (!r)
		return;
	buf_free(&r->nonce);
	buf_wipe(&r->challenge);
	X509_free(r->signer);
	X509_REQ_free(r->csr);
	EVP_PKEY_free(r->key);
	free(r);
}

static const EVP_MD *
reply_digest(const struct scep_request *r)
{
	switch (r->digest) {
	case CMS_DIGEST_SHA1:
		return EVP_sha1();
	case CMS_DIGEST_SHA384:
		return EVP_sha384();
	case CMS_DIGEST_SHA512:
		return EVP_sha512();
	case CMS_DIGEST_SHA256:
		break;
	}

	return EVP_sha256();
}

static bool
add_attribute(CMS_SignerInfo *si, const char *oid, int type, const void *value, size_t len)
{
	return CMS_signed_add1_attr_by_txt(si, oid, type, value, (int)len) == 1;
}

static bool
add_text(CMS_SignerInfo *si, const char *oid, int type, const char *text)
{
	return add_attribute(si, oid, type, text, strlen(text));
}

/* The attributes that every CertRep has. */
static bool
add_common(CMS_SignerInfo *si, const struct scep_request *r, const char *status)
{
	unsigned char nonce[REPLY_NONCE_LEN];

	random_bytes(nonce, sizeof(nonce));

	return add_text(si, OID_MESSAGE_TYPE, V_ASN1_PRINTABLESTRING, "3") &&
	       add_text(si, OID_STATUS, V_ASN1_PRINTABLESTRING, status) &&
	       add_text(si, OID_TRANSACTION, V_ASN1_PRINTABLESTRING, r->transaction) &&
	       add_attribute(si, OID_SENDER_NONCE, V_ASN1_OCTET_STRING, nonce, sizeof(nonce)) &&
	       add_attribute(
		       si, OID_RECIPIENT_NONCE, V_ASN1_OCTET_STRING, r->nonce.data, r->nonce.len);
}

static bool
add_failure(CMS_SignerInfo *si, enum scep_fail fail, const char *text)
{
	char digit[2] = { (char)('0' + fail), '\0' };

	return add_text(si, OID_FAIL_INFO, V_ASN1_PRINTABLESTRING, digit) &&
	       (!text || add_text(si, OID_FAIL_TEXT, V_ASN1_UTF8STRING, text));
}

/* The reply's signed shell.  `envelope` NULL: a failure, which has no content at all. */
static int
sign_reply(const struct scep_request *r, X509 *ca, EVP_PKEY *key, const struct buf *envelope,
	enum scep_fail fail, const char *text, struct buf *out)
{
	const unsigned flags = CMS_PARTIAL | CMS_BINARY | CMS_NOSMIMECAP |
			       (envelope ? 0u : (unsigned)CMS_DETACHED);
	BIO *content = coding_reader(envelope ? buf_bytes(envelope) : bytes_of(NULL, 0));
	CMS_ContentInfo *cms = CMS_sign(NULL, NULL, NULL, NULL, flags);
	CMS_SignerInfo *si = cms ? CMS_add1_signer(cms, ca, key, reply_digest(r), flags) : NULL;
	unsigned char *der = NULL;
	int len = 0;

	if (content && si && add_common(si, r, envelope ? "0" : "2") &&
		(envelope || add_failure(si, fail, text)) &&
		CMS_final(cms, content, NULL, flags) == 1)
		len = i2d_CMS_ContentInfo(cms, &der);
	CMS_ContentInfo_free(cms);
	BIO_free(content);

	return coding_take_der(out, der, len);
}

/* A SignedData that signs nothing and only carries the certificate. */
static int
wrap_certificate(X509 *issued, struct buf *out)
{
	PKCS7 *p7 = PKCS7_new();
	unsigned char *der = NULL;
	int len = 0;

	if (p7 && PKCS7_set_type(p7, NID_pkcs7_signed) == 1 &&
		PKCS7_content_new(p7, NID_pkcs7_data) == 1 && PKCS7_set_detached(p7, 1) == 1 &&
		PKCS7_add_certificate(p7, issued) == 1)
		len = i2d_PKCS7(p7, &der);
	PKCS7_free(p7);

	return coding_take_der(out, der, len);
}

/* Encrypts to the certificate that signed the request: the device still has its key. */
static int
seal_envelope(const struct scep_request *r, struct bytes plain, struct buf *out)
{
	STACK_OF(X509) *to = sk_X509_new_null();
	CMS_ContentInfo *env = NULL;
	BIO *in = coding_reader(plain);
	unsigned char *der = NULL;
	int len = 0;

	if (to && in && sk_X509_push(to, r->signer) > 0)
		env = CMS_encrypt(to, in, r->cipher, CMS_BINARY);
	if (env)
		len = i2d_CMS_ContentInfo(env, &der);
	CMS_ContentInfo_free(env);
	BIO_free(in);
	sk_X509_free(to);

	return coding_take_der(out, der, len);
}

int
scep_reply_success(
	const struct scep_request *r, X509 *ca, EVP_PKEY *key, X509 *issued, struct buf *out)
{
	struct buf certs = BUF_INIT, envelope = BUF_INIT;
	int ret;

	ERR_clear_error();
	ret = wrap_certificate(issued, &certs);
	if (ret == 0)
		ret = seal_envelope(r, buf_bytes(&certs), &envelope);
	if (ret == 0)
		ret = sign_reply(r, ca, key, &envelope, SCEP_BAD_REQUEST, NULL, out);
	buf_free(&envelope);
	buf_free(&certs);
	ERR_clear_error();

	return ret;
}

int
scep_reply_failure(const struct scep_request *r, X509 *ca, EVP_PKEY *key, enum scep_fail fail,
	const char *text, struct buf *out)
{
	ERR_clear_error();

	return sign_reply(r, ca, key, NULL, fail, text, out);
}

const char *
scep_capabilities(void)
{
	return "POSTPKIOperation\nRenewal\nSHA-256\nSHA-512\nSHA-1\nAES\nDES3\nSCEPStandard\n";
}
