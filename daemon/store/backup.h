/*
 * backup.h - the whole store as one file: made while the daemon works, checked before it is
 * restored
 *
 *   backup = "CORDONBK" | version (u32) | store format (u32) | made at (u64) | entries | 0 (u8) |
 *            SHA-256 of everything before
 *   entry  = 1 (u8) | length of the name (u8) | name | length (u64) | bytes
 *
 * Names are "state.gdbm" and "files/<64 hex digits>".  A backup holds no key: what was sealed stays
 * sealed.
 */
#ifndef CORDON_STORE_BACKUP_H
#define CORDON_STORE_BACKUP_H

#include "base/digest.h"
#include "store/store.h"

struct backup_made {
	int err;      /* 0 or -errno */
	int fd;	      /* a file without a name, the callee's; -1 after a failure */
	int64_t size; /* bytes */
	int64_t made_at;
	unsigned char sha256[SHA256_LEN]; /* of the whole file */
};

/*
 * Makes a checkpoint, then copies what it made, in the worker.  The store goes on working; large
 * files are kept until the copy is done.  done(arg, made) in the store's thread.  0; -EBUSY when
 * one is being made.
 */
int store_backup(struct store *s, void (*done)(void *arg, const struct backup_made *b), void *arg);

/*
 * Puts a backup into an empty state directory: everything is checked first.  *why is a sentence
 * (caller frees).  0; -EBADMSG foreign, truncated or damaged; -EPROTO newer; -EEXIST a store is
 * there; -errno.  *made_at: when the backup was made.
 */
int backup_restore(const char *file, const char *directory, int64_t *made_at, char **why);

#endif
