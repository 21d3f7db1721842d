/* cordon-csr-signed.c - a vendor-signed request, read back and judged as the portal would */
#include <errno.h>
#include <openssl/err.h>
#include <string.h>

#include "base/encode.h"
#include "base/proplist.h"
#include "cordon-csr.h"
#include "pki/cert.h"
#include "pki/csr.h"

static int
decode_string(plist_t dict, const char *key, struct buf *out)
{
	const char *text = proplist_str(dict, key);

	return text ? decode_base64_loose(out, bytes_str(text)) : -EINVAL;
}

static bool
is_signature(X509 *signer, struct bytes der, struct bytes sig)
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY *key = X509_get0_pubkey(signer);
	bool ret;

	ERR_clear_error();
	ret = ctx && key && EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, key) == 1 &&
	      EVP_DigestVerify(ctx, sig.data, sig.len, der.data, der.len) == 1;
	EVP_MD_CTX_free(ctx);
	ERR_clear_error();
	return ret;
}

static const char *
judge(STACK_OF(X509) * chain, struct bytes der, struct bytes sig, int64_t now)
{
	X509 *leaf = sk_X509_value(chain, 0);

	if (!is_signature(leaf, der, sig))
		return "the vendor's signature (SHA-256) does not belong to this CSR";
	for (int i = 0; i + 1 < sk_X509_num(chain); i++)
		if (!cert_issued_by(sk_X509_value(chain, i), sk_X509_value(chain, i + 1)))
			return "the vendor's certificate chain is out of order or incomplete";
	if (cert_validity(leaf, now) > 0)
		return "the vendor's certificate has expired";
	return NULL;
}

static int
read_parts(plist_t dict, int64_t now, struct csr_signed *ret)
{
	const char *pem = proplist_str(dict, "PushCertCertificateChain"), *why;
	struct buf der = BUF_INIT, sig = BUF_INIT;
	STACK_OF(X509) *chain = pem ? cert_parse(bytes_str(pem), &why) : NULL;
	int r = -EINVAL;

	if (chain && decode_string(dict, "PushCertRequestCSR", &der) == 0 &&
		decode_string(dict, "PushCertSignature", &sig) == 0) {
		ret->csr = csr_parse(buf_bytes(&der));
		r = ret->csr ? 0 : -EINVAL;
	}
	if (r == 0)
		ret->fault = judge(chain, buf_bytes(&der), buf_bytes(&sig), now);
	sk_X509_pop_free(chain, X509_free);
	buf_free(&der);
	buf_free(&sig);
	return r;
}

int
csr_signed_parse(struct bytes in, int64_t now, struct csr_signed *ret)
{
	plist_t dict = NULL;
	int r;

	memset(ret, 0, sizeof(*ret));
	r = decode_base64_loose(&ret->plist, in);
	if (r == 0)
		r = proplist_parse(buf_bytes(&ret->plist), &dict);
	if (r == 0)
		r = read_parts(dict, now, ret);
	plist_free(dict);
	if (r < 0)
		csr_signed_fini(ret);
	return r < 0 ? -EINVAL : 0;
}

void
csr_signed_fini(struct csr_signed *r)
{
	buf_free(&r->plist);
	X509_REQ_free(r->csr);
	memset(r, 0, sizeof(*r));
}
