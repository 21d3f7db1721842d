/* dbfile.c - reading state.gdbm */
#include <errno.h>
#include <gdbm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "store/dbfile.h"
#include "store/dbhead.h"

struct dbfile {
	char *path;
	GDBM_FILE db;
	struct dbfile_head head;
};

static datum
datum_of(struct bytes b)
{
	return (datum){ .dptr = (char *)(uintptr_t)b.data, .dsize = (int)b.len };
}

static bool
is_head(struct bytes key)
{
	return bytes_eq(key, bytes_of(DBFILE_HEAD_KEY, DBFILE_HEAD_KEY_LEN));
}

static GDBM_FILE
open_reader(const char *path, int flags)
{
	return gdbm_open(path, 0, GDBM_READER | GDBM_NOLOCK | GDBM_CLOEXEC | flags, 0, NULL);
}

/* 0 or -errno, never 0 after a failure. */
static int
gdbm_fault(void)
{
	int err = gdbm_check_syserr(gdbm_errno) ? errno : 0;

	return err > 0 ? -err : -EIO;
}

static int
refuse(char **why, int err, const char *path, const char *words)
{
	*why = xasprintf("%s: %s", path, words);
	return err;
}

static int
read_head(struct dbfile *db, uint32_t format, char **why)
{
	struct buf value = BUF_INIT;
	int r = dbfile_get(db, bytes_of(DBFILE_HEAD_KEY, DBFILE_HEAD_KEY_LEN), &value);

	if (r == 0)
		r = dbhead_decode(buf_bytes(&value), &db->head);
	buf_free(&value);
	if (r < 0)
		return refuse(why, -EBADMSG, db->path,
			"is no state of cordond or is damaged; restore the state directory from a "
			"backup");
	if (db->head.format > format)
		return refuse(why, -EPROTO, db->path,
			"was written by a newer cordond; install that version again, or restore "
			"the backup that was made before it");
	return 0;
}

int
dbfile_open(const char *directory, uint32_t format, struct dbfile **ret, char **why)
{
	struct dbfile *db = xcalloc(1, sizeof(*db));
	struct stat st;
	int err = 0;

	db->path = xasprintf("%s/" DBFILE_NAME, directory);
	*why = NULL;
	if (stat(db->path, &st) < 0) {
		err = -errno;
		refuse(why, err, db->path, strerror(-err));
	} else if (st.st_size == 0) {
		err = refuse(why, -EBADMSG, db->path,
			"is empty, its content is lost; restore the state directory from a backup");
	} else {
		db->db = open_reader(db->path, GDBM_NOMMAP);
		if (!db->db) {
			err = gdbm_fault();
			refuse(why, err, db->path, gdbm_strerror(gdbm_errno));
		} else {
			err = read_head(db, format, why);
		}
	}
	if (err < 0) {
		dbfile_close(db);
		return err;
	}
	*ret = db;
	return 0;
}

void
dbfile_close(struct dbfile *db)
{
	if (!db)
		return;
	if (db->db)
		gdbm_close(db->db);
	free(db->path);
	free(db);
}

const struct dbfile_head *
dbfile_head(const struct dbfile *db)
{
	return &db->head;
}

/*
 * A handle that met a read error refuses everything afterwards: a new one gives the good records
 * again.  The file may have a successor by now, which holds the same and what lies on top of it.
 */
static int
reopen(struct dbfile *db)
{
	GDBM_FILE fresh = open_reader(db->path, GDBM_NOMMAP);

	if (!fresh)
		return -EIO;
	gdbm_close(db->db);
	db->db = fresh;
	return 0;
}

int
dbfile_get(struct dbfile *db, struct bytes key, struct buf *ret)
{
	for (int try = 0; try < 2; try++) {
		datum value = gdbm_fetch(db->db, datum_of(key));

		if (value.dptr) {
			buf_add(ret, value.dptr, (size_t)value.dsize);
			free(value.dptr);
			return 0;
		}
		if (gdbm_errno == GDBM_ITEM_NOT_FOUND)
			return -ENOENT;
		if (reopen(db) < 0)
			break;
	}
	return -EIO;
}

int
dbfile_has(struct dbfile *db, struct bytes key)
{
	for (int try = 0; try < 2; try++) {
		if (gdbm_exists(db->db, datum_of(key)))
			return 0;
		if (gdbm_errno == GDBM_ITEM_NOT_FOUND || gdbm_errno == GDBM_NO_ERROR)
			return -ENOENT;
		if (reopen(db) < 0)
			break;
	}
	return -EIO;
}

static bool
has_prefix(struct bytes key, struct bytes prefix)
{
	return key.len >= prefix.len &&
	       (prefix.len == 0 || memcmp(key.data, prefix.data, prefix.len) == 0);
}

static int
visit(GDBM_FILE db, struct bytes key, int (*each)(void *arg, struct bytes key, struct bytes value),
	void *arg)
{
	datum value = gdbm_fetch(db, datum_of(key));

	if (!value.dptr)
		return -EIO;

	int r = each(arg, key, bytes_of(value.dptr, (size_t)value.dsize));

	free(value.dptr);
	return r;
}

int
dbfile_each(const char *directory, struct bytes prefix, bool (*skip)(void *arg, struct bytes key),
	int (*each)(void *arg, struct bytes key, struct bytes value), void *arg)
{
	char *path = xasprintf("%s/" DBFILE_NAME, directory);
	GDBM_FILE db = open_reader(path, 0);
	int r = 0;

	free(path);
	if (!db)
		return gdbm_fault();

	datum key = gdbm_firstkey(db);

	while (key.dptr && r == 0) {
		struct bytes k = bytes_of(key.dptr, (size_t)key.dsize);

		if (has_prefix(k, prefix) && !is_head(k) && !(skip && skip(arg, k)))
			r = visit(db, k, each, arg);
		if (r != 0)
			break;

		datum next = gdbm_nextkey(db, key);

		free(key.dptr);
		key = next;
	}
	if (r == 0 && !key.dptr && gdbm_errno != GDBM_ITEM_NOT_FOUND)
		r = -EIO;
	free(key.dptr);
	gdbm_close(db);
	return r;
}
