/*
 * push.h - who is asked to connect: one APNs connection per topic, one push in flight per
 * enrollment, and what each answer of APNs means for it
 *
 * DESIGN "APNs", facts/protocol.md D.
 */
#ifndef CORDON_MDM_PUSH_H
#define CORDON_MDM_PUSH_H

#include "mdm/mdm.h"
#include "net/apns.h"

#define PUSH_COALESCE_MS 3000 /* asks within this time of a push are one */

/* Reads m->conf and m->certs at once; m must outlive it. */
struct pusher *pusher_new(struct mdm *m);
void pusher_free(struct pusher *p); /* NULL allowed */
/* After m->certs or the push settings of m->conf were swapped. */
void pusher_certs_changed(struct mdm *m);

/*
 * Asks the device or user channel to connect.  Silently nothing for one that cannot be pushed
 * (no token, removed); waits for the connection if there is none.  m->pusher may be NULL.
 */
void pusher_ask(struct mdm *m, const char *id, bool bulk);
void pusher_ask_later(struct mdm *m, const char *id, int64_t seconds);
/* pusher_ask as soon as the changes of this turn are durable. */
void pusher_ask_after_commit(struct mdm *m, const char *id, bool bulk);
/* At start: asks everyone whose queue is not empty, paced as bulk. */
void pusher_resume(struct mdm *m);

struct pusher_line {
	const char *topic;
	enum apns_state state;
	const char *words;	   /* why it is so, for people; "" */
	const unsigned char *cert; /* SHA-256 of the certificate it presents; zero: none */
	int64_t since;
	size_t waiting, in_flight;
};
/* One line for each topic that is connected or should be; until `each` returns non-zero. */
int pusher_each(
	const struct mdm *m, int (*each)(void *arg, const struct pusher_line *line), void *arg);
/* The line of the topic that new enrollments get, or of the only one.  False: there is none. */
bool pusher_main(const struct mdm *m, struct pusher_line *ret);

struct pusher_numbers {
	uint64_t asked, coalesced, accepted, rejected, gone, retried;
	size_t waiting; /* for a connection */
};
void pusher_numbers(const struct mdm *m, struct pusher_numbers *ret);

#endif
