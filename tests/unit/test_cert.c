/* Tests of daemon/pki/cert */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "pki/cert.h"
#include "pki/key.h"
#include "pki_help.h"

static STACK_OF(X509) * parse_file(const char *name, const char **why)
{
	struct buf b = BUF_INIT;
	STACK_OF(X509) * list;

	help_read(name, &b);
	list = cert_parse(buf_bytes(&b), why);
	buf_free(&b);
	assert_int_equal(ERR_peek_error(), 0);

	return list;
}

/* a.pem, b.pem: two certificates; k.pem: the key of the first. */
static void
write_samples(void)
{
	X509 *a = help_self_signed(help_key(0), "a", EVP_sha256());
	X509 *b = help_self_signed(help_key(1), "b", EVP_sha256());

	help_write_cert("a.pem", a);
	help_write_cert("b.pem", b);
	help_write_key("k.pem", help_key(0));
	X509_free(a);
	X509_free(b);
}

static void
test_forms(void **state)
{
	static const struct {
		const char *command, *names;
	} cases[] = {
		{ "cp a.pem f", "a" },
		{ "cat b.pem a.pem >f", "ba" },
		{ "cat k.pem a.pem >f", "a" },
		{ "cat a.pem k.pem b.pem >f", "ab" },
		{ "sed 's/$/\\r/' a.pem >f", "a" },
		{ "{ printf '\\357\\273\\277'; cat a.pem; } >f", "a" },
		{ "{ openssl x509 -in a.pem -text; echo tail; } >f", "a" },
		{ "{ cat a.pem; echo '# and a comment'; cat b.pem; } >f", "ab" },
		{ "openssl x509 -in a.pem -outform DER -out f", "a" },
		{ "{ printf %s \"$(cat a.pem)\"; } >f", "a" },
		{ "sed 's/ CERT/ X509 CERT/' a.pem >f", "a" },
	};
	STACK_OF(X509) * list;
	struct buf cn = BUF_INIT;
	const char *why;
	size_t i;
	int j;

	(void)state;
	write_samples();
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		help_run(0, "%s", cases[i].command);
		list = parse_file("f", &why);
		if (!list)
			fail_msg("%s: %s", cases[i].command, why);
		for (j = 0; j < sk_X509_num(list); j++)
			assert_int_equal(cert_common_name(sk_X509_value(list, j), &cn), 0);
		assert_string_equal(buf_str(&cn), cases[i].names);
		buf_reset(&cn);
		sk_X509_pop_free(list, X509_free);
	}
	buf_free(&cn);
}

static void
test_refused(void **state)
{
	static const struct {
		const char *command, *why;
	} cases[] = {
		{ ": >f", "is empty" },
		{ "echo junk >f", "holds no certificate" },
		{ "echo -----BEGIN >f", "holds no certificate" },
		{ "sed 's/^/  /' a.pem >f", "is indented" },
		{ "sed 's/^/> /' a.pem >f", "is indented" },
		{ "tr '\\n' '\\r' <a.pem >f", "has old Macintosh" },
		{ "iconv -t UTF-16 a.pem >f", "is UTF-16" },
		{ "openssl x509 -in a.pem -trustout -out f", "holds a TRUSTED CERTIFICATE" },
		{ "openssl crl2pkcs7 -nocrl -certfile a.pem -out f", "is a PKCS#7" },
		{ "openssl crl2pkcs7 -nocrl -certfile a.pem -outform DER -out f", "is a PKCS#7" },
		{ "openssl pkcs12 -export -passout pass:x -in a.pem -inkey k.pem -out f",
			"is a PKCS#12" },
		{ "openssl req -new -key k.pem -subj /CN=x -out f", "holds a certificate signing" },
		{ "openssl req -new -key k.pem -subj /CN=x -outform DER -out f",
			"holds a certificate signing" },
		{ "cp k.pem f", "holds a private key" },
		{ "openssl pkey -in k.pem -outform DER -out f", "holds a private key" },
		{ "head -c 500 a.pem >f", "is cut off" },
		{ "{ cat b.pem; head -c 500 a.pem; } >f", "is cut off" },
		{ "openssl x509 -in a.pem -outform DER | head -c 300 >f", "is cut off" },
		{ "sed '5s/./!/' a.pem >f", "is damaged" },
		{ "sed 5d a.pem >f", "is damaged" },
		{ "{ cat b.pem; sed 5d a.pem; } >f", "is damaged" },
		{ "{ openssl x509 -in a.pem -outform DER; echo; } >f", "has other bytes behind" },
		{ "printf '0\\003\\002\\001\\001' >f", "holds no certificate" },
	};
	STACK_OF(X509) * list;
	const char *why;
	size_t i;

	(void)state;
	write_samples();
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		help_run(0, "%s", cases[i].command);
		why = NULL;
		list = parse_file("f", &why);
		if (list)
			fail_msg("accepted: %s", cases[i].command);
		if (!why || strncmp(why, cases[i].why, strlen(cases[i].why)) != 0)
			fail_msg("%s: %s", cases[i].command, why ? why : "NULL");
	}
	assert_null(cert_parse(bytes_of(NULL, 0), NULL));
	assert_null(cert_parse_der(bytes_of(NULL, 0)));
}

/* No length at which a file can end, and no byte that can be wrong, does harm. */
static void
test_hostile(void **state)
{
	X509 *c = help_self_signed(help_key(0), "a", EVP_sha256());
	struct buf der = BUF_INIT, text = BUF_INIT;
	unsigned char *copy;
	X509 *other;
	size_t i;

	(void)state;
	assert_int_equal(cert_to_der(c, &der), 0);
	for (i = 0; i < der.len; i++) {
		copy = malloc(i ? i : 1);
		memcpy(copy, der.data, i);
		assert_null(cert_parse_der(bytes_of(copy, i)));
		if (i % 16 == 0)
			assert_null(cert_parse(bytes_of(copy, i), NULL));
		free(copy);
	}
	for (i = 0; i < der.len; i++) {
		der.data[i] ^= 0x55;
		other = cert_parse_der(buf_bytes(&der));
		if (other) {
			cert_subject(other, &text);
			cert_issuer(other, &text);
			cert_serial(other, &text);
			cert_validity(other, HELP_NOW);
			cert_topic(other, &text);
			assert_false(cert_issued_by(other, c));
			X509_free(other);
		}
		der.data[i] ^= 0x55;
		buf_reset(&text);
	}
	buf_free(&text);
	buf_free(&der);
	X509_free(c);
}

static X509 *
with_subject(const char *const (*entries)[2], size_t count)
{
	X509 *c = help_self_signed(help_key(0), "x", EVP_sha256());
	X509_NAME *name = X509_NAME_new();
	size_t i;

	for (i = 0; i < count; i++)
		assert_int_equal(X509_NAME_add_entry_by_txt(name, entries[i][0], MBSTRING_UTF8,
					 (const unsigned char *)entries[i][1], -1, -1, 0),
			1);
	X509_set_subject_name(c, name);
	X509_NAME_free(name);

	return c;
}

#define SUBJECT(...)                                          \
	with_subject((const char *const[][2]){ __VA_ARGS__ }, \
		sizeof((const char *const[][2]){ __VA_ARGS__ }) / (2 * sizeof(char *)))

static void
test_topic(void **state)
{
	struct buf out = BUF_INIT;
	X509 *c;

	(void)state;
	c = SUBJECT({ "CN", "APSP:1" }, { "UID", "com.apple.mgmt.External.1" }, { "C", "DE" });
	buf_add_str(&out, ">");
	assert_int_equal(cert_topic(c, &out), 0);
	assert_string_equal(buf_str(&out), ">com.apple.mgmt.External.1");
	X509_free(c);
	c = SUBJECT({ "UID", "com.apple.mgmt.External.1" }, { "UID", "com.apple.mgmt.External.2" });
	assert_int_equal(cert_topic(c, &out), -EINVAL);
	X509_free(c);
	c = SUBJECT({ "UID", "com.example.app" });
	assert_int_equal(cert_topic(c, &out), -ENOENT);
	X509_free(c);
	c = SUBJECT({ "UID", "com.apple.mgmt." });
	assert_int_equal(cert_topic(c, &out), -ENOENT);
	X509_free(c);
	c = SUBJECT({ "UID", "com.apple.mgmt.x\n" });
	assert_int_equal(cert_topic(c, &out), -ENOENT);
	X509_free(c);
	c = SUBJECT({ "CN", "x" });
	assert_int_equal(cert_topic(c, &out), -ENOENT);
	X509_free(c);
	assert_string_equal(buf_str(&out), ">com.apple.mgmt.External.1");
	buf_free(&out);
}

static void
test_names(void **state)
{
	X509 *c = SUBJECT({ "C", "DE" }, { "O", "Müller & Söhne <1>, OHG" }, { "CN", "first" },
		{ "CN", "läst" }, { "UID", "u\x07" });
	struct buf out = BUF_INIT;

	(void)state;
	cert_subject(c, &out);
	assert_string_equal(
		buf_str(&out), "C=DE, O=Müller & Söhne <1>, OHG, CN=first, CN=läst, UID=u\\07");
	buf_reset(&out);
	cert_issuer(c, &out);
	assert_string_equal(buf_str(&out), "CN=x");
	buf_reset(&out);
	assert_int_equal(cert_common_name(c, &out), 0);
	assert_string_equal(buf_str(&out), "läst");
	X509_free(c);
	c = SUBJECT({ "O", "x" });
	assert_int_equal(cert_common_name(c, &out), -ENOENT);
	X509_free(c);
	buf_free(&out);
}

static void
test_serial(void **state)
{
	static const char *const serials[] = { "0", "0x1", "0x80", "0x0102ABCDEF",
		"0x7FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFF", "-0x10" };
	X509 *c = help_self_signed(help_key(0), "x", EVP_sha256());
	struct buf ours = BUF_INIT, theirs = BUF_INIT;
	ASN1_INTEGER *n;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(serials) / sizeof(serials[0]); i++) {
		n = s2i_ASN1_INTEGER(NULL, serials[i]);
		assert_non_null(n);
		X509_set_serialNumber(c, n);
		ASN1_INTEGER_free(n);
		X509_sign(c, help_key(0), EVP_sha256());
		help_write_cert("s.pem", c);
		help_run(0, "openssl x509 -in s.pem -noout -serial >serial");
		help_read("serial", &theirs);
		buf_add_str(&ours, "serial=");
		cert_serial(c, &ours);
		buf_add_str(&ours, "\n");
		assert_string_equal(buf_str(&ours), buf_str(&theirs));
		buf_reset(&ours);
		buf_reset(&theirs);
	}
	buf_free(&ours);
	buf_free(&theirs);
	X509_free(c);
}

static void
test_times(void **state)
{
	X509 *c = help_self_signed(help_key(0), "x", EVP_sha256());

	(void)state;
	ASN1_TIME_set_string_X509(X509_getm_notBefore(c), "20300101000000Z");
	ASN1_TIME_set_string_X509(X509_getm_notAfter(c), "20510101000000Z");
	assert_int_equal(cert_not_before(c), HELP_NOW);
	assert_int_equal(cert_not_after(c), INT64_C(2556144000));
	assert_int_equal(cert_validity(c, HELP_NOW - 1), -1);
	assert_int_equal(cert_validity(c, HELP_NOW), 0);
	assert_int_equal(cert_validity(c, INT64_C(2556144000)), 0);
	assert_int_equal(cert_validity(c, INT64_C(2556144001)), 1);
	/* A time that is none must not make the certificate valid for ever. */
	ASN1_STRING_set(X509_getm_notAfter(c), "soon", -1);
	assert_int_equal(cert_not_after(c), 0);
	assert_int_equal(cert_validity(c, HELP_NOW), 1);
	X509_free(c);
}

static void
test_hashes(void **state)
{
	X509 *c = help_self_signed(help_key(0), "x", EVP_sha256());
	unsigned char hash[SHA256_LEN], again[SHA256_LEN];
	struct buf pem = BUF_INIT;
	STACK_OF(X509) * list;
	unsigned len;

	(void)state;
	assert_int_equal(cert_sha256(c, hash), 0);
	assert_int_equal(X509_digest(c, EVP_sha256(), again, &len), 1);
	assert_memory_equal(hash, again, SHA256_LEN);
	assert_int_equal(cert_to_pem(c, &pem), 0);
	list = cert_parse(buf_bytes(&pem), NULL);
	assert_non_null(list);
	assert_int_equal(cert_sha256(sk_X509_value(list, 0), again), 0);
	assert_memory_equal(hash, again, SHA256_LEN);
	sk_X509_pop_free(list, X509_free);
	buf_free(&pem);
	X509_free(c);
}

/* The same name with another key is not the same CA. */
static void
test_issued_by(void **state)
{
	X509 *ssc = help_ssc(), *id = help_identity(ssc, help_key(1)), *fake;

	(void)state;
	assert_true(cert_issued_by(id, ssc));
	assert_true(cert_issued_by(ssc, ssc));
	assert_false(cert_issued_by(ssc, id));
	assert_false(cert_issued_by(id, id));
	fake = X509_dup(ssc);
	X509_set_pubkey(fake, help_key(2));
	X509_sign(fake, help_key(2), EVP_sha256());
	assert_int_equal(X509_NAME_cmp(X509_get_subject_name(fake), X509_get_subject_name(ssc)), 0);
	assert_false(cert_issued_by(id, fake));
	X509_free(fake);
	X509_free(id);
	X509_free(ssc);
}

static void
test_number(void **state)
{
	X509 *ssc = help_ssc(), *id = help_identity(ssc, help_key(1));
	char out[37] = "unchanged";

	(void)state;
	assert_int_equal(cert_enrollment_number(ssc, out), -ENOENT);
	assert_string_equal(out, "unchanged");
	assert_int_equal(cert_enrollment_number(id, out), 0);
	assert_string_equal(out, HELP_NUMBER);
	X509_free(id);
	X509_free(ssc);
}

static X509 *
with_alternatives(const char *value)
{
	X509 *c = help_self_signed(help_key(0), "cn.example", EVP_sha256());
	X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, value);

	assert_non_null(e);
	X509_add_ext(c, e, -1);
	X509_EXTENSION_free(e);
	X509_sign(c, help_key(0), EVP_sha256());

	return c;
}

static void
test_numbers_that_are_none(void **state)
{
	static const char *const values[] = {
		"URI:urn:uuid:3f2b8c1a-0d5e-4c7b-9a61-5e8f7d2c4b1",
		"URI:urn:uuid:3f2b8c1a-0d5e-4c7b-9a61-5e8f7d2c4b100",
		"URI:urn:uuid:3f2b8c1a-0d5e-4c7b-9a61-5e8f7d2c4bxx",
		"DNS:urn:uuid:3f2b8c1a-0d5e-4c7b-9a61-5e8f7d2c4b10",
		("URI:urn:uuid:3f2b8c1a-0d5e-4c7b-9a61-5e8f7d2c4b10,"
		 "URI:urn:uuid:3f2b8c1a-0d5e-4c7b-9a61-5e8f7d2c4b11"),
	};
	char out[37];
	size_t i;
	X509 *c;

	(void)state;
	for (i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		c = with_alternatives(values[i]);
		if (cert_enrollment_number(c, out) != -ENOENT)
			fail_msg("%s", values[i]);
		X509_free(c);
	}
}

static void
test_hosts(void **state)
{
	X509 *c = with_alternatives(
		"DNS:mdm.example.org,DNS:*.wild.example,IP:192.0.2.7,IP:2001:db8::1");

	(void)state;
	assert_true(cert_matches_host(c, "mdm.example.org"));
	assert_true(cert_matches_host(c, "MDM.example.org"));
	assert_true(cert_matches_host(c, "a.wild.example"));
	assert_false(cert_matches_host(c, "a.b.wild.example"));
	assert_false(cert_matches_host(c, "wild.example"));
	assert_false(cert_matches_host(c, "example.org"));
	assert_false(cert_matches_host(c, ".example.org"));
	assert_false(cert_matches_host(c, "cn.example"));
	assert_false(cert_matches_host(c, ""));
	assert_true(cert_matches_host(c, "192.0.2.7"));
	assert_true(cert_matches_host(c, "2001:db8:0::1"));
	assert_false(cert_matches_host(c, "192.0.2.8"));
	X509_free(c);
	/* Without alternative names the common name does not stand in. */
	c = help_self_signed(help_key(0), "cn.example", EVP_sha256());
	assert_false(cert_matches_host(c, "cn.example"));
	X509_free(c);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_topic),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_serial),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_hashes),
		cmocka_unit_test(test_issued_by),
		cmocka_unit_test(test_number),
		cmocka_unit_test(test_numbers_that_are_none),
		cmocka_unit_test(test_hosts),
	};
	int r;

	help_start();
	r = cmocka_run_group_tests_name("cert", tests, NULL, NULL);
	help_done();

	return r;
}
