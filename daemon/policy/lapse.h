/* lapse.h - has a candidate waited too long for its TokenUpdate? (DESIGN "Candidates") */
#ifndef CORDON_POLICY_LAPSE_H
#define CORDON_POLICY_LAPSE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * `since` is the Authenticate, `lifetime` in seconds.  A clock that was set back (`since` ahead of
 * `now`) lapses nothing: the candidate gets its time anew from the clock as it is.
 */
bool lapse_due(int64_t since, int64_t lifetime, int64_t now);

#endif
