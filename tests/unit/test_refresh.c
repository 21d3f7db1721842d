/* Tests of daemon/mdm/refresh: what 100 devices are asked for by themselves in 30 days of fake time
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "base/duration.h"
#include "fleet.h"
#include "mdm/patrol.h"
#include "mdm/refresh.h"

#define DEVICES 100u
#define SLEEPER (DEVICES - 1) /* for four weeks */
#define KINDS 5u
#define SETTLED (14 * DAY) /* what came with the enrollment moves nobody's turn any more */
#define SLEEPS (SETTLED + DAY)
#define WAKES (SLEEPS + 28 * DAY)

static const char *const types[KINDS] = { "DeviceInformation", "SecurityInfo", "ProfileList",
	"CertificateList", "InstalledApplicationList" };

static unsigned asked[DEVICES][KINDS];

static int64_t
awake_at(const struct fleet_device *v)
{
	bool asleep = v == &fleet.devices[SLEEPER] && fleet.now >= SLEEPS && fleet.now < WAKES;

	return asleep ? WAKES : fleet.now;
}

/* A device counts what it is handed. */
static const char *
count(const struct fleet_device *v, const char *type)
{
	unsigned t;

	for (t = 0; t < KINDS; t++)
		asked[v - fleet.devices][t] += strcmp(type, types[t]) == 0;
	return "Acknowledged";
}

static void
forget_counts(void)
{
	memset(asked, 0, sizeof(asked));
}

static int
setup(void **state)
{
	unsigned i;

	(void)state;
	fleet_init(DEVICES, 8);
	fleet.awake_at = awake_at;
	fleet.status = count;
	fleet.kit->conf.lock_after = DURATION_NEVER;
	fleet.kit->conf.refresh.device_information = DAY / 1000;
	fleet.kit->conf.refresh.security_info = 6 * HOUR / 1000;
	fleet.kit->conf.refresh.profile_list = 2 * DAY / 1000;
	fleet.kit->conf.refresh.certificate_list = 7 * DAY / 1000;
	for (i = 0; i < DEVICES; i++)
		fleet_later(fleet_chance(HOUR), fleet_enroll, &fleet.devices[i], 0);
	fleet_start();
	fleet_set_push(true);
	fleet_run(SETTLED);
	forget_counts();
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	fleet_fini();
	return 0;
}

static void
all_but_the_sleeper(unsigned kind, unsigned least, unsigned most)
{
	unsigned i;

	for (i = 0; i < SLEEPER; i++)
		if (asked[i][kind] < least || asked[i][kind] > most)
			fail_msg("%s: %s %u times", fleet.devices[i].id, types[kind],
				asked[i][kind]);
}

static void
each_question_has_its_own_period(void **state)
{
	unsigned t;

	(void)state;
	fleet_run(SLEEPS);
	for (t = 0; t < KINDS; t++)
		asked[SLEEPER][t] = 0;
	fleet_run(WAKES);
	for (t = 0; t < KINDS; t++)
		assert_int_equal(asked[SLEEPER][t], 0);
	/* it comes within the hour, and is asked once for all that it missed */
	while (asked[SLEEPER][0] == 0 && fleet.now < WAKES + HOUR + 60 * SECOND)
		fleet_run(fleet.now + SECOND);
	for (t = 0; t < KINDS; t++)
		assert_int_equal(asked[SLEEPER][t], t < 4);
	fleet_run(SETTLED + 30 * DAY);
	all_but_the_sleeper(0, 29, 31);
	all_but_the_sleeper(1, 119, 121);
	all_but_the_sleeper(2, 14, 16);
	all_but_the_sleeper(3, 4, 5);
	all_but_the_sleeper(4, 0, 0);
	/* "never" until now: due at the next round */
	fleet.kit->conf.refresh.installed_applications = DAY / 1000;
	fleet_run(fleet.now + FLEET_ROUND + 60 * SECOND);
	all_but_the_sleeper(4, 1, 1);
}

static void
a_person_asks_at_once(void **state)
{
	unsigned t;

	(void)state;
	fleet_run(fleet.now + 100 * SECOND); /* between two rounds */
	forget_counts();
	assert_int_equal(refresh_now(&fleet.kit->m, "D7", "ann", false), 0);
	assert_int_equal(store_commit(fleet.kit->m.store), 0);
	fleet_run(fleet.now + 30 * SECOND);
	for (t = 0; t < KINDS; t++)
		assert_int_equal(asked[7][t], t < 4);
	assert_int_equal(asked[8][0], 0);
	forget_counts();
	assert_int_equal(patrol_refresh_all(&fleet.kit->m, "ann"), DEVICES);
	fleet_run(fleet.now + FLEET_ROUND + 60 * SECOND);
	for (t = 0; t < 4; t++)
		all_but_the_sleeper(t, 1, 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(each_question_has_its_own_period, setup, teardown),
		cmocka_unit_test_setup_teardown(a_person_asks_at_once, setup, teardown),
	};

	return cmocka_run_group_tests_name("refresh", tests, NULL, NULL);
}
