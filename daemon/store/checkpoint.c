/*
 * checkpoint.c - bringing the table into state.gdbm, in another thread
 *
 * The active table is frozen and a new one begins; the log goes on in a new segment.  The worker
 * makes the successor of the database, gives it the name, opens it, and only then drops segments.
 * The loop then puts the new handle in place of old handle and frozen table, which go back to the
 * worker: closing and freeing them would stall the loop.  After a failure the frozen table stays
 * frozen, and the next attempt is for the same table: nothing is lost, and nothing is merged.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/internal.h"

#define RETRY_MS 30000	  /* after a failure */
#define RETRY_BUSY_MS 100 /* when the worker's queue was full */
#define CHEAP_COPY 4u	  /* a database of so many tables is copied in no time */
#define LOG_SEGMENTS 4u	  /* a log of this many segments is a reason for a checkpoint too */

struct job {
	struct task task; /* first: it is what the worker knows */
	char *directory;
	size_t segment_size;
	uint64_t prepare;     /* segment to have ready; 0: none */
	struct layer *frozen; /* read by both threads, written by none; NULL: prepare only */
	struct dbfile_head head;
	struct store_walks walks;
	bool gentle;
	int prepared, err;
	struct dbfile *fresh;
};

static void
job_free(struct job *j)
{
	dbfile_close(j->fresh);
	free(j->directory);
	task_fini(&j->task);
	free(j);
}

static void
work(struct task *t)
{
	struct job *j = (struct job *)t;
	char *why = NULL;
	/* A checkpoint works without the next segment; the log makes one when it needs it. */
	j->prepared = j->prepare ? wal_prepare(j->directory, j->prepare, j->segment_size) : 0;
	if (j->frozen)
		j->err = dbfile_succeed(j->directory, j->frozen, &j->head, &j->walks, j->gentle);
	if (j->frozen && j->err == 0)
		j->err = dbfile_open(j->directory, STORE_FORMAT, &j->fresh, &why);
	if (j->frozen && j->err == 0)
		wal_drop(j->directory, j->head.segment, j->segment_size);
	free(why);
}

/* ---- what is disposed of by the worker ---- */

struct waste {
	struct task task; /* first: it is what the worker knows */
	struct waste *next;
	struct layer *layer;
	struct dbfile *db;
	bool gentle;
};

static void
waste_work(struct task *t)
{
	struct waste *w = (struct waste *)t;

	if (w->gentle)
		layer_free_gently(w->layer);
	else
		layer_free(w->layer);
	dbfile_close(w->db);
}

static void
waste_done(struct task *t, void *owner)
{
	(void)owner;
	task_fini(t);
	free(t);
}

static void
dispose_all(struct store *s)
{
	struct waste *w;

	while ((w = s->waste)) {
		struct waste *next = w->next; /* w may have gone when task_start returns */

		if (task_start(&w->task, &s->options, s->closing) < 0)
			return;
		s->waste = next;
	}
}

static void
dispose(struct store *s, struct layer *layer, struct dbfile *db)
{
	struct waste *w = xcalloc(1, sizeof(*w));

	task_init(&w->task, waste_work, waste_done, NULL);
	w->layer = layer;
	w->db = db;
	w->gentle = s->options.submit && !s->closing;
	w->next = s->waste;
	s->waste = w;
	dispose_all(s);
}

/* ---- the checkpoint ---- */

static void
failed(struct store *s, int err)
{
	s->retry_ms = s->now_ms + RETRY_MS;
	if (!s->checkpoint_err)
		log_event(EV_STORE_FAULT, NO_FIELDS,
			"%s: a checkpoint failed: %s; nothing is lost, the log grows until one "
			"succeeds; see to free space and to the disk",
			s->directory, strerror(-err));
	s->checkpoint_err = err;
	s->room_ms = 0; /* say so at the next tick */
}

static void
succeeded(struct store *s, struct job *j)
{
	struct layer *frozen = s->frozen;
	struct dbfile *old = s->db;

	s->db = j->fresh;
	j->fresh = NULL;
	s->frozen = NULL;
	s->frozen_log = 0;
	s->checkpoint_err = 0;
	s->room_ms = 0;
	s->numbers.checkpoints++;
	s->numbers.last_checkpoint = clock_wall();
	dispose(s, frozen, old);
}

/* Takes over what the job did; the task may be freed later, by its own done. */
static void
take_over(struct store *s, struct job *j)
{
	s->running = NULL;
	if (j->prepare && j->prepared != s->prepare_err) {
		s->prepare_err = j->prepared;
		s->room_ms = 0;
	}
	if (j->frozen && j->err == 0)
		succeeded(s, j);
	else if (j->frozen)
		failed(s, j->err);
	else if (j->prepared < 0)
		s->retry_ms = s->now_ms + RETRY_MS;
	else if (wal_growing(s->wal))
		wal_cut(s->wal); /* the prepared one makes commits cheaper at once */
}

static void
done(struct task *t, void *owner)
{
	if (owner) {
		take_over(owner, (struct job *)t);
		backup_step(owner);
	}
	job_free((struct job *)t);
}

static int
start(struct store *s, struct layer *frozen)
{
	struct job *j = xcalloc(1, sizeof(*j));
	int r;

	task_init(&j->task, work, done, s);
	j->directory = xstrdup(s->directory);
	j->segment_size = s->options.segment_size;
	j->prepare = s->closing ? 0 : wal_number(s->wal) + 1;
	j->frozen = frozen;
	j->walks = s->options.walks;
	j->head.sequence = s->frozen_sequence;
	j->head.segment = s->frozen_below;
	j->gentle = s->options.submit && !s->closing;
	s->running = &j->task;
	r = task_start(&j->task, &s->options, s->closing);
	if (r < 0) {
		s->running = NULL;
		s->retry_ms = s->now_ms + RETRY_BUSY_MS;
		job_free(j);
	}
	return r;
}

static void
freeze(struct store *s)
{
	s->frozen_below = s->closing ? wal_end(s->wal) : wal_cut(s->wal);
	s->frozen_sequence = wal_sequence(s->wal);
	s->frozen = s->active;
	s->frozen_log = s->active_log;
	s->active = layer_new();
	s->active_log = 0;
}

int
store_checkpoint(struct store *s)
{
	if (s->running)
		return -EBUSY;
	if (!s->frozen && layer_count(s->active) == 0)
		return 0;
	if (!s->frozen)
		freeze(s);
	return start(s, s->frozen) < 0 ? -EBUSY : 0;
}

static bool
due(const struct store *s)
{
	return s->frozen || layer_bytes(s->active) >= s->options.table_max ||
	       s->active_log >= LOG_SEGMENTS * s->options.segment_size;
}

void
checkpoint_tick(struct store *s)
{
	dispose_all(s);
	backup_step(s);
	if (s->running || s->now_ms < s->retry_ms)
		return;
	if (due(s))
		store_checkpoint(s);
	else if (!wal_prepared(s->wal))
		start(s, NULL);
}

static void
settle(struct store *s)
{
	struct task *t = s->running;

	if (!t)
		return;
	task_wait(t);
	take_over(s, (struct job *)t);
	t->owner = NULL; /* its done will come, perhaps after us, and only free it */
}

/*
 * Copying a large database for a few changes would take longer than replaying them at the next
 * start: 4 GB is a minute on a busy disk, and a service manager does not wait for ever.
 */
static bool
worth_a_last_one(const struct store *s)
{
	uint64_t content = dbfile_head(s->db)->content;
	uint64_t changed = layer_bytes(s->active) + layer_bytes(s->frozen);

	return content <= CHEAP_COPY * s->options.table_max || changed >= content / 16;
}

void
checkpoint_close(struct store *s)
{
	s->closing = true;
	settle(s);
	if (!worth_a_last_one(s)) {
		dispose_all(s);
		return;
	}
	/* Twice at most: what an earlier failure left frozen, then the rest. */
	for (int i = 0; i < 2 && s->numbers.fault == 0; i++) {
		uint64_t before = s->numbers.checkpoints;

		store_checkpoint(s);
		if (s->numbers.checkpoints == before)
			break;
	}
	dispose_all(s);
}
