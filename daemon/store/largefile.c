/*
 * largefile.c - large answers as files of their own: compressed, sealed, named by their content
 *
 *   files/<sha256 hex of the content>    sealed (length (u64) | zlib stream), bound to the name
 *   'F' name                             how many records refer to it
 *
 * The count changes in the same batch as the records that refer, so it is exact whatever happens; a
 * file is written and synced before that batch and removed after it.  What a crash leaves between
 * the two is a file without a count: the sweep after the next start finds it.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "base/digest.h"
#include "base/file.h"
#include "base/mem.h"
#include "store/internal.h"
#include "store/record.h"

#define FILES "files"
#define NAME_LEN (2u * SHA256_LEN)
#define CONTENT_HEAD 8u
#define SWEEP_SLICE 64 /* directory entries a tick */
#define TAG_COUNT 1

static char *
path_of(const struct store *s, const char *name)
{
	return xasprintf("%s/" FILES "/%s", s->directory, name);
}

static bool
name_valid(const char *name)
{
	return strlen(name) == NAME_LEN && strspn(name, "0123456789abcdef") == NAME_LEN;
}

/* ---- the count of references ---- */

static int
count_get(struct store *s, const char *name, int64_t *count)
{
	struct buf key = BUF_INIT, value = BUF_INIT;
	int r = store_get(s, record_key(&key, 'F', name, NULL), &value);
	struct record_reader reader;
	struct bytes field;
	uint8_t tag;

	*count = 0;
	if (r == 0 && record_open(&reader, buf_bytes(&value)) == 0)
		while (record_next(&reader, &tag, &field))
			if (tag == TAG_COUNT)
				*count = record_int(field);
	buf_free(&value);
	buf_free(&key);
	return r == -ENOENT ? 0 : r;
}

static int
count_set(struct store *s, const char *name, int64_t count)
{
	struct buf key = BUF_INIT, value = BUF_INIT;
	struct bytes k = record_key(&key, 'F', name, NULL);
	int r;

	record_begin(&value, 1);
	record_add_int(&value, TAG_COUNT, count);
	r = count > 0 ? store_put(s, k, buf_bytes(&value)) : store_delete(s, k);
	buf_free(&value);
	buf_free(&key);
	return r;
}

static void
touch(struct store *s, const char *name)
{
	struct names *n = &s->touched;

	if (n->count == n->cap) {
		n->cap = n->cap ? 2 * n->cap : 16;
		n->items = xrealloc(n->items, n->cap * sizeof(*n->items));
	}
	memcpy(n->items[n->count++], name, NAME_LEN + 1);
}

/* Removes the file unless a record refers to it, or may: a store that cannot be read says nothing.
 */
static void
remove_unreferenced(struct store *s, const char *name)
{
	int64_t count;
	char *path;

	if (count_get(s, name, &count) < 0 || count > 0)
		return;
	path = path_of(s, name);
	unlink(path);
	free(path);
}

void
largefile_settle(struct store *s)
{
	struct names n = s->touched;

	s->touched = (struct names){ 0 };
	/* A backup copies them; what goes meanwhile is swept after it. */
	for (size_t i = 0; i < n.count && s->backup.stage == BACKUP_NONE; i++)
		remove_unreferenced(s, n.items[i]);
	free(n.items);
}

/* ---- content ---- */

static int
encode(struct store *s, const char *name, struct bytes content, struct buf *out)
{
	uLongf len = compressBound((uLong)content.len);
	struct buf plain = BUF_INIT;
	int r;

	buf_add_u64(&plain, content.len);
	buf_reserve(&plain, len);
	/* Lists of applications shrink tenfold at any level; the loop has no time for more. */
	r = compress2(plain.data + plain.len, &len, content.data, (uLong)content.len, Z_BEST_SPEED);
	if (r == Z_OK) {
		plain.len += len;
		r = store_seal(s, bytes_str(name), buf_bytes(&plain), out);
	} else {
		r = -ENOMEM;
	}
	buf_wipe(&plain);
	return r;
}

static int
decode(struct bytes plain, size_t max, struct buf *ret)
{
	uint64_t length;
	uLongf got;

	if (plain.len < CONTENT_HEAD)
		return -EBADMSG;
	length = bytes_u64(plain.data);
	if (length > max)
		return -EFBIG;
	buf_reserve(ret, length + 1);
	got = (uLongf)length + 1; /* one more: a longer stream must not pass as this one */
	if (uncompress(ret->data + ret->len, &got, plain.data + CONTENT_HEAD,
		    (uLong)(plain.len - CONTENT_HEAD)) != Z_OK ||
		got != length)
		return -EBADMSG;
	ret->len += length;
	return 0;
}

static int
write_file(struct store *s, const char *name, struct bytes content)
{
	char *path = path_of(s, name);
	struct buf sealed = BUF_INIT;
	int r = encode(s, name, content, &sealed);

	if (r == 0)
		r = file_write_atomic(
			path, buf_bytes(&sealed), 0600, FILE_KEEP_OWNER, (gid_t)FILE_KEEP_OWNER);
	buf_free(&sealed);
	free(path);
	return r;
}

static bool
is_there(struct store *s, const char *name)
{
	char *path = path_of(s, name);
	bool yes = file_exists(path);

	free(path);
	return yes;
}

int
store_file_put(struct store *s, struct bytes content, char name[65])
{
	int64_t count;
	int r;

	if (s->numbers.fault != 0)
		return -EROFS;
	if (!s->options.seal)
		return -ENOKEY;
	digest_sha256_hex(content, name);
	r = count_get(s, name, &count);
	if (r == 0 && (count == 0 || !is_there(s, name)))
		r = write_file(s, name, content);
	if (r < 0)
		return r;
	touch(s, name);
	return count_set(s, name, count + 1);
}

int
store_file_get(struct store *s, const char *name, size_t max, struct buf *ret)
{
	struct buf sealed = BUF_INIT, plain = BUF_INIT;
	char *path;
	int r;

	if (!name_valid(name))
		return -ENOENT;
	path = path_of(s, name);
	r = file_read(
		path, compressBound((uLong)max) + CONTENT_HEAD + SEAL_OVERHEAD, &sealed, NULL);
	if (r == 0)
		r = store_unseal(s, bytes_str(name), buf_bytes(&sealed), &plain);
	if (r == 0)
		r = decode(buf_bytes(&plain), max, ret);
	else if (r == -EINVAL)
		r = -EBADMSG;
	buf_wipe(&plain);
	buf_free(&sealed);
	free(path);
	return r;
}

void
store_file_drop(struct store *s, const char *name)
{
	int64_t count;

	if (!name_valid(name) || count_get(s, name, &count) < 0 || count == 0)
		return;
	if (count_set(s, name, count - 1) == 0)
		touch(s, name);
}

/* ---- the sweep ---- */

int
largefile_open(struct store *s)
{
	char *path = xasprintf("%s/" FILES, s->directory);
	int err = file_mkdirs(path, 0700);

	if (err == 0) {
		s->sweep = opendir(path);
		if (!s->sweep)
			err = -errno;
	}
	free(path);
	return err;
}

void
largefile_sweep(struct store *s)
{
	largefile_close(s);
	if (!s->closing && largefile_open(s) < 0)
		s->sweep = NULL; /* the next start sweeps */
}

void
largefile_close(struct store *s)
{
	if (s->sweep)
		closedir(s->sweep);
	s->sweep = NULL;
}

/* What file_write_atomic left when it was cut off: nobody writes while we are here. */
static bool
is_temporary(const char *name)
{
	size_t len = strlen(name);

	return len > 4 && strcmp(name + len - 4, ".tmp") == 0;
}

void
largefile_tick(struct store *s)
{
	const struct dirent *entry;

	if (!s->sweep || s->backup.stage != BACKUP_NONE)
		return;
	for (int i = 0; i < SWEEP_SLICE; i++) {
		entry = readdir(s->sweep);
		if (!entry) {
			largefile_close(s);
			return;
		}
		if (name_valid(entry->d_name))
			remove_unreferenced(s, entry->d_name);
		else if (is_temporary(entry->d_name))
			unlinkat(dirfd(s->sweep), entry->d_name, 0);
	}
}
