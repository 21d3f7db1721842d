/* answer.h - what a device answers to a command */
#ifndef FAKE_ANSWER_H
#define FAKE_ANSWER_H

#include <plist/plist.h>

#include "device.h"

/*
 * Carry out `command` (the inner dictionary) and put Status and result keys into `report`, which
 * has the ids and the CommandUUID already.  Sets d->then for what follows the report.  Returns
 * the status word, or NULL when the device is no longer enrolled and cannot answer.
 */
const char *answer_command(struct device *d, plist_t command, plist_t report);

/* Status "Error" with a chain of one item. */
const char *answer_error(plist_t report, const char *domain, int64_t code, const char *text);

#endif
