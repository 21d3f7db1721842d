/*
 * batch.h - the changes of one commit as bytes, in the order they were made
 *
 * change = kind (1 byte: 1 put, 2 delete) | key length (u16) | value length (u32) | key | value
 */
#ifndef CORDON_STORE_BATCH_H
#define CORDON_STORE_BATCH_H

#include "base/buf.h"

/* value.data NULL: the record is deleted. */
void batch_add(struct buf *out, struct bytes key, struct bytes value);
/* Calls `each` for every change until it returns non-zero, which is returned.  -EBADMSG: damaged.
 */
int batch_each(struct bytes batch, int (*each)(void *arg, struct bytes key, struct bytes value),
	void *arg);
/* Whether batch_each would go through to the end. */
bool batch_whole(struct bytes batch);

#endif
