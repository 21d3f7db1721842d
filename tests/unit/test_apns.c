/* test_apns.c - the APNs client against the fake APNs and against nghttpd */
/* clang-format off */
/*
 * The misbehaviour suite.  Where each line of facts/protocol.md D is held:
 * (b: test_apns_burst, h: test_apns_h2, p: test_push, r: test_reason; no letter: here)
 *
 * D.8 answer 200                test_a_thousand, test_nghttpd
 *     each reason               test_reasons, test_each_refusal, test_new_connection_wanted
 *      ... and what follows     r reasons_lead_to_what_apple_asks_for, p faults_of_ours_are_not_repeated,
 *                               p refusals_stop_pushing, p bad_tokens_are_left_alone
 *     410, old and new times    test_unregistered, p gone_counts_only_for_the_current_token
 *     GOAWAY mid-flight         test_goaway, test_goaway_with_delay, all of b
 *     max streams 1 and 0       test_few_streams, test_no_streams, h limits_that_change_are_kept
 *     delay                     test_goaway_with_delay, test_other_identity
 *     reset                     test_reset, test_reset_for_ever, b nothing_is_left_behind
 *     send PING                 test_no_streams, h pings_are_answered
 *     Huffman headers           h huffman_headers_are_read
 *     refuse the certificate    test_client_certificate, test_refused, test_refused_by_goaway
 *     token hex, path, headers, no aps, JSON escaping
 *                               test_request; the fake refuses everything that is not as it should be
 *     back-off, fake clock      p faults_of_apple_are_waited_out, p too_many_pushes_slow_down_one_device,
 *                               p a_server_that_leaves_is_asked_again, test_pauses_between_dials
 *     coalescing                p asks_become_one_push
 *     pushes stop on 403        test_refused, test_each_refusal, p refusals_stop_pushing
 * D.2 HPACK advice              h headers_are_compressed_as_apple_asks
 *     4,096 bytes               test_bounds
 * D.4 one connection, kept      test_a_thousand
 *     no PRIORITY, SETTINGS ACK h no_priority_frames_and_settings_are_acknowledged
 *     own PING, dead paths      test_ping
 *     GOAWAY's reason           test_goaway, test_refused_by_goaway
 *     REFUSED_STREAM            test_refused_streams
 *     no answer, result unknown test_reset, test_no_answer, b goaway_that_breaks_its_promise
 *     renewed certificate       test_other_identity, p a_refused_certificate_gives_way_to_the_next
 *     timeouts                  test_mute_server, test_names, test_no_answer
 * D.6 the time of a 410         p gone_counts_only_for_the_current_token, p gone_removes_nobody_after_a_restore,
 *                               p gone_is_not_judged_by_a_clock_that_may_be_wrong
 */
/* clang-format on */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <event2/event.h>
#include <netdb.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "apns_client.h"
#include "base/clock.h"
#include "base/encode.h"

static void
test_a_thousand(void **state)
{
	struct server s = fake();
	struct client *c = connected(&s);

	(void)state;
	assert_string_equal(apns_state_name(apns_state(c->apns)), "Connected");
	SAYS(apns_words(c->apns), "localhost");
	assert_string_equal(apns_topic(c->apns), TOPIC);
	assert_in_range(apns_since(c->apns), clock_wall() - 60, clock_wall());
	push_many(c, 0, 1000, 1);
	AWAIT(c, answers(c) == 1000);
	assert_int_equal(c->accepted, 1000);
	assert_in_range(c->last.sent_at, clock_wall() - 60, clock_wall());
	assert_int_equal(apns_waiting(c->apns), 0);
	assert_int_equal(apns_in_flight(c->apns), 0);
	each_answered_once(c, 1000);
	each_arrived(&s, 1000, 1);
	assert_int_equal(fake_stat(&s, "connections"), 1);
	finish(c, &s);
}

static void
check_text(json_t *line, const char *object, const char *name, const char *wanted)
{
	json_t *from = object ? json_object_get(line, object) : line;
	const char *text = json_string_value(json_object_get(from, name));

	assert_non_null(text);
	assert_string_equal(text, wanted);
}

static void
test_request(void **state)
{
	static const unsigned char token[] = { 0xAB, 0xCD, 0x00, 0xFF };
	static const char magic[] = "a\"b\\c\x01\n\xc3\xbc/";
	struct server s = fake();
	struct client *c = connected(&s);
	char *serial = pair_serial(&push_one);
	json_t *log, *line;
	const char *id;

	(void)state;
	assert_int_equal(
		apns_push(c->apns, bytes_of(token, 4), magic, 1795000000, 0, (void *)1), 0);
	AWAIT(c, answers(c) == 1);
	assert_int_equal(c->accepted, 1);
	assert_int_equal(apns_push(c->apns, bytes_of(token, 4), "m", 0, 0, (void *)1), 0);
	AWAIT(c, answers(c) == 2);

	log = fake_log(&s);
	assert_int_equal(json_array_size(log), 2);
	line = json_array_get(log, 0);
	check_text(line, NULL, "token", "abcd00ff");
	check_text(line, NULL, "magic", magic);
	check_text(line, NULL, "topic", TOPIC);
	check_text(line, NULL, "serial", serial);
	check_text(line, "headers", ":method", "POST");
	check_text(line, "headers", ":scheme", "https");
	check_text(line, "headers", ":authority", "localhost");
	check_text(line, "headers", ":path", "/3/device/abcd00ff");
	check_text(line, "headers", "apns-topic", TOPIC);
	check_text(line, "headers", "apns-push-type", "mdm");
	check_text(line, "headers", "apns-priority", "10");
	check_text(line, "headers", "apns-expiration", "1795000000");
	id = json_string_value(json_object_get(json_object_get(line, "headers"), "apns-id"));
	assert_true(id && uuid_valid(id));
	check_text(json_array_get(log, 1), "headers", "apns-expiration", "0");
	json_decref(log);
	OPENSSL_free(serial);
	finish(c, &s);
}

static void
test_bounds(void **state)
{
	struct client *c = client_new("localhost", 1, ca_file);
	unsigned char token[101] = { 1 };
	char magic[1026];

	(void)state;
	memset(magic, 'm', sizeof(magic));
	magic[1025] = '\0';
	assert_int_equal(apns_push(c->apns, bytes_of(token, 0), "m", 0, 0, NULL), -EINVAL);
	assert_int_equal(apns_push(c->apns, bytes_of(token, 101), "m", 0, 0, NULL), -EINVAL);
	assert_int_equal(apns_push(c->apns, bytes_of(token, 32), magic, 0, 0, NULL), -EINVAL);
	/* 1,024 characters are allowed, but not when each takes six in JSON. */
	memset(magic, '\x01', 1024);
	magic[1024] = '\0';
	assert_int_equal(apns_push(c->apns, bytes_of(token, 32), magic, 0, 0, NULL), -EINVAL);
	/* Without an identity the answer comes at once, from the loop and not from the call. */
	assert_int_equal(push(c, 0, 0), 0);
	assert_int_equal(answers(c), 0);
	AWAIT(c, answers(c) == 1);
	assert_int_equal(c->last.result, APNS_UNSENT);
	assert_int_equal(c->last.sent_at, 0);
	SAYS(c->reason, "no push certificate");
	client_free(c);
}

static void
test_few_streams(void **state)
{
	struct server s = fake();
	struct client *c;

	(void)state;
	command(&s, "max-streams 1");
	c = connected(&s);
	push_many(c, 0, 200, 0);
	AWAIT(c, answers(c) == 200);
	assert_int_equal(c->accepted, 200);
	assert_int_equal(fake_stat(&s, "streams_seen"), 1);
	finish(c, &s);
}

static void
test_no_streams(void **state)
{
	struct server s = fake();
	struct client *c = connected(&s);
	json_t *log;

	(void)state;
	/* The answered ping says that the client has seen the SETTINGS before it. */
	command(&s, "max-streams 0");
	command(&s, "ping");
	AWAIT_SERVER(c, fake_stat(&s, "pongs") == 1);
	push_many(c, 0, 10, 1);
	push_many(c, 10, 5, 0);
	command(&s, "ping");
	AWAIT_SERVER(c, fake_stat(&s, "pongs") == 2);
	assert_int_equal(apns_state(c->apns), APNS_CONNECTED);
	assert_int_equal(apns_waiting(c->apns), 15);
	assert_int_equal(fake_stat(&s, "pushes"), 0);

	command(&s, "max-streams 1");
	AWAIT(c, answers(c) == 15);
	assert_int_equal(fake_stat(&s, "streams_seen"), 1);
	/* The five single ones went first, each kind in its order. */
	log = fake_log(&s);
	for (unsigned i = 0; i < 15; i++) {
		char wanted[32];

		snprintf(wanted, sizeof(wanted), "magic-%u", i < 5 ? 10 + i : i - 5);
		check_text(json_array_get(log, i), NULL, "magic", wanted);
	}
	json_decref(log);
	finish(c, &s);
}

static void
test_goaway(void **state)
{
	struct server s = fake();
	struct client *c;

	(void)state;
	command(&s, "max-streams 100");
	c = connected(&s);
	command(&s, "goaway Shutdown 700");
	push_many(c, 0, 2000, 1);
	AWAIT(c, answers(c) == 2000);
	assert_int_equal(c->accepted, 2000);
	each_answered_once(c, 2000);
	/* Those beyond the last id were never processed, so none came twice. */
	each_arrived(&s, 2000, 1);
	SAYS(c->disconnected, "Shutdown");
	assert_int_equal(fake_stat(&s, "connections"), 2);
	finish(c, &s);
}

static void
test_goaway_with_delay(void **state)
{
	struct server s = fake();
	struct client *c;

	(void)state;
	command(&s, "max-streams 100");
	c = connected(&s);
	command(&s, "delay 30");
	command(&s, "goaway");
	AWAIT(c, apns_state(c->apns) != APNS_CONNECTED);
	AWAIT(c, apns_state(c->apns) == APNS_CONNECTED);
	command(&s, "goaway IdleTimeout 150");
	push_many(c, 0, 500, 0);
	AWAIT(c, answers(c) == 500);
	assert_int_equal(c->accepted, 500);
	each_answered_once(c, 500);
	each_arrived(&s, 500, 1);
	assert_int_equal(fake_stat(&s, "connections"), 3);
	finish(c, &s);
}

static void
test_reset(void **state)
{
	struct server s = fake();
	struct client *c = connected(&s);

	(void)state;
	command(&s, "reset 700");
	push_many(c, 0, 2000, 1);
	AWAIT(c, answers(c) == 2000);
	assert_int_equal(c->accepted, 2000);
	each_answered_once(c, 2000);
	each_arrived(&s, 2000, 2);
	SAYS(c->disconnected, "localhost");
	assert_int_equal(fake_stat(&s, "connections"), 2);
	finish(c, &s);
}

static void
test_reset_for_ever(void **state)
{
	struct server s = fake();
	struct client *c = connected(&s);

	(void)state;
	/* A push is not carried from one broken connection to the next without end. */
	command(&s, "silent on");
	push_many(c, 0, 10, 0);
	AWAIT_SERVER(c, fake_stat(&s, "pushes") == 10);
	command(&s, "reset");
	AWAIT_SERVER(c, fake_stat(&s, "pushes") == 20);
	command(&s, "reset");
	AWAIT(c, answers(c) == 10);
	assert_int_equal(c->unsent, 10);
	SAYS(c->reason, "no answer");
	each_arrived(&s, 10, 2);
	finish(c, &s);
}

static void
test_garbage(void **state)
{
	struct server s = fake();
	struct client *c = connected(&s);

	(void)state;
	command(&s, "silent on");
	push_many(c, 0, 20, 0);
	AWAIT_SERVER(c, fake_stat(&s, "pushes") == 20);
	command(&s, "silent off");
	command(&s, "garbage");
	AWAIT(c, answers(c) == 20);
	assert_int_equal(c->accepted, 20);
	SAYS(c->disconnected, "HTTP/2");
	each_arrived(&s, 20, 2);
	finish(c, &s);
}

static void
test_refused_streams(void **state)
{
	struct server s = fake();
	struct client *c = connected(&s);

	(void)state;
	command(&s, "refuse-streams 3");
	push_many(c, 0, 10, 0);
	AWAIT(c, answers(c) == 10);
	assert_int_equal(c->accepted, 10);
	each_arrived(&s, 10, 1);
	assert_int_equal(fake_stat(&s, "connections"), 1);
	/* One that is refused for ever is given up. */
	command(&s, "refuse-streams 1000");
	apns_set_times(c->apns, &(const struct apns_times){ .backoff = 1 });
	push_many(c, 10, 1, 0);
	AWAIT(c, answers(c) == 11);
	assert_int_equal(c->unsent, 1);
	SAYS(c->reason, "refused the stream");
	finish(c, &s);
}

static void
test_reasons(void **state)
{
	static const struct {
		int status;
		const char *reason;
	} cases[] = {
		{ 400, "BadCollapseId" },
		{ 400, "BadDeviceToken" },
		{ 400, "BadExpirationDate" },
		{ 400, "BadMessageId" },
		{ 400, "BadPriority" },
		{ 400, "BadTopic" },
		{ 400, "DeviceTokenNotForTopic" },
		{ 400, "DuplicateHeaders" },
		{ 400, "InvalidPushType" },
		{ 400, "MissingDeviceToken" },
		{ 400, "MissingTopic" },
		{ 400, "PayloadEmpty" },
		{ 400, "TopicDisallowed" },
		{ 404, "BadPath" },
		{ 405, "MethodNotAllowed" },
		{ 410, "ExpiredToken" },
		{ 410, "Unregistered" },
		{ 413, "PayloadTooLarge" },
		{ 429, "TooManyRequests" },
		{ 500, "InternalServerError" },
		{ 503, "ServiceUnavailable" },
	};
	struct server s = fake();
	struct client *c = connected(&s);
	char text[128];

	(void)state;
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		snprintf(text, sizeof(text), "reason * %d %s", cases[i].status, cases[i].reason);
		command(&s, text);
		assert_int_equal(push(c, i, 0), 0);
		AWAIT(c, answers(c) == i + 1);
		assert_int_equal(c->last.result, APNS_REJECTED);
		assert_int_equal(c->last.status, cases[i].status);
		assert_string_equal(c->reason, cases[i].reason);
		assert_int_equal(c->last.timestamp, 0);
	}
	/* None of these is about the connection. */
	assert_int_equal(apns_state(c->apns), APNS_CONNECTED);
	assert_int_equal(fake_stat(&s, "connections"), 1);
	finish(c, &s);
}

static void
test_unregistered(void **state)
{
	struct server s = fake();
	struct client *c = connected(&s);

	(void)state;
	command(&s, "reason 0003" /* the rest of the token is zero */
		    "000000000000000000000000000000000000000000000000000000000000 "
		    "410 Unregistered 1790000000123");
	push_many(c, 0, 10, 0);
	AWAIT(c, answers(c) == 10);
	assert_int_equal(c->accepted, 9);
	assert_int_equal(c->rejected, 1);
	assert_int_equal(push(c, 3, 0), 0);
	AWAIT(c, answers(c) == 11);
	assert_int_equal(c->last.status, 410);
	assert_string_equal(c->reason, "Unregistered");
	assert_int_equal(c->last.timestamp, 1790000000);
	finish(c, &s);
}

static void
test_new_connection_wanted(void **state)
{
	struct server s = fake();
	struct client *c = connected(&s);

	(void)state;
	command(&s, "reason * 503 Shutdown");
	assert_int_equal(push(c, 0, 0), 0);
	AWAIT(c, answers(c) == 1);
	assert_int_equal(c->last.status, 503);
	command(&s, "default");
	AWAIT_SERVER(c, fake_stat(&s, "connections") == 2);
	AWAIT(c, apns_state(c->apns) == APNS_CONNECTED);
	SAYS(c->disconnected, "Shutdown");

	/* An idle connection's refusal is not the push's fault: it is sent again on a new one. */
	command(&s, "reason * 400 IdleTimeout");
	assert_int_equal(push(c, 1, 0), 0);
	AWAIT_SERVER(c, fake_stat(&s, "pushes") >= 2);
	command(&s, "default");
	AWAIT(c, answers(c) == 2);
	assert_int_equal(c->accepted + c->rejected, 2);
	AWAIT_SERVER(c, fake_stat(&s, "connections") >= 3);
	finish(c, &s);
}

static void
test_refused(void **state)
{
	struct server s = fake();
	struct client *c = connected(&s);
	char *serial = pair_serial(&push_one), text[128];
	long connections;

	(void)state;
	snprintf(text, sizeof(text), "refuse 403 BadCertificate %s", serial);
	command(&s, text);
	push_many(c, 0, 5, 0);
	AWAIT(c, answers(c) == 5);
	AWAIT(c, apns_state(c->apns) == APNS_REFUSED);
	AWAIT(c, strstr(c->words, "BadCertificate") != NULL);
	SAYS(c->words, "renew it");
	assert_int_equal(c->rejected, 5);
	assert_int_equal(c->last.status, 403);
	connections = fake_stat(&s, "connections");

	/* Nothing is sent and nothing is dialled, however much is pushed. */
	push_many(c, 5, 5, 0);
	AWAIT(c, answers(c) == 10);
	assert_int_equal(c->unsent, 5);
	SAYS(c->reason, "BadCertificate");
	AWAIT_SERVER(c, fake_stat(&s, "open") == 0);
	assert_int_equal(apns_state(c->apns), APNS_REFUSED);
	assert_int_equal(fake_stat(&s, "connections"), connections);

	identity(c, &push_two);
	AWAIT(c, apns_state(c->apns) == APNS_CONNECTED);
	push_many(c, 10, 5, 0);
	AWAIT(c, answers(c) == 15);
	assert_int_equal(c->accepted, 5);
	OPENSSL_free(serial);
	finish(c, &s);
}

/* Every reason of a 403, as an answer and as a GOAWAY's: named in words, and nothing is dialled. */
static void
test_each_refusal(void **state)
{
	static const char *const reasons[] = { "BadCertificate", "BadCertificateEnvironment",
		"Forbidden", "ExpiredProviderToken", "InvalidProviderToken", "MissingProviderToken",
		"UnrelatedKeyIdInToken", "BadEnvironmentKeyIdInToken" };
	struct server s = fake();
	struct client *c = connected(&s);
	char text[128];

	(void)state;
	for (unsigned i = 0; i < 2 * sizeof(reasons) / sizeof(reasons[0]); i++) {
		snprintf(text, sizeof(text), i % 2 ? "goaway %s" : "reason * 403 %s",
			reasons[i / 2]);
		command(&s, text);
		if (i % 2 == 0)
			assert_int_equal(push(c, i, 0), 0);
		AWAIT(c, apns_state(c->apns) == APNS_REFUSED);
		SAYS(apns_words(c->apns), reasons[i / 2]);
		if (strstr(apns_words(c->apns), "look the reason up"))
			fail_msg("%s has no sentence", reasons[i / 2]);
		AWAIT_SERVER(c, fake_stat(&s, "open") == 0);
		assert_int_equal(fake_stat(&s, "connections"), i + 1);
		command(&s, "default");
		identity(c, i % 2 ? &push_one : &push_two);
		AWAIT(c, apns_state(c->apns) == APNS_CONNECTED);
	}
	assert_int_equal(answers(c), sizeof(reasons) / sizeof(reasons[0]));
	assert_int_equal(c->last.status, 403);
	finish(c, &s);
}

static void
test_refused_by_goaway(void **state)
{
	struct server s = fake();
	struct client *c = connected(&s);

	(void)state;
	command(&s, "goaway BadCertificate");
	AWAIT(c, apns_state(c->apns) == APNS_REFUSED);
	SAYS(apns_words(c->apns), "BadCertificate");
	finish(c, &s);
}

static void
test_other_identity(void **state)
{
	char *one = pair_serial(&push_one), *two = pair_serial(&push_two);
	struct server s = fake();
	struct client *c = connected(&s);
	json_t *log;

	(void)state;
	command(&s, "delay 100");
	push_many(c, 0, 50, 0);
	AWAIT_SERVER(c, fake_stat(&s, "pushes") == 50);
	identity(c, &push_two);
	assert_int_equal(apns_in_flight(c->apns), 50);
	push_many(c, 50, 50, 0);
	AWAIT(c, answers(c) == 100);
	assert_int_equal(c->accepted, 100);
	each_arrived(&s, 100, 1);
	log = fake_log(&s);
	for (unsigned i = 0; i < 100; i++)
		check_text(json_array_get(log, i), NULL, "serial", i < 50 ? one : two);
	json_decref(log);
	/* The first connection said goodbye and went. */
	AWAIT_SERVER(c, fake_stat(&s, "open") == 1);
	assert_int_equal(fake_stat(&s, "goodbyes"), 1);

	apns_set_identity(c->apns, NULL, NULL, "the push certificate was taken away");
	AWAIT(c, strcmp(c->words, "the push certificate was taken away") == 0);
	assert_int_equal(apns_state(c->apns), APNS_DISCONNECTED);
	AWAIT_SERVER(c, fake_stat(&s, "open") == 0);
	OPENSSL_free(one);
	OPENSSL_free(two);
	finish(c, &s);
}

/* Dials and gives the words of the first failure. */
static void
expect_failure(const char *host, unsigned port, const char *trust, const struct pair *p,
	const char *first, const char *second)
{
	struct client *c = client_new(host, port, trust);

	identity(c, p);
	AWAIT(c, c->disconnected[0]);
	SAYS(c->disconnected, first);
	SAYS(c->disconnected, second);
	AWAIT(c, c->dialled >= 3); /* it goes on trying */
	client_free(c);
}

static void
test_intercepted(void **state)
{
	struct server s = fake();

	(void)state;
	expect_failure("localhost", s.port, evil_file, &push_one,
		"something between this server and Apple intercepts TLS", "CN=Throw-away Root");
	assert_int_equal(fake_stat(&s, "connections"), 0);
	assert_int_equal(server_stop(&s), 0);
}

static void
test_wrong_name(void **state)
{
	struct server s = fake_start(dir, other_cert, other_key, 0, NULL);

	(void)state;
	expect_failure("localhost", s.port, ca_file, &push_one, "another name", "elsewhere");
	assert_int_equal(server_stop(&s), 0);
}

static void
test_client_certificate(void **state)
{
	struct server s = fake();

	(void)state;
	expect_failure("localhost", s.port, ca_file, &push_evil, "push certificate", "TLS");
	expect_failure("localhost", s.port, ca_file, &push_old, "has expired", "cordon-csr renew");
	assert_int_equal(server_stop(&s), 0);
}

static void
test_topic_of_another(void **state)
{
	struct server s = fake();
	struct client *c = client_new("localhost", s.port, ca_file);
	const struct pair_options o = {
		.cn = "APSP:x", .uid = "com.apple.mgmt.External.other", .ca = &root
	};
	struct pair other = pair_new(&o);

	(void)state;
	identity(c, &other);
	assert_int_equal(push(c, 0, 0), 0);
	AWAIT(c, answers(c) == 1);
	assert_int_equal(c->last.status, 400);
	assert_string_equal(c->reason, "TopicDisallowed");
	pair_free(&other);
	finish(c, &s);
}

static void
test_numeric_host(void **state)
{
	struct server s = fake();
	struct client *c = client_new("127.0.0.1", s.port, ca_file);

	(void)state;
	identity(c, &push_one);
	assert_int_equal(push(c, 0, 0), 0);
	AWAIT(c, answers(c) == 1);
	assert_int_equal(c->accepted, 1);
	finish(c, &s);
}

/*
 * The resolver of these tests (linked with --wrap): "nowhere.invalid" is unknown, "slow.test"
 * answers when it is let go, and "many.test" has two addresses of which only the second one is
 * there.
 */
int __real_getaddrinfo(
	const char *host, const char *port, const struct addrinfo *hints, struct addrinfo **list);
int __wrap_getaddrinfo(
	const char *host, const char *port, const struct addrinfo *hints, struct addrinfo **list);

static atomic_int let_go;

int
__wrap_getaddrinfo(
	const char *host, const char *port, const struct addrinfo *hints, struct addrinfo **list)
{
	int err, slow = strcmp(host, "slow.test") == 0;

	if (strcmp(host, "nowhere.invalid") == 0)
		return EAI_NONAME;
	if ((hints->ai_flags & AI_NUMERICHOST) || (!slow && strcmp(host, "many.test") != 0))
		return __real_getaddrinfo(host, port, hints, list);
	while (slow && !atomic_load(&let_go))
		usleep(1000);
	err = __real_getaddrinfo("127.0.0.9", port, hints, list);
	if (!err)
		err = __real_getaddrinfo("127.0.0.1", port, hints, &(*list)->ai_next);
	return err;
}

static void
on_beat(void *arg)
{
	(*(unsigned *)arg)++;
}

static void
test_names(void **state)
{
	struct server s = fake();
	struct client *c = client_new("slow.test", s.port, ca_file);
	struct loop_timer *beat;
	unsigned beats = 0;

	(void)state;
	beat = loop_timer_new(c->loop, on_beat, &beats);
	identity(c, &push_one);
	/* While the look-up hangs the loop goes on. */
	for (unsigned i = 0; i < 20; i++) {
		loop_timer_set(beat, 1);
		AWAIT(c, beats == i + 1);
	}
	assert_int_equal(apns_state(c->apns), APNS_CONNECTING);
	atomic_store(&let_go, 1);
	AWAIT(c, apns_state(c->apns) == APNS_CONNECTED);
	assert_int_equal(c->dialled, 1);
	loop_timer_free(beat);
	client_free(c);

	c = client_new("many.test", s.port, ca_file);
	identity(c, &push_one);
	AWAIT(c, apns_state(c->apns) == APNS_CONNECTED);
	assert_int_equal(c->dialled, 1);
	client_free(c);

	/* A look-up that nobody waits for any more. */
	atomic_store(&let_go, 0);
	c = client_new("slow.test", s.port, ca_file);
	apns_set_times(c->apns, &(const struct apns_times){ .connect = 30 });
	identity(c, &push_one);
	AWAIT(c, strstr(c->disconnected, "looking up slow.test took longer than 0.03 s") != NULL);
	atomic_store(&let_go, 1);
	finish(c, &s);
}

static void
test_no_such_name(void **state)
{
	(void)state;
	expect_failure(
		"nowhere.invalid", 443, ca_file, &push_one, "nowhere.invalid", "has no address");
}

static void
test_down_and_up(void **state)
{
	unsigned port = free_port();
	struct client *c = client_new("localhost", port, ca_file);
	struct server s;

	(void)state;
	identity(c, &push_one);
	assert_int_equal(push(c, 0, 0), 0);
	AWAIT(c, c->dialled >= 3);
	SAYS(c->disconnected, "refused");
	SAYS(c->disconnected, "127.0.0.1"); /* the last of localhost's addresses */
	assert_int_equal(answers(c), 0);

	s = fake_start(dir, server_cert, server_key, port, "--client-ca", ca_file, NULL);
	AWAIT(c, apns_state(c->apns) == APNS_CONNECTED);
	AWAIT(c, answers(c) == 1);
	assert_int_equal(c->accepted, 1);
	assert_int_equal(server_stop(&s), 0);
	AWAIT(c, apns_state(c->apns) == APNS_DISCONNECTED);

	s = fake_start(dir, server_cert, server_key, port, "--client-ca", ca_file, NULL);
	AWAIT(c, apns_state(c->apns) == APNS_CONNECTED);
	finish(c, &s);
}

/*
 * The pauses between dials are noted and not waited for (loop_timer_set is linked with --wrap). The
 * other timers of a connection are told from them by their length.
 */
#define CONNECT_MS (3600 * 1000)
#define PAUSES 16

void __real_loop_timer_set(struct loop_timer *t, int64_t ms);
void __wrap_loop_timer_set(struct loop_timer *t, int64_t ms);

static struct {
	const struct loop_timer *patience; /* NULL: not at work */
	int64_t ms[PAUSES];
	unsigned count;
} pauses;

void
__wrap_loop_timer_set(struct loop_timer *t, int64_t ms)
{
	if (pauses.patience && t != pauses.patience && ms <= 15 * 60000) {
		if (pauses.count < PAUSES)
			pauses.ms[pauses.count++] = ms;
		ms = 0;
	}
	__real_loop_timer_set(t, ms);
}

/* Nearly at once, then a second, two, four, ... a quarter of an hour; each by its jittered half. */
static void
test_pauses_between_dials(void **state)
{
	struct client *c = client_new("127.0.0.1", free_port(), ca_file);
	int64_t most = 1000;

	(void)state;
	apns_set_times(c->apns,
		&(const struct apns_times){
			.connect = CONNECT_MS, .backoff = 1000, .backoff_max = 15 * 60000 });
	pauses.count = 0;
	pauses.patience = c->patience;
	identity(c, &push_one);
	AWAIT(c, pauses.count == PAUSES);
	pauses.patience = NULL;
	assert_in_range(pauses.ms[0], 0, 500);
	for (unsigned i = 1; i < PAUSES; i++) {
		assert_in_range(pauses.ms[i], most / 2, most);
		most = most < 450000 ? 2 * most : 900000;
	}
	assert_int_equal(c->dialled, PAUSES);
	client_free(c);
}

static void
test_mute_server(void **state)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct client *c;

	(void)state;
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, 16), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	c = client_new("127.0.0.1", ntohs(a.sin_port), ca_file);
	apns_set_times(c->apns, &(const struct apns_times){ .connect = 80 });
	identity(c, &push_one);
	AWAIT(c, c->disconnected[0]);
	SAYS(c->disconnected, "did not finish the TLS handshake within 0.08 s");
	client_free(c);
	close(fd);
}

static void
test_not_http2(void **state)
{
	unsigned port = free_port();
	char text[16];
	const char *const argv[] = { "openssl", "s_server", "-accept", text, "-cert", server_cert,
		"-key", server_key, "-quiet", NULL };
	struct client *c = client_new("localhost", port, ca_file);
	struct server s;

	(void)state;
	snprintf(text, sizeof(text), "%u", port);
	s = program_start(argv, port);
	identity(c, &push_one);
	AWAIT(c, strstr(c->disconnected, "does not speak HTTP/2") != NULL);
	client_free(c);
	server_stop(&s);
}

static void
test_ping(void **state)
{
	struct server s = fake();
	const struct apns_options o = { TOPIC, "localhost", s.port, ca_file, 20 };
	struct client *c = client_new("localhost", s.port, ca_file);
	const struct apns_callbacks cb = { on_state, on_answer, c };

	(void)state;
	apns_free(c->apns);
	c->apns = apns_new(c->loop, &o, &cb);
	apns_set_times(c->apns,
		&(const struct apns_times){ .ping_wait = 60, .backoff = 10, .backoff_max = 50 });
	identity(c, &push_one);
	AWAIT_SERVER(c, fake_stat(&s, "pings") >= 5);
	assert_int_equal(fake_stat(&s, "connections"), 1);

	/* A path that swallows everything is found by the ping, and left. */
	command(&s, "deaf");
	AWAIT(c, strstr(c->disconnected, "stopped answering") != NULL);
	AWAIT(c, apns_state(c->apns) == APNS_CONNECTED);
	assert_int_equal(fake_stat(&s, "connections"), 2);
	finish(c, &s);
}

static void
test_no_answer(void **state)
{
	struct server s = fake();
	struct client *c = client_new("localhost", s.port, ca_file);

	(void)state;
	apns_set_times(c->apns, &(const struct apns_times){ .answer = 60 });
	identity(c, &push_one);
	AWAIT(c, apns_state(c->apns) == APNS_CONNECTED);
	command(&s, "silent on");
	push_many(c, 0, 3, 0);
	AWAIT(c, answers(c) == 3);
	assert_int_equal(c->unsent, 3);
	assert_int_equal(c->last.status, 0);
	assert_true(c->last.sent_at > 0);
	assert_int_equal(fake_stat(&s, "pushes"), 6);
	/* The connection itself answers pings, so it was kept, and is of use. */
	command(&s, "silent off");
	push_many(c, 3, 3, 0);
	AWAIT(c, answers(c) == 6);
	assert_int_equal(c->accepted, 3);
	assert_int_equal(fake_stat(&s, "connections"), 1);
	finish(c, &s);
}

static void
test_free_answers_all(void **state)
{
	struct server s = fake();
	struct client *c;
	struct apns *a;

	(void)state;
	command(&s, "max-streams 10");
	c = connected(&s);
	command(&s, "silent on");
	push_many(c, 0, 30, 0);
	AWAIT_SERVER(c, fake_stat(&s, "pushes") == 10);
	assert_int_equal(apns_in_flight(c->apns), 10);
	assert_int_equal(apns_waiting(c->apns), 20);
	a = c->apns;
	c->apns = NULL;
	apns_free(a);
	assert_int_equal(c->unsent, 30);
	each_answered_once(c, 30);
	AWAIT_SERVER(c, fake_stat(&s, "open") == 0);
	assert_int_equal(fake_stat(&s, "goodbyes"), 1);
	finish(c, &s);
}

static void
test_calls_from_callbacks(void **state)
{
	struct server s = fake();
	struct client *c = connected(&s);

	(void)state;
	c->push_from_callback = 50;
	assert_int_equal(push(c, 0, 0), 0);
	AWAIT(c, answers(c) == 51);
	assert_int_equal(c->accepted, 51);
	push_many(c, 100, 40, 0);
	c->free_after = 10;
	AWAIT(c, answers(c) == 91);
	assert_null(c->apns);
	finish(c, &s);
}

static void
test_wake(void **state)
{
	struct sockaddr_un {
		sa_family_t family;
		char path[108];
	} a = { .family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	char text[256], wanted[256];
	struct server s;
	struct client *c;
	ssize_t n;

	(void)state;
	snprintf(a.path, sizeof(a.path), "%s/wake", dir);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	s = fake_start(dir, server_cert, server_key, 0, "--wake", a.path, NULL);
	c = connected(&s);
	/* More than a datagram socket holds: the fake keeps what does not fit. */
	push_many(c, 0, 100, 0);
	AWAIT(c, answers(c) == 100);
	for (unsigned i = 0; i < 100; i++) {
		n = recv(fd, text, sizeof(text) - 1, 0);
		assert_true(n > 0);
		text[n] = '\0';
		snprintf(wanted, sizeof(wanted), "%064x magic-%u", 0u, i);
		wanted[0] = wanted[1] = '0';
		wanted[2] = "0123456789abcdef"[i >> 4];
		wanted[3] = "0123456789abcdef"[i & 15];
		assert_string_equal(text, wanted);
	}
	close(fd);
	finish(c, &s);
}

/* Files that nghttpd can answer 200 for: one for each token of the first `count` pushes. */
static void
make_htdocs(unsigned count)
{
	char path[256];

	snprintf(path, sizeof(path), "%s/htdocs", dir);
	mkdir(path, 0700);
	strcat(path, "/3");
	mkdir(path, 0700);
	strcat(path, "/device");
	mkdir(path, 0700);
	for (unsigned i = 0; i < count; i++) {
		FILE *f;

		snprintf(path, sizeof(path), "%s/htdocs/3/device/%04x%060x", dir, i, 0u);
		f = fopen(path, "w");
		assert_non_null(f);
		fclose(f);
	}
}

static void
push_through_nghttpd(const char *option)
{
	unsigned port = free_port();
	char text[16], htdocs[64];
	const char *const argv[] = { "nghttpd", "-a", "127.0.0.1", "-d", htdocs, option, text,
		server_key, server_cert, NULL };
	struct client *c = client_new("127.0.0.1", port, ca_file);
	struct server s;
	int64_t start;

	snprintf(text, sizeof(text), "%u", port);
	snprintf(htdocs, sizeof(htdocs), "%s/htdocs", dir);
	make_htdocs(1000);
	s = program_start(argv, port);
	identity(c, &push_one);
	AWAIT(c, apns_state(c->apns) == APNS_CONNECTED);
	start = clock_mono_us();
	push_many(c, 0, 1000, 1);
	AWAIT(c, answers(c) == 1000);
	print_message("# nghttpd %s: 1000 pushes in %lld us\n", option,
		(long long)(clock_mono_us() - start));
	assert_int_equal(c->accepted, 1000);
	each_answered_once(c, 1000);
	assert_int_equal(push(c, 1001, 0), 0);
	AWAIT(c, answers(c) == 1001);
	assert_int_equal(c->last.status, 404);
	client_free(c);
	server_stop(&s);
}

static void
test_nghttpd(void **state)
{
	(void)state;
	push_through_nghttpd("--verify-client");
	push_through_nghttpd("--max-concurrent-streams=3");
}

/* With an argument, the tests whose names match it. */
int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_thousand),
		cmocka_unit_test(test_request),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_few_streams),
		cmocka_unit_test(test_no_streams),
		cmocka_unit_test(test_goaway),
		cmocka_unit_test(test_goaway_with_delay),
		cmocka_unit_test(test_reset),
		cmocka_unit_test(test_reset_for_ever),
		cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_refused_streams),
		cmocka_unit_test(test_reasons),
		cmocka_unit_test(test_unregistered),
		cmocka_unit_test(test_new_connection_wanted),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_each_refusal),
		cmocka_unit_test(test_refused_by_goaway),
		cmocka_unit_test(test_other_identity),
		cmocka_unit_test(test_intercepted),
		cmocka_unit_test(test_wrong_name),
		cmocka_unit_test(test_client_certificate),
		cmocka_unit_test(test_topic_of_another),
		cmocka_unit_test(test_numeric_host),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_no_such_name),
		cmocka_unit_test(test_down_and_up),
		cmocka_unit_test(test_pauses_between_dials),
		cmocka_unit_test(test_mute_server),
		cmocka_unit_test(test_not_http2),
		cmocka_unit_test(test_ping),
		cmocka_unit_test(test_no_answer),
		cmocka_unit_test(test_free_answers_all),
		cmocka_unit_test(test_calls_from_callbacks),
		cmocka_unit_test(test_wake),
		cmocka_unit_test(test_nghttpd),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("apns", tests, setup, teardown);
}
