/* internal.h - the store's insides, shared by the files that make up struct store only */
#ifndef CORDON_STORE_INTERNAL_H
#define CORDON_STORE_INTERNAL_H

#include <dirent.h>

#include "store/dbfile.h"
#include "store/layer.h"
#include "store/store.h"
#include "store/task.h"
#include "store/wal.h"

/* Stands in the state directory for as long as a backup is being restored into it. */
#define RESTORE_MARK "restoring"

/* A table this many times over its size means that checkpoints cannot keep up: stop. */
#define TABLE_OVERRUN 4u
/* Room for fewer segments of the log than these is little. */
#define ROOM_SEGMENTS 2u

struct waste; /* checkpoint.c */

struct waiter {
	void (*done)(void *arg, int err);
	void *arg;
};

struct waiters {
	struct waiter *items;
	size_t count, cap;
};

/* Names of large files to look at when the batch is durable or forgotten. */
struct names {
	char (*items)[65];
	size_t count, cap;
};

enum backup_stage { BACKUP_NONE, BACKUP_WANTED, BACKUP_CHECKPOINT, BACKUP_COPYING };

struct backup_made;

struct store {
	struct store_options options;
	char *directory;
	int lock;

	/* what a record is, from the top: the first that knows it says so */
	struct layer *pending; /* changes of this turn */
	struct layer *active;  /* changes since the last checkpoint began */
	struct layer *frozen;  /* what a checkpoint is bringing into the database; NULL: none */
	struct dbfile *db;

	struct wal *wal;
	struct buf batch; /* WAL_ROOM and the changes of this turn, in order */
	size_t pending_count;
	int64_t pending_since_us;
	struct waiters waiters;
	size_t active_log, frozen_log; /* bytes in the log */

	struct names touched; /* large files put or dropped in this turn */
	DIR *sweep;	      /* of files/, for what a crash left; NULL: done */

	/* one job at a time: checkpoint or preparation of a segment */
	struct task *running;
	uint64_t frozen_sequence, frozen_below;
	int64_t retry_ms;		 /* not before: a job failed or could not start */
	int64_t now_ms;			 /* of the last tick */
	int checkpoint_err, prepare_err; /* of the last of each; 0: it succeeded */
	bool closing;			 /* jobs are run in place: the worker may have gone */
	struct waste *waste;		 /* what waits for a worker to dispose of it */

	struct {
		enum backup_stage stage;
		uint64_t after; /* the number of checkpoints that it waits for */
		unsigned tries;
		struct task *task; /* the copy; NULL */
		void (*done)(void *arg, const struct backup_made *b);
		void *arg;
	} backup;

	/* room.c */
	int64_t room_ms;     /* when to look again */
	char *short_words;   /* what will end in a refusal unless somebody sees to it; NULL */
	bool room_was_short; /* at the last look */

	unsigned probes; /* since the fault began */
	struct store_numbers numbers;
};

/* store.c */
void store_set_fault(struct store *s, int err, const char *words);
void store_clear_fault(struct store *s);

/* checkpoint.c */
void checkpoint_tick(struct store *s);
/* Waits for the running job, makes a last checkpoint in place, disposes of everything. */
void checkpoint_close(struct store *s);

/* room.c */
void room_tick(struct store *s);

/* backup.c */
void backup_step(struct store *s);
void backup_close(struct store *s);

/* largefile.c */
int largefile_open(struct store *s); /* makes files/ and begins the sweep */
void largefile_close(struct store *s);
void largefile_sweep(struct store *s); /* looks at all of them again */
void largefile_tick(struct store *s);
/* After a commit or its failure: removes the files that no record refers to. */
void largefile_settle(struct store *s);

#endif
