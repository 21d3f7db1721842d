/* access.h - reading, writing and deleting one record by its letter and parts; lists of ids; blobs
 */
#ifndef CORDON_STORE_ACCESS_H
#define CORDON_STORE_ACCESS_H

#include "store/record.h"
#include "store/store.h"

int access_get(
	struct store *s, char letter, const char *first, const char *second, struct buf *ret);
int access_put(struct store *s, char letter, const char *first, const char *second,
	const struct buf *value);
int access_delete(struct store *s, char letter, const char *first, const char *second);

/*
 * An index record: the ids that belong to a serial number, an EAS id or a device.  Adding what is
 * there and removing what is not are no change; a list that gets empty is deleted.
 */
int access_list_add(struct store *s, char letter, const char *part, const char *id);
int access_list_remove(struct store *s, char letter, const char *part, const char *id);
/* From a copy: `each` may change the list.  Its non-zero return ends and is returned. */
int access_list_each(struct store *s, char letter, const char *part,
	int (*each)(void *arg, const char *id), void *arg);

/*
 * A blob is what a record holds of a longer secret: sealed under the record's key when it is at
 * most `inline_max` bytes, else the name of a large file.  It is fields of the record, with tags of
 * its own (ACCESS_BLOB_TAG and up).
 */
#define ACCESS_BLOB_TAG 64
int access_blob_add(struct store *s, struct bytes key, struct bytes plain, size_t inline_max,
	struct buf *record);
/* Appends it.  0; -ENOENT: the record holds none; -EFBIG; -EBADMSG; -ENOKEY; -EIO. */
int access_blob_get(
	struct store *s, struct bytes key, struct bytes record, size_t max, struct buf *ret);
/* Gives up the record's reference to a large file, if it holds one. */
void access_blob_drop(struct store *s, struct bytes record);

#endif
