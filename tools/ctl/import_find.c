/* import_find.c - messages of another server as files, in the order in which they must be sent */
#include "ctl/import.h"

#include <errno.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>

#include "base/file.h"
#include "base/mem.h"
#include "base/proplist.h"

#define DEPTH_FDS 16

static struct import_files *walking; /* of import_find: nftw passes nothing on */

static bool
begins(struct bytes b, const char *text)
{
	return b.len >= strlen(text) && memcmp(b.data, text, strlen(text)) == 0;
}

static bool
is_named_plist(const char *path)
{
	const char *end = strrchr(path, '.');

	return end && (strcmp(end, ".plist") == 0 || strcmp(end, ".xml") == 0);
}

static bool
has_user(plist_t root)
{
	return proplist_has(root, "UserID") || proplist_has(root, "EnrollmentUserID");
}

static enum import_kind
kind_of(plist_t root, const char **why)
{
	const char *type = proplist_str(root, "MessageType");

	if (!type)
		*why = "it has no MessageType";
	else if (strcmp(type, "Authenticate") == 0)
		return IMPORT_AUTHENTICATE;
	else if (strcmp(type, "TokenUpdate") == 0)
		return has_user(root) ? IMPORT_USER_TOKEN_UPDATE : IMPORT_TOKEN_UPDATE;
	else if (strcmp(type, "SetBootstrapToken") == 0)
		return IMPORT_BOOTSTRAP;
	else
		*why = "only Authenticate, TokenUpdate and SetBootstrapToken can be imported";
	return IMPORT_FAULTY;
}

/* Servers keep other things beside their messages: those are left alone. */
static enum import_kind
judge(const char *path, const char **why)
{
	struct buf content = BUF_INIT;
	plist_t root = NULL;
	enum import_kind kind = IMPORT_FAULTY;
	int err = file_read(path, IMPORT_FILE_MAX, &content, NULL);
	struct bytes b = buf_bytes(&content);

	if (err < 0)
		*why = err == -EFBIG ? "it is too large" : strerror(-err);
	else if (!is_named_plist(path) && !begins(b, "<?xml") && !begins(b, "bplist"))
		kind = IMPORT_OTHER;
	else if (proplist_parse(b, &root) < 0)
		*why = "it is not a property list";
	else
		kind = kind_of(root, why);
	plist_free(root);
	buf_wipe(&content);
	return kind;
}

static int
visit(const char *path, const struct stat *st, int type, struct FTW *at)
{
	struct import_files *f = walking;
	struct import_file *file;

	(void)at;
	if (type == FTW_DNR) {
		errno = EACCES;
		return -1;
	}
	if (type != FTW_F || !S_ISREG(st->st_mode))
		return 0;
	if (f->count == IMPORT_FILES_MAX) {
		errno = EFBIG;
		return -1;
	}
	if (f->count == f->cap) {
		f->cap = f->cap ? 2 * f->cap : 256;
		f->items = xrealloc(f->items, f->cap * sizeof(*f->items));
	}
	file = &f->items[f->count++];
	*file = (struct import_file){ .path = xstrdup(path) };
	file->kind = judge(path, &file->why);
	return 0;
}

static int
compare(const void *a, const void *b)
{
	const struct import_file *x = a, *y = b;

	if (x->kind != y->kind)
		return x->kind < y->kind ? -1 : 1;
	return strcmp(x->path, y->path);
}

int
import_find(const char *directory, struct import_files *ret)
{
	struct stat st;
	int r;

	memset(ret, 0, sizeof(*ret));
	if (stat(directory, &st) < 0)
		return -errno;
	if (!S_ISDIR(st.st_mode))
		return -ENOTDIR;
	walking = ret;
	r = nftw(directory, visit, DEPTH_FDS, FTW_PHYS) < 0 ? -errno : 0;
	if (ret->count)
		qsort(ret->items, ret->count, sizeof(*ret->items), compare);
	return r;
}

void
import_files_free(struct import_files *f)
{
	for (size_t i = 0; i < f->count; i++)
		free(f->items[i].path);
	free(f->items);
	memset(f, 0, sizeof(*f));
}
