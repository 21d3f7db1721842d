/* relay.h - one form posted to a server of Apple's, with a push certificate as the client's */
#ifndef CORDON_NET_RELAY_H
#define CORDON_NET_RELAY_H

#include <openssl/x509.h>

#include "base/buf.h"

struct worker;

#define RELAY_TIMEOUT_MS 30000
#define RELAY_ANSWER_MAX (1u << 20) /* bytes of the answer that are passed on */

struct relay_post {
	const char *url;	/* https only */
	struct bytes form;	/* application/x-www-form-urlencoded */
	STACK_OF(X509) * chain; /* leaf first; references are taken */
	EVP_PKEY *key;
	const char *trust; /* "system" or a PEM file */
};

struct relay_answer {
	long status;	  /* 0: there was no answer */
	const char *why;  /* then the reason, for people */
	const char *type; /* Content-Type; NULL */
	struct bytes body;
};

/*
 * Calls done(arg, answer) in the loop, from the lane for what waits for others.  0 or -EBUSY:
 * nothing is called.
 */
int relay_start(struct worker *w, const struct relay_post *p,
	void (*done)(void *arg, const struct relay_answer *a), void *arg);

#endif
