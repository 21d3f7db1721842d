/* backup.c - the whole store as one file, and back */
#include "store/backup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "store/dbhead.h"
#include "store/internal.h"
#include "store/meta.h"
#include "store/segment.h"

#define MAGIC "CORDONBK"
#define VERSION 1u
#define HEAD_LEN 24u
#define PIECE 65536u
#define FILES "files"
#define NAME_MAX_LEN 100u

enum { ENTRY_END, ENTRY_FILE };

/* ---- writing, in the worker ---- */

struct job {
	struct task task; /* first: it is what the worker knows */
	char *directory;
	int database; /* state.gdbm as the checkpoint left it: it is replaced, never written */
	EVP_MD_CTX *md;
	struct backup_made made;
};

static int
put(struct job *j, const void *data, size_t len)
{
	EVP_DigestUpdate(j->md, data, len);
	j->made.size += (int64_t)len;
	return file_write_all(j->made.fd, bytes_of(data, len));
}

static int
put_content(struct job *j, int fd, uint64_t size)
{
	char *piece = xmalloc(PIECE);
	int r = 0;

	while (r == 0 && size) {
		ssize_t n = read(fd, piece, size < PIECE ? (size_t)size : PIECE);

		if (n < 0 && errno == EINTR)
			continue;
		r = n < 0 ? -errno : n == 0 ? -EIO : put(j, piece, (size_t)n);
		size -= n > 0 ? (uint64_t)n : 0;
	}
	free(piece);
	return r;
}

static int
put_file(struct job *j, const char *name, int fd)
{
	struct buf head = BUF_INIT;
	struct stat st;
	int r;

	if (fstat(fd, &st) < 0)
		return -errno;
	buf_add_u8(&head, ENTRY_FILE);
	buf_add_u8(&head, (uint8_t)strlen(name));
	buf_add_str(&head, name);
	buf_add_u64(&head, (uint64_t)st.st_size);
	r = put(j, head.data, head.len);
	buf_free(&head);
	return r < 0 ? r : put_content(j, fd, (uint64_t)st.st_size);
}

static bool
is_large(const char *name)
{
	return strlen(name) == 2 * SHA256_LEN && strspn(name, "0123456789abcdef") == 2 * SHA256_LEN;
}

static int
put_large_files(struct job *j)
{
	char *path = xasprintf("%s/" FILES, j->directory);
	DIR *dir = opendir(path);
	const struct dirent *e;
	int r = dir ? 0 : -errno;

	while (r == 0 && (e = readdir(dir))) {
		char name[sizeof(FILES) + 1 + 2 * SHA256_LEN];
		int fd;

		if (!is_large(e->d_name))
			continue;
		snprintf(name, sizeof(name), FILES "/%.*s", 2 * SHA256_LEN, e->d_name);
		fd = openat(dirfd(dir), e->d_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
		r = fd < 0 ? -errno : put_file(j, name, fd);
		if (fd >= 0)
			close(fd);
	}
	if (dir)
		closedir(dir);
	free(path);
	return r;
}

static int
put_head(struct job *j)
{
	struct buf head = BUF_INIT;
	int r;

	buf_add_str(&head, MAGIC);
	buf_add_u32(&head, VERSION);
	buf_add_u32(&head, STORE_FORMAT);
	buf_add_u64(&head, (uint64_t)j->made.made_at);
	r = put(j, head.data, head.len);
	buf_free(&head);
	return r;
}

static int
put_end(struct job *j)
{
	static const unsigned char end[1] = { ENTRY_END };
	EVP_MD_CTX *whole = EVP_MD_CTX_new();
	unsigned char sum[SHA256_LEN];
	int r = put(j, end, sizeof(end));

	/* The file's own hash covers the checksum at its end too. */
	EVP_MD_CTX_copy_ex(whole, j->md);
	EVP_DigestFinal_ex(whole, sum, NULL);
	EVP_MD_CTX_free(whole);
	if (r == 0)
		r = put(j, sum, sizeof(sum));
	EVP_DigestFinal_ex(j->md, j->made.sha256, NULL);
	return r;
}

static void
work(struct task *t)
{
	struct job *j = (struct job *)t;
	int r;

	j->md = EVP_MD_CTX_new();
	EVP_DigestInit_ex(j->md, EVP_sha256(), NULL);
	j->made.made_at = clock_wall();
	j->made.fd = open(j->directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
	r = j->made.fd < 0 ? -errno : put_head(j);
	if (r == 0)
		r = put_file(j, DBFILE_NAME, j->database);
	if (r == 0)
		r = put_large_files(j);
	if (r == 0)
		r = put_end(j);
	j->made.err = r;
	if (r < 0 && j->made.fd >= 0)
		close(j->made.fd);
	if (r < 0)
		j->made.fd = -1;
	EVP_MD_CTX_free(j->md);
}

static void
job_free(struct job *j)
{
	if (j->database >= 0)
		close(j->database);
	free(j->directory);
	task_fini(&j->task);
	free(j);
}

static void
finish(struct store *s, const struct backup_made *b)
{
	void (*done)(void *, const struct backup_made *) = s->backup.done;

	s->backup.stage = BACKUP_NONE;
	s->backup.done = NULL;
	largefile_sweep(s); /* what could not be removed meanwhile */
	done(s->backup.arg, b);
}

static void
done(struct task *t, void *owner)
{
	struct job *j = (struct job *)t;
	struct store *s = owner;

	if (s) {
		s->backup.task = NULL;
		finish(s, &j->made);
	} else if (j->made.fd >= 0) {
		close(j->made.fd);
	}
	job_free(j);
}

/* ---- in the loop ---- */

int
store_backup(struct store *s, void (*tell)(void *arg, const struct backup_made *b), void *arg)
{
	if (s->backup.stage != BACKUP_NONE || s->closing)
		return -EBUSY;
	s->backup.done = tell;
	s->backup.arg = arg;
	s->backup.stage = BACKUP_WANTED;
	s->backup.tries = 0;
	backup_step(s);
	return 0;
}

static int
start_copy(struct store *s)
{
	char *path = xasprintf("%s/" DBFILE_NAME, s->directory);
	struct job *j = xcalloc(1, sizeof(*j));
	int r;

	task_init(&j->task, work, done, s);
	j->made.fd = -1;
	j->directory = xstrdup(s->directory);
	j->database = open(path, O_RDONLY | O_CLOEXEC);
	r = j->database < 0 ? -errno : 0;
	free(path);
	if (r == 0) {
		s->backup.stage = BACKUP_COPYING;
		s->backup.task = &j->task;
		r = task_start(&j->task, &s->options, false);
	}
	if (r < 0) {
		s->backup.stage = BACKUP_WANTED;
		s->backup.task = NULL;
		job_free(j);
	}
	return r;
}

static void
give_up(struct store *s, int err)
{
	const struct backup_made failed = { .err = err, .fd = -1 };

	finish(s, &failed);
}

/* One step towards the copy; called again by each tick and by the end of each checkpoint. */
void
backup_step(struct store *s)
{
	if (s->backup.stage == BACKUP_WANTED && !s->running) {
		store_commit(s);
		if (s->numbers.fault != 0) {
			give_up(s, -EROFS);
			return;
		}
		s->backup.after = s->numbers.checkpoints + 1;
		if (!s->frozen && layer_count(s->active) == 0)
			start_copy(s);
		else if (store_checkpoint(s) == 0 && s->backup.stage == BACKUP_WANTED)
			s->backup.stage = BACKUP_CHECKPOINT;
	} else if (s->backup.stage == BACKUP_CHECKPOINT && !s->running) {
		if (s->numbers.checkpoints >= s->backup.after)
			start_copy(s);
		else if (++s->backup.tries > 2)
			give_up(s, -EIO);
		else
			s->backup.stage = BACKUP_WANTED;
	}
}

void
backup_close(struct store *s)
{
	if (s->backup.task) {
		task_wait(s->backup.task);
		s->backup.task->owner = NULL;
	}
	s->backup.task = NULL;
	if (s->backup.stage != BACKUP_NONE)
		give_up(s, -ECANCELED);
}

/* ---- reading ---- */

struct reader {
	int fd;
	EVP_MD_CTX *md;
	const char *directory; /* NULL: only look */
	int64_t made_at;
	bool database; /* it has one */
	const char *why;
};

static int
fault(struct reader *r, int err, const char *why)
{
	r->why = why;
	return err;
}

static int
get(struct reader *r, void *data, size_t len)
{
	char *p = data;
	size_t left = len;

	while (left) {
		ssize_t n = read(r->fd, p, left);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return fault(r, -errno, strerror(errno));
		if (n == 0)
			return fault(
				r, -EBADMSG, "it is cut off: copy it anew from where it was made");
		p += n;
		left -= (size_t)n;
	}
	EVP_DigestUpdate(r->md, data, len);
	return 0;
}

static int
get_head(struct reader *r)
{
	unsigned char head[HEAD_LEN];
	int err = get(r, head, sizeof(head));

	if (err == -EBADMSG || (err == 0 && memcmp(head, MAGIC, 8) != 0))
		return fault(r, -EBADMSG, "it is no backup of Cordon");
	if (err < 0)
		return err;
	if (bytes_u32(head + 8) != VERSION || bytes_u32(head + 12) > STORE_FORMAT)
		return fault(r, -EPROTO, "a newer Cordon made it: install that one first");
	r->made_at = (int64_t)bytes_u64(head + 16);
	return 0;
}

static int
get_content(struct reader *r, int to, uint64_t size)
{
	char *piece = xmalloc(PIECE);
	int err = 0;

	while (err == 0 && size) {
		size_t len = size < PIECE ? (size_t)size : PIECE;

		err = get(r, piece, len);
		if (err == 0 && to >= 0 && (err = file_write_all(to, bytes_of(piece, len))) < 0)
			r->why = strerror(-err);
		size -= len;
	}
	free(piece);
	return err;
}

static bool
name_fits(struct reader *r, const char *name)
{
	if (strcmp(name, DBFILE_NAME) == 0) {
		bool first = !r->database;

		r->database = true;
		return first;
	}
	return strncmp(name, FILES "/", sizeof(FILES)) == 0 && is_large(name + sizeof(FILES));
}

/* The database gets its name last: until then the directory holds no store. */
static int
open_target(struct reader *r, const char *name)
{
	bool database = strcmp(name, DBFILE_NAME) == 0;
	char *path = xasprintf("%s/%s", r->directory, database ? DBFILE_NEW : name);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	int err = fd < 0 ? -errno : fd;

	if (fd < 0)
		r->why = strerror(-err);
	free(path);
	return err;
}

static int
get_entry(struct reader *r)
{
	unsigned char len, size[8];
	char name[NAME_MAX_LEN + 1];
	int to = -1, err = get(r, &len, 1);

	if (err == 0 && (len == 0 || len > NAME_MAX_LEN))
		return fault(r, -EBADMSG, "it is damaged");
	if (err == 0)
		err = get(r, name, len);
	if (err == 0)
		err = get(r, size, sizeof(size));
	if (err < 0)
		return err;
	name[len] = '\0';
	if (!name_fits(r, name))
		return fault(r, -EBADMSG, "it holds what no backup of Cordon holds");
	if (r->directory && (to = open_target(r, name)) < 0)
		return to;
	err = get_content(r, to, bytes_u64(size));
	if (to >= 0 && err == 0 && fsync(to) < 0)
		err = fault(r, -errno, strerror(errno));
	if (to >= 0)
		close(to);
	return err;
}

static int
get_end(struct reader *r)
{
	unsigned char sum[SHA256_LEN], wanted[SHA256_LEN], more;
	EVP_MD_CTX *md = EVP_MD_CTX_new();
	int err;

	EVP_MD_CTX_copy_ex(md, r->md);
	EVP_DigestFinal_ex(md, wanted, NULL);
	EVP_MD_CTX_free(md);
	err = get(r, sum, sizeof(sum));
	if (err < 0)
		return err;
	if (memcmp(sum, wanted, sizeof(sum)) != 0 || read(r->fd, &more, 1) != 0 || !r->database)
		return fault(r, -EBADMSG, "it is damaged: its checksum does not fit");
	return 0;
}

static int
read_all(struct reader *r)
{
	unsigned char type = ENTRY_FILE;
	int err = lseek(r->fd, 0, SEEK_SET) < 0 ? -errno : 0;

	r->database = false;
	r->md = EVP_MD_CTX_new();
	EVP_DigestInit_ex(r->md, EVP_sha256(), NULL);
	if (err == 0)
		err = get_head(r);
	while (err == 0 && (err = get(r, &type, 1)) == 0 && type == ENTRY_FILE)
		err = get_entry(r);
	if (err == 0 && type != ENTRY_END)
		err = fault(r, -EBADMSG, "it is damaged");
	if (err == 0)
		err = get_end(r);
	EVP_MD_CTX_free(r->md);
	return err;
}

static bool
has_store(int dir)
{
	static const char *const remains[] = { DBFILE_NAME, FILES };
	uint64_t *numbers = NULL;
	size_t count = 0;
	bool has = false;

	segment_list(dir, &numbers, &count);
	free(numbers);
	for (size_t i = 0; i < sizeof(remains) / sizeof(remains[0]); i++)
		has = has || faccessat(dir, remains[i], F_OK, 0) == 0;
	return has || count > 0;
}

static void
remove_files(const char *directory)
{
	char *path = xasprintf("%s/" FILES, directory);
	DIR *dir = opendir(path);
	const struct dirent *e;

	while (dir && (e = readdir(dir)))
		if (is_large(e->d_name))
			unlinkat(dirfd(dir), e->d_name, 0);
	if (dir)
		closedir(dir);
	rmdir(path);
	free(path);
}

/* What an unfinished restore left; not its mark. */
static void
undo(const char *directory, int dir)
{
	static const char *const made[] = { DBFILE_NAME, DBFILE_NEW, "lock", SEGMENT_SPARE };
	uint64_t *numbers = NULL;
	size_t count = 0, i;

	remove_files(directory);
	segment_list(dir, &numbers, &count);
	for (i = 0; i < count; i++)
		segment_remove(dir, numbers[i]);
	free(numbers);
	for (i = 0; i < sizeof(made) / sizeof(made[0]); i++)
		unlinkat(dir, made[i], 0);
}

/* What Apple says of tokens from before is not believed for a while (mdm/push.c). */
static int
note_restored(const char *directory, char **why)
{
	struct store_options o = { .directory = directory, .restoring = true };
	struct store *s = NULL;
	int err = store_open(&o, &s, why);

	if (err == 0)
		err = meta_put_int(s, "restored-at", clock_wall());
	if (err == 0)
		err = store_commit(s);
	store_close(s);
	return err;
}

static int
take_in(struct reader *r, const char *directory)
{
	char *files = xasprintf("%s/" FILES, directory),
	     *from = xasprintf("%s/" DBFILE_NEW, directory),
	     *to = xasprintf("%s/" DBFILE_NAME, directory);
	int err = file_mkdirs(files, 0700);

	r->directory = directory;
	if (err == 0)
		err = read_all(r);
	if (err == 0)
		err = file_fsync_dir(files);
	if (err == 0 && rename(from, to) < 0)
		err = -errno;
	if (err == 0)
		err = file_fsync_dir(directory);
	if (err < 0 && !r->why)
		r->why = strerror(-err);
	free(files);
	free(from);
	free(to);
	return err;
}

/* Sets the mark and locks it.  0; -EEXIST a store is there; -EBUSY another restores; -errno. */
static int
begin(const char *directory, int dir, int *mark)
{
	bool again = faccessat(dir, RESTORE_MARK, F_OK, 0) == 0;

	if (!again && has_store(dir))
		return -EEXIST;
	*mark = openat(dir, RESTORE_MARK, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (*mark < 0)
		return -errno;
	if (flock(*mark, LOCK_EX | LOCK_NB) < 0)
		return -EBUSY;
	if (again)
		undo(directory, dir);
	return fsync(dir) < 0 ? -errno : 0;
}

/* Takes the mark away, unless remains of a restore could not be. */
static int
end(int dir, bool good)
{
	if (!good && has_store(dir))
		return 0;
	return unlinkat(dir, RESTORE_MARK, 0) < 0 || fsync(dir) < 0 ? -errno : 0;
}

/* Everything, or the directory as it was. */
static int
put_in(struct reader *r, const char *directory, char **why)
{
	int dir = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC), mark = -1;
	int err = dir < 0 ? -errno : begin(directory, dir, &mark), ended = 0;

	if (err == 0) {
		err = take_in(r, directory);
		if (err == 0)
			err = note_restored(directory, why);
		if (err < 0)
			undo(directory, dir);
		ended = end(dir, err == 0);
		err = err < 0 ? err : ended;
	}
	if (err == -EEXIST)
		*why = xasprintf("%s holds a store already: stop the daemon and move it away first",
			directory);
	else if (err < 0 && !*why)
		*why = xasprintf("%s: %s", directory, r->why ? r->why : strerror(-err));
	if (mark >= 0)
		close(mark);
	if (dir >= 0)
		close(dir);
	return err;
}

int
backup_restore(const char *file, const char *directory, int64_t *made_at, char **why)
{
	struct reader r = { .fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK) };
	int err = r.fd < 0 ? -errno : 0;

	if (err == 0)
		err = read_all(&r);
	if (err < 0)
		*why = xasprintf("%s: %s", file, r.why ? r.why : strerror(-err));
	else
		err = put_in(&r, directory, why);
	if (r.fd >= 0)
		close(r.fd);
	*made_at = r.made_at;
	return err;
}
