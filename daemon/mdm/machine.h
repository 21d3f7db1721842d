/*
 * machine.h - MachineInfo: what a device says of itself before it has a profile (facts/protocol.md
 * F.9)
 *
 * Its signature only proves "a device of Apple's": the serial number is as claimed, and so must be
 * on the list of those that are awaited.
 */
#ifndef CORDON_MDM_MACHINE_H
#define CORDON_MDM_MACHINE_H

#include "base/buf.h"

#define MACHINE_BODY_MAX 65536u

struct machine {
	char *serial, *udid; /* owned; udid may be NULL */
};

/*
 * The CMS body, signed by a certificate that one of `ca_file` issued (no dates are judged: devices
 * carry theirs for life).  0; -EACCES with *why, a static sentence; -ENOENT the file cannot be
 * read.
 */
int machine_read(struct bytes body, const char *ca_file, struct machine *ret, const char **why);
void machine_free(struct machine *m);

#endif
