/* worker.c - a thread with a bounded queue for each lane; finished jobs come back over an eventfd
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "net/loop.h"
#include "net/worker.h"

struct task {
	struct task *next;
	void (*work)(void *job);
	void (*done)(void *job);
	void *job;
};

struct tasks {
	struct task *first, **last;
	size_t count;
};

struct lane {
	struct worker *worker;
	pthread_t thread;
	bool running;
	pthread_cond_t wake;
	struct tasks waiting;
};

struct worker {
	pthread_mutex_t lock; /* of all queues below; held for a few instructions only */
	struct lane lanes[WORKER_LANES];
	struct tasks finished;
	bool stopping;
	int fd; /* eventfd: there are finished ones */
	struct loop_fd *readable;
};

static const char *const lane_names[WORKER_LANES] = { "cordon-crypto", "cordon-slow",
	"cordon-outside" };

static void
tasks_init(struct tasks *q)
{
	q->first = NULL;
	q->last = &q->first;
	q->count = 0;
}

static void
tasks_put(struct tasks *q, struct task *t)
{
	t->next = NULL;
	*q->last = t;
	q->last = &t->next;
	q->count++;
}

static struct task *
tasks_take(struct tasks *q)
{
	struct task *t = q->first;

	if (!t)
		return NULL;
	q->first = t->next;
	if (!q->first)
		q->last = &q->first;
	q->count--;
	return t;
}

static void *
run_lane(void *arg)
{
	struct lane *lane = arg;
	struct worker *w = lane->worker;
	struct task *t;

	pthread_mutex_lock(&w->lock);
	for (;;) {
		while (!(t = tasks_take(&lane->waiting)) && !w->stopping)
			pthread_cond_wait(&lane->wake, &w->lock);
		if (!t)
			break;
		pthread_mutex_unlock(&w->lock);
		t->work(t->job);
		pthread_mutex_lock(&w->lock);
		tasks_put(&w->finished, t);
		if (w->finished.count == 1 && eventfd_write(w->fd, 1) < 0)
			log_error("worker: cannot wake the loop: %m");
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

/* Calls `done` of what is finished; those that finish meanwhile ring again. */
static void
finish_tasks(struct worker *w)
{
	struct task *t, *next;

	pthread_mutex_lock(&w->lock);
	t = w->finished.first;
	tasks_init(&w->finished);
	pthread_mutex_unlock(&w->lock);
	for (; t; t = next) {
		next = t->next;
		t->done(t->job);
		free(t);
	}
}

static void
on_finished(void *arg, int fd)
{
	eventfd_t n;

	if (eventfd_read(fd, &n) == 0)
		finish_tasks(arg);
}

/* Signals belong to the loop's thread. */
static int
start_lane(struct worker *w, enum worker_lane which)
{
	struct lane *lane = &w->lanes[which];
	sigset_t every, before;
	int r;

	lane->worker = w;
	tasks_init(&lane->waiting);
	pthread_cond_init(&lane->wake, NULL);
	sigfillset(&every);
	pthread_sigmask(SIG_SETMASK, &every, &before);
	r = pthread_create(&lane->thread, NULL, run_lane, lane);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (r != 0)
		return -r;
	lane->running = true;
	pthread_setname_np(lane->thread, lane_names[which]);
	return 0;
}

struct worker *
worker_new(struct loop *l)
{
	struct worker *w = xcalloc(1, sizeof(*w));
	int i, r = 0;

	pthread_mutex_init(&w->lock, NULL);
	tasks_init(&w->finished);
	w->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (w->fd >= 0)
		w->readable = loop_fd_new(l, w->fd, on_finished, w);
	if (!w->readable)
		r = -EIO;
	for (i = 0; i < WORKER_LANES && r == 0; i++)
		r = start_lane(w, (enum worker_lane)i);
	if (r < 0) {
		worker_free(w);
		return NULL;
	}
	return w;
}

void
worker_free(struct worker *w)
{
	int i;

	if (!w)
		return;
	pthread_mutex_lock(&w->lock);
	w->stopping = true;
	for (i = 0; i < WORKER_LANES; i++) {
		if (w->lanes[i].running)
			pthread_cond_signal(&w->lanes[i].wake);
	}
	pthread_mutex_unlock(&w->lock);
	for (i = 0; i < WORKER_LANES; i++) {
		if (w->lanes[i].running)
			pthread_join(w->lanes[i].thread, NULL);
		if (w->lanes[i].worker)
			pthread_cond_destroy(&w->lanes[i].wake);
	}
	finish_tasks(w);
	loop_fd_free(w->readable);
	if (w->fd >= 0)
		close(w->fd);
	pthread_mutex_destroy(&w->lock);
	free(w);
}

int
worker_submit(struct worker *w, enum worker_lane which, void (*work)(void *job),
	void (*done)(void *job), void *job)
{
	struct lane *lane = &w->lanes[which];
	struct task *t;
	int r = -EBUSY;

	pthread_mutex_lock(&w->lock);
	if (!w->stopping && lane->waiting.count < WORKER_QUEUE_MAX) {
		t = xcalloc(1, sizeof(*t));
		t->work = work;
		t->done = done;
		t->job = job;
		tasks_put(&lane->waiting, t);
		pthread_cond_signal(&lane->wake);
		r = 0;
	}
	pthread_mutex_unlock(&w->lock);
	return r;
}

size_t
worker_waiting(const struct worker *w, enum worker_lane which)
{
	struct worker *mine =
		(struct worker *)(uintptr_t)w; /* the lock changes, the queue does not */
	size_t n;

	pthread_mutex_lock(&mine->lock);
	n = mine->lanes[which].waiting.count;
	pthread_mutex_unlock(&mine->lock);
	return n;
}
