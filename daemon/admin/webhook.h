/*
 * webhook.h - what happens, told to an administrator's server as NanoMDM tells it
 * (facts/anchors.md 1.6), and events of our own beside it
 *
 * An event goes into the store with what it tells of, is posted until the receiver takes it (2xx)
 * or it is a day old, and in order per enrollment: the next one of an enrollment is posted when the
 * one before was taken.  Beyond webhook.limit new ones are dropped, counted and said.
 */
#ifndef CORDON_ADMIN_WEBHOOK_H
#define CORDON_ADMIN_WEBHOOK_H

#include <jansson.h>

#include "base/log.h"
#include "mdm/auth.h"
#include "mdm/message.h"

struct admin;
struct webhook;

#define WEBHOOK_BYTES_MAX (INT64_C(1) << 30) /* of all events that wait */
#define WEBHOOK_AGE_MAX 86400		     /* seconds until an event is given up */

/* After the store is open: takes up what waits there.  NULL when there is no thread for it. */
struct webhook *webhook_new(struct admin *a);
void webhook_free(struct webhook *w); /* before the store closes; NULL allowed */
/* Address and key as the configuration has them now. */
void webhook_configure(struct webhook *w);
/* A device's message that was taken: mdm.heard. */
void webhook_heard(void *arg, const struct message *msg, const struct credentials *c);
/* An event of ours, in the loop's thread: log_set_observer. */
void webhook_observe(void *arg, const struct log_record *record);
/* The store's on_change. */
void webhook_follow(struct webhook *w, struct bytes key, struct bytes value);
json_t *webhook_json(const struct webhook *w); /* null when there is no address */
/* What a person must know of it, as one sentence; false when all is well. */
bool webhook_problem(const struct webhook *w, int64_t now, struct buf *out);

/* webhook_event.c: the JSON texts; caller owns.  `tally`: TokenUpdates since it enrolled. */
json_t *webhook_message_json(
	const struct message *msg, const char *query, unsigned tally, bool full);
json_t *webhook_own_json(const struct log_record *record);

#endif
