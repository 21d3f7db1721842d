/* test_enrollment.c - enrollments, candidates, their indexes and secrets; forget leaves nothing */
#include "store_bed.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/enrollment.h"
#include "store/queue.h"
#include "store/result.h"
#include "store/sealed.h"

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

static char *
text(const char *s)
{
	return xstrdup(s);
}

/* Every member has a value of its own. */
static struct enrollment *
full(const char *id)
{
	struct enrollment *e = enrollment_new(id, CHANNEL_DEVICE);

	e->state = STATE_INACTIVE;
	e->removal = REMOVAL_CHECKOUT;
	e->state_since = 101;
	e->locked = true;
	e->lock_cause = LOCK_CONFLICT;
	e->locked_since = 102;
	e->locked_by = text("root");
	e->paused_since = 103;
	e->enrolled_at = 104;
	e->first_enrolled_at = 105;
	e->generation = 6;
	e->user_short = text("short");
	e->user_long = text("Long Name");
	e->facts = (struct device_facts){ text("SERIAL1"), text("iPhone"), text("iPhone 17"),
		text("iPhone18,1"), text("26.1"), text("23B85"), text("Ann's"), text("imei"),
		text("meid"), text("EAS1") };
	e->supervised = true;
	e->awaiting_configuration = true;
	strcpy(e->number, "0f2b8a44-2c1e-4b11-9a57-0d3f5a7c9e10");
	e->current = (struct identity_ref){ true, { 1, 2, 3 }, 201, 202 };
	e->previous = (struct identity_ref){ true, { 4, 5, 6 }, 203, 204 };
	e->replaced[31] = 9;
	e->has_replaced = true;
	e->topic = text("com.apple.mgmt.External.1");
	buf_add(&e->token, "\0tok\xff", 5);
	e->magic = text("MAGIC-1");
	e->token_time = 301;
	e->token_bad = true;
	e->last_seen = 302;
	e->last_push = 303;
	e->unanswered_since = 304;
	e->unanswered = 5;
	e->refused_at = 306;
	e->refused_why = text("why");
	e->refused = 7;
	return e;
}

static void
expect_full(const struct enrollment *e)
{
	assert_int_equal(e->state, STATE_INACTIVE);
	assert_int_equal(e->removal, REMOVAL_CHECKOUT);
	assert_int_equal(e->state_since, 101);
	assert_true(e->locked && e->supervised && e->awaiting_configuration && e->token_bad);
	assert_int_equal(e->lock_cause, LOCK_CONFLICT);
	assert_int_equal(e->locked_since, 102);
	assert_string_equal(e->locked_by, "root");
	assert_int_equal(e->paused_since, 103);
	assert_int_equal(e->enrolled_at, 104);
	assert_int_equal(e->first_enrolled_at, 105);
	assert_int_equal(e->generation, 6);
	assert_string_equal(e->user_short, "short");
	assert_string_equal(e->user_long, "Long Name");
	assert_string_equal(e->facts.serial, "SERIAL1");
	assert_string_equal(e->facts.model, "iPhone");
	assert_string_equal(e->facts.model_name, "iPhone 17");
	assert_string_equal(e->facts.product, "iPhone18,1");
	assert_string_equal(e->facts.os_version, "26.1");
	assert_string_equal(e->facts.build, "23B85");
	assert_string_equal(e->facts.device_name, "Ann's");
	assert_string_equal(e->facts.imei, "imei");
	assert_string_equal(e->facts.meid, "meid");
	assert_string_equal(e->facts.eas_id, "EAS1");
	assert_string_equal(e->number, "0f2b8a44-2c1e-4b11-9a57-0d3f5a7c9e10");
	assert_true(e->current.set && e->previous.set && e->has_replaced);
	assert_int_equal(e->current.cert[2], 3);
	assert_int_equal(e->current.not_after, 201);
	assert_int_equal(e->current.since, 202);
	assert_int_equal(e->previous.cert[0], 4);
	assert_int_equal(e->previous.not_after, 203);
	assert_int_equal(e->previous.since, 204);
	assert_int_equal(e->replaced[31], 9);
	assert_string_equal(e->topic, "com.apple.mgmt.External.1");
	assert_int_equal(e->token_time, 301);
	assert_int_equal(e->last_seen, 302);
	assert_int_equal(e->last_push, 303);
	assert_int_equal(e->unanswered_since, 304);
	assert_int_equal(e->unanswered, 5);
	assert_int_equal(e->refused_at, 306);
	assert_string_equal(e->refused_why, "why");
	assert_int_equal(e->refused, 7);
	assert_true(e->has_token);
}

static void
expect_token(const struct enrollment *e)
{
	assert_true(bytes_eq(buf_bytes(&e->token), bytes_of("\0tok\xff", 5)));
	assert_string_equal(e->magic, "MAGIC-1");
}

static struct enrollment *
load(struct bed *b, const char *id)
{
	struct enrollment *e = NULL;

	assert_int_equal(enrollment_load(b->store, id, &e), 0);
	return e;
}

static void
save_new(struct bed *b, struct enrollment *e)
{
	assert_int_equal(enrollment_save(b->store, e), 0);
	enrollment_free(e);
}

static void
an_enrollment_round_trips(void **state)
{
	struct bed *b = *state;
	struct enrollment *e = NULL;

	assert_int_equal(enrollment_load(b->store, "D1", &e), -ENOENT);
	save_new(b, full("D1"));
	bed_commit(b);
	e = load(b, "D1");
	assert_string_equal(e->id, "D1");
	expect_full(e);
	expect_token(e);
	enrollment_free(e);
	/* an empty one too */
	save_new(b, enrollment_new("D2", CHANNEL_USER_ENROLLMENT));
	e = load(b, "D2");
	assert_int_equal(e->channel, CHANNEL_USER_ENROLLMENT);
	assert_null(e->topic);
	assert_false(e->has_token);
	enrollment_free(e);
}

static void
token_and_magic_are_not_readable_in_the_store(void **state)
{
	struct bed *b = *state;
	struct buf value = BUF_INIT;

	save_new(b, full("D1"));
	assert_int_equal(store_get(b->store, bytes_str("eD1"), &value), 0);
	assert_null(memmem(value.data, value.len, "MAGIC-1", 7));
	assert_null(memmem(value.data, value.len, "\0tok\xff", 5));
	assert_non_null(memmem(value.data, value.len, "SERIAL1", 7));
	buf_free(&value);
}

static void
without_the_key_nothing_sealed_is_lost(void **state)
{
	static const unsigned char other[SEAL_KEY_LEN] = { 77 };
	struct bed *b = *state;
	struct seal *wrong = seal_new(other);
	const struct seal *keys[] = { NULL, wrong };

	save_new(b, full("D1"));
	bed_commit(b);
	for (size_t i = 0; i < 2; i++) {
		struct enrollment *e;

		bed_close(b);
		b->options.seal = keys[i];
		bed_open(b);
		e = load(b, "D1");
		expect_full(e);
		assert_int_equal(e->token.len, 0);
		assert_null(e->magic);
		save_new(b, e); /* what could not be opened is kept */
		bed_commit(b);
		bed_close(b);
		b->options.seal = b->seal;
		bed_open(b);
		e = load(b, "D1");
		expect_token(e);
		enrollment_free(e);
	}
	seal_free(wrong);
}

static void
damaged_values_are_refused_and_never_crash(void **state)
{
	struct bed *b = *state;
	struct buf value = BUF_INIT;
	struct bytes key = bytes_str("eD1");

	save_new(b, full("D1"));
	assert_int_equal(store_get(b->store, key, &value), 0);
	for (size_t i = 0; i < value.len; i++) {
		struct enrollment *e = NULL;

		if (enrollment_decode(key, bytes_of(value.data, i), &e) == 0)
			enrollment_free(e);
		value.data[i] ^= 0x81;
		e = NULL;
		if (enrollment_decode(key, buf_bytes(&value), &e) == 0) {
			assert_true(e->state < STATE_COUNT && e->removal < REMOVAL_COUNT);
			assert_true(e->channel < CHANNEL_COUNT);
			enrollment_free(e);
		}
		value.data[i] ^= 0x81;
	}
	struct enrollment *e = NULL;

	assert_int_equal(enrollment_decode(key, bytes_of(NULL, 0), &e), -EBADMSG);
	assert_int_equal(enrollment_decode(bytes_str("e"), buf_bytes(&value), &e), -EBADMSG);
	/* a damaged record can be saved over */
	assert_int_equal(store_put(b->store, key, bytes_of("\1\377", 2)), 0);
	assert_int_equal(enrollment_load(b->store, "D1", &e), -EBADMSG);
	save_new(b, full("D1"));
	e = load(b, "D1");
	expect_full(e);
	enrollment_free(e);
	buf_free(&value);
}

static int
join(void *arg, const char *id)
{
	buf_printf(arg, "%s ", id);
	return 0;
}

static void
expect_ids(struct bed *b, char index, const char *part, const char *want)
{
	struct buf got = BUF_INIT;
	int r = index == 's'   ? enrollment_by_serial(b->store, part, join, &got)
		: index == 'a' ? enrollment_by_eas(b->store, part, join, &got)
			       : enrollment_users(b->store, part, join, &got);

	assert_int_equal(r, 0);
	assert_string_equal(buf_str(&got), want);
	buf_free(&got);
}

static struct enrollment *
with_facts(const char *id, const char *serial, const char *eas)
{
	struct enrollment *e = enrollment_new(id, CHANNEL_DEVICE);

	e->facts.serial = serial ? text(serial) : NULL;
	e->facts.eas_id = eas ? text(eas) : NULL;
	return e;
}

static void
indexes_follow_the_record(void **state)
{
	struct bed *b = *state;
	struct enrollment *user = enrollment_new("A:U1", CHANNEL_USER);
	char long_serial[600];

	expect_ids(b, 's', "S1", "");
	save_new(b, with_facts("A", "S1", "X"));
	save_new(b, with_facts("B", "S1", NULL));
	save_new(b, with_facts("A", "S1", "X")); /* again: no second entry */
	expect_ids(b, 's', "S1", "A B ");
	expect_ids(b, 'a', "X", "A ");
	save_new(b, with_facts("A", "S2", "Y"));
	expect_ids(b, 's', "S1", "B ");
	expect_ids(b, 's', "S2", "A ");
	expect_ids(b, 'a', "X", "");
	expect_ids(b, 'a', "Y", "A ");
	save_new(b, with_facts("B", NULL, NULL));
	expect_ids(b, 's', "S1", "");
	assert_int_equal(bed_count(b, "s"), 1); /* an empty list is no record */
	user->parent = text("A");
	save_new(b, user);
	expect_ids(b, 'p', "A", "A:U1 ");
	/* a serial number that could be no key is kept, and not indexed */
	memset(long_serial, 's', sizeof(long_serial) - 1);
	long_serial[sizeof(long_serial) - 1] = 0;
	save_new(b, with_facts("C", long_serial, ""));
	expect_ids(b, 's', long_serial, "");
}

static void
a_failed_commit_takes_the_index_along(void **state)
{
	struct bed *b = *state;

	save_new(b, with_facts("A", "S1", NULL));
	bed_commit(b);
	save_new(b, with_facts("A", "S2", NULL));
	bed_log_broken(ENOSPC);
	assert_int_equal(store_commit(b->store), -ENOSPC);
	bed_log_broken(0);
	expect_ids(b, 's', "S1", "A ");
	expect_ids(b, 's', "S2", "");
}

static void
candidates_round_trip(void **state)
{
	struct bed *b = *state;
	struct candidate *c = candidate_new("D1");
	struct candidate *got = NULL;

	assert_int_equal(candidate_load(b->store, "D1", &got), -ENOENT);
	c->cert[5] = 5;
	c->not_after = 11;
	strcpy(c->number, "0f2b8a44-2c1e-4b11-9a57-0d3f5a7c9e10");
	c->topic = text("topic");
	c->since = 12;
	c->renewal = true;
	c->facts.serial = text("S1");
	c->facts.eas_id = text("E1");
	assert_int_equal(candidate_save(b->store, c), 0);
	assert_int_equal(candidate_load(b->store, "D1", &got), 0);
	assert_string_equal(got->id, "D1");
	assert_int_equal(got->cert[5], 5);
	assert_int_equal(got->not_after, 11);
	assert_string_equal(got->number, c->number);
	assert_string_equal(got->topic, "topic");
	assert_int_equal(got->since, 12);
	assert_true(got->renewal);
	assert_string_equal(got->facts.serial, "S1");
	assert_string_equal(got->facts.eas_id, "E1");
	candidate_free(got);
	candidate_free(c);
	assert_int_equal(candidate_delete(b->store, "D1"), 0);
	assert_int_equal(candidate_delete(b->store, "D1"), 0);
	assert_int_equal(candidate_load(b->store, "D1", &got), -ENOENT);
}

static void
facts_merge_what_is_there(void **state)
{
	struct device_facts to = { .serial = text("old"), .model = text("kept") };
	struct device_facts from = { .serial = text("new"), .build = text("23B85") };

	(void)state;
	device_facts_merge(&to, &from);
	assert_string_equal(to.serial, "new");
	assert_string_equal(to.model, "kept");
	assert_string_equal(to.build, "23B85");
	device_facts_free(&to);
	device_facts_free(&from);
}

static void
expect_secret(struct bed *b, unsigned generation, enum secret kind, const char *want)
{
	struct buf got = BUF_INIT;
	int r = secret_get(b->store, "D1", generation, kind, &got);

	assert_int_equal(r, want ? 0 : -ENOENT);
	if (want)
		assert_string_equal(buf_str(&got), want);
	buf_free(&got);
}

static void
put_secret(struct bed *b, unsigned generation, enum secret kind, const char *value)
{
	assert_int_equal(secret_put(b->store, "D1", generation, kind, bytes_str(value)), 0);
}

static void
secrets_are_kept_by_kind_and_generation(void **state)
{
	struct bed *b = *state;

	expect_secret(b, 0, SECRET_PIN, NULL);
	put_secret(b, 0, SECRET_UNLOCK_TOKEN, "unlock 0");
	put_secret(b, 0, SECRET_PIN, "123456");
	put_secret(b, 1, SECRET_UNLOCK_TOKEN, "unlock 1");
	put_secret(b, 1, SECRET_UNLOCK_TOKEN, "unlock 1b");
	put_secret(b, 1, SECRET_BOOTSTRAP_TOKEN, ""); /* empty is a value */
	bed_commit(b);
	expect_secret(b, 0, SECRET_UNLOCK_TOKEN, "unlock 0");
	expect_secret(b, 0, SECRET_PIN, "123456");
	expect_secret(b, 1, SECRET_UNLOCK_TOKEN, "unlock 1b");
	expect_secret(b, 1, SECRET_BOOTSTRAP_TOKEN, "");
	expect_secret(b, 1, SECRET_PIN, NULL);
	assert_int_equal(secret_delete(b->store, "D1", 0, SECRET_PIN), 0);
	assert_int_equal(secret_delete(b->store, "D1", 0, SECRET_PIN), 0);
	expect_secret(b, 0, SECRET_PIN, NULL);
	expect_secret(b, 0, SECRET_UNLOCK_TOKEN, "unlock 0");
	/* a device that enrolls every day must not fill its record */
	for (unsigned g = 2; g < 40; g++)
		put_secret(b, g, SECRET_UNLOCK_TOKEN, "again");
	expect_secret(b, 39 - SECRET_GENERATIONS, SECRET_UNLOCK_TOKEN, NULL);
	expect_secret(b, 40 - SECRET_GENERATIONS, SECRET_UNLOCK_TOKEN, "again");
}

static void
a_secret_opens_in_its_place_only(void **state)
{
	struct bed *b = *state;
	struct buf value = BUF_INIT, got = BUF_INIT;

	put_secret(b, 0, SECRET_PIN, "123456");
	assert_int_equal(store_get(b->store, bytes_str("uD1"), &value), 0);
	assert_null(memmem(value.data, value.len, "123456", 6));
	assert_int_equal(store_put(b->store, bytes_str("uD2"), buf_bytes(&value)), 0);
	assert_int_equal(secret_get(b->store, "D2", 0, SECRET_PIN, &got), -EBADMSG);
	for (size_t len = 1; len < value.len; len++) {
		assert_int_equal(
			store_put(b->store, bytes_str("uD1"), bytes_of(value.data, len)), 0);
		assert_true(secret_get(b->store, "D1", 0, SECRET_PIN, &got) < 0);
	}
	buf_free(&value);
	buf_free(&got);
}

static void
forget_leaves_nothing(void **state)
{
	struct bed *b = *state;
	struct enrollment *user = enrollment_new("D1:U1", CHANNEL_USER);
	struct candidate *c = candidate_new("D1");
	struct result result = { .uuid = text("r1"), .type = text("T"), .status = text("S") };
	struct buf big = BUF_INIT;
	struct queue *q;
	const char *ids[] = { "D1", "D1:U1" };

	for (int i = 0; i < 20000; i++)
		buf_printf(&big, "%d ", i * i);
	save_new(b, full("D1"));
	user->parent = text("D1");
	save_new(b, user);
	assert_int_equal(candidate_save(b->store, c), 0);
	put_secret(b, 0, SECRET_PIN, "1");
	bed_put(b, "tD1", "x");
	for (size_t i = 0; i < 2; i++) {
		struct queue_entry entry = { .uuid = text("c1"), .type = text("T") };

		assert_int_equal(queue_body_put(b->store, "c1", bytes_str("body"), 1), 0);
		assert_int_equal(queue_load(b->store, ids[i], &q), 0);
		queue_add(q, &entry);
		assert_int_equal(queue_save(b->store, q), 0);
		queue_free(q);
		assert_int_equal(result_add(b->store, ids[i], &result, buf_bytes(&big), 20), 0);
		assert_int_equal(result_latest_put(b->store, ids[i], "K", 1, buf_bytes(&big)), 0);
	}
	bed_commit(b);
	assert_true(bed_count(b, "") > 10);
	assert_int_equal(enrollment_forget(b->store, "D1"), 0);
	bed_commit(b);
	assert_int_equal(bed_count(b, ""), 0);
	assert_int_equal(enrollment_forget(b->store, "D1"), 0);
	assert_false(store_pending(b->store));
	candidate_free(c);
	free(result.uuid);
	free(result.type);
	free(result.status);
	buf_free(&big);
}

static void
ids_are_judged(void **state)
{
	char id[ENROLLMENT_ID_MAX + 2];

	(void)state;
	memset(id, 'a', sizeof(id));
	id[ENROLLMENT_ID_MAX] = 0;
	assert_true(enrollment_id_valid(id));
	id[ENROLLMENT_ID_MAX] = 'a';
	id[ENROLLMENT_ID_MAX + 1] = 0;
	assert_false(enrollment_id_valid(id));
	assert_true(enrollment_id_valid("00008020-000915083C80012E"));
	assert_true(enrollment_id_valid("UDID:j\xc3\xbcrgen@example.com"));
	assert_false(enrollment_id_valid(""));
	assert_false(enrollment_id_valid(NULL));
	assert_false(enrollment_id_valid("a/b"));
	assert_false(enrollment_id_valid("a\nb"));
	assert_false(enrollment_id_valid("a\x7f"));
	assert_false(enrollment_id_valid("a\x1f"));
	assert_false(enrollment_id_valid("a\xff"));
}

static void
expect_shut(struct bed *b, size_t secrets, size_t tokens)
{
	struct sealed_counts n;

	assert_int_equal(sealed_judge(b->store, &n), 0);
	assert_int_equal(n.secrets_shut, secrets);
	assert_int_equal(n.push_tokens_shut, tokens);
}

static void
what_does_not_open_is_counted(void **state)
{
	struct bed *b = *state;
	unsigned char other[SEAL_KEY_LEN] = { 9 };
	struct seal *wrong = seal_new(other);
	struct enrollment *e = enrollment_new("D1", CHANNEL_DEVICE);
	struct sealed_counts n;

	expect_shut(b, 0, 0);
	buf_add_str(&e->token, "token");
	assert_int_equal(enrollment_save(b->store, e), 0);
	put_secret(b, 0, SECRET_UNLOCK_TOKEN, "unlock");
	put_secret(b, 1, SECRET_PIN, "1234");
	bed_commit(b);
	expect_shut(b, 0, 0);
	store_set_seal(b->store, NULL);
	expect_shut(b, 2, 1);
	store_set_seal(b->store, wrong);
	expect_shut(b, 2, 1);
	put_secret(b, 2, SECRET_PIN, "5678"); /* the wrong key's own opens */
	expect_shut(b, 2, 1);
	assert_int_equal(sealed_count(b->store, &n), 0);
	assert_int_equal(n.secrets, 3);
	assert_int_equal(n.push_tokens, 1);
	store_set_seal(b->store, b->seal);
	expect_shut(b, 1, 0);
	assert_int_equal(secret_delete(b->store, "D1", 2, SECRET_PIN), 0);
	expect_shut(b, 0, 0);
	enrollment_free(e);
	seal_free(wrong);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_does_not_open_is_counted),
		TEST(an_enrollment_round_trips),
		TEST(token_and_magic_are_not_readable_in_the_store),
		TEST(without_the_key_nothing_sealed_is_lost),
		TEST(damaged_values_are_refused_and_never_crash),
		TEST(indexes_follow_the_record),
		TEST(a_failed_commit_takes_the_index_along),
		TEST(candidates_round_trip),
		TEST(facts_merge_what_is_there),
		TEST(secrets_are_kept_by_kind_and_generation),
		TEST(a_secret_opens_in_its_place_only),
		TEST(forget_leaves_nothing),
		TEST(ids_are_judged),
	};

	return cmocka_run_group_tests_name("enrollment", tests, NULL, NULL);
}
