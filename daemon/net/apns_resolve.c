/* apns_resolve.c - getaddrinfo in a detached thread, with the result handed over by an eventfd */
#include <event2/event.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/mem.h"
#include "net/apns_resolve.h"

/* Shared by loop and thread; whoever lets go last frees it, so that neither waits for the other. */
struct lookup {
	atomic_int refs;
	int fd; /* eventfd: readable when error and list are there */
	int error;
	struct addrinfo *list;
	char port[8];
	char *host;
};

struct apns_resolve {
	struct lookup *lookup;
	struct event *event;
	void (*done)(void *arg, struct addrinfo *list, const char *error);
	void *arg;
};

static atomic_int running;

static const struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };

static void
lookup_unref(struct lookup *k)
{
	if (atomic_fetch_sub(&k->refs, 1) != 1)
		return;
	if (k->list)
		freeaddrinfo(k->list);
	if (k->fd >= 0)
		close(k->fd);
	free(k->host);
	free(k);
}

static void *
lookup_run(void *arg)
{
	struct lookup *k = arg;
	uint64_t one = 1;

	k->error = getaddrinfo(k->host, k->port, &hints, &k->list);
	if (k->error)
		k->list = NULL;
	/* An eventfd that was never read cannot be full. */
	(void)!write(k->fd, &one, sizeof(one));
	lookup_unref(k);
	atomic_fetch_sub(&running, 1);
	return NULL;
}

static int
thread_start(struct lookup *k)
{
	pthread_attr_t attr;
	pthread_t thread;
	sigset_t all, before;
	int err;

	if (atomic_fetch_add(&running, 1) >= APNS_RESOLVE_MAX)
		goto err0;
	if (pthread_attr_init(&attr) != 0)
		goto err0;
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	/* Signals are the loop's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	atomic_fetch_add(&k->refs, 1);
	err = pthread_create(&thread, &attr, lookup_run, k);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attr);
	if (err) {
		atomic_fetch_sub(&k->refs, 1);
		goto err0;
	}
	return 0;

err0:
	atomic_fetch_sub(&running, 1);
	return -1;
}

static void
on_result(evutil_socket_t fd, short what, void *arg)
{
	struct apns_resolve *r = arg;
	struct lookup *k = r->lookup;
	void (*done)(void *, struct addrinfo *, const char *) = r->done;
	void *done_arg = r->arg;
	struct addrinfo *list;
	uint64_t count;

	(void)what;
	/* The read is what orders the thread's writes before ours. */
	if (read(fd, &count, sizeof(count)) != sizeof(count))
		return;
	list = k->list;
	k->list = NULL;
	event_free(r->event);
	free(r);
	done(done_arg, list, k->error ? gai_strerror(k->error) : NULL);
	lookup_unref(k);
}

struct apns_resolve *
apns_resolve_new(struct event_base *base, const char *host, unsigned port,
	void (*done)(void *arg, struct addrinfo *list, const char *error), void *arg)
{
	struct apns_resolve *r = xcalloc(1, sizeof(*r));
	struct lookup *k = xcalloc(1, sizeof(*k));

	atomic_init(&k->refs, 1);
	k->host = xstrdup(host);
	snprintf(k->port, sizeof(k->port), "%u", port & 0xffffu);
	k->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (k->fd < 0)
		goto err0;
	r->event = event_new(base, k->fd, EV_READ, on_result, r);
	if (!r->event || event_add(r->event, NULL) != 0)
		goto err1;
	if (thread_start(k) < 0)
		goto err1;
	r->lookup = k;
	r->done = done;
	r->arg = arg;
	return r;

err1:
	if (r->event)
		event_free(r->event);
err0:
	lookup_unref(k);
	free(r);
	return NULL;
}

void
apns_resolve_cancel(struct apns_resolve *r)
{
	if (!r)
		return;
	event_free(r->event);
	lookup_unref(r->lookup);
	free(r);
}

struct addrinfo *
apns_resolve_numeric(const char *host, unsigned port)
{
	struct addrinfo numeric = hints, *list = NULL;
	char text[8];

	numeric.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV;
	snprintf(text, sizeof(text), "%u", port & 0xffffu);
	return getaddrinfo(host, text, &numeric, &list) == 0 ? list : NULL;
}
