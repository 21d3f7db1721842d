/*
 * command_end.h - how a command ends without an answer: superseded, expired, cancelled, lost
 *
 * Each is kept beside the answers (`cordonctl results`), so that every command that a person sent
 * has exactly one end.  Questions by schedule and renewals are counted only.
 */
#ifndef CORDON_MDM_COMMAND_END_H
#define CORDON_MDM_COMMAND_END_H

#include "mdm/mdm.h"
#include "store/queue.h"

enum command_ending {
	END_SUPERSEDED, /* by a later one for the same profile */
	END_EXPIRED,
	END_CANCELLED, /* by a person, or with the enrollment that it was for */
	END_LOST,      /* its body cannot be read any more */
	END_COUNT
};
const char *command_ending_name(enum command_ending how); /* "Superseded" ... */
/* Is this the status of one that ended here, and not by the device's answer? */
bool command_ended_here(const char *status);

struct command_verdict {
	enum command_ending how;
	unsigned generation; /* of the enrollment */
	const char *actor;   /* who ended it; NULL: the daemon */
	const char *why;     /* NULL: nothing to add */
};

/* Out of the queue, which the caller saves; the body's reference is given up.  0 or -errno. */
int command_end(struct mdm *m, struct queue *q, struct queue_entry *e,
	const struct command_verdict *verdict);
/* The whole queue of an id, and the record of it.  How many in *ended (may be NULL). */
int command_end_all(
	struct mdm *m, const char *id, const struct command_verdict *verdict, size_t *ended);
/* Those whose time is over.  How many, or -errno. */
int command_expire(struct mdm *m, struct queue *q, unsigned generation);

/*
 * Looks for expired commands of devices that do not come, a few enrollments at each call; over all
 * of them in a good half hour when it is called every second.
 */
#define COMMAND_SWEEP 64u
void command_sweep(struct mdm *m);

#endif
