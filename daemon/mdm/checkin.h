/* checkin.h - the check-in verbs: Authenticate, TokenUpdate, CheckOut and the smaller ones
 * (facts/protocol.md A) */
#ifndef CORDON_MDM_CHECKIN_H
#define CORDON_MDM_CHECKIN_H

#include "mdm/party.h"

/* `out` is the whole answer.  Everything changed is in the store's running batch when it returns.
 */
void checkin_answer(
	struct mdm *m, const struct message *msg, const struct speaker *who, struct reply *out);

/* What a TokenUpdate says of pushes, in the place of what was said before. */
void checkin_set_push(struct enrollment *e, const struct message *msg, int64_t now);

#endif
