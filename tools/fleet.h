/* fleet.h - how many devices are enrolled, asked of the daemon over its control socket */
#ifndef CORDON_TOOLS_FLEET_H
#define CORDON_TOOLS_FLEET_H

#include <stdio.h>

#include "tool.h"

/*
 * Prints one sentence: the number of enrolled devices (inactive ones too), or that it is not known
 * and why.  A daemon that works on another certificate directory than `certs` knows nothing of the
 * devices in question.
 */
void fleet_say(const struct tool_options *o, const char *certs, FILE *out);

#endif
