/* Tests of daemon/net proxy: what is believed of a proxy's headers */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "net/proxy.h"
#include "pki/ca.h"
#include "pki/cert.h"
#include "pki/key.h"

#define TEXT(s) ((char *)(uintptr_t)(s))

static void
prefixes_say_who_is_trusted(void **state)
{
	char *trusted[] = { TEXT("10.1.0.0/16"), TEXT("192.0.2.7"), TEXT("2001:db8:1::/48"),
		TEXT("198.51.100.0/25") };
	static const struct {
		const char *address;
		bool yes;
	} cases[] = { { "10.1.2.3", true }, { "10.2.0.1", false }, { "192.0.2.7", true },
		{ "192.0.2.8", false }, { "2001:db8:1:ffff::1", true }, { "2001:db8:2::1", false },
		{ "198.51.100.127", true }, { "198.51.100.128", false },
		{ "::ffff:10.1.2.3", true }, { "unix", false }, { "", false },
		{ "10.1.2.3.4", false } };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (proxy_trusts(trusted, 4, cases[i].address) != cases[i].yes)
			fail_msg("%s", cases[i].address);
	assert_false(proxy_trusts(trusted, 0, "10.1.2.3"));
}

static void
what_is_no_prefix_trusts_nobody(void **state)
{
	static const char *const broken[] = { "10.0.0.0/33", "10.0.0.0/", "10.0.0.0/8x", "any",
		"::/129", "10.0.0.0/-1", "" };
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(broken) / sizeof(broken[0]); i++) {
		char *one[] = { TEXT(broken[i]) };

		if (proxy_trusts(one, 1, "10.0.0.1"))
			fail_msg("%s", broken[i]);
	}
}

static void
both_forms_give_the_certificate(void **state)
{
	struct subject s = { .common_name = TEXT("device") };
	EVP_PKEY *key = key_new_p256();
	X509 *cert = ca_new_ssc(key, &s, 1700000000, 86400), *got;
	struct buf der = BUF_INIT, pem = BUF_INIT, base64 = BUF_INIT, escaped = BUF_INIT;
	char *rfc9440;

	(void)state;
	assert_int_equal(cert_to_der(cert, &der), 0);
	assert_int_equal(cert_to_pem(cert, &pem), 0);
	encode_base64(&base64, buf_bytes(&der), 0);
	encode_percent(&escaped, buf_bytes(&pem));
	rfc9440 = xasprintf(":%s:", buf_str(&base64));
	got = proxy_certificate(rfc9440);
	assert_non_null(got);
	assert_int_equal(X509_cmp(got, cert), 0);
	X509_free(got);
	got = proxy_certificate(buf_str(&escaped));
	assert_non_null(got);
	assert_int_equal(X509_cmp(got, cert), 0);
	X509_free(got);
	rfc9440[strlen(rfc9440) - 1] = '\0';
	assert_null(proxy_certificate(rfc9440));
	assert_null(proxy_certificate(buf_str(&base64)));
	free(rfc9440);
	buf_free(&der);
	buf_free(&pem);
	buf_free(&base64);
	buf_free(&escaped);
	X509_free(cert);
	EVP_PKEY_free(key);
}

static void
garbage_gives_none(void **state)
{
	static const char *const broken[] = { "", ":", "::", ":x:", ":AAAA:", "%zz", "%00",
		"-----BEGIN CERTIFICATE-----", "null", ":MIIB:, :MIIB:" };
	char *longest = xmalloc(PROXY_CERT_MAX + 2);
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(broken) / sizeof(broken[0]); i++)
		assert_null(proxy_certificate(broken[i]));
	memset(longest, 'A', PROXY_CERT_MAX + 1);
	longest[PROXY_CERT_MAX + 1] = '\0';
	assert_null(proxy_certificate(longest));
	free(longest);
}

/* What a client wrote itself stands before what the proxies added, and is hearsay. */
static void
the_last_stranger_is_the_client(void **state)
{
	char *trusted[] = { TEXT("10.0.0.0/8"), TEXT("2001:db8::/32") };
	static const struct {
		const char *name, *value, *client; /* NULL: none */
	} cases[] = {
		{ "X-Forwarded-For", "192.0.2.1", "192.0.2.1" },
		{ "X-Forwarded-For", "6.6.6.6, 192.0.2.1", "192.0.2.1" },
		{ "X-Forwarded-For", "6.6.6.6, 192.0.2.1,10.0.0.2 , 10.0.0.3", "192.0.2.1" },
		{ "X-Forwarded-For", "10.0.0.2", "10.0.0.2" },
		{ "X-Forwarded-For", "192.0.2.1:4711", "192.0.2.1" },
		{ "X-Forwarded-For", "[fd00::1]:4711", "fd00::1" },
		{ "X-Forwarded-For", "fd00::1", "fd00::1" },
		{ "X-Forwarded-For", "192.0.2.1, rubbish", NULL },
		{ "X-Forwarded-For", "rubbish, 10.0.0.1", "10.0.0.1" },
		{ "X-Forwarded-For", "", NULL },
		{ "X-Forwarded-For", ",,", NULL },
		{ "Forwarded", "for=192.0.2.43;proto=https;by=203.0.113.43", "192.0.2.43" },
		{ "forwarded", "for=6.6.6.6, proto=https; For=\"192.0.2.43:80\"", "192.0.2.43" },
		{ "Forwarded", "for=192.0.2.1, for=\"[2001:db8::17]:4711\"", "192.0.2.1" },
		{ "Forwarded", "for=\"[fd00::2]\"", "fd00::2" },
		{ "Forwarded", "for=_hidden", NULL },
		{ "Forwarded", "for=\"[fd00::2\"", NULL },
		{ "Forwarded", "proto=https", NULL },
	};
	char got[INET6_ADDRSTRLEN];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		bool found = proxy_client(cases[i].name, cases[i].value, trusted, 2, got);

		if (found != (cases[i].client != NULL) ||
			(found && strcmp(got, cases[i].client) != 0))
			fail_msg("%s: %s", cases[i].value, found ? got : "none");
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(prefixes_say_who_is_trusted),
		cmocka_unit_test(what_is_no_prefix_trusts_nobody),
		cmocka_unit_test(both_forms_give_the_certificate),
		cmocka_unit_test(garbage_gives_none),
		cmocka_unit_test(the_last_stranger_is_the_client),
	};

	return cmocka_run_group_tests_name("proxy", tests, NULL, NULL);
}
