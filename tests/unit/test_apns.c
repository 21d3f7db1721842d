/* test_apns.c - the APNs client against the fake APNs and against nghttpd */
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

#include "apns_kit.h"
#include "base/clock.h"
#include "base/encode.h"
#include "net/apns.h"
#include "net/loop.h"

#define TOPIC "com.apple.mgmt.External.11111111-2222-3333-4444-555555555555"
#define PATIENCE_MS 30000
#define TAGS 4096

/* Certificates, made once. */
static char dir[] = "/tmp/test_apns.XXXXXX";
static char ca_file[64], evil_file[64], server_cert[64], server_key[64], other_cert[64],
	other_key[64];
static struct pair root, evil, push_one, push_two, push_old, push_evil;

/* One client with what it was told. */
struct client {
	struct loop *loop;
	struct apns *apns;
	struct loop_timer *patience;
	int late;
	unsigned accepted, rejected, unsent;
	unsigned char times[TAGS]; /* answers per push */
	struct apns_answer last;
	char reason[256], words[1024], disconnected[1024];
	unsigned dialled; /* times that the state became Connecting */
	int free_after;	  /* frees the client at that many answers; 0: never */
	int push_from_callback;
};

static void
on_state(void *arg, struct apns *a, enum apns_state s, const char *words)
{
	struct client *c = arg;

	(void)a;
	snprintf(c->words, sizeof(c->words), "%s", words);
	if (s == APNS_DISCONNECTED)
		snprintf(c->disconnected, sizeof(c->disconnected), "%s", words);
	if (s == APNS_CONNECTING)
		c->dialled++;
}

static int
push(struct client *c, unsigned n, int bulk)
{
	unsigned char token[32] = { (unsigned char)(n >> 8), (unsigned char)n };
	char magic[64];

	snprintf(magic, sizeof(magic), "magic-%u", n);
	return apns_push(c->apns, bytes_of(token, sizeof(token)), magic, 1800000000, bulk,
		(void *)(uintptr_t)(n + 1));
}

static void
on_answer(void *arg, struct apns *a, void *tag, const struct apns_answer *answer)
{
	struct client *c = arg;
	uintptr_t n = (uintptr_t)tag - 1;

	assert_true(n < TAGS);
	c->times[n]++;
	c->last = *answer;
	snprintf(c->reason, sizeof(c->reason), "%s", answer->reason);
	c->last.reason = c->reason;
	if (answer->result == APNS_ACCEPTED)
		c->accepted++;
	else if (answer->result == APNS_REJECTED)
		c->rejected++;
	else
		c->unsent++;
	if (c->push_from_callback > 0) {
		c->push_from_callback--;
		assert_int_equal(push(c, (unsigned)n + 1, 0), 0);
	}
	if (c->free_after && --c->free_after == 0) {
		c->apns = NULL;
		apns_free(a);
	}
}

static unsigned
answers(const struct client *c)
{
	return c->accepted + c->rejected + c->unsent;
}

static void
on_late(void *arg)
{
	struct client *c = arg;

	c->late = 1;
}

static void
identity(struct client *c, const struct pair *p)
{
	STACK_OF(X509) *chain = sk_X509_new_null();

	sk_X509_push(chain, p->cert);
	apns_set_identity(c->apns, chain, p->key, NULL);
	sk_X509_free(chain);
}

static struct client *
client_new(const char *host, unsigned port, const char *trust)
{
	struct client *c = calloc(1, sizeof(*c));
	const struct apns_options o = { TOPIC, host, port, trust, 0 };
	const struct apns_callbacks cb = { on_state, on_answer, c };
	const struct apns_times fast = { .backoff = 10, .backoff_max = 100 };

	assert_non_null(c);
	c->loop = loop_new();
	assert_non_null(c->loop);
	c->patience = loop_timer_new(c->loop, on_late, c);
	c->apns = apns_new(c->loop, &o, &cb);
	assert_non_null(c->apns);
	apns_set_times(c->apns, &fast);
	return c;
}

static void
client_free(struct client *c)
{
	apns_free(c->apns);
	loop_timer_free(c->patience);
	loop_free(c->loop);
	free(c);
}

/* One turn of the loop; it does not wait longer than the patience. */
static void
turn(struct client *c)
{
	event_base_loop(loop_base(c->loop), EVLOOP_ONCE);
}

static void
on_never(void *arg)
{
	(void)arg;
}

/* Runs the loop until the condition holds. */
#define AWAIT(c, condition)                                                                  \
	do {                                                                                 \
		loop_timer_set((c)->patience, PATIENCE_MS);                                  \
		while (!(condition) && !(c)->late)                                           \
			turn(c);                                                             \
		loop_timer_stop((c)->patience);                                              \
		if ((c)->late)                                                               \
			fail_msg("not within 30 s: %s (words: %s)", #condition, (c)->words); \
	} while (0)

/* As AWAIT, for conditions that only another process changes: looks every 5 ms. */
#define AWAIT_SERVER(c, condition)                                                           \
	do {                                                                                 \
		struct loop_timer *look = loop_timer_new((c)->loop, on_never, NULL);         \
		loop_timer_set((c)->patience, PATIENCE_MS);                                  \
		while (!(condition) && !(c)->late) {                                         \
			loop_timer_set(look, 5);                                             \
			turn(c);                                                             \
		}                                                                            \
		loop_timer_free(look);                                                       \
		loop_timer_stop((c)->patience);                                              \
		if ((c)->late)                                                               \
			fail_msg("not within 30 s: %s (words: %s)", #condition, (c)->words); \
	} while (0)

#define SAYS(text, part)                                                    \
	do {                                                                \
		if (!strstr((text), (part)))                                \
			fail_msg("\"%s\" does not say \"%s\"", text, part); \
	} while (0)

static void
command(const struct server *s, const char *text)
{
	assert_string_equal(fake_ask(s, text), "ok");
}

static struct server
fake(void)
{
	return fake_start(dir, server_cert, server_key, 0, "--client-ca", ca_file, NULL);
}

static struct client *
connected(const struct server *s)
{
	struct client *c = client_new("localhost", s->port, ca_file);

	identity(c, &push_one);
	AWAIT(c, apns_state(c->apns) == APNS_CONNECTED);
	return c;
}

static void
push_many(struct client *c, unsigned from, unsigned count, int bulk)
{
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(push(c, from + i, bulk), 0);
}

/* Each of the first `count` pushes was answered exactly once. */
static void
each_answered_once(const struct client *c, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(c->times[i], 1);
	assert_int_equal(answers(c), count);
}

/* How often each token came to the server: at least once, and at most `most` times. */
static void
each_arrived(const struct server *s, unsigned count, unsigned most)
{
	json_t *log = fake_log(s), *line;
	unsigned char *seen = calloc(TAGS, 1);
	unsigned token;
	size_t i;

	json_array_foreach(log, i, line)
	{
		assert_int_equal(
			sscanf(json_string_value(json_object_get(line, "token")), "%4x", &token),
			1);
		assert_true(token < count);
		seen[token]++;
	}
	for (i = 0; i < count; i++)
		assert_in_range(seen[i], 1, most);
	free(seen);
	json_decref(log);
}

static void
finish(struct client *c, struct server *s)
{
	client_free(c);
	assert_int_equal(server_stop(s), 0);
}

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

static void
write_pair(const struct pair *p, const char *name, char *cert, char *key)
{
	snprintf(cert, 64, "%s/%s.crt", dir, name);
	if (key)
		snprintf(key, 64, "%s/%s.key", dir, name);
	pair_write(p, cert, key);
}

static int
setup(void **state)
{
	struct pair server, other;

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	if (!mkdtemp(dir))
		return -1;
	root = pair_new(&(struct pair_options){ .cn = "Throw-away Root", .is_ca = 1 });
	evil = pair_new(&(struct pair_options){ .cn = "Evil Root", .is_ca = 1 });
	server = pair_new(&(struct pair_options){ .cn = "localhost",
		.san = "DNS:localhost,DNS:slow.test,DNS:many.test,IP:127.0.0.1",
		.ca = &root });
	other = pair_new(&(struct pair_options){
		.cn = "elsewhere", .san = "DNS:elsewhere.example", .ca = &root });
	push_one = pair_new(&(struct pair_options){ .cn = "APSP:1", .uid = TOPIC, .ca = &root });
	push_two = pair_new(&(struct pair_options){ .cn = "APSP:2", .uid = TOPIC, .ca = &root });
	push_old = pair_new(
		&(struct pair_options){ .cn = "APSP:3", .uid = TOPIC, .ca = &root, .expired = 1 });
	push_evil = pair_new(&(struct pair_options){ .cn = "APSP:4", .uid = TOPIC, .ca = &evil });
	write_pair(&root, "root", ca_file, NULL);
	write_pair(&evil, "evil", evil_file, NULL);
	write_pair(&server, "server", server_cert, server_key);
	write_pair(&other, "other", other_cert, other_key);
	pair_free(&server);
	pair_free(&other);
	return 0;
}

static int
teardown(void **state)
{
	char text[128];

	(void)state;
	pair_free(&root);
	pair_free(&evil);
	pair_free(&push_one);
	pair_free(&push_two);
	pair_free(&push_old);
	pair_free(&push_evil);
	snprintf(text, sizeof(text), "rm -rf '%s'", dir);
	return system(text);
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
