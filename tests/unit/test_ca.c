/* Tests of daemon/pki/ca */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "pki/ca.h"
#include "pki/cert.h"
#include "pki/key.h"
#include "pki_help.h"

#define TEXT(s) ((char *)(uintptr_t)(s))
#define UMLAUTS16 "äöüÄÖÜßéäöüÄÖÜßé"

/* What `openssl x509 -text` says of it, with the blanks of its layout made single. */
static void
describe(X509 *c, struct buf *out)
{
	help_write_cert("text.pem", c);
	help_run(0,
		"openssl x509 -in text.pem -noout -text -nameopt oneline,show_type,-esc_msb,utf8 | "
		"tr -s ' \\n' ' ' >text");
	buf_reset(out);
	help_read("text", out);
}

static void
expect_text(const struct buf *text, const char *const *want)
{
	for (; *want; want++)
		if (!help_contains(text, *want))
			fail_msg("missing \"%s\" in %.*s", *want, (int)text->len,
				(const char *)text->data);
}

static void
test_ssc(void **state)
{
	static const char *const want[] = {
		"Version: 3",
		"sha256WithRSAEncryption",
		"CN = UTF8STRING:\"Müller & Söhne <MDM>\"",
		"Basic Constraints: critical CA:TRUE, pathlen:0",
		"Key Usage: critical Digital Signature, Key Encipherment, Certificate Sign, CRL "
		"Sign",
		"Subject Key Identifier",
		NULL,
	};
	X509 *c = help_ssc();
	struct buf text = BUF_INIT;

	(void)state;
	describe(c, &text);
	expect_text(&text, want);
	assert_false(help_contains(&text, "Authority Key Identifier"));
	help_write_cert("ssc.pem", c);
	help_run(0, "openssl verify -x509_strict -CAfile ssc.pem ssc.pem");
	assert_int_equal(cert_not_after(c) - cert_not_before(c), 3650 * HELP_DAY + 600);
	buf_free(&text);
	X509_free(c);
}

/* The name is what users see, so it survives whatever it is made of. */
static void
test_ssc_names(void **state)
{
	static const char *const names[] = {
		"a",
		"Fish & Chips <\"quoted\"> + , ; = #",
		UMLAUTS16 UMLAUTS16 UMLAUTS16 UMLAUTS16,
		"果樹園 🍏",
	};
	struct subject s = { 0 };
	struct buf cn = BUF_INIT;
	size_t i;
	X509 *c;

	(void)state;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		s.common_name = TEXT(names[i]);
		c = ca_new_ssc(help_key(0), &s, HELP_NOW, HELP_DAY);
		assert_non_null(c);
		assert_int_equal(cert_common_name(c, &cn), 0);
		assert_string_equal(buf_str(&cn), names[i]);
		assert_int_equal(ASN1_STRING_type(X509_NAME_ENTRY_get_data(
					 X509_NAME_get_entry(X509_get_subject_name(c), 0))),
			V_ASN1_UTF8STRING);
		buf_reset(&cn);
		X509_free(c);
	}
	s.common_name = TEXT(UMLAUTS16 UMLAUTS16 UMLAUTS16 UMLAUTS16 "x");
	assert_null(ca_new_ssc(help_key(0), &s, HELP_NOW, HELP_DAY));
	s.common_name = TEXT("x");
	assert_null(ca_new_ssc(help_key(0), &s, HELP_NOW, -HELP_DAY));
	assert_int_equal(ERR_peek_error(), 0);
	buf_free(&cn);
}

static void
test_identity(void **state)
{
	static const char *const want[] = {
		"Version: 3",
		"Basic Constraints: critical CA:FALSE",
		"Key Usage: critical Digital Signature, Key Encipherment X509v3",
		"Extended Key Usage: TLS Web Client Authentication X509v3",
		"Subject Key Identifier",
		"Authority Key Identifier",
		"URI:urn:uuid:" HELP_NUMBER,
		"O = UTF8STRING:Baumschule Süd, CN = UTF8STRING:Gerät 1",
		"Issuer: O = UTF8STRING:Baumschule Süd, CN = UTF8STRING:\"Müller & Söhne <MDM>\"",
		NULL,
	};
	X509 *ssc = help_ssc(), *c = help_identity(ssc, help_key(1));
	unsigned char a[SHA256_LEN], b[SHA256_LEN];
	struct buf text = BUF_INIT;

	(void)state;
	describe(c, &text);
	expect_text(&text, want);
	help_write_cert("ssc.pem", ssc);
	help_write_cert("id.pem", c);
	help_run(0, "openssl verify -x509_strict -CAfile ssc.pem id.pem");
	help_run(0, "openssl verify -purpose sslclient -CAfile ssc.pem id.pem");
	help_run(2, "openssl verify -purpose sslserver -CAfile ssc.pem id.pem");
	assert_int_equal(cert_spki_sha256(c, a), 0);
	assert_int_equal(key_spki_sha256(help_key(1), b), 0);
	assert_memory_equal(a, b, SHA256_LEN);
	buf_free(&text);
	X509_free(c);
	X509_free(ssc);
}

static struct ca_identity
sample(void)
{
	return (struct ca_identity){
		.subject_key = help_key(1),
		.common_name = "x",
		.number = HELP_NUMBER,
		.now = help_today(),
		.lifetime = 365 * HELP_DAY,
	};
}

static void
test_identity_times(void **state)
{
	X509 *ssc = help_ssc(), *c;
	struct ca_identity id = sample();

	(void)state;
	c = ca_issue_identity(ssc, help_key(0), &id);
	assert_non_null(c);
	assert_int_equal(cert_not_before(c), id.now - 600);
	assert_int_equal(cert_not_after(c), id.now + 365 * HELP_DAY);
	X509_free(c);
	/* Never longer than the CA. */
	id.now = cert_not_after(ssc) - HELP_DAY;
	c = ca_issue_identity(ssc, help_key(0), &id);
	assert_non_null(c);
	assert_int_equal(cert_not_after(c), cert_not_after(ssc));
	X509_free(c);
	id.now = cert_not_after(ssc);
	assert_null(ca_issue_identity(ssc, help_key(0), &id));
	X509_free(ssc);
}

static void
test_identity_refused(void **state)
{
	static const char *const numbers[] = { NULL, "", "1", HELP_NUMBER "0",
		"3f2b8c1a-0d5e-4c7b-9a61-5e8f7d2c4b1,DNS:x" };
	X509 *ssc = help_ssc();
	struct ca_identity id = sample();
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		id.number = numbers[i];
		assert_null(ca_issue_identity(ssc, help_key(0), &id));
	}
	id = sample();
	id.common_name = NULL;
	assert_null(ca_issue_identity(ssc, help_key(0), &id));
	id.common_name = "a\xff";
	assert_null(ca_issue_identity(ssc, help_key(0), &id));
	X509_free(ssc);
}

/* An organization's long name must not stop enrollments. */
static void
test_identity_long_names(void **state)
{
	X509 *ssc = help_ssc(), *c;
	struct ca_identity id = sample();
	struct buf out = BUF_INIT;

	(void)state;
	id.organization = UMLAUTS16 UMLAUTS16 UMLAUTS16 UMLAUTS16 "and more";
	id.common_name = "x";
	c = ca_issue_identity(ssc, help_key(0), &id);
	assert_non_null(c);
	cert_subject(c, &out);
	assert_string_equal(buf_str(&out), "O=" UMLAUTS16 UMLAUTS16 UMLAUTS16 UMLAUTS16 ", CN=x");
	buf_free(&out);
	X509_free(c);
	X509_free(ssc);
}

static void
test_serials(void **state)
{
	X509 *ssc = help_ssc(), *c;
	struct ca_identity id = sample();
	struct buf serial[16] = { BUF_INIT };
	size_t i, j;

	(void)state;
	for (i = 0; i < 16; i++) {
		c = ca_issue_identity(ssc, help_key(0), &id);
		cert_serial(c, &serial[i]);
		assert_in_range(serial[i].len, 26, 32);
		assert_int_not_equal(serial[i].data[0], '-');
		for (j = 0; j < i; j++)
			assert_string_not_equal(buf_str(&serial[i]), buf_str(&serial[j]));
		X509_free(c);
	}
	for (i = 0; i < 16; i++)
		buf_free(&serial[i]);
	X509_free(ssc);
}

struct issuer {
	X509 *ssc;
	int issued;
};

static void *
issue_many(void *arg)
{
	struct issuer *w = arg;
	struct ca_identity id = sample();
	X509 *c;
	int i;

	for (i = 0; i < 40; i++) {
		c = ca_issue_identity(w->ssc, help_key(0), &id);
		w->issued += c && cert_issued_by(c, w->ssc);
		X509_free(c);
	}

	return NULL;
}

static void
test_threads(void **state)
{
	struct issuer w[3] = { { help_ssc(), 0 } };
	pthread_t t[3];
	size_t i;

	(void)state;
	help_key(1);
	for (i = 0; i < 3; i++) {
		w[i].ssc = w[0].ssc;
		assert_int_equal(pthread_create(&t[i], NULL, issue_many, &w[i]), 0);
	}
	for (i = 0; i < 3; i++) {
		pthread_join(t[i], NULL);
		assert_int_equal(w[i].issued, 40);
	}
	X509_free(w[0].ssc);
}

/* A server's certificate from its root, as another program judges the pair. */
static void
try_server(const char *name, const char *verify_option, const char *constraint)
{
	int64_t now = help_today();
	X509 *root = ca_new_tls_root(help_key(2), name, now, 3650 * HELP_DAY);
	X509 *c;
	struct buf text = BUF_INIT;
	const char *want[] = { "Name Constraints: critical", constraint,
		"Basic Constraints: critical CA:TRUE, pathlen:0",
		"Key Usage: critical Certificate Sign, CRL Sign", NULL };
	const char *want_leaf[] = { "Basic Constraints: critical CA:FALSE",
		"TLS Web Server Authentication", "sha256WithRSAEncryption", NULL };

	assert_non_null(root);
	c = ca_issue_server(help_key(1), name, root, help_key(2), now, 3650 * HELP_DAY);
	assert_non_null(c);
	describe(root, &text);
	expect_text(&text, want);
	describe(c, &text);
	expect_text(&text, want_leaf);
	help_write_cert("root.pem", root);
	help_write_cert("server.pem", c);
	help_run(0,
		"openssl verify -x509_strict -purpose sslserver %s '%s' -CAfile root.pem "
		"server.pem",
		verify_option, name);
	assert_true(cert_matches_host(c, name));
	/* Apple counts both ends. */
	assert_int_equal(cert_not_after(c) - cert_not_before(c), 825 * HELP_DAY - 1);
	buf_free(&text);
	X509_free(c);
	X509_free(root);
}

static void
test_server(void **state)
{
	(void)state;
	try_server("mdm.example.org", "-verify_hostname", "Permitted: DNS:mdm.example.org");
	try_server("localhost", "-verify_hostname", "Permitted: DNS:localhost");
	try_server("192.0.2.7", "-verify_ip", "Permitted: IP:192.0.2.7/255.255.255.255");
	try_server("2001:db8::7", "-verify_ip", "Permitted: IP:2001:DB8:0:0:0:0:0:7/FFFF");
	/* 73 characters: too long for a common name. */
	try_server("a.very-long-name.0123456789.0123456789.0123456789.0123456789.example.org",
		"-verify_hostname", "Permitted: DNS:a.very-long-name.");
}

/* The root's key in wrong hands makes no certificate for another host. */
static void
test_constraint_holds(void **state)
{
	int64_t now = help_today();
	X509 *root = ca_new_tls_root(help_key(2), "mdm.example.org", now, 3650 * HELP_DAY);
	X509 *c = ca_issue_server(help_key(1), "www.example.com", root, help_key(2), now, HELP_DAY);
	X509 *ip = ca_issue_server(help_key(1), "192.0.2.7", root, help_key(2), now, HELP_DAY);

	(void)state;
	help_write_cert("root.pem", root);
	help_write_cert("server.pem", c);
	help_run(2, "openssl verify -CAfile root.pem server.pem");
	help_run(0, "grep -q 'permitted subtree violation' log");
	assert_non_null(ip);
	X509_free(ip);
	X509_free(c);
	X509_free(root);
}

static void
test_server_ec(void **state)
{
	int64_t now = help_today();
	EVP_PKEY *ec = key_new_p256();
	X509 *root = ca_new_tls_root(ec, "mdm.example.org", now, 30 * HELP_DAY);
	X509 *c = ca_issue_server(ec, "mdm.example.org", root, ec, now, 365 * HELP_DAY);
	struct buf text = BUF_INIT;

	(void)state;
	assert_non_null(c);
	describe(c, &text);
	assert_true(help_contains(&text, "Key Usage: critical Digital Signature X509v3") ||
		    help_contains(&text, "Key Usage: critical Digital Signature "));
	assert_false(help_contains(&text, "Key Encipherment"));
	assert_int_equal(cert_not_after(c), cert_not_after(root));
	assert_null(
		ca_issue_server(ec, "mdm.example.org", root, ec, now + 31 * HELP_DAY, HELP_DAY));
	buf_free(&text);
	X509_free(c);
	X509_free(root);
	EVP_PKEY_free(ec);
}

static void
test_bad_hosts(void **state)
{
	static const char *const names[] = { "", ".", ".example.org", "a..b", "a b", "host:8443",
		"*.example.org", "bücher.example", "a,DNS:b", "-x" };
	X509 *root = ca_new_tls_root(help_key(2), "x", help_today(), HELP_DAY);
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_null(ca_new_tls_root(help_key(2), names[i], help_today(), HELP_DAY));
		assert_null(ca_issue_server(
			help_key(1), names[i], root, help_key(2), help_today(), HELP_DAY));
	}
	X509_free(root);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_ssc),
		cmocka_unit_test(test_ssc_names),
		cmocka_unit_test(test_identity),
		cmocka_unit_test(test_identity_times),
		cmocka_unit_test(test_identity_refused),
		cmocka_unit_test(test_identity_long_names),
		cmocka_unit_test(test_serials),
		cmocka_unit_test(test_threads),
		cmocka_unit_test(test_server),
		cmocka_unit_test(test_constraint_holds),
		cmocka_unit_test(test_server_ec),
		cmocka_unit_test(test_bad_hosts),
	};
	int r;

	help_start();
	r = cmocka_run_group_tests_name("ca", tests, NULL, NULL);
	help_done();

	return r;
}
