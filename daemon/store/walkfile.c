/* walkfile.c - the records that are walked over, in a file of their own */
#include "store/walkfile.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/mem.h"
#include "store/dbhead.h"
#include "store/layer.h"

#define MAGIC "CORDONWK"
#define PIECE (1u << 20)
#define SECTIONS_MAX 16u
#define ENTRY_HEAD 6u
#define SECTION_LEN 29u
#define HEAD_FIXED (8u + 24u + 4u)
#define HEAD_ROOM (HEAD_FIXED + SECTIONS_MAX * SECTION_LEN + 1u + 4u)
#define NAME_PREFIX "walk-"
#define NAME_NEW "walk.new"

struct section {
	unsigned char letter;
	uint64_t records, place, length;
	uint32_t crc;
};

struct head {
	struct section sections[SECTIONS_MAX];
	size_t count;
};

static char *
path_of(const char *directory, uint64_t sequence)
{
	return xasprintf("%s/" NAME_PREFIX "%" PRIu64, directory, sequence);
}

/* ---- the head ---- */

static void
encode_head(const struct head *h, const struct dbfile_head *of, uint32_t meaning, struct buf *out)
{
	buf_add_str(out, MAGIC);
	buf_add_u64(out, of->sequence);
	buf_add_u64(out, of->records);
	buf_add_u64(out, of->content);
	buf_add_u32(out, meaning);
	for (size_t i = 0; i < h->count; i++) {
		const struct section *s = &h->sections[i];

		buf_add_u8(out, s->letter);
		buf_add_u64(out, s->records);
		buf_add_u64(out, s->place);
		buf_add_u64(out, s->length);
		buf_add_u32(out, s->crc);
	}
	buf_add_u8(out, 0);
	buf_add_u32(out, digest_crc32c(0, buf_bytes(out)));
}

static int
decode_head(struct bytes in, const struct dbfile_head *of, uint32_t meaning, struct head *h)
{
	struct bytes at = in;
	size_t len;

	h->count = 0;
	if (in.len < HEAD_ROOM || memcmp(in.data, MAGIC, 8) != 0 ||
		bytes_u64(in.data + 8) != of->sequence || bytes_u64(in.data + 16) != of->records ||
		bytes_u64(in.data + 24) != of->content || bytes_u32(in.data + 32) != meaning)
		return -ENOENT;
	at.data += HEAD_FIXED;
	for (; *at.data != 0 && h->count < SECTIONS_MAX; at.data += SECTION_LEN)
		h->sections[h->count++] = (struct section){ .letter = at.data[0],
			.records = bytes_u64(at.data + 1),
			.place = bytes_u64(at.data + 9),
			.length = bytes_u64(at.data + 17),
			.crc = bytes_u32(at.data + 25) };
	len = (size_t)(at.data - in.data) + 1;
	if (*at.data != 0 || digest_crc32c(0, bytes_of(in.data, len)) != bytes_u32(in.data + len))
		return -ENOENT;
	return 0;
}

static int
read_at(int fd, void *to, size_t len, uint64_t place)
{
	ssize_t n = pread(fd, to, len, (off_t)place);

	return n == (ssize_t)len ? 0 : -ENOENT;
}

/* A descriptor, or -ENOENT when the file is not of this database, of other walks, or damaged. */
static int
open_file(const char *directory, const struct dbfile_head *of, uint32_t meaning, struct head *h)
{
	unsigned char text[HEAD_ROOM];
	char *path = path_of(directory, of->sequence);
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	free(path);
	if (fd < 0)
		return -ENOENT;
	if (read_at(fd, text, sizeof(text), 0) < 0 ||
		decode_head(bytes_of(text, sizeof(text)), of, meaning, h) < 0) {
		close(fd);
		return -ENOENT;
	}
	return fd;
}

/* ---- reading ---- */

static bool
is_whole(int fd, const struct section *s)
{
	unsigned char *piece = xmalloc(PIECE);
	uint64_t at = 0;
	uint32_t crc = 0;

	while (at < s->length) {
		size_t n = s->length - at < PIECE ? (size_t)(s->length - at) : PIECE;

		if (read_at(fd, piece, n, s->place + at) < 0)
			break;
		crc = digest_crc32c(crc, bytes_of(piece, n));
		at += n;
	}
	free(piece);
	return at == s->length && crc == s->crc;
}

struct visit {
	struct bytes prefix;
	bool (*skip)(void *arg, struct bytes key);
	int (*each)(void *arg, struct bytes key, struct bytes value);
	void *arg;
};

/* The whole entries at the start of `in`; *used: their bytes. */
static int
visit_some(const struct visit *v, struct bytes in, size_t *used)
{
	int r = 0;

	*used = 0;
	while (r == 0 && in.len - *used >= ENTRY_HEAD) {
		const unsigned char *p = in.data + *used;
		struct bytes key = bytes_of(p + ENTRY_HEAD, (size_t)p[0] << 8 | p[1]);
		struct bytes value = bytes_of(key.data + key.len, bytes_u32(p + 2));

		if (in.len - *used < ENTRY_HEAD + key.len + value.len)
			break;
		*used += ENTRY_HEAD + key.len + value.len;
		if (key.len >= v->prefix.len &&
			(v->prefix.len == 0 ||
				memcmp(key.data, v->prefix.data, v->prefix.len) == 0) &&
			!(v->skip && v->skip(v->arg, key)))
			r = v->each(v->arg, key, value);
	}
	return r;
}

static int
visit_section(int fd, const struct section *s, const struct visit *v)
{
	struct buf b = BUF_INIT;
	uint64_t at = 0;
	size_t used;
	int r = 0;

	while (r == 0 && at < s->length) {
		size_t n = s->length - at < PIECE ? (size_t)(s->length - at) : PIECE;

		buf_reserve(&b, n);
		if (read_at(fd, b.data + b.len, n, s->place + at) < 0) {
			r = -EIO; /* it could be read a moment ago */
			break;
		}
		b.len += n;
		at += n;
		r = visit_some(v, buf_bytes(&b), &used);
		memmove(b.data, b.data + used, b.len - used);
		b.len -= used;
	}
	if (r == 0 && b.len > 0)
		r = -EIO;
	buf_free(&b);
	return r;
}

static const struct section *
find_section(const struct head *h, unsigned char letter)
{
	for (size_t i = 0; i < h->count; i++)
		if (h->sections[i].letter == letter)
			return &h->sections[i];
	return NULL;
}

int
walkfile_each(const char *directory, const struct dbfile_head *head,
	const struct store_walks *walks, struct bytes prefix,
	bool (*skip)(void *arg, struct bytes key),
	int (*each)(void *arg, struct bytes key, struct bytes value), void *arg)
{
	const struct visit v = { prefix, skip, each, arg };
	const struct section *s;
	struct head h;
	int fd, r = -ENOENT;

	if (prefix.len == 0)
		return -ENOENT;
	fd = open_file(directory, head, walks->meaning, &h);
	if (fd < 0)
		return fd;
	s = find_section(&h, prefix.data[0]);
	if (s && is_whole(fd, s)) {
		r = visit_section(fd, s, &v);
		if (r == -ENOENT) /* the caller's own word, not ours */
			r = -EIO;
	}
	close(fd);
	return r;
}

/* ---- writing ---- */

struct writer {
	int fd;
	const struct store_walks *walks;
	struct layer *changes;
	struct head head;
	struct section *now;
	struct buf out, value;
	uint64_t place;
	int err;
};

static void
write_out(struct writer *w)
{
	size_t done = 0;

	while (w->err == 0 && done < w->out.len) {
		ssize_t n = pwrite(
			w->fd, w->out.data + done, w->out.len - done, (off_t)(w->place + done));

		if (n < 0 && errno != EINTR)
			w->err = -errno;
		else if (n > 0)
			done += (size_t)n;
	}
	if (w->now) {
		w->now->crc = digest_crc32c(w->now->crc, buf_bytes(&w->out));
		w->now->length += w->out.len;
	}
	w->place += w->out.len;
	buf_reset(&w->out);
}

static int
add_entry(struct writer *w, struct bytes key, struct bytes value)
{
	buf_add_u8(&w->out, (uint8_t)(key.len >> 8));
	buf_add_u8(&w->out, (uint8_t)key.len);
	buf_add_u32(&w->out, (uint32_t)value.len);
	buf_add_bytes(&w->out, key);
	buf_add_bytes(&w->out, value);
	w->now->records++;
	if (w->out.len >= PIECE)
		write_out(w);
	return w->err;
}

/* A record as the database has it. */
static int
add_record(void *arg, struct bytes key, struct bytes value)
{
	struct writer *w = arg;

	if (!w->walks->brief)
		return add_entry(w, key, value);
	buf_reset(&w->value);
	w->walks->brief(key, value, &w->value);
	return add_entry(w, key, buf_bytes(&w->value));
}

static int
add_change(void *arg, struct bytes key, const struct change *c)
{
	struct writer *w = arg;

	if (c->deleted || key.data[0] != w->now->letter)
		return 0;
	return add_record(w, key, change_value(c));
}

static int
add_old(void *arg, struct bytes key, struct bytes value)
{
	return add_entry(arg, key, value);
}

static bool
is_changed(void *arg, struct bytes key)
{
	return layer_get(((struct writer *)arg)->changes, key) != NULL;
}

static void
begin_section(struct writer *w, char letter)
{
	w->now = &w->head.sections[w->head.count++];
	*w->now = (struct section){ .letter = (unsigned char)letter, .place = w->place };
}

static int
begin(struct writer *w, const char *directory)
{
	char *path = xasprintf("%s/" NAME_NEW, directory);

	w->fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	w->place = HEAD_ROOM;
	w->err = w->fd < 0 ? -errno : 0;
	free(path);
	return w->err;
}

/* The head, the disk, the name; or nothing is left. */
static int
finish(struct writer *w, const char *directory, const struct dbfile_head *of, bool gentle)
{
	char *from = xasprintf("%s/" NAME_NEW, directory);
	char *to = path_of(directory, of->sequence);

	w->now = NULL;
	w->place = 0;
	buf_reset(&w->out);
	encode_head(&w->head, of, w->walks->meaning, &w->out);
	buf_reserve(&w->out, HEAD_ROOM);
	memset(w->out.data + w->out.len, 0, HEAD_ROOM - w->out.len);
	w->out.len = HEAD_ROOM;
	write_out(w);
	if (w->err == 0 && gentle)
		dbwriter_write_out(w->fd);
	if (w->err == 0 && fdatasync(w->fd) < 0)
		w->err = -errno;
	if (w->fd >= 0)
		close(w->fd);
	if (w->err == 0 && rename(from, to) < 0)
		w->err = -errno;
	if (w->err < 0)
		unlink(from);
	buf_free(&w->out);
	buf_free(&w->value);
	free(to);
	free(from);
	return w->err;
}

/* What the changes leave as it was. */
static int
take_over(struct writer *w, int fd, const struct section *s)
{
	const struct visit v = { bytes_of(NULL, 0), is_changed, add_old, w };

	return s && is_whole(fd, s) ? visit_section(fd, s, &v) : -ENOENT;
}

int
walkfile_succeed(const char *directory, const struct dbfile_head *old,
	const struct dbfile_head *head, struct layer *changes, const struct store_walks *walks,
	bool gentle)
{
	struct writer w = { .walks = walks, .changes = changes };
	const char *l;
	struct head before;
	int fd = open_file(directory, old, walks->meaning, &before);

	if (fd < 0 && old->records > 0)
		return fd;
	begin(&w, directory);
	for (l = walks->letters; *l && w.err == 0; l++) {
		begin_section(&w, *l);
		if (fd >= 0)
			w.err = take_over(&w, fd, find_section(&before, (unsigned char)*l));
		if (w.err == 0)
			w.err = layer_each(changes, add_change, &w);
		if (w.err == 0)
			write_out(&w);
	}
	if (fd >= 0)
		close(fd);
	return finish(&w, directory, head, gentle);
}

int
walkfile_build(const char *directory, const struct dbfile_head *head,
	const struct store_walks *walks, bool gentle)
{
	struct writer w = { .walks = walks };
	const char *l;

	begin(&w, directory);
	for (l = walks->letters; *l && w.err == 0; l++) {
		begin_section(&w, *l);
		w.err = dbfile_each(directory, bytes_of(l, 1), NULL, add_record, &w);
		if (w.err == 0)
			write_out(&w);
	}
	return finish(&w, directory, head, gentle);
}

void
walkfile_clean(const char *directory, uint64_t sequence, uint64_t other)
{
	DIR *d = opendir(directory);
	struct dirent *e;

	while (d && (e = readdir(d)) != NULL) {
		bool ours = strncmp(e->d_name, NAME_PREFIX, strlen(NAME_PREFIX)) == 0;
		uint64_t n = ours ? strtoull(e->d_name + strlen(NAME_PREFIX), NULL, 10) : 0;

		if ((ours && n != sequence && n != other) || strcmp(e->d_name, NAME_NEW) == 0)
			unlinkat(dirfd(d), e->d_name, 0);
	}
	if (d)
		closedir(d);
}
