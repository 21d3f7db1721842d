/* gate.h - may this device use other services?  The gate's table of DESIGN "States, lock,
 * inactivity" */
#ifndef CORDON_POLICY_GATE_H
#define CORDON_POLICY_GATE_H

#include <stdbool.h>

#include "base/state.h"

struct gate_answer {
	bool allowed;
	const char *reason; /* "enrolled", "locked", "inactive", "removed", "not enrolled"; of a
			       certificate "revoked" and "expired" too */
};

/* What became of a certificate. */
enum gate_identity {
	GATE_STRANGER, /* was not issued here */
	GATE_WAITING,  /* issued, and no enrollment is complete with it yet */
	GATE_BOUND,    /* is the identity of an enrollment */
	GATE_REVOKED,  /* by removal, a newer one, or a person; or its CA is not ours any more */
	GATE_EXPIRED,
};

/*
 * `state` STATE_NONE: no record.  A record that is only Pending and has no earlier enrollment
 * counts as no enrollment.
 */
struct gate_answer gate_decide(enum state state, bool locked, bool allow_unenrolled);
/*
 * Of a client certificate, in the state of its enrollment.  Agrees with the CRL: one that was
 * issued here and is not the identity of an enrollment is denied, whatever `allow_unenrolled` says.
 */
struct gate_answer gate_decide_certificate(
	enum gate_identity identity, enum state state, bool locked, bool allow_unenrolled);

#endif
