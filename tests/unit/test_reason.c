/* Tests of daemon/mdm/reason: what follows from each answer of APNs */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "mdm/reason.h"

static void
reasons_lead_to_what_apple_asks_for(void **ctx)
{
	static const struct {
		int status;
		const char *name;
		enum reason_action action;
	} cases[] = {
		{ 400, "BadDeviceToken", REASON_TOKEN_BAD },
		{ 400, "DeviceTokenNotForTopic", REASON_TOKEN_BAD },
		{ 400, "BadTopic", REASON_STOP },
		{ 400, "TopicDisallowed", REASON_STOP },
		{ 400, "IdleTimeout", REASON_AGAIN },
		{ 400, "PayloadEmpty", REASON_NOTE },
		{ 400, "SomethingNew", REASON_NOTE },
		{ 403, "BadCertificate", REASON_STOP },
		{ 403, "BadCertificateEnvironment", REASON_STOP },
		{ 403, "Forbidden", REASON_STOP },
		{ 403, "", REASON_STOP },
		{ 404, "BadPath", REASON_NOTE },
		{ 405, "MethodNotAllowed", REASON_NOTE },
		{ 410, "Unregistered", REASON_GONE },
		{ 410, "ExpiredToken", REASON_GONE },
		{ 413, "PayloadTooLarge", REASON_NOTE },
		{ 429, "TooManyRequests", REASON_SLOW },
		{ 500, "InternalServerError", REASON_LATER },
		{ 502, "", REASON_LATER },
		{ 503, "ServiceUnavailable", REASON_LATER },
		{ 503, "Shutdown", REASON_AGAIN },
		{ 302, NULL, REASON_NOTE },
	};
	size_t i;

	(void)ctx;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct reason *r = reason_find(cases[i].status, cases[i].name);

		if (r->action != cases[i].action)
			fail_msg("%d %s: action %d", cases[i].status,
				cases[i].name ? cases[i].name : "(none)", r->action);
		assert_true(strlen(r->sentence) > 10);
	}
}

static void
delays_grow_and_end(void **ctx)
{
	(void)ctx;
	assert_int_equal(reason_delay(REASON_LATER, 1), 900);
	assert_int_equal(reason_delay(REASON_LATER, 2), 1800);
	assert_int_equal(reason_delay(REASON_LATER, 1000), 86400);
	assert_int_equal(reason_delay(REASON_SLOW, 1), 60);
	assert_int_equal(reason_delay(REASON_AGAIN, 1), 1);
	assert_int_equal(reason_delay(REASON_AGAIN, 3), 4);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reasons_lead_to_what_apple_asks_for),
		cmocka_unit_test(delays_grow_and_end),
	};

	return cmocka_run_group_tests_name("reason", tests, NULL, NULL);
}
