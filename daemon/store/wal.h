/*
 * wal.h - the log: numbered segments of checksummed batches
 *
 *   segment = magic (8) | format (u32) | 0 (u32) | number (u64) | first sequence (u64) | salt (8) |
 *             0 (u32) | crc32c (u32) | batches
 *   batch   = length (u32) | crc32c (u32) | segment number (u64) | sequence (u64) | changes
 * (batch.h)
 *
 * The checksum of a batch covers the segment's salt, the head and the changes.  Number and salt
 * make what a recycled file still holds from before fail the check.  A segment gets its head with
 * its first batch, in one write; a prepared one is all zero (or stale) until then.
 *
 * Replay reads segments by number and batches by sequence, without a gap.  "First sequence" rules
 * over what earlier segments hold: a batch that could not be synced is forgotten, but may have
 * reached the disk; the batch that got its sequence afterwards, in a later segment, wins.
 */
#ifndef CORDON_STORE_WAL_H
#define CORDON_STORE_WAL_H

#include "base/buf.h"

/* Bytes that a batch's buffer leaves free at its start for the heads. */
#define WAL_ROOM 72u
/* Bytes of changes in one batch. */
#define WAL_BATCH_MAX (256u << 20)

struct wal;

struct wal_start {
	const char *directory;
	size_t segment_size;
	uint64_t sequence; /* batches up to this one are in state.gdbm */
	uint64_t segment;  /* segments below this one are stale */
};

/*
 * Replays: calls apply(arg, changes) for every batch beyond start->sequence, in order.  A torn tail
 * is cut.  On failure *why is a sentence (caller frees).  0, -EPROTO (newer format), -errno.
 */
int wal_open(const struct wal_start *start, void (*apply)(void *arg, struct bytes changes),
	void *arg, struct wal **ret, char **why);
void wal_close(struct wal *w); /* NULL allowed */
/*
 * Appends and syncs one batch: `b` is WAL_ROOM bytes and the changes.  0, or -errno: then nothing
 * was appended and the next batch goes to the same place.
 */
int wal_append(struct wal *w, struct buf *b);
/*
 * Tries whether an empty batch can be written again after a failure; `elsewhere`: in a new segment,
 * because the old place may be what is broken.
 */
int wal_probe(struct wal *w, bool elsewhere);
/*
 * Makes the next batch go to a new segment, so that the ones before can be dropped.  Returns the
 * number below which nothing is written any more (also when no new segment could be had).
 */
uint64_t wal_cut(struct wal *w);
/* As wal_cut, without a new segment: the last checkpoint's.  The next batch would make one. */
uint64_t wal_end(struct wal *w);
uint64_t wal_sequence(const struct wal *w); /* of the last batch */
uint64_t wal_number(const struct wal *w);   /* of the current or last segment */

/*
 * For the worker thread: zero-fills (or recycles spare.seg to) segment `number`, so that a commit
 * finds size and blocks fixed; it is also the reserve for a full disk.  0, also when it is there.
 */
int wal_prepare(const char *directory, uint64_t number, size_t size);
bool wal_prepared(const struct wal *w); /* the next segment is there */
bool wal_growing(const struct wal *w); /* the current one was not prepared: its commits cost more */
/* For the worker thread: removes segments below `number`, or keeps one as spare.seg. */
void wal_drop(const char *directory, uint64_t number, size_t size);

#endif
