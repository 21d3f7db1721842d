/* table.h - hash table from byte keys to pointers */
#ifndef CORDON_BASE_TABLE_H
#define CORDON_BASE_TABLE_H

#include "base/buf.h"

struct table;

/* `drop` (NULL: none) is called for each value that is replaced, deleted or left at table_free. */
struct table *table_new(void (*drop)(void *value));
void table_free(struct table *t); /* NULL allowed */
size_t table_count(const struct table *t);
/* The value, or NULL. */
void *table_get(const struct table *t, struct bytes key);
/* Copies the key, takes the value (not NULL). */
void table_put(struct table *t, struct bytes key, void *value);
bool table_delete(struct table *t, struct bytes key);
/* Takes the value out without dropping it; NULL when absent. */
void *table_take(struct table *t, struct bytes key);
/*
 * Calls `each` for every entry in no order until it returns non-zero, which is returned.
 * `each` may delete the entry it was called with and change nothing else.
 */
int table_each(struct table *t, int (*each)(void *arg, struct bytes key, void *value), void *arg);

#endif
