/* apns_resolve.h - addresses of a host, looked up without holding up the loop */
#ifndef CORDON_NET_APNS_RESOLVE_H
#define CORDON_NET_APNS_RESOLVE_H

#include <netdb.h>

struct apns_resolve;
struct event_base;

/* Look-ups that may hang in the resolver at once, in all; beyond it a new one fails. */
#define APNS_RESOLVE_MAX 16

/*
 * Asks getaddrinfo in a thread of its own; `done` comes in the loop, once, with a list that is the
 * callee's (freeaddrinfo), or NULL and a sentence.  The handle is gone before `done` is called.
 * NULL when no thread is to be had.
 */
struct apns_resolve *apns_resolve_new(struct event_base *base, const char *host, unsigned port,
	void (*done)(void *arg, struct addrinfo *list, const char *error), void *arg);
/* `done` will not be called; the thread ends by itself.  NULL allowed. */
void apns_resolve_cancel(struct apns_resolve *r);
/* A numeric address needs no thread: its list, or NULL when `host` is a name. */
struct addrinfo *apns_resolve_numeric(const char *host, unsigned port);

#endif
