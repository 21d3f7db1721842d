/* Tests of daemon/policy/expiry and of admin/warn: each message once by a fake clock, across
 * restarts, then daily */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/warn.h"
#include "base/mem.h"
#include "mdm_kit.h"
#include "policy/expiry.h"

#define DAY INT64_C(86400)
#define END (1000 * DAY)

static const int days[] = { 60, 30, 14, 7, 3, 1 };

static bool
due(int64_t now, struct expiry_said *said)
{
	return expiry_due(days, 6, END, now, said);
}

/* Every hour from long before to a week after. */
static void
each_stage_once(void **state)
{
	struct expiry_said said = { 0 };
	unsigned before = 0, after = 0;

	(void)state;
	for (int64_t now = END - 100 * DAY; now <= END; now += 3600)
		before += due(now, &said);
	assert_int_equal(before, 6);
	for (int64_t now = END + 3600; now < END + 7 * DAY; now += 3600)
		after += due(now, &said);
	assert_int_equal(after, 7);
}

static void
stages_at_their_moments(void **state)
{
	struct expiry_said said = { 0 };

	(void)state;
	assert_false(due(END - 60 * DAY - 1, &said));
	assert_true(due(END - 60 * DAY, &said));
	assert_false(due(END - 30 * DAY - 1, &said));
	assert_true(due(END - 30 * DAY, &said));
	/* long stopped: of the stages between, only the last counts */
	assert_true(due(END - 2 * DAY, &said));
	assert_int_equal(said.stage, 3);
	assert_false(due(END - 2 * DAY + 60, &said));
	assert_true(due(END - DAY, &said));
	assert_false(due(END, &said));
	assert_true(due(END + 1, &said));
}

static void
a_renewed_one_begins_anew(void **state)
{
	struct expiry_said said = { 0 };

	(void)state;
	assert_true(due(END - 5 * DAY, &said));
	assert_false(expiry_due(days, 6, END + 365 * DAY, END - 5 * DAY, &said));
	assert_true(expiry_due(days, 6, END + 365 * DAY, END + 305 * DAY, &said));
}

/* A clock that was wrong for a while does not silence what is true later. */
static void
a_clock_set_back(void **state)
{
	struct expiry_said said = { 0 };

	(void)state;
	assert_true(due(END + 500 * DAY, &said));
	assert_true(due(END - 10 * DAY, &said));
	assert_false(due(END - 10 * DAY + 60, &said));
	assert_true(due(END - 7 * DAY, &said));
	assert_true(expiry_daily(END, END - 60));
}

static void
days_left(void **state)
{
	(void)state;
	assert_int_equal(expiry_days(END, END - DAY), 1);
	assert_int_equal(expiry_days(END, END - DAY + 1), 0);
	assert_int_equal(expiry_days(END, END), 0);
	assert_int_equal(expiry_days(END, END + 1), -1);
	assert_false(expiry_near(days, 6, END, END - 61 * DAY));
	assert_true(expiry_near(days, 6, END, END - 59 * DAY));
	assert_true(expiry_near(days, 6, END, END + 1));
	assert_false(expiry_near(NULL, 0, END, END - 1));
}

/* ---- the whole of it, with a store that is closed and opened again ---- */

static unsigned said_push, said_ssc, said_other;
static char last[1024];

static void
count(const struct log_record *r)
{
	if (r->event != EV_CERT_EXPIRY)
		return;
	snprintf(last, sizeof(last), "%s", r->message);
	if (strstr(r->message, "push certificate"))
		said_push++;
	else if (strstr(r->message, "SSC"))
		said_ssc++;
	else
		said_other++;
}

struct server {
	struct kit *kit;
	struct admin admin;
};

static void
look(struct server *s, int64_t now)
{
	s->admin.mdm = s->kit->m;
	s->admin.mdm.conf = &s->kit->conf;
	s->admin.mdm.certs = &s->kit->certs;
	warn_expiry(&s->admin, now);
	store_commit(s->kit->m.store);
}

static void
name_file(struct kit *k)
{
	free(k->push.cert_file);
	k->push.cert_file = xstrdup("MDM_Example.pem");
}

static void
reopen(struct kit *k)
{
	struct store_options o = { .directory = k->directory, .seal = k->seal };

	store_close(k->m.store);
	k->m.store = NULL;
	assert_int_equal(store_open(&o, &k->m.store, NULL), 0);
}

static void
across_a_restart(void **state)
{
	static int warn_days[] = { 60, 30, 14, 7, 3, 1 };
	struct server s = { .kit = kit_new() };
	struct kit *k = s.kit;
	int64_t end = kit_now() + 100 * DAY;

	(void)state;
	k->conf.push.warn_days = warn_days;
	k->conf.push.warn_days_count = 6;
	k->conf.push.apple_account = (char[]){ "mdm@example.org" };
	k->push.not_after = end;
	name_file(k);
	k->certs.ssc.not_after = end + 10 * DAY;
	log_set_sink(count);
	said_push = said_ssc = said_other = 0;
	for (int64_t now = end - 40 * DAY; now <= end; now += DAY / 4) {
		look(&s, now);
		reopen(k);
	}
	assert_int_equal(said_push, 6); /* 60 as it is found, 30, 14, 7, 3, 1 */
	said_push = 0;
	look(&s, end + 60);
	assert_non_null(strstr(last, "MDM_Example.pem: the push certificate of topic "));
	assert_non_null(strstr(last, "expired on"));
	assert_non_null(strstr(last, "Apple account: mdm@example.org"));
	for (int64_t now = end + 60; now < end + 3 * DAY; now += DAY / 8) {
		look(&s, now);
		reopen(k);
	}
	assert_int_equal(said_push, 3);
	assert_int_equal(said_ssc, 3); /* 60, 30, 14: it ends ten days later */
	assert_int_equal(said_other, 0);
	log_set_sink(NULL);
	k->conf.push.apple_account = NULL;
	kit_free(k);
}

/* A new certificate is another one, also after the old one's last word. */
static void
renewed(void **state)
{
	static int warn_days[] = { 30 };
	struct server s = { .kit = kit_new() };
	struct kit *k = s.kit;
	int64_t now = kit_now();

	(void)state;
	k->conf.push.warn_days = warn_days;
	k->conf.push.warn_days_count = 1;
	name_file(k);
	k->push.not_after = now + DAY;
	k->certs.ssc.not_after = now + 5000 * DAY;
	said_push = 0;
	log_set_sink(count);
	look(&s, now);
	look(&s, now + 60);
	assert_int_equal(said_push, 1);
	k->push.not_after = now + 366 * DAY;
	look(&s, now + 120);
	assert_int_equal(said_push, 1);
	look(&s, now + 340 * DAY);
	assert_int_equal(said_push, 2);
	log_set_sink(NULL);
	kit_free(k);
}

/* Identities: one line a day for all of them, and their number for status. */
static void
identities(void **state)
{
	static int warn_days[] = { 30, 7 };
	struct server s = { .kit = kit_new() };
	struct kit *k = s.kit;
	struct kit_device one, two;
	const struct roster_line *line;
	int64_t end;

	(void)state;
	k->conf.push.warn_days = warn_days;
	k->conf.push.warn_days_count = 2;
	k->push.not_after = k->certs.ssc.not_after = kit_now() + 5000 * DAY;
	kit_device_init(&one, k, "00008110-1", "C391", &(struct kit_issue){ .lifetime = 40 * DAY });
	kit_device_init(
		&two, k, "00008110-2", "C392", &(struct kit_issue){ .lifetime = 200 * DAY });
	kit_enroll(&one);
	kit_enroll(&two);
	line = roster_find(k->m.roster, "00008110-1");
	assert_non_null(line);
	end = line->identity_not_after;
	said_other = 0;
	log_set_sink(count);
	look(&s, end - 35 * DAY);
	assert_int_equal(said_other, 0);
	for (int64_t now = end - 20 * DAY; now < end - 18 * DAY; now += 3600)
		look(&s, now);
	assert_int_equal(said_other, 2);
	assert_non_null(strstr(last, "of 1 devices expire soon and those of 0 are expired"));
	assert_int_equal(s.admin.identities_near, 1);
	look(&s, end + DAY);
	assert_int_equal(s.admin.identities_over, 1);
	assert_int_equal(s.admin.identities_near, 0);
	log_set_sink(NULL);
	kit_device_free(&one);
	kit_device_free(&two);
	kit_free(k);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_stage_once),
		cmocka_unit_test(stages_at_their_moments),
		cmocka_unit_test(a_renewed_one_begins_anew),
		cmocka_unit_test(a_clock_set_back),
		cmocka_unit_test(days_left),
		cmocka_unit_test(across_a_restart),
		cmocka_unit_test(renewed),
		cmocka_unit_test(identities),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
