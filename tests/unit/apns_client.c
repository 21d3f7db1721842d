/* apns_client.c - what the tests of the APNs client share */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "apns_client.h"

char dir[32] = "/tmp/test_apns.XXXXXX";
char ca_file[64], evil_file[64], server_cert[64], server_key[64], other_cert[64], other_key[64];
struct pair root, evil, push_one, push_two, push_old, push_evil;

void
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

int
push(struct client *c, unsigned n, int bulk)
{
	unsigned char token[32] = { (unsigned char)(n >> 8), (unsigned char)n };
	char magic[64];

	snprintf(magic, sizeof(magic), "magic-%u", n);
	return apns_push(c->apns, bytes_of(token, sizeof(token)), magic, 1800000000, bulk,
		(void *)(uintptr_t)(n + 1));
}

void
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

unsigned
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

void
identity(struct client *c, const struct pair *p)
{
	STACK_OF(X509) *chain = sk_X509_new_null();

	sk_X509_push(chain, p->cert);
	apns_set_identity(c->apns, chain, p->key, NULL);
	sk_X509_free(chain);
}

struct client *
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

void
client_free(struct client *c)
{
	apns_free(c->apns);
	loop_timer_free(c->patience);
	loop_free(c->loop);
	free(c);
}

void
turn(struct client *c)
{
	event_base_loop(loop_base(c->loop), EVLOOP_ONCE);
}

void
on_never(void *arg)
{
	(void)arg;
}

void
command(const struct server *s, const char *text)
{
	assert_string_equal(fake_ask(s, text), "ok");
}

struct server
fake(void)
{
	return fake_start(dir, server_cert, server_key, 0, "--client-ca", ca_file, NULL);
}

struct client *
connected(const struct server *s)
{
	struct client *c = client_new("localhost", s->port, ca_file);

	identity(c, &push_one);
	AWAIT(c, apns_state(c->apns) == APNS_CONNECTED);
	return c;
}

void
push_many(struct client *c, unsigned from, unsigned count, int bulk)
{
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(push(c, from + i, bulk), 0);
}

void
each_answered_once(const struct client *c, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		assert_int_equal(c->times[i], 1);
	assert_int_equal(answers(c), count);
}

unsigned
each_arrived(const struct server *s, unsigned count, unsigned most)
{
	json_t *log = fake_log(s), *line;
	unsigned char *seen = calloc(TAGS, 1);
	unsigned token, again = 0;
	size_t i;

	json_array_foreach(log, i, line)
	{
		assert_int_equal(
			sscanf(json_string_value(json_object_get(line, "token")), "%4x", &token),
			1);
		assert_true(token < count);
		seen[token]++;
	}
	for (i = 0; i < count; i++) {
		assert_in_range(seen[i], 1, most);
		again += seen[i] > 1;
	}
	free(seen);
	json_decref(log);
	return again;
}

void
finish(struct client *c, struct server *s)
{
	client_free(c);
	assert_int_equal(server_stop(s), 0);
}

static void
write_pair(const struct pair *p, const char *name, char *cert, char *key)
{
	snprintf(cert, 64, "%s/%s.crt", dir, name);
	if (key)
		snprintf(key, 64, "%s/%s.key", dir, name);
	pair_write(p, cert, key);
}

int
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

int
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
