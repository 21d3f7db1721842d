/*
 * walkfile.h - beside state.gdbm: the records that are walked over, in a file of their own
 *
 * A walk through GDBM visits every record of every kind, in no order: a minute at a million
 * enrollments, of which a start makes several.  So a checkpoint also writes walk-<sequence>: of
 * each record whose key begins with one of some letters, the key and what walks need of the value,
 * one letter after the other.
 *
 *   file  = magic (8) | the database's sequence, records and content (u64 each) |
 *           store_walks.meaning (u32) | sections |
 *           0 (u8) | crc32c of the head (u32) | entries
 *   section = letter (u8) | records (u64) | place (u64) | length (u64) | crc32c (u32)
 *   entry = key length (u16) | value length (u32) | key | value
 *
 * It says nothing that the database does not say.  One that is missing, damaged, of another
 * database or of a version that kept other things is not used; the next checkpoint makes it anew.
 */
#ifndef CORDON_STORE_WALKFILE_H
#define CORDON_STORE_WALKFILE_H

#include "store/dbfile.h"
#include "store/store.h"

/* For the worker thread: the successor's file, from the one of `old` and the changes, before the
 * successor gets its name.  0; -ENOENT when there is none to begin with; -errno. */
int walkfile_succeed(const char *directory, const struct dbfile_head *old,
	const struct dbfile_head *head, struct layer *changes, const struct store_walks *walks,
	bool gentle);
/* For the worker thread: from the database itself.  0 or -errno. */
int walkfile_build(const char *directory, const struct dbfile_head *head,
	const struct store_walks *walks, bool gentle);
/* Removes the files of other databases than these two. */
void walkfile_clean(const char *directory, uint64_t sequence, uint64_t other);
/*
 * As dbfile_each, over the file of the database that `head` is of.  -ENOENT before the first call
 * of `each` when it cannot be used.
 */
int walkfile_each(const char *directory, const struct dbfile_head *head,
	const struct store_walks *walks, struct bytes prefix,
	bool (*skip)(void *arg, struct bytes key),
	int (*each)(void *arg, struct bytes key, struct bytes value), void *arg);

#endif
