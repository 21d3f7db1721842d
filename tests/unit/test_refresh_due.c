/* Tests of policy/refresh: each kind at its own period, once */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/duration.h"
#include "policy/refresh.h"

#define HOUR INT64_C(3600)
#define DAY (24 * HOUR)
#define START (20500 * DAY + 12345)

static uint64_t
spread_of(unsigned i)
{
	uint64_t x = (i + 1) * UINT64_C(0x9e3779b97f4a7c15);

	x ^= x >> 31;
	return x * UINT64_C(0xbf58476d1ce4e5b9);
}

/* How often a device that answers at once is asked within `days`. */
static unsigned
asked_within(enum refresh_kind kind, uint64_t spread, int64_t period, int64_t days)
{
	int64_t asked = START, now;
	unsigned count = 0;

	for (now = START; now < START + days * DAY; now += 60) {
		if (!refresh_due(kind, now, asked, spread, period))
			continue;
		asked = now;
		count++;
	}
	return count;
}

static void
each_period_is_kept(void **state)
{
	static const int64_t periods[] = { HOUR, 6 * HOUR, DAY, 7 * DAY };
	unsigned kind, device, i;

	(void)state;
	for (kind = 0; kind < REFRESH_COUNT; kind++)
		for (i = 0; i < 4; i++)
			for (device = 0; device < 5; device++) {
				unsigned expected = (unsigned)(30 * DAY / periods[i]);
				unsigned got = asked_within(
					(enum refresh_kind)kind, spread_of(device), periods[i], 30);

				assert_in_range(got, expected - 1, expected + 1);
			}
}

static void
never_is_never(void **state)
{
	(void)state;
	assert_false(refresh_due(REFRESH_SECURITY_INFO, START, 0, 7, DURATION_NEVER));
	assert_false(refresh_due(REFRESH_SECURITY_INFO, START, 1, 7, DURATION_NEVER));
	assert_true(refresh_due(REFRESH_SECURITY_INFO, START, 0, 7, DAY));
}

static void
a_changed_period_acts_at_once(void **state)
{
	(void)state;
	assert_false(refresh_due(REFRESH_PROFILE_LIST, START + 5 * HOUR, START, 3, 365 * DAY));
	assert_true(refresh_due(REFRESH_PROFILE_LIST, START + 5 * HOUR, START, 3, HOUR));
}

static void
what_was_asked_lately_waits(void **state)
{
	unsigned device;
	int64_t now;

	(void)state;
	for (device = 0; device < 50; device++)
		for (now = START; now < START + 12 * HOUR; now += 600)
			assert_false(refresh_due(
				REFRESH_DEVICE_INFORMATION, now, START, spread_of(device), DAY));
}

static void
a_long_sleep_is_made_up_for_once(void **state)
{
	int64_t now = START + 28 * DAY;

	(void)state;
	assert_true(refresh_due(REFRESH_DEVICE_INFORMATION, now, START, 9, DAY));
	assert_false(refresh_due(REFRESH_DEVICE_INFORMATION, now + 60, now, 9, DAY));
}

static void
a_jumping_clock_costs_one_question(void **state)
{
	static const int64_t jumps[] = { -365 * DAY, 365 * DAY };
	int64_t now, asked;
	unsigned count, i;

	(void)state;
	for (i = 0; i < 2; i++) {
		count = 0;
		asked = START;
		for (now = START + jumps[i]; now < START + jumps[i] + 11 * HOUR; now += 60) {
			if (!refresh_due(REFRESH_SECURITY_INFO, now, asked, 9, DAY))
				continue;
			asked = now;
			count++;
		}
		assert_int_equal(count, 1);
	}
}

/* The hour of the day in which the question comes, of a device that was asked long ago. */
static unsigned
hour_of(enum refresh_kind kind, uint64_t spread)
{
	int64_t asked = 20499 * DAY, now = asked;

	/* from one turn, the next is a whole period later */
	while (!refresh_due(kind, now, asked, spread, DAY))
		now += 300;
	return (unsigned)(now % DAY / HOUR);
}

static void
kinds_and_devices_are_spread(void **state)
{
	unsigned at[24] = { 0 }, device, hour, same = 0;

	(void)state;
	for (device = 0; device < 2400; device++) {
		unsigned one = hour_of(REFRESH_DEVICE_INFORMATION, spread_of(device));

		at[one]++;
		same += one == hour_of(REFRESH_SECURITY_INFO, spread_of(device));
	}
	for (hour = 0; hour < 24; hour++)
		assert_in_range(at[hour], 70, 130);
	assert_true(same < 2400 / 6);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_period_is_kept),
		cmocka_unit_test(never_is_never),
		cmocka_unit_test(a_changed_period_acts_at_once),
		cmocka_unit_test(what_was_asked_lately_waits),
		cmocka_unit_test(a_long_sleep_is_made_up_for_once),
		cmocka_unit_test(a_jumping_clock_costs_one_question),
		cmocka_unit_test(kinds_and_devices_are_spread),
	};

	return cmocka_run_group_tests_name("refresh", tests, NULL, NULL);
}
