/*
 * apns_item.h - one push on its way: what is sent, how often it was, what came back; and the queue
 * of those that wait, single ones before bulk
 */
#ifndef CORDON_NET_APNS_ITEM_H
#define CORDON_NET_APNS_ITEM_H

#include <sys/queue.h>

#include "base/encode.h"
#include "net/apns.h"

#define APNS_TOKEN_MAX 100u
#define APNS_MAGIC_MAX 1024u
#define APNS_PAYLOAD_MAX 4096u
#define APNS_REPLY_MAX 4096u /* bytes of an answer's body that are looked at */
#define APNS_SENDS_MAX 2u    /* a second push does no harm, a third is a habit */
#define APNS_REFUSALS_MAX 8u /* refused before processing: safe, but not for ever */

enum apns_outcome {
	APNS_ANSWERED,	     /* status and reply are there */
	APNS_REFUSED_UNSEEN, /* certainly not processed (REFUSED_STREAM, beyond GOAWAY's last id) */
	APNS_UNKNOWN	     /* connection or time ran out; it may have been delivered */
};

struct apns_item {
	TAILQ_ENTRY(apns_item) link;
	void *tag;
	struct buf text;     /* holds the next two */
	const char *path;    /* "/3/device/..." */
	const char *payload; /* {"mdm":"..."}, payload_len bytes */
	size_t payload_len;
	int64_t expiration;
	int64_t sent_at;     /* wall seconds of the last sending, 0: never */
	int64_t deadline_ms; /* monotonic; when the answer is overdue */
	unsigned sends;	     /* not counting those that were refused unseen */
	unsigned refusals;
	int32_t stream;
	int bulk;
	char id[UUID_LEN + 1]; /* apns-id, given by the owner at the first sending and kept */

	enum apns_outcome outcome;
	int status;
	int complete; /* the answer ended */
	struct buf reply;
	char reason[64];
	int64_t timestamp; /* seconds */
};

TAILQ_HEAD(apns_items, apns_item);

/* As apns_push; NULL when the arguments are out of bounds. */
struct apns_item *apns_item_new(
	struct bytes token, const char *magic, int64_t expiration, int bulk, void *tag);
void apns_item_free(struct apns_item *it); /* NULL allowed; cleanses token and magic */
/* Forgets an earlier sending's answer. */
void apns_item_reset(struct apns_item *it);
/* Reads reason and timestamp out of the reply's JSON; an unreadable one leaves them empty. */
void apns_item_decode(struct apns_item *it);

/* Reads {"reason": text, "timestamp": milliseconds}, also GOAWAY's.  0 or -EINVAL. */
int apns_item_reason(struct bytes json, char *reason, size_t size, int64_t *timestamp);

struct apns_queue {
	struct apns_items lane[2]; /* single, bulk */
	size_t count;
};

void apns_queue_init(struct apns_queue *q);
void apns_queue_add(struct apns_queue *q, struct apns_item *it);
void apns_queue_return(struct apns_queue *q, struct apns_item *it); /* to the front of its lane */
struct apns_item *apns_queue_take(struct apns_queue *q);	    /* NULL when empty */

#endif
