/*
 * command_setup.h - a device that waits in its setup assistant is let go: DeviceConfigured,
 * UserConfigured
 *
 * DESIGN "AwaitingConfiguration": when the queue has run empty, or after COMMAND_SETUP_WAIT,
 * unless enrollment.hold-setup.
 */
#ifndef CORDON_MDM_COMMAND_SETUP_H
#define CORDON_MDM_COMMAND_SETUP_H

#include "mdm/mdm.h"
#include "store/enrollment.h"
#include "store/queue.h"

#define COMMAND_SETUP_WAIT 600 /* seconds since its TokenUpdate */

/* A TokenUpdate said AwaitingConfiguration: it is asked again when the time is over. */
void command_setup_begin(struct mdm *m, const struct enrollment *e);
/* It is connected: puts the command first into its queue if it is time.  1: done, 0, or -errno. */
int command_setup_offer(struct mdm *m, const struct enrollment *e, struct queue *q);
/* The device answered this command, well or badly: it does not wait any more.  True: `e` changed.
 */
bool command_setup_answered(struct enrollment *e, const char *type);

#endif
