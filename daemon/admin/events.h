/*
 * events.h - the last events, for those who follow them: GET /v1/events?after=N&wait=SECONDS
 *
 * Without `after` it says where "now" is.  With it, it answers what came after, at once or as soon
 * as something comes, at the latest after `wait` seconds.  Only the last EVENTS_KEPT are there:
 * what a slow follower missed is counted.
 */
#ifndef CORDON_ADMIN_EVENTS_H
#define CORDON_ADMIN_EVENTS_H

#include "base/log.h"

struct admin;
struct events;
struct http_request;

#define EVENTS_KEPT 1024u
#define EVENTS_FOLLOWERS 32u /* that wait at a time: half of the control connections */
#define EVENTS_WAIT_MAX 50   /* seconds */

struct events *events_new(struct admin *a);
void events_free(struct events *v); /* NULL allowed */
/* One more, in the loop's thread. */
void events_add(struct events *v, const struct log_record *record);
/* Answers all who wait: the daemon stops. */
void events_release(struct events *v);
void events_handle(struct http_request *r, void *ctx);

#endif
