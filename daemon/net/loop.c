/* loop.c - libevent's base with three priorities: what must not starve, everything else, the commit
 */
#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/time.h>

#include "base/mem.h"
#include "net/loop.h"
#include "net/loop_log.h"

_Static_assert(LOOP_READ == EV_READ && LOOP_WRITE == EV_WRITE, "as libevent has them");

/*
 * libevent gives new events the middle one.  The commit is last, so that it runs when a poll found
 * nothing more; its fallback and signals come first, so that they run however busy a turn is.
 */
enum { PRIORITY_FIRST, PRIORITY_NORMAL, PRIORITY_COMMIT, PRIORITIES };

struct loop_timer {
	struct event event;
	void (*fn)(void *arg);
	void *arg;
};

struct loop_fd {
	struct event event;
	void (*fn)(void *arg, int fd);
	void *arg;
};

struct signal_watch {
	struct signal_watch *next;
	struct event event;
	void (*fn)(void *arg, int signo);
	void *arg;
};

struct loop {
	struct event_base *base;
	struct signal_watch *signals;
	bool stopped;
	struct event commit;
	struct event commit_late;
	bool commit_pending;
	void (*commit_fn)(void *arg);
	void *commit_arg;
};

static void
on_libevent_log(int severity, const char *text)
{
	enum loop_log_level level = LOOP_LOG_DEBUG;

	if (severity == EVENT_LOG_ERR)
		level = LOOP_LOG_ERROR;
	else if (severity == EVENT_LOG_WARN)
		level = LOOP_LOG_WARN;
	loop_log(level, text);
}

/* libevent would call exit, which runs destructors over a broken state. */
static void
on_libevent_fatal(int err)
{
	(void)err;
	loop_log(LOOP_LOG_ERROR, "cannot go on");
	abort();
}

static void
run_commit(evutil_socket_t fd, short what, void *arg)
{
	struct loop *l = arg;

	(void)fd;
	(void)what;
	event_del(&l->commit);
	event_del(&l->commit_late);
	l->commit_pending = false;
	if (l->commit_fn)
		l->commit_fn(l->commit_arg);
}

struct loop *
loop_new(void)
{
	struct loop *l = xcalloc(1, sizeof(*l));

	signal(SIGPIPE, SIG_IGN); /* a client that goes in mid-reply is no reason to die */
	event_set_log_callback(on_libevent_log);
	event_set_fatal_callback(on_libevent_fatal);
	/* Bufferevents half built for want of memory close a descriptor twice. */
	event_set_mem_functions(xmalloc, xrealloc, free);
	l->base = event_base_new();
	if (!l->base || event_base_priority_init(l->base, PRIORITIES) < 0) {
		loop_free(l);
		return NULL;
	}
	event_assign(&l->commit, l->base, -1, 0, run_commit, l);
	event_priority_set(&l->commit, PRIORITY_COMMIT);
	event_assign(&l->commit_late, l->base, -1, 0, run_commit, l);
	event_priority_set(&l->commit_late, PRIORITY_FIRST);
	return l;
}

void
loop_free(struct loop *l)
{
	if (!l)
		return;
	while (l->signals) {
		struct signal_watch *w = l->signals;

		l->signals = w->next;
		event_del(&w->event);
		free(w);
	}
	if (l->base) {
		if (l->commit_pending) {
			event_del(&l->commit);
			event_del(&l->commit_late);
		}
		/* Bufferevents end in the loop; event_base_free alone forgets some of them. */
		event_base_loop(l->base, EVLOOP_NONBLOCK);
		event_base_free(l->base);
	}
	free(l);
}

struct event_base *
loop_base(struct loop *l)
{
	return l->base;
}

int
loop_run(struct loop *l)
{
	int r = 0;

	if (!l->stopped)
		r = event_base_loop(l->base, EVLOOP_NO_EXIT_ON_EMPTY);
	l->stopped = false;
	return r < 0 ? -EIO : 0;
}

void
loop_stop(struct loop *l)
{
	l->stopped = true;
	event_base_loopbreak(l->base);
}

static void
on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct loop_timer *t = arg;

	(void)fd;
	(void)what;
	t->fn(t->arg); /* may have freed it */
}

struct loop_timer *
loop_timer_new(struct loop *l, void (*fn)(void *arg), void *arg)
{
	struct loop_timer *t = xcalloc(1, sizeof(*t));

	t->fn = fn;
	t->arg = arg;
	event_assign(&t->event, l->base, -1, 0, on_timer, t);
	return t;
}

static struct timeval
timeval_of_ms(int64_t ms)
{
	struct timeval tv;

	if (ms < 0)
		ms = 0;
	tv.tv_sec = (time_t)(ms / 1000);
	tv.tv_usec = (suseconds_t)(ms % 1000 * 1000);
	return tv;
}

void
loop_timer_set(struct loop_timer *t, int64_t ms)
{
	struct timeval tv = timeval_of_ms(ms);

	event_add(&t->event, &tv);
}

void
loop_timer_stop(struct loop_timer *t)
{
	event_del(&t->event);
}

void
loop_timer_free(struct loop_timer *t)
{
	if (!t)
		return;
	event_del(&t->event);
	free(t);
}

static void
on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct loop_fd *f = arg;

	(void)what;
	f->fn(f->arg, (int)fd); /* may have freed it */
}

struct loop_fd *
loop_fd_new(struct loop *l, int fd, void (*fn)(void *arg, int fd), void *arg)
{
	struct loop_fd *f = xcalloc(1, sizeof(*f));

	f->fn = fn;
	f->arg = arg;
	event_assign(&f->event, l->base, fd, EV_READ | EV_PERSIST, on_readable, f);
	if (event_add(&f->event, NULL) < 0) {
		free(f);
		return NULL;
	}
	return f;
}

void
loop_fd_pause(struct loop_fd *f)
{
	event_del(&f->event);
}

void
loop_fd_resume(struct loop_fd *f)
{
	event_add(&f->event, NULL);
}

void
loop_fd_free(struct loop_fd *f)
{
	if (!f)
		return;
	event_del(&f->event);
	free(f);
}

static void
on_signal(evutil_socket_t signo, short what, void *arg)
{
	struct signal_watch *w = arg;

	(void)what;
	w->fn(w->arg, (int)signo);
}

int
loop_signal(struct loop *l, int signo, void (*fn)(void *arg, int signo), void *arg)
{
	struct signal_watch *w = xcalloc(1, sizeof(*w));

	w->fn = fn;
	w->arg = arg;
	if (event_assign(&w->event, l->base, signo, EV_SIGNAL | EV_PERSIST, on_signal, w) < 0 ||
		event_priority_set(&w->event, PRIORITY_FIRST) < 0 ||
		event_add(&w->event, NULL) < 0) {
		free(w);
		return -EINVAL;
	}
	w->next = l->signals;
	l->signals = w;
	return 0;
}

void
loop_set_commit(struct loop *l, void (*fn)(void *arg), void *arg)
{
	l->commit_fn = fn;
	l->commit_arg = arg;
}

void
loop_commit_soon(struct loop *l)
{
	struct timeval tv = timeval_of_ms(LOOP_COMMIT_MS);

	if (l->commit_pending)
		return;
	l->commit_pending = true;
	event_active(&l->commit, EV_TIMEOUT, 0);
	event_add(&l->commit_late, &tv);
}
