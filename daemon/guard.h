/*
 * guard.h - changes that would cut off enrolled devices wait for a person's word
 *
 * A push certificate of a topic that was never ours, and a server-name that no profile knows
 * (DESIGN "Reload"): devices can follow neither.
 */
#ifndef CORDON_GUARD_H
#define CORDON_GUARD_H

#include "graph.h"

/*
 * True when the pair's topic is allowed.  Else says it, once for each certificate.  A certificate
 * that was refused and is allowed now has *again set: it is as good as new.
 */
bool guard_push(struct graph *g, const struct certpair *p, bool *again);
/* Forgets refused certificates that are not there any more. */
void guard_push_sweep(struct graph *g, const struct certdir *now);

/* Adds a fault when `c` asks for a server-name that is not allowed; false then. */
bool guard_server_name(struct graph *g, const struct conf *c, struct conf_faults *faults);
void guard_free(struct graph *g);

#endif
