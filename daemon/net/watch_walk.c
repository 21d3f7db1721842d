/* watch_walk.c - path resolution by hand, because inotify says nothing of what lies behind a
 * symlink */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/watch_walk.h"

#define HOPS_MAX 40   /* as the kernel's own limit */
#define LINKS_MAX 256 /* links followed in one directory */

struct walk {
	char at[PATH_MAX]; /* a real directory: no symlink in it */
	void (*dir)(void *arg, const char *dir, const char *name);
	void *arg;
	unsigned hops;
};

/* at + "/" + name in out; false when that is no path any more. */
static bool
join(const char *dir, const char *name, char *out, size_t size)
{
	int n = snprintf(out, size, "%s/%s", strcmp(dir, "/") == 0 ? "" : dir, name);

	return n > 0 && (size_t)n < size;
}

static void
go_up(char *dir)
{
	char *slash = strrchr(dir, '/');

	slash[slash == dir ? 1 : 0] = '\0';
}

/* The target of a link followed by what was still to be walked; NULL: not a link. */
static char *
read_link(const char *path, const char *rest)
{
	char target[PATH_MAX];
	ssize_t n = readlink(path, target, sizeof(target) - 1);

	if (n <= 0)
		return NULL;
	target[n] = '\0';
	return xasprintf("%s/%s", target, rest);
}

/* Walks `rest` from w->at on; true when it ended at a directory, which w->at then is. */
static bool
walk_rest(struct walk *w, const char *rest)
{
	char *owned = xstrdup(rest), *at = owned, path[PATH_MAX];
	bool there = true;
	struct stat st;

	while (there) {
		char *name = at + strspn(at, "/"), *link;
		size_t len = strcspn(name, "/");

		if (len == 0)
			break;
		at = name + len + (name[len] == '/');
		name[len] = '\0';
		if (strcmp(name, ".") == 0)
			continue;
		if (strcmp(name, "..") == 0) {
			go_up(w->at);
			continue;
		}
		w->dir(w->arg, w->at, name);
		if (!join(w->at, name, path, sizeof(path)) || lstat(path, &st) < 0) {
			there = false;
		} else if (S_ISLNK(st.st_mode)) {
			link = ++w->hops > HOPS_MAX ? NULL : read_link(path, at);
			if (!link) {
				there = false;
				break;
			}
			if (link[0] == '/')
				strcpy(w->at, "/");
			free(owned);
			owned = at = link;
		} else if (S_ISDIR(st.st_mode)) {
			memcpy(w->at, path, strlen(path) + 1);
		} else {
			there = false;
		}
	}
	free(owned);
	return there;
}

static bool
is_link(const char *dir, const struct dirent *e)
{
	char path[PATH_MAX];
	struct stat st;

	if (e->d_type != DT_UNKNOWN)
		return e->d_type == DT_LNK;
	return join(dir, e->d_name, path, sizeof(path)) && lstat(path, &st) == 0 &&
	       S_ISLNK(st.st_mode);
}

static void
walk_links_in(struct walk *w)
{
	char *dir = xstrdup(w->at);
	DIR *d = opendir(dir);
	struct dirent *e;
	unsigned links = 0;

	while (d && links < LINKS_MAX && (e = readdir(d))) {
		if (!is_link(dir, e))
			continue;
		links++;
		w->hops = 0;
		memcpy(w->at, dir, strlen(dir) + 1);
		if (walk_rest(w, e->d_name))
			w->dir(w->arg, w->at, NULL);
	}
	if (d)
		closedir(d);
	free(dir);
}

void
watch_walk(const char *path, void (*dir)(void *arg, const char *dir, const char *name), void *arg)
{
	struct walk w = { .at = "/", .dir = dir, .arg = arg };

	if (path[0] != '/' && !getcwd(w.at, sizeof(w.at)))
		return;
	if (!walk_rest(&w, path))
		return;
	w.dir(w.arg, w.at, NULL);
	walk_links_in(&w);
}
