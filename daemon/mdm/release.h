/*
 * release.h - ids that an administrator told to go: the only source of the 403 that makes a device
 * unenroll (facts/protocol.md A.10)
 *
 * meta "release/<id>" has when it was decided.  It holds for messages that are refused anyway, of
 * ids that are not enrolled here, until they enroll again.
 */
#ifndef CORDON_MDM_RELEASE_H
#define CORDON_MDM_RELEASE_H

#include "mdm/mdm.h"
#include "mdm/reply.h"

/* 0; -EBUSY it is enrolled here: it must be removed instead; -errno. */
int release_set(struct mdm *m, const char *id, const char *actor);
int release_clear(struct mdm *m, const char *id);
/* When; 0: not released. */
int64_t release_at(struct mdm *m, const char *id);
/* Turns the refusal of a released id's message (400) into the 403; leaves all else alone. */
void release_apply(struct mdm *m, const char *id, struct reply *out);

#endif
