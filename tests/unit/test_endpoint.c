/* test_endpoint.c - the white-list of what a device may ask of its declarations */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "mdm/endpoint.h"

#define ID64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaabbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static const struct {
	const char *text, *path;
	enum endpoint kind;
} good[] = {
	{ "tokens", "tokens", ENDPOINT_TOKENS },
	{ "declaration-items", "declaration-items", ENDPOINT_ITEMS },
	{ "status", "status", ENDPOINT_STATUS },
	{ "declaration/activation/org.example.act", "declaration/activation/org.example.act",
		ENDPOINT_DECLARATION },
	{ "declaration/configuration/A1B2-c3_~", "declaration/configuration/A1B2-c3_~",
		ENDPOINT_DECLARATION },
	{ "declaration/asset/a/b/c", "declaration/asset/a/b/c", ENDPOINT_DECLARATION },
	{ "declaration/management/a b?c#d&e;f:g@h",
		"declaration/management/a%20b%3Fc%23d%26e%3Bf%3Ag%40h", ENDPOINT_DECLARATION },
	{ "declaration/asset/\xc3\xa9t\xc3\xa9", "declaration/asset/%C3%A9t%C3%A9",
		ENDPOINT_DECLARATION },
	{ "declaration/asset/a..b/c.", "declaration/asset/a..b/c.", ENDPOINT_DECLARATION },
	{ "declaration/asset/" ID64, "declaration/asset/" ID64, ENDPOINT_DECLARATION },
};

static const char *const bad[] = {
	"",
	"/",
	"token",
	"tokens/",
	"Tokens",
	"/tokens",
	"tokens?x=y",
	"status/../tokens",
	"declaration-items/x",
	"declaration",
	"declaration/",
	"declaration/asset",
	"declaration/asset/",
	"declaration//x",
	"declaration/Asset/x",
	"declaration/profile/x",
	"declaration/asset/..",
	"declaration/asset/.",
	"declaration/asset/../../../admin",
	"declaration/asset/a/../../b",
	"declaration/asset/..;/x",
	"declaration/asset/.hidden",
	"declaration/asset/a//b",
	"declaration/asset//b",
	"declaration/asset/a/",
	"declaration/asset/%2e%2e/x",
	"declaration/asset/a%",
	"declaration/asset/a\\b",
	"declaration/asset/..\\x",
	"declaration/asset/a\r\nX-Enrollment-ID: other",
	"declaration/asset/a\tb",
	"declaration/asset/a\x7f",
	"declaration/asset/a\xff",
	"declaration/asset/\xc0\xae\xc0\xae/x",
	"declaration/asset/" ID64 "c",
	"http://127.0.0.1:1/x",
	"//example.com/tokens",
	"https://example.com/",
};

static void
what_is_allowed(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct buf path = BUF_INIT;
		enum endpoint kind = ENDPOINT_STATUS;

		assert_int_equal(endpoint_read(good[i].text, &kind, &path), 0);
		assert_int_equal(kind, good[i].kind);
		assert_string_equal(buf_str(&path), good[i].path);
		buf_free(&path);
	}
}

static void
what_is_not(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct buf path = BUF_INIT;
		enum endpoint kind;

		if (endpoint_read(bad[i], &kind, &path) != -EINVAL)
			fail_msg("\"%s\" was taken as %s", bad[i], buf_str(&path));
		buf_free(&path);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_allowed),
		cmocka_unit_test(what_is_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
