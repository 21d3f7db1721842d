/*
 * apns_h2.h - the HTTP/2 side of one APNs connection: bytes in, bytes out, pushes in flight
 *
 * Knows no socket and no clock.  Streams are counted here and not in nghttp2, which assumes 100
 * before the first SETTINGS, and which closes no stream when a connection breaks
 * (facts/library-traps.md 6.3, 6.5).
 */
#ifndef CORDON_NET_APNS_H2_H
#define CORDON_NET_APNS_H2_H

#include "net/apns_item.h"

struct apns_h2;
struct evbuffer;

#define APNS_STREAMS_MAX 1000u /* at once, whatever the server allows */
#define APNS_OUTPUT_MAX 65536u /* bytes unsent; no stream is opened above it */

struct apns_h2 *apns_h2_new(const char *authority, const char *topic);
/* Nothing may be in flight or in `done`. */
void apns_h2_free(struct apns_h2 *h);

/* Takes what the server sent.  0, or -EPROTO: the connection is of no use any more. */
int apns_h2_feed(struct apns_h2 *h, struct bytes in);
/* Appends all that is to be sent; the first call writes the preface.  0 or -EPROTO. */
int apns_h2_output(struct apns_h2 *h, struct evbuffer *out);
/* The session has nothing more to read or write: the connection may be closed. */
int apns_h2_over(const struct apns_h2 *h);

int apns_h2_open(const struct apns_h2 *h);	/* the server's first SETTINGS are there */
int apns_h2_going(const struct apns_h2 *h);	/* GOAWAY came, or ids ran out: no new streams */
unsigned apns_h2_room(const struct apns_h2 *h); /* streams that may be opened now */
size_t apns_h2_in_flight(const struct apns_h2 *h);
/* The reason in GOAWAY's debug data, "" without one. */
const char *apns_h2_reason(const struct apns_h2 *h);

/* Opens a stream; the item is the session's until it stands in `done`.  0 or -EPROTO. */
int apns_h2_send(struct apns_h2 *h, struct apns_item *it);
/* Items whose streams ended, in that order, for the caller to take. */
struct apns_items *apns_h2_done(struct apns_h2 *h);
/* When the first answer is overdue; 0: nothing is in flight. */
int64_t apns_h2_deadline(const struct apns_h2 *h);
/* Gives up the streams that are overdue; how many. */
unsigned apns_h2_expire(struct apns_h2 *h, int64_t now_ms);
/* Gives up all streams: the connection broke. */
void apns_h2_abandon(struct apns_h2 *h);

void apns_h2_ping(struct apns_h2 *h);
int apns_h2_ping_pending(const struct apns_h2 *h);
void apns_h2_goodbye(struct apns_h2 *h); /* GOAWAY, with the next output */

#endif
