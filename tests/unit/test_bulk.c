/* Tests of daemon/admin/bulk: one command for many, without anybody waiting for it */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "admin/bulk.h"
#include "base/clock.h"
#include "base/mem.h"
#include "mdm_kit.h"

#define FLEET 20000u
#define GAP_MS 250 /* between two ticks of a millisecond, on a busy machine with sanitizers */
#define PATIENCE_MS 120000

struct scene {
	struct kit *k;
	struct admin a;
	struct loop_timer *tick;
	const char *job;
	int64_t last_ms, gap_ms, end_ms;
};

static unsigned
fleet(void)
{
	const char *told = getenv("CORDON_BULK");

	return told ? (unsigned)strtoul(told, NULL, 10) : FLEET;
}

static void
fill(struct kit *k, unsigned count)
{
	char id[32];
	unsigned i;

	for (i = 0; i < count; i++) {
		struct enrollment *e;

		snprintf(id, sizeof(id), "DEV-%06u", i);
		e = enrollment_new(id, CHANNEL_DEVICE);
		e->state = i % 10 == 0 ? STATE_REMOVED : STATE_ENROLLED;
		e->removal = i % 10 == 0 ? REMOVAL_CHECKOUT : REMOVAL_NONE;
		e->facts.product = xstrdup(i % 2 ? "iPhone15,2" : "Mac14,2");
		assert_int_equal(enrollment_save(k->m.store, e), 0);
		enrollment_free(e);
		if (i % 1000 == 999)
			assert_int_equal(store_commit(k->m.store), 0);
	}
	assert_int_equal(store_commit(k->m.store), 0);
}

static bool
done(const struct scene *s)
{
	json_t *j = bulk_json(&s->a, s->job);
	bool is;

	assert_non_null(j);
	is = json_is_true(json_object_get(j, "done"));
	json_decref(j);
	return is;
}

static void
on_tick(void *arg)
{
	struct scene *s = arg;
	int64_t now = clock_mono_ms();

	if (now - s->last_ms > s->gap_ms)
		s->gap_ms = now - s->last_ms;
	s->last_ms = now;
	if (done(s) || now > s->end_ms)
		loop_stop(s->a.mdm.loop);
	else
		loop_timer_set(s->tick, 1);
}

static int
setup(void **ctx)
{
	struct scene *s = xcalloc(1, sizeof(*s));

	s->k = kit_new();
	s->a.mdm = s->k->m;
	s->a.mdm.loop = loop_new();
	s->tick = loop_timer_new(s->a.mdm.loop, on_tick, s);
	*ctx = s;
	return 0;
}

static int
teardown(void **ctx)
{
	struct scene *s = *ctx;

	bulk_free(&s->a);
	loop_timer_free(s->tick);
	loop_free(s->a.mdm.loop);
	kit_free(s->k);
	free(s);
	return 0;
}

/* Runs one job to its end; its JSON, the caller's. */
static json_t *
run(struct scene *s, const char *text)
{
	json_t *body = json_loads(text, 0, NULL);
	char *why = NULL;

	assert_non_null(body);
	s->job = bulk_start(&s->a, body, "eva", &why);
	json_decref(body);
	if (!s->job)
		fail_msg("%s", why);
	s->last_ms = clock_mono_ms();
	s->gap_ms = 0;
	s->end_ms = s->last_ms + PATIENCE_MS;
	loop_timer_set(s->tick, 1);
	assert_int_equal(loop_run(s->a.mdm.loop), 0);
	assert_true(done(s));
	return bulk_json(&s->a, s->job);
}

static json_int_t
number(const json_t *j, const char *name)
{
	return json_integer_value(json_object_get(j, name));
}

#define SEND "\"action\":{\"send\":{\"request_type\":\"ProfileList\"}}"

static void
a_fleet_gets_one_command_and_nobody_waits(void **ctx)
{
	struct scene *s = *ctx;
	unsigned count = fleet(), enrolled = count - (count + 9) / 10;
	struct queue *q, *other;
	json_t *j;

	fill(s->k, count);
	j = run(s, "{\"filter\":{}," SEND "}");
	print_message("# %u enrollments, longest wait %d ms\n", count, (int)s->gap_ms);
	assert_int_equal(number(j, "matched"), enrolled);
	assert_int_equal(number(j, "queued"), enrolled);
	assert_int_equal(number(j, "failed"), 0);
	assert_true(s->gap_ms < GAP_MS);
	assert_int_equal(queue_load(s->k->m.store, "DEV-000001", &q), 0);
	assert_int_equal(queue_load(s->k->m.store, "DEV-000002", &other), 0);
	assert_int_equal(q->count, 1);
	assert_string_equal(q->entries[0].uuid, other->entries[0].uuid);
	assert_int_equal(kit_waiting(s->k, "DEV-000000"), 0);
	queue_free(q);
	queue_free(other);
	json_decref(j);
}

static void
filters_choose(void **ctx)
{
	static const struct {
		const char *filter;
		json_int_t matched, failed;
	} cases[] = {
		{ "{\"state\":\"removed\"}", 10, 10 },
		{ "{\"state\":\"Inactive\"}", 0, 0 },
		{ "{\"system\":\"iOS\"}", 50, 0 },
		{ "{\"system\":\"macos\"}", 40, 0 },
		{ "{\"locked\":true}", 0, 0 },
		{ "{\"ids\":[\"DEV-000001\",\"DEV-000000\",\"nobody\"]}", 1, 0 },
	};
	struct scene *s = *ctx;
	size_t i;

	fill(s->k, 100);
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *text = xasprintf("{\"filter\":%s," SEND "}", cases[i].filter);
		json_t *j = run(s, text);

		if (number(j, "matched") != cases[i].matched ||
			number(j, "failed") != cases[i].failed)
			fail_msg("%s: %s", cases[i].filter, json_dumps(j, 0));
		json_decref(j);
		free(text);
	}
}

static void
what_makes_no_sense_is_refused(void **ctx)
{
	static const char *const bodies[] = { "{}", "{\"filter\":{}}",
		"{\"filter\":{},\"action\":1}", "{" SEND "}",
		"{\"filter\":{\"state\":\"Gone\"}," SEND "}",
		"{\"filter\":{\"system\":\"DOS\"}," SEND "}", "{\"filter\":{\"ids\":[1]}," SEND "}",
		"{\"filter\":{},\"action\":{\"send\":{\"request_type\":\"A B\"}}}",
		"{\"filter\":{},\"action\":{\"send\":{\"request_type\":\"DeviceLock\","
		"\"arguments\":[\"PIN=1\"]}}}",
		"{\"filter\":{},\"action\":{\"send\":{\"request_type\":\"DeviceLock\","
		"\"arguments\":[{\"key\":\"PIN\"}]}}}" };
	struct scene *s = *ctx;
	size_t i;

	for (i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		json_t *body = json_loads(bodies[i], 0, NULL);
		char *why = NULL;

		assert_non_null(body);
		if (bulk_start(&s->a, body, "eva", &why))
			fail_msg("taken: %s", bodies[i]);
		assert_non_null(why);
		free(why);
		json_decref(body);
	}
}

/* Every device of the filter gets the questions of the schedule once, however often it is said. */
static void
refresh_asks_those_that_fit(void **ctx)
{
	struct scene *s = *ctx;
	struct queue *q = NULL;
	json_t *j;

	fill(s->k, 40);
	for (int i = 0; i < 2; i++) {
		j = run(s, "{\"filter\":{\"state\":\"Enrolled\",\"system\":\"iOS\"},"
			   "\"action\":\"refresh\"}");
		assert_int_equal(number(j, "matched"), 20);
		assert_int_equal(number(j, "queued"), 20);
		assert_int_equal(number(j, "failed"), 0);
		json_decref(j);
		assert_int_equal(store_commit(s->k->m.store), 0);
	}
	assert_int_equal(queue_load(s->k->m.store, "DEV-000001", &q), 0);
	assert_true(q->count >= 1 && q->count <= 4);
	assert_string_equal(q->entries[0].actor, "eva");
	queue_free(q);
	assert_int_equal(kit_waiting(s->k, "DEV-000002"), 0);
	/* a person's word does not bring back who left */
	j = run(s, "{\"filter\":{\"state\":\"Removed\"},\"action\":\"refresh\"}");
	assert_int_equal(number(j, "matched"), 4);
	assert_int_equal(number(j, "failed"), 4);
	assert_int_equal(number(json_object_get(j, "failures"), "it is not enrolled"), 4);
	json_decref(j);
}

static void
old_jobs_are_forgotten(void **ctx)
{
	struct scene *s = *ctx;
	char first[64];
	json_t *j;
	unsigned i;

	fill(s->k, 2);
	for (i = 0; i < BULK_KEPT + 2; i++) {
		json_decref(run(s, "{\"filter\":{},\"action\":\"push\"}"));
		if (i == 0)
			snprintf(first, sizeof(first), "%s", s->job);
	}
	j = bulk_json(&s->a, first);
	assert_null(j);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_fleet_gets_one_command_and_nobody_waits),
		TEST(filters_choose),
		TEST(what_makes_no_sense_is_refused),
		TEST(refresh_asks_those_that_fit),
		TEST(old_jobs_are_forgotten),
	};

	return cmocka_run_group_tests_name("bulk", tests, NULL, NULL);
}
