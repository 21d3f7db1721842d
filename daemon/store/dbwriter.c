/* dbwriter.c - writing the successor of state.gdbm; only ever on a file that nobody reads */
#include <errno.h>
#include <fcntl.h>
#include <gdbm.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "store/dbhead.h"
#include "store/layer.h"
#include "store/record.h"
#include "store/walkfile.h"

#define DB_BLOCK 4096
#define SLICE (1u << 20)
#define PAUSE_NS 3000000L
/* What GDBM itself needs for a record: its place in a bucket that is two thirds full. */
#define RECORD_COST 64u
#define GROWN_MIN (4u << 20) /* smaller files are not worth a rebuild */

enum head_tag { TAG_FORMAT = 1, TAG_SEQUENCE, TAG_SEGMENT, TAG_RECORDS, TAG_CONTENT, TAG_NAME };

#define HEAD_NAME "cordon store"

void
dbhead_encode(const struct dbfile_head *head, struct buf *out)
{
	record_begin(out, 1);
	record_add_str(out, TAG_NAME, HEAD_NAME);
	record_add_int(out, TAG_FORMAT, head->format);
	record_add_int(out, TAG_SEQUENCE, (int64_t)head->sequence);
	record_add_int(out, TAG_SEGMENT, (int64_t)head->segment);
	record_add_int(out, TAG_RECORDS, (int64_t)head->records);
	record_add_int(out, TAG_CONTENT, (int64_t)head->content);
}

int
dbhead_decode(struct bytes value, struct dbfile_head *head)
{
	struct record_reader r;
	struct bytes field;
	uint8_t tag;
	bool named = false;

	memset(head, 0, sizeof(*head));
	if (record_open(&r, value) < 0)
		return -EBADMSG;
	while (record_next(&r, &tag, &field)) {
		uint64_t v = (uint64_t)record_int(field);

		if (tag == TAG_NAME)
			named = bytes_eq_str(field, HEAD_NAME);
		else if (tag == TAG_FORMAT)
			head->format = (uint32_t)v;
		else if (tag == TAG_SEQUENCE)
			head->sequence = v;
		else if (tag == TAG_SEGMENT)
			head->segment = v;
		else if (tag == TAG_RECORDS)
			head->records = v;
		else if (tag == TAG_CONTENT)
			head->content = v;
	}
	return r.damaged || !named || head->format == 0 ? -EBADMSG : 0;
}

/* The writer: one pass over one file. */
struct writer {
	const char *directory;
	GDBM_FILE db;
	struct layer *changes;
	struct dbfile_head *head;
	bool fresh; /* the file began empty: nothing is replaced */
};

static datum
datum_of(struct bytes b)
{
	static char nothing[1];

	if (b.len == 0)
		return (datum){ .dptr = nothing, .dsize = 0 };
	return (datum){ .dptr = (char *)(uintptr_t)b.data, .dsize = (int)b.len };
}

static int
gdbm_fault(void)
{
	int err = gdbm_check_syserr(gdbm_errno) ? errno : 0;

	return err > 0 ? -err : -EIO;
}

/* Takes the record that is there out of the sums.  1 when there was one, 0, -errno. */
static int
uncount(struct writer *w, struct bytes key)
{
	datum old = gdbm_fetch(w->db, datum_of(key));

	if (!old.dptr)
		return gdbm_errno == GDBM_ITEM_NOT_FOUND ? 0 : gdbm_fault();
	w->head->records--;
	w->head->content -= key.len + (size_t)old.dsize;
	free(old.dptr);
	return 1;
}

static int
write_change(void *arg, struct bytes key, const struct change *c)
{
	struct writer *w = arg;
	int r = w->fresh ? 0 : uncount(w, key);

	if (r < 0)
		return r;
	if (c->deleted)
		return r == 1 && gdbm_delete(w->db, datum_of(key)) != 0 ? gdbm_fault() : 0;
	if (gdbm_store(w->db, datum_of(key), datum_of(change_value(c)), GDBM_REPLACE) != 0)
		return gdbm_fault();
	w->head->records++;
	w->head->content += key.len + c->len;
	return 0;
}

static int
write_head(struct writer *w)
{
	struct buf value = BUF_INIT;
	int r;

	dbhead_encode(w->head, &value);
	r = gdbm_store(w->db, datum_of(bytes_of(DBFILE_HEAD_KEY, DBFILE_HEAD_KEY_LEN)),
		datum_of(buf_bytes(&value)), GDBM_REPLACE);
	buf_free(&value);
	return r != 0 ? gdbm_fault() : 0;
}

/*
 * Starts the disk on the file piece by piece.  Syncing it in one go would make the log's fdatasync
 * wait for all of it (measured: 60-80 ms instead of 6).
 */
void
dbwriter_write_out(int fd)
{
	struct stat st;

	if (fstat(fd, &st) < 0)
		return;
	for (off_t at = 0; at < st.st_size; at += SLICE) {
		if (sync_file_range(
			    fd, at, SLICE, SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE) < 0)
			return;
		nanosleep(&(struct timespec){ .tv_nsec = PAUSE_NS }, NULL);
	}
}

static int
finish(struct writer *w, bool gentle)
{
	int r = layer_each(w->changes, write_change, w);

	if (r == 0)
		r = write_head(w);
	if (r == 0 && gentle)
		dbwriter_write_out(gdbm_fdesc(w->db));
	if (r == 0 && gdbm_sync(w->db) != 0)
		r = gdbm_fault();
	if (gdbm_close(w->db) != 0 && r == 0)
		r = gdbm_fault();
	return r;
}

static int
read_write(int from, int to, size_t len)
{
	unsigned char *piece = xmalloc(SLICE);
	int err = 0;

	while (len > 0 && err == 0) {
		ssize_t n = read(from, piece, SLICE);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			err = n < 0 ? -errno : -EIO; /* shorter than it was */
			break;
		}
		for (ssize_t done = 0; done < n && err == 0;) {
			ssize_t m = write(to, piece + done, (size_t)(n - done));

			if (m < 0 && errno != EINTR)
				err = -errno;
			else if (m > 0)
				done += m;
		}
		len -= (size_t)n < len ? (size_t)n : len;
	}
	free(piece);
	return err;
}

static int
copy_content(int from, int to)
{
	struct stat st;
	size_t left;

	if (ioctl(to, FICLONE, from) == 0)
		return 0;
	if (fstat(from, &st) < 0)
		return -errno;
	for (left = (size_t)st.st_size; left > 0;) {
		ssize_t n = copy_file_range(from, NULL, to, NULL, left < SLICE ? left : SLICE, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == ENOSPC || errno == EIO))
			return -errno;
		if (n <= 0)
			return read_write(from, to, left);
		left -= (size_t)n;
	}
	return 0;
}

static int
copy_file(const char *from, const char *to)
{
	int in = open(from, O_RDONLY | O_CLOEXEC);
	int out, err;

	if (in < 0)
		return -errno;
	out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	err = out < 0 ? -errno : copy_content(in, out);
	if (out >= 0 && close(out) < 0 && err == 0)
		err = -errno;
	close(in);
	return err;
}

static GDBM_FILE
open_writer(const char *path, int mode)
{
	return gdbm_open(
		path, DB_BLOCK, mode | GDBM_NOMMAP | GDBM_NOLOCK | GDBM_CLOEXEC, 0600, NULL);
}

static bool
known_above(void *arg, struct bytes key)
{
	const struct writer *w = arg;

	return layer_get(w->changes, key) != NULL;
}

static int
write_old(void *arg, struct bytes key, struct bytes value)
{
	struct writer *w = arg;

	if (gdbm_store(w->db, datum_of(key), datum_of(value), GDBM_INSERT) != 0)
		return gdbm_fault();
	w->head->records++;
	w->head->content += key.len + value.len;
	return 0;
}

/* The old sums, from the file itself: the caller's idea of it may be older. */
static int
old_head(const char *directory, struct dbfile_head *old)
{
	struct dbfile *db = NULL;
	char *why = NULL;
	int err = dbfile_open(directory, UINT32_MAX, &db, &why);

	if (err == 0)
		*old = *dbfile_head(db);
	dbfile_close(db);
	free(why);
	return err;
}

static bool
has_grown(const char *path, const struct dbfile_head *old)
{
	struct stat st;
	uint64_t content = old->content + RECORD_COST * old->records;

	return stat(path, &st) == 0 && st.st_size > (off_t)GROWN_MIN &&
	       (uint64_t)st.st_size > 2 * content;
}

static int
rebuild(const char *directory, const char *path, struct writer *w, bool gentle)
{
	int r;

	w->fresh = true;
	w->head->records = 0;
	w->head->content = 0;
	w->db = open_writer(path, GDBM_NEWDB);
	if (!w->db)
		return gdbm_fault();
	r = dbfile_each(directory, bytes_of(NULL, 0), known_above, write_old, w);
	if (r < 0) {
		gdbm_close(w->db);
		return r;
	}
	return finish(w, gentle);
}

static int
copy_and_apply(const char *old, const char *path, struct writer *w, bool gentle)
{
	int r = copy_file(old, path);

	if (r < 0)
		return r;
	w->db = open_writer(path, GDBM_WRITER);
	return w->db ? finish(w, gentle) : gdbm_fault();
}

static int
give_name(const char *directory, const char *path, const char *name)
{
	if (rename(path, name) < 0) {
		int err = -errno;

		unlink(path);
		return err;
	}
	return file_fsync_dir(directory);
}

/*
 * The file of walks gets its name first: a crash in between leaves one that nobody uses.  Without
 * it walks are slow, and nothing else: that it cannot be written is no failure.
 */
static int
name_with_walks(const struct writer *w, const struct dbfile_head *old,
	const struct store_walks *walks, const char *path, const char *name, bool gentle)
{
	bool wanted = walks->letters != NULL;
	int made = -ENOENT, r;

	if (wanted)
		made = walkfile_succeed(w->directory, old, w->head, w->changes, walks, gentle);
	r = give_name(w->directory, path, name);
	if (r == 0 && wanted && made < 0)
		walkfile_build(w->directory, w->head, walks, gentle);
	if (r == 0)
		walkfile_clean(w->directory, w->head->sequence, old->sequence);
	return r;
}

int
dbfile_succeed(const char *directory, struct layer *changes, struct dbfile_head *head,
	const struct store_walks *walks, bool gentle)
{
	char *name = xasprintf("%s/" DBFILE_NAME, directory);
	char *path = xasprintf("%s/" DBFILE_NEW, directory);
	struct writer w = { .directory = directory, .changes = changes, .head = head };
	struct dbfile_head old;
	int r = old_head(directory, &old);

	if (r == 0) {
		head->format = old.format;
		head->records = old.records;
		head->content = old.content;
		r = has_grown(name, &old) ? rebuild(directory, path, &w, gentle)
					  : copy_and_apply(name, path, &w, gentle);
		if (r < 0)
			unlink(path);
		else
			r = name_with_walks(&w, &old, walks, path, name, gentle);
	}
	free(path);
	free(name);
	return r;
}

int
dbfile_create(const char *directory, uint32_t format)
{
	char *name = xasprintf("%s/" DBFILE_NAME, directory);
	char *path = xasprintf("%s/" DBFILE_NEW, directory);
	struct dbfile_head head = { .format = format };
	struct writer w = { .head = &head, .fresh = true };
	int r;

	w.db = open_writer(path, GDBM_NEWDB);
	r = w.db ? finish(&w, false) : gdbm_fault();
	if (r < 0)
		unlink(path);
	else
		r = give_name(directory, path, name);
	free(path);
	free(name);
	return r;
}
