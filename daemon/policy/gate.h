/* gate.h - may this device use other services?  The gate's table of DESIGN "States, lock,
 * inactivity" */
#ifndef CORDON_POLICY_GATE_H
#define CORDON_POLICY_GATE_H

#include <stdbool.h>

#include "base/state.h"

struct gate_answer {
	bool allowed;
	const char *reason; /* "enrolled", "locked", "inactive", "removed", "not enrolled" */
};

/*
 * `state` STATE_NONE: no record.  A record that is only Pending and has no earlier enrollment
 * counts as no enrollment.
 */
struct gate_answer gate_decide(enum state state, bool locked, bool allow_unenrolled);

#endif
