/*
 * declarative.h - declarations of an external server: what devices ask goes there as NanoMDM's
 * declarative hook sends it (facts/anchors.md 1.7), and what it answers goes back
 *
 * 200 and 404 are answers, and pass; everything else is a fault that the device hears as 502 or 503
 * and comes again for, so no answer of that server can make a device leave.  Nothing here waits in
 * the loop: POST_PARALLEL requests are under way, others wait in a bounded queue, and the whole way
 * there and back takes declarative.timeout at most.
 */
#ifndef CORDON_MDM_DECLARATIVE_H
#define CORDON_MDM_DECLARATIVE_H

#include "mdm/endpoint.h"
#include "mdm/mdm.h"
#include "mdm/message.h"

#define DECLARATIVE_WAITING_MAX 512u	  /* requests that wait for one under way to end */
#define DECLARATIVE_BYTES_MAX (32u << 20) /* of the messages of all that wait or are under way */
#define DECLARATIVE_DEVICE_MAX 4u	  /* requests of one enrollment */
#define DECLARATIVE_ANSWER_MAX (1u << 20) /* bytes of an answer; a longer one is a fault */
#define DECLARATIVE_RETRY_AFTER "30"	  /* seconds, told to devices beyond these bounds */

struct declarative;
struct declarative_ask; /* one question of a device, on its way */

/* m->declarative; NULL when there is no thread for it. */
struct declarative *declarative_new(struct mdm *m);
/* Cuts off what is under way.  After the HTTP server is gone, before the store closes; NULL
 * allowed.
 */
void declarative_free(struct declarative *d);
/* Looks at the key that signs requests again; the address is read for each request. */
void declarative_configure(struct declarative *d);

/* A DeclarativeManagement message as a question; NULL: its endpoint is none, *why (static) says so.
 */
struct declarative_ask *declarative_ask_new(const struct message *msg, const char **why);
void declarative_ask_free(struct declarative_ask *ask);
/* Takes both: answers `r` later, once what the message changed so far is durable. */
void declarative_send(struct mdm *m, struct http_request *r, struct declarative_ask *ask);

struct declarative_state {
	uint64_t answered, not_found, failed, refused; /* 200, 404, faults, beyond the bounds */
	size_t waiting, under_way;
	int64_t failing_since; /* wall seconds; 0: the last answer was one */
	const char *fault;     /* why, while it fails; NULL */
};
void declarative_state(const struct declarative *d, struct declarative_state *ret);
/* What a person must know of it, as one sentence; false when all is well. */
bool declarative_problem(const struct declarative *d, int64_t now, struct buf *out);

#endif
