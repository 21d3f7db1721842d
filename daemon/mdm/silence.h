/*
 * silence.h - what an ask and an answer mean for a device's silence (DESIGN "States, lock,
 * inactivity")
 *
 * Whether an answer came since the last ask is kept in the roster: the device's answer may be here
 * before APNs says that it took the push, and must count even if the store takes no changes.
 */
#ifndef CORDON_MDM_SILENCE_H
#define CORDON_MDM_SILENCE_H

#include "mdm/mdm.h"
#include "store/enrollment.h"

/* One push on its way. */
struct silence_ask {
	int64_t sent;	    /* service-clock seconds */
	int64_t token_time; /* of the token that it goes to */
	bool heard_before;  /* an answer to the ask before it was not written down yet */
};

/* The push is handed to the connection. */
void silence_sending(struct mdm *m, const struct enrollment *e, struct silence_ask *ask);
/* It was an ask: APNs took it, or refused it for this device alone.  Changes `e`, saves nothing. */
void silence_asked(struct mdm *m, struct enrollment *e, const struct silence_ask *ask);
/* It was none: refused for another reason, or never sent. */
void silence_not_asked(struct mdm *m, const char *id, const struct silence_ask *ask);

/* An authenticated message of this id came, whatever becomes of it. */
void silence_seen(struct mdm *m, const char *id);
/* Nothing is unanswered any more.  True when `e` changed. */
bool silence_reset(struct enrollment *e);

#endif
