/* test_buf.c - buffers, durations, clocks, names of states and events */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/duration.h"
#include "base/event.h"
#include "base/mem.h"
#include "base/state.h"

static void
grows_and_keeps_content(void **unused)
{
	struct buf b = BUF_INIT;
	size_t i;

	(void)unused;
	for (i = 0; i < 10000; i++)
		buf_add_char(&b, (char)('a' + i % 26));
	assert_int_equal(b.len, 10000);
	for (i = 0; i < b.len; i++)
		assert_int_equal(b.data[i], 'a' + i % 26);
	buf_reset(&b);
	assert_int_equal(b.len, 0);
	assert_true(b.cap >= 10000);
	buf_wipe(&b);
	assert_null(b.data);
	assert_int_equal(b.cap, 0);
	buf_add_str(&b, "again");
	assert_string_equal(buf_str(&b), "again");
	buf_free(&b);
}

static void
prints_short_and_long(void **unused)
{
	struct buf b = BUF_INIT;
	char text[300];

	(void)unused;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	buf_printf(&b, "%d-", 7);
	buf_printf(&b, "%s", text);
	buf_printf(&b, "%s", "");
	assert_int_equal(b.len, 2 + 299);
	assert_memory_equal(b.data, "7-xxx", 5);
	buf_free(&b);
}

static void
steals_text(void **unused)
{
	struct buf b = BUF_INIT;
	char *s = buf_steal_str(&b);

	(void)unused;
	assert_string_equal(s, "");
	free(s);
	buf_add_str(&b, "mine");
	s = buf_steal_str(&b);
	assert_string_equal(s, "mine");
	assert_null(b.data);
	mem_wipe_str(s);
	mem_wipe_str(NULL);
}

static void
integers_are_big_endian(void **unused)
{
	static const unsigned char wanted[] = { 1, 2, 3, 4, 5, 6, 7, 0xff, 0, 0, 0, 0, 0, 0, 1 };
	struct buf b = BUF_INIT;

	(void)unused;
	buf_add_u8(&b, 1);
	buf_add_u16(&b, 0x0203);
	buf_add_u32(&b, 0x04050607);
	buf_add_u64(&b, UINT64_C(0xff00000000000001));
	assert_int_equal(b.len, sizeof(wanted));
	assert_memory_equal(b.data, wanted, sizeof(wanted));
	assert_int_equal(bytes_u16(b.data + 1), 0x0203);
	assert_int_equal(bytes_u32(b.data + 3), 0x04050607);
	assert_true(bytes_u64(b.data + 7) == UINT64_C(0xff00000000000001));
	buf_free(&b);
}

static void
views_compare(void **unused)
{
	(void)unused;
	assert_true(bytes_eq(bytes_str(NULL), bytes_of("", 0)));
	assert_true(bytes_eq_str(bytes_of("abc", 2), "ab"));
	assert_false(bytes_eq_str(bytes_of("abc", 3), "ab"));
	assert_true(bytes_eq_secret(bytes_str("key"), bytes_str("key")));
	assert_false(bytes_eq_secret(bytes_str("key"), bytes_str("kez")));
	assert_false(bytes_eq_secret(bytes_str("key"), bytes_str("keys")));
	assert_true(bytes_eq_secret(bytes_str(NULL), bytes_str("")));
}

static void
durations_parse(void **unused)
{
	static const struct {
		const char *text;
		int64_t seconds;
	} good[] = { { "0s", 0 }, { "90s", 90 }, { "15m", 900 }, { "24h", 86400 }, { "7d", 604800 },
		{ "2w", 1209600 } };
	static const char *const bad[] = { "", "7", "d", "-7d", "+7d", " 7d", "7d ", "7 d", "7dd",
		"7D", "1.5h", "never", "9223372036854775808s", "9223372036854775807w",
		"7\xc3\xa4" };
	int64_t seconds = 42;
	size_t i;

	(void)unused;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (duration_parse(bad[i], &seconds) != -EINVAL)
			fail_msg("'%s' was taken", bad[i]);
	assert_int_equal(duration_parse(NULL, &seconds), -EINVAL);
	assert_int_equal(seconds, 42);
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(duration_parse(good[i].text, &seconds), 0);
		assert_int_equal(seconds, good[i].seconds);
	}
	assert_int_equal(duration_parse("9223372036854775807s", &seconds), 0);
	assert_true(seconds == INT64_MAX);
}

static void
durations_print(void **unused)
{
	char out[40];

	(void)unused;
	assert_string_equal(duration_format(0, out, sizeof(out)), "0s");
	assert_string_equal(duration_format(90, out, sizeof(out)), "90s");
	assert_string_equal(duration_format(129600, out, sizeof(out)), "36h");
	assert_string_equal(duration_format(604800, out, sizeof(out)), "7d");
	assert_string_equal(duration_format(DURATION_NEVER, out, sizeof(out)), "never");
	assert_string_equal(duration_words(59, out, sizeof(out)), "just now");
	assert_string_equal(duration_words(60, out, sizeof(out)), "1 minute");
	assert_string_equal(duration_words(5 * 3600 + 1, out, sizeof(out)), "5 hours");
	assert_string_equal(duration_words(3 * 86400, out, sizeof(out)), "3 days");
	assert_string_equal(duration_words(DURATION_NEVER, out, sizeof(out)), "never");
}

static void
times_print(void **unused)
{
	int64_t before = clock_mono_us(), wall = clock_wall();
	char out[32];

	(void)unused;
	assert_string_equal(clock_iso(1795500104, out, sizeof(out)), "2026-11-24T06:01:44Z");
	assert_string_equal(clock_iso(1795500104, out, 21), "2026-11-24T06:01:44Z");
	assert_string_equal(clock_iso(0, out, sizeof(out)), "");
	assert_string_equal(clock_iso(INT64_MAX, out, sizeof(out)), "");
	assert_string_equal(clock_date(1795500104, out, sizeof(out)), "2026-11-24");
	setenv("TZ", "UTC-2", 1);
	tzset();
	assert_string_equal(clock_local(1795500104, out, sizeof(out)), "2026-11-24 08:01");
	assert_true(clock_wall_ms() / 1000 - wall <= 1);
	assert_true(clock_mono_us() >= before);
	assert_true(clock_mono_ms() >= before / 1000);
}

static void
states_have_names(void **unused)
{
	(void)unused;
	assert_string_equal(state_name(STATE_NONE), "none");
	assert_string_equal(state_name(STATE_INACTIVE), "Inactive");
	assert_string_equal(state_name((enum state)77), "none");
	assert_string_equal(removal_name(REMOVAL_NONE), "");
	assert_string_equal(removal_name(REMOVAL_ERASED), "erased");
	assert_string_equal(lock_cause_name(LOCK_CONFLICT), "conflict");
	assert_string_equal(channel_name(CHANNEL_DEVICE), "device");
	assert_false(channel_is_user(CHANNEL_DEVICE));
	assert_false(channel_is_user(CHANNEL_USER_ENROLLMENT));
	assert_true(channel_is_user(CHANNEL_USER));
	assert_true(channel_is_user(CHANNEL_SHARED_IPAD_USER));
	assert_true(channel_is_user(CHANNEL_USER_ENROLLMENT_USER));
}

static void
events_differ(void **unused)
{
	int i, k;

	(void)unused;
	assert_null(event_id(EV_NONE));
	assert_string_equal(event_name(EV_DEVICE_ENROLLED), "DEVICE_ENROLLED");
	assert_true(event_surveillance(EV_DEVICE_LOCKED));
	assert_int_equal(event_level(EV_DEVICE_CONFLICT), 2);
	for (i = EV_NONE + 1; i < EVENT_COUNT; i++) {
		assert_int_equal(strlen(event_id((enum event)i)), 32);
		assert_int_equal(strspn(event_id((enum event)i), "0123456789abcdef"), 32);
		for (k = EV_NONE + 1; k < i; k++)
			assert_string_not_equal(event_id((enum event)i), event_id((enum event)k));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(grows_and_keeps_content),
		cmocka_unit_test(prints_short_and_long),
		cmocka_unit_test(steals_text),
		cmocka_unit_test(integers_are_big_endian),
		cmocka_unit_test(views_compare),
		cmocka_unit_test(durations_parse),
		cmocka_unit_test(durations_print),
		cmocka_unit_test(times_print),
		cmocka_unit_test(states_have_names),
		cmocka_unit_test(events_differ),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
