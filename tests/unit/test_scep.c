/* Tests of daemon/pki/scep: a client of its own against the server's half */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pkcs7.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "pki/ca.h"
#include "pki/cert.h"
#include "pki/csr.h"
#include "pki/key.h"
#include "pki/scep.h"
#include "pki_help.h"

#define OID(n) "2.16.840.1.113733.1.9." #n
#define NONCE "0123456789abcdef"
#define CHALLENGE "4f1c-challenge"

static X509 *ssc, *old_ssc, *temporary;

/* A request, as a client may make it. */
struct recipe {
	EVP_PKEY *csr_key, *signer_key;
	X509 *signer, *recipient;
	const EVP_CIPHER *cipher;
	const EVP_MD *md, *csr_md;
	const char *type, *transaction;
	size_t transaction_len; /* 0: of the string */
	int text_type;		/* of type and transaction */
	const char *nonce;
	size_t nonce_len;
	const void *challenge; /* NULL: none */
	size_t challenge_len;
	int challenge_type;
	const void *content;	 /* instead of a CSR */
	const char *twice;	 /* OID of an attribute that is there twice */
	EVP_PKEY *second_signer; /* NULL: one */
	unsigned recipient_flags;
	int envelope_nid; /* 0: as encrypted */
	bool stream, two_recipients, break_csr, break_key, two_challenges, two_values;
};

static struct recipe
usual(void)
{
	return (struct recipe){
		.csr_key = help_key(1),
		.signer_key = help_key(1),
		.signer = temporary,
		.recipient = ssc,
		.cipher = EVP_aes_128_cbc(),
		.md = EVP_sha256(),
		.csr_md = EVP_sha256(),
		.type = "19",
		.transaction = "AB12",
		.text_type = V_ASN1_PRINTABLESTRING,
		.nonce = NONCE,
		.nonce_len = 16,
		.challenge = CHALLENGE,
		.challenge_len = sizeof(CHALLENGE) - 1,
		.challenge_type = V_ASN1_PRINTABLESTRING,
	};
}

static void
take(unsigned char *der, int len, struct buf *out)
{
	assert_true(len > 0);
	buf_reset(out);
	buf_add(out, der, (size_t)len);
	OPENSSL_free(der);
}

static void
add_challenge(const struct recipe *w, X509_REQ *r, int nid)
{
	assert_int_equal(X509_REQ_add1_attr_by_NID(
				 r, nid, w->challenge_type, w->challenge, (int)w->challenge_len),
		1);
}

static void
make_csr(const struct recipe *w, struct buf *out)
{
	X509_REQ *r = X509_REQ_new();
	unsigned char *der = NULL;

	X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(r), "CN", MBSTRING_UTF8,
		(const unsigned char *)"phone", -1, -1, 0);
	assert_int_equal(X509_REQ_set_pubkey(r, w->csr_key), 1);
	if (w->challenge)
		add_challenge(w, r, NID_pkcs9_challengePassword);
	if (w->two_values)
		assert_int_equal(X509_ATTRIBUTE_set1_data(X509_REQ_get_attr(r, 0),
					 w->challenge_type, w->challenge, (int)w->challenge_len),
			1);
	if (w->two_challenges) {
		/* OpenSSL refuses to add the same one twice, but not to rename another. */
		add_challenge(w, r, NID_pkcs9_unstructuredName);
		assert_int_equal(X509_ATTRIBUTE_set1_object(X509_REQ_get_attr(r, 1),
					 OBJ_nid2obj(NID_pkcs9_challengePassword)),
			1);
	}
	assert_true(X509_REQ_sign(r, w->csr_key, w->csr_md) > 0);
	take(der, i2d_X509_REQ(r, &der), out);
	if (w->break_csr)
		out->data[out->len - 1] ^= 1;
	X509_REQ_free(r);
}

/* What OpenSSL's own functions would not write. */
static void
damage_envelope(const struct recipe *w, struct buf *env)
{
	const unsigned char *p = env->data;
	PKCS7 *p7 = d2i_PKCS7(NULL, &p, (long)env->len);
	PKCS7_RECIP_INFO *ri;
	unsigned char *der = NULL;

	assert_non_null(p7);
	if (w->envelope_nid) {
		X509_ALGOR *alg = p7->d.enveloped->enc_data->algorithm;

		ASN1_OBJECT_free(alg->algorithm);
		alg->algorithm = OBJ_nid2obj(w->envelope_nid);
	}
	if (w->break_key) {
		ri = sk_PKCS7_RECIP_INFO_value(p7->d.enveloped->recipientinfo, 0);
		ri->enc_key->data[ri->enc_key->length - 5] ^= 0x20;
	}
	take(der, i2d_PKCS7(p7, &der), env);
	PKCS7_free(p7);
}

static void
make_envelope(const struct recipe *w, struct buf *out)
{
	struct buf csr = BUF_INIT;
	CMS_ContentInfo *env;
	unsigned char *der = NULL;
	BIO *in;

	if (w->content)
		buf_add_str(&csr, w->content);
	else
		make_csr(w, &csr);
	in = BIO_new_mem_buf(csr.data, (int)csr.len);
	env = CMS_encrypt(NULL, in, w->cipher, CMS_BINARY | CMS_PARTIAL);
	assert_non_null(CMS_add1_recipient_cert(env, w->recipient, w->recipient_flags));
	if (w->two_recipients)
		assert_non_null(CMS_add1_recipient_cert(env, old_ssc, 0));
	assert_int_equal(CMS_final(env, in, NULL, CMS_BINARY), 1);
	take(der, i2d_CMS_ContentInfo(env, &der), out);
	if (w->envelope_nid || w->break_key)
		damage_envelope(w, out);
	CMS_ContentInfo_free(env);
	BIO_free(in);
	buf_free(&csr);
}

static void
add_attribute(const struct recipe *w, CMS_SignerInfo *si, const char *oid, int type, const void *p,
	size_t len)
{
	X509_ATTRIBUTE *a;
	int at;

	if (!p)
		return;
	assert_int_equal(CMS_signed_add1_attr_by_txt(si, oid, type, p, (int)len), 1);
	if (!w->twice || strcmp(w->twice, oid) != 0)
		return;
	at = CMS_signed_get_attr_count(si) - 1;
	a = CMS_signed_get_attr(si, at);
	assert_int_equal(X509_ATTRIBUTE_set1_data(a, type, p, (int)len), 1);
}

static void
make_request(const struct recipe *w, struct buf *out)
{
	const unsigned flags =
		CMS_PARTIAL | CMS_BINARY | CMS_NOSMIMECAP | (w->stream ? (unsigned)CMS_STREAM : 0u);
	struct buf env = BUF_INIT;
	CMS_ContentInfo *cms = CMS_sign(NULL, NULL, NULL, NULL, flags);
	CMS_SignerInfo *si = CMS_add1_signer(cms, w->signer, w->signer_key, w->md, flags);
	unsigned char *der = NULL;
	char *data = NULL;
	BIO *in, *stream;
	long len;

	assert_non_null(si);
	make_envelope(w, &env);
	add_attribute(w, si, OID(2), w->text_type, w->type, w->type ? strlen(w->type) : 0);
	add_attribute(w, si, OID(5), V_ASN1_OCTET_STRING, w->nonce, w->nonce_len);
	add_attribute(w, si, OID(7), w->text_type, w->transaction,
		w->transaction_len ? w->transaction_len
				   : (w->transaction ? strlen(w->transaction) : 0));
	if (w->second_signer) {
		X509 *other = help_self_signed(w->second_signer, "second", EVP_sha256());

		assert_non_null(CMS_add1_signer(cms, other, w->second_signer, w->md, flags));
		X509_free(other);
	}
	in = BIO_new_mem_buf(env.data, (int)env.len);
	if (w->stream) {
		stream = BIO_new(BIO_s_mem());
		assert_int_equal(i2d_CMS_bio_stream(stream, cms, in, (int)flags), 1);
		len = BIO_get_mem_data(stream, &data);
		buf_reset(out);
		buf_add(out, data, (size_t)len);
		BIO_free(stream);
	} else {
		assert_int_equal(CMS_final(cms, in, NULL, flags), 1);
		take(der, i2d_CMS_ContentInfo(cms, &der), out);
	}
	BIO_free(in);
	CMS_ContentInfo_free(cms);
	buf_free(&env);
	ERR_clear_error();
}

/* What came of a request. */
struct outcome {
	int r;
	struct scep_request *req;
	size_t which;
	enum scep_fail fail;
};

static struct outcome
open_bytes(struct bytes in, bool allow_sha1)
{
	X509 *cas[] = { ssc, old_ssc };
	EVP_PKEY *keys[] = { help_key(0), help_key(3) };
	struct outcome o = { .which = 99, .fail = SCEP_BAD_CERT_ID };

	o.r = scep_open(in, cas, keys, 2, allow_sha1, &o.req, &o.which, &o.fail);
	assert_int_equal(ERR_peek_error(), 0);
	if (o.r == -EINVAL) {
		assert_null(o.req);
	} else {
		assert_non_null(o.req);
		assert_non_null(o.req->signer);
		assert_true(o.req->transaction[0] != '\0' && o.req->nonce.len > 0);
		assert_in_range(o.which, 0, 1);
	}

	return o;
}

static struct outcome
try(const struct recipe *w, bool allow_sha1)
{
	struct buf request = BUF_INIT;
	struct outcome o;

	make_request(w, &request);
	o = open_bytes(buf_bytes(&request), allow_sha1);
	buf_free(&request);

	return o;
}

static void
expect(const struct recipe *w, int r, enum scep_fail fail)
{
	struct outcome o = try(w, true);

	assert_int_equal(o.r, r);
	if (r == -EPROTO)
		assert_int_equal(o.fail, fail);
	scep_request_free(o.req);
}

static void
test_first(void **state)
{
	struct recipe w = usual();
	struct outcome o = try(&w, false);
	unsigned char spki[SHA256_LEN];

	(void)state;
	assert_int_equal(o.r, 0);
	assert_int_equal(o.which, 0);
	assert_int_equal(o.req->type, SCEP_PKCS_REQ);
	assert_string_equal(o.req->transaction, "AB12");
	assert_true(bytes_eq_str(buf_bytes(&o.req->nonce), NONCE));
	assert_true(bytes_eq_str(buf_bytes(&o.req->challenge), CHALLENGE));
	assert_true(o.req->self_signed);
	assert_int_equal(X509_cmp(o.req->signer, temporary), 0);
	assert_int_equal(EVP_PKEY_eq(o.req->key, help_key(1)), 1);
	key_spki_sha256(help_key(1), spki);
	assert_memory_equal(spki, o.req->spki, SHA256_LEN);
	assert_int_equal(o.req->digest, CMS_DIGEST_SHA256);
	scep_request_free(o.req);
	scep_request_free(NULL);
}

static struct bytes
attribute_of(CMS_SignerInfo *si, const char *oid, int type)
{
	ASN1_OBJECT *obj = OBJ_txt2obj(oid, 1);
	const ASN1_STRING *s = CMS_signed_get0_data_by_OBJ(si, obj, -3, type);

	ASN1_OBJECT_free(obj);
	if (!s)
		return bytes_of(NULL, 0);

	return bytes_of(ASN1_STRING_get0_data(s), (size_t)ASN1_STRING_length(s));
}

/* Checks what Apple's client checks of every CertRep; the envelope goes to `content`. */
static CMS_ContentInfo *
check_reply(const struct buf *reply, X509 *ca, const struct recipe *w, const char *status,
	struct buf *content)
{
	const unsigned char *p = reply->data;
	CMS_ContentInfo *cms = d2i_CMS_ContentInfo(NULL, &p, (long)reply->len);
	BIO *out = BIO_new(BIO_s_mem());
	STACK_OF(X509) * certs;
	CMS_SignerInfo *si;
	X509_ALGOR *dig;
	char *data = NULL;
	long len;

	assert_non_null(cms);
	assert_ptr_equal(p, reply->data + reply->len);
	certs = CMS_get1_certs(cms);
	assert_int_equal(sk_X509_num(certs), 1);
	assert_int_equal(X509_cmp(sk_X509_value(certs, 0), ca), 0);
	sk_X509_pop_free(certs, X509_free);
	if (content) {
		assert_int_equal(CMS_verify(cms, NULL, NULL, NULL, out,
					 CMS_BINARY | CMS_NO_SIGNER_CERT_VERIFY),
			1);
		len = BIO_get_mem_data(out, &data);
		buf_add(content, data, (size_t)len);
	} else {
		BIO *none = BIO_new_mem_buf("", 0);

		assert_int_equal(CMS_is_detached(cms), 1);
		assert_int_equal(CMS_verify(cms, NULL, NULL, none, NULL,
					 CMS_BINARY | CMS_NO_SIGNER_CERT_VERIFY),
			1);
		BIO_free(none);
	}
	si = sk_CMS_SignerInfo_value(CMS_get0_SignerInfos(cms), 0);
	CMS_SignerInfo_get0_algs(si, NULL, NULL, &dig, NULL);
	assert_int_equal(OBJ_obj2nid(dig->algorithm), EVP_MD_get_type(w->md));
	assert_true(bytes_eq_str(attribute_of(si, OID(2), V_ASN1_PRINTABLESTRING), "3"));
	assert_true(bytes_eq_str(attribute_of(si, OID(3), V_ASN1_PRINTABLESTRING), status));
	assert_true(bytes_eq_str(attribute_of(si, OID(7), V_ASN1_PRINTABLESTRING), w->transaction));
	assert_true(bytes_eq_str(attribute_of(si, OID(6), V_ASN1_OCTET_STRING), w->nonce));
	assert_int_equal(attribute_of(si, OID(5), V_ASN1_OCTET_STRING).len, 16);
	assert_false(bytes_eq_str(attribute_of(si, OID(5), V_ASN1_OCTET_STRING), w->nonce));
	BIO_free(out);

	return cms;
}

/* Opens the envelope with the key of the request's signer; the certificate in it is returned. */
static X509 *
open_reply(const struct buf *envelope, const struct recipe *w)
{
	const unsigned char *p = envelope->data;
	CMS_ContentInfo *env = d2i_CMS_ContentInfo(NULL, &p, (long)envelope->len);
	PKCS7 *outer, *inner;
	BIO *out = BIO_new(BIO_s_mem());
	X509 *c;

	assert_non_null(env);
	p = envelope->data;
	outer = d2i_PKCS7(NULL, &p, (long)envelope->len);
	assert_int_equal(OBJ_obj2nid(outer->d.enveloped->enc_data->algorithm->algorithm),
		EVP_CIPHER_get_nid(w->cipher));
	PKCS7_free(outer);
	assert_int_equal(CMS_decrypt(env, w->signer_key, w->signer, NULL, out, CMS_BINARY), 1);
	inner = d2i_PKCS7_bio(out, NULL);
	assert_non_null(inner);
	assert_true(PKCS7_type_is_signed(inner));
	assert_int_equal(sk_X509_num(inner->d.sign->cert), 1);
	assert_int_equal(sk_PKCS7_SIGNER_INFO_num(inner->d.sign->signer_info), 0);
	c = sk_X509_value(inner->d.sign->cert, 0);
	X509_up_ref(c);
	PKCS7_free(inner);
	BIO_free(out);
	CMS_ContentInfo_free(env);

	return c;
}

static void
round_trip(const struct recipe *w)
{
	struct outcome o = try(w, true);
	X509 *ca = o.which ? old_ssc : ssc;
	EVP_PKEY *ca_key = o.which ? help_key(3) : help_key(0);
	struct ca_identity id = {
		.common_name = "x", .number = HELP_NUMBER, .now = help_today(), .lifetime = HELP_DAY
	};
	struct buf reply = BUF_INIT, envelope = BUF_INIT;
	X509 *issued, *got;

	assert_int_equal(o.r, 0);
	id.subject_key = o.req->key;
	issued = ca_issue_identity(ca, ca_key, &id);
	assert_int_equal(scep_reply_success(o.req, ca, ca_key, issued, &reply), 0);
	CMS_ContentInfo_free(check_reply(&reply, ca, w, "0", &envelope));
	got = open_reply(&envelope, w);
	assert_int_equal(X509_cmp(got, issued), 0);
	help_write("reply", buf_bytes(&reply));
	help_write_cert("issued.pem", issued);
	X509_free(got);
	X509_free(issued);
	buf_free(&reply);
	buf_free(&envelope);
	scep_request_free(o.req);
}

/* Every cipher with every digest, answered in kind. */
static void
test_in_kind(void **state)
{
	const EVP_CIPHER *const ciphers[] = { EVP_aes_128_cbc(), EVP_aes_192_cbc(),
		EVP_aes_256_cbc(), EVP_des_ede3_cbc() };
	const EVP_MD *const mds[] = { EVP_sha1(), EVP_sha256(), EVP_sha384(), EVP_sha512() };
	struct recipe w = usual();
	size_t i, j;

	(void)state;
	for (i = 0; i < 4; i++) {
		for (j = 0; j < 4; j++) {
			w.cipher = ciphers[i];
			w.md = mds[j];
			round_trip(&w);
		}
	}
}

/* Another program reads the answer too. */
static void
test_foreign_reader(void **state)
{
	struct recipe w = usual();

	(void)state;
	round_trip(&w);
	help_write_cert("temp.pem", temporary);
	help_write_key("temp.key", help_key(1));
	help_run(0, "openssl cms -verify -inform DER -noverify -binary -in reply -out env");
	help_run(0,
		"openssl cms -decrypt -inform DER -binary -in env -recip temp.pem -inkey temp.key "
		"-out p7");
	help_run(0, "openssl pkcs7 -inform DER -in p7 -print_certs | openssl x509 >got.pem");
	help_run(0, "cmp got.pem issued.pem");
}

static void
test_failure(void **state)
{
	static const enum scep_fail fails[] = { SCEP_BAD_ALG, SCEP_BAD_MESSAGE_CHECK,
		SCEP_BAD_REQUEST, SCEP_BAD_TIME, SCEP_BAD_CERT_ID };
	struct recipe w = usual();
	struct outcome o = try(&w, true);
	CMS_ContentInfo *cms;
	CMS_SignerInfo *si;
	char digit[2] = "0";
	size_t i;

	(void)state;
	for (i = 0; i < 5; i++) {
		struct buf reply = BUF_INIT;
		const char *text = i % 2 ? "ungültig" : NULL;

		assert_int_equal(
			scep_reply_failure(o.req, ssc, help_key(0), fails[i], text, &reply), 0);
		cms = check_reply(&reply, ssc, &w, "2", NULL);
		si = sk_CMS_SignerInfo_value(CMS_get0_SignerInfos(cms), 0);
		digit[0] = (char)('0' + i);
		assert_true(bytes_eq_str(attribute_of(si, OID(4), V_ASN1_PRINTABLESTRING), digit));
		assert_true(bytes_eq_str(attribute_of(si, "1.3.6.1.5.5.7.24.1", V_ASN1_UTF8STRING),
			text ? text : ""));
		CMS_ContentInfo_free(cms);
		buf_free(&reply);
	}
	scep_request_free(o.req);
}

/* Indefinite lengths and content in pieces, inside and out. */
static void
test_ber(void **state)
{
	struct recipe w = usual();
	struct buf der = BUF_INIT, ber = BUF_INIT;
	struct outcome o;

	(void)state;
	make_request(&w, &der);
	help_to_ber(buf_bytes(&der), &ber);
	assert_int_equal(ber.data[1], 0x80);
	o = open_bytes(buf_bytes(&ber), true);
	assert_int_equal(o.r, 0);
	assert_true(bytes_eq_str(buf_bytes(&o.req->challenge), CHALLENGE));
	scep_request_free(o.req);
	w.stream = true;
	make_request(&w, &der);
	assert_int_equal(der.data[1], 0x80);
	o = open_bytes(buf_bytes(&der), true);
	assert_int_equal(o.r, 0);
	scep_request_free(o.req);
	buf_free(&der);
	buf_free(&ber);
}

static void
test_digests(void **state)
{
	struct recipe w = usual();
	struct outcome o;

	(void)state;
	w.md = EVP_md5();
	expect(&w, -EPROTO, SCEP_BAD_ALG);
	w.md = EVP_sha224();
	expect(&w, -EPROTO, SCEP_BAD_ALG);
	w = usual();
	w.csr_md = EVP_md5();
	expect(&w, -EPROTO, SCEP_BAD_ALG);
	w = usual();
	w.md = EVP_sha1();
	o = try(&w, false);
	assert_int_equal(o.r, -EPROTO);
	assert_int_equal(o.fail, SCEP_BAD_ALG);
	scep_request_free(o.req);
	w = usual();
	w.csr_md = EVP_sha1();
	o = try(&w, false);
	assert_int_equal(o.r, -EPROTO);
	assert_int_equal(o.fail, SCEP_BAD_ALG);
	scep_request_free(o.req);
	w.md = EVP_sha1();
	o = try(&w, true);
	assert_int_equal(o.r, 0);
	assert_int_equal(o.req->digest, CMS_DIGEST_SHA1);
	scep_request_free(o.req);
}

static void
test_ciphers(void **state)
{
	static const int bad[] = { NID_des_cbc, NID_rc2_cbc, NID_rc4, NID_aes_128_gcm,
		NID_camellia_128_cbc, NID_idea_cbc };
	struct recipe w = usual();
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		w.envelope_nid = bad[i];
		expect(&w, -EPROTO, SCEP_BAD_ALG);
	}
	/* The other allowed ones come to the decryption, and fail there. */
	w.envelope_nid = NID_des_ede3_cbc;
	expect(&w, -EPROTO, SCEP_BAD_MESSAGE_CHECK);
}

static void
test_recipients(void **state)
{
	X509 *stranger = help_self_signed(help_key(0), "not us", EVP_sha256());
	struct recipe w = usual();
	struct outcome o;

	(void)state;
	/* Our own key under another certificate's name is not ours. */
	w.recipient = stranger;
	expect(&w, -EPROTO, SCEP_BAD_MESSAGE_CHECK);
	w.recipient = old_ssc;
	o = try(&w, true);
	assert_int_equal(o.r, 0);
	assert_int_equal(o.which, 1);
	scep_request_free(o.req);
	round_trip(&w);
	w = usual();
	w.recipient_flags = CMS_USE_KEYID;
	o = try(&w, true);
	assert_int_equal(o.r, 0);
	assert_int_equal(o.which, 0);
	scep_request_free(o.req);
	w = usual();
	w.two_recipients = true;
	expect(&w, -EPROTO, SCEP_BAD_MESSAGE_CHECK);
	X509_free(stranger);
}

/* Whatever goes wrong in decrypting has one answer. */
static void
test_no_oracle(void **state)
{
	struct recipe w = usual();
	int i;

	(void)state;
	w.content = "no request at all";
	expect(&w, -EPROTO, SCEP_BAD_MESSAGE_CHECK);
	w = usual();
	w.break_key = true;
	for (i = 0; i < 20; i++)
		expect(&w, -EPROTO, SCEP_BAD_MESSAGE_CHECK);
}

static void
test_keys(void **state)
{
	EVP_PKEY *small = EVP_RSA_gen(1024), *ec = key_new_p256();
	X509 *by_small = help_self_signed(small, "s", EVP_sha256());
	X509 *by_ec = help_self_signed(ec, "e", EVP_sha256());
	struct recipe w = usual();

	(void)state;
	w.csr_key = w.signer_key = small;
	w.signer = by_small;
	expect(&w, -EPROTO, SCEP_BAD_REQUEST);
	w.csr_key = w.signer_key = ec;
	w.signer = by_ec;
	expect(&w, -EPROTO, SCEP_BAD_REQUEST);
	/* Signed with a throw-away certificate of another key than the request's. */
	w = usual();
	w.csr_key = help_key(2);
	expect(&w, -EPROTO, SCEP_BAD_REQUEST);
	w.type = "17";
	expect(&w, -EPROTO, SCEP_BAD_REQUEST);
	w = usual();
	w.break_csr = true;
	expect(&w, -EPROTO, SCEP_BAD_REQUEST);
	X509_free(by_small);
	X509_free(by_ec);
	EVP_PKEY_free(small);
	EVP_PKEY_free(ec);
}

/* A renewal: signed with the identity that there is, for a new key. */
static void
test_renewal(void **state)
{
	X509 *identity = help_identity(ssc, help_key(1));
	struct recipe w = usual();
	struct outcome o;

	(void)state;
	w.signer = identity;
	w.csr_key = help_key(2);
	w.challenge = NULL;
	o = try(&w, true);
	assert_int_equal(o.r, 0);
	assert_int_equal(o.req->type, SCEP_PKCS_REQ);
	assert_false(o.req->self_signed);
	assert_int_equal(o.req->challenge.len, 0);
	assert_true(cert_issued_by(o.req->signer, ssc));
	scep_request_free(o.req);
	/* The answer is for the old key. */
	round_trip(&w);
	w.type = "17";
	o = try(&w, true);
	assert_int_equal(o.r, 0);
	assert_int_equal(o.req->type, SCEP_RENEWAL_REQ);
	scep_request_free(o.req);
	X509_free(identity);
}

/* Some clients write different names into their throw-away certificate. */
static void
test_odd_throw_away(void **state)
{
	X509 *c = help_self_signed(help_key(1), "subject", EVP_sha256());
	struct recipe w = usual();
	X509_NAME *issuer;
	struct outcome o;

	(void)state;
	issuer = X509_NAME_dup(X509_get_issuer_name(c));
	X509_NAME_add_entry_by_txt(
		issuer, "OU", MBSTRING_UTF8, (const unsigned char *)"other", -1, -1, 0);
	X509_set_issuer_name(c, issuer);
	X509_NAME_free(issuer);
	X509_sign(c, help_key(1), EVP_sha256());
	w.signer = c;
	o = try(&w, true);
	assert_int_equal(o.r, 0);
	assert_true(o.req->self_signed);
	scep_request_free(o.req);
	/* And one that takes our CA's name for itself. */
	X509_set_subject_name(c, X509_get_subject_name(ssc));
	X509_set_issuer_name(c, X509_get_subject_name(ssc));
	X509_sign(c, help_key(1), EVP_sha256());
	w.csr_key = help_key(2);
	expect(&w, -EPROTO, SCEP_BAD_REQUEST);
	X509_free(c);
}

static void
test_types(void **state)
{
	static const struct {
		const char *text;
		enum scep_type type;
	} others[] = { { "20", SCEP_CERT_POLL }, { "21", SCEP_GET_CERT }, { "22", SCEP_GET_CRL } };
	static const char *const unknown[] = { "3", "18", "0", "190", "019", "x" };
	struct recipe w = usual();
	struct outcome o;
	size_t i;

	(void)state;
	for (i = 0; i < 3; i++) {
		w.type = others[i].text;
		o = try(&w, true);
		assert_int_equal(o.r, 0);
		assert_int_equal(o.req->type, others[i].type);
		assert_null(o.req->csr);
		assert_null(o.req->key);
		assert_true(o.req->self_signed);
		assert_string_equal(o.req->transaction, "AB12");
		scep_request_free(o.req);
	}
	for (i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++) {
		w.type = unknown[i];
		expect(&w, -EPROTO, SCEP_BAD_REQUEST);
	}
}

static void
test_attributes(void **state)
{
	char long_text[300], nonce[80];
	struct recipe w = usual();

	(void)state;
	memset(long_text, 'a', sizeof(long_text));
	memset(nonce, 1, sizeof(nonce));
	w.transaction = long_text;
	w.transaction_len = 255;
	expect(&w, 0, SCEP_BAD_REQUEST);
	w.transaction_len = 256;
	expect(&w, -EINVAL, SCEP_BAD_REQUEST);
	w.transaction = "a\0b";
	w.transaction_len = 3;
	expect(&w, -EINVAL, SCEP_BAD_REQUEST);
	w.transaction = "a\nb";
	expect(&w, -EINVAL, SCEP_BAD_REQUEST);
	w.transaction = NULL;
	expect(&w, -EINVAL, SCEP_BAD_REQUEST);
	w = usual();
	w.nonce = nonce;
	w.nonce_len = 64;
	expect(&w, 0, SCEP_BAD_REQUEST);
	w.nonce_len = 65;
	expect(&w, -EINVAL, SCEP_BAD_REQUEST);
	w.nonce = NULL;
	expect(&w, -EINVAL, SCEP_BAD_REQUEST);
	w = usual();
	w.type = NULL;
	expect(&w, -EINVAL, SCEP_BAD_REQUEST);
	w = usual();
	w.text_type = V_ASN1_OCTET_STRING;
	expect(&w, -EINVAL, SCEP_BAD_REQUEST);
	w = usual();
	w.twice = OID(2);
	expect(&w, -EINVAL, SCEP_BAD_REQUEST);
	w.twice = OID(5);
	expect(&w, -EINVAL, SCEP_BAD_REQUEST);
	w.twice = OID(7);
	expect(&w, -EINVAL, SCEP_BAD_REQUEST);
}

static void
test_signers(void **state)
{
	struct recipe w = usual();

	(void)state;
	w.second_signer = help_key(2);
	expect(&w, -EINVAL, SCEP_BAD_REQUEST);
}

/* Challenges in whatever string type a client likes. */
static void
test_challenges(void **state)
{
	static const struct {
		int type;
		const char *raw;
		size_t len;
		const char *utf8; /* NULL: refused */
	} cases[] = {
		{ V_ASN1_PRINTABLESTRING, "abc", 3, "abc" },
		{ V_ASN1_UTF8STRING, "äb", 3, "äb" },
		{ V_ASN1_IA5STRING, "a@b", 3, "a@b" },
		{ V_ASN1_T61STRING,
			"\xe4"
			"b",
			2, "äb" },
		{ V_ASN1_BMPSTRING, "\0a\0\xe4", 4, "aä" },
		{ V_ASN1_UNIVERSALSTRING, "\0\0\0a\0\0\0\xe4", 8, "aä" },
		{ V_ASN1_VISIBLESTRING, "abc", 3, "abc" },
		{ V_ASN1_NUMERICSTRING, "123", 3, "123" },
		{ V_ASN1_PRINTABLESTRING, "", 0, "" },
		{ V_ASN1_BMPSTRING, "\xd8\0", 2, NULL }, /* half a character */
		{ V_ASN1_UTF8STRING, "a\xff", 2, NULL },
		{ V_ASN1_OCTET_STRING, "abc", 3, NULL },
		{ V_ASN1_INTEGER, "abc", 3, NULL },
	};
	struct recipe w = usual();
	struct outcome o;
	char long_text[1025];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		w.challenge_type = cases[i].type;
		w.challenge = cases[i].raw;
		w.challenge_len = cases[i].len;
		o = try(&w, true);
		if (cases[i].utf8) {
			assert_int_equal(o.r, 0);
			assert_true(bytes_eq_str(buf_bytes(&o.req->challenge), cases[i].utf8));
		} else {
			if (o.r != -EPROTO || o.fail != SCEP_BAD_REQUEST)
				fail_msg("case %zu: %d %d", i, o.r, (int)o.fail);
		}
		scep_request_free(o.req);
	}
	w = usual();
	w.two_challenges = true;
	expect(&w, -EPROTO, SCEP_BAD_REQUEST);
	w = usual();
	w.two_values = true;
	expect(&w, -EPROTO, SCEP_BAD_REQUEST);
	memset(long_text, 'a', sizeof(long_text));
	w = usual();
	w.challenge = long_text;
	w.challenge_len = 1024;
	expect(&w, 0, SCEP_BAD_REQUEST);
	w.challenge_len = 1025;
	expect(&w, -EPROTO, SCEP_BAD_REQUEST);
}

/* Whatever is changed, no other key, name or challenge is believed. */
static void
check_mutant(struct bytes in)
{
	struct outcome o = open_bytes(in, true);

	if (o.r == 0) {
		assert_string_equal(o.req->transaction, "AB12");
		assert_int_equal(o.req->type, SCEP_PKCS_REQ);
		assert_int_equal(EVP_PKEY_eq(o.req->key, help_key(1)), 1);
		assert_true(bytes_eq_str(buf_bytes(&o.req->challenge), CHALLENGE));
	} else {
		assert_true(o.r == -EINVAL || o.r == -EPROTO);
	}
	scep_request_free(o.req);
}

static void
test_hostile(void **state)
{
	struct recipe w = usual();
	struct buf der = BUF_INIT, ber = BUF_INIT;
	struct outcome o;
	unsigned char *copy;
	size_t i;

	(void)state;
	make_request(&w, &der);
	for (i = 0; i < der.len; i++) {
		/* A copy of just this length, so that a byte read too far is seen. */
		copy = malloc(i ? i : 1);
		memcpy(copy, der.data, i);
		o = open_bytes(bytes_of(copy, i), true);
		assert_int_equal(o.r, -EINVAL);
		free(copy);
	}
	for (i = 0; i < der.len; i++) {
		der.data[i] ^= (unsigned char)(1u << (i % 8));
		check_mutant(buf_bytes(&der));
		der.data[i] ^= (unsigned char)(1u << (i % 8));
	}
	help_to_ber(buf_bytes(&der), &ber);
	for (i = 0; i < ber.len; i += 7) {
		ber.data[i] ^= 0x80;
		check_mutant(buf_bytes(&ber));
		ber.data[i] ^= 0x80;
	}
	buf_add_char(&der, '\0');
	o = open_bytes(buf_bytes(&der), true);
	assert_int_equal(o.r, -EINVAL);
	buf_free(&der);
	buf_free(&ber);
}

/* A signature that is broken can still be answered, as what it is. */
static void
test_broken_signature(void **state)
{
	struct recipe w = usual();
	struct buf der = BUF_INIT, reply = BUF_INIT;
	struct outcome o;

	(void)state;
	make_request(&w, &der);
	der.data[der.len - 1] ^= 1;
	o = open_bytes(buf_bytes(&der), true);
	assert_int_equal(o.r, -EPROTO);
	assert_int_equal(o.fail, SCEP_BAD_MESSAGE_CHECK);
	assert_int_equal(scep_reply_failure(o.req, ssc, help_key(0), o.fail, NULL, &reply), 0);
	CMS_ContentInfo_free(check_reply(&reply, ssc, &w, "2", NULL));
	scep_request_free(o.req);
	buf_free(&reply);
	buf_free(&der);
}

static void *
enroll_many(void *arg)
{
	const struct buf *request = arg;
	X509 *cas[] = { ssc };
	EVP_PKEY *keys[] = { help_key(0) };
	struct scep_request *r;
	struct buf reply = BUF_INIT;
	enum scep_fail fail;
	size_t which;
	uintptr_t done = 0;
	int i;

	for (i = 0; i < 25; i++) {
		if (scep_open(buf_bytes(request), cas, keys, 1, true, &r, &which, &fail))
			continue;
		buf_reset(&reply);
		done += scep_reply_success(r, ssc, keys[0], temporary, &reply) == 0;
		scep_request_free(r);
	}
	buf_free(&reply);

	return (void *)done;
}

static void
test_threads(void **state)
{
	struct recipe w = usual();
	struct buf request = BUF_INIT;
	pthread_t t[3];
	void *done;
	int i;

	(void)state;
	make_request(&w, &request);
	for (i = 0; i < 3; i++)
		assert_int_equal(pthread_create(&t[i], NULL, enroll_many, &request), 0);
	for (i = 0; i < 3; i++) {
		pthread_join(t[i], &done);
		assert_int_equal((uintptr_t)done, 25);
	}
	buf_free(&request);
}

static void
test_capabilities(void **state)
{
	static const char *const want[] = { "POSTPKIOperation", "Renewal", "SHA-256", "SHA-1",
		"AES", "DES3", "SCEPStandard" };
	const char *text = scep_capabilities(), *at;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		at = strstr(text, want[i]);
		assert_non_null(at);
		assert_true(at == text || at[-1] == '\n');
		assert_int_equal(at[strlen(want[i])], '\n');
	}
}

static X509 *
make_old_ssc(void)
{
	struct subject s = { .common_name = (char *)(uintptr_t) "old" };

	return ca_new_ssc(help_key(3), &s, help_today() - 100 * HELP_DAY, 3650 * HELP_DAY);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_first),
		cmocka_unit_test(test_in_kind),
		cmocka_unit_test(test_foreign_reader),
		cmocka_unit_test(test_failure),
		cmocka_unit_test(test_ber),
		cmocka_unit_test(test_digests),
		cmocka_unit_test(test_ciphers),
		cmocka_unit_test(test_recipients),
		cmocka_unit_test(test_no_oracle),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_renewal),
		cmocka_unit_test(test_odd_throw_away),
		cmocka_unit_test(test_types),
		cmocka_unit_test(test_attributes),
		cmocka_unit_test(test_signers),
		cmocka_unit_test(test_challenges),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_broken_signature),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_capabilities),
	};
	int r;

	help_start();
	ssc = help_ssc();
	old_ssc = make_old_ssc();
	temporary = help_self_signed(help_key(1), "8F1C", EVP_sha256());
	r = cmocka_run_group_tests_name("scep", tests, NULL, NULL);
	X509_free(ssc);
	X509_free(old_ssc);
	X509_free(temporary);
	help_done();

	return r;
}
