/* loop.h - the one event loop, its timers, signals and end-of-turn commit */
#ifndef CORDON_NET_LOOP_H
#define CORDON_NET_LOOP_H

#include <stdint.h>

struct event_base;
struct loop;
struct loop_fd;
struct loop_timer;

/* EV_READ and EV_WRITE for bufferevents, in files that cannot include event2/event.h (loop_log.h)
 */
#define LOOP_READ 0x02
#define LOOP_WRITE 0x04

/* NULL when libevent cannot; sets its log and fatal callbacks, and ignores SIGPIPE. */
struct loop *loop_new(void);
void loop_free(struct loop *l); /* after everything that has an event in it; NULL allowed */
struct event_base *loop_base(struct loop *l);
int loop_run(struct loop *l); /* until loop_stop; 0 or -EIO */
void loop_stop(struct loop *l);

/* A timer that is idle until set; the callback may set or free it. */
struct loop_timer *loop_timer_new(struct loop *l, void (*fn)(void *arg), void *arg);
void loop_timer_set(
	struct loop_timer *t, int64_t ms); /* once, from now; replaces an earlier setting */
void loop_timer_stop(struct loop_timer *t);
void loop_timer_free(struct loop_timer *t); /* NULL allowed */

/*
 * Calls fn whenever `fd` is readable; the callback may free it.  The descriptor stays the caller's
 * and is closed after loop_fd_free only.  NULL when it cannot be watched.
 */
struct loop_fd *loop_fd_new(struct loop *l, int fd, void (*fn)(void *arg, int fd), void *arg);
void loop_fd_pause(struct loop_fd *f);
void loop_fd_resume(struct loop_fd *f);
void loop_fd_free(struct loop_fd *f); /* NULL allowed */

int loop_signal(struct loop *l, int signo, void (*fn)(void *arg, int signo), void *arg);

/*
 * The group-commit event (facts/library-traps.md 1.1): `fn` runs at a low priority when a turn has
 * nothing more to do, and LOOP_COMMIT_MS after loop_commit_soon at the latest, also when turns
 * never run out of work.  A cap on count is the caller's: it calls its own `fn` then.
 */
#define LOOP_COMMIT_MS 5
void loop_set_commit(struct loop *l, void (*fn)(void *arg), void *arg);
void loop_commit_soon(struct loop *l);

#endif
