/* test_file.c - whole files: bounds, types, atomic replacement, owners and modes */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"

static char dir[] = "/tmp/cordon-file-XXXXXX";

static int
make_place(void **unused)
{
	(void)unused;
	return mkdtemp(dir) ? 0 : -1;
}

static int
drop_place(void **unused)
{
	char *command = xasprintf("rm -rf '%s'", dir);
	int r = system(command);

	(void)unused;
	free(command);
	return r;
}

static const char *
at(const char *name)
{
	static char path[300];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static int
entries(void)
{
	DIR *d = opendir(dir);
	int n = 0;

	while (readdir(d))
		n++;
	closedir(d);
	return n - 2;
}

static void
reads_within_bounds(void **unused)
{
	struct buf out = BUF_INIT;
	struct stat st;

	(void)unused;
	assert_int_equal(
		file_write_atomic(at("a"), bytes_str("12345"), 0640, FILE_KEEP_OWNER, (gid_t)-1),
		0);
	assert_int_equal(file_read(at("a"), 5, &out, &st), 0);
	assert_string_equal(buf_str(&out), "12345");
	assert_int_equal(st.st_size, 5);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(file_read(at("a"), 4, &out, NULL), -EFBIG);
	assert_string_equal(buf_str(&out), "12345");
	assert_int_equal(file_read(at("a"), 5, &out, NULL), 0);
	assert_string_equal(buf_str(&out), "1234512345");
	assert_int_equal(file_read(at("none"), 5, &out, NULL), -ENOENT);
	assert_int_equal(file_read(dir, 5, &out, NULL), -EINVAL);
	/* size 0 by stat, and longer when read */
	assert_int_equal(file_read("/proc/self/status", 10, &out, NULL), -EFBIG);
	buf_free(&out);
}

static void
fifo_does_not_hang(void **unused)
{
	struct buf out = BUF_INIT;

	(void)unused;
	assert_int_equal(mkfifo(at("fifo"), 0600), 0);
	alarm(10);
	assert_int_equal(file_read(at("fifo"), 100, &out, NULL), -EINVAL);
	assert_int_equal(file_read("/dev/zero", 100, &out, NULL), -EINVAL);
	alarm(0);
	unlink(at("fifo"));
	buf_free(&out);
}

static void
replaces_whole_or_not(void **unused)
{
	struct buf out = BUF_INIT;
	mode_t mask = umask(0077);
	struct stat st;
	int before;

	(void)unused;
	assert_int_equal(
		file_write_atomic(at("b"), bytes_str("old"), 0644, FILE_KEEP_OWNER, (gid_t)-1), 0);
	umask(mask);
	before = entries();
	assert_int_equal(
		file_write_atomic(at("b"), bytes_str("new"), 0600, geteuid(), getegid()), 0);
	assert_int_equal(file_read(at("b"), 100, &out, &st), 0);
	assert_string_equal(buf_str(&out), "new");
	assert_int_equal(st.st_mode & 07777, 0600);
	assert_int_equal(entries(), before);

	assert_int_equal(mkdir(at("full"), 0700), 0);
	assert_int_equal(
		file_write_atomic(at("full"), bytes_str("x"), 0600, FILE_KEEP_OWNER, (gid_t)-1),
		-EISDIR);
	assert_int_equal(rmdir(at("full")), 0);
	assert_int_equal(entries(), before); /* no temporary file */
	assert_int_equal(
		file_write_atomic(at("no/b"), bytes_str("x"), 0600, FILE_KEEP_OWNER, (gid_t)-1),
		-ENOENT);
	buf_free(&out);
}

static void
creates_only_new(void **unused)
{
	struct buf out = BUF_INIT;
	int before = entries();

	(void)unused;
	assert_int_equal(
		file_create_new(at("c"), bytes_str("first"), 0600, FILE_KEEP_OWNER, (gid_t)-1), 0);
	assert_int_equal(
		file_create_new(at("c"), bytes_str("second"), 0600, FILE_KEEP_OWNER, (gid_t)-1),
		-EEXIST);
	assert_int_equal(file_read(at("c"), 100, &out, NULL), 0);
	assert_string_equal(buf_str(&out), "first");
	assert_int_equal(entries(), before + 1);
	buf_free(&out);
}

static void
makes_directories(void **unused)
{
	(void)unused;
	assert_int_equal(file_mkdirs(at("x/y/z"), 0750), 0);
	assert_int_equal(file_mkdirs(at("x/y/z"), 0750), 0);
	assert_int_equal(file_mkdirs(at("x/y/w/"), 0750), 0);
	assert_true(file_exists(at("x/y/z")));
	assert_true(file_exists(at("x/y/w")));
	assert_false(file_exists(at("x/y/v")));
	assert_int_equal(file_mkdirs(at("c"), 0750), -ENOTDIR);
	assert_int_equal(file_mkdirs(at("c/d"), 0750), -ENOTDIR);
	assert_int_equal(file_fsync_dir(at("x")), 0);
	assert_int_equal(file_fsync_dir(at("none")), -ENOENT);
}

static void
judges_keys(void **unused)
{
	struct stat st = { .st_uid = 0, .st_mode = S_IFREG | 0640 };
	char why[200] = "";

	(void)unused;
	assert_int_equal(file_key_check(&st, why, sizeof(why)), 0);
	st.st_mode = S_IFREG | 0644;
	assert_int_equal(file_key_check(&st, why, sizeof(why)), -EPERM);
	assert_non_null(strstr(why, "mode 0644"));
	assert_non_null(strstr(why, "chmod"));
	st.st_mode = S_IFREG | 0600;
	st.st_uid = geteuid();
	assert_int_equal(file_key_check(&st, why, sizeof(why)), 0);
	st.st_uid = 54321;
	assert_int_equal(file_key_check(&st, why, sizeof(why)), -EPERM);
	assert_non_null(strstr(why, "54321"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_within_bounds),
		cmocka_unit_test(fifo_does_not_hang),
		cmocka_unit_test(replaces_whole_or_not),
		cmocka_unit_test(creates_only_new),
		cmocka_unit_test(makes_directories),
		cmocka_unit_test(judges_keys),
	};

	return cmocka_run_group_tests(tests, make_place, drop_place);
}
