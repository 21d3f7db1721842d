/*
 * command_fill.h - what a command gets when it is handed out, because it differs from device to
 * device: the PIN of DeviceLock and EraseDevice, the UnlockToken of ClearPasscode
 */
#ifndef CORDON_MDM_COMMAND_FILL_H
#define CORDON_MDM_COMMAND_FILL_H

#include "mdm/mdm.h"
#include "store/enrollment.h"
#include "store/queue.h"

/*
 * Replaces `body` where something is missing from it.  0; -ENODATA what must be filled in is not
 * there; -errno.
 */
int command_fill(struct mdm *m, const struct enrollment *e, const struct queue_entry *entry,
	struct buf *body);
/* Can it be filled?  0, -ENODATA: the device gave no unlock token; -errno. */
int command_fillable(struct mdm *m, const struct enrollment *e, const char *type);

#endif
