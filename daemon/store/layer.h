/*
 * layer.h - records that changed: a table that lies on top of a database or of another layer
 *
 * A layer knows three answers for a key: this value, deleted, and "nothing known: ask below".
 * Reading is free of side effects, so a frozen layer may be read by two threads.
 */
#ifndef CORDON_STORE_LAYER_H
#define CORDON_STORE_LAYER_H

#include "base/buf.h"

struct layer;

struct change {
	uint32_t key_len; /* of its key; with it a layer counts its bytes */
	uint32_t len;
	bool deleted;
	unsigned char data[];
};

struct layer *layer_new(void);
void layer_free(struct layer *l); /* NULL allowed */
/*
 * The same for a thread beside one that must not wait: a few records, a pause, a few records.  What
 * is freed here is sorted by whoever allocates next, and that is the other one.
 */
void layer_free_gently(struct layer *l);
/* Copies both.  value.data NULL: the record is deleted. */
void layer_set(struct layer *l, struct bytes key, struct bytes value);
/* NULL: nothing known here. */
const struct change *layer_get(const struct layer *l, struct bytes key);
struct bytes change_value(const struct change *c); /* data NULL: deleted */
int layer_each(struct layer *l, int (*each)(void *arg, struct bytes key, const struct change *c),
	void *arg);
size_t layer_count(const struct layer *l); /* NULL: 0 */
size_t layer_bytes(const struct layer *l); /* about what it takes in memory; NULL: 0 */

#endif
