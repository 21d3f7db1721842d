/* loop.h - the one event loop, its timers, signals and end-of-turn commit */
#ifndef CORDON_NET_LOOP_H
#define CORDON_NET_LOOP_H

#include <stdint.h>

struct event_base;
struct loop;
struct loop_timer;

struct loop *loop_new(void); /* NULL when libevent cannot; sets its log and fatal callbacks */
void loop_free(struct loop *l);
struct event_base *loop_base(struct loop *l);
int loop_run(struct loop *l); /* until loop_stop; 0 or -EIO */
void loop_stop(struct loop *l);

/* A timer that is idle until set; the callback may set or free it. */
struct loop_timer *loop_timer_new(struct loop *l, void (*fn)(void *arg), void *arg);
void loop_timer_set(
	struct loop_timer *t, int64_t ms); /* once, from now; replaces an earlier setting */
void loop_timer_stop(struct loop_timer *t);
void loop_timer_free(struct loop_timer *t); /* NULL allowed */

int loop_signal(struct loop *l, int signo, void (*fn)(void *arg, int signo), void *arg);

/*
 * The group-commit event (facts/library-traps.md 1.1): `fn` runs at a low priority when a turn has
 * nothing more to do, and at once when loop_commit_due is called with `force`.
 */
void loop_set_commit(struct loop *l, void (*fn)(void *arg), void *arg);
void loop_commit_soon(struct loop *l);

#endif
