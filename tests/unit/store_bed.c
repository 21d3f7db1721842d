/* store_bed.c - what the store's tests share */
#include "store_bed.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <gdbm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"

/* ---- steps ---- */

static enum bed_fault fault;
static _Atomic unsigned long steps; /* the worker thread takes steps too */
static unsigned long fault_at;
static int fault_errno, log_errno;

void
bed_steps_reset(enum bed_fault f, unsigned long at, int err)
{
	fault = f;
	fault_at = at;
	fault_errno = err;
	steps = 0;
}

unsigned long
bed_steps(void)
{
	return steps;
}

void
bed_log_broken(int err)
{
	log_errno = err;
}

/* True when this step is to fail; does not return when it is to kill. */
static bool
step(void)
{
	if (++steps != fault_at || fault == BED_NONE)
		return false;
	if (fault == BED_EXIT)
		_exit(BED_EXIT_STATUS);
	errno = fault_errno;
	return true;
}

#define WRAP(type, name, args, call)       \
	type __real_##name args;           \
	type __wrap_##name args;           \
	type __wrap_##name args            \
	{                                  \
		if (step())                \
			return -1;         \
		return __real_##name call; \
	}

WRAP(int, fsync, (int fd), (fd))
WRAP(int, rename, (const char *a, const char *b), (a, b))
WRAP(int, renameat, (int d, const char *a, int e, const char *b), (d, a, e, b))
WRAP(int, linkat, (int d, const char *a, int e, const char *b, int f), (d, a, e, b, f))
WRAP(int, unlinkat, (int d, const char *a, int f), (d, a, f))
WRAP(int, unlink, (const char *a), (a))
WRAP(int, ftruncate, (int fd, off_t len), (fd, len))
WRAP(ssize_t, copy_file_range, (int a, off64_t *x, int b, off64_t *y, size_t len, unsigned f),
	(a, x, b, y, len, f))
WRAP(int, gdbm_sync, (GDBM_FILE db), (db))
WRAP(int, gdbm_store, (GDBM_FILE db, datum k, datum v, int flag), (db, k, v, flag))
WRAP(int, gdbm_delete, (GDBM_FILE db, datum k), (db, k))

/* These two are how the log reaches the disk; a torn write is a write that failed half-way. */
ssize_t __real_pwrite(int fd, const void *p, size_t len, off_t at);
ssize_t __wrap_pwrite(int fd, const void *p, size_t len, off_t at);
ssize_t
__wrap_pwrite(int fd, const void *p, size_t len, off_t at)
{
	if (log_errno || step()) {
		int err = log_errno ? log_errno : errno;

		if (len > 1 && __real_pwrite(fd, p, len / 2, at) < 0)
			return -1;
		errno = err;
		return -1;
	}
	return __real_pwrite(fd, p, len, at);
}

int __real_fdatasync(int fd);
int __wrap_fdatasync(int fd);
int
__wrap_fdatasync(int fd)
{
	if (log_errno) {
		errno = log_errno;
		return -1;
	}
	if (step())
		return -1;
	return __real_fdatasync(fd);
}

int __real_gdbm_close(GDBM_FILE db);
int __wrap_gdbm_close(GDBM_FILE db);
int
__wrap_gdbm_close(GDBM_FILE db)
{
	bool failing = step();
	int err = errno;
	int r = __real_gdbm_close(db);

	if (!failing)
		return r;
	gdbm_errno = GDBM_FILE_CLOSE_ERROR;
	errno = err;
	return -1;
}

/* ---- the bed ---- */

static void
told_pending(void *arg)
{
	struct bed *b = arg;

	b->pending_calls++;
}

static void
told_health(void *arg, int err, const char *words)
{
	struct bed *b = arg;

	b->health_calls++;
	b->last_health = err;
	snprintf(b->last_words, sizeof(b->last_words), "%s", words);
}

static void
told_change(void *arg, struct bytes key, struct bytes value)
{
	struct bed *b = arg;

	(void)key;
	(void)value;
	b->changes_told++;
}

struct bed *
bed_new(void)
{
	static const unsigned char key[SEAL_KEY_LEN] = { 1, 2, 3 };
	struct bed *b = xcalloc(1, sizeof(*b));

	bed_steps_reset(BED_NONE, 0, 0);
	bed_log_broken(0);
	snprintf(b->dir, sizeof(b->dir), "cordon-store-XXXXXX");
	assert_non_null(mkdtemp(b->dir));
	b->seal = seal_new(key);
	b->options = (struct store_options){ .directory = b->dir,
		.seal = b->seal,
		.segment_size = 64 << 10,
		.walks = { .letters = "ef" },
		.on_pending = told_pending,
		.on_health = told_health,
		.on_change = told_change,
		.arg = b };
	return b;
}

int
bed_try_open(struct bed *b)
{
	char *why = NULL;
	int r = store_open(&b->options, &b->store, &why);

	snprintf(b->last_words, sizeof(b->last_words), "%s", why ? why : "");
	if (r < 0)
		assert_non_null(why);
	free(why);
	return r;
}

void
bed_open(struct bed *b)
{
	int r = bed_try_open(b);

	if (r < 0)
		print_message("%s\n", b->last_words);
	assert_int_equal(r, 0);
}

void
bed_close(struct bed *b)
{
	store_close(b->store);
	b->store = NULL;
}

void
bed_free(struct bed *b)
{
	bed_steps_reset(BED_NONE, 0, 0);
	bed_log_broken(0);
	bed_close(b);
	bed_remove_tree(b->dir);
	seal_free(b->seal);
	free(b);
}

char *
bed_path(const struct bed *b, const char *name)
{
	return xasprintf("%s/%s", b->dir, name);
}

void
bed_put(struct bed *b, const char *key, const char *value)
{
	assert_int_equal(store_put(b->store, bytes_str(key), bytes_str(value)), 0);
}

void
bed_delete(struct bed *b, const char *key)
{
	assert_int_equal(store_delete(b->store, bytes_str(key)), 0);
}

void
bed_commit(struct bed *b)
{
	assert_int_equal(store_commit(b->store), 0);
}

void
bed_expect(struct bed *b, const char *key, const char *value)
{
	struct buf got = BUF_INIT;
	int r = store_get(b->store, bytes_str(key), &got);

	assert_int_equal(r, value ? 0 : -ENOENT);
	assert_int_equal(store_has(b->store, bytes_str(key)), value != NULL);
	if (value)
		assert_string_equal(buf_str(&got), value);
	buf_free(&got);
}

static int
count_one(void *arg, struct bytes key, struct bytes value)
{
	size_t *n = arg;

	(void)key;
	(void)value;
	++*n;
	return 0;
}

size_t
bed_count(struct bed *b, const char *prefix)
{
	size_t n = 0;

	assert_int_equal(store_each(b->store, bytes_str(prefix), count_one, &n), 0);
	return n;
}

void
bed_waiter(void *arg, int err)
{
	struct bed *b = arg;

	if (err == 0)
		b->waits_ok++;
	else
		b->waits_failed++;
}

int
bed_child(void (*play)(void *arg), void *arg)
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		play(arg);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

void
bed_remove_tree(const char *dir)
{
	DIR *d = opendir(dir);
	const struct dirent *e;

	if (!d)
		return;
	while ((e = readdir(d))) {
		char *path = xasprintf("%s/%s", dir, e->d_name);

		if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0 && unlink(path) < 0)
			bed_remove_tree(path);
		free(path);
	}
	closedir(d);
	rmdir(dir);
}

void
bed_write_file(const char *path, const void *data, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT, 0600);

	/* Cut behind, not before: a file that was emptied first is flushed by ext4, and slow. */
	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), (ssize_t)len);
	assert_int_equal(__real_ftruncate(fd, (off_t)len), 0);
	close(fd);
}

void
bed_copy_tree(const char *from, const char *to)
{
	DIR *d = opendir(from);
	const struct dirent *e;

	assert_non_null(d);
	mkdir(to, 0700);
	while ((e = readdir(d))) {
		char *a = xasprintf("%s/%s", from, e->d_name);
		char *b = xasprintf("%s/%s", to, e->d_name);
		struct buf content = BUF_INIT;

		if (e->d_type == DT_DIR && e->d_name[0] != '.')
			bed_copy_tree(a, b);
		else if (e->d_type == DT_REG) {
			assert_int_equal(file_read(a, 1u << 30, &content, NULL), 0);
			bed_write_file(b, content.data, content.len);
		}
		buf_free(&content);
		free(a);
		free(b);
	}
	closedir(d);
}
