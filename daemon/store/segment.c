/* segment.c - the files of the log: finding, opening, preparing and disposing of them */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "base/mem.h"
#include "store/segment.h"
#include "store/wal.h"

#define NAME_SIZE 64
#define SLICE (1u << 20)
#define BLOCK 4096u

static const char *
name_of(uint64_t number, char out[NAME_SIZE])
{
	snprintf(out, NAME_SIZE, SEGMENT_FORMAT_NAME, number);
	return out;
}

static bool
parse_name(const char *name, uint64_t *number)
{
	char again[NAME_SIZE];
	char *end;

	if (strncmp(name, "log-", 4) != 0 || name[4] < '0' || name[4] > '9')
		return false;
	errno = 0;
	*number = strtoull(name + 4, &end, 10);
	return errno == 0 && *number < UINT64_MAX && strcmp(name_of(*number, again), name) == 0;
}

static int
ascending(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

int
segment_list(int dir, uint64_t **numbers, size_t *count)
{
	int fd = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	const struct dirent *entry;
	uint64_t number;
	size_t n = 0;

	if (!d) {
		int err = -errno;

		if (fd >= 0)
			close(fd);
		return err;
	}
	while ((errno = 0, entry = readdir(d))) {
		if (!parse_name(entry->d_name, &number))
			continue;
		*numbers = xrealloc(*numbers, (n + 1) * sizeof(**numbers));
		(*numbers)[n++] = number;
	}

	int err = -errno;

	closedir(d);
	if (n > 0)
		qsort(*numbers, n, sizeof(**numbers), ascending);
	*count = n;
	return err;
}

int
segment_read(int dir, uint64_t number, struct buf *out)
{
	char name[NAME_SIZE];
	int fd = openat(dir, name_of(number, name), O_RDONLY | O_CLOEXEC);
	struct stat st;
	ssize_t n = 0;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0) {
		n = -1;
	} else {
		buf_reserve(out, (size_t)st.st_size);
		while (out->len < (size_t)st.st_size) {
			n = read(fd, out->data + out->len, (size_t)st.st_size - out->len);
			if (n < 0 && errno == EINTR)
				continue;
			if (n <= 0)
				break;
			out->len += (size_t)n;
		}
	}

	int err = n < 0 ? -errno : 0;

	close(fd);
	return err;
}

int
segment_open(int dir, uint64_t number, size_t *size, bool *created)
{
	char name[NAME_SIZE];
	struct stat st;
	int fd = -1;

	name_of(number, name);
	/* The worker may put the prepared one in place between the two: then it is the one. */
	for (int try = 0; try < 2 && fd < 0; try++) {
		fd = openat(dir, name, O_RDWR | O_CLOEXEC);
		if (created)
			*created = false;
		if (fd >= 0 || errno != ENOENT || !created)
			break;
		fd = openat(dir, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		*created = fd >= 0;
		if (fd < 0 && errno != EEXIST)
			break;
	}
	if (fd < 0)
		return -errno;
	if (size) {
		if (fstat(fd, &st) < 0) {
			int err = -errno;

			close(fd);
			return err;
		}
		*size = (size_t)st.st_size;
	}
	return fd;
}

bool
segment_exists(int dir, uint64_t number)
{
	char name[NAME_SIZE];

	return faccessat(dir, name_of(number, name), F_OK, 0) == 0;
}

void
segment_remove(int dir, uint64_t number)
{
	char name[NAME_SIZE];

	unlinkat(dir, name_of(number, name), 0);
}

int
segment_set_aside(int dir, uint64_t number)
{
	char name[NAME_SIZE], kept[NAME_SIZE];

	snprintf(kept, sizeof(kept), "log-%" PRIu64 ".damaged", number);
	return renameat(dir, name_of(number, name), dir, kept) < 0 ? -errno : 0;
}

/* ---- for the worker thread ---- */

/* On Btrfs only a file without copy-on-write can be overwritten on a full disk. */
static void
no_copy_on_write(int fd)
{
	struct statfs fs;
	int flags = 0;

	if (fstatfs(fd, &fs) < 0 || fs.f_type != BTRFS_SUPER_MAGIC)
		return;
	if (ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0) {
		flags |= FS_NOCOW_FL;
		ioctl(fd, FS_IOC_SETFLAGS, &flags);
	}
}

static int
zero_fill(int fd, size_t from, size_t size)
{
	unsigned char *zero = xcalloc(1, SLICE);
	int err = 0;

	while (from < size && err == 0) {
		size_t len = size - from < SLICE ? size - from : SLICE;
		ssize_t n = pwrite(fd, zero, len, (off_t)from);

		if (n < 0 && errno != EINTR)
			err = -errno;
		else if (n > 0)
			from += (size_t)n;
	}
	free(zero);
	return err;
}

/*
 * A spare with a second name is the segment that it became: the crash, or the fault, came between
 * linkat and unlinkat below.  Writing to it would destroy the log.
 */
static int
let_go_of_used_spare(int dir)
{
	struct stat st;

	if (fstatat(dir, SEGMENT_SPARE, &st, 0) < 0)
		return errno == ENOENT ? 0 : -errno;
	return st.st_nlink > 1 && unlinkat(dir, SEGMENT_SPARE, 0) < 0 ? -errno : 0;
}

/* spare.seg at full size, without a head, synced. */
static int
make_spare(int dir, size_t size)
{
	struct stat st;
	int err = let_go_of_used_spare(dir);
	int fd;

	if (err < 0)
		return err;
	fd = openat(dir, SEGMENT_SPARE, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0) {
		err = -errno;
	} else if ((size_t)st.st_size == size) {
		err = zero_fill(fd, 0, size < BLOCK ? size : BLOCK);
	} else if (ftruncate(fd, 0) < 0) {
		err = -errno;
	} else {
		no_copy_on_write(fd);
		err = zero_fill(fd, 0, size);
	}
	if (err == 0 && fsync(fd) < 0)
		err = -errno;
	close(fd);
	if (err < 0)
		unlinkat(dir, SEGMENT_SPARE, 0);
	return err;
}

int
wal_prepare(const char *directory, uint64_t number, size_t size)
{
	char name[NAME_SIZE];
	int dir = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int err;

	if (dir < 0)
		return -errno;
	err = segment_exists(dir, number) ? 0 : make_spare(dir, size);
	/* link, not rename: the loop may have made a segment of this name in the meantime */
	if (err == 0 && linkat(dir, SEGMENT_SPARE, dir, name_of(number, name), 0) == 0) {
		if (unlinkat(dir, SEGMENT_SPARE, 0) < 0 || fsync(dir) < 0)
			err = -errno;
	} else if (err == 0 && errno != EEXIST && errno != ENOENT) {
		err = -errno;
	}
	close(dir);
	return err;
}

static bool
recycle(int dir, uint64_t number, size_t size)
{
	char name[NAME_SIZE];
	struct stat st;

	if (fstatat(dir, SEGMENT_SPARE, &st, 0) == 0)
		return false;
	if (fstatat(dir, name_of(number, name), &st, 0) < 0 || (size_t)st.st_size != size)
		return false;
	return renameat(dir, name, dir, SEGMENT_SPARE) == 0;
}

void
wal_drop(const char *directory, uint64_t number, size_t size)
{
	int dir = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	uint64_t *numbers = NULL;
	size_t count = 0;

	if (dir < 0)
		return;
	if (segment_list(dir, &numbers, &count) == 0) {
		for (size_t i = 0; i < count && numbers[i] < number; i++)
			if (!recycle(dir, numbers[i], size))
				segment_remove(dir, numbers[i]);
	}
	free(numbers);
	close(dir);
}
