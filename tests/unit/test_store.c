/* test_store.c - the store as its callers see it: layers, commits, failures, checkpoints, files */
#include "store_bed.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <gdbm.h>
#include <glob.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/dbhead.h"

static int
setup(void **state)
{
	*state = bed_new();
	bed_open(*state);
	return 0;
}

static int
teardown(void **state)
{
	bed_free(*state);
	return 0;
}

/* ---- records ---- */

static void
values_come_back(void **state)
{
	struct bed *b = *state;

	bed_put(b, "ea", "one");
	bed_expect(b, "ea", "one"); /* before the commit */
	assert_true(store_pending(b->store));
	assert_int_equal(store_pending_count(b->store), 1);
	bed_commit(b);
	assert_false(store_pending(b->store));
	bed_expect(b, "ea", "one");
	bed_put(b, "ea", "two");
	bed_put(b, "ea", "three");
	bed_put(b, "eb", "");
	bed_commit(b);
	bed_expect(b, "ea", "three");
	bed_expect(b, "eb", "");
	bed_expect(b, "ec", NULL);
	assert_int_equal(b->pending_calls, 2); /* once per batch */
	assert_int_equal(b->changes_told, 4);

	bed_close(b);
	bed_open(b);
	bed_expect(b, "ea", "three");
	bed_expect(b, "eb", "");
}

static void
limits_are_kept(void **state)
{
	struct bed *b = *state;
	unsigned char *big = xcalloc(1, STORE_VALUE_MAX + 1);
	struct buf got = BUF_INIT;

	assert_int_equal(store_put(b->store, bytes_of(big, 1), bytes_str("x")), -EINVAL);
	assert_int_equal(store_put(b->store, bytes_of("", 0), bytes_str("x")), -EINVAL);
	assert_int_equal(
		store_put(b->store, bytes_str("k"), bytes_of(big, STORE_VALUE_MAX + 1)), -E2BIG);
	memset(big, 'k', STORE_KEY_MAX + 1);
	assert_int_equal(
		store_put(b->store, bytes_of(big, STORE_KEY_MAX + 1), bytes_str("x")), -E2BIG);
	assert_int_equal(
		store_put(b->store, bytes_of(big, STORE_KEY_MAX), bytes_of(big, STORE_VALUE_MAX)),
		0);
	assert_int_equal(store_pending_count(b->store), 1);
	bed_commit(b);
	bed_close(b);
	bed_open(b);
	assert_int_equal(store_get(b->store, bytes_of(big, STORE_KEY_MAX), &got), 0);
	assert_int_equal(got.len, STORE_VALUE_MAX);
	/* the head of the database is nobody's record */
	assert_int_equal(
		store_get(b->store, bytes_of(DBFILE_HEAD_KEY, DBFILE_HEAD_KEY_LEN), &got), -ENOENT);
	assert_int_equal(bed_count(b, ""), 1);
	buf_free(&got);
	free(big);
}

/* The same key in the database, the table and this turn, in every combination of put and delete. */
static void
layers_hide_each_other(void **state)
{
	struct bed *b = *state;
	char key[3] = "e0";
	size_t alive = 0;

	/* digit = bits: in the database, then table (0 nothing, 1 put, 2 delete), then pending */
	for (int db = 0; db < 2; db++)
		for (int i = 0; i < 9; i++) {
			key[1] = (char)('0' + db * 9 + i);
			if (db)
				bed_put(b, key, "db");
		}
	bed_put(b, "fx", "other");
	bed_commit(b);
	assert_int_equal(store_checkpoint(b->store), 0);
	for (int round = 0; round < 2; round++) {
		const char *what = round ? "pending" : "table";

		for (int i = 0; i < 18; i++) {
			int act = round ? i % 9 / 3 : i % 9 % 3;

			key[1] = (char)('0' + i);
			if (act == 1)
				bed_put(b, key, what);
			else if (act == 2)
				bed_delete(b, key);
		}
		if (round == 0)
			bed_commit(b);
	}
	for (int i = 0; i < 18; i++) {
		int table = i % 9 % 3, pending = i % 9 / 3;
		const char *want = pending == 1	  ? "pending"
				   : pending == 2 ? NULL
				   : table == 1	  ? "table"
				   : table == 2	  ? NULL
				   : i >= 9	  ? "db"
						  : NULL;

		key[1] = (char)('0' + i);
		bed_expect(b, key, want);
		alive += want != NULL;
	}
	assert_int_equal(bed_count(b, "e"), alive);
	assert_int_equal(bed_count(b, ""), alive + 1);
	assert_int_equal(bed_count(b, "f"), 1);
	assert_int_equal(bed_count(b, "g"), 0);
	bed_commit(b);
	assert_int_equal(bed_count(b, "e"), alive);
	assert_int_equal(store_checkpoint(b->store), 0);
	assert_int_equal(bed_count(b, "e"), alive);
}

static int
stop_at_once(void *arg, struct bytes key, struct bytes value)
{
	(void)key;
	(void)value;
	++*(int *)arg;
	return 42;
}

static void
a_walk_ends_when_told(void **state)
{
	struct bed *b = *state;
	int calls = 0;

	bed_put(b, "ea", "1");
	bed_put(b, "eb", "1");
	bed_commit(b);
	assert_int_equal(store_each(b->store, bytes_str("e"), stop_at_once, &calls), 42);
	assert_int_equal(store_checkpoint(b->store), 0);
	assert_int_equal(store_each(b->store, bytes_str("e"), stop_at_once, &calls), 42);
	assert_int_equal(calls, 2);
}

/* Copying what is large for a change that is small is left to the next checkpoint. */
static void
a_large_database_is_not_copied_for_a_small_change(void **state)
{
	struct bed *b = *state;
	struct store_numbers n;
	char key[16];

	bed_close(b);
	b->options.table_max = 1 << 10;
	bed_open(b);
	for (int i = 0; i < 400; i++) {
		snprintf(key, sizeof(key), "g%d", i);
		bed_put(b, key, "a value of some twenty bytes");
		if (i % 20 != 19)
			continue;
		bed_commit(b);
		assert_int_equal(store_checkpoint(b->store), 0);
	}
	bed_close(b);
	bed_open(b);
	store_numbers(b->store, &n);
	assert_int_equal(n.replayed, 0);
	bed_put(b, "g7", "changed");
	bed_commit(b);
	bed_close(b);
	bed_open(b);
	store_numbers(b->store, &n);
	assert_int_equal(n.replayed, 1);
	bed_expect(b, "g7", "changed");
	bed_expect(b, "g8", "a value of some twenty bytes");
}

/* ---- the file of walks ---- */

static void
say_brief(struct bytes key, struct bytes value, struct buf *out)
{
	(void)key;
	buf_add_str(out, "brief ");
	buf_add_bytes(out, value);
}

static int
add_up(void *arg, struct bytes key, struct bytes value)
{
	/* in no order: a sum that no other set of records has */
	unsigned char hash[SHA256_LEN];
	struct buf both = BUF_INIT;

	buf_add_bytes(&both, key);
	buf_add_char(&both, 0);
	buf_add_bytes(&both, value);
	digest_sha256(buf_bytes(&both), hash);
	for (size_t i = 0; i < SHA256_LEN; i++)
		((unsigned char *)arg)[i] ^= hash[i];
	buf_free(&both);
	return 0;
}

static void
assert_walk(struct bed *b, const unsigned char wanted[SHA256_LEN])
{
	unsigned char got[SHA256_LEN] = { 0 };

	assert_int_equal(store_each(b->store, bytes_str("e"), add_up, got), 0);
	assert_memory_equal(got, wanted, SHA256_LEN);
}

/* The path of the only one; the caller's. */
static char *
walk_file(const struct bed *b)
{
	char *pattern = bed_path(b, "walk-*"), *path;
	glob_t g;

	assert_int_equal(glob(pattern, 0, NULL, &g), 0);
	path = xstrdup(g.gl_pathv[g.gl_pathc - 1]);
	globfree(&g);
	free(pattern);
	return path;
}

static void
fill_for_walks(struct bed *b)
{
	char key[16];

	for (int i = 0; i < 8; i++) {
		snprintf(key, sizeof(key), "e%d", i);
		bed_put(b, key, "enrollment");
		snprintf(key, sizeof(key), "g%d", i);
		bed_put(b, key, "something else");
	}
	bed_put(b, "f0", "of another letter");
	bed_commit(b);
	assert_int_equal(store_checkpoint(b->store), 0);
}

static int
note_value(void *arg, struct bytes key, struct bytes value)
{
	if (bytes_eq_str(key, "e3"))
		*(bool *)arg = bytes_eq_str(value, "brief enrollment");
	return 0;
}

static void
walks_get_the_brief_until_a_record_changes(void **state)
{
	struct bed *b = *state;
	bool brief = false;

	bed_close(b);
	b->options.walks.brief = say_brief;
	bed_open(b);
	fill_for_walks(b);
	assert_int_equal(store_each(b->store, bytes_str("e"), note_value, &brief), 0);
	assert_true(brief);
	bed_put(b, "e3", "enrollment");
	assert_int_equal(store_each(b->store, bytes_str("e"), note_value, &brief), 0);
	assert_false(brief);
	bed_delete(b, "e4");
	bed_commit(b);
	assert_int_equal(bed_count(b, "e"), 7);
	assert_int_equal(store_checkpoint(b->store), 0); /* from the last one and the changes */
	assert_int_equal(store_each(b->store, bytes_str("e"), note_value, &brief), 0);
	assert_true(brief);
	assert_int_equal(bed_count(b, "e"), 7);
	assert_int_equal(bed_count(b, "e3"), 1);
	assert_int_equal(bed_count(b, "f"), 1);
	assert_int_equal(bed_count(b, "g"), 8);
	bed_expect(b, "e3", "enrollment"); /* who asks for the record gets it whole */
}

static void
rewrite(const char *path, struct bytes content)
{
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, content.data, content.len), content.len);
	close(fd);
}

/* Whatever becomes of it: a walk finds what the database holds. */
static void
a_damaged_file_of_walks_is_not_used(void **state)
{
	struct bed *b = *state;
	unsigned char wanted[SHA256_LEN] = { 0 };
	struct buf file = BUF_INIT;
	char *path;

	fill_for_walks(b);
	assert_int_equal(store_each(b->store, bytes_str("e"), add_up, wanted), 0);
	path = walk_file(b);
	assert_int_equal(file_read(path, 1 << 20, &file, NULL), 0);
	for (size_t i = 0; i < file.len; i++) {
		file.data[i] ^= (unsigned char)(1u << i % 8);
		rewrite(path, buf_bytes(&file));
		file.data[i] ^= (unsigned char)(1u << i % 8);
		assert_walk(b, wanted);
		rewrite(path, bytes_of(file.data, i));
		assert_walk(b, wanted);
	}
	assert_int_equal(unlink(path), 0);
	assert_walk(b, wanted);
	bed_put(b, "e9", "one more"); /* the next checkpoint has none to begin with */
	bed_commit(b);
	assert_int_equal(store_checkpoint(b->store), 0);
	assert_int_equal(bed_count(b, "e"), 9);
	free(path);
	path = walk_file(b);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(bed_count(b, "e"), 9);
	buf_free(&file);
	free(path);
}

static void
a_file_of_walks_of_another_database_is_not_used(void **state)
{
	struct bed *b = *state;
	struct buf old = BUF_INIT;
	char *path;

	fill_for_walks(b);
	path = walk_file(b);
	assert_int_equal(file_read(path, 1 << 20, &old, NULL), 0);
	free(path);
	bed_put(b, "e9", "one more");
	bed_commit(b);
	bed_close(b);
	bed_open(b);
	path = walk_file(b); /* those of earlier ones are gone after a start */
	rewrite(path, buf_bytes(&old));
	assert_int_equal(bed_count(b, "e"), 9);
	buf_free(&old);
	free(path);
}

/* An update that keeps more of a record: what the version before wrote lacks it. */
static void
a_file_of_walks_of_another_version_is_not_used(void **state)
{
	struct bed *b = *state;
	bool brief = true;

	bed_close(b);
	b->options.walks.brief = say_brief;
	b->options.walks.meaning = 1;
	bed_open(b);
	fill_for_walks(b);
	bed_close(b);
	b->options.walks.brief = NULL;
	b->options.walks.meaning = 2;
	bed_open(b);
	assert_int_equal(store_each(b->store, bytes_str("e"), note_value, &brief), 0);
	assert_false(brief);
	bed_put(b, "e9", "one more"); /* nor is the next file made from it */
	bed_commit(b);
	assert_int_equal(store_checkpoint(b->store), 0);
	brief = true;
	assert_int_equal(store_each(b->store, bytes_str("e"), note_value, &brief), 0);
	assert_false(brief);
	assert_int_equal(bed_count(b, "e"), 9);
}

static void
deleting_nothing_costs_nothing(void **state)
{
	struct bed *b = *state;

	bed_delete(b, "enothing");
	assert_false(store_pending(b->store));
	bed_put(b, "ea", "1");
	bed_commit(b);
	bed_delete(b, "ea");
	bed_delete(b, "ea");
	assert_int_equal(store_pending_count(b->store), 1);
	bed_commit(b);
	bed_expect(b, "ea", NULL);
}

static void
waiters_hear_of_the_commit(void **state)
{
	struct bed *b = *state;

	store_wait(b->store, bed_waiter, b);
	assert_int_equal(b->waits_ok, 1); /* nothing pending: at once */
	bed_put(b, "ea", "1");
	for (int i = 0; i < 200; i++)
		store_wait(b->store, bed_waiter, b);
	assert_int_equal(b->waits_ok, 1);
	bed_commit(b);
	assert_int_equal(b->waits_ok, 201);
}

struct again {
	struct bed *bed;
	int calls;
};

static void
change_again(void *arg, int err)
{
	struct again *a = arg;

	assert_int_equal(err, 0);
	if (a->calls++ > 0)
		return;
	bed_put(a->bed, "enext", "turn");
	store_wait(a->bed->store, change_again, a);
}

static void
a_waiter_may_begin_the_next_batch(void **state)
{
	struct bed *b = *state;
	struct again a = { b, 0 };

	bed_put(b, "ea", "1");
	store_wait(b->store, change_again, &a);
	bed_commit(b);
	assert_int_equal(a.calls, 1);
	assert_int_equal(store_pending_count(b->store), 1);
	bed_commit(b);
	assert_int_equal(a.calls, 2);
	bed_expect(b, "enext", "turn");
}

/* ---- failures ---- */

static void
check_failed_commit(struct bed *b, int err)
{
	struct store_numbers n;

	bed_put(b, "kept", "before");
	bed_commit(b);
	bed_log_broken(err);
	bed_put(b, "kept", "after");
	bed_put(b, "new", "x");
	store_wait(b->store, bed_waiter, b);
	assert_int_equal(store_commit(b->store), -err);
	assert_int_equal(b->waits_failed, 1);
	assert_int_equal(b->last_health, -err);
	assert_non_null(strstr(b->last_words, b->dir));
	bed_expect(b, "kept", "before"); /* reads go on, nothing of it is visible */
	bed_expect(b, "new", NULL);
	assert_int_equal(store_put(b->store, bytes_str("new"), bytes_str("y")), -EROFS);
	assert_int_equal(store_delete(b->store, bytes_str("kept")), -EROFS);
	assert_false(store_pending(b->store));
	for (int i = 1; i <= 4; i++)
		store_tick(b->store, i * 1000);
	assert_int_equal(store_put(b->store, bytes_str("new"), bytes_str("y")), -EROFS);
	assert_int_equal(b->health_calls, 1);
	store_numbers(b->store, &n);
	assert_int_equal(n.fault, -err);

	bed_log_broken(0);
	store_tick(b->store, 5000);
	assert_int_equal(b->health_calls, 2);
	assert_int_equal(b->last_health, 0);
	bed_put(b, "new", "z");
	bed_commit(b);
}

static void
a_full_disk_refuses_changes_and_recovers(void **state)
{
	check_failed_commit(*state, ENOSPC);
}

/* What was refused for its size must fit before changes are taken again. */
static void
a_little_room_is_no_recovery(void **state)
{
	struct bed *b = *state;
	char large[24 << 10], name[48];
	struct store_numbers n;

	memset(large, 'x', sizeof(large) - 1);
	large[sizeof(large) - 1] = 0;
	for (int i = 0; i < 2; i++) {
		bed_put(b, i ? "b" : "a", large);
		bed_commit(b);
	}
	/* No next segment can be made: what has its name is none. */
	for (int i = 1; i < 9; i++) {
		char *path;

		snprintf(name, sizeof(name), "log-%d.seg", i);
		path = bed_path(b, name);
		if (access(path, F_OK) != 0)
			assert_int_equal(mkdir(path, 0700), 0);
		free(path);
	}
	bed_put(b, "c", large);
	assert_true(store_commit(b->store) < 0);
	for (int i = 1; i <= 4; i++) {
		store_tick(b->store, i * 1000);
		store_numbers(b->store, &n);
		assert_int_not_equal(n.fault, 0);
	}
	for (int i = 1; i < 9; i++) {
		char *path;

		snprintf(name, sizeof(name), "log-%d.seg", i);
		path = bed_path(b, name);
		rmdir(path); /* fails for the segments that are some */
		free(path);
	}
	store_tick(b->store, 5000);
	store_numbers(b->store, &n);
	assert_int_equal(n.fault, 0);
	bed_put(b, "c", large);
	bed_commit(b);
}

static void
a_broken_disk_refuses_changes_and_recovers(void **state)
{
	check_failed_commit(*state, EIO);
}

/* The state as a crash leaves it now: a copy of the directory. */
static struct bed *
crashed_copy(struct bed *b)
{
	struct bed *copy = bed_new();

	bed_copy_tree(b->dir, copy->dir);
	bed_open(copy);
	return copy;
}

static const char *
shortage(struct bed *b)
{
	struct store_numbers n;

	store_numbers(b->store, &n);
	assert_int_equal(n.fault, 0);
	return n.shortage;
}

static int
never(void *arg, void (*work)(void *job), void (*done)(void *job), void *job)
{
	(void)arg, (void)work, (void)done, (void)job;
	return -EBUSY;
}

/* A person hears of it while the reserve still lasts. */
static void
little_room_is_said_before_changes_are_refused(void **state)
{
	struct bed *b = *state;
	char *spare = bed_path(b, "spare.seg");

	store_tick(b->store, 1000);
	assert_null(shortage(b));
	bed_close(b);
	unlink(spare);
	assert_int_equal(mkdir(spare, 0700), 0);
	bed_open(b);
	bed_put(b, "e", "taken");
	bed_commit(b);
	store_tick(b->store, 1000);
	assert_non_null(strstr(shortage(b), "cannot be prepared (Is a directory)"));
	bed_put(b, "e", "taken still");
	bed_commit(b);
	assert_int_equal(rmdir(spare), 0);
	store_tick(b->store, 20000); /* not yet tried again */
	assert_non_null(shortage(b));
	store_tick(b->store, 31001);
	assert_null(shortage(b));
	free(spare);

	bed_close(b);
	b->options.segment_size = (size_t)1 << 60;
	b->options.submit = never;
	bed_open(b);
	store_tick(b->store, 1000);
	assert_non_null(strstr(shortage(b), "MiB are free on its file system"));
	bed_close(b);
	b->options.segment_size = 64 << 10;
	b->options.submit = NULL;
	bed_open(b);
	bed_expect(b, "e", "taken still");
}

static size_t
segments(const struct bed *b)
{
	DIR *d = opendir(b->dir);
	const struct dirent *entry;
	size_t n = 0;

	assert_non_null(d);
	while ((entry = readdir(d)))
		n += strncmp(entry->d_name, "log-", 4) == 0;
	closedir(d);
	return n;
}

static void
a_long_fault_leaves_no_litter(void **state)
{
	struct bed *b = *state;

	bed_put(b, "e", "before");
	bed_commit(b);
	bed_log_broken(ENOSPC);
	bed_put(b, "e", "refused");
	assert_int_equal(store_commit(b->store), -ENOSPC);
	for (int i = 1; i <= 100; i++)
		store_tick(b->store, i * 1000);
	assert_true(segments(b) <= 3);
	bed_log_broken(0);
	store_tick(b->store, 101000);
	assert_int_equal(b->last_health, 0);
	bed_put(b, "e", "after");
	bed_commit(b);

	struct bed *copy = crashed_copy(b);

	bed_expect(copy, "e", "after");
	bed_free(copy);
}

static void
a_forgotten_batch_stays_forgotten_after_a_crash(void **state)
{
	struct bed *b = *state;
	struct bed *copy;

	for (int probes = 1; probes <= 4; probes++) {
		/* The write reaches the disk whole and only the sync fails. */
		bed_put(b, "kept", "before");
		bed_commit(b);
		bed_put(b, "kept", "forgotten, and longer than what comes in its place");
		bed_steps_reset(BED_FAIL, 2, EIO); /* pwrite, fdatasync */
		assert_int_equal(store_commit(b->store), -EIO);
		bed_log_broken(EIO); /* so the log moves on to another segment every other time */
		for (int i = 1; i < probes; i++)
			store_tick(b->store, 1000 * i);
		bed_log_broken(0);
		store_tick(b->store, 9000);
		bed_put(b, "new", "acknowledged");
		bed_commit(b);
		bed_put(b, "last", probes & 1 ? "odd" : "even");
		bed_commit(b);

		copy = crashed_copy(b);
		bed_expect(copy, "kept", "before");
		bed_expect(copy, "new", "acknowledged");
		bed_expect(copy, "last", probes & 1 ? "odd" : "even");
		bed_free(copy);
	}
}

static void
every_failing_step_of_a_commit_is_survived(void **state)
{
	struct bed *b = *state;
	char value[32];

	for (unsigned long at = 1;; at++) {
		snprintf(value, sizeof(value), "round %lu", at);
		bed_put(b, "e", value);
		bed_steps_reset(BED_FAIL, at, EIO);
		if (store_commit(b->store) == 0)
			break;
		bed_steps_reset(BED_NONE, 0, 0);
		store_tick(b->store, (int64_t)at * 1000);
		assert_int_equal(b->last_health, 0);
	}
	struct bed *copy = crashed_copy(b);

	bed_expect(copy, "e", value);
	bed_free(copy);
}

/* ---- checkpoints ---- */

static void
fill(struct bed *b, int from, int to, const char *text)
{
	char key[32], value[128];

	for (int i = from; i < to; i++) {
		snprintf(key, sizeof(key), "e%d", i);
		snprintf(value, sizeof(value), "%s %d %064d", text, i, i);
		bed_put(b, key, value);
		if (i % 10 == 9)
			bed_commit(b);
	}
	bed_commit(b);
}

static void
expect_filled(struct bed *b, int from, int to, const char *text)
{
	char key[32], value[128];

	for (int i = from; i < to; i++) {
		snprintf(key, sizeof(key), "e%d", i);
		snprintf(value, sizeof(value), "%s %d %064d", text, i, i);
		bed_expect(b, key, value);
	}
}

static void
a_checkpoint_empties_table_and_log(void **state)
{
	struct bed *b = *state;
	struct store_numbers n;

	fill(b, 0, 500, "first");
	store_numbers(b->store, &n);
	assert_int_equal(n.table_records, 500);
	assert_true(n.log_bytes > 500 * 64);
	assert_int_equal(store_checkpoint(b->store), 0);
	store_numbers(b->store, &n);
	assert_int_equal(n.table_records, 0);
	assert_int_equal(n.log_bytes, 0);
	assert_int_equal(n.checkpoints, 1);
	expect_filled(b, 0, 500, "first");
	fill(b, 100, 200, "second");
	bed_delete(b, "e300");
	bed_commit(b);

	struct bed *copy = crashed_copy(b);

	store_numbers(copy->store, &n);
	assert_int_equal(n.replayed, 11);
	expect_filled(copy, 0, 100, "first");
	expect_filled(copy, 100, 200, "second");
	bed_expect(copy, "e300", NULL);
	assert_int_equal(bed_count(copy, "e"), 499);
	bed_free(copy);
}

static void
ticks_checkpoint_by_size_and_prepare_segments(void **state)
{
	struct bed *b = *state;
	struct store_numbers n;
	char *next;

	bed_close(b);
	b->options.table_max = 32 << 10;
	bed_open(b);
	bed_put(b, "ea", "1");
	bed_commit(b);
	store_tick(b->store, 1000);
	next = bed_path(b, "log-2.seg");
	assert_true(file_exists(next)); /* the one that was made in a hurry was left for it */
	free(next);
	fill(b, 0, 300, "many");
	store_tick(b->store, 2000);
	store_numbers(b->store, &n);
	assert_int_equal(n.checkpoints, 1);
	assert_int_equal(n.table_records, 0);
	expect_filled(b, 0, 300, "many");
	for (int i = 0; i < 20; i++) {
		fill(b, 0, 300, "more");
		store_tick(b->store, 3000 + 1000 * i);
	}
	store_numbers(b->store, &n);
	assert_true(n.checkpoints > 10);
	expect_filled(b, 0, 300, "more");
}

static void
a_log_longer_than_a_segment_goes_on_in_the_next(void **state)
{
	struct bed *b = *state;
	struct bed *copy;
	unsigned char *big = xcalloc(1, 200 << 10);
	struct buf got = BUF_INIT;

	fill(b, 0, 2000, "long");
	memset(big, 7, 200 << 10); /* more than a whole segment */
	assert_int_equal(store_put(b->store, bytes_str("big"), bytes_of(big, 200 << 10)), 0);
	bed_commit(b);
	fill(b, 2000, 2100, "long");
	copy = crashed_copy(b);
	expect_filled(copy, 0, 2100, "long");
	assert_int_equal(store_get(copy->store, bytes_str("big"), &got), 0);
	assert_true(bytes_eq(buf_bytes(&got), bytes_of(big, 200 << 10)));
	fill(copy, 0, 100, "again");
	bed_free(copy);
	buf_free(&got);
	free(big);
}

static void
a_failed_checkpoint_loses_nothing(void **state)
{
	struct bed *b = *state;
	struct store_numbers n;
	int64_t now = 0;
	unsigned failures = 0;

	fill(b, 0, 40, "db");
	assert_int_equal(store_checkpoint(b->store), 0);
	for (unsigned long at = 1;; at++) {
		uint64_t before;

		fill(b, 10, 20, at & 1 ? "odd" : "even");
		bed_put(b, "e30", at & 1 ? "odd" : "even");
		bed_commit(b);
		store_numbers(b->store, &n);
		before = n.checkpoints;
		bed_steps_reset(BED_FAIL, at, at % 3 ? EIO : ENOSPC);
		assert_int_equal(store_checkpoint(b->store), 0);
		bool reached = bed_steps() >= at;

		bed_steps_reset(BED_NONE, 0, 0);
		store_numbers(b->store, &n);
		failures += n.checkpoints == before;
		expect_filled(b, 10, 20, at & 1 ? "odd" : "even");
		expect_filled(b, 0, 10, "db");
		bed_expect(b, "e30", at & 1 ? "odd" : "even");

		struct bed *copy = crashed_copy(b);

		expect_filled(copy, 10, 20, at & 1 ? "odd" : "even");
		expect_filled(copy, 0, 10, "db");
		assert_int_equal(bed_count(copy, "e"), 40);
		bed_free(copy);
		/* what stayed frozen goes in at the next attempt */
		now += 60000;
		store_tick(b->store, now);
		expect_filled(b, 10, 20, at & 1 ? "odd" : "even");
		if (!reached)
			break;
	}
	assert_true(failures > 10);
	fill(b, 0, 40, "end");
	assert_int_equal(store_checkpoint(b->store), 0);
	bed_close(b);
	bed_open(b);
	expect_filled(b, 0, 40, "end");
}

static void
a_database_that_has_grown_is_rebuilt(void **state)
{
	struct bed *b = *state;
	char *path = bed_path(b, DBFILE_NAME);
	unsigned char *big = xcalloc(1, 100 << 10);
	struct stat grown, rebuilt;
	char key[16];

	for (int i = 0; i < 100; i++) {
		snprintf(key, sizeof(key), "b%d", i);
		assert_int_equal(store_put(b->store, bytes_str(key), bytes_of(big, 100 << 10)), 0);
	}
	fill(b, 0, 100, "stay");
	assert_int_equal(store_checkpoint(b->store), 0);
	for (int i = 0; i < 95; i++) {
		snprintf(key, sizeof(key), "b%d", i);
		bed_delete(b, key);
	}
	bed_commit(b);
	assert_int_equal(store_checkpoint(b->store), 0);
	assert_int_equal(stat(path, &grown), 0);
	assert_true(grown.st_size > 8 << 20); /* files never shrink by themselves */
	bed_put(b, "e5", "changed");
	bed_delete(b, "e6");
	bed_commit(b);
	assert_int_equal(store_checkpoint(b->store), 0);
	assert_int_equal(stat(path, &rebuilt), 0);
	assert_true(rebuilt.st_size < 2 << 20);
	assert_int_equal(bed_count(b, "b"), 5);
	bed_expect(b, "e5", "changed");
	bed_expect(b, "e6", NULL);
	expect_filled(b, 7, 100, "stay");
	bed_close(b);
	bed_open(b);
	assert_int_equal(bed_count(b, ""), 5 + 99);
	free(big);
	free(path);
}

/* ---- a real worker thread ---- */

struct job {
	struct job *next;
	void (*work)(void *job);
	void (*done)(void *job);
	void *job;
};

struct thread {
	pthread_t id;
	pthread_mutex_t lock;
	pthread_cond_t more;
	struct job *todo, *finished;
	bool stop;
	int busy; /* answer -EBUSY that many times */
};

static struct thread worker;

static void *
run_jobs(void *arg)
{
	struct thread *t = arg;

	pthread_mutex_lock(&t->lock);
	for (;;) {
		struct job *j = t->todo;

		if (!j && t->stop)
			break;
		if (!j) {
			pthread_cond_wait(&t->more, &t->lock);
			continue;
		}
		t->todo = j->next;
		pthread_mutex_unlock(&t->lock);
		j->work(j->job);
		pthread_mutex_lock(&t->lock);
		j->next = t->finished;
		t->finished = j;
	}
	pthread_mutex_unlock(&t->lock);
	return NULL;
}

static int
submit(void *arg, void (*work)(void *job), void (*done)(void *job), void *job)
{
	struct job *j, **end;

	(void)arg;
	if (worker.busy > 0) {
		worker.busy--;
		return -EBUSY;
	}
	j = xcalloc(1, sizeof(*j));
	*j = (struct job){ NULL, work, done, job };
	pthread_mutex_lock(&worker.lock);
	for (end = &worker.todo; *end; end = &(*end)->next)
		;
	*end = j;
	pthread_cond_signal(&worker.more);
	pthread_mutex_unlock(&worker.lock);
	return 0;
}

/* What the loop does when the worker tells it that jobs have ended. */
static void
hear(void)
{
	struct job *j, *next;

	pthread_mutex_lock(&worker.lock);
	j = worker.finished;
	worker.finished = NULL;
	pthread_mutex_unlock(&worker.lock);
	for (; j; j = next) {
		next = j->next;
		j->done(j->job);
		free(j);
	}
}

static void
start_worker(void)
{
	memset(&worker, 0, sizeof(worker));
	pthread_mutex_init(&worker.lock, NULL);
	pthread_cond_init(&worker.more, NULL);
	assert_int_equal(pthread_create(&worker.id, NULL, run_jobs, &worker), 0);
}

static void
stop_worker(void)
{
	pthread_mutex_lock(&worker.lock);
	worker.stop = true;
	pthread_cond_signal(&worker.more);
	pthread_mutex_unlock(&worker.lock);
	pthread_join(worker.id, NULL);
	hear();
}

static void
checkpoints_run_beside_commits(void **state)
{
	struct bed *b = *state;
	struct store_numbers n;
	char text[32];
	uint64_t wanted = 8;
	int round = 0;

	bed_close(b);
	b->options.submit = submit;
	b->options.table_max = 64 << 10;
	start_worker();
	worker.busy = 3; /* a full queue only puts it off */
	bed_open(b);
	do {
		snprintf(text, sizeof(text), "round %d", round++);
		fill(b, 0, 200, text);
		bed_delete(b, "e7");
		bed_commit(b);
		bed_expect(b, "e7", NULL);
		hear();
		store_tick(b->store, round * 1000);
		if (round % 20 == 0) {
			expect_filled(b, 8, 200, text);
			assert_int_equal(bed_count(b, "e"), 199);
		}
		store_numbers(b->store, &n);
	} while (n.checkpoints < wanted && round < 5000);
	assert_true(n.checkpoints >= wanted);
	assert_int_equal(n.fault, 0);

	/* closing while a checkpoint runs, and hearing of it only afterwards */
	fill(b, 0, 200, "last");
	store_checkpoint(b->store);
	bed_put(b, "ezz", "not yet committed");
	bed_close(b);
	stop_worker();
	b->options.submit = NULL;
	bed_open(b);
	expect_filled(b, 0, 200, "last");
	bed_expect(b, "ezz", "not yet committed");
	store_numbers(b->store, &n);
	assert_int_equal(n.replayed, 0);
}

static void
changes_faster_than_checkpoints_are_refused(void **state)
{
	struct bed *b = *state;

	bed_close(b);
	b->options.table_max = 16 << 10;
	b->options.submit = submit;
	start_worker();
	worker.busy = 1000000; /* none can start */
	bed_open(b);
	for (int i = 0; b->last_health == 0 && i < 1000; i++) {
		char key[16], value[256];

		snprintf(key, sizeof(key), "e%d", i);
		snprintf(value, sizeof(value), "%0200d", i);
		bed_put(b, key, value);
		bed_commit(b);
	}
	assert_int_equal(b->last_health, -ENOBUFS);
	assert_int_equal(store_put(b->store, bytes_str("x"), bytes_str("y")), -EROFS);
	store_tick(b->store, 1000);
	assert_int_equal(b->last_health, -ENOBUFS);
	worker.busy = 0;
	for (int i = 0; b->last_health != 0 && i < 500; i++) {
		store_tick(b->store, 2000 + 1000 * i);
		usleep(10000);
		hear();
	}
	assert_int_equal(b->last_health, 0);
	bed_put(b, "x", "y");
	bed_commit(b);
	bed_close(b);
	stop_worker();
}

/* ---- opening ---- */

static void
one_daemon_at_a_time(void **state)
{
	struct bed *b = *state;
	struct store *first = b->store;
	char pid[32];

	snprintf(pid, sizeof(pid), "process %ld ", (long)getpid());
	assert_int_equal(bed_try_open(b), -EBUSY);
	assert_non_null(strstr(b->last_words, pid));
	b->store = first;
}

static void
modes_are_private(void **state)
{
	static const char *const names[] = { "lock", "state.gdbm", "log-1.seg", "log-2.seg" };
	struct bed *b = *state;
	struct stat st;
	mode_t old = umask(0);

	bed_put(b, "ea", "1");
	bed_commit(b);
	store_tick(b->store, 1000);
	assert_int_equal(store_checkpoint(b->store), 0);
	bed_put(b, "ea", "1");
	bed_commit(b);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		char *path = bed_path(b, names[i]);

		if (stat(path, &st) == 0)
			assert_int_equal(st.st_mode & 07777, 0600);
		else
			assert_int_equal(i, 2); /* dropped by the checkpoint */
		free(path);
	}
	umask(old);
}

static void
an_empty_database_is_refused_with_words(void **state)
{
	struct bed *b = *state;
	char *path = bed_path(b, "state.gdbm");

	bed_close(b);
	assert_int_equal(truncate(path, 0), 0);
	assert_int_equal(bed_try_open(b), -EBADMSG);
	assert_non_null(strstr(b->last_words, "state.gdbm"));
	assert_non_null(strstr(b->last_words, "backup"));
	free(path);
}

static void
a_missing_database_beside_its_log_is_refused(void **state)
{
	struct bed *b = *state;
	char *path = bed_path(b, "state.gdbm");

	bed_put(b, "ea", "1");
	bed_commit(b);
	bed_close(b);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(bed_try_open(b), -EBADMSG);
	assert_non_null(strstr(b->last_words, "missing"));
	free(path);
}

static void
garbage_and_foreign_databases_are_refused(void **state)
{
	struct bed *b = *state;
	char *path = bed_path(b, "state.gdbm");
	GDBM_FILE db;

	bed_close(b);
	assert_int_equal(file_write_atomic(path, bytes_str("this is no database at all"), 0600,
				 FILE_KEEP_OWNER, (gid_t)FILE_KEEP_OWNER),
		0);
	assert_true(bed_try_open(b) < 0);
	assert_non_null(strstr(b->last_words, "state.gdbm"));
	db = gdbm_open(path, 0, GDBM_NEWDB, 0600, NULL);
	assert_non_null(db);
	gdbm_close(db);
	assert_int_equal(bed_try_open(b), -EBADMSG);
	free(path);
}

static void
a_newer_format_is_refused_politely(void **state)
{
	struct bed *b = *state;

	bed_close(b);
	bed_remove_tree(b->dir);
	assert_int_equal(mkdir(b->dir, 0700), 0);
	assert_int_equal(dbfile_create(b->dir, STORE_FORMAT + 1), 0);
	assert_int_equal(bed_try_open(b), -EPROTO);
	assert_non_null(strstr(b->last_words, "newer"));
}

/* ---- sealing and large files ---- */

static void
another_key_hides_only_what_is_sealed(void **state)
{
	static const unsigned char other[SEAL_KEY_LEN] = { 9 };
	struct bed *b = *state;
	struct buf sealed = BUF_INIT, plain = BUF_INIT;
	struct bytes key = bytes_str("usecret");
	struct seal *right = b->seal;
	char name[65];

	assert_int_equal(store_seal(b->store, key, bytes_str("the PIN"), &sealed), 0);
	assert_int_equal(store_put(b->store, key, buf_bytes(&sealed)), 0);
	assert_int_equal(store_file_put(b->store, bytes_str("a long answer"), name), 0);
	bed_put(b, "eplain", "seen");
	bed_commit(b);
	bed_close(b);
	b->seal = seal_new(other);
	b->options.seal = b->seal;
	bed_open(b);
	bed_expect(b, "eplain", "seen");
	assert_int_equal(store_unseal(b->store, key, buf_bytes(&sealed), &plain), -EBADMSG);
	assert_int_equal(store_file_get(b->store, name, 1000, &plain), -EBADMSG);
	assert_int_equal(plain.len, 0);
	bed_close(b);
	b->options.seal = NULL;
	bed_open(b);
	assert_int_equal(store_unseal(b->store, key, buf_bytes(&sealed), &plain), -ENOKEY);
	assert_int_equal(store_file_put(b->store, bytes_str("x"), name), -ENOKEY);
	bed_close(b);
	seal_free(b->seal);
	b->seal = right;
	b->options.seal = right;
	bed_open(b);
	assert_int_equal(store_unseal(b->store, key, buf_bytes(&sealed), &plain), 0);
	assert_string_equal(buf_str(&plain), "the PIN");
	buf_free(&plain);
	/* moved to another record it does not open */
	assert_int_equal(
		store_unseal(b->store, bytes_str("uother"), buf_bytes(&sealed), &plain), -EBADMSG);
	buf_free(&sealed);
	buf_free(&plain);
}

static bool
file_there(struct bed *b, const char *name)
{
	char *path = xasprintf("%s/files/%s", b->dir, name);
	bool yes = file_exists(path);

	free(path);
	return yes;
}

static void
large_files_round_trip(void **state)
{
	struct bed *b = *state;
	struct buf content = BUF_INIT, got = BUF_INIT;
	char name[65];

	for (int i = 0; i < 5000; i++)
		buf_printf(&content, "<key>Application %d</key>\n", i);
	assert_int_equal(store_file_put(b->store, buf_bytes(&content), name), 0);
	bed_commit(b);
	assert_int_equal(store_file_get(b->store, name, content.len, &got), 0);
	assert_true(bytes_eq(buf_bytes(&content), buf_bytes(&got)));
	buf_reset(&got);
	assert_int_equal(store_file_get(b->store, name, content.len - 1, &got), -EFBIG);
	assert_int_equal(store_file_get(b->store, "../state.gdbm", 1000, &got), -ENOENT);
	name[0] = name[0] == '0' ? '1' : '0';
	assert_int_equal(store_file_get(b->store, name, 1000, &got), -ENOENT);
	buf_free(&content);
	buf_free(&got);
}

static void
a_damaged_large_file_is_found_out(void **state)
{
	struct bed *b = *state;
	struct buf file = BUF_INIT, got = BUF_INIT;
	char name[65];
	char *path;

	assert_int_equal(store_file_put(b->store, bytes_str("an answer of some size"), name), 0);
	bed_commit(b);
	path = xasprintf("%s/files/%s", b->dir, name);
	assert_int_equal(file_read(path, 100000, &file, NULL), 0);
	for (size_t i = 0; i < file.len; i++) {
		struct buf bad = BUF_INIT;

		buf_add_bytes(&bad, buf_bytes(&file));
		bad.data[i] ^= 0x10;
		assert_int_equal(file_write_atomic(path, buf_bytes(&bad), 0600, FILE_KEEP_OWNER,
					 (gid_t)FILE_KEEP_OWNER),
			0);
		assert_int_equal(store_file_get(b->store, name, 1000, &got), -EBADMSG);
		bad.len = i;
		assert_int_equal(file_write_atomic(path, buf_bytes(&bad), 0600, FILE_KEEP_OWNER,
					 (gid_t)FILE_KEEP_OWNER),
			0);
		assert_int_equal(store_file_get(b->store, name, 1000, &got), -EBADMSG);
		buf_free(&bad);
	}
	assert_int_equal(got.len, 0);
	free(path);
	buf_free(&file);
	buf_free(&got);
}

static void
large_files_live_as_long_as_references(void **state)
{
	struct bed *b = *state;
	struct buf got = BUF_INIT;
	char name[65], lost[65], undone[65];

	assert_int_equal(store_file_put(b->store, bytes_str("content"), name), 0);
	assert_int_equal(store_file_put(b->store, bytes_str("content"), name), 0);
	bed_commit(b);
	store_file_drop(b->store, name);
	bed_commit(b);
	assert_true(file_there(b, name));
	store_file_drop(b->store, name);
	assert_true(file_there(b, name)); /* until the commit */
	bed_log_broken(EIO);
	assert_int_equal(store_commit(b->store), -EIO);
	bed_log_broken(0);
	store_tick(b->store, 1000);
	assert_true(file_there(b, name)); /* the drop was forgotten */
	store_file_drop(b->store, name);
	assert_int_equal(store_file_put(b->store, bytes_str("content"), undone), 0);
	bed_commit(b);
	assert_true(file_there(b, name)); /* dropped and put again in one turn */
	store_file_drop(b->store, name);
	bed_commit(b);
	assert_false(file_there(b, name));

	assert_int_equal(store_file_put(b->store, bytes_str("never committed"), lost), 0);
	assert_true(file_there(b, lost));
	bed_log_broken(EIO);
	assert_int_equal(store_commit(b->store), -EIO);
	bed_log_broken(0);
	assert_false(file_there(b, lost)); /* forgotten with its batch */
	buf_free(&got);
}

static void
the_sweep_finds_what_a_crash_left(void **state)
{
	struct bed *b = *state;
	char kept[65], lost[65];
	struct bed *copy;

	assert_int_equal(store_file_put(b->store, bytes_str("kept"), kept), 0);
	bed_commit(b);
	assert_int_equal(store_file_put(b->store, bytes_str("lost"), lost), 0);
	copy = bed_new();
	bed_copy_tree(b->dir, copy->dir);
	char *left = xasprintf("%s/files/.cordon-0011.tmp", copy->dir);

	assert_int_equal(file_write_atomic(left, bytes_str("x"), 0600, FILE_KEEP_OWNER,
				 (gid_t)FILE_KEEP_OWNER),
		0);
	bed_open(copy);
	assert_true(file_there(copy, lost));
	for (int i = 1; i < 5; i++)
		store_tick(copy->store, i * 1000);
	assert_true(file_there(copy, kept));
	assert_false(file_there(copy, lost));
	assert_false(file_exists(left));
	free(left);
	bed_free(copy);
	bed_commit(b);
	store_tick(b->store, 1000);
	assert_true(file_there(b, lost));
}

static void
quiet(const struct log_record *record)
{
	(void)record;
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(values_come_back),
		TEST(limits_are_kept),
		TEST(layers_hide_each_other),
		TEST(a_walk_ends_when_told),
		TEST(a_large_database_is_not_copied_for_a_small_change),
		TEST(walks_get_the_brief_until_a_record_changes),
		TEST(a_damaged_file_of_walks_is_not_used),
		TEST(a_file_of_walks_of_another_database_is_not_used),
		TEST(a_file_of_walks_of_another_version_is_not_used),
		TEST(deleting_nothing_costs_nothing),
		TEST(waiters_hear_of_the_commit),
		TEST(a_waiter_may_begin_the_next_batch),
		TEST(a_full_disk_refuses_changes_and_recovers),
		TEST(a_little_room_is_no_recovery),
		TEST(little_room_is_said_before_changes_are_refused),
		TEST(a_long_fault_leaves_no_litter),
		TEST(a_broken_disk_refuses_changes_and_recovers),
		TEST(a_forgotten_batch_stays_forgotten_after_a_crash),
		TEST(every_failing_step_of_a_commit_is_survived),
		TEST(a_checkpoint_empties_table_and_log),
		TEST(ticks_checkpoint_by_size_and_prepare_segments),
		TEST(a_log_longer_than_a_segment_goes_on_in_the_next),
		TEST(a_failed_checkpoint_loses_nothing),
		TEST(a_database_that_has_grown_is_rebuilt),
		TEST(checkpoints_run_beside_commits),
		TEST(changes_faster_than_checkpoints_are_refused),
		TEST(one_daemon_at_a_time),
		TEST(modes_are_private),
		TEST(an_empty_database_is_refused_with_words),
		TEST(a_missing_database_beside_its_log_is_refused),
		TEST(garbage_and_foreign_databases_are_refused),
		TEST(a_newer_format_is_refused_politely),
		TEST(another_key_hides_only_what_is_sealed),
		TEST(large_files_round_trip),
		TEST(a_damaged_large_file_is_found_out),
		TEST(large_files_live_as_long_as_references),
		TEST(the_sweep_finds_what_a_crash_left),
	};

	log_set_sink(quiet); /* faults are expected here */
	return cmocka_run_group_tests_name("store", tests, NULL, NULL);
}
