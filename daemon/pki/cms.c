/* CMS signatures: the profile that we sign, the Mdm-Signature that devices send */
#include "pki/cms.h"

#include <errno.h>
#include <limits.h>
#include <openssl/cms.h>
#include <openssl/err.h>

#include "base/encode.h"
#include "pki/coding.h"
#include "pki/key.h"

static const struct {
	int nid;
	enum cms_digest digest;
} digests[] = {
	{ NID_sha1, CMS_DIGEST_SHA1 },
	{ NID_sha256, CMS_DIGEST_SHA256 },
	{ NID_sha384, CMS_DIGEST_SHA384 },
	{ NID_sha512, CMS_DIGEST_SHA512 },
};

int
cms_digest_of(int nid, bool allow_sha1, enum cms_digest *ret)
{
	size_t i;

	for (i = 0; i < sizeof(digests) / sizeof(digests[0]); i++) {
		if (digests[i].nid != nid)
			continue;
		if (digests[i].digest == CMS_DIGEST_SHA1 && !allow_sha1)
			return -EINVAL;
		*ret = digests[i].digest;
		return 0;
	}

	return -EINVAL;
}

const char *
cms_fault_words(enum cms_fault f)
{
	static const char *const words[] = {
		[CMS_OK] = "the signature is right",
		[CMS_BASE64] = "the signature is missing, too long or not base64",
		[CMS_MALFORMED] = "the signature is no CMS SignedData",
		[CMS_ATTACHED] = "the signature embeds content instead of signing the body",
		[CMS_SIGNERS] = "the signature has not exactly one signer",
		[CMS_NO_CERT] = "the signer's certificate is not in the signature",
		[CMS_DIGEST] = "the signature's digest algorithm is not allowed",
		[CMS_MISMATCH] = "the signature does not belong to this body",
	};

	return (size_t)f < sizeof(words) / sizeof(words[0]) ? words[f] : "unknown fault";
}

/* Adds what is not there yet: OpenSSL refuses a second copy. */
static int
add_chain(CMS_ContentInfo *cms, X509 *signer, STACK_OF(X509) * chain)
{
	X509 *c;
	int i, j;

	for (i = 0; i < sk_X509_num(chain); i++) {
		c = sk_X509_value(chain, i);
		for (j = 0; j < i && X509_cmp(c, sk_X509_value(chain, j)) != 0; j++)
			;
		if (j < i || X509_cmp(c, signer) == 0)
			continue;
		if (CMS_add1_cert(cms, c) != 1)
			return -EIO;
	}

	return 0;
}

int
cms_sign(X509 *signer, EVP_PKEY *key, STACK_OF(X509) * chain, struct bytes content, struct buf *out)
{
	const unsigned flags = CMS_PARTIAL | CMS_BINARY | CMS_NOSMIMECAP;
	CMS_ContentInfo *cms;
	unsigned char *der = NULL;
	BIO *in = coding_reader(content);
	int len = 0;

	ERR_clear_error();
	cms = CMS_sign(NULL, NULL, NULL, NULL, flags);
	if (in && cms && CMS_add1_signer(cms, signer, key, EVP_sha256(), flags) &&
		add_chain(cms, signer, chain) == 0 && CMS_final(cms, in, NULL, flags) == 1)
		len = i2d_CMS_ContentInfo(cms, &der);
	CMS_ContentInfo_free(cms);
	BIO_free(in);

	return coding_take_der(out, der, len);
}

/*
 * SignedData ::= SEQUENCE { version, digestAlgorithms SET OF ..., ... }.  OpenSSL has no accessor
 * for the set, but makes one filter of each entry and runs the whole body through all of them: a
 * long list costs minutes of hashing, and the stack, since filters call each other.
 */
static bool
one_digest(CMS_ContentInfo *cms)
{
	unsigned char *der = NULL;
	int len;
	struct bytes at;
	bool one;

	ERR_clear_error();
	len = i2d_CMS_ContentInfo(cms, &der);
	ERR_clear_error();
	if (len <= 0)
		return false;
	at = bytes_of(der, (size_t)len);
	one = coding_enter(&at, V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL) &&
	      coding_pass(&at, V_ASN1_OBJECT, V_ASN1_UNIVERSAL) &&
	      coding_enter(&at, 0, V_ASN1_CONTEXT_SPECIFIC) &&
	      coding_enter(&at, V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL) &&
	      coding_pass(&at, V_ASN1_INTEGER, V_ASN1_UNIVERSAL) &&
	      coding_enter(&at, V_ASN1_SET, V_ASN1_UNIVERSAL) &&
	      coding_pass(&at, V_ASN1_SEQUENCE, V_ASN1_UNIVERSAL) && at.len == 0;
	OPENSSL_free(der);

	return one;
}

CMS_ContentInfo *
cms_parse(struct bytes in, int type)
{
	const unsigned char *p = in.data;
	CMS_ContentInfo *cms;

	if (in.len == 0 || in.len > INT_MAX)
		return NULL;
	ERR_clear_error();
	cms = d2i_CMS_ContentInfo(NULL, &p, (long)in.len);
	ERR_clear_error();
	if (cms && (p != in.data + in.len || OBJ_obj2nid(CMS_get0_type(cms)) != type)) {
		CMS_ContentInfo_free(cms);
		return NULL;
	}

	return cms;
}

enum cms_fault
cms_signer(CMS_ContentInfo *cms, CMS_SignerInfo **si, X509 **cert)
{
	STACK_OF(CMS_SignerInfo) *signers = CMS_get0_SignerInfos(cms);
	STACK_OF(X509) * certs;
	int count;

	if (sk_CMS_SignerInfo_num(signers) != 1)
		return CMS_SIGNERS;
	certs = CMS_get1_certs(cms);
	count = sk_X509_num(certs);
	sk_X509_pop_free(certs, X509_free);
	if (count > CMS_CERTS_MAX || !one_digest(cms))
		return CMS_MALFORMED;
	*si = sk_CMS_SignerInfo_value(signers, 0);
	*cert = NULL;
	CMS_set1_signers_certs(cms, NULL, 0);
	CMS_SignerInfo_get0_algs(*si, NULL, cert, NULL, NULL);
	ERR_clear_error();

	return *cert ? CMS_OK : CMS_NO_CERT;
}

int
cms_signer_digest(CMS_SignerInfo *si, bool allow_sha1, enum cms_digest *ret)
{
	X509_ALGOR *alg = NULL;

	CMS_SignerInfo_get0_algs(si, NULL, NULL, &alg, NULL);

	return cms_digest_of(OBJ_obj2nid(alg->algorithm), allow_sha1, ret);
}

bool
cms_verify(CMS_ContentInfo *cms, X509 *cert, BIO *content, BIO *out)
{
	/* CMS_verify makes a copy of its own of a memory BIO, and leaks it when the digests that
	 * the message names are unknown; a filter before it keeps it from that. */
	BIO *filter = content ? BIO_new(BIO_f_null()) : NULL;
	BIO *source = filter ? BIO_push(filter, content) : content;
	EVP_PKEY *key;
	bool right;

	ERR_clear_error();
	key = X509_get0_pubkey(cert);
	/* BINARY, or line ends are changed before they are hashed (facts/protocol.md 0.3). */
	right = key && key_is_ordinary(key) && (!content || filter) &&
		CMS_verify(cms, NULL, NULL, source, out, CMS_BINARY | CMS_NO_SIGNER_CERT_VERIFY) ==
			1;
	if (filter)
		BIO_pop(filter);
	BIO_free(filter);
	ERR_clear_error();

	return right;
}

/* Everything of facts/protocol.md C.3 that can be judged before the body is hashed. */
static enum cms_fault
judge_form(CMS_ContentInfo *cms, bool allow_sha1, X509 **cert, enum cms_digest *digest)
{
	CMS_SignerInfo *si;
	enum cms_fault f;

	if (CMS_is_detached(cms) != 1)
		return CMS_ATTACHED;
	if (OBJ_obj2nid(CMS_get0_eContentType(cms)) != NID_pkcs7_data)
		return CMS_MALFORMED;
	f = cms_signer(cms, &si, cert);
	if (f != CMS_OK)
		return f;

	return cms_signer_digest(si, allow_sha1, digest) == 0 ? CMS_OK : CMS_DIGEST;
}

static enum cms_fault
verify_parsed(CMS_ContentInfo *cms, struct bytes body, bool allow_sha1, X509 **signer,
	enum cms_digest *digest)
{
	enum cms_digest d = CMS_DIGEST_SHA256;
	X509 *cert = NULL;
	enum cms_fault f = judge_form(cms, allow_sha1, &cert, &d);
	BIO *content;

	if (f != CMS_OK)
		return f;
	content = coding_reader(body);
	if (!content || !cms_verify(cms, cert, content, NULL))
		f = CMS_MISMATCH;
	BIO_free(content);
	if (f != CMS_OK)
		return f;
	X509_up_ref(cert);
	*signer = cert;
	*digest = d;

	return CMS_OK;
}

enum cms_fault
cms_verify_detached(struct bytes header, struct bytes body, bool allow_sha1, X509 **signer,
	enum cms_digest *digest)
{
	struct buf der = BUF_INIT;
	enum cms_fault f = CMS_MALFORMED;
	CMS_ContentInfo *cms;

	if (header.len == 0 || header.len > CMS_SIGNATURE_MAX || decode_base64(&der, header)) {
		buf_free(&der);
		return CMS_BASE64;
	}
	cms = cms_parse(buf_bytes(&der), NID_pkcs7_signed);
	if (cms)
		f = verify_parsed(cms, body, allow_sha1, signer, digest);
	CMS_ContentInfo_free(cms);
	buf_free(&der);

	return f;
}

static enum cms_fault
open_parsed(CMS_ContentInfo *cms, X509 **cert, BIO *out)
{
	enum cms_digest ignored;
	CMS_SignerInfo *si;
	enum cms_fault f;

	if (CMS_is_detached(cms) == 1)
		return CMS_MALFORMED;
	f = cms_signer(cms, &si, cert);
	if (f != CMS_OK)
		return f;
	if (cms_signer_digest(si, true, &ignored) < 0)
		return CMS_DIGEST;

	return cms_verify(cms, *cert, NULL, out) ? CMS_OK : CMS_MISMATCH;
}

enum cms_fault
cms_open_signed(struct bytes in, X509 **signer, struct buf *content)
{
	CMS_ContentInfo *cms = cms_parse(in, NID_pkcs7_signed);
	BIO *out = BIO_new(BIO_s_mem());
	enum cms_fault f = CMS_MALFORMED;
	X509 *cert = NULL;

	if (cms && out)
		f = open_parsed(cms, &cert, out);
	if (f == CMS_OK) {
		X509_up_ref(cert);
		*signer = cert;
		coding_take_bio(content, out);
	}
	BIO_free(out);
	CMS_ContentInfo_free(cms);

	return f;
}
