/*
 * fake.h - a stand-in for Apple's push service, for tests; shares no code with the daemon
 *
 * fake-apns.c   options, listener, start and stop
 * fake_conn.c   TLS and HTTP/2, streams, answers
 * fake_judge.c  what Apple would say to a request
 * fake_control.c  commands at run time
 * fake_note.c   the log of pushes, and waking devices
 */
#ifndef CORDON_TESTS_APNS_FAKE_H
#define CORDON_TESTS_APNS_FAKE_H

#include <event2/event.h>
#include <jansson.h>
#include <openssl/ssl.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/queue.h>

#define TOKEN_TEXT_MAX 256 /* characters of a token's hex that are looked at */
#define BODY_MAX 4096
#define REASON_MAX 64

/* An answer that the control socket ordered for a token ("*": for all). */
struct rule {
	TAILQ_ENTRY(rule) link;
	char token[TOKEN_TEXT_MAX];
	char serial[80]; /* only connections with this client certificate; "": all */
	int status;
	char reason[REASON_MAX];
	long long timestamp; /* milliseconds, 0: none */
};

struct push {
	json_t *fields; /* request fields by name */
	int duplicate;	/* a field came twice, or was no text */
	char body[BODY_MAX + 1];
	size_t body_len; /* may be beyond BODY_MAX: then only the length is true */
	char token[TOKEN_TEXT_MAX];
	json_t *payload;
	/* The answer. */
	int status;
	char reason[REASON_MAX];
	long long timestamp;
};

struct conn;
TAILQ_HEAD(rules, rule);
TAILQ_HEAD(conns, conn);

struct fake {
	struct event_base *base;
	SSL_CTX *ctx;
	struct conns conns;
	struct rules rules;
	struct event *reaper; /* frees doomed connections outside of their callbacks */
	FILE *log;
	const char *wake;

	uint32_t max_streams;
	int delay_ms;
	int silent;		  /* takes pushes, answers none */
	unsigned refuse_streams;  /* that many streams get REFUSED_STREAM */
	long goaway_in, reset_in; /* pushes until then; -1: never */
	char goaway_reason[REASON_MAX];

	/* Statistics. */
	unsigned long connections, refused_handshakes, pushes, accepted, rejected, unanswered,
		pongs, pings, goodbyes, wakes, wakes_lost;
	unsigned streams_seen; /* most at once on one connection */
};

/* fake_conn.c */
void conn_accept(struct fake *f, evutil_socket_t fd);
void conn_reap(evutil_socket_t fd, short what, void *arg);
void conns_settings(struct fake *f);
void conns_ping(struct fake *f);
void conns_goaway(struct fake *f, const char *reason);
void conns_reset(struct fake *f);
void conns_garbage(struct fake *f);
void conns_deaf(struct fake *f); /* reads nothing more */
void conns_free(struct fake *f);
unsigned conns_count(const struct fake *f);

/* fake_judge.c: fills the answer. `topic` is the certificate's, "" without one. */
void judge(const struct fake *f, struct push *p, const char *topic, const char *serial);

/* fake_control.c */
int control_start(struct fake *f, const char *where);
void control_stop(void);

/* fake_note.c */
void note_log(struct fake *f, const struct push *p, const char *serial);
int note_wake_start(struct fake *f);
void note_wake(struct fake *f, const struct push *p);
void note_stop(void);

#endif
