/*
 * apns.h - one connection to Apple's push service for one topic (facts/protocol.md D, DESIGN
 * "APNs")
 *
 * Dialled as soon as there is an identity, kept, dialled again with jittered back-off.  Never more
 * streams than the server allows; what waits, waits here, single pushes before bulk.
 */
#ifndef CORDON_NET_APNS_H
#define CORDON_NET_APNS_H

#include <openssl/x509.h>
#include <stdint.h>

#include "base/buf.h"

struct apns;
struct loop;

enum apns_state { APNS_DISCONNECTED, APNS_CONNECTING, APNS_CONNECTED, APNS_REFUSED };
const char *apns_state_name(enum apns_state s); /* "Disconnected", ... as administrators read it */

enum apns_result {
	APNS_ACCEPTED, /* 200 */
	APNS_REJECTED, /* APNs answered something else: status, reason, timestamp */
	APNS_UNSENT    /* given up before an answer: stopped, identity gone */
};

struct apns_answer {
	enum apns_result result;
	int status;	    /* HTTP status, 0 for APNS_UNSENT */
	const char *reason; /* "BadDeviceToken"; for APNS_UNSENT words; "" */
	int64_t timestamp;  /* seconds since 1970 from a 410, 0: none */
	int64_t sent_at;    /* wall seconds the push was handed to the connection */
};

struct apns_callbacks {
	/* The state changed; words are for people ("TLS handshake with ... failed: certificate has
	 * expired"). */
	void (*state)(void *arg, struct apns *a, enum apns_state s, const char *words);
	/* Once for every apns_push that returned 0.  `tag` is the pusher's. */
	void (*answer)(void *arg, struct apns *a, void *tag, const struct apns_answer *answer);
	void *arg;
};

struct apns_options {
	const char *topic;
	const char *host; /* copied */
	unsigned port;
	const char *trust;    /* "system" or a PEM file */
	int64_t ping_idle_ms; /* 0: an hour */
};

struct apns *apns_new(
	struct loop *l, const struct apns_options *o, const struct apns_callbacks *cb);
/*
 * Certificate chain (leaf first) and key to present; references are taken.  A connection made with
 * another identity ends after its streams; NULL chain: disconnect and stay so.  `why` says it in
 * the state's words then.
 */
void apns_set_identity(struct apns *a, STACK_OF(X509) * chain, EVP_PKEY *key, const char *why);
/*
 * Queues one push.  token: raw bytes; magic: NUL-terminated; expiration: unix seconds or 0.  0,
 * -EINVAL (token empty or longer than 100 bytes, magic longer than 1024 or than a payload of 4,096
 * bytes holds when escaped), -ENOBUFS (APNS_WAITING_MAX wait).  While there is no identity, or
 * Apple refuses it, the answer is APNS_UNSENT without waiting.  Callbacks come from the loop, never
 * from within a call (but apns_free), and may call everything here.
 */
int apns_push(struct apns *a, struct bytes token, const char *magic, int64_t expiration, int bulk,
	void *tag);
#define APNS_WAITING_MAX 200000u
enum apns_state apns_state(const struct apns *a);
const char *apns_words(const struct apns *a);
const char *apns_topic(const struct apns *a);
int64_t apns_since(const struct apns *a); /* wall seconds of the last change of state */
size_t apns_waiting(const struct apns *a);
size_t apns_in_flight(const struct apns *a);
/* Says goodbye, then answers APNS_UNSENT for all that wait or are in flight; no callback later. */
void apns_free(struct apns *a);

/* Milliseconds; a zero keeps what is set.  For tests, which cannot wait for the defaults. */
struct apns_times {
	int64_t connect;     /* for each address, until its first SETTINGS: 10 s */
	int64_t answer;	     /* 30 s, then the push is sent once more */
	int64_t ping_wait;   /* 15 s, then the path counts as dead */
	int64_t backoff;     /* the first pause after a failure: 1 s */
	int64_t backoff_max; /* 15 min */
};
void apns_set_times(struct apns *a, const struct apns_times *times);

#endif
