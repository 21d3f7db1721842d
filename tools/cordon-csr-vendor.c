/* cordon-csr-vendor.c - signing with an own MDM vendor certificate, as Apple's portal wants it */
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/proplist.h"
#include "cordon-csr.h"
#include "pki/cert.h"
#include "pki/certpair.h"
#include "pki/csr.h"
#include "pki/key.h"

#define CHAIN_MAX 8
#define BITS_MIN 2048

static int
load_key(const struct site *s, struct csr_vendor *v)
{
	char *path = site_path(s, "vendor.key"), bad[256];
	struct buf content = BUF_INIT;
	const char *why = NULL;
	struct stat st;
	int r = site_read(path, CSR_FILE_MAX, &content, &st);

	if (r == EX_OK && file_key_check(&st, bad, sizeof(bad)) < 0)
		r = tool_fail(EX_NOPERM, "%s: %s (chown root:root %s; chmod 600 %s)", path, bad,
			path, path);
	if (r == EX_OK) {
		v->key = key_parse(buf_bytes(&content), &why);
		if (!v->key)
			r = tool_fail(EX_DATAERR, "%s: %s", path, why);
	}
	if (r == EX_OK && (!EVP_PKEY_is_a(v->key, "RSA") || EVP_PKEY_get_bits(v->key) < BITS_MIN))
		r = tool_fail(EX_DATAERR,
			"%s: is no RSA key of %d bits or more, which Apple asks of vendors", path,
			BITS_MIN);
	buf_wipe(&content);
	free(path);
	return r;
}

static X509 *
issuer_of(STACK_OF(X509) * certs, X509 *c)
{
	for (int i = 0; i < sk_X509_num(certs); i++)
		if (X509_cmp(sk_X509_value(certs, i), c) != 0 &&
			cert_issued_by(c, sk_X509_value(certs, i)))
			return sk_X509_value(certs, i);
	return NULL;
}

/* Leaf to root, in whatever order the file has them. */
static STACK_OF(X509) * ordered(STACK_OF(X509) * certs, X509 *leaf)
{
	STACK_OF(X509) *chain = sk_X509_new_null();

	for (X509 *c = leaf; chain && c && sk_X509_num(chain) < CHAIN_MAX;) {
		if (X509_up_ref(c) != 1 || sk_X509_push(chain, c) == 0)
			abort(); /* out of memory, as in xmalloc */
		c = cert_issued_by(c, c) ? NULL : issuer_of(certs, c);
	}
	return chain;
}

static int
judge_chain(const struct csr_vendor *v, const char *path)
{
	X509 *leaf = sk_X509_value(v->chain, 0);
	X509 *last = sk_X509_value(v->chain, sk_X509_num(v->chain) - 1);
	struct buf issuer = BUF_INIT;
	int64_t now = clock_wall();
	char date[24];
	int r = EX_OK;

	cert_issuer(last, &issuer);
	if (!cert_issued_by(last, last))
		r = tool_fail(EX_DATAERR,
			"%s: the chain is not complete: the certificate \"%s\" is missing. Append "
			"Apple's WWDR intermediate and Apple Root CA as PEM, from "
			"https://www.apple.com/certificateauthority/",
			path, buf_str(&issuer));
	else if (cert_validity(leaf, now) > 0)
		r = tool_fail(EX_DATAERR,
			"%s: the vendor certificate expired on %s, and Apple's portal refuses what "
			"it signs: renew it in Apple's developer portal",
			path, clock_date(cert_not_after(leaf), date, sizeof(date)));
	else if (cert_validity(leaf, now) < 0)
		r = tool_fail(EX_DATAERR,
			"%s: the vendor certificate is not valid before %s: is the clock right?",
			path, clock_date(cert_not_before(leaf), date, sizeof(date)));
	buf_free(&issuer);
	return r;
}

static int
load_chain(const struct site *s, struct csr_vendor *v)
{
	char *path = site_path(s, "vendor.crt");
	struct buf content = BUF_INIT;
	STACK_OF(X509) *certs = NULL;
	unsigned char spki[SHA256_LEN];
	const char *why = NULL;
	X509 *leaf = NULL;
	int r = site_read(path, CSR_FILE_MAX, &content, NULL);

	if (r == EX_OK) {
		certs = cert_parse(buf_bytes(&content), &why);
		if (!certs)
			r = tool_fail(EX_DATAERR, "%s: %s", path, why);
	}
	if (r == EX_OK && key_spki_sha256(v->key, spki) == 0)
		leaf = certpair_leaf_of(certs, spki);
	if (r == EX_OK && !leaf)
		r = tool_fail(EX_DATAERR, "%s: vendor.key does not belong to it", path);
	if (r == EX_OK) {
		v->chain = ordered(certs, leaf);
		r = judge_chain(v, path);
	}
	sk_X509_pop_free(certs, X509_free);
	buf_free(&content);
	free(path);
	return r;
}

int
csr_vendor_load(const struct site *s, struct csr_vendor *v)
{
	int r = load_key(s, v);

	return r == EX_OK ? load_chain(s, v) : r;
}

void
csr_vendor_fini(struct csr_vendor *v)
{
	EVP_PKEY_free(v->key);
	sk_X509_pop_free(v->chain, X509_free);
	memset(v, 0, sizeof(*v));
}

/* RSA PKCS#1 v1.5 with SHA-256 over the DER of the CSR. */
static int
add_signature(EVP_PKEY *key, struct bytes der, struct buf *out)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	unsigned char sig[1024];
	size_t len = sizeof(sig);
	int r = -EIO;

	ERR_clear_error();
	if (ctx && EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
		EVP_DigestSign(ctx, sig, &len, der.data, der.len) == 1) {
		buf_add(out, sig, len);
		r = 0;
	}
	EVP_MD_CTX_free(ctx);
	ERR_clear_error();
	return r;
}

static void
set_string(plist_t dict, const char *key, struct buf *text)
{
	plist_dict_set_item(dict, key, plist_new_string(buf_str(text)));
}

int
csr_vendor_sign(const struct csr_vendor *v, X509_REQ *csr, struct buf *out)
{
	struct buf der = BUF_INIT, sig = BUF_INIT, xml = BUF_INIT;
	struct buf csr64 = BUF_INIT, sig64 = BUF_INIT, pem = BUF_INIT;
	plist_t dict = NULL;
	int r = csr_to_der(csr, &der);

	if (r == 0)
		r = add_signature(v->key, buf_bytes(&der), &sig);
	for (int i = 0; r == 0 && i < sk_X509_num(v->chain); i++)
		r = cert_to_pem(sk_X509_value(v->chain, i), &pem);
	if (r == 0) {
		encode_base64(&csr64, buf_bytes(&der), 0);
		encode_base64(&sig64, buf_bytes(&sig), 0);
		dict = plist_new_dict();
		set_string(dict, "PushCertCertificateChain", &pem);
		set_string(dict, "PushCertRequestCSR", &csr64);
		set_string(dict, "PushCertSignature", &sig64);
		proplist_to_xml(dict, &xml);
		encode_base64(out, buf_bytes(&xml), 0);
		plist_free(dict);
	}
	buf_free(&der);
	buf_free(&sig);
	buf_free(&xml);
	buf_free(&csr64);
	buf_free(&sig64);
	buf_free(&pem);
	return r;
}

const char *
csr_request_fault(X509_REQ *csr)
{
	EVP_PKEY *key = X509_REQ_get0_pubkey(csr);
	int digest = NID_undef, r;

	if (!key || !EVP_PKEY_is_a(key, "RSA"))
		return "its key is no RSA key: Apple's portal takes RSA of 2048 bits only";
	if (EVP_PKEY_get_bits(key) < BITS_MIN)
		return "its RSA key is too short: Apple's portal takes 2048 bits";
	OBJ_find_sigid_algs(X509_REQ_get_signature_nid(csr), &digest, NULL);
	if (digest == NID_sha1 || digest == NID_md5)
		return "it is signed with SHA-1 or MD5, which Apple does not take: make it anew "
		       "with SHA-256";
	ERR_clear_error();
	r = X509_REQ_verify(csr, key);
	ERR_clear_error();
	return r == 1 ? NULL : "its own signature is wrong: it was changed or damaged";
}
