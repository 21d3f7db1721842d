/* segment.h - the files of the log: log-<number>.seg, and spare.seg between two uses */
#ifndef CORDON_STORE_SEGMENT_H
#define CORDON_STORE_SEGMENT_H

#include <inttypes.h>

#include "base/buf.h"

#define SEGMENT_SPARE "spare.seg"
#define SEGMENT_FORMAT_NAME "log-%" PRIu64 ".seg"

/* The numbers that are there, ascending; *numbers is the caller's.  0 or -errno. */
int segment_list(int dir, uint64_t **numbers, size_t *count);
/* Appends the whole file.  0 or -errno. */
int segment_read(int dir, uint64_t number, struct buf *out);
/* A descriptor for reading and writing, or -errno; `created` NULL: it must be there. */
int segment_open(int dir, uint64_t number, size_t *size, bool *created);
bool segment_exists(int dir, uint64_t number);
void segment_remove(int dir, uint64_t number);
/* Renames it to log-<number>.damaged. */
int segment_set_aside(int dir, uint64_t number);

#endif
