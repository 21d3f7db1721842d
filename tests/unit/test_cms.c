/* Tests of daemon/pki/cms */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <openssl/cms.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "pki/ca.h"
#include "pki/cert.h"
#include "pki/cms.h"
#include "pki/key.h"
#include "pki_help.h"

static const char body_text[] = "<plist>\n<dict>\n<key>Status</key>\n<string>Idle</string>\n"
				"</dict></plist>\n";

/* How a signature is to be made. */
struct recipe {
	EVP_PKEY *key;
	X509 *cert;
	const EVP_MD *md;
	EVP_PKEY *second; /* another signer */
	unsigned flags;
	int extra_certs;
};

static void
to_base64(CMS_ContentInfo *cms, struct buf *out)
{
	unsigned char *der = NULL;
	int len = i2d_CMS_ContentInfo(cms, &der);

	assert_true(len > 0);
	encode_base64(out, bytes_of(der, (size_t)len), 0);
	OPENSSL_free(der);
}

static CMS_ContentInfo *
make_cms(const struct recipe *r, struct bytes body)
{
	const unsigned flags = CMS_PARTIAL | CMS_BINARY | CMS_NOSMIMECAP | r->flags;
	CMS_ContentInfo *cms = CMS_sign(NULL, NULL, NULL, NULL, flags);
	BIO *in = BIO_new_mem_buf(body.data, (int)body.len);
	X509 *other;
	int i;

	assert_non_null(CMS_add1_signer(cms, r->cert, r->key, r->md, flags));
	if (r->second) {
		other = help_self_signed(r->second, "second", EVP_sha256());
		assert_non_null(CMS_add1_signer(cms, other, r->second, r->md, flags));
		X509_free(other);
	}
	for (i = 0; i < r->extra_certs; i++) {
		other = help_self_signed(help_key(3), "extra", EVP_sha256());
		ASN1_INTEGER_set(X509_get_serialNumber(other), 100 + i);
		X509_sign(other, help_key(3), EVP_sha256());
		assert_int_equal(CMS_add1_cert(cms, other), 1);
		X509_free(other);
	}
	assert_int_equal(CMS_final(cms, in, NULL, flags), 1);
	BIO_free(in);
	ERR_clear_error();

	return cms;
}

static void
make(const struct recipe *r, const char *body, struct buf *out)
{
	CMS_ContentInfo *cms = make_cms(r, bytes_str(body));

	buf_reset(out);
	to_base64(cms, out);
	CMS_ContentInfo_free(cms);
}

static X509 *device_cert;

static struct recipe
usual(void)
{
	return (struct recipe){
		.key = help_key(1), .cert = device_cert, .md = EVP_sha256(), .flags = CMS_DETACHED
	};
}

static enum cms_fault
verify(const struct buf *header, const char *body, bool allow_sha1, enum cms_digest *digest)
{
	X509 *signer = NULL;
	enum cms_fault f = cms_verify_detached(
		buf_bytes(header), bytes_str(body), allow_sha1, &signer, digest);

	assert_int_equal(ERR_peek_error(), 0);
	if (f == CMS_OK) {
		assert_non_null(signer);
		assert_int_equal(X509_cmp(signer, device_cert), 0);
	} else {
		assert_null(signer);
	}
	X509_free(signer);

	return f;
}

static enum cms_fault
try_recipe(const struct recipe *r)
{
	struct buf header = BUF_INIT;
	enum cms_digest d;
	enum cms_fault f;

	make(r, body_text, &header);
	f = verify(&header, body_text, true, &d);
	buf_free(&header);

	return f;
}

static void
test_right(void **state)
{
	struct recipe r = usual();
	struct buf header = BUF_INIT;
	enum cms_digest d = CMS_DIGEST_SHA1;

	(void)state;
	make(&r, body_text, &header);
	assert_int_equal(verify(&header, body_text, false, &d), CMS_OK);
	assert_int_equal(d, CMS_DIGEST_SHA256);
	buf_free(&header);
}

static void
test_other_body(void **state)
{
	static const char crlf[] =
		"<plist>\r\n<dict>\r\n<key>Status</key>\r\n<string>Idle</string>\r\n"
		"</dict></plist>\r\n";
	struct recipe r = usual();
	struct buf header = BUF_INIT;
	char changed[sizeof(body_text)];
	enum cms_digest d;

	(void)state;
	make(&r, body_text, &header);
	memcpy(changed, body_text, sizeof(changed));
	changed[20] ^= 1;
	assert_int_equal(verify(&header, changed, true, &d), CMS_MISMATCH);
	assert_int_equal(verify(&header, crlf, true, &d), CMS_MISMATCH);
	assert_int_equal(verify(&header, "", true, &d), CMS_MISMATCH);
	/* And a body that has CRLF itself. */
	make(&r, crlf, &header);
	assert_int_equal(verify(&header, crlf, true, &d), CMS_OK);
	assert_int_equal(verify(&header, body_text, true, &d), CMS_MISMATCH);
	buf_free(&header);
}

/* GET requests are signed over no bytes at all. */
static void
test_empty_body(void **state)
{
	struct recipe r = usual();
	struct buf header = BUF_INIT;
	enum cms_digest d;

	(void)state;
	make(&r, "", &header);
	assert_int_equal(verify(&header, "", true, &d), CMS_OK);
	assert_int_equal(verify(&header, "x", true, &d), CMS_MISMATCH);
	buf_free(&header);
}

static void
test_digests(void **state)
{
	static const struct {
		const EVP_MD *(*md)(void);
		enum cms_digest digest;
	} good[] = { { EVP_sha1, CMS_DIGEST_SHA1 }, { EVP_sha256, CMS_DIGEST_SHA256 },
		{ EVP_sha384, CMS_DIGEST_SHA384 }, { EVP_sha512, CMS_DIGEST_SHA512 } };
	static const EVP_MD *(*const bad[])(void) = { EVP_md5, EVP_sha224, EVP_ripemd160 };
	struct recipe r = usual();
	struct buf header = BUF_INIT;
	enum cms_digest d;
	size_t i;

	(void)state;
	for (i = 0; i < 4; i++) {
		r.md = good[i].md();
		make(&r, body_text, &header);
		assert_int_equal(verify(&header, body_text, true, &d), CMS_OK);
		assert_int_equal(d, good[i].digest);
		assert_int_equal(
			verify(&header, body_text, false, &d), i == 0 ? CMS_DIGEST : CMS_OK);
	}
	for (i = 0; i < 3; i++) {
		r.md = bad[i]();
		make(&r, body_text, &header);
		assert_int_equal(verify(&header, body_text, true, &d), CMS_DIGEST);
	}
	buf_free(&header);
}

static void
test_form(void **state)
{
	struct recipe r = usual();

	(void)state;
	r.flags = 0;
	assert_int_equal(try_recipe(&r), CMS_ATTACHED);
	r = usual();
	r.second = help_key(2);
	assert_int_equal(try_recipe(&r), CMS_SIGNERS);
	r = usual();
	r.flags |= CMS_NOCERTS;
	assert_int_equal(try_recipe(&r), CMS_NO_CERT);
	r = usual();
	r.extra_certs = CMS_CERTS_MAX - 1;
	assert_int_equal(try_recipe(&r), CMS_OK);
	r.extra_certs = CMS_CERTS_MAX;
	assert_int_equal(try_recipe(&r), CMS_MALFORMED);
	r = usual();
	r.flags |= CMS_USE_KEYID;
	assert_int_equal(try_recipe(&r), CMS_OK);
	r.flags = CMS_DETACHED | CMS_NOATTR;
	assert_int_equal(try_recipe(&r), CMS_OK);
}

/* The certificate of B does not make a signature of A's key B's. */
static void
test_foreign_certificate(void **state)
{
	X509 *b = help_self_signed(help_key(2), "b", EVP_sha256());
	struct recipe r = usual();
	struct buf header = BUF_INIT;
	CMS_ContentInfo *cms;
	X509 *same;
	enum cms_digest d;

	(void)state;
	/* A certificate with A's issuer and serial number, but B's key. */
	same = X509_dup(device_cert);
	X509_set_pubkey(same, help_key(2));
	X509_sign(same, help_key(2), EVP_sha256());
	r.flags |= CMS_NOCERTS;
	cms = make_cms(&r, bytes_str(body_text));
	CMS_add1_cert(cms, same);
	to_base64(cms, &header);
	assert_int_equal(verify(&header, body_text, true, &d), CMS_MISMATCH);
	buf_reset(&header);
	CMS_ContentInfo_free(cms);
	/* B's certificate is there, but is not whose the signer claims to be. */
	cms = make_cms(&r, bytes_str(body_text));
	CMS_add1_cert(cms, b);
	to_base64(cms, &header);
	assert_int_equal(verify(&header, body_text, true, &d), CMS_NO_CERT);
	CMS_ContentInfo_free(cms);
	buf_free(&header);
	X509_free(same);
	X509_free(b);
}

static void
swap_device(X509 *c)
{
	X509_free(device_cert);
	device_cert = c;
}

static void
test_ecdsa(void **state)
{
	EVP_PKEY *ec = key_new_p256(), *odd = EVP_EC_gen("secp256k1");
	X509 *ssc = help_ssc();
	struct recipe r = usual();

	(void)state;
	swap_device(help_identity(ssc, ec));
	r.key = ec;
	r.cert = device_cert;
	assert_int_equal(try_recipe(&r), CMS_OK);
	swap_device(help_identity(ssc, odd));
	r.key = odd;
	r.cert = device_cert;
	assert_int_equal(try_recipe(&r), CMS_MISMATCH);
	swap_device(help_identity(ssc, help_key(1)));
	X509_free(ssc);
	EVP_PKEY_free(ec);
	EVP_PKEY_free(odd);
}

static void
test_text(void **state)
{
	struct recipe r = usual();
	struct buf header = BUF_INIT, odd = BUF_INIT;
	enum cms_digest d;

	(void)state;
	assert_int_equal(verify(&odd, body_text, true, &d), CMS_BASE64);
	make(&r, body_text, &header);
	buf_add_bytes(&odd, buf_bytes(&header));
	buf_add_char(&odd, '\n');
	assert_int_equal(verify(&odd, body_text, true, &d), CMS_BASE64);
	odd.len--;
	memmove(odd.data + 65, odd.data + 64, odd.len - 65);
	odd.data[64] = '\n';
	assert_int_equal(verify(&odd, body_text, true, &d), CMS_BASE64);
	/* Longer than any signature: refused by its length alone. */
	buf_reset(&odd);
	while (odd.len <= CMS_SIGNATURE_MAX)
		buf_add_str(&odd, "AAAA");
	assert_int_equal(verify(&odd, body_text, true, &d), CMS_BASE64);
	odd.len = CMS_SIGNATURE_MAX;
	assert_int_equal(verify(&odd, body_text, true, &d), CMS_MALFORMED);
	buf_free(&odd);
	buf_free(&header);
}

static void
der_of(const struct buf *header, struct buf *der)
{
	buf_reset(der);
	assert_int_equal(decode_base64(der, buf_bytes(header)), 0);
}

static enum cms_fault
verify_der(struct bytes der, const char *body)
{
	struct buf header = BUF_INIT;
	enum cms_fault f;
	enum cms_digest d;

	encode_base64(&header, der, 0);
	f = verify(&header, body, true, &d);
	buf_free(&header);

	return f;
}

static void
test_behind(void **state)
{
	struct recipe r = usual();
	struct buf header = BUF_INIT, der = BUF_INIT;

	(void)state;
	make(&r, body_text, &header);
	der_of(&header, &der);
	assert_int_equal(verify_der(buf_bytes(&der), body_text), CMS_OK);
	buf_add_char(&der, '\0');
	assert_int_equal(verify_der(buf_bytes(&der), body_text), CMS_MALFORMED);
	buf_free(&der);
	buf_free(&header);
}

/* Indefinite lengths, as Apple's devices write them. */
static void
test_ber(void **state)
{
	struct recipe r = usual();
	struct buf header = BUF_INIT, der = BUF_INIT, ber = BUF_INIT;

	(void)state;
	make(&r, body_text, &header);
	der_of(&header, &der);
	help_to_ber(buf_bytes(&der), &ber);
	assert_int_equal(ber.data[1], 0x80);
	assert_memory_equal(ber.data + ber.len - 6, "\0\0\0\0\0", 6);
	assert_int_equal(verify_der(buf_bytes(&ber), body_text), CMS_OK);
	assert_int_equal(verify_der(buf_bytes(&ber), "other"), CMS_MISMATCH);
	buf_add_char(&ber, '\0');
	assert_int_equal(verify_der(buf_bytes(&ber), body_text), CMS_MALFORMED);
	/* Attached stays refused in this form too. */
	r.flags = 0;
	make(&r, body_text, &header);
	der_of(&header, &der);
	buf_reset(&ber);
	help_to_ber(buf_bytes(&der), &ber);
	assert_int_equal(verify_der(buf_bytes(&ber), body_text), CMS_ATTACHED);
	buf_free(&der);
	buf_free(&ber);
	buf_free(&header);
}

/* Other CMS types, and inner types other than plain data. */
static void
test_other_types(void **state)
{
	struct recipe r = usual();
	struct buf header = BUF_INIT;
	CMS_ContentInfo *cms;
	BIO *in = BIO_new_mem_buf("x", 1);
	enum cms_digest d;

	(void)state;
	cms = CMS_data_create(in, CMS_BINARY);
	to_base64(cms, &header);
	CMS_ContentInfo_free(cms);
	BIO_free(in);
	assert_int_equal(verify(&header, body_text, true, &d), CMS_MALFORMED);
	cms = make_cms(&r, bytes_str(body_text));
	CMS_set1_eContentType(cms, OBJ_nid2obj(NID_id_smime_ct_TSTInfo));
	buf_reset(&header);
	to_base64(cms, &header);
	CMS_ContentInfo_free(cms);
	assert_int_equal(verify(&header, body_text, true, &d), CMS_MALFORMED);
	buf_free(&header);
}

/*
 * Each digest algorithm in the list would cost a pass over the body.  OpenSSL writes the list from
 * the signers, so entries are put in by hand: SET at a known place, all lengths above in two bytes.
 */
static void
test_many_digests(void **state)
{
	struct recipe r = usual();
	struct buf header = BUF_INIT, der = BUF_INIT, many = BUF_INIT;
	/* SEQUENCE 82xxxx, OID 11, [0] 82xxxx, SEQUENCE 82xxxx, INTEGER 3, SET */
	const size_t set = 4 + 11 + 4 + 4 + 3;
	const size_t entry = 13, extra = 6;
	size_t i;

	(void)state;
	make(&r, body_text, &header);
	der_of(&header, &der);
	assert_int_equal(der.data[set], 0x31);
	assert_int_equal(der.data[set + 1], entry);
	buf_add(&many, der.data, set);
	buf_add_u8(&many, 0x31);
	buf_add_u8(&many, (uint8_t)(entry * (1 + extra)));
	for (i = 0; i < 1 + extra; i++)
		buf_add(&many, der.data + set + 2, entry);
	buf_add(&many, der.data + set + 2 + entry, der.len - set - 2 - entry);
	for (i = 0; i < 3; i++) {
		static const size_t at[] = { 2, 17, 21 };
		size_t len = bytes_u16(many.data + at[i]) + entry * extra;

		many.data[at[i]] = (unsigned char)(len >> 8);
		many.data[at[i] + 1] = (unsigned char)len;
	}
	assert_int_equal(verify_der(buf_bytes(&many), body_text), CMS_MALFORMED);
	buf_free(&many);
	buf_free(&der);
	buf_free(&header);
}

#define HEAD_BYTES 80u /* of the DER: what comes before the certificates, and their beginning */

/* One bit turned: at most what no signature covers may differ, and never the key. */
static void
try_mutant(struct buf *der, size_t at, unsigned bit)
{
	struct buf header = BUF_INIT;
	X509 *signer = NULL;
	enum cms_digest d;

	der->data[at] ^= (unsigned char)(1u << bit);
	encode_base64(&header, buf_bytes(der), 0);
	if (cms_verify_detached(buf_bytes(&header), bytes_str(body_text), true, &signer, &d) ==
		CMS_OK)
		assert_int_equal(EVP_PKEY_eq(X509_get0_pubkey(signer), help_key(1)), 1);
	else
		assert_null(signer);
	X509_free(signer);
	buf_free(&header);
	der->data[at] ^= (unsigned char)(1u << bit);
}

static void
test_hostile(void **state)
{
	struct recipe r = usual();
	struct buf header = BUF_INIT, der = BUF_INIT;
	enum cms_digest d;
	size_t i;

	(void)state;
	make(&r, body_text, &header);
	for (i = 0; i < header.len; i++) {
		struct buf cut = BUF_INIT;

		buf_add(&cut, header.data, i);
		assert_int_not_equal(verify(&cut, body_text, true, &d), CMS_OK);
		buf_free(&cut);
	}
	der_of(&header, &der);
	for (i = 0; i < der.len; i++)
		try_mutant(&der, i, i % 8);
	/* Digests of which nobody heard leave nothing behind. */
	for (i = 0; i < 8 * HEAD_BYTES; i++)
		try_mutant(&der, i / 8, i % 8);
	buf_free(&der);
	buf_free(&header);
}

/* Signatures of another program. */
static void
test_foreign_signatures(void **state)
{
	static const char *const commands[] = {
		"openssl cms -sign -binary -md sha256 -in body -signer d.pem -inkey d.key -outform "
		"DER -out sig",
		"openssl cms -sign -binary -md sha1 -in body -signer d.pem -inkey d.key -outform "
		"DER -out sig",
		"openssl cms -sign -binary -keyid -in body -signer d.pem -inkey d.key -outform DER "
		"-out sig",
		"openssl smime -sign -binary -md sha256 -in body -signer d.pem -inkey d.key "
		"-outform DER -out sig",
	};
	struct buf sig = BUF_INIT;
	size_t i;

	(void)state;
	help_write("body", bytes_str(body_text));
	help_write_cert("d.pem", device_cert);
	help_write_key("d.key", help_key(1));
	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		help_run(0, "%s", commands[i]);
		buf_reset(&sig);
		help_read("sig", &sig);
		if (verify_der(buf_bytes(&sig), body_text) != CMS_OK)
			fail_msg("%s", commands[i]);
		assert_int_equal(verify_der(buf_bytes(&sig), "x"), CMS_MISMATCH);
	}
	help_run(0, "openssl cms -sign -binary -nodetach -in body -signer d.pem -inkey d.key "
		    "-outform DER -out sig");
	buf_reset(&sig);
	help_read("sig", &sig);
	assert_int_equal(verify_der(buf_bytes(&sig), body_text), CMS_ATTACHED);
	help_run(0, "openssl cms -sign -binary -stream -in body -signer d.pem -inkey d.key "
		    "-outform DER -out sig");
	buf_reset(&sig);
	help_read("sig", &sig);
	assert_int_equal(verify_der(buf_bytes(&sig), body_text), CMS_ATTACHED);
	buf_free(&sig);
}

/* What we sign comes out of another program byte for byte. */
static void
test_sign(void **state)
{
	static const char content[] = "line\nline\r\n\x01\xffno end";
	X509 *ssc = help_ssc();
	STACK_OF(X509) *chain = sk_X509_new_null();
	struct buf out = BUF_INIT, again = BUF_INIT;
	size_t i;

	(void)state;
	sk_X509_push(chain, ssc);
	sk_X509_push(chain, device_cert);
	sk_X509_push(chain, device_cert);
	for (i = 0; i < 3; i++) {
		buf_reset(&out);
		buf_reset(&again);
		assert_int_equal(cms_sign(ssc, help_key(0), i ? chain : NULL,
					 bytes_of(content, i == 2 ? 0 : sizeof(content) - 1), &out),
			0);
		help_write("signed", buf_bytes(&out));
		help_write_cert("ssc.pem", ssc);
		help_run(0, "openssl cms -verify -inform DER -noverify -in signed -out plain "
			    "-signer who "
			    "-certsout certs");
		help_read("plain", &again);
		assert_int_equal(again.len, i == 2 ? 0 : sizeof(content) - 1);
		assert_memory_equal(again.data ? (void *)again.data : "", content, again.len);
		help_run(0, "test \"$(openssl x509 -in who)\" = \"$(cat ssc.pem)\"");
		help_run(0, "test $(grep -c BEGIN certs) = %d", i ? 2 : 1);
		help_run(0, "openssl cms -cmsout -print -inform DER -in signed | grep -q sha256");
	}
	/* A certificate with another key is our own mistake, and an error. */
	assert_int_equal(cms_sign(ssc, help_key(1), NULL, bytes_str("x"), &out), -EIO);
	assert_int_equal(ERR_peek_error(), 0);
	buf_free(&out);
	buf_free(&again);
	sk_X509_free(chain);
	X509_free(ssc);
}

static void
test_words(void **state)
{
	int f;

	(void)state;
	for (f = CMS_OK; f <= (int)CMS_MISMATCH; f++)
		assert_true(strlen(cms_fault_words((enum cms_fault)f)) > 10);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_right),
		cmocka_unit_test(test_other_body),
		cmocka_unit_test(test_empty_body),
		cmocka_unit_test(test_digests),
		cmocka_unit_test(test_form),
		cmocka_unit_test(test_foreign_certificate),
		cmocka_unit_test(test_ecdsa),
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_behind),
		cmocka_unit_test(test_ber),
		cmocka_unit_test(test_other_types),
		cmocka_unit_test(test_many_digests),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_foreign_signatures),
		cmocka_unit_test(test_sign),
		cmocka_unit_test(test_words),
	};
	X509 *ssc;
	int r;

	help_start();
	ssc = help_ssc();
	device_cert = help_identity(ssc, help_key(1));
	X509_free(ssc);
	r = cmocka_run_group_tests_name("cms", tests, NULL, NULL);
	X509_free(device_cert);
	help_done();

	return r;
}
