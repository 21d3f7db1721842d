/* fleet.h - many devices at once: the load generator */
#ifndef FAKE_FLEET_H
#define FAKE_FLEET_H

#include "options.h"

/*
 * Enroll --count devices and let each poll until --commands are answered or --idle-rounds were
 * made, with --concurrency threads.  Prints the summary as one JSON object.  Returns the exit code.
 */
int fleet_run(const struct options *o);

#endif
