/* connect.h - the command channel: a report in, the next command out (facts/protocol.md B) */
#ifndef CORDON_MDM_CONNECT_H
#define CORDON_MDM_CONNECT_H

#include "mdm/party.h"

/* As checkin_answer: a result is in the running batch, and so durable before the 200 leaves. */
void connect_answer(
	struct mdm *m, const struct message *msg, const struct speaker *who, struct reply *out);

#endif
