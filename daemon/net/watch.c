/* watch.c - inotify as a hint to look again, and a clock for what inotify does not see */
#include <errno.h>
#include <limits.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "net/loop.h"
#include "net/watch.h"
#include "net/watch_walk.h"

#define EVENTS                                                                              \
	(IN_CREATE | IN_CLOSE_WRITE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ATTRIB | \
		IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)
#define READS_MAX 16 /* in one turn; the loop has other work too */
#define NAMES_MAX 64 /* of one directory; beyond it every name counts */

/* A directory under watch.  The kernel follows the inode, we compare it with the path. */
struct place {
	struct place *next;
	int wd;
	bool wanted; /* by the present set of paths */
	bool all;    /* every name in it matters, not only these */
	char *names[NAMES_MAX];
	size_t count;
};

struct watch {
	struct loop *loop;
	void (*look)(void *arg);
	void *arg;
	int fd; /* -1: inotify is not to be had */
	struct loop_fd *readable;
	struct loop_timer *quiet, *rescan;
	bool pending; /* an event came, `look` is due */
	int64_t first_ms;
	int quiet_ms, limit_ms, rescan_ms;
	bool degraded, said_degraded;
	char **paths;
	size_t path_count;
	struct place *places;
};

static void
place_forget_names(struct place *p)
{
	while (p->count > 0)
		free(p->names[--p->count]);
	p->all = false;
}

static bool
place_cares(const struct place *p, const char *name)
{
	size_t i;

	if (p->all)
		return true;
	for (i = 0; i < p->count; i++) {
		if (strcmp(p->names[i], name) == 0)
			return true;
	}
	return false;
}

static void
place_add_name(struct place *p, const char *name)
{
	if (!name || p->count == NAMES_MAX)
		p->all = true;
	else if (!place_cares(p, name))
		p->names[p->count++] = xstrdup(name);
}

static struct place *
find_place(struct watch *w, int wd)
{
	struct place *p;

	for (p = w->places; p && p->wd != wd; p = p->next)
		;
	return p;
}

/* Takes out what the present paths do not need, or everything. */
static void
drop_places(struct watch *w, bool every)
{
	struct place **at = &w->places, *p;

	while ((p = *at)) {
		if (p->wanted && !every) {
			at = &p->next;
			continue;
		}
		*at = p->next;
		if (p->wd >= 0)
			inotify_rm_watch(w->fd, p->wd); /* fails for directories that are gone */
		place_forget_names(p);
		free(p);
	}
}

static void
say_degraded(struct watch *w, const char *what)
{
	if (!w->said_degraded)
		log_warn("changes of files are noticed within %d s only: %s: %m",
			w->rescan_ms / 1000, what);
	w->degraded = w->said_degraded = true;
}

/*
 * Adding a directory again gives the same descriptor, unless another one is at that path now: that
 * is how a replaced directory is found.
 */
static void
add_place(void *arg, const char *dir, const char *name)
{
	struct watch *w = arg;
	struct place *p;
	int wd = inotify_add_watch(w->fd, dir, EVENTS);

	if (wd < 0) {
		if (errno == ENOSPC || errno == ENOMEM)
			say_degraded(w, "inotify takes no more watches");
		return; /* one we may not read, or gone meanwhile: the rescan is for those */
	}
	p = find_place(w, wd);
	if (!p) {
		p = xcalloc(1, sizeof(*p));
		p->wd = wd;
		p->next = w->places;
		w->places = p;
	}
	if (!p->wanted)
		place_forget_names(p);
	p->wanted = true;
	place_add_name(p, name);
}

static void on_events(void *arg, int fd);

static void
open_inotify(struct watch *w)
{
	w->degraded = false;
	if (w->fd >= 0)
		return;
	w->fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (w->fd < 0)
		say_degraded(w, "inotify is not to be had");
	else
		w->readable = loop_fd_new(w->loop, w->fd, on_events, w);
}

static void
refresh(struct watch *w)
{
	struct place *p;
	size_t i;

	open_inotify(w);
	if (w->fd < 0)
		return;
	for (p = w->places; p; p = p->next)
		p->wanted = false;
	for (i = 0; i < w->path_count; i++)
		watch_walk(w->paths[i], add_place, w);
	drop_places(w, false);
	w->said_degraded = w->degraded;
}

static void
look_now(struct watch *w)
{
	w->pending = false;
	loop_timer_stop(w->quiet);
	loop_timer_set(w->rescan, w->rescan_ms);
	refresh(w);
	w->look(w->arg);
}

static void
on_due(void *arg)
{
	look_now(arg);
}

void
watch_poke(struct watch *w)
{
	int64_t now = clock_mono_ms(), left;

	if (!w->pending) {
		w->pending = true;
		w->first_ms = now;
	}
	left = w->first_ms + w->limit_ms - now;
	loop_timer_set(w->quiet, left < w->quiet_ms ? left : w->quiet_ms);
}

/* Does this event concern us?  A directory that is gone, replaced or lost in an overflow does. */
static bool
event_matters(struct watch *w, const struct inotify_event *e)
{
	struct place *p;

	if (e->mask & IN_Q_OVERFLOW)
		return true;
	p = find_place(w, e->wd);
	if (!p)
		return false;
	if (e->mask & IN_IGNORED) {
		p->wd = -1; /* the kernel may give the number to another directory */
		p->wanted = false;
		return true;
	}
	if (e->len == 0)
		return p->all || (e->mask & (IN_DELETE_SELF | IN_MOVE_SELF));
	return place_cares(p, e->name);
}

static void
on_events(void *arg, int fd)
{
	struct watch *w = arg;
	alignas(struct inotify_event) char room[16384];
	bool matters = false;
	int reads = 0;
	ssize_t n;

	while (reads++ < READS_MAX && (n = read(fd, room, sizeof(room))) > 0) {
		char *at = room, *end = room + n;

		while (at < end) {
			const struct inotify_event *e = (const void *)at;

			matters = event_matters(w, e) || matters;
			at += sizeof(*e) + e->len;
		}
	}
	if (matters)
		watch_poke(w);
}

struct watch *
watch_new(struct loop *l, void (*look)(void *arg), void *arg)
{
	struct watch *w = xcalloc(1, sizeof(*w));

	w->loop = l;
	w->look = look;
	w->arg = arg;
	w->fd = -1;
	w->quiet_ms = WATCH_QUIET_MS;
	w->limit_ms = WATCH_LIMIT_MS;
	w->rescan_ms = WATCH_RESCAN_MS;
	w->quiet = loop_timer_new(l, on_due, w);
	w->rescan = loop_timer_new(l, on_due, w);
	open_inotify(w);
	loop_timer_set(w->rescan, w->rescan_ms);
	return w;
}

static void
forget_paths(struct watch *w)
{
	while (w->path_count > 0)
		free(w->paths[--w->path_count]);
	free(w->paths);
	w->paths = NULL;
}

void
watch_free(struct watch *w)
{
	if (!w)
		return;
	drop_places(w, true);
	forget_paths(w);
	loop_fd_free(w->readable);
	if (w->fd >= 0)
		close(w->fd);
	loop_timer_free(w->quiet);
	loop_timer_free(w->rescan);
	free(w);
}

void
watch_set(struct watch *w, const char *const *paths, size_t count)
{
	size_t i;

	forget_paths(w);
	w->paths = xcalloc(count ? count : 1, sizeof(*w->paths));
	for (i = 0; i < count; i++)
		w->paths[w->path_count++] = xstrdup(paths[i]);
	refresh(w);
}

void
watch_set_times(struct watch *w, int quiet_ms, int limit_ms, int rescan_ms)
{
	w->quiet_ms = quiet_ms;
	w->limit_ms = limit_ms;
	w->rescan_ms = rescan_ms;
	loop_timer_set(w->rescan, rescan_ms);
}

int
watch_degraded(const struct watch *w)
{
	return w->degraded;
}
