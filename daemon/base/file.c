/* file.c - whole files in and out, and who may read them */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/file.h"
#include "base/mem.h"

#define READ_STEP 65536
#define DAEMON_USER "cordon"

/* Reads to the end of the file, which may grow while we read: the limit holds all the same. */
static int
read_all(int fd, size_t max, struct buf *out)
{
	size_t start = out->len, room;
	ssize_t n;

	for (;;) {
		room = max - (out->len - start) + 1; /* one more, to see that there is more */
		if (room > READ_STEP)
			room = READ_STEP;
		buf_reserve(out, room);
		n = read(fd, out->data + out->len, room);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			return 0;
		out->len += (size_t)n;
		if (out->len - start > max)
			return -EFBIG;
	}
}

static int
read_fd(int fd, size_t max, struct buf *out, struct stat *st)
{
	if (fstat(fd, st) < 0)
		return -errno;
	if (!S_ISREG(st->st_mode))
		return -EINVAL;
	if ((uint64_t)st->st_size > max)
		return -EFBIG;
	buf_reserve(out, (size_t)st->st_size + 1);
	return read_all(fd, max, out);
}

int
file_read(const char *path, size_t max, struct buf *out, struct stat *st)
{
	size_t start = out->len;
	struct stat own;
	int fd, r;

	fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);
	if (fd < 0)
		return -errno;
	r = read_fd(fd, max, out, &own);
	close(fd);
	if (r < 0)
		out->len = start;
	else if (st)
		*st = own;
	return r;
}

int
file_write_all(int fd, struct bytes content)
{
	ssize_t n;

	while (content.len > 0) {
		n = write(fd, content.data, content.len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		content.data += n;
		content.len -= (size_t)n;
	}
	return 0;
}

/* Owner and mode are final before the first byte of content is there. */
static int
fill(int fd, struct bytes content, mode_t mode, uid_t uid, gid_t gid)
{
	int r;

	if ((uid != FILE_KEEP_OWNER || gid != (gid_t)-1) && fchown(fd, uid, gid) < 0)
		return -errno;
	if (fchmod(fd, mode) < 0)
		return -errno;
	r = file_write_all(fd, content);
	if (r < 0)
		return r;
	return fsync(fd) < 0 ? -errno : 0;
}

static char *
directory_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return xstrdup(".");
	return slash == path ? xstrdup("/") : xstrndup(path, (size_t)(slash - path));
}

/* A name that scans for configuration and certificates leave alone: hidden, and no such suffix. */
static char *
temporary_in(const char *dir)
{
	unsigned char raw[8];
	struct buf name = BUF_INIT;

	random_bytes(raw, sizeof(raw));
	buf_printf(&name, "%s/.cordon-", dir);
	encode_hex(&name, bytes_of(raw, sizeof(raw)));
	buf_add_str(&name, ".tmp");
	return buf_steal_str(&name);
}

static int
put_in_place(const char *temporary, const char *path, bool only_new)
{
	if (!only_new)
		return rename(temporary, path) < 0 ? -errno : 0;
	if (link(temporary, path) < 0)
		return -errno;
	unlink(temporary);
	return 0;
}

static int
write_file(const char *path, struct bytes content, mode_t mode, uid_t uid, gid_t gid, bool only_new)
{
	char *dir = directory_of(path), *temporary = temporary_in(dir);
	int fd, r;

	fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
	if (fd < 0) {
		r = -errno;
		goto out;
	}
	r = fill(fd, content, mode, uid, gid);
	if (close(fd) < 0 && r == 0)
		r = -errno;
	if (r == 0)
		r = put_in_place(temporary, path, only_new);
	if (r < 0)
		unlink(temporary);
	else
		r = file_fsync_dir(dir);
out:
	free(temporary);
	free(dir);
	return r;
}

int
file_write_atomic(const char *path, struct bytes content, mode_t mode, uid_t uid, gid_t gid)
{
	return write_file(path, content, mode, uid, gid, false);
}

int
file_create_new(const char *path, struct bytes content, mode_t mode, uid_t uid, gid_t gid)
{
	return write_file(path, content, mode, uid, gid, true);
}

int
file_fsync_dir(const char *dir)
{
	int fd, r = 0;

	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fsync(fd) < 0)
		r = -errno;
	close(fd);
	return r;
}

static int
make_dir(const char *dir, mode_t mode)
{
	struct stat st;

	if (mkdir(dir, mode) == 0)
		return 0;
	if (errno != EEXIST)
		return -errno;
	if (stat(dir, &st) < 0)
		return -errno;
	return S_ISDIR(st.st_mode) ? 0 : -ENOTDIR;
}

int
file_mkdirs(const char *dir, mode_t mode)
{
	char *path = xstrdup(dir), *slash = path;
	struct stat st;
	int r = 0;

	/* a parent that is there need not be ours to make: mkdir in it may even be denied */
	while (r == 0 && (slash = strchr(slash + 1, '/'))) {
		*slash = '\0';
		if (stat(path, &st) < 0)
			r = make_dir(path, mode);
		*slash = '/';
	}
	if (r == 0)
		r = make_dir(path, mode);
	free(path);
	return r;
}

bool
file_exists(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0;
}

static bool
is_trusted_owner(uid_t uid)
{
	struct passwd entry, *found = NULL;
	char space[4096];

	if (uid == 0 || uid == geteuid())
		return true;
	if (getpwnam_r(DAEMON_USER, &entry, space, sizeof(space), &found) != 0 || !found)
		return false;
	return uid == entry.pw_uid;
}

int
file_key_check(const struct stat *st, char *why, size_t size)
{
	if (!is_trusted_owner(st->st_uid)) {
		snprintf(why, size,
			"the private key belongs to user %lu, who could replace it; chown it to "
			"root",
			(unsigned long)st->st_uid);
		return -EPERM;
	}
	if (st->st_mode & S_IRWXO) {
		snprintf(why, size,
			"the private key is open to every user (mode %04o); chmod it to 0640",
			(unsigned)(st->st_mode & 07777));
		return -EPERM;
	}
	return 0;
}
