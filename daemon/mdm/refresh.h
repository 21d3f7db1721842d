/* refresh.h - questions about the device that the daemon asks by itself */
#ifndef CORDON_MDM_REFRESH_H
#define CORDON_MDM_REFRESH_H

#include "mdm/mdm.h"
#include "store/enrollment.h"

/*
 * DeviceInformation, and the other kinds of `refresh` that are not "never".  0 or -errno; a queue
 * that is full is no error.
 */
int refresh_after_enrollment(struct mdm *m, const struct enrollment *e);
/* Asks one kind now; -EALREADY when it waits already, otherwise as fault[] of mdm_enqueue. */
int refresh_ask(struct mdm *m, const char *id, const char *type, const char *actor);
/* Is the latest answer of this RequestType kept? */
bool refresh_is_kind(const char *type);

#endif
