/*
 * test_store_crash.c - the store's contract: a crash at any byte opens by itself, nothing that was
 * acknowledged is lost, nothing torn is visible
 */
#include "store_bed.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/wal.h"

#define KEYS 40
#define BATCHES 120

/*
 * The model: batch n gives key (n * 7 % KEYS) and two others values that name n, and deletes one.
 * What the store holds after batch n is computed, never remembered.
 */
static void
play_batch(struct store *s, int n)
{
	char key[16], value[320];

	for (int i = 0; i < 3; i++) {
		snprintf(key, sizeof(key), "e%d", (n * 7 + i * 13) % KEYS);
		snprintf(value, sizeof(value), "batch %d change %d %0*d", n, i, 20 + n % 200, n);
		assert_int_equal(store_put(s, bytes_str(key), bytes_str(value)), 0);
	}
	snprintf(key, sizeof(key), "e%d", (n * 11 + 5) % KEYS);
	assert_int_equal(store_delete(s, bytes_str(key)), 0);
}

struct model {
	char value[KEYS][320]; /* "": absent */
};

static void
model_after(struct model *m, int batches)
{
	memset(m, 0, sizeof(*m));
	for (int n = 1; n <= batches; n++) {
		for (int i = 0; i < 3; i++)
			snprintf(m->value[(n * 7 + i * 13) % KEYS], sizeof(m->value[0]),
				"batch %d change %d %0*d", n, i, 20 + n % 200, n);
		m->value[(n * 11 + 5) % KEYS][0] = 0;
	}
}

static bool
holds(struct store *s, const struct model *m)
{
	struct buf got = BUF_INIT;
	bool same = true;
	char key[16];

	for (int k = 0; k < KEYS && same; k++) {
		snprintf(key, sizeof(key), "e%d", k);
		buf_reset(&got);
		int r = store_get(s, bytes_str(key), &got);

		same = m->value[k][0] ? r == 0 && strcmp(buf_str(&got), m->value[k]) == 0
				      : r == -ENOENT;
	}
	buf_free(&got);
	return same;
}

static void
expect_batches(struct bed *b, int batches)
{
	struct model m;

	model_after(&m, batches);
	if (!holds(b->store, &m))
		fail_msg("the store does not hold exactly the first %d batches", batches);
}

static void
close_abruptly(struct bed *b)
{
	/* A fault stops store_close from making a checkpoint: the files stay as they are. */
	bed_log_broken(EIO);
	bed_put(b, "abrupt", "end");
	assert_int_equal(store_commit(b->store), -EIO);
	bed_close(b);
	bed_log_broken(0);
}

/* ---- every byte of the log ---- */

/* Writes BATCHES batches; ends[n] is the size of the log after batch n. */
static void
make_log(struct bed *b, size_t *ends, struct buf *log)
{
	char *path = bed_path(b, "log-1.seg");
	struct stat st;

	b->options.segment_size = 1 << 20;
	bed_open(b);
	ends[0] = 0;
	for (int n = 1; n <= BATCHES; n++) {
		play_batch(b->store, n);
		bed_commit(b);
		assert_int_equal(stat(path, &st), 0);
		ends[n] = (size_t)st.st_size;
	}
	assert_int_equal(file_read(path, 1 << 20, log, NULL), 0);
	log->len = ends[BATCHES];
	expect_batches(b, BATCHES);
	close_abruptly(b);
	free(path);
}

static void
write_log(struct bed *b, const unsigned char *data, size_t len)
{
	char *path = bed_path(b, "log-1.seg");

	bed_write_file(path, data, len);
	free(path);
}

static int
setup(void **state)
{
	*state = bed_new();
	return 0;
}

static int
teardown(void **state)
{
	bed_free(*state);
	return 0;
}

struct collected {
	struct buf changes;
	int batches;
};

static void
collect(void *arg, struct bytes changes)
{
	struct collected *c = arg;

	buf_add_bytes(&c->changes, changes);
	c->batches++;
}

static void
replay_log(struct bed *b, struct collected *c)
{
	const struct wal_start start = { .directory = b->dir, .segment_size = 1 << 20 };
	struct wal *w;
	char *why;

	c->batches = 0;
	buf_reset(&c->changes);
	assert_int_equal(wal_open(&start, collect, c, &w, &why), 0);
	assert_int_equal(wal_sequence(w), c->batches);
	wal_close(w);
}

static void
a_log_cut_at_any_byte_replays_whole_batches(void **state)
{
	struct bed *b = *state;
	size_t ends[BATCHES + 1];
	struct buf log = BUF_INIT;
	struct collected all = { BUF_INIT, 0 }, some = { BUF_INIT, 0 };
	int whole = BATCHES;

	make_log(b, ends, &log);
	assert_true(log.len > 30000);
	write_log(b, log.data, log.len);
	replay_log(b, &all);
	assert_int_equal(all.batches, BATCHES);
	for (size_t len = log.len; len-- > 0;) {
		write_log(b, log.data, len);
		while (whole > 0 && ends[whole] > len)
			whole--;
		replay_log(b, &some);
		if (some.batches != whole ||
			memcmp(some.changes.data, all.changes.data, some.changes.len) != 0)
			fail_msg("cut at byte %zu: not the first %d batches", len, whole);
	}
	assert_int_equal(whole, 0);
	buf_free(&all.changes);
	buf_free(&some.changes);
	buf_free(&log);
}

static bool
near_an_end(const size_t *ends, size_t len)
{
	for (int n = 0; n <= BATCHES; n += 7)
		if (len + 2 >= ends[n] && len <= ends[n] + 2)
			return true;
	return len % 211 == 0;
}

static void
a_store_with_a_cut_log_goes_on_from_there(void **state)
{
	struct bed *b = *state;
	size_t ends[BATCHES + 1];
	struct buf log = BUF_INIT;
	struct model m;
	int whole = 0;

	make_log(b, ends, &log);
	model_after(&m, 0);
	for (size_t len = 0; len <= log.len; len++) {
		while (whole < BATCHES && ends[whole + 1] <= len)
			model_after(&m, ++whole);
		if (!near_an_end(ends, len))
			continue;
		write_log(b, log.data, len);
		bed_open(b);
		if (!holds(b->store, &m))
			fail_msg("cut at byte %zu: not the first %d batches", len, whole);
		bed_put(b, "after", "the cut"); /* over the torn tail */
		bed_commit(b);
		close_abruptly(b);
		bed_open(b);
		bed_expect(b, "after", "the cut");
		assert_true(holds(b->store, &m));
		close_abruptly(b);
	}
	assert_int_equal(whole, BATCHES);
	buf_free(&log);
}

static void
a_damaged_tail_is_left_out_whole(void **state)
{
	struct bed *b = *state;
	size_t ends[BATCHES + 1];
	struct buf log = BUF_INIT;
	struct model before;

	make_log(b, ends, &log);
	model_after(&before, BATCHES - 1);
	for (size_t at = ends[BATCHES - 1]; at < ends[BATCHES]; at++) {
		log.data[at] ^= (unsigned char)(1u << at % 8);
		write_log(b, log.data, log.len);
		log.data[at] ^= (unsigned char)(1u << at % 8);
		bed_open(b);
		if (!holds(b->store, &before))
			fail_msg("damaged at byte %zu: not the batches before", at);
		close_abruptly(b);
	}
	buf_free(&log);
}

/* A segment that was recycled still has batches of its former life behind the new ones. */
static void
stale_batches_behind_the_tail_are_not_taken(void **state)
{
	struct bed *b = *state;
	size_t ends[BATCHES + 1];
	struct buf log = BUF_INIT, mixed = BUF_INIT;
	struct bed *other = bed_new();
	struct buf other_log = BUF_INIT;

	make_log(b, ends, &log);
	make_log(other, ends, &other_log); /* the same batches under another salt */
	for (int n = 0; n <= BATCHES; n += 10) {
		buf_reset(&mixed);
		buf_add(&mixed, log.data, ends[n]);
		buf_add(&mixed, other_log.data + ends[n], other_log.len - ends[n]);
		write_log(b, mixed.data, mixed.len);
		bed_open(b);
		expect_batches(
			b, n == 0 ? BATCHES : n); /* at 0 all of it is the other, and whole */
		close_abruptly(b);
	}
	buf_free(&mixed);
	buf_free(&other_log);
	buf_free(&log);
	bed_free(other);
}

static void
rot_in_the_middle_is_reported_and_kept(void **state)
{
	struct bed *b = *state;
	size_t ends[BATCHES + 1];
	struct buf log = BUF_INIT;
	char *kept = bed_path(b, "log-1.seg");
	struct stat before, after;

	make_log(b, ends, &log);
	log.data[ends[50] + 60] ^= 1;
	write_log(b, log.data, log.len);
	assert_int_equal(stat(kept, &before), 0);
	bed_open(b);
	expect_batches(b, 50);
	bed_put(b, "after", "the rot");
	bed_commit(b); /* goes elsewhere, and wins over what is behind the rot */
	assert_int_equal(stat(kept, &after), 0);
	assert_int_equal(before.st_mtim.tv_nsec, after.st_mtim.tv_nsec);
	close_abruptly(b);
	bed_open(b);
	expect_batches(b, 50);
	bed_expect(b, "after", "the rot");
	buf_free(&log);
	free(kept);
}

static void
a_gap_between_segments_sets_the_rest_aside(void **state)
{
	struct bed *b = *state;
	char *second = bed_path(b, "log-2.seg");
	char *third = bed_path(b, "log-3.seg");
	char *aside = bed_path(b, "log-3.damaged");

	b->options.segment_size = 8 << 10;
	bed_open(b);
	for (int n = 1; n <= BATCHES; n++) {
		play_batch(b->store, n);
		bed_commit(b);
	}
	close_abruptly(b);
	assert_true(file_exists(second) && file_exists(third));
	assert_int_equal(unlink(second), 0);
	bed_open(b);
	assert_true(file_exists(aside));
	assert_false(file_exists(third));
	bed_put(b, "after", "the gap");
	bed_commit(b);
	close_abruptly(b);
	bed_open(b);
	bed_expect(b, "after", "the gap");
	free(second);
	free(third);
	free(aside);
}

/* ---- a kill at every step ---- */

struct play {
	struct bed *bed;
	unsigned long at; /* step at which the child dies */
	int acknowledged; /* pipe */
};

static void
note(int fd, int n)
{
	if (write(fd, &n, sizeof(n)) != sizeof(n))
		_exit(1);
}

/* Commits, checkpoints, commits: dies at its at-th step on the disk. */
static void
play_checkpoints(void *arg)
{
	struct play *p = arg;
	struct bed *b = p->bed;

	if (bed_try_open(b) < 0)
		_exit(2);
	bed_steps_reset(BED_EXIT, p->at, 0);
	for (int n = 21; n <= 32; n++) {
		play_batch(b->store, n);
		if (store_commit(b->store) < 0)
			_exit(3);
		note(p->acknowledged, n);
		if (n % 4 == 0 && store_checkpoint(b->store) < 0)
			_exit(4);
		if (n % 5 == 0)
			store_tick(b->store, n * 1000);
	}
	store_close(b->store);
	_exit(0);
}

/* The number that the child acknowledged last; `otherwise` when none. */
static int
last_note(int fd, int otherwise)
{
	int n, last = otherwise;

	while (read(fd, &n, sizeof(n)) == sizeof(n))
		last = n;
	return last;
}

/* After n acknowledged batches: those, and perhaps the one whose commit was under way. */
static void
expect_acknowledged(struct bed *b, int n, unsigned long at)
{
	struct model m;

	model_after(&m, n);
	if (holds(b->store, &m))
		return;
	model_after(&m, n + 1);
	if (!holds(b->store, &m))
		fail_msg("killed at step %lu: neither %d nor %d batches", at, n, n + 1);
}

static void
a_kill_at_any_step_loses_nothing(void **state)
{
	struct bed *b = *state;
	char start[80];
	int status = BED_EXIT_STATUS;

	b->options.segment_size = 16 << 10;
	bed_open(b);
	for (int n = 1; n <= 20; n++) {
		play_batch(b->store, n);
		bed_commit(b);
		if (n == 10)
			assert_int_equal(store_checkpoint(b->store), 0);
	}
	close_abruptly(b);
	snprintf(start, sizeof(start), "%s.start", b->dir);
	bed_copy_tree(b->dir, start);

	unsigned long at = 1;

	for (; status == BED_EXIT_STATUS; at++) {
		int ends[2];
		struct play p = { b, at, 0 };

		bed_remove_tree(b->dir);
		bed_copy_tree(start, b->dir);
		assert_int_equal(pipe(ends), 0);
		p.acknowledged = ends[1];
		status = bed_child(play_checkpoints, &p);
		close(ends[1]);
		assert_true(status == 0 || status == BED_EXIT_STATUS);
		bed_open(b);
		expect_acknowledged(b, last_note(ends[0], 20), at);
		close(ends[0]);
		if (at % 5 != 0) {
			close_abruptly(b);
			continue;
		}
		/* and it works on */
		bed_put(b, "after", "the kill");
		bed_commit(b);
		assert_int_equal(store_checkpoint(b->store), 0);
		bed_expect(b, "after", "the kill");
		bed_close(b);
	}
	assert_int_equal(status, 0);
	assert_true(at > 100); /* it was killed at that many places */
	bed_remove_tree(start);
}

/* Also the very first start may die anywhere. */
static void
play_first_start(void *arg)
{
	struct play *p = arg;

	bed_steps_reset(BED_EXIT, p->at, 0);
	if (bed_try_open(p->bed) < 0)
		_exit(2);
	play_batch(p->bed->store, 1);
	if (store_commit(p->bed->store) < 0)
		_exit(3);
	note(p->acknowledged, 1);
	store_close(p->bed->store);
	_exit(0);
}

static void
a_kill_during_the_first_start_is_no_loss(void **state)
{
	struct bed *b = *state;
	int status = BED_EXIT_STATUS;
	unsigned long at = 1;

	for (; status == BED_EXIT_STATUS; at++) {
		int ends[2];
		struct play p = { b, at, 0 };

		bed_remove_tree(b->dir);
		assert_int_equal(pipe(ends), 0);
		p.acknowledged = ends[1];
		status = bed_child(play_first_start, &p);
		close(ends[1]);
		assert_true(status == 0 || status == BED_EXIT_STATUS);
		bed_open(b);
		expect_acknowledged(b, last_note(ends[0], 0), at);
		close(ends[0]);
		bed_close(b);
	}
	assert_int_equal(status, 0);
	assert_true(at > 8);
}

/* ---- SIGKILL ---- */

static void
play_for_ever(void *arg)
{
	struct play *p = arg;
	struct bed *b = p->bed;
	int n = (int)p->at;

	if (bed_try_open(b) < 0)
		_exit(2);
	for (;; n++) {
		play_batch(b->store, n);
		if (store_commit(b->store) < 0)
			_exit(3);
		note(p->acknowledged, n);
		store_tick(b->store, (int64_t)n * 1000);
	}
}

static void
killed_at_random_it_keeps_what_it_acknowledged(void **state)
{
	struct bed *b = *state;
	int known = 0, done = 0;

	b->options.segment_size = 32 << 10;
	b->options.table_max = 24 << 10;
	srand(20261124);
	for (int round = 0; round < 50; round++) {
		struct play p = { b, (unsigned long)known + 1, 0 };
		int ends[2], status;

		assert_int_equal(pipe(ends), 0);
		p.acknowledged = ends[1];

		pid_t pid = fork();

		assert_true(pid >= 0);
		if (pid == 0)
			play_for_ever(&p);
		close(ends[1]);

		int last = known;
		struct model m;

		for (int i = rand() % 12; i >= 0; i--)
			assert_int_equal(read(ends[0], &last, sizeof(last)), sizeof(last));
		nanosleep(&(struct timespec){ .tv_nsec = rand() % 4000000 }, NULL);
		kill(pid, SIGKILL);
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status));
		last = last_note(ends[0], last);

		close(ends[0]);
		done += last - known;
		bed_open(b);
		expect_acknowledged(b, last, (unsigned long)round);
		model_after(&m, last);
		known = holds(b->store, &m) ? last : last + 1;
		if (round % 10 == 9)
			bed_close(b); /* now and then an orderly stop between */
		else
			close_abruptly(b);
	}
	assert_true(done > 100);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

static void
quiet(const struct log_record *record)
{
	(void)record;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_log_cut_at_any_byte_replays_whole_batches),
		TEST(a_store_with_a_cut_log_goes_on_from_there),
		TEST(a_damaged_tail_is_left_out_whole),
		TEST(stale_batches_behind_the_tail_are_not_taken),
		TEST(rot_in_the_middle_is_reported_and_kept),
		TEST(a_gap_between_segments_sets_the_rest_aside),
		TEST(a_kill_at_any_step_loses_nothing),
		TEST(a_kill_during_the_first_start_is_no_loss),
		TEST(killed_at_random_it_keeps_what_it_acknowledged),
	};

	log_set_sink(quiet); /* faults are expected here, thousands of them */
	return cmocka_run_group_tests_name("store_crash", tests, NULL, NULL);
}
