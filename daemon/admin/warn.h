/* warn.h - what expires, and the messages that say so in time (DESIGN "What it tells") */
#ifndef CORDON_ADMIN_WARN_H
#define CORDON_ADMIN_WARN_H

#include "admin/admin.h"

struct warn_item {
	const char *what; /* "push certificate" */
	const char *name; /* under which it is remembered what was said: the topic, or "" */
	const char *remedy;
	const struct certpair *pair;
};

/* Everything that expires and is in use: push certificates by topic, SSC, TLS certificate. */
void warn_each(
	const struct admin *a, void (*each)(void *arg, const struct warn_item *item), void *arg);

/*
 * Gives the messages that are due, and counts the identities of devices in `a`.  To be called once
 * a minute or so; what was said is kept in the store.
 */
void warn_expiry(struct admin *a, int64_t now);

#endif
