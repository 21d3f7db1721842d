/* file.h - reading bounded files, writing them whole or not at all, and who may read them */
#ifndef CORDON_BASE_FILE_H
#define CORDON_BASE_FILE_H

#include <sys/stat.h>
#include <sys/types.h>

#include "base/buf.h"

#define FILE_KEEP_OWNER ((uid_t)-1)

/*
 * Reads a regular file of at most `max` bytes into `out` (appended).  Opens with O_NONBLOCK |
 * O_CLOEXEC and checks the type on the descriptor, so a FIFO or device neither hangs nor is read.
 * `st` (may be NULL) receives the fstat of what was read.  0, -errno, -EFBIG when longer, -EFTYPE
 * does not exist on Linux: -EINVAL when it is not a regular file.
 */
int file_read(const char *path, size_t max, struct buf *out, struct stat *st);

/*
 * Replaces `path` atomically: temporary file in the same directory created with `mode` from the
 * start, owner and group set on the descriptor (FILE_KEEP_OWNER: as created), fsync, rename, fsync
 * of the directory.  On failure the old file is as it was and no temporary file is left.  0 or
 * -errno.
 */
int file_write_atomic(const char *path, struct bytes content, mode_t mode, uid_t uid, gid_t gid);
/* The same, but fails with -EEXIST when `path` is there already (never overwrites: link, not
 * rename). */
int file_create_new(const char *path, struct bytes content, mode_t mode, uid_t uid, gid_t gid);

/* All of it, from where the descriptor stands.  0 or -errno. */
int file_write_all(int fd, struct bytes content);
int file_fsync_dir(const char *dir); /* 0 or -errno */
/* mkdir, and its missing parents with the same mode.  0 also when it is there. */
int file_mkdirs(const char *dir, mode_t mode);
bool file_exists(const char *path);

/*
 * Judges a private key's file by its fstat: a sentence of what is wrong and how to mend it in
 * `why`, or 0 when it is well kept: owned by root or the daemon's user, no access for others.
 */
int file_key_check(const struct stat *st, char *why, size_t size);

#endif
