/* commands.h - what the verbs around commands share */
#ifndef CORDON_CTL_COMMANDS_H
#define CORDON_CTL_COMMANDS_H

#include "base/buf.h"

/* Says what is missing; the exit status. */
int command_missing(const char *verb, const char *what);
/* "/v1/enrollments/ID" and `rest`. */
void command_path(struct buf *path, const char *id, const char *rest);
/* Asks for the result until it is there or the time is over, prints it; the exit status. */
int command_wait(const char *id, const char *uuid, long seconds);

#endif
