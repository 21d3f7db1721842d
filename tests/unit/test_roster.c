/* test_roster.c - the table in memory: it follows the store, and its counts are always right */
#include "store_bed.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/brief.h"
#include "store/roster.h"

struct fixture {
	struct bed *bed;
	struct roster *roster;
};

static struct fixture fx;

static void
follow(void *arg, struct bytes key, struct bytes value)
{
	(void)arg;
	roster_follow(fx.roster, key, value);
}

static int
setup(void **state)
{
	fx.bed = bed_new();
	fx.bed->options.on_change = follow;
	fx.bed->options.walks = brief_walks();
	fx.roster = roster_new();
	bed_open(fx.bed);
	*state = &fx;
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	roster_free(fx.roster);
	bed_free(fx.bed);
	return 0;
}

static void
save(const char *id, enum channel channel, enum state state, bool locked, const char *topic,
	int64_t first)
{
	struct enrollment *e = enrollment_new(id, channel);

	e->state = state;
	e->locked = locked;
	e->topic = topic ? xstrdup(topic) : NULL;
	e->first_enrolled_at = first;
	e->state_since = first;
	if (state == STATE_REMOVED)
		e->removal = REMOVAL_CHECKOUT;
	if (topic)
		buf_add_str(&e->token, "token");
	e->current = (struct identity_ref){ .set = true, .not_after = 77 };
	assert_int_equal(enrollment_save(fx.bed->store, e), 0);
	enrollment_free(e);
}

/* The kept sums against sums over the lines. */
static void
check_counts(void)
{
	struct roster_counts kept, counted;
	size_t topics[8] = { 0 };

	memset(&counted, 0, sizeof(counted));
	for (size_t i = 0; i < roster_count(fx.roster); i++) {
		const struct roster_line *l = roster_at(fx.roster, i);

		assert_ptr_equal(roster_find(fx.roster, l->id), l);
		if (channel_is_user((enum channel)l->channel)) {
			counted.users++;
			continue;
		}
		counted.state[l->state]++;
		counted.removal[l->removal]++;
		counted.locked += l->locked;
		if (l->state != STATE_ENROLLED && l->state != STATE_INACTIVE)
			continue;
		topics[l->topic]++;
		counted.imported += l->imported;
		counted.awaited += l->awaited;
	}
	roster_counts(fx.roster, &kept);
	assert_memory_equal(&kept, &counted, sizeof(kept));
	for (uint16_t t = 1; t < 8 && roster_topic(fx.roster, t); t++)
		assert_int_equal(
			roster_topic_devices(fx.roster, roster_topic(fx.roster, t)), topics[t]);
	assert_null(roster_at(fx.roster, roster_count(fx.roster)));
}

static void
save_imported(const char *id, enum state state, bool came)
{
	struct enrollment *e = enrollment_new(id, CHANNEL_DEVICE);

	e->state = state;
	e->imported_at = 7;
	e->current = (struct identity_ref){ .set = came, .not_after = 77 };
	assert_int_equal(enrollment_save(fx.bed->store, e), 0);
	enrollment_free(e);
	bed_commit(fx.bed);
	check_counts();
}

/* Counted while they are enrolled, and awaited until their certificate came. */
static void
imported_devices_are_counted(void **state)
{
	struct roster_counts n;

	(void)state;
	save("own", CHANNEL_DEVICE, STATE_ENROLLED, false, "t", 5);
	save_imported("pending", STATE_PENDING, false);
	save_imported("a", STATE_ENROLLED, false);
	save_imported("b", STATE_ENROLLED, false);
	roster_counts(fx.roster, &n);
	assert_int_equal(n.imported, 2);
	assert_int_equal(n.awaited, 2);
	save_imported("a", STATE_ENROLLED, true);
	roster_counts(fx.roster, &n);
	assert_int_equal(n.imported, 2);
	assert_int_equal(n.awaited, 1);
	save_imported("b", STATE_REMOVED, false);
	roster_counts(fx.roster, &n);
	assert_int_equal(n.imported, 1);
	assert_int_equal(n.awaited, 0);
}

static void
lines_follow_commits_only(void **state)
{
	const struct roster_line *l;

	(void)state;
	save("A", CHANNEL_DEVICE, STATE_ENROLLED, true, "topic 1", 5);
	assert_null(roster_find(fx.roster, "A"));
	bed_commit(fx.bed);
	l = roster_find(fx.roster, "A");
	assert_non_null(l);
	assert_int_equal(l->state, STATE_ENROLLED);
	assert_true(l->locked && l->has_token);
	assert_int_equal(l->identity_not_after, 77);
	assert_string_equal(roster_topic(fx.roster, l->topic), "topic 1");
	assert_int_equal(roster_topic_devices(fx.roster, "topic 1"), 1);
	assert_int_equal(roster_topic_devices(fx.roster, "none"), 0);
	check_counts();
	save("A", CHANNEL_DEVICE, STATE_REMOVED, false, "topic 2", 5);
	bed_log_broken(EIO);
	assert_int_equal(store_commit(fx.bed->store), -EIO);
	bed_log_broken(0);
	assert_int_equal(roster_find(fx.roster, "A")->state, STATE_ENROLLED);
	store_tick(fx.bed->store, 1000);
	save("A", CHANNEL_DEVICE, STATE_REMOVED, false, "topic 2", 5);
	save("A:U", CHANNEL_USER, STATE_ENROLLED, false, NULL, 6);
	bed_commit(fx.bed);
	assert_int_equal(roster_topic_devices(fx.roster, "topic 1"), 0);
	check_counts();
	assert_int_equal(enrollment_forget(fx.bed->store, "A"), 0);
	bed_commit(fx.bed);
	assert_null(roster_find(fx.roster, "A"));
	assert_int_equal(roster_count(fx.roster), 1);
	check_counts();
}

static void
a_damaged_record_leaves_the_line(void **state)
{
	(void)state;
	save("A", CHANNEL_DEVICE, STATE_ENROLLED, false, "t", 5);
	bed_put(fx.bed, "eA", "\1\1");
	bed_put(fx.bed, "eB", "\1\1");
	bed_put(fx.bed, "e", "x");
	bed_put(fx.bed, "tnobody", "\1");
	bed_commit(fx.bed);
	assert_int_equal(roster_count(fx.roster), 1);
	assert_int_equal(roster_find(fx.roster, "A")->state, STATE_ENROLLED);
	check_counts();
}

/* Thousands of random saves and forgets against a plain array. */
static void
random_histories_stay_right(void **state)
{
	enum { IDS = 400 };
	static const char *const topics[] = { NULL, "topic 1", "topic 2" };
	int what[IDS] = { 0 };
	char id[32];

	(void)state;
	srand(5);
	for (int round = 0; round < 60; round++) {
		for (int i = 0; i < 60; i++) {
			int k = rand() % IDS;

			snprintf(id, sizeof(id), "device-%d", k);
			if (rand() % 3 == 0) {
				assert_int_equal(enrollment_forget(fx.bed->store, id), 0);
				what[k] = 0;
			} else {
				what[k] = 1 + rand() % (STATE_COUNT - 1);
				save(id, k % 5 ? CHANNEL_DEVICE : CHANNEL_USER, (enum state)what[k],
					rand() % 2, topics[rand() % 3], k);
			}
		}
		bed_commit(fx.bed);
		if (round % 10 == 9)
			check_counts();
	}
	for (int k = 0; k < IDS; k++) {
		const struct roster_line *l;

		snprintf(id, sizeof(id), "device-%d", k);
		l = roster_find(fx.roster, id);
		assert_int_equal(l ? l->state : 0, what[k]);
	}
	/* what a start reads is the same */
	struct roster *fresh = roster_new();

	assert_int_equal(roster_load(fresh, fx.bed->store), 0);
	assert_int_equal(roster_count(fresh), roster_count(fx.roster));
	for (size_t i = 1; i < roster_count(fresh); i++)
		assert_true(
			roster_at(fresh, i - 1)->state_since <= roster_at(fresh, i)->state_since);
	roster_free(fx.roster);
	fx.roster = fresh;
	check_counts();
}

static void
last_seen_is_written_in_batches(void **state)
{
	enum { MANY = ROSTER_FLUSH + 500 };
	char id[32];
	struct roster *fresh;

	(void)state;
	for (int i = 0; i < MANY; i++) {
		snprintf(id, sizeof(id), "d%d", i);
		save(id, CHANNEL_DEVICE, STATE_ENROLLED, false, NULL, i);
	}
	bed_commit(fx.bed);
	roster_seen(fx.roster, "unknown", 9);
	assert_int_equal(roster_last_seen(fx.roster, "unknown"), 0);
	assert_int_equal(roster_flush(fx.roster, fx.bed->store), 0);
	assert_false(store_pending(fx.bed->store));
	for (int i = 0; i < MANY; i++) {
		snprintf(id, sizeof(id), "d%d", i);
		roster_seen(fx.roster, id, 1000 + i);
	}
	assert_int_equal(roster_last_seen(fx.roster, "d3"), 1003);
	assert_int_equal(roster_flush(fx.roster, fx.bed->store), 1);
	assert_int_equal(store_pending_count(fx.bed->store), ROSTER_FLUSH);
	bed_commit(fx.bed);
	roster_seen(fx.roster, "d3", 5003); /* before where the next one goes on */
	assert_int_equal(roster_flush(fx.roster, fx.bed->store), 0);
	assert_int_equal(store_pending_count(fx.bed->store), MANY - ROSTER_FLUSH + 1);
	bed_commit(fx.bed);
	assert_int_equal(roster_flush(fx.roster, fx.bed->store), 0);
	assert_false(store_pending(fx.bed->store));
	fresh = roster_new();
	assert_int_equal(roster_load(fresh, fx.bed->store), 0);
	assert_int_equal(roster_last_seen(fresh, "d3"), 5003);
	assert_int_equal(roster_last_seen(fresh, "d1200"), 2200);
	/* an older time in the record does not turn it back */
	save("d3", CHANNEL_DEVICE, STATE_ENROLLED, false, NULL, 3);
	bed_commit(fx.bed);
	assert_int_equal(roster_last_seen(fx.roster, "d3"), 5003);
	roster_free(fresh);
}

/* Everything that a line is made of, and each field of it different. */
static void
save_full(const char *id, int64_t n)
{
	struct enrollment *e = enrollment_new(id, n % 2 ? CHANNEL_DEVICE : CHANNEL_USER);

	e->state = STATE_REMOVED;
	e->removal = REMOVAL_PUSH;
	e->locked = e->token_bad = true;
	e->lock_cause = LOCK_CONFLICT;
	e->state_since = n + 1;
	e->paused_since = n + 2;
	e->enrolled_at = n + 3;
	e->first_enrolled_at = n;
	if (n % 3)
		e->current =
			(struct identity_ref){ .set = true, .not_after = n + 4, .since = n + 5 };
	e->imported_at = n + 20;
	e->adopted_at = n + 21;
	e->topic = xstrdup("a topic");
	buf_add_str(&e->token, "token");
	e->token_time = n + 6;
	e->last_seen = n + 7;
	e->last_push = n + 8;
	e->unanswered_since = n + 9;
	e->facts.serial = xstrdup("serial");
	for (size_t k = 0; k < ENROLLMENT_REFRESH; k++)
		e->refreshed[k] = n + 10 + (int64_t)k;
	assert_int_equal(enrollment_save(fx.bed->store, e), 0);
	enrollment_free(e);
}

static void
assert_same_line(const struct roster_line *a, const struct roster_line *b)
{
	struct roster_line x = *a, y = *b;

	assert_string_equal(a->id, b->id);
	x.id = y.id = NULL;
	assert_memory_equal(&x, &y, sizeof(x));
}

/* A walk gets less of a record than there is; what a start makes of it must be the same. */
static void
a_start_needs_no_more_than_the_brief(void **state)
{
	struct roster *whole = roster_new(), *brief = roster_new();
	char id[32];

	(void)state;
	for (int i = 0; i < 50; i++) {
		snprintf(id, sizeof(id), "d%d", i);
		save_full(id, 1001 * i);
	}
	bed_commit(fx.bed);
	bed_close(fx.bed);
	bed_open(fx.bed); /* the table is empty: all comes from below */
	assert_int_equal(roster_load(brief, fx.bed->store), 0);
	bed_close(fx.bed);
	fx.bed->options.walks.letters = NULL;
	bed_open(fx.bed);
	assert_int_equal(roster_load(whole, fx.bed->store), 0);
	assert_int_equal(roster_count(brief), 50);
	assert_int_equal(roster_count(whole), 50);
	for (size_t i = 0; i < 50; i++)
		assert_same_line(roster_at(brief, i), roster_at(whole, i));
	roster_free(whole);
	roster_free(brief);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(lines_follow_commits_only),
		TEST(imported_devices_are_counted),
		TEST(a_damaged_record_leaves_the_line),
		TEST(random_histories_stay_right),
		TEST(last_seen_is_written_in_batches),
		TEST(a_start_needs_no_more_than_the_brief),
	};

	return cmocka_run_group_tests_name("roster", tests, NULL, NULL);
}
