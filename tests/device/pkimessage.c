/* pkimessage.c - the CMS messages of SCEP: a request is built, a reply is taken apart */
#include "pkimessage.h"

#include <openssl/cms.h>
#include <openssl/err.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define OID_MESSAGE_TYPE "2.16.840.1.113733.1.9.2"
#define OID_PKI_STATUS "2.16.840.1.113733.1.9.3"
#define OID_FAIL_INFO "2.16.840.1.113733.1.9.4"
#define OID_SENDER_NONCE "2.16.840.1.113733.1.9.5"
#define OID_RECIPIENT_NONCE "2.16.840.1.113733.1.9.6"
#define OID_TRANSACTION "2.16.840.1.113733.1.9.7"

__attribute__((format(printf, 2, 3))) static bool
fault(char why[256], const char *fmt, ...)
{
	const char *ssl = ERR_reason_error_string(ERR_peek_last_error());
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(why, 256, fmt, ap);
	va_end(ap);
	if (ssl != NULL && n >= 0 && n < 250)
		snprintf(why + n, (size_t)(256 - n), " (%s)", ssl);
	ERR_clear_error();
	return false;
}

static struct blob
drain(BIO *out)
{
	char *data;
	long len = BIO_get_mem_data(out, &data);

	return blob_copy(data, (size_t)len);
}

/* With CMS_STREAM the encoder writes indefinite lengths and chunked octet strings. */
static bool
write_cms(CMS_ContentInfo *cms, const struct blob *content, unsigned flags, struct blob *ret)
{
	BIO *in = BIO_new_mem_buf(content->data, (int)content->len), *out = BIO_new(BIO_s_mem());
	bool ok;

	if (flags & CMS_STREAM)
		ok = i2d_CMS_bio_stream(out, cms, in, (int)flags) == 1;
	else
		ok = CMS_final(cms, in, NULL, flags) == 1 && i2d_CMS_bio(out, cms) == 1;
	if (ok)
		*ret = drain(out);
	BIO_free(in);
	BIO_free(out);
	return ok;
}

static bool
envelop(const struct pkimessage *m, const struct blob *content, struct blob *ret)
{
	unsigned flags = CMS_BINARY | (m->ber ? CMS_STREAM : 0);
	STACK_OF(X509) *to = sk_X509_new_null();
	CMS_ContentInfo *cms;
	bool ok;

	sk_X509_push(to, m->ca);
	cms = CMS_encrypt(to, NULL, m->cipher, flags | CMS_PARTIAL | CMS_STREAM);
	ok = cms != NULL && write_cms(cms, content, flags, ret);
	CMS_ContentInfo_free(cms);
	sk_X509_free(to);
	return ok;
}

static bool
add_text(CMS_SignerInfo *si, const char *oid, const char *text)
{
	return CMS_signed_add1_attr_by_txt(
		       si, oid, V_ASN1_PRINTABLESTRING, text, (int)strlen(text)) == 1;
}

static bool
add_attributes(CMS_SignerInfo *si, const struct pkimessage *m)
{
	return add_text(si, OID_MESSAGE_TYPE, m->type) &&
	       add_text(si, OID_TRANSACTION, m->transaction) &&
	       CMS_signed_add1_attr_by_txt(
		       si, OID_SENDER_NONCE, V_ASN1_OCTET_STRING, m->nonce, PKIMESSAGE_NONCE) == 1;
}

struct blob
pkimessage_build(const struct pkimessage *m, const struct blob *content, char why[256])
{
	unsigned flags = CMS_BINARY | (m->ber ? CMS_STREAM : 0);
	struct blob inner = { NULL, 0 }, out = { NULL, 0 };
	CMS_ContentInfo *cms = NULL;
	CMS_SignerInfo *si = NULL;

	ERR_clear_error();
	if (!envelop(m, content, &inner)) {
		fault(why, "the request cannot be encrypted with %s to the CA",
			EVP_CIPHER_get0_name(m->cipher));
		return out;
	}
	cms = CMS_sign(NULL, NULL, NULL, NULL, flags | CMS_PARTIAL | CMS_STREAM);
	if (cms != NULL)
		si = CMS_add1_signer(cms, m->cert, m->key, m->md, CMS_BINARY | CMS_NOSMIMECAP);
	if (si == NULL || !add_attributes(si, m) || !write_cms(cms, &inner, flags, &out))
		fault(why, "the request cannot be signed");
	CMS_ContentInfo_free(cms);
	blob_free(&inner);
	ERR_clear_error();
	return out;
}

/* Exactly one attribute with one value of the type, or NULL. */
static ASN1_STRING *
attribute(CMS_SignerInfo *si, const char *oid, int type)
{
	ASN1_OBJECT *obj = OBJ_txt2obj(oid, 1);
	ASN1_STRING *s = CMS_signed_get0_data_by_OBJ(si, obj, -3, type);

	ASN1_OBJECT_free(obj);
	ERR_clear_error();
	return s;
}

static bool
same(const ASN1_STRING *s, const void *data, size_t len)
{
	return s != NULL && (size_t)ASN1_STRING_length(s) == len &&
	       memcmp(ASN1_STRING_get0_data(s), data, len) == 0;
}

static char
digit(const ASN1_STRING *s)
{
	return s != NULL && ASN1_STRING_length(s) == 1 ? (char)ASN1_STRING_get0_data(s)[0] : 0;
}

static bool
check_attributes(
	const struct pkimessage *m, CMS_SignerInfo *si, struct pkimessage_reply *ret, char why[256])
{
	ASN1_STRING *sender = attribute(si, OID_SENDER_NONCE, V_ASN1_OCTET_STRING);

	if (!same(attribute(si, OID_MESSAGE_TYPE, V_ASN1_PRINTABLESTRING), PKIMESSAGE_CERT_REP, 1))
		return fault(why, "messageType of the reply is not the PrintableString \"3\"");
	if (!same(attribute(si, OID_TRANSACTION, V_ASN1_PRINTABLESTRING), m->transaction,
		    strlen(m->transaction)))
		return fault(why, "the reply has another transactionID");
	if (!same(attribute(si, OID_RECIPIENT_NONCE, V_ASN1_OCTET_STRING), m->nonce,
		    PKIMESSAGE_NONCE))
		return fault(why, "recipientNonce of the reply is not our senderNonce");
	if (sender == NULL || ASN1_STRING_length(sender) != PKIMESSAGE_NONCE ||
		same(sender, m->nonce, PKIMESSAGE_NONCE))
		return fault(why, "senderNonce of the reply is no fresh one of 16 bytes");
	ret->status = digit(attribute(si, OID_PKI_STATUS, V_ASN1_PRINTABLESTRING));
	ret->info = digit(attribute(si, OID_FAIL_INFO, V_ASN1_PRINTABLESTRING));
	if (ret->status == '2' && (ret->info < '0' || ret->info > '4'))
		return fault(why, "a FAILURE without a failInfo of 0 to 4");
	if (ret->status != '2' && ret->info != 0)
		return fault(why, "a failInfo without FAILURE");
	return (ret->status == '0' || ret->status == '2' || ret->status == '3') ||
	       fault(why, "pkiStatus is none of 0, 2, 3");
}

/* The signature must be of exactly the certificate that GetCACert gave. */
static bool
verify(const struct pkimessage *m, CMS_ContentInfo *cms, struct blob *ret, char why[256])
{
	STACK_OF(X509) *only = sk_X509_new_null();
	BIO *out = BIO_new(BIO_s_mem()), *none = NULL;
	bool absent = CMS_is_detached(cms) == 1, ok;

	sk_X509_push(only, m->ca);
	if (absent) /* FAILURE and PENDING have no content */
		none = BIO_new_mem_buf("", 0);
	ok = CMS_verify(cms, only, NULL, none, out,
		     CMS_BINARY | CMS_NO_SIGNER_CERT_VERIFY | CMS_NOINTERN) == 1;
	if (ok)
		*ret = drain(out);
	BIO_free(out);
	BIO_free(none);
	sk_X509_free(only);
	return ok || fault(why, "the reply is not signed by the CA certificate of GetCACert");
}

static bool
decrypt(const struct pkimessage *m, const struct blob *envelope, struct blob *ret, char why[256])
{
	const unsigned char *at = envelope->data;
	BIO *out = BIO_new(BIO_s_mem());
	CMS_ContentInfo *cms = NULL;
	bool ok = false;

	if (envelope->len == 0)
		fault(why, "SUCCESS without content");
	else if ((cms = d2i_CMS_ContentInfo(NULL, &at, (long)envelope->len)) == NULL ||
		 at != envelope->data + envelope->len ||
		 OBJ_obj2nid(CMS_get0_type(cms)) != NID_pkcs7_enveloped)
		fault(why, "the content of the reply is no EnvelopedData");
	else if (CMS_decrypt(cms, m->key, m->cert, NULL, out, CMS_BINARY) != 1)
		fault(why, "the reply does not decrypt with the key that signed the request");
	else
		ok = true;
	if (ok)
		*ret = drain(out);
	CMS_ContentInfo_free(cms);
	BIO_free(out);
	return ok;
}

bool
pkimessage_open(const struct pkimessage *m, const struct blob *data, struct pkimessage_reply *ret,
	char why[256])
{
	const unsigned char *at = data->data;
	struct blob envelope = { NULL, 0 };
	STACK_OF(CMS_SignerInfo) * infos;
	CMS_ContentInfo *cms;
	bool ok = false;

	memset(ret, 0, sizeof(*ret));
	ERR_clear_error();
	cms = data->len > 0 ? d2i_CMS_ContentInfo(NULL, &at, (long)data->len) : NULL;
	if (cms == NULL || at != data->data + data->len ||
		OBJ_obj2nid(CMS_get0_type(cms)) != NID_pkcs7_signed) {
		fault(why, "the reply is no CMS SignedData");
		goto end;
	}
	infos = CMS_get0_SignerInfos(cms);
	if (infos == NULL || sk_CMS_SignerInfo_num(infos) != 1) {
		fault(why, "the reply has not exactly one signer");
		goto end;
	}
	ok = verify(m, cms, &envelope, why) &&
	     check_attributes(m, sk_CMS_SignerInfo_value(infos, 0), ret, why);
	if (ok && ret->status == '0')
		ok = decrypt(m, &envelope, &ret->content, why);
end:
	blob_free(&envelope);
	CMS_ContentInfo_free(cms);
	ERR_clear_error();
	return ok;
}
