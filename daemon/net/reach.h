/* reach.h - does a request to our own public name come back to us? */
#ifndef CORDON_NET_REACH_H
#define CORDON_NET_REACH_H

#include <openssl/x509.h>

struct worker;

#define REACH_TIMEOUT_MS 10000

/*
 * GETs `url` (https) as a device would: by DNS, with the system's roots and `root` (may be NULL; a
 * reference is taken), through no proxy.  Then done(arg, why) in the loop: NULL when 200 and
 * "cordon" came back, else a sentence that is valid during the call.  0 or -EBUSY (nothing is
 * called).
 */
int reach_ask(struct worker *w, const char *url, X509 *root,
	void (*done)(void *arg, const char *why), void *arg);
/* Lets a request that runs end soon: at stop. */
void reach_stop(void);

#endif
