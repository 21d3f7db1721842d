/* wal.c - the log: appending, and reading it back after a crash */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/encode.h"
#include "base/log.h"
#include "base/mem.h"
#include "store/batch.h"
#include "store/segment.h"
#include "store/wal.h"

#define SEGMENT_FORMAT 1u
#define SEGMENT_HEAD 48u
#define BATCH_HEAD 24u
#define SALT_LEN 8u

_Static_assert(WAL_ROOM == SEGMENT_HEAD + BATCH_HEAD, "a batch's buffer has room for both heads");

static const unsigned char magic[8] = { 'c', 'o', 'r', 'd', 'l', 'o', 'g', '\n' };

struct wal {
	char *directory;
	int dir;
	size_t segment_size;
	int fd;		   /* of the current segment; -1: the next batch opens one */
	uint64_t number;   /* of the current segment, or of the last one */
	uint64_t sequence; /* of the last batch */
	size_t offset;	   /* where the next batch goes; 0: the segment has no head yet */
	size_t size;	   /* of the file, as far as it is known to be durable */
	bool entry;	   /* the segment's directory entry is not durable yet */
	size_t wanted;	   /* bytes of the largest batch that failed since the last that did not */
	unsigned char salt[SALT_LEN];
};

static void
put_u32(unsigned char *p, uint32_t v)
{
	for (int i = 0; i < 4; i++)
		p[i] = (unsigned char)(v >> (24 - 8 * i));
}

static void
put_u64(unsigned char *p, uint64_t v)
{
	put_u32(p, (uint32_t)(v >> 32));
	put_u32(p + 4, (uint32_t)v);
}

static void
format_segment_head(unsigned char *p, uint64_t number, uint64_t first, const unsigned char *salt)
{
	memset(p, 0, SEGMENT_HEAD);
	memcpy(p, magic, sizeof(magic));
	put_u32(p + 8, SEGMENT_FORMAT);
	put_u64(p + 16, number);
	put_u64(p + 24, first);
	memcpy(p + 32, salt, SALT_LEN);
	put_u32(p + 44, digest_crc32c(0, bytes_of(p, 44)));
}

static uint32_t
batch_checksum(const unsigned char *salt, const unsigned char *head, struct bytes changes)
{
	uint32_t crc = digest_crc32c(0, bytes_of(salt, SALT_LEN));

	crc = digest_crc32c(crc, bytes_of(head, 4));
	crc = digest_crc32c(crc, bytes_of(head + 8, BATCH_HEAD - 8));
	return digest_crc32c(crc, changes);
}

static void
format_batch_head(unsigned char *p, const struct wal *w, struct bytes changes)
{
	put_u32(p, (uint32_t)changes.len);
	put_u64(p + 8, w->number);
	put_u64(p + 16, w->sequence + 1);
	put_u32(p + 4, batch_checksum(w->salt, p, changes));
}

/* ---- reading back ---- */

/* One segment file as replay sees it. */
struct reader {
	uint64_t number, first; /* first: sequence of its first batch */
	unsigned char salt[SALT_LEN];
	struct buf content;
	size_t at;	   /* behind the last batch read */
	uint64_t sequence; /* of the last batch read */
};

static void
reader_fini(struct reader *r)
{
	buf_free(&r->content);
}

/* 0; -ENODATA when it has no (whole) head; -EPROTO; -errno. */
static int
reader_init(struct reader *r, int dir, uint64_t number)
{
	memset(r, 0, sizeof(*r));
	r->number = number;

	int err = segment_read(dir, number, &r->content);
	const unsigned char *p = r->content.data;

	if (err < 0)
		return err;
	if (r->content.len < SEGMENT_HEAD || memcmp(p, magic, sizeof(magic)) != 0 ||
		bytes_u32(p + 44) != digest_crc32c(0, bytes_of(p, 44)))
		return -ENODATA;
	if (bytes_u32(p + 8) > SEGMENT_FORMAT)
		return -EPROTO;
	if (bytes_u64(p + 16) != number)
		return -ENODATA;
	r->first = bytes_u64(p + 24);
	r->sequence = r->first - 1;
	memcpy(r->salt, p + 32, SALT_LEN);
	r->at = SEGMENT_HEAD;
	return 0;
}

/* The batch that begins at `at` and should have this sequence; false when there is none. */
static bool
batch_at(const struct reader *r, size_t at, uint64_t sequence, struct bytes *changes)
{
	const unsigned char *p = r->content.data + at;

	if (at > r->content.len || r->content.len - at < BATCH_HEAD)
		return false;
	changes->data = p + BATCH_HEAD;
	changes->len = bytes_u32(p);
	return changes->len <= r->content.len - at - BATCH_HEAD && bytes_u64(p + 8) == r->number &&
	       bytes_u64(p + 16) == sequence &&
	       bytes_u32(p + 4) == batch_checksum(r->salt, p, *changes) && batch_whole(*changes);
}

static bool
reader_next(struct reader *r, struct bytes *changes)
{
	if (!batch_at(r, r->at, r->sequence + 1, changes))
		return false;
	r->at += BATCH_HEAD + changes->len;
	r->sequence++;
	return true;
}

/* A whole batch behind one that is not: the disk lost something, this is no torn tail. */
static bool
reader_has_more(const struct reader *r)
{
	struct bytes changes;

	if (r->content.len - r->at < BATCH_HEAD)
		return false;

	size_t skip = BATCH_HEAD + bytes_u32(r->content.data + r->at);

	return batch_at(r, r->at + skip, r->sequence + 2, &changes);
}

struct found {
	uint64_t number, first;
	bool used; /* it has at least one whole batch */
};

static int
peek(int dir, struct found *f)
{
	struct reader r;
	struct bytes changes;
	int err = reader_init(&r, dir, f->number);

	if (err == 0) {
		f->first = r.first;
		f->used = reader_next(&r, &changes);
	}
	reader_fini(&r);
	return err == -ENODATA ? 0 : err;
}

/* Batches from here on were forgotten, and written anew in a later segment. */
static uint64_t
limit_of(const struct found *f, size_t count, size_t i)
{
	uint64_t limit = UINT64_MAX;

	for (size_t j = i + 1; j < count; j++)
		if (f[j].used && f[j].first < limit)
			limit = f[j].first;
	return limit;
}

struct replay {
	struct wal *wal;
	void (*apply)(void *arg, struct bytes changes);
	void *arg;
};

/* Reads one segment to its end, its limit or a gap (-ENOMSG), and makes it the current one. */
static int
replay_segment(const struct replay *p, uint64_t number, uint64_t limit)
{
	struct wal *w = p->wal;
	struct reader r;
	struct bytes changes;
	int err = reader_init(&r, w->dir, number);

	if (err == 0 && r.first > w->sequence + 1)
		err = -ENOMSG;
	while (err == 0 && r.sequence + 1 < limit && reader_next(&r, &changes)) {
		if (r.sequence <= w->sequence)
			continue;
		p->apply(p->arg, changes);
		w->sequence = r.sequence;
	}
	if (err == 0) {
		w->number = number;
		w->offset = r.at;
		w->size = r.content.len;
		memcpy(w->salt, r.salt, SALT_LEN);
		if (limit == UINT64_MAX && reader_has_more(&r)) {
			log_event(EV_STORE_FAULT, NO_FIELDS,
				"%s/" SEGMENT_FORMAT_NAME ": damaged in its middle: changes "
				"after batch %" PRIu64 " are lost; check the disk",
				w->directory, number, w->sequence);
			w->offset = 0; /* never write over what a person may want to look at */
		}
	}
	reader_fini(&r);
	return err;
}

static void
set_aside(const struct wal *w, uint64_t number)
{
	if (segment_set_aside(w->dir, number) == 0)
		log_event(EV_STORE_FAULT, NO_FIELDS,
			"%s: the log has a gap before segment %" PRIu64
			"; what cannot be applied was kept as log-%" PRIu64 ".damaged",
			w->directory, number, number);
}

/* Replays the used segments in order; those behind a gap are set aside. */
static int
replay_all(const struct replay *p, struct found *f, size_t count)
{
	bool gap = false;

	for (size_t i = 0; i < count; i++) {
		if (!f[i].used)
			continue;

		int err = gap ? -ENOMSG : replay_segment(p, f[i].number, limit_of(f, count, i));

		if (err == -ENOMSG) {
			gap = true;
			set_aside(p->wal, f[i].number);
		} else if (err < 0) {
			return err;
		}
	}
	return 0;
}

/* Removes stale segments and empty ones that are not the next; re-opens the current one. */
static int
settle(struct wal *w, const struct found *f, size_t count, uint64_t stale_below)
{
	for (size_t i = 0; i < count; i++) {
		uint64_t n = f[i].number;

		if (n < stale_below || (!f[i].used && n != w->number + 1))
			segment_remove(w->dir, n);
	}
	if (w->offset == 0)
		return 0;
	w->fd = segment_open(w->dir, w->number, NULL, NULL);
	return w->fd < 0 ? w->fd : 0;
}

static int
load(struct wal *w, const struct wal_start *start, const struct replay *p, char **why)
{
	uint64_t *numbers = NULL;
	size_t count = 0;
	int err = segment_list(w->dir, &numbers, &count);
	struct found *f = xcalloc(count + 1, sizeof(*f));

	w->sequence = start->sequence;
	w->number = start->segment > 0 ? start->segment - 1 : 0;
	for (size_t i = 0; i < count && err == 0; i++) {
		f[i].number = numbers[i];
		if (numbers[i] >= start->segment)
			err = peek(w->dir, &f[i]);
		if (err < 0)
			*why = xasprintf(err == -EPROTO ? "%s/" SEGMENT_FORMAT_NAME
							  ": written by a newer cordond; "
							  "install that version again (%s)"
							: "%s/" SEGMENT_FORMAT_NAME
							  ": cannot be read: %s",
				w->directory, numbers[i], strerror(-err));
	}
	if (err == 0)
		err = replay_all(p, f, count);
	if (err == 0)
		err = settle(w, f, count, start->segment);
	free(f);
	free(numbers);
	return err;
}

int
wal_open(const struct wal_start *start, void (*apply)(void *arg, struct bytes changes), void *arg,
	struct wal **ret, char **why)
{
	struct wal *w = xcalloc(1, sizeof(*w));
	const struct replay p = { w, apply, arg };
	int err;

	*why = NULL;
	w->directory = xstrdup(start->directory);
	w->segment_size = start->segment_size;
	w->fd = -1;
	w->dir = open(start->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	err = w->dir < 0 ? -errno : load(w, start, &p, why);
	if (err < 0) {
		if (!*why)
			*why = xasprintf(
				"%s: the log cannot be read: %s", start->directory, strerror(-err));
		wal_close(w);
		return err;
	}
	*ret = w;
	return 0;
}

void
wal_close(struct wal *w)
{
	if (!w)
		return;
	if (w->fd >= 0)
		close(w->fd);
	if (w->dir >= 0)
		close(w->dir);
	free(w->directory);
	free(w);
}

/* ---- appending ---- */

/* The next segment becomes the current one; on failure the current one stays. */
static int
advance(struct wal *w)
{
	size_t size;
	bool created;
	int fd = segment_open(w->dir, w->number + 1, &size, &created);

	if (fd < 0)
		return fd;
	if (w->fd >= 0)
		close(w->fd);
	/* One without a batch is one that failed: a fault of days must not leave one a second. */
	if (w->fd >= 0 && w->offset == 0)
		segment_remove(w->dir, w->number);
	w->fd = fd;
	w->number++;
	w->offset = 0;
	w->size = size;
	w->entry = created;
	random_bytes(w->salt, sizeof(w->salt));
	return 0;
}

static int
write_all(int fd, const unsigned char *p, size_t len, size_t at)
{
	while (len > 0) {
		ssize_t n = pwrite(fd, p, len, (off_t)at);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ENOSPC;
		p += n;
		at += (size_t)n;
		len -= (size_t)n;
	}
	return 0;
}

static int
sync_all(struct wal *w)
{
	if (fdatasync(w->fd) < 0)
		return -errno;
	if (w->entry && fsync(w->dir) < 0)
		return -errno;
	w->entry = false;
	return 0;
}

/* Is there room in the current segment, or will the next one have it? */
static bool
is_full(const struct wal *w, size_t need)
{
	size_t used = w->offset < w->segment_size ? w->offset : w->segment_size;

	return w->offset > 0 && need > w->segment_size - used;
}

static int
append(struct wal *w, struct buf *b)
{
	int err = w->fd < 0 || is_full(w, b->len - SEGMENT_HEAD) ? advance(w) : 0;

	if (err < 0)
		return err;

	size_t skip = w->offset == 0 ? 0 : SEGMENT_HEAD;

	if (skip == 0)
		format_segment_head(b->data, w->number, w->sequence + 1, w->salt);
	format_batch_head(
		b->data + SEGMENT_HEAD, w, bytes_of(b->data + WAL_ROOM, b->len - WAL_ROOM));
	err = write_all(w->fd, b->data + skip, b->len - skip, w->offset);
	if (err == 0)
		err = sync_all(w);
	if (err < 0)
		return err;
	w->offset += b->len - skip;
	if (w->offset > w->size)
		w->size = w->offset;
	w->sequence++;
	return 0;
}

int
wal_append(struct wal *w, struct buf *b)
{
	int err = append(w, b);

	if (err == 0)
		w->wanted = 0;
	else if (b->len > w->wanted)
		w->wanted = b->len;
	return err;
}

int
wal_probe(struct wal *w, bool elsewhere)
{
	struct buf b = BUF_INIT;
	int err = 0;

	/* Where only a little is left a probe would fit, and the next change be refused again. */
	if (w->fd >= 0 && (elsewhere || (w->wanted > 0 && is_full(w, w->wanted))))
		err = advance(w);
	if (err == 0 && w->fd >= 0 && w->wanted > 0)
		err = -posix_fallocate(w->fd, (off_t)w->offset, (off_t)w->wanted);
	if (err == 0) {
		buf_reserve(&b, WAL_ROOM);
		b.len = WAL_ROOM;
		err = append(w, &b);
	}
	buf_free(&b);
	return err;
}

uint64_t
wal_cut(struct wal *w)
{
	if (w->fd >= 0 && w->offset > 0)
		advance(w);
	return w->fd >= 0 ? w->number : w->number + 1;
}

uint64_t
wal_end(struct wal *w)
{
	if (w->fd >= 0)
		close(w->fd);
	w->fd = -1;
	return w->number + 1;
}

uint64_t
wal_sequence(const struct wal *w)
{
	return w->sequence;
}

uint64_t
wal_number(const struct wal *w)
{
	return w->number;
}

bool
wal_prepared(const struct wal *w)
{
	return segment_exists(w->dir, w->number + 1);
}

bool
wal_growing(const struct wal *w)
{
	return w->fd >= 0 && w->size < w->segment_size;
}
