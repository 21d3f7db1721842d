/* test_queue.c - order, NotNow, bodies and their references */
#include "store_bed.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/queue.h"

static int
setup(void **state)
{
	*state = bed_new();
	bed_open(*state);
	return 0;
}

static int
teardown(void **state)
{
	bed_free(*state);
	return 0;
}

static struct queue *
load(struct bed *b, const char *id)
{
	struct queue *q = NULL;

	assert_int_equal(queue_load(b->store, id, &q), 0);
	return q;
}

static void
add(struct queue *q, const char *uuid, enum family family, bool urgent)
{
	struct queue_entry e = {
		.uuid = xstrdup(uuid), .type = xstrdup("Type"), .family = family, .urgent = urgent
	};

	queue_add(q, &e);
	assert_null(e.uuid); /* the queue's now */
}

static void
expect_order(struct queue *q, const char *want)
{
	struct buf got = BUF_INIT;

	for (size_t i = 0; i < q->count; i++)
		buf_printf(&got, "%s ", q->entries[i].uuid);
	assert_string_equal(buf_str(&got), want);
	buf_free(&got);
}

static void
expect_next(struct queue *q, int64_t session, const char *want)
{
	struct queue_entry *e = queue_next(q, session);

	if (!want)
		assert_null(e);
	else {
		assert_non_null(e);
		assert_string_equal(e->uuid, want);
	}
}

static void
say_not_now(struct queue *q, const char *uuid, int64_t at)
{
	struct queue_entry *e = queue_find(q, uuid);

	assert_non_null(e);
	e->not_now++;
	e->not_now_at = at;
}

static void
entries_round_trip(void **state)
{
	struct bed *b = *state;
	struct queue_entry e = { .uuid = xstrdup("0001_Profile"),
		.type = xstrdup("InstallProfile"),
		.family = FAMILY_PROFILES,
		.urgent = true,
		.by_person = true,
		.refresh = true,
		.renewal = true,
		.subject = xstrdup("com.example.wifi"),
		.actor = xstrdup("root"),
		.queued_at = 1,
		.expires_at = 2,
		.offered_at = 3,
		.not_now = 4,
		.not_now_at = 5,
		.retry_at = 6 };
	struct queue *q = load(b, "D1");
	const struct queue_entry *got;

	assert_int_equal(q->count, 0);
	assert_string_equal(q->id, "D1");
	queue_add(q, &e);
	add(q, "second", FAMILY_QUERY, false);
	assert_int_equal(queue_save(b->store, q), 0);
	queue_free(q);
	bed_commit(b);
	q = load(b, "D1");
	assert_int_equal(q->count, 2);
	got = &q->entries[0];
	assert_string_equal(got->uuid, "0001_Profile");
	assert_string_equal(got->type, "InstallProfile");
	assert_int_equal(got->family, FAMILY_PROFILES);
	assert_true(got->urgent && got->by_person && got->refresh && got->renewal);
	assert_string_equal(got->subject, "com.example.wifi");
	assert_string_equal(got->actor, "root");
	assert_int_equal(got->queued_at, 1);
	assert_int_equal(got->expires_at, 2);
	assert_int_equal(got->offered_at, 3);
	assert_int_equal(got->not_now, 4);
	assert_int_equal(got->not_now_at, 5);
	assert_int_equal(got->retry_at, 6);
	queue_remove(q, queue_find(q, "0001_Profile"));
	expect_order(q, "second ");
	queue_remove(q, queue_find(q, "second"));
	assert_null(queue_find(q, "second"));
	assert_int_equal(queue_save(b->store, q), 0);
	assert_int_equal(bed_count(b, ""), 0); /* an empty queue is no record */
	queue_free(q);
}

static void
first_in_first_out_and_urgent_before(void **state)
{
	struct queue *q = load(*state, "D1");

	expect_next(q, 0, NULL);
	add(q, "a", FAMILY_OTHER, false);
	add(q, "b", FAMILY_PROFILES, false);
	add(q, "lock", FAMILY_PASSCODE, true);
	add(q, "erase", FAMILY_OTHER, true);
	add(q, "c", FAMILY_OTHER, false);
	expect_order(q, "lock erase a b c ");
	expect_next(q, 100, "lock");
	queue_remove(q, queue_find(q, "lock"));
	queue_remove(q, queue_find(q, "erase"));
	expect_next(q, 100, "a");
	queue_free(q);
}

static void
not_now_steps_aside_for_its_session(void **state)
{
	struct queue *q = load(*state, "D1");

	add(q, "profile 1", FAMILY_PROFILES, false);
	add(q, "profile 2", FAMILY_PROFILES, false);
	add(q, "app 1", FAMILY_APPLICATIONS, false);
	add(q, "app 2", FAMILY_APPLICATIONS, false);
	say_not_now(q, "profile 1", 100);
	expect_next(q, 100, "app 1"); /* profiles keep their order */
	say_not_now(q, "app 1", 101);
	expect_next(q, 100, NULL);
	expect_next(q, 102, "profile 1"); /* the next session tries again */
	queue_remove(q, queue_find(q, "profile 1"));
	expect_next(q, 100, "profile 2");
	queue_free(q);
}

static void
queries_and_others_hold_nobody(void **state)
{
	struct queue *q = load(*state, "D1");

	add(q, "security", FAMILY_QUERY, false);
	add(q, "information", FAMILY_QUERY, false);
	add(q, "other 1", FAMILY_OTHER, false);
	add(q, "other 2", FAMILY_OTHER, false);
	say_not_now(q, "security", 100);
	expect_next(q, 100, "information");
	say_not_now(q, "information", 100);
	expect_next(q, 100, "other 1");
	say_not_now(q, "other 1", 100);
	expect_next(q, 100, "other 2");
	queue_free(q);
}

static void
expect_body(struct bed *b, const char *uuid, struct bytes want)
{
	struct buf got = BUF_INIT;
	int r = queue_body_get(b->store, uuid, &got);

	assert_int_equal(r, want.data ? 0 : -ENOENT);
	assert_true(!want.data || bytes_eq(buf_bytes(&got), want));
	buf_free(&got);
}

static void
bodies_live_as_long_as_references(void **state)
{
	struct bed *b = *state;
	struct bytes body = bytes_str("<plist>secret</plist>");
	struct buf value = BUF_INIT;

	assert_int_equal(queue_body_put(b->store, "c1", body, 2), 0);
	bed_commit(b);
	expect_body(b, "c1", body);
	assert_int_equal(store_get(b->store, bytes_str("bc1"), &value), 0);
	assert_null(memmem(value.data, value.len, "secret", 6));
	buf_free(&value);
	assert_int_equal(queue_body_put(b->store, "c1", bytes_str("other"), 1), -EEXIST);
	assert_int_equal(queue_body_put(b->store, "c1", body, 1), 0); /* for one more device */
	for (int left = 2; left >= 0; left--) {
		expect_body(b, "c1", body);
		assert_int_equal(queue_body_drop(b->store, "c1"), 0);
	}
	expect_body(b, "c1", bytes_of(NULL, 0));
	bed_commit(b);
	assert_int_equal(bed_count(b, ""), 0);
	assert_int_equal(queue_body_drop(b->store, "c1"), 0);
}

static void
long_bodies_are_files(void **state)
{
	struct bed *b = *state;
	struct buf body = BUF_INIT;

	for (int i = 0; body.len < 3 * STORE_VALUE_MAX; i++)
		buf_printf(&body, "%d-%d ", i, i * 7919);
	assert_int_equal(queue_body_put(b->store, "big", buf_bytes(&body), 1), 0);
	bed_commit(b);
	expect_body(b, "big", buf_bytes(&body));
	assert_int_equal(bed_count(b, "F"), 1);
	assert_int_equal(queue_body_drop(b->store, "big"), 0);
	bed_commit(b);
	assert_int_equal(bed_count(b, ""), 0);
	buf_free(&body);
}

static void
clearing_drops_entries_and_bodies(void **state)
{
	struct bed *b = *state;
	struct queue *q = load(b, "D1");
	size_t dropped = 9;

	for (int i = 0; i < 3; i++) {
		char uuid[16];

		snprintf(uuid, sizeof(uuid), "c%d", i);
		add(q, uuid, FAMILY_OTHER, false);
		assert_int_equal(queue_body_put(b->store, uuid, bytes_str("x"), i == 2 ? 2 : 1), 0);
	}
	add(q, "renewal without a body", FAMILY_PROFILES, false);
	assert_int_equal(queue_save(b->store, q), 0);
	queue_free(q);
	assert_int_equal(queue_clear(b->store, "D1", &dropped), 0);
	assert_int_equal(dropped, 4);
	assert_int_equal(bed_count(b, ""), 2); /* the other device's c2 */
	expect_body(b, "c2", bytes_str("x"));
	assert_int_equal(queue_clear(b->store, "D1", &dropped), 0);
	assert_int_equal(dropped, 0);
}

static void
damaged_queues_are_refused_and_can_be_cleared(void **state)
{
	struct bed *b = *state;
	struct bytes key = bytes_str("qD1");
	struct queue *q = load(b, "D1");
	struct buf value = BUF_INIT;

	add(q, "uuid", FAMILY_QUERY, true);
	add(q, "more", FAMILY_QUERY, false);
	assert_int_equal(queue_save(b->store, q), 0);
	queue_free(q);
	assert_int_equal(store_get(b->store, key, &value), 0);
	for (size_t i = 0; i < value.len; i++) {
		assert_int_equal(store_put(b->store, key, bytes_of(value.data, i)), 0);
		if (queue_load(b->store, "D1", &q) == 0)
			queue_free(q);
		value.data[i] ^= 0x3c;
		assert_int_equal(store_put(b->store, key, buf_bytes(&value)), 0);
		if (queue_load(b->store, "D1", &q) == 0) {
			for (size_t k = 0; k < q->count; k++)
				assert_true(q->entries[k].uuid && q->entries[k].type &&
					    q->entries[k].family <= FAMILY_QUERY);
			queue_free(q);
		}
		value.data[i] ^= 0x3c;
	}
	assert_int_equal(store_put(b->store, key, bytes_of(value.data, value.len - 1)), 0);
	assert_int_equal(queue_load(b->store, "D1", &q), -EBADMSG);
	assert_int_equal(queue_clear(b->store, "D1", NULL), 0);
	q = load(b, "D1");
	assert_int_equal(q->count, 0);
	queue_free(q);
	buf_free(&value);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(entries_round_trip),
		TEST(first_in_first_out_and_urgent_before),
		TEST(not_now_steps_aside_for_its_session),
		TEST(queries_and_others_hold_nobody),
		TEST(bodies_live_as_long_as_references),
		TEST(long_bodies_are_files),
		TEST(clearing_drops_entries_and_bodies),
		TEST(damaged_queues_are_refused_and_can_be_cleared),
	};

	return cmocka_run_group_tests_name("queue", tests, NULL, NULL);
}
