/*
 * store.h - durable state as byte records under byte keys: a log, a table, and a database that is
 *           never written while it is read
 *
 * DESIGN "Store" is the contract: when a reply that depends on a change has left the server, the
 * change survives SIGKILL and power loss; a crash at any byte leaves a store that opens by itself.
 *
 *   get  = changes of this turn, then the table of what changed since the checkpoint, then
 * state.gdbm put  = into the changes of this turn; commit appends them to the log as one
 * checksummed batch, makes one fdatasync and moves them into the table checkpoint (worker thread) =
 * copy state.gdbm, apply the log, sync, rename, then drop log segments
 *
 * Nothing here knows the event loop: the owner gives callbacks for "changes wait for a commit" and
 * for "run this elsewhere".  All calls are made from the thread that opened the store.  Callers may
 * not rely on GDBM: this is the interface that a network database would implement too.
 */
#ifndef CORDON_STORE_STORE_H
#define CORDON_STORE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/seal.h"

#define STORE_FORMAT 1u /* version in the store's magic record */
#define STORE_KEY_MAX 1024u
#define STORE_VALUE_MAX (1u << 20) /* larger values are refused with -E2BIG: use store_file_* */

struct store;

/*
 * Records that store_each walks over: those whose key begins with one of these letters.  Beside the
 * database they are kept in a file of their own, so that a walk costs no more than they do.
 */
struct store_walks {
	const char *letters; /* NULL: none */
	uint32_t meaning;    /* another one whenever `letters` or what `brief` keeps is another */
	/*
	 * Appends what walks need of a record's value, which they get in its place unless it
	 * changed since the checkpoint.  NULL: all of it.  Called in the worker, too.
	 */
	void (*brief)(struct bytes key, struct bytes value, struct buf *out);
};

struct store_options {
	const char *directory;	 /* /var/lib/cordon */
	const struct seal *seal; /* not owned; NULL: no store.key, sealed values do not open */
	size_t table_max;    /* bytes of changed records in memory before a checkpoint; 0: 64 MiB */
	size_t segment_size; /* bytes of one log segment; 0: 32 MiB */
	struct store_walks walks;
	/* The first change of a batch was made: call store_commit soon (end of the loop's turn). */
	void (*on_pending)(void *arg);
	/*
	 * Runs work(job) in another thread and then done(job) in the store's thread.  Returns 0, or
	 * -EBUSY when it cannot now (the store tries again later).  NULL: both run at once, in
	 * place.
	 */
	int (*submit)(void *arg, void (*work)(void *job), void (*done)(void *job), void *job);
	/* The store began to refuse changes (err < 0, with words), or takes them again (err 0). */
	void (*on_health)(void *arg, int err, const char *words);
	/*
	 * Called for each record that a successful commit changed (value.data NULL: deleted), in
	 * order, before the waiters.  How derived tables in memory follow the truth.
	 */
	void (*on_change)(void *arg, struct bytes key, struct bytes value);
	void *arg;
	bool restoring; /* only backup_restore: what it has not finished opens for nobody else */
};

/*
 * Opens or creates the store and replays its log.  On failure *why (may be NULL, caller frees) is a
 * sentence with file and remedy.  0; -EPROTO a newer format; -EBUSY another daemon has it; -errno.
 */
int store_open(const struct store_options *options, struct store **ret, char **why);
/*
 * Commits, waits for a running checkpoint, makes a last one unless that takes longer than the next
 * start would without it, closes.
 */
void store_close(struct store *s);

/* Appends the value.  0, -ENOENT, -EIO. */
int store_get(struct store *s, struct bytes key, struct buf *ret);
bool store_has(struct store *s, struct bytes key);
/* Whether the running batch changes it: then what follows commits does not know it yet. */
bool store_changing(const struct store *s, struct bytes key);
/*
 * Changes of the running batch; read back at once by get, forgotten together if the commit fails.
 * 0; -E2BIG; -EROFS while the store refuses changes.
 */
int store_put(struct store *s, struct bytes key, struct bytes value);
int store_delete(struct store *s, struct bytes key);
/*
 * Calls `each` for every record whose key begins with `prefix`, in no order, until it returns
 * non-zero, which is returned.  For start and rare sweeps, not for requests: it visits every record
 * of the kind, and where the kind is none of store_options.walks, every record there is.  The
 * callback may not change the store.
 */
int store_each(struct store *s, struct bytes prefix,
	int (*each)(void *arg, struct bytes key, struct bytes value), void *arg);

bool store_pending(const struct store *s);	   /* changes wait for a commit */
size_t store_pending_count(const struct store *s); /* how many, and ... */
int64_t store_pending_since_us(
	const struct store *s); /* monotonic time of the oldest: caps of the group commit */
/* Appends, syncs, applies, calls waiters.  0 or -errno: then the batch is forgotten and waiters are
 * told. */
int store_commit(struct store *s);
/*
 * Calls done(arg, err) when everything put so far is durable (err 0) or forgotten (err < 0); at
 * once when nothing is pending.
 */
void store_wait(struct store *s, void (*done)(void *arg, int err), void *arg);

/* Begins a checkpoint if none runs.  0, -EBUSY. */
int store_checkpoint(struct store *s);
/* A tick once a second or so: retries after faults, checkpoints by size, prepares spare segments.
 */
void store_tick(struct store *s, int64_t mono_ms);

/* Large sealed answers as compressed files, named by hash, synced at once; swept when unreferenced.
 */
int store_file_put(struct store *s, struct bytes content, char name[65]);
int store_file_get(struct store *s, const char *name, size_t max,
	struct buf *ret); /* 0, -ENOENT, -EBADMSG, -EFBIG */
/* Marks for removal after the next commit; nothing may refer to it then. */
void store_file_drop(struct store *s, const char *name);

/* Values sealed for their record.  As seal_*; -ENOKEY without store.key. */
int store_seal(struct store *s, struct bytes key, struct bytes plain, struct buf *out);
int store_unseal(struct store *s, struct bytes key, struct bytes sealed, struct buf *out);

/* store.key came (with the SSC) after the store was opened.  Not owned. */
void store_set_seal(struct store *s, const struct seal *seal);
bool store_sealed(const struct store *s); /* is there a key? */

struct store_numbers {
	uint64_t commits, changes, commit_us_total, commit_us_max, checkpoints, replayed;
	size_t table_bytes, table_records, log_bytes;
	int64_t last_checkpoint; /* wall seconds */
	int fault;		 /* 0 or -errno while changes are refused */
	/*
	 * What will end in such a fault unless a person sees to it, as the end of a sentence; NULL.
	 * Changes are still taken.  The store's, until the next tick.
	 */
	const char *shortage;
};
void store_numbers(const struct store *s, struct store_numbers *ret);

#endif
