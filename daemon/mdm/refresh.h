/* refresh.h - questions about the device that the daemon asks by itself */
#ifndef CORDON_MDM_REFRESH_H
#define CORDON_MDM_REFRESH_H

#include "mdm/mdm.h"
#include "policy/refresh.h"
#include "store/enrollment.h"

/*
 * DeviceInformation, and the other kinds of `refresh` that are not "never"; the record, saved by
 * now, is saved once more with the time.  0 or -errno; a queue that is full is no error.
 */
int refresh_after_enrollment(struct mdm *m, struct enrollment *e);
/*
 * The same by a person's word, now: the answer of mdm_enqueue for the kinds that were put into the
 * queue, -EALREADY when all of them wait there.  `bulk`: one of many, its push is paced.
 */
int refresh_now(struct mdm *m, const char *id, const char *actor, bool bulk);
/* One kind now; -EALREADY when it waits already, otherwise as fault[] of mdm_enqueue. */
int refresh_ask(struct mdm *m, const char *id, const char *type, const char *actor);
/* The kinds of this device that are due now, by their schedules.  0 or -errno. */
int refresh_tick(struct mdm *m, const struct roster_line *line, uint64_t spread, int64_t now);
/* Is the latest answer of this RequestType kept? */
bool refresh_is_kind(const char *type);

#endif
