/*
 * fuzz_signature.c - Mdm-Signature against OpenSSL: what is taken here, OpenSSL must take too
 *
 * input = length of the signature (u16) | signature in DER, encoded here | body
 */
#include <openssl/cms.h>
#include <openssl/err.h>

#include "base/encode.h"
#include "fuzz/fuzz.h"
#include "pki/cms.h"

static int
openssl_takes(struct bytes der, struct bytes body)
{
	const unsigned char *p = der.data;
	CMS_ContentInfo *cms = d2i_CMS_ContentInfo(NULL, &p, (long)der.len);
	BIO *in = BIO_new_mem_buf(body.data ? (const void *)body.data : "", (int)body.len);
	int r = cms && in ? CMS_verify(cms, NULL, NULL, in, NULL,
				    CMS_BINARY | CMS_NO_SIGNER_CERT_VERIFY)
			  : 0;

	BIO_free(in);
	CMS_ContentInfo_free(cms);
	ERR_clear_error();
	return r == 1;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf header = BUF_INIT;
	enum cms_digest digest;
	X509 *signer = NULL;

	if (size < 2 || bytes_u16(data) > size - 2)
		return 0;

	struct bytes der = bytes_of(data + 2, bytes_u16(data));
	struct bytes body = bytes_of(der.data + der.len, size - 2 - der.len);

	encode_base64(&header, der, 0);
	if (cms_verify_detached(buf_bytes(&header), body, true, &signer, &digest) == CMS_OK) {
		MUST(signer);
		MUST(openssl_takes(der, body));
		X509_free(signer);
	}
	/* and the field as it comes */
	signer = NULL;
	if (cms_verify_detached(der, body, true, &signer, &digest) == CMS_OK)
		X509_free(signer);
	MUST(ERR_peek_error() == 0);
	buf_free(&header);
	return 0;
}
