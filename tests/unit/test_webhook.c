/* Tests of daemon/admin/webhook: which events are told, and for how long one is tried */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <curl/curl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <netinet/in.h>

#include "admin/admin.h"
#include "admin/webhook.h"
#include "base/clock.h"
#include "base/mem.h"
#include "mdm_kit.h"

#define PATIENCE_MS 60000

struct scene {
	struct kit *k;
	struct admin a;
	struct loop_timer *tick;
	char *url;
	int hole; /* a bound socket that does not listen: nobody else gets the port */
	const char *member;
	int64_t wanted, end_ms;
};

static int64_t
number_of(const struct scene *s, const char *name)
{
	json_t *j = webhook_json(s->a.webhook);
	int64_t n = json_integer_value(json_object_get(j, name));

	json_decref(j);
	return n;
}

static void
on_tick(void *arg)
{
	struct scene *s = arg;

	if (number_of(s, s->member) >= s->wanted || clock_mono_ms() > s->end_ms)
		loop_stop(s->a.mdm.loop);
	else
		loop_timer_set(s->tick, 5);
}

/* Runs the loop until this member of its JSON is at least so much. */
static void
until(struct scene *s, const char *name, int64_t wanted)
{
	s->member = name;
	s->wanted = wanted;
	s->end_ms = clock_mono_ms() + PATIENCE_MS;
	loop_timer_set(s->tick, 5);
	assert_int_equal(loop_run(s->a.mdm.loop), 0);
	assert_true(number_of(s, name) >= wanted);
}

static char *
closed_address(int *hole)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);

	*hole = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(bind(*hole, (struct sockaddr *)&at, sizeof(at)), 0);
	assert_int_equal(getsockname(*hole, (struct sockaddr *)&at, &len), 0);
	return xasprintf("http://127.0.0.1:%u/hook", ntohs(at.sin_port));
}

static int
setup(void **state)
{
	struct scene *s = xcalloc(1, sizeof(*s));

	s->k = kit_new();
	s->url = closed_address(&s->hole);
	s->k->conf.webhook.url = s->url;
	s->k->conf.webhook.timeout = 5;
	s->k->conf.webhook.limit = 100;
	s->a.mdm = s->k->m;
	s->a.mdm.loop = loop_new();
	s->tick = loop_timer_new(s->a.mdm.loop, on_tick, s);
	s->a.webhook = webhook_new(&s->a);
	assert_non_null(s->a.webhook);
	*state = s;
	return 0;
}

static int
teardown(void **state)
{
	struct scene *s = *state;

	webhook_free(s->a.webhook);
	loop_timer_free(s->tick);
	loop_free(s->a.mdm.loop);
	s->k->conf.webhook.url = NULL;
	close(s->hole);
	kit_free(s->k);
	free(s->url);
	free(s);
	return 0;
}

/* As after a start: what waits in the store is taken up. */
static void
again(struct scene *s)
{
	assert_int_equal(store_commit(s->a.mdm.store), 0);
	webhook_free(s->a.webhook);
	s->a.webhook = webhook_new(&s->a);
	assert_non_null(s->a.webhook);
}

static void
observe(struct scene *s, enum event ev)
{
	const struct log_field fields[] = { F_ENROLLMENT("D1"), { NULL, NULL } };
	const struct log_record record = {
		.level = event_level(ev), .event = ev, .message = "it happened", .fields = fields
	};

	webhook_observe(s->a.webhook, &record);
}

static void
an_event_is_tried_for_a_day(void **state)
{
	struct scene *s = *state;

	observe(s, EV_DEVICE_LOCKED);
	again(s);
	assert_int_equal(number_of(s, "waiting"), 1);
	until(s, "failed", 2); /* tried again by itself */
	kit_forward(WEBHOOK_AGE_MAX - 60);
	again(s); /* also after a restart */
	until(s, "failed", 2);
	assert_int_equal(number_of(s, "waiting"), 1);
	assert_int_equal(number_of(s, "dropped"), 0);
	kit_forward(120);
	again(s);
	until(s, "dropped", 1);
	assert_int_equal(number_of(s, "waiting"), 0);
	again(s);
	assert_int_equal(number_of(s, "waiting"), 0); /* gone from the store too */
}

static void
states_locks_and_expiry_are_told(void **state)
{
	static const struct {
		enum event event;
		bool told;
	} table[] = {
		{ EV_DEVICE_PENDING, true },
		{ EV_DEVICE_ENROLLED, true },
		{ EV_DEVICE_REENROLLED, true },
		{ EV_DEVICE_RENEWED, true },
		{ EV_DEVICE_INACTIVE, true },
		{ EV_DEVICE_BACK, true },
		{ EV_DEVICE_REMOVED, true },
		{ EV_DEVICE_LOCKED, true },
		{ EV_DEVICE_UNLOCKED, true },
		{ EV_DEVICE_CONFLICT, true },
		{ EV_LOCK_LIMIT, true },
		{ EV_COMMAND_EXPIRED, true },
		{ EV_CERT_EXPIRY, true },
		{ EV_PUSH_STATE, true },
		{ EV_PUSH_REFUSED, true },
		{ EV_TOPIC_REFUSED, true },
		{ EV_STARTED, false },
		{ EV_CONF_LOADED, false },
		{ EV_COMMAND_DONE, false }, /* its report is an event of its own */
		{ EV_LIMIT_HIT, false },
	};
	struct scene *s = *state;
	int64_t want = 0;
	size_t i;

	for (i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		observe(s, table[i].event);
		want += table[i].told;
		again(s);
		if (number_of(s, "waiting") != want)
			fail_msg("%s", event_name(table[i].event));
	}
}

static void
our_own_events_have_a_shape(void **state)
{
	const struct log_field fields[] = { F_ENROLLMENT("D1"), F_REASON("silent"),
		{ NULL, NULL } };
	const struct log_record record = {
		.level = 4, .event = EV_DEVICE_INACTIVE, .message = "D1 is silent", .fields = fields
	};
	json_t *j = webhook_own_json(&record), *inner = json_object_get(j, "cordon_event");

	(void)state;
	assert_string_equal(
		json_string_value(json_object_get(j, "topic")), "cordon.DEVICE_INACTIVE");
	assert_non_null(json_object_get(j, "event_id"));
	assert_non_null(json_object_get(j, "created_at"));
	assert_string_equal(json_string_value(json_object_get(inner, "enrollment")), "D1");
	assert_string_equal(json_string_value(json_object_get(inner, "reason")), "silent");
	assert_string_equal(json_string_value(json_object_get(inner, "message")), "D1 is silent");
	assert_int_equal(json_integer_value(json_object_get(inner, "priority")), 4);
	json_decref(j);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(an_event_is_tried_for_a_day, setup, teardown),
		cmocka_unit_test_setup_teardown(states_locks_and_expiry_are_told, setup, teardown),
		cmocka_unit_test(our_own_events_have_a_shape),
	};

	curl_global_init(CURL_GLOBAL_DEFAULT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
