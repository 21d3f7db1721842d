/* command_install.h - the profiles of enrollment.install: read, judged, queued after each
 * enrollment */
#ifndef CORDON_MDM_COMMAND_INSTALL_H
#define CORDON_MDM_COMMAND_INSTALL_H

#include "mdm/mdm.h"
#include "store/enrollment.h"

#define COMMAND_INSTALL_MAX (500u << 10) /* bytes of a file: base64 of it is within COMMAND_MAX */

/*
 * Queues them for a device that has just enrolled.  A file that cannot be used is left out and told
 * of.  0 or -errno of the store; a full queue is no error.
 */
int command_install_queue(struct mdm *m, const struct enrollment *e);
/* Looks at all files; each(arg, path, why) for the faulty ones.  How many these are. */
size_t command_install_faults(
	struct mdm *m, void (*each)(void *arg, const char *path, const char *why), void *arg);

#endif
