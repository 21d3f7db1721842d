/*
 * adopt.h - devices of our own CA that a restored backup does not know are taken in again
 *
 * An explicit window, opened by a person and kept in the store: while it is open, a device that
 * nobody knows and that signs with an identity of the SSC of which no record says otherwise gets
 * an enrollment.  It knows no push token of it, so its identity is renewed at once: that makes the
 * device say all again.
 */
#ifndef CORDON_MDM_ADOPT_H
#define CORDON_MDM_ADOPT_H

#include "mdm/party.h"

#define ADOPT_MAX (90 * 86400) /* seconds a window may be open */

/* When it closes; 0: it is closed. */
int64_t adopt_until(struct mdm *m);
/* Devices taken in since it was opened. */
size_t adopt_count(struct mdm *m);
/* Opens it, or moves its end.  0 or -errno. */
int adopt_open(struct mdm *m, int64_t seconds, const char *actor);
/* 0, -ENOENT (it is closed), -errno. */
int adopt_close(struct mdm *m, const char *actor);
/* It closes when its time is over. */
void adopt_tick(struct mdm *m);

/* May this message make an enrollment?  `e` is what is known of its device, or NULL. */
bool adopt_may(struct mdm *m, const struct enrollment *e, const struct message *msg,
	const struct speaker *who);
/* Makes p->device.  0, -ENODATA (MDM is not configured) or -errno. */
int adopt_take(
	struct mdm *m, struct party *p, const struct message *msg, const struct speaker *who);

#endif
