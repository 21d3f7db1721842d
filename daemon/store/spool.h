/*
 * spool.h - events on their way to the webhook: durable, in the order in which they happened
 *
 *   'w' number (u64, big-endian)   whose it is, when it happened, the JSON text, sealed
 *
 * Numbers grow; the caller gives them.  An event is put in the batch of what it tells of.
 */
#ifndef CORDON_STORE_SPOOL_H
#define CORDON_STORE_SPOOL_H

#include "store/store.h"

#define SPOOL_INLINE 65536u	   /* longer texts are files of their own (store_file_*) */
#define SPOOL_TEXT_MAX (48u << 20) /* a report of 16 MiB in base64, and what stands around it */

struct spool_event {
	uint64_t number;
	char *lane;	 /* enrollment id; "" for what is no device's */
	int64_t created; /* wall seconds */
	int64_t size;	 /* bytes of the text */
};

/* 0; -ENOKEY without store.key; -EROFS, -E2BIG, -errno. */
int spool_put(struct store *s, const struct spool_event *e, struct bytes text);
/* Appends the text.  0, -ENOENT, -ENOKEY, -EBADMSG, -EIO. */
int spool_get(struct store *s, uint64_t number, struct buf *ret);
int spool_delete(struct store *s, uint64_t number);
/* Is this one of its records?  Then 0 and what it says of the event; ret->lane is the caller's. */
int spool_decode(struct bytes key, struct bytes value, struct spool_event *ret);
/* Every event that is there, by number.  *ret and the lanes are the caller's.  0 or -EIO. */
int spool_list(struct store *s, struct spool_event **ret, size_t *count);

#endif
