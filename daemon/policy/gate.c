/* gate.c - the gate's table: state and lock to an answer */
#include "policy/gate.h"

enum verdict { DENY, ALLOW, AS_CONFIGURED };

struct cell {
	enum verdict verdict;
	const char *reason;
};

/* [state][locked] */
static const struct cell table[STATE_COUNT][2] = {
	[STATE_NONE] = { { AS_CONFIGURED, "not enrolled" }, { DENY, "locked" } },
	[STATE_PENDING] = { { AS_CONFIGURED, "not enrolled" }, { DENY, "locked" } },
	[STATE_ENROLLED] = { { ALLOW, "enrolled" }, { DENY, "locked" } },
	[STATE_INACTIVE] = { { DENY, "inactive" }, { DENY, "locked" } },
	[STATE_REMOVED] = { { DENY, "removed" }, { DENY, "locked" } },
};

struct gate_answer
gate_decide(enum state state, bool locked, bool allow_unenrolled)
{
	const struct cell *cell = &table[state < STATE_COUNT ? state : STATE_NONE][locked];
	bool allowed =
		cell->verdict == ALLOW || (cell->verdict == AS_CONFIGURED && allow_unenrolled);

	return (struct gate_answer){ allowed, cell->reason };
}

struct gate_answer
gate_decide_certificate(
	enum gate_identity identity, enum state state, bool locked, bool allow_unenrolled)
{
	switch (identity) {
	case GATE_BOUND:
		return gate_decide(state, locked, allow_unenrolled);
	case GATE_WAITING:
		return (struct gate_answer){ false, locked ? "locked" : "not enrolled" };
	case GATE_REVOKED:
		return (struct gate_answer){ false, "revoked" };
	case GATE_EXPIRED:
		return (struct gate_answer){ false, "expired" };
	case GATE_STRANGER:
		break;
	}
	return gate_decide(STATE_NONE, false, allow_unenrolled);
}
