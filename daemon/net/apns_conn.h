/*
 * apns_conn.h - one connection to APNs: name, address after address, TLS, HTTP/2, its deadlines
 *
 * Calls `changed` when there is something to look at: a phase, room for pushes, items in `done`.
 * Never frees itself, so that `changed` may come from anywhere in it; the owner looks later.
 */
#ifndef CORDON_NET_APNS_CONN_H
#define CORDON_NET_APNS_CONN_H

#include "net/apns_h2.h"

struct apns_conn;
struct loop;
typedef struct ssl_ctx_st SSL_CTX;

struct apns_conn_options {
	const char *host, *topic; /* copied */
	unsigned port;
	SSL_CTX *ctx; /* a reference is taken */
	int64_t ping_idle_ms;
	struct apns_times times;
	void (*changed)(void *arg);
	void *arg;
};

enum apns_phase {
	APNS_DIALLING,
	APNS_OPEN, /* the first SETTINGS came */
	APNS_ENDED /* for good; see apns_conn_words */
};

struct apns_conn *apns_conn_new(struct loop *l, const struct apns_conn_options *o);
/* Says goodbye when it is open and idle.  `done` must have been emptied; NULL allowed. */
void apns_conn_free(struct apns_conn *c);
enum apns_phase apns_conn_phase(const struct apns_conn *c);
const char *apns_conn_words(const struct apns_conn *c); /* why it ended; "" */
int64_t apns_conn_opened(const struct apns_conn *c);	/* monotonic ms of APNS_OPEN, 0 */

size_t apns_conn_in_flight(const struct apns_conn *c);
unsigned apns_conn_room(const struct apns_conn *c);
/* Queues a push for apns_conn_flush.  0, or -EPROTO: it is still the caller's. */
int apns_conn_send(struct apns_conn *c, struct apns_item *it);
void apns_conn_flush(struct apns_conn *c);
/* Ends it at once, with a GOAWAY if that can be; what is in flight goes to `done` with its outcome
 * unknown. */
void apns_conn_cut(struct apns_conn *c, const char *words);
/* NULL while there is none. */
struct apns_h2 *apns_conn_h2(struct apns_conn *c);

#endif
