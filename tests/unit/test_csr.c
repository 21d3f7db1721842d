/* Tests of daemon/pki/csr */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "pki/csr.h"
#include "pki/key.h"
#include "pki_help.h"

#define TEXT(s) ((char *)(uintptr_t)(s))
#define TEN "0123456789"
#define SIXTY TEN TEN TEN TEN TEN TEN
#define UMLAUTS8 "äöüÄÖÜßé"

static const struct subject full = {
	.country = TEXT("DE"),
	.state = TEXT("Baden-Württemberg"),
	.locality = TEXT("Tübingen"),
	.organization = TEXT("Müller & Söhne <OHG>"),
	.unit = TEXT("IT"),
	.common_name = TEXT("mdm"),
	.email = TEXT("it@example.org"),
};

static void
test_request(void **state)
{
	X509_REQ *r = csr_new(help_key(0), &full);
	struct buf out = BUF_INIT;

	(void)state;
	assert_non_null(r);
	csr_subject(r, &out);
	assert_string_equal(buf_str(&out),
		"C=DE, ST=Baden-Württemberg, L=Tübingen, O=Müller & Söhne <OHG>, OU=IT, CN=mdm, "
		"emailAddress=it@example.org");
	buf_reset(&out);
	assert_int_equal(csr_to_pem(r, &out), 0);
	help_write("r.pem", buf_bytes(&out));
	help_write_key("k.pem", help_key(0));
	help_run(
		0, "openssl req -in r.pem -verify -noout -text -nameopt multiline,show_type >text");
	help_run(0, "test \"$(openssl req -in r.pem -pubkey -noout)\" = \"$(openssl pkey -in k.pem "
		    "-pubout)\"");
	buf_reset(&out);
	help_read("text", &out);
	assert_true(help_contains(&out, "Version: 1 (0x0)"));
	assert_true(help_contains(&out, "sha256WithRSAEncryption"));
	assert_true(help_contains(&out, "PRINTABLESTRING:DE"));
	assert_true(help_contains(&out, "UTF8STRING:IT"));
	assert_true(help_contains(&out, "IA5STRING:it@example.org"));
	buf_free(&out);
	X509_REQ_free(r);
}

static void
test_parse(void **state)
{
	static const char *const good[] = {
		"cp r.pem f",
		"openssl req -in r.pem -outform DER -out f",
		"openssl req -in r.pem -text -out f",
		"sed 's/BEGIN CERT/BEGIN NEW CERT/;s/END CERT/END NEW CERT/' r.pem >f",
		"cat k.pem r.pem >f",
		"{ printf '\\357\\273\\277'; sed 's/$/\\r/' r.pem; } >f",
	};
	static const char *const bad[] = {
		": >f",
		"cp k.pem f",
		"head -c 400 r.pem >f",
		"{ openssl req -in r.pem -outform DER; echo; } >f",
		"openssl req -in r.pem -outform DER | head -c 400 >f",
	};
	X509_REQ *r = csr_new(help_key(0), &full);
	struct buf b = BUF_INIT;
	size_t i;

	(void)state;
	assert_int_equal(csr_to_pem(r, &b), 0);
	help_write("r.pem", buf_bytes(&b));
	help_write_key("k.pem", help_key(0));
	X509_REQ_free(r);
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		help_run(0, "%s", good[i]);
		buf_reset(&b);
		help_read("f", &b);
		r = csr_parse(buf_bytes(&b));
		if (!r)
			fail_msg("%s", good[i]);
		assert_int_equal(X509_REQ_verify(r, help_key(0)), 1);
		buf_reset(&b);
		csr_subject(r, &b);
		assert_true(help_contains(&b, "CN=mdm"));
		X509_REQ_free(r);
	}
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		help_run(0, "%s", bad[i]);
		buf_reset(&b);
		help_read("f", &b);
		if (csr_parse(buf_bytes(&b)))
			fail_msg("accepted: %s", bad[i]);
		assert_int_equal(ERR_peek_error(), 0);
	}
	buf_free(&b);
}

static void
test_der(void **state)
{
	X509_REQ *r = csr_new(help_key(0), &full), *again;
	struct buf b = BUF_INIT;

	(void)state;
	assert_int_equal(csr_to_der(r, &b), 0);
	again = csr_parse(buf_bytes(&b));
	assert_non_null(again);
	X509_REQ_free(again);
	X509_REQ_free(r);
	buf_free(&b);
}

static void
test_faults(void **state)
{
	static const struct {
		struct subject s;
		const char *fault; /* begins with; NULL: none */
	} cases[] = {
		{ { 0 }, NULL },
		{ { .country = TEXT("") }, NULL },
		{ { .country = TEXT("D") }, "country must be two letters" },
		{ { .country = TEXT("DEU") }, "country must be two letters" },
		{ { .country = TEXT("D1") }, "country must be two letters" },
		{ { .country = TEXT("Ö") }, "country must be two letters" },
		{ { .common_name = TEXT(SIXTY "1234") }, NULL },
		{ { .common_name = TEXT(SIXTY "12345") }, "common-name is longer than 64" },
		{ { .common_name = TEXT(UMLAUTS8 UMLAUTS8 UMLAUTS8 UMLAUTS8 UMLAUTS8 UMLAUTS8
				    UMLAUTS8 UMLAUTS8) },
			NULL },
		{ { .common_name = TEXT(
			    UMLAUTS8 UMLAUTS8 UMLAUTS8 UMLAUTS8 UMLAUTS8 UMLAUTS8 UMLAUTS8 UMLAUTS8
			    "x") },
			"common-name is longer than 64" },
		{ { .common_name = TEXT("a\xff") }, "common-name is not UTF-8" },
		{ { .common_name = TEXT("a\nb") }, "common-name is not UTF-8 text or has control" },
		{ { .common_name = TEXT("a\xc2\x85") }, "common-name is not UTF-8 text or has" },
		{ { .organization = TEXT(SIXTY "12345") }, "organization is longer" },
		{ { .unit = TEXT(SIXTY "12345") }, "unit is longer" },
		{ { .state = TEXT(SIXTY SIXTY "12345678") }, NULL },
		{ { .state = TEXT(SIXTY SIXTY "123456789") }, "state is longer than 128" },
		{ { .locality = TEXT(SIXTY SIXTY "123456789") }, "locality is longer than 128" },
		{ { .email = TEXT("nobody") }, "email must be an address" },
		{ { .email = TEXT("bücher@example.org") }, "email must be an address" },
		{ { .email = TEXT("a b@example.org") }, "email must be an address" },
	};
	const char *fault;
	X509_NAME *name;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		fault = subject_fault(&cases[i].s);
		name = subject_to_name(&cases[i].s);
		if (cases[i].fault) {
			assert_non_null(fault);
			assert_memory_equal(fault, cases[i].fault, strlen(cases[i].fault));
			assert_null(name);
			assert_null(csr_new(help_key(0), &cases[i].s));
		} else {
			if (fault)
				fail_msg("case %zu: %s", i, fault);
			assert_non_null(name);
		}
		X509_NAME_free(name);
	}
}

static void
test_subject_free(void **state)
{
	struct subject s = { .country = xstrdup("DE"), .email = xstrdup("a@b") };

	(void)state;
	subject_free(&s);
	assert_null(s.country);
	assert_null(s.email);
	subject_free(&s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_request),
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_der),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_subject_free),
	};
	int r;

	help_start();
	r = cmocka_run_group_tests_name("csr", tests, NULL, NULL);
	help_done();

	return r;
}
