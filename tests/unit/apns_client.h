/*
 * apns_client.h - what the tests of the APNs client share: certificates, one client that notes what
 * it is told, and the waiting for it
 */
#ifndef CORDON_TESTS_APNS_CLIENT_H
#define CORDON_TESTS_APNS_CLIENT_H

#include "apns_kit.h"
#include "net/apns.h"
#include "net/loop.h"

#define TOPIC "com.apple.mgmt.External.11111111-2222-3333-4444-555555555555"
#define PATIENCE_MS 30000
#define TAGS 32768

/* Certificates, made once. */
extern char dir[32];
extern char ca_file[64], evil_file[64], server_cert[64], server_key[64], other_cert[64],
	other_key[64];
extern struct pair root, evil, push_one, push_two, push_old, push_evil;

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

int setup(void **state);
int teardown(void **state);

struct client *client_new(const char *host, unsigned port, const char *trust);
void client_free(struct client *c);
void on_state(void *arg, struct apns *a, enum apns_state s, const char *words);
void on_answer(void *arg, struct apns *a, void *tag, const struct apns_answer *answer);
void identity(struct client *c, const struct pair *p);
unsigned answers(const struct client *c);
int push(struct client *c, unsigned n, int bulk);
void push_many(struct client *c, unsigned from, unsigned count, int bulk);
/* One turn of the loop; it does not wait longer than the patience. */
void turn(struct client *c);
void on_never(void *arg);

/* One command to the fake, which must be taken. */
void command(const struct server *s, const char *text);
struct server fake(void);
struct client *connected(const struct server *s);
void finish(struct client *c, struct server *s);
/* Each of the first `count` pushes was answered exactly once. */
void each_answered_once(const struct client *c, unsigned count);
/*
 * How often each token came to the server: at least once, and at most `most` times.  How many came
 * more than once.
 */
unsigned each_arrived(const struct server *s, unsigned count, unsigned most);

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

#endif
