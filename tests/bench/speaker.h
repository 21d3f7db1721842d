/* speaker.h - devices of a fleet that bench-store made, and what they say, signed before the clock
 * starts */
#ifndef BENCH_SPEAKER_H
#define BENCH_SPEAKER_H

#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdbool.h>

#include "device/util.h"

struct speaker {
	char *id;
	long number; /* of its id */
	X509 *cert;
	EVP_PKEY *key; /* shared */
	struct blob idle;
	SSL_SESSION *session;
};

enum speaker_form {
	SPEAKER_UNSIGNED,
	SPEAKER_SIGNED, /* as Apple's devices sign */
	SPEAKER_ODD	/* right, with one signed attribute more: for OpenSSL's whole path */
};

struct speakers {
	struct speaker *all;
	size_t count;
};

/* Reads what bench-store wrote; at most `max` of them (0: all).  Ends the program with a line on
 * stderr when it cannot. */
void speakers_read(struct speakers *s, const char *file, const char *keys, size_t max);
void speakers_free(struct speakers *s);

/* A whole request: PUT /mdm of this body.  Thread-safe. */
struct blob speaker_request(const struct speaker *s, const char *body, enum speaker_form form);
struct blob speaker_idle(const struct speaker *s, enum speaker_form form);
/* Gives each its Idle, with as many threads as there are processors. */
void speakers_sign_idle(struct speakers *s, enum speaker_form form);
/* The report of a device that carried out the command; `room` bytes of answers in it. */
struct blob speaker_report(
	const struct speaker *s, const char *uuid, size_t room, enum speaker_form form);

/* Check-in messages. */
struct blob speaker_authenticate(const struct speaker *s, const char *topic);
struct blob speaker_token_update(const struct speaker *s, const char *topic);

/* Calls work(arg, i) for all i below n, with as many threads as there are processors. */
void speakers_parallel(size_t n, void (*work)(void *arg, size_t i), void *arg);

#endif
