/*
 * dbfile.h - state.gdbm: read by the loop, and replaced as a whole by a checkpoint, never written
 *
 * A GDBM handle that was written through refuses reads after one failed write, and a database that
 * was being written when its writer died opens and then gives read errors.  So the writer works on
 * state.new, and what is read was closed and synced before it got its name.
 *
 * The head is a record under a key that no caller may use: an empty file opens as an empty
 * database, and must not look like one.
 */
#ifndef CORDON_STORE_DBFILE_H
#define CORDON_STORE_DBFILE_H

#include "base/buf.h"

struct dbfile;
struct layer;
struct store_walks;

#define DBFILE_HEAD_KEY "\0cordon"
#define DBFILE_HEAD_KEY_LEN 7u

struct dbfile_head {
	uint32_t format;
	uint64_t sequence; /* the last batch of the log that is in */
	uint64_t segment;  /* segments of the log below this one are stale */
	uint64_t records;
	uint64_t content; /* bytes of their keys and values */
};

/* An empty database, whole or not at all.  0 or -errno. */
int dbfile_create(const char *directory, uint32_t format);
/*
 * For reading.  On failure *why is a sentence (caller frees).  0, -ENOENT, -EBADMSG (empty,
 * damaged or no store), -EPROTO (format above `format`), -errno.
 */
int dbfile_open(const char *directory, uint32_t format, struct dbfile **ret, char **why);
void dbfile_close(struct dbfile *db); /* NULL allowed */
const struct dbfile_head *dbfile_head(const struct dbfile *db);
/* Appends the value.  0, -ENOENT, -EIO. */
int dbfile_get(struct dbfile *db, struct bytes key, struct buf *ret);
int dbfile_has(struct dbfile *db, struct bytes key); /* 0, -ENOENT, -EIO */
/*
 * Calls `each` for the records whose key begins with `prefix` and that `skip` (NULL: none, called
 * with the same arg) does not know, until it returns non-zero, which is returned.  -EIO.  Through a
 * memory-mapped handle of its own: ten times faster.
 */
int dbfile_each(const char *directory, struct bytes prefix,
	bool (*skip)(void *arg, struct bytes key),
	int (*each)(void *arg, struct bytes key, struct bytes value), void *arg);

/*
 * For the worker thread: writes the successor of the database - a copy with `changes` applied, or,
 * when the file has grown beyond twice its content, a fresh one - and gives it the name.
 * head->sequence and head->segment are the caller's; the rest is filled in.  `gentle` writes in
 * small pieces with pauses, so that a log on the same disk is not held up.  What walks need
 * (walkfile.h) is written beside it.  0 or -errno: then the
 * database is as it was, or (failure after the rename) the successor: both are right with the log.
 */
int dbfile_succeed(const char *directory, struct layer *changes, struct dbfile_head *head,
	const struct store_walks *walks, bool gentle);

#endif
