/* problems.h - what needs a person, a sentence each, the worst first */
#ifndef CORDON_ADMIN_PROBLEMS_H
#define CORDON_ADMIN_PROBLEMS_H

#include <jansson.h>

#include "admin/admin.h"

/* An array of strings; empty when all is well. */
json_t *problems_json(struct admin *a, int64_t now);
/*
 * The same as {"text", "step"}: the number of the step of the outline (steps.c) that mends it, or 0
 * when the text says what does.
 */
json_t *problems_steps(struct admin *a, int64_t now);
/* The sentence about secrets that do not open; false when all do. */
bool problems_sealed(const struct admin *a, struct buf *out);

#endif
