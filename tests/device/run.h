/* run.h - a device that lives: enrolls, waits for wake-ups or polls, until time or SIGTERM end it
 */
#ifndef FAKE_RUN_H
#define FAKE_RUN_H

#include "device.h"

enum outcome run_device(struct device *d);

#endif
