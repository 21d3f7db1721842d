/* states.c - the state table of DESIGN "States, lock, inactivity", cell by cell */
#include "policy/states.h"

#include <stddef.h>

/* The columns: Removed is two of them, because what APNs said can be taken back by the device. */
enum column {
	COLUMN_NONE,
	COLUMN_PENDING, /* an Authenticate and nothing before it: as good as no record */
	COLUMN_ENROLLED,
	COLUMN_INACTIVE,
	COLUMN_REMOVED_PUSH,
	COLUMN_REMOVED,
	COLUMN_COUNT
};

/* What a cell says; `next` STATE_NONE means "as it was". */
struct cell {
	enum state_action action;
	enum state next;
	enum removal removal;
	int count_refusal;
};

#define STAY                                             \
	{                                                \
		ACT_NOTHING, STATE_NONE, REMOVAL_NONE, 0 \
	}
#define REFUSE                                          \
	{                                               \
		ACT_REFUSE, STATE_NONE, REMOVAL_NONE, 0 \
	}
#define REFUSE_COUNTED                                  \
	{                                               \
		ACT_REFUSE, STATE_NONE, REMOVAL_NONE, 1 \
	}
#define PENDING                                               \
	{                                                     \
		ACT_CANDIDATE, STATE_PENDING, REMOVAL_NONE, 0 \
	}
#define CANDIDATE                                          \
	{                                                  \
		ACT_CANDIDATE, STATE_NONE, REMOVAL_NONE, 0 \
	}
#define ENROLL                                              \
	{                                                   \
		ACT_ENROLL, STATE_ENROLLED, REMOVAL_NONE, 0 \
	}
#define REENROLL                                              \
	{                                                     \
		ACT_REENROLL, STATE_ENROLLED, REMOVAL_NONE, 0 \
	}
#define KEEP                                              \
	{                                                 \
		ACT_KEEP, STATE_ENROLLED, REMOVAL_NONE, 0 \
	}
#define BACK                                              \
	{                                                 \
		ACT_BACK, STATE_ENROLLED, REMOVAL_NONE, 0 \
	}
#define REMOVE(cause)                                 \
	{                                             \
		ACT_REMOVE, STATE_REMOVED, (cause), 0 \
	}
#define LOCK                                              \
	{                                                 \
		ACT_LOCK, STATE_INACTIVE, REMOVAL_NONE, 0 \
	}

/* clang-format off */
static const struct cell table[STATE_EVENT_COUNT][COLUMN_COUNT] = {
	/*                      none      Pending   Enrolled                   Inactive                   Removed(push)              Removed(other) */
	[ON_AUTHENTICATE] =    { PENDING,  CANDIDATE, CANDIDATE,                CANDIDATE,                 CANDIDATE,                 CANDIDATE },
	[ON_TOKEN_CANDIDATE] = { ENROLL,   ENROLL,   REENROLL,                  REENROLL,                  REENROLL,                  REENROLL },
	[ON_RENEWAL] =         { REFUSE,   REFUSE,   KEEP,                      KEEP,                      KEEP,                      REFUSE },
	[ON_MESSAGE] =         { REFUSE,   REFUSE,   STAY,                      BACK,                      BACK,                      REFUSE_COUNTED },
	[ON_CHECKOUT] =        { STAY,     STAY,     REMOVE(REMOVAL_CHECKOUT),  REMOVE(REMOVAL_CHECKOUT),  REMOVE(REMOVAL_CHECKOUT),  STAY },
	[ON_PUSH_GONE] =       { STAY,     STAY,     REMOVE(REMOVAL_PUSH),      REMOVE(REMOVAL_PUSH),      STAY,                      STAY },
	[ON_ERASED] =          { STAY,     STAY,     REMOVE(REMOVAL_ERASED),    STAY,                      STAY,                      STAY },
	[ON_SILENT] =          { STAY,     STAY,     LOCK,                      STAY,                      STAY,                      STAY },
	[ON_ADMIN_REMOVE] =    { STAY,     STAY,     REMOVE(REMOVAL_ADMIN),     REMOVE(REMOVAL_ADMIN),     REMOVE(REMOVAL_ADMIN),     STAY },
};
/* clang-format on */

static enum column
column_of(enum state now, enum removal removal)
{
	switch (now) {
	case STATE_PENDING:
		return COLUMN_PENDING;
	case STATE_ENROLLED:
		return COLUMN_ENROLLED;
	case STATE_INACTIVE:
		return COLUMN_INACTIVE;
	case STATE_REMOVED:
		return removal == REMOVAL_PUSH ? COLUMN_REMOVED_PUSH : COLUMN_REMOVED;
	case STATE_NONE:
	case STATE_COUNT:
		break;
	}
	return COLUMN_NONE;
}

struct state_outcome
state_decide(enum state now, enum removal removal, enum state_event event)
{
	const struct cell *cell = &table[event][column_of(now, removal)];
	struct state_outcome out = { cell->action, cell->next, cell->removal, cell->count_refusal };

	if (out.next == STATE_NONE) {
		out.next = now;
		out.removal = now == STATE_REMOVED ? removal : REMOVAL_NONE;
	}
	return out;
}
