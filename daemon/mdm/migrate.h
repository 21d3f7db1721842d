/*
 * migrate.h - enrollments of another server are brought over, and their devices come by themselves
 *
 * What that server was told (Authenticate, TokenUpdate, SetBootstrapToken) makes an enrollment
 * without a certificate.  While the window `migration` is open, the first certificate that speaks
 * for such an enrollment, by a CA that was named for it (store/origin.h), is bound to it.
 */
#ifndef CORDON_MDM_MIGRATE_H
#define CORDON_MDM_MIGRATE_H

#include "mdm/auth.h"
#include "mdm/message.h"

bool migrate_open(const struct mdm *m);
/*
 * The configuration was read, `before` NULL at start: opens the window for the configured time from
 * now, or closes it.  Nothing happens when the key is as it was.
 */
void migrate_configure(struct mdm *m, const struct conf *before);
/* The window closes when its time is over. */
void migrate_tick(struct mdm *m);

/*
 * Takes over one message.  `origin` names where it comes from, "" for the origin given last.  0,
 * with *changed false when the same message was taken before; else a sentence in `why` and -EINVAL
 * (what comes is wrong), -EEXIST (what is here must not be overwritten) or -errno of the store.
 */
int migrate_take(struct mdm *m, const struct message *msg, const char *origin, const char *actor,
	bool *changed, struct buf *why);

/* May this certificate be the first one of the awaited enrollment?  NULL, or why not. */
const char *migrate_refusal(struct mdm *m, const struct enrollment *e, const struct speaker *who);
/* Binds it; facts of the origin's profile are recorded for renewals.  Changes `e`.  0 or -errno. */
int migrate_bind(struct mdm *m, struct enrollment *e, const struct speaker *who);

#endif
