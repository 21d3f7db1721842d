/* states.h - the state table of DESIGN "States, lock, inactivity", as a table */
#ifndef CORDON_POLICY_STATES_H
#define CORDON_POLICY_STATES_H

#include "base/state.h"

enum state_event {
	ON_AUTHENTICATE,    /* not a renewal */
	ON_TOKEN_CANDIDATE, /* TokenUpdate by the candidate's certificate */
	ON_RENEWAL,	    /* Authenticate or TokenUpdate by a renewal certificate */
	ON_MESSAGE,	    /* any other authenticated message */
	ON_CHECKOUT,	    /* device channel */
	ON_PUSH_GONE, /* 410 for the current token, later than its TokenUpdate by more than 5 min */
	ON_ERASED,    /* EraseDevice acknowledged */
	ON_SILENT,    /* silent for lock-after */
	ON_ADMIN_REMOVE, /* the administrator's removal was carried out */
	STATE_EVENT_COUNT
};

enum state_action {
	ACT_NOTHING,   /* accepted, state as it was */
	ACT_REFUSE,    /* 400 */
	ACT_CANDIDATE, /* open a candidate beside what is there */
	ACT_ENROLL,    /* first enrollment */
	ACT_REENROLL,  /* queue, user channels, old identity dropped; earlier secrets given to no
			  device */
	ACT_KEEP,      /* to `next`, everything kept */
	ACT_BACK,      /* it answered again: to Enrolled */
	ACT_REMOVE,    /* to Removed with `removal` */
	ACT_LOCK       /* Inactive and locked */
};

struct state_outcome {
	enum state_action action;
	enum state next;
	enum removal removal;
	int count_refusal; /* shown as "knocked and was refused" */
};

/* Pure: `removal` matters when now is STATE_REMOVED.  STATE_NONE: no record. */
struct state_outcome state_decide(enum state now, enum removal removal, enum state_event event);

#endif
