/* Tests of daemon/pki/cmsfast: it says yes to nothing that OpenSSL refuses */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/cms.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "pki/cms.h"
#include "pki/cmsfast.h"
#include "pki/key.h"
#include "pki_help.h"

static const char body_text[] =
	"<plist><dict><key>Status</key><string>Idle</string></dict></plist>";

static X509 *device_cert;
static struct cmsfast_keys *keys;

/* ---- signatures ---- */

enum odd {
	USUAL,
	WITH_SHA1,
	WITH_SHA384,
	WITH_SHA512,
	KEY_ID,
	CAPABLE,
	FORMS,	     /* those above are taken by the fast path */
	BER = FORMS, /* sets in indefinite lengths: OpenSSL's */
	NO_ATTRIBUTES,
	ATTACHED,
	SECOND_SIGNER,
	SECOND_CERT,
	NO_CERT,
	CRL,
	UNSIGNED,
	TWO_TIMES,
	TWO_TYPES,
	TWO_DIGESTS,
	TWO_VALUES,
	ODD_TIME,
	UNKNOWN_ATTRIBUTE,
	OTHER_CONTENT,
	ODDITIES
};

static const EVP_MD *
md_for(enum odd how)
{
	return how == WITH_SHA1	    ? EVP_sha1()
	       : how == WITH_SHA384 ? EVP_sha384()
	       : how == WITH_SHA512 ? EVP_sha512()
				    : EVP_sha256();
}

static unsigned
flags_for(enum odd how)
{
	unsigned flags = CMS_PARTIAL | CMS_BINARY;

	flags |= how == ATTACHED ? 0 : CMS_DETACHED;
	flags |= how == CAPABLE ? 0 : CMS_NOSMIMECAP;
	flags |= how == KEY_ID ? CMS_USE_KEYID : 0;
	flags |= how == NO_ATTRIBUTES ? CMS_NOATTR : 0;
	flags |= how == NO_CERT ? CMS_NOCERTS : 0;
	return flags;
}

/* Attributes that the holder of the key signs, but no honest device. */
static void
add_signed(CMS_SignerInfo *si, enum odd how)
{
	static const unsigned char junk[32] = { 1 };
	X509_ATTRIBUTE *two;

	if (how == TWO_TIMES || how == ODD_TIME)
		CMS_signed_add1_attr_by_NID(si, NID_pkcs9_signingTime,
			how == ODD_TIME ? V_ASN1_OCTET_STRING : V_ASN1_UTCTIME, "260101000000Z",
			13);
	if (how == TWO_TIMES)
		CMS_signed_add1_attr_by_NID(
			si, NID_pkcs9_signingTime, V_ASN1_UTCTIME, "260101000001Z", 13);
	if (how == TWO_TYPES)
		CMS_signed_add1_attr_by_NID(
			si, NID_pkcs9_contentType, V_ASN1_OBJECT, OBJ_nid2obj(NID_pkcs7_data), -1);
	if (how == TWO_DIGESTS)
		CMS_signed_add1_attr_by_NID(
			si, NID_pkcs9_messageDigest, V_ASN1_OCTET_STRING, junk, sizeof(junk));
	if (how == UNKNOWN_ATTRIBUTE)
		CMS_signed_add1_attr_by_NID(
			si, NID_pkcs9_challengePassword, V_ASN1_UTF8STRING, "x", 1);
	if (how == TWO_VALUES) {
		two = X509_ATTRIBUTE_create_by_NID(
			NULL, NID_pkcs9_signingTime, V_ASN1_UTCTIME, "260101000000Z", 13);
		X509_ATTRIBUTE_set1_data(two, V_ASN1_UTCTIME, "260101000001Z", 13);
		CMS_signed_add1_attr(si, two);
		X509_ATTRIBUTE_free(two);
	}
	if (how == UNSIGNED)
		CMS_unsigned_add1_attr_by_NID(
			si, NID_pkcs9_challengePassword, V_ASN1_UTF8STRING, "x", 1);
}

static void
add_around(CMS_ContentInfo *cms, enum odd how, unsigned flags)
{
	X509 *other = help_self_signed(help_key(2), "other", EVP_sha256());
	X509_CRL *crl;

	if (how == SECOND_SIGNER)
		CMS_add1_signer(cms, other, help_key(2), EVP_sha256(), flags);
	if (how == SECOND_CERT)
		CMS_add1_cert(cms, other);
	if (how == OTHER_CONTENT)
		CMS_set1_eContentType(cms, OBJ_nid2obj(NID_id_smime_ct_TSTInfo));
	if (how == CRL) {
		crl = X509_CRL_new();
		X509_CRL_set_issuer_name(crl, X509_get_subject_name(other));
		X509_CRL_set1_lastUpdate(crl, X509_get0_notBefore(other));
		X509_CRL_sign(crl, help_key(2), EVP_sha256());
		CMS_add1_crl(cms, crl);
		X509_CRL_free(crl);
	}
	X509_free(other);
}

static void
make(enum odd how, const char *body, struct buf *out)
{
	unsigned flags = flags_for(how);
	CMS_ContentInfo *cms = CMS_sign(NULL, NULL, NULL, NULL, flags);
	BIO *in = BIO_new_mem_buf(body, -1);
	struct buf der = BUF_INIT;
	unsigned char *made = NULL;
	CMS_SignerInfo *si;
	int len;

	si = CMS_add1_signer(cms, device_cert, help_key(1), md_for(how), flags);
	assert_non_null(si);
	add_signed(si, how);
	add_around(cms, how, flags);
	CMS_final(cms, in, NULL, flags);
	len = i2d_CMS_ContentInfo(cms, &made);
	assert_true(len > 0);
	buf_add(&der, made, (size_t)len);
	buf_reset(out);
	if (how == BER)
		help_to_ber(buf_bytes(&der), out);
	else
		buf_add_bytes(out, buf_bytes(&der));
	buf_free(&der);
	OPENSSL_free(made);
	CMS_ContentInfo_free(cms);
	BIO_free(in);
	ERR_clear_error();
}

/* ---- the two judges ---- */

static bool
openssl_accepts(struct bytes der, const char *body)
{
	struct buf header = BUF_INIT;
	X509 *signer = NULL;
	enum cms_digest d;
	bool yes;

	encode_base64(&header, der, 0);
	yes = cms_verify_detached(buf_bytes(&header), bytes_str(body), true, &signer, &d) == CMS_OK;
	X509_free(signer);
	buf_free(&header);
	return yes;
}

/* As the daemon asks: the pin was noted for this certificate. */
static bool
fast_accepts(struct bytes der, const char *body, const struct cmsfast *known)
{
	struct cmsfast f;
	bool yes = cmsfast_parse(der, &f) == 0 &&
		   memcmp(f.certificate_sha256, known->certificate_sha256, SHA256_LEN) == 0 &&
		   memcmp(f.pin, known->pin, SHA256_LEN) == 0 &&
		   cmsfast_verify(&f, bytes_str(body), keys);

	assert_int_equal(ERR_peek_error(), 0);
	return yes;
}

/* Both judges, of a copy without slack behind it, so that a read too far is seen. */
static bool
agree(struct bytes der, const struct cmsfast *known)
{
	unsigned char *exact = malloc(der.len ? der.len : 1);
	bool yes;

	assert_non_null(exact);
	if (der.len)
		memcpy(exact, der.data, der.len);
	yes = fast_accepts(bytes_of(exact, der.len), body_text, known);
	if (yes && !openssl_accepts(bytes_of(exact, der.len), body_text))
		fail_msg("the fast path alone accepts");
	free(exact);
	return yes;
}

/* ---- tests ---- */

static void
test_usual_forms(void **state)
{
	struct buf der = BUF_INIT;
	struct cmsfast f;
	int how;

	(void)state;
	for (how = USUAL; how < FORMS; how++) {
		make((enum odd)how, body_text, &der);
		if (cmsfast_parse(buf_bytes(&der), &f) != 0)
			fail_msg("form %d is not read", how);
		assert_true(agree(buf_bytes(&der), &f));
		assert_false(fast_accepts(buf_bytes(&der), "another body", &f));
		/* Another message of the same device has the same pin. */
		make((enum odd)how, "another body", &der);
		assert_true(fast_accepts(buf_bytes(&der), "another body", &f));
		assert_false(fast_accepts(buf_bytes(&der), body_text, &f));
		make((enum odd)how, "", &der);
		assert_true(fast_accepts(buf_bytes(&der), "", &f));
	}
	buf_free(&der);
}

static void
test_oddities(void **state)
{
	struct buf der = BUF_INIT;
	struct cmsfast f;
	int how;

	(void)state;
	for (how = FORMS; how < ODDITIES; how++) {
		make((enum odd)how, body_text, &der);
		if (cmsfast_parse(buf_bytes(&der), &f) == 0)
			fail_msg("oddity %d is taken", how);
	}
	buf_free(&der);
}

/* The pin is the form's, the certificate's and nothing else's. */
static void
test_pins(void **state)
{
	X509 *mine = device_cert, *ssc = help_ssc();
	struct cmsfast one, other;
	struct buf a = BUF_INIT, b = BUF_INIT;

	(void)state;
	make(USUAL, body_text, &a);
	assert_int_equal(cmsfast_parse(buf_bytes(&a), &one), 0);
	make(WITH_SHA1, body_text, &b);
	assert_int_equal(cmsfast_parse(buf_bytes(&b), &other), 0);
	assert_memory_equal(one.certificate_sha256, other.certificate_sha256, SHA256_LEN);
	assert_memory_not_equal(one.pin, other.pin, SHA256_LEN);
	device_cert = help_identity(ssc, help_key(1));
	make(USUAL, body_text, &b);
	X509_free(device_cert);
	device_cert = mine;
	assert_int_equal(cmsfast_parse(buf_bytes(&b), &other), 0);
	assert_memory_not_equal(one.pin, other.pin, SHA256_LEN);
	X509_free(ssc);
	buf_free(&a);
	buf_free(&b);
}

/* EC keys are OpenSSL's. */
static void
test_other_keys(void **state)
{
	EVP_PKEY *ec = key_new_p256();
	X509 *ssc = help_ssc(), *cert = help_identity(ssc, ec);
	BIO *in = BIO_new_mem_buf(body_text, -1);
	CMS_ContentInfo *cms = CMS_sign(cert, ec, NULL, in, CMS_BINARY | CMS_DETACHED);
	unsigned char *der = NULL;
	struct cmsfast f;
	int len = i2d_CMS_ContentInfo(cms, &der);

	(void)state;
	assert_true(len > 0);
	assert_true(openssl_accepts(bytes_of(der, (size_t)len), body_text));
	assert_int_not_equal(cmsfast_parse(bytes_of(der, (size_t)len), &f), 0);
	OPENSSL_free(der);
	CMS_ContentInfo_free(cms);
	BIO_free(in);
	X509_free(cert);
	X509_free(ssc);
	EVP_PKEY_free(ec);
}

/* Every byte changed in several ways, dropped, doubled; every prefix. */
static void
mutate_bytes(const struct buf *good, const struct cmsfast *known)
{
	static const unsigned char flips[] = { 0x01, 0x02, 0x20, 0x80, 0xff };
	struct buf m = BUF_INIT;
	size_t i, k;

	for (i = 0; i < good->len; i++) {
		for (k = 0; k < sizeof(flips); k++) {
			buf_reset(&m);
			buf_add_bytes(&m, buf_bytes(good));
			m.data[i] ^= flips[k];
			if (agree(buf_bytes(&m), known))
				fail_msg("byte %zu may be changed", i);
		}
		buf_reset(&m);
		buf_add(&m, good->data, i);
		assert_false(agree(buf_bytes(&m), known));
		buf_add(&m, good->data + i + 1, good->len - i - 1);
		agree(buf_bytes(&m), known);
		buf_reset(&m);
		buf_add(&m, good->data, i + 1);
		buf_add(&m, good->data + i, good->len - i);
		agree(buf_bytes(&m), known);
	}
	buf_free(&m);
}

static uint32_t
next_random(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

/* Pieces copied over or into others, several bytes at once: the same in every run. */
static void
mutate_at_random(const struct buf *good, const struct cmsfast *known, unsigned rounds)
{
	uint32_t seed = 1;
	struct buf m = BUF_INIT;
	size_t from, to, len;

	for (; rounds > 0; rounds--) {
		buf_reset(&m);
		from = next_random(&seed) % good->len;
		to = next_random(&seed) % good->len;
		len = 1 + next_random(&seed) % 40;
		if (len > good->len - from)
			len = good->len - from;
		buf_add(&m, good->data, to);
		buf_add(&m, good->data + from, len);
		if (rounds % 2)
			len = 0; /* inserted, else copied over */
		if (to + len < good->len)
			buf_add(&m, good->data + to + len, good->len - to - len);
		if (rounds % 3 == 0)
			m.data[next_random(&seed) % m.len] = (unsigned char)next_random(&seed);
		agree(buf_bytes(&m), known);
	}
	buf_free(&m);
}

static void
test_mutants(void **state)
{
	static const enum odd forms[] = { USUAL, WITH_SHA1, KEY_ID, CAPABLE };
	struct buf der = BUF_INIT;
	struct cmsfast known;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		make(forms[i], body_text, &der);
		assert_int_equal(cmsfast_parse(buf_bytes(&der), &known), 0);
		mutate_bytes(&der, &known);
		mutate_at_random(&der, &known, 5000);
	}
	buf_free(&der);
}

/* Levels above with definite and indefinite lengths in every mixture are read, and OpenSSL agrees.
 */
static void
test_levels(void **state)
{
	struct buf der = BUF_INIT, m = BUF_INIT;
	struct cmsfast known;
	/* SEQUENCE 82xxxx, OID 11, [0] 82xxxx, SEQUENCE 82xxxx */
	static const size_t at[] = { 0, 15, 19 };
	unsigned mask;
	size_t i, k, lost;

	(void)state;
	make(USUAL, body_text, &der);
	assert_int_equal(cmsfast_parse(buf_bytes(&der), &known), 0);
	for (mask = 0; mask < 8; mask++) {
		buf_reset(&m);
		buf_add_bytes(&m, buf_bytes(&der));
		for (i = 3; i-- > 0;) {
			if (!(mask & 1u << i))
				continue;
			m.data[at[i] + 1] = 0x80; /* the end of all levels is the same */
			memmove(m.data + at[i] + 2, m.data + at[i] + 4, m.len - at[i] - 4);
			m.len -= 2;
			buf_add(&m, "\0", 2);
		}
		/* Definite ones keep their length: two bytes gone, two come, for each level inside.
		 */
		lost = 0;
		for (k = 0; k < 3; k++)
			lost += (mask >> k) & 1;
		assert_int_equal(m.len, der.len);
		if (!agree(buf_bytes(&m), &known))
			fail_msg("mixture %u with %zu indefinite ones is not taken", mask, lost);
		m.data[m.len - 1] ^= 1;
		assert_false(agree(buf_bytes(&m), &known));
	}
	buf_free(&m);
	buf_free(&der);
}

/* Two certificates whose keys share a slot do not answer for each other. */
static void
test_slots(void **state)
{
	X509 *mine = device_cert, *ssc = help_ssc();
	struct buf one = BUF_INIT, two = BUF_INIT;
	struct cmsfast a, b;
	int i;

	(void)state;
	make(USUAL, body_text, &one);
	device_cert = help_identity(ssc, help_key(1));
	make(USUAL, body_text, &two);
	assert_int_equal(cmsfast_parse(buf_bytes(&one), &a), 0);
	assert_int_equal(cmsfast_parse(buf_bytes(&two), &b), 0);
	/* As if their hashes began with the same bytes. */
	memcpy(b.certificate_sha256, a.certificate_sha256, 2);
	for (i = 0; i < 3; i++) {
		assert_true(cmsfast_verify(&a, bytes_str(body_text), keys));
		assert_true(cmsfast_verify(&b, bytes_str(body_text), keys));
	}
	X509_free(device_cert);
	device_cert = mine;
	X509_free(ssc);
	buf_free(&one);
	buf_free(&two);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_usual_forms),
		cmocka_unit_test(test_oddities),
		cmocka_unit_test(test_pins),
		cmocka_unit_test(test_other_keys),
		cmocka_unit_test(test_mutants),
		cmocka_unit_test(test_levels),
		cmocka_unit_test(test_slots),
	};
	X509 *ssc;
	int r;

	help_start();
	ssc = help_ssc();
	device_cert = help_identity(ssc, help_key(1));
	X509_free(ssc);
	keys = cmsfast_keys_new();
	r = cmocka_run_group_tests_name("cmsfast", tests, NULL, NULL);
	cmsfast_keys_free(keys);
	X509_free(device_cert);
	help_done();
	return r;
}
