/*
 * watch.h - "look again": inotify on files and directories, with quiet time, rescan and every trap
 * of facts/library-traps.md 4
 */
#ifndef CORDON_NET_WATCH_H
#define CORDON_NET_WATCH_H

#include <stddef.h>

struct loop;
struct watch;

#define WATCH_QUIET_MS 200
#define WATCH_LIMIT_MS 2000
#define WATCH_RESCAN_MS 60000

/*
 * Calls `look` after WATCH_QUIET_MS without a further event (WATCH_LIMIT_MS at most), and every
 * WATCH_RESCAN_MS in any case.  Lives on with the rescan alone when inotify is not to be had.
 */
struct watch *watch_new(struct loop *l, void (*look)(void *arg), void *arg);
void watch_free(struct watch *w);
/*
 * The whole set of paths to watch: directories, files (their directory is watched), symlinks (every
 * hop and the directories on the way; also links that lie in a directory of the set), and the
 * parents of all.  What is not there yet is waited for.  Called before each scan, since links move.
 */
void watch_set(struct watch *w, const char *const *paths, size_t count);
void watch_poke(struct watch *w); /* as if an event had come: SIGHUP, control */
/* Other times than the ones above, for tests; from the next event on. */
void watch_set_times(struct watch *w, int quiet_ms, int limit_ms, int rescan_ms);
int watch_degraded(const struct watch *w); /* 1: rescan alone */

#endif
