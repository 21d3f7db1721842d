/*
 * fuzz_scep.c - SCEP requests: every layer of one, since a signature or an envelope that is not
 * right would keep the inner ones out of reach
 *
 * input = layer | bytes: 'm' a whole message; 'e' an envelope, signed here; 'r' a request,
 * encrypted and signed here; 'g' the message parameter of a GET
 */
#include <errno.h>
#include <openssl/cms.h>
#include <openssl/err.h>
#include <string.h>

#include "fuzz/fuzz.h"
#include "mdm/scep.h"
#include "pki/key.h"
#include "pki/scep.h"

#define OF_SCEP "2.16.840.1.113733.1.9."
#define OPTIONS (CMS_PARTIAL | CMS_BINARY | CMS_NOSMIMECAP)

static EVP_PKEY *ca_key, *key;
static X509 *ca, *signer;

/* Name and serial are those of the certificate that seeds.py encrypts to. */
static X509 *
certificate(EVP_PKEY *of, const char *cn)
{
	X509 *c = X509_new();
	X509_NAME *name = X509_get_subject_name(c);

	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)cn, -1, -1, 0);
	X509_set_version(c, X509_VERSION_3);
	X509_set_issuer_name(c, name);
	ASN1_INTEGER_set(X509_get_serialNumber(c), 1);
	X509_gmtime_adj(X509_getm_notBefore(c), -60);
	X509_gmtime_adj(X509_getm_notAfter(c), 86400L * 365);
	X509_set_pubkey(c, of);
	MUST(X509_sign(c, of, EVP_sha256()) > 0);
	return c;
}

static void
take(CMS_ContentInfo *cms, struct buf *out)
{
	unsigned char *der = NULL;
	int len = i2d_CMS_ContentInfo(cms, &der);

	MUST(len > 0);
	buf_reset(out);
	buf_add(out, der, (size_t)len);
	OPENSSL_free(der);
	CMS_ContentInfo_free(cms);
}

static void
encrypt(struct bytes request, struct buf *out)
{
	BIO *in = BIO_new_mem_buf(request.len ? (const void *)request.data : "", (int)request.len);
	CMS_ContentInfo *cms = CMS_encrypt(NULL, in, EVP_aes_128_cbc(), CMS_BINARY | CMS_PARTIAL);

	MUST(cms && CMS_add1_recipient_cert(cms, ca, 0));
	MUST(CMS_final(cms, in, NULL, CMS_BINARY) == 1);
	BIO_free(in);
	take(cms, out);
}

static void
sign(struct bytes envelope, struct buf *out)
{
	BIO *in =
		BIO_new_mem_buf(envelope.len ? (const void *)envelope.data : "", (int)envelope.len);
	CMS_ContentInfo *cms = CMS_sign(NULL, NULL, NULL, NULL, OPTIONS);
	CMS_SignerInfo *si = CMS_add1_signer(cms, signer, key, EVP_sha256(), OPTIONS);

	MUST(si);
	CMS_signed_add1_attr_by_txt(si, OF_SCEP "2", V_ASN1_PRINTABLESTRING, "19", 2);
	CMS_signed_add1_attr_by_txt(si, OF_SCEP "5", V_ASN1_OCTET_STRING, "0123456789abcdef", 16);
	CMS_signed_add1_attr_by_txt(si, OF_SCEP "7", V_ASN1_PRINTABLESTRING, "FUZZ", 4);
	MUST(CMS_final(cms, in, NULL, OPTIONS) == 1);
	BIO_free(in);
	take(cms, out);
}

static void
judge(int r, const struct scep_request *q, enum scep_fail fail)
{
	struct buf reply = BUF_INIT;

	if (r == -EINVAL) {
		MUST(!q);
		return;
	}
	MUST(q && q->signer && q->transaction[0] && q->nonce.len > 0);
	if (r == 0 && (q->type == SCEP_PKCS_REQ || q->type == SCEP_RENEWAL_REQ))
		MUST(q->csr && q->key && q->cipher && EVP_PKEY_get_bits(q->key) >= 2048);
	if (r == -EPROTO)
		MUST(scep_reply_failure(q, ca, ca_key, fail, "no", &reply) == 0 && reply.len > 0);
	buf_free(&reply);
}

static void
try(struct bytes message)
{
	struct scep_request *q = NULL;
	enum scep_fail fail = SCEP_BAD_REQUEST;
	size_t which = 0;
	int r = scep_open(message, &ca, &ca_key, 1, true, &q, &which, &fail);

	judge(r, q, fail);
	MUST(which == 0 && ERR_peek_error() == 0);
	scep_request_free(q);
}

static void
start(void)
{
	if (ca)
		return;
	MUST(fuzz_dir());
	ca_key = key_new_rsa(2048);
	key = key_new_rsa(2048);
	ca = certificate(ca_key, "cordon-fuzz");
	signer = certificate(key, "device");
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf envelope = BUF_INIT, message = BUF_INIT;
	struct bytes in = bytes_of(data + 1, size ? size - 1 : 0);

	start();
	switch (size ? data[0] : 0) {
	case 'm':
		try(in);
		break;
	case 'e':
		sign(in, &message);
		try(buf_bytes(&message));
		break;
	case 'r':
		encrypt(in, &envelope);
		sign(buf_bytes(&envelope), &message);
		try(buf_bytes(&message));
		break;
	case 'g':
		buf_add_bytes(&envelope, in);
		buf_add(&envelope, "", 1);
		if (scep_get_message((const char *)envelope.data, &message) == 0)
			try(buf_bytes(&message));
		break;
	default:
		break;
	}
	ERR_clear_error();
	buf_free(&envelope);
	buf_free(&message);
	return 0;
}
