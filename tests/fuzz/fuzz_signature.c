/*
 * fuzz_signature.c - Mdm-Signature against OpenSSL: what is taken here, OpenSSL must take too
 *
 * The fast path knows the forms (pins) that OpenSSL has taken in this process, as the daemon knows
 * those of its devices.
 *
 * input = length of the signature (u16) | signature in DER, encoded here | body
 */
#include <openssl/cms.h>
#include <openssl/err.h>
#include <string.h>

#include "base/encode.h"
#include "fuzz/fuzz.h"
#include "pki/cms.h"
#include "pki/cmsfast.h"

#define PINS 512

static int
openssl_takes(struct bytes der, struct bytes body)
{
	const unsigned char *p = der.data;
	CMS_ContentInfo *cms = d2i_CMS_ContentInfo(NULL, &p, (long)der.len);
	BIO *in = BIO_new_mem_buf(body.data ? (const void *)body.data : "", (int)body.len);
	/* CMS_verify leaks a copy that it makes of a memory BIO, unless a filter is before it */
	BIO *filter = BIO_push(BIO_new(BIO_f_null()), in);
	int r = cms && in ? CMS_verify(cms, NULL, NULL, filter, NULL,
				    CMS_BINARY | CMS_NO_SIGNER_CERT_VERIFY)
			  : 0;

	BIO_free_all(filter);
	CMS_ContentInfo_free(cms);
	ERR_clear_error();
	return r == 1;
}

static void
quick(struct bytes der, struct bytes body)
{
	static unsigned char pins[PINS][SHA256_LEN];
	static struct cmsfast_keys *keys;
	static size_t count;
	struct cmsfast f;
	size_t i = 0;

	if (cmsfast_parse(der, &f))
		return;
	if (!keys)
		keys = cmsfast_keys_new();
	while (i < count && memcmp(pins[i], f.pin, SHA256_LEN) != 0)
		i++;
	if (i < count && cmsfast_verify(&f, body, keys))
		MUST(openssl_takes(der, body));
	if (i == count && count < PINS && openssl_takes(der, body))
		memcpy(pins[count++], f.pin, SHA256_LEN);
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
	quick(der, body);
	/* and the field as it comes */
	signer = NULL;
	if (cms_verify_detached(der, body, true, &signer, &digest) == CMS_OK)
		X509_free(signer);
	MUST(ERR_peek_error() == 0);
	buf_free(&header);
	return 0;
}
