/* store.c - durable records: the layers, the commit, and what happens when it fails */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/batch.h"
#include "store/dbhead.h"
#include "store/internal.h"
#include "store/segment.h"
#include "store/walkfile.h"

#define TABLE_MAX (64u << 20)
#define SEGMENT_SIZE (32u << 20)
#define BATCH_KEEP (1u << 20) /* a buffer larger than this is given back after its batch */

/* ---- opening ---- */

static int
fail(char **why, int err, char *words)
{
	if (why)
		*why = words;
	else
		free(words);
	return err;
}

/* Says who has it, for the error's words. */
static long
holder_of(int fd)
{
	char text[32] = "";

	if (pread(fd, text, sizeof(text) - 1, 0) <= 0)
		return 0;
	return strtol(text, NULL, 10);
}

static int
take_lock(struct store *s, char **why)
{
	char *path = xasprintf("%s/lock", s->directory);
	int err = 0;

	s->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (s->lock < 0) {
		err = -errno;
		fail(why, err, xasprintf("%s: %s", path, strerror(-err)));
	} else if (flock(s->lock, LOCK_EX | LOCK_NB) < 0) {
		err = errno == EWOULDBLOCK ? -EBUSY : -errno;
		fail(why, err,
			err == -EBUSY ? xasprintf("%s: process %ld uses this state directory; stop "
						  "it first",
						path, holder_of(s->lock))
				      : xasprintf("%s: %s", path, strerror(-err)));
	} else if (ftruncate(s->lock, 0) < 0 || dprintf(s->lock, "%ld\n", (long)getpid()) < 0) {
		log_debug("%s: the process id was not noted", path); /* a full disk: only words */
	}
	free(path);
	return err;
}

/* Anything of an earlier store: then a missing database is a loss, and not a first start. */
static bool
has_remains(const char *directory)
{
	int dir = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	char *files = xasprintf("%s/files", directory);
	bool remains = file_exists(files);
	uint64_t *numbers = NULL;
	size_t count = 0;

	free(files);
	if (dir >= 0) {
		segment_list(dir, &numbers, &count);
		close(dir);
	}
	free(numbers);
	return remains || count > 0;
}

/* Half a restored store would look like a whole one, or like a first start. */
static int
refuse_half(struct store *s, char **why)
{
	char *mark = xasprintf("%s/" RESTORE_MARK, s->directory);
	bool half = !s->options.restoring && file_exists(mark);

	free(mark);
	if (!half)
		return 0;
	return fail(why, -EBADMSG,
		xasprintf("%s: a backup was being restored into it and that did not end: say the "
			  "same cordond --restore again",
			s->directory));
}

static int
open_database(struct store *s, char **why)
{
	char *left = xasprintf("%s/" DBFILE_NEW, s->directory);
	char *words = NULL;
	int err;

	unlink(left); /* of a checkpoint that was cut off */
	free(left);
	err = dbfile_open(s->directory, STORE_FORMAT, &s->db, &words);
	if (err == -ENOENT && has_remains(s->directory)) {
		free(words);
		return fail(why, -EBADMSG,
			xasprintf("%s/" DBFILE_NAME
				  " is missing, the rest of its state is there; restore the state "
				  "directory from a backup",
				s->directory));
	}
	if (err == -ENOENT) {
		free(words);
		words = NULL;
		err = dbfile_create(s->directory, STORE_FORMAT);
		if (err == 0)
			err = dbfile_open(s->directory, STORE_FORMAT, &s->db, &words);
	}
	if (err == 0) {
		uint64_t sequence = dbfile_head(s->db)->sequence;

		walkfile_clean(s->directory, sequence, sequence); /* what a crash left */
		return 0;
	}
	if (!words)
		words = xasprintf(
			"%s: a new store cannot be made: %s", s->directory, strerror(-err));
	return fail(why, err, words);
}

static int
apply_change(void *arg, struct bytes key, struct bytes value)
{
	struct store *s = arg;

	layer_set(s->active, key, value);
	return 0;
}

static void
replay(void *arg, struct bytes changes)
{
	struct store *s = arg;

	batch_each(changes, apply_change, s);
	s->active_log += changes.len;
	s->numbers.replayed++;
}

static int
open_log(struct store *s, char **why)
{
	const struct dbfile_head *head = dbfile_head(s->db);
	const struct wal_start start = { .directory = s->directory,
		.segment_size = s->options.segment_size,
		.sequence = head->sequence,
		.segment = head->segment };
	char *words = NULL;
	int err = wal_open(&start, replay, s, &s->wal, &words);

	return err < 0 ? fail(why, err, words) : 0;
}

static int
open_directory(struct store *s, char **why)
{
	int err = file_mkdirs(s->directory, 0700);

	if (err < 0)
		return fail(why, err, xasprintf("%s: %s", s->directory, strerror(-err)));
	return 0;
}

static int
open_files(struct store *s, char **why)
{
	int err = largefile_open(s);

	if (err < 0)
		return fail(why, err, xasprintf("%s/files: %s", s->directory, strerror(-err)));
	return 0;
}

static void
store_free(struct store *s)
{
	largefile_close(s);
	wal_close(s->wal);
	dbfile_close(s->db);
	layer_free(s->pending);
	layer_free(s->active);
	layer_free(s->frozen);
	if (s->lock >= 0)
		close(s->lock);
	buf_free(&s->batch);
	free(s->waiters.items);
	free(s->touched.items);
	free(s->short_words);
	free(s->directory);
	free(s);
}

int
store_open(const struct store_options *options, struct store **ret, char **why)
{
	static int (*const steps[])(struct store * s, char **why) = { open_directory, take_lock,
		refuse_half, open_database, open_log, open_files };
	struct store *s = xcalloc(1, sizeof(*s));

	s->options = *options;
	s->directory = xstrdup(options->directory);
	s->options.directory = s->directory;
	if (s->options.table_max == 0)
		s->options.table_max = TABLE_MAX;
	if (s->options.segment_size == 0)
		s->options.segment_size = SEGMENT_SIZE;
	s->lock = -1;
	s->active = layer_new();
	s->pending = layer_new();
	if (why)
		*why = NULL;
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		int err = steps[i](s, why);

		if (err < 0) {
			store_free(s);
			return err;
		}
	}
	*ret = s;
	return 0;
}

void
store_close(struct store *s)
{
	if (!s)
		return;
	store_commit(s);
	checkpoint_close(s);
	backup_close(s);
	store_free(s);
}

/* ---- reading ---- */

static const struct change *
changed(const struct store *s, struct bytes key)
{
	const struct layer *layers[] = { s->pending, s->active, s->frozen };

	for (size_t i = 0; i < sizeof(layers) / sizeof(layers[0]); i++) {
		const struct change *c = layer_get(layers[i], key);

		if (c)
			return c;
	}
	return NULL;
}

static bool
key_usable(struct bytes key)
{
	return key.len > 0 && key.len <= STORE_KEY_MAX && key.data[0] != 0;
}

int
store_get(struct store *s, struct bytes key, struct buf *ret)
{
	const struct change *c;

	if (!key_usable(key))
		return -ENOENT;
	c = changed(s, key);
	if (!c)
		return dbfile_get(s->db, key, ret);
	if (c->deleted)
		return -ENOENT;
	buf_add_bytes(ret, change_value(c));
	return 0;
}

bool
store_has(struct store *s, struct bytes key)
{
	const struct change *c;

	if (!key_usable(key))
		return false;
	c = changed(s, key);
	return c ? !c->deleted : dbfile_has(s->db, key) == 0;
}

bool
store_changing(const struct store *s, struct bytes key)
{
	return layer_get(s->pending, key) != NULL;
}

struct walk {
	struct bytes prefix;
	const struct layer *above[2]; /* layers whose records hide those of the one walked */
	int (*each)(void *arg, struct bytes key, struct bytes value);
	void *arg;
};

static int
walk_layer_record(void *arg, struct bytes key, const struct change *c)
{
	const struct walk *w = arg;

	if (c->deleted || key.len < w->prefix.len ||
		!bytes_eq(bytes_of(key.data, w->prefix.len), w->prefix))
		return 0;
	if (layer_get(w->above[0], key) || layer_get(w->above[1], key))
		return 0;
	return w->each(w->arg, key, change_value(c));
}

struct walk_below {
	const struct store *s;
	int (*each)(void *arg, struct bytes key, struct bytes value);
	void *arg;
};

static bool
is_changed(void *arg, struct bytes key)
{
	const struct walk_below *w = arg;

	return changed(w->s, key) != NULL;
}

static int
walk_below_record(void *arg, struct bytes key, struct bytes value)
{
	const struct walk_below *w = arg;

	return w->each(w->arg, key, value);
}

/* Over what lies below the layers, by the file of walks where there is one. */
static int
walk_below(struct store *s, struct bytes prefix, struct walk_below *w)
{
	const char *letters = s->options.walks.letters;
	int r = -ENOENT;

	if (letters && prefix.len > 0 && strchr(letters, prefix.data[0]))
		r = walkfile_each(s->directory, dbfile_head(s->db), &s->options.walks, prefix,
			is_changed, walk_below_record, w);
	if (r == -ENOENT)
		r = dbfile_each(s->directory, prefix, is_changed, walk_below_record, w);
	return r;
}

int
store_each(struct store *s, struct bytes prefix,
	int (*each)(void *arg, struct bytes key, struct bytes value), void *arg)
{
	struct walk w = { prefix, { NULL, NULL }, each, arg };
	struct walk_below below = { s, each, arg };
	int r = layer_each(s->pending, walk_layer_record, &w);

	if (r == 0) {
		w.above[0] = s->pending;
		r = layer_each(s->active, walk_layer_record, &w);
	}
	if (r == 0 && s->frozen) {
		w.above[1] = s->active;
		r = layer_each(s->frozen, walk_layer_record, &w);
	}
	if (r == 0)
		r = walk_below(s, prefix, &below);
	return r;
}

/* ---- changing ---- */

static int
change(struct store *s, struct bytes key, struct bytes value)
{
	bool first = s->pending_count == 0;

	if (s->numbers.fault != 0)
		return -EROFS;
	if (key.len > STORE_KEY_MAX || value.len > STORE_VALUE_MAX ||
		s->batch.len + key.len + value.len > WAL_BATCH_MAX)
		return -E2BIG;
	if (!key_usable(key))
		return -EINVAL;
	if (first) {
		buf_reserve(&s->batch, WAL_ROOM);
		s->batch.len = WAL_ROOM;
		s->pending_since_us = clock_mono_us();
	}
	batch_add(&s->batch, key, value);
	layer_set(s->pending, key, value);
	s->pending_count++;
	if (first && s->options.on_pending)
		s->options.on_pending(s->options.arg);
	return 0;
}

int
store_put(struct store *s, struct bytes key, struct bytes value)
{
	static const unsigned char nothing[1];

	return change(s, key, value.data ? value : bytes_of(nothing, 0));
}

int
store_delete(struct store *s, struct bytes key)
{
	const struct change *c;

	if (s->numbers.fault != 0)
		return -EROFS;
	if (!key_usable(key))
		return 0;
	c = changed(s, key);
	if (c ? c->deleted : dbfile_has(s->db, key) == -ENOENT)
		return 0; /* no tombstone for what is not there */
	return change(s, key, bytes_of(NULL, 0));
}

bool
store_pending(const struct store *s)
{
	return s->pending_count > 0;
}

size_t
store_pending_count(const struct store *s)
{
	return s->pending_count;
}

int64_t
store_pending_since_us(const struct store *s)
{
	return s->pending_since_us;
}

void
store_wait(struct store *s, void (*done)(void *arg, int err), void *arg)
{
	struct waiters *w = &s->waiters;

	if (s->pending_count == 0) {
		done(arg, 0);
		return;
	}
	if (w->count == w->cap) {
		w->cap = w->cap ? 2 * w->cap : 64;
		w->items = xrealloc(w->items, w->cap * sizeof(*w->items));
	}
	w->items[w->count++] = (struct waiter){ done, arg };
}

/* ---- the commit ---- */

/* What was pending, taken out of the store: callbacks may begin the next batch. */
struct ending {
	struct buf batch;
	struct layer *layer;
	struct waiters waiters;
};

static void
take_pending(struct store *s, struct ending *e)
{
	e->batch = s->batch;
	e->layer = s->pending;
	e->waiters = s->waiters;
	s->batch = (struct buf)BUF_INIT;
	s->pending = layer_new();
	s->waiters = (struct waiters){ 0 };
	s->pending_count = 0;
}

static void
end_pending(struct store *s, struct ending *e, int err)
{
	for (size_t i = 0; i < e->waiters.count; i++)
		e->waiters.items[i].done(e->waiters.items[i].arg, err);
	free(e->waiters.items);
	layer_free(e->layer);
	if (!s->batch.data && e->batch.cap <= BATCH_KEEP) {
		buf_reset(&e->batch);
		s->batch = e->batch;
	} else {
		buf_free(&e->batch);
	}
}

static void
count_commit(struct store *s, size_t changes, size_t bytes, int64_t began_us)
{
	struct store_numbers *n = &s->numbers;
	uint64_t us = (uint64_t)(clock_mono_us() - began_us);

	n->commits++;
	n->changes += changes;
	n->commit_us_total += us;
	if (us > n->commit_us_max)
		n->commit_us_max = us;
	s->active_log += bytes;
}

static int
tell_change(void *arg, struct bytes key, struct bytes value)
{
	struct store *s = arg;

	s->options.on_change(s->options.arg, key, value);
	return 0;
}

static void
refuse_changes(struct store *s, int err)
{
	char *words = xasprintf("%s: the log cannot be written: %s; changes are refused until it "
				"can; see to free space and to the disk",
		s->directory, strerror(-err));

	store_set_fault(s, err, words);
	free(words);
}

int
store_commit(struct store *s)
{
	struct ending e;
	size_t changes = s->pending_count;
	int64_t began = clock_mono_us();
	int err;

	if (changes == 0)
		return 0;
	err = wal_append(s->wal, &s->batch);
	take_pending(s, &e);
	if (err == 0) {
		struct bytes done = bytes_of(e.batch.data + WAL_ROOM, e.batch.len - WAL_ROOM);

		batch_each(done, apply_change, s);
		count_commit(s, changes, e.batch.len, began);
		if (s->options.on_change)
			batch_each(done, tell_change, s);
	}
	largefile_settle(s);
	if (err < 0)
		refuse_changes(s, err);
	end_pending(s, &e, err);
	if (err == 0 && layer_bytes(s->active) > TABLE_OVERRUN * s->options.table_max)
		store_set_fault(s, -ENOBUFS,
			"changes come faster than checkpoints bring them into the database; they "
			"are refused until it has caught up");
	return err;
}

/* ---- faults ---- */

void
store_set_fault(struct store *s, int err, const char *words)
{
	if (s->numbers.fault != 0)
		return;
	s->numbers.fault = err;
	s->probes = 0;
	if (s->options.on_health)
		s->options.on_health(s->options.arg, err, words);
}

void
store_clear_fault(struct store *s)
{
	s->numbers.fault = 0;
	if (s->options.on_health)
		s->options.on_health(s->options.arg, 0, "changes are taken again");
}

static void
try_recovery(struct store *s)
{
	if (layer_bytes(s->active) > TABLE_OVERRUN * s->options.table_max)
		return;
	/* Every other time elsewhere: the place may be what is broken. */
	if (wal_probe(s->wal, s->probes++ % 2 == 1) == 0)
		store_clear_fault(s);
}

void
store_tick(struct store *s, int64_t mono_ms)
{
	s->now_ms = mono_ms;
	if (s->numbers.fault != 0)
		try_recovery(s);
	checkpoint_tick(s);
	largefile_tick(s);
	room_tick(s);
}

void
store_numbers(const struct store *s, struct store_numbers *ret)
{
	*ret = s->numbers;
	ret->table_bytes = layer_bytes(s->active) + layer_bytes(s->frozen);
	ret->table_records = layer_count(s->active) + layer_count(s->frozen);
	ret->log_bytes = s->active_log + s->frozen_log;
	ret->shortage = s->short_words;
}

/* ---- sealing ---- */

int
store_seal(struct store *s, struct bytes key, struct bytes plain, struct buf *out)
{
	return s->options.seal ? seal_lock(s->options.seal, key, plain, out) : -ENOKEY;
}

void
store_set_seal(struct store *s, const struct seal *seal)
{
	s->options.seal = seal;
}

bool
store_sealed(const struct store *s)
{
	return s->options.seal != NULL;
}

int
store_unseal(struct store *s, struct bytes key, struct bytes sealed, struct buf *out)
{
	return s->options.seal ? seal_open(s->options.seal, key, sealed, out) : -ENOKEY;
}
