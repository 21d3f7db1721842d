/* enqueue.h - commands into queues: limits, duplicates, supersession, and the push that follows */
#ifndef CORDON_MDM_ENQUEUE_H
#define CORDON_MDM_ENQUEUE_H

#include "mdm/command.h"
#include "mdm/mdm.h"

struct enqueue_options {
	const char *actor; /* for journal and queue; NULL: the daemon */
	bool by_person;
	bool refresh; /* a scheduled query: not again while one of its type waits */
	bool no_push;
	bool bulk; /* one of many: its push is paced, and no line told of it */
};

/*
 * Queues one command for `count` enrollments; its body is kept once.  fault[i] becomes 0, or
 * -ENOENT no such enrollment, -ESTALE it is not enrolled, -EDQUOT its queue is full (erase and lock
 * have room of their own), -EEXIST the CommandUUID was used for it before, or is another command's,
 * -EALREADY the refresh waits already, -ENODATA the device gave no unlock token, -EINVAL a PIN that
 * is none.  Pushes are asked for after the commit.  Returns how many were queued, or -errno when
 * nothing could be.
 */
int mdm_enqueue(struct mdm *m, const char *const *ids, size_t count, const struct command *c,
	const struct enqueue_options *o, int *fault);
/* What a fault of mdm_enqueue means, for people. */
const char *enqueue_fault_words(int fault);
/* The same for one enrollment, with when it was removed; appended. */
void enqueue_fault_text(struct mdm *m, const char *id, int fault, struct buf *out);
/* Into a queue that is loaded, and that the caller saves.  0 or -errno. */
int enqueue_into(
	struct mdm *m, struct queue *q, const struct command *c, const struct enqueue_options *o);
/*
 * Takes a command out.  0; -ENOENT it does not wait; -errno.  *offered: it was handed out before,
 * and may be carried out all the same.
 */
int mdm_cancel(struct mdm *m, const char *id, const char *uuid, const char *actor, bool *offered);

#endif
