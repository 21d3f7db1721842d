/* Tests of daemon/pki/key */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <string.h>

#include "pki/cert.h"
#include "pki/key.h"
#include "pki_help.h"

static EVP_PKEY *
parse_file(const char *name, const char **why)
{
	struct buf b = BUF_INIT;
	EVP_PKEY *key;

	help_read(name, &b);
	key = key_parse(buf_bytes(&b), why);
	buf_wipe(&b);
	assert_int_equal(ERR_peek_error(), 0);

	return key;
}

static void
test_round_trip(void **state)
{
	struct buf pem = BUF_INIT;
	const char *why = NULL;
	EVP_PKEY *key;
	char text[40];

	(void)state;
	buf_add_str(&pem, "kept\n");
	assert_int_equal(key_to_pem(help_key(0), &pem), 0);
	assert_true(memcmp(pem.data, "kept\n-----BEGIN PRIVATE KEY-----\n", 33) == 0);
	key = key_parse(buf_bytes(&pem), &why);
	assert_non_null(key);
	assert_int_equal(EVP_PKEY_eq(key, help_key(0)), 1);
	assert_string_equal(key_describe(key, text, sizeof(text)), "RSA 2048");
	EVP_PKEY_free(key);
	buf_wipe(&pem);
}

static void
test_made(void **state)
{
	EVP_PKEY *key = key_new_p256();
	struct buf pem = BUF_INIT;
	const char *why;
	char text[40];
	EVP_PKEY *again;

	(void)state;
	assert_non_null(key);
	assert_string_equal(key_describe(key, text, sizeof(text)), "EC P-256");
	assert_true(key_is_ordinary(key));
	assert_int_equal(key_to_pem(key, &pem), 0);
	again = key_parse(buf_bytes(&pem), &why);
	assert_int_equal(EVP_PKEY_eq(key, again), 1);
	EVP_PKEY_free(again);
	EVP_PKEY_free(key);
	buf_wipe(&pem);
	assert_null(key_new_rsa(1024));
	assert_null(key_new_rsa(65536));
}

/* Every form that OpenSSL's own programs write. */
static void
test_forms(void **state)
{
	static const char *const commands[] = {
		"openssl rsa -in k.pem -traditional -out f",
		"openssl pkey -in k.pem -outform DER -out f",
		"openssl rsa -in k.pem -traditional -outform DER -out f",
		"openssl pkcs8 -topk8 -nocrypt -in k.pem -out f",
		"openssl pkcs8 -topk8 -nocrypt -in k.pem -outform DER -out f",
		"sed 's/$/\\r/' k.pem >f",
		"{ printf '\\357\\273\\277'; cat k.pem; } >f",
		"{ echo 'Bag Attributes'; echo '  friendlyName: x'; cat k.pem; } >f",
		"cat c.pem k.pem >f",
		"cat k.pem c.pem >f",
	};
	X509 *c = help_self_signed(help_key(0), "x", EVP_sha256());
	const char *why;
	EVP_PKEY *key;
	size_t i;

	(void)state;
	help_write_key("k.pem", help_key(0));
	help_write_cert("c.pem", c);
	X509_free(c);
	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		help_run(0, "%s", commands[i]);
		key = parse_file("f", &why);
		if (!key)
			fail_msg("%s: %s", commands[i], why);
		assert_int_equal(EVP_PKEY_eq(key, help_key(0)), 1);
		EVP_PKEY_free(key);
	}
}

static void
test_ec_forms(void **state)
{
	static const char *const commands[] = {
		"openssl ecparam -name prime256v1 -genkey -out f", /* EC PARAMETERS come first */
		"openssl ecparam -name prime256v1 -genkey -noout -outform DER -out f",
	};
	const char *why;
	char text[40];
	EVP_PKEY *key;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		help_run(0, "%s", commands[i]);
		key = parse_file("f", &why);
		assert_non_null(key);
		assert_string_equal(key_describe(key, text, sizeof(text)), "EC P-256");
		EVP_PKEY_free(key);
	}
}

static void
test_encrypted(void **state)
{
	static const char *const commands[] = {
		"openssl pkcs8 -topk8 -passout pass:secret -in k.pem -out f",
		"openssl pkcs8 -topk8 -passout pass:secret -in k.pem -outform DER -out f",
		"openssl pkcs8 -topk8 -v1 PBE-SHA1-3DES -passout pass:s -in k.pem -outform DER >f",
		"openssl rsa -in k.pem -traditional -aes256 -passout pass:secret -out f",
	};
	const char *why;
	size_t i;

	(void)state;
	help_write_key("k.pem", help_key(0));
	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		help_run(0, "%s", commands[i]);
		why = NULL;
		assert_null(parse_file("f", &why));
		assert_non_null(why);
		if (strncmp(why, "is encrypted: ", 14) != 0)
			fail_msg("%s: %s", commands[i], why);
	}
}

static void
test_no_key(void **state)
{
	static const struct {
		const char *command, *why;
	} cases[] = {
		{ ": >f", "is not a private key" },
		{ "echo junk >f", "is not a private key" },
		{ "printf '0\\202\\001' >f", "is not a private key" },
		{ "cp c.pem f", "is not a private key" },
		{ "openssl pkey -in k.pem -pubout -out f", "is not a private key" },
		{ "head -c 600 k.pem >f", "is damaged" },
		{ "sed '5s/./!/' k.pem >f", "is damaged" },
		{ "sed '5d' k.pem >f", "is damaged" },
		{ "{ openssl pkey -in k.pem -outform DER; echo; } >f", "is not a private key" },
		{ "openssl pkcs12 -export -passout pass:x -in c.pem -inkey k.pem -out f",
			"is a PKCS#12 file" },
	};
	X509 *c = help_self_signed(help_key(0), "x", EVP_sha256());
	const char *why;
	size_t i;

	(void)state;
	help_write_key("k.pem", help_key(0));
	help_write_cert("c.pem", c);
	X509_free(c);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		help_run(0, "%s", cases[i].command);
		why = NULL;
		assert_null(parse_file("f", &why));
		if (!why || strncmp(why, cases[i].why, strlen(cases[i].why)) != 0)
			fail_msg("%s: %s", cases[i].command, why ? why : "NULL");
	}
	assert_null(key_parse(bytes_of(NULL, 0), NULL));
}

static void
test_names(void **state)
{
	unsigned char a[SHA256_LEN], b[SHA256_LEN];
	X509 *c = help_self_signed(help_key(0), "x", EVP_sha256());
	char hex[2 * SHA256_LEN + 1];
	struct buf out = BUF_INIT;
	char name[9];
	size_t i;

	(void)state;
	assert_int_equal(key_spki_sha256(help_key(0), a), 0);
	assert_int_equal(cert_spki_sha256(c, b), 0);
	assert_memory_equal(a, b, SHA256_LEN);
	assert_int_equal(key_spki_sha256(help_key(1), b), 0);
	assert_memory_not_equal(a, b, SHA256_LEN);
	assert_int_equal(key_short_name(help_key(0), name), 0);
	help_write_key("k.pem", help_key(0));
	help_run(0, "openssl pkey -in k.pem -pubout -outform DER | sha256sum >sum");
	help_read("sum", &out);
	for (i = 0; i < SHA256_LEN; i++)
		snprintf(hex + 2 * i, 3, "%02x", a[i]);
	assert_memory_equal(out.data, hex, 64);
	assert_memory_equal(name, hex, 8);
	assert_int_equal(name[8], 0);
	buf_free(&out);
	X509_free(c);
}

/* A public key of `bits` that nobody had to make: only its size counts here. */
static EVP_PKEY *
key_of_size(int bits)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	BIGNUM *n = BN_new();
	OSSL_PARAM *params;
	EVP_PKEY *key = NULL;

	BN_set_bit(n, bits - 1);
	BN_set_bit(n, 0);
	OSSL_PARAM_BLD_push_BN(bld, "n", n);
	OSSL_PARAM_BLD_push_uint(bld, "e", 65537);
	params = OSSL_PARAM_BLD_to_param(bld);
	assert_int_equal(EVP_PKEY_fromdata_init(ctx), 1);
	assert_int_equal(EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params), 1);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(bld);
	BN_free(n);
	EVP_PKEY_CTX_free(ctx);

	return key;
}

static void
test_ordinary(void **state)
{
	EVP_PKEY *ed = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
	EVP_PKEY *odd = EVP_EC_gen("secp256k1");
	EVP_PKEY *large = key_of_size(KEY_RSA_MAX), *larger = key_of_size(KEY_RSA_MAX + 8);
	char text[40];

	(void)state;
	assert_true(key_is_ordinary(help_key(0)));
	assert_false(key_is_ordinary(ed));
	assert_false(key_is_ordinary(odd));
	assert_true(key_is_ordinary(large));
	assert_false(key_is_ordinary(larger));
	assert_string_equal(key_describe(ed, text, sizeof(text)), "ED25519");
	assert_string_equal(key_describe(odd, text, sizeof(text)), "EC secp256k1");
	EVP_PKEY_free(ed);
	EVP_PKEY_free(odd);
	EVP_PKEY_free(large);
	EVP_PKEY_free(larger);
}

static void
test_error_words(void **state)
{
	char out[80];

	(void)state;
	ERR_clear_error();
	assert_string_equal(pki_error(out, sizeof(out)), "");
	ERR_raise(ERR_LIB_PEM, PEM_R_BAD_BASE64_DECODE);
	ERR_raise(ERR_LIB_PEM, PEM_R_NO_START_LINE);
	assert_string_equal(pki_error(out, sizeof(out)), "bad base64 decode");
	assert_int_equal(ERR_peek_error(), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_made),
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_ec_forms),
		cmocka_unit_test(test_encrypted),
		cmocka_unit_test(test_no_key),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_ordinary),
		cmocka_unit_test(test_error_words),
	};
	int r;

	help_start();
	r = cmocka_run_group_tests_name("key", tests, NULL, NULL);
	help_done();

	return r;
}
