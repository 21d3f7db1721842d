/* http.c - the server: its listeners, how many connections it takes, how it ends */
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/http_int.h"

#define DEVICE_CONNECTIONS 1000u /* until http_server_set_limits says what the process may have */
#define RESERVE_CONNECTIONS 64u

static const char *const pool_names[POOLS] = { "devices", "control and gate", "api and metrics" };

enum http_pool
http_server_pool(enum http_side side)
{
	if (side == HTTP_DEVICE)
		return POOL_DEVICE;
	return side == HTTP_CONTROL || side == HTTP_GATE ? POOL_LOCAL : POOL_API;
}

static unsigned
all_open(const struct http_server *s)
{
	unsigned n = 0;
	int pool;

	for (pool = 0; pool < POOLS; pool++)
		n += s->open[pool];
	return n;
}

static void
resume(struct http_listener *l)
{
	if (!l->full && !l->out_of_files)
		loop_fd_resume(l->readable);
}

/* Closes the connection that has been idle longest, if there is one. */
static void
evict_idle(struct http_server *s, enum http_pool pool)
{
	struct http_conn *c = TAILQ_FIRST(&s->idle[pool]);

	if (c)
		http_conn_drop(c);
}

/*
 * Whom to close for somebody new: who has been idle longest, or else the oldest that keeps its
 * place without using it.  For that devices are too many to look through, and their deadlines must
 * do; a few programs of this host must not shut out the others.
 */
static struct http_conn *
dispensable(struct http_server *s, enum http_pool pool)
{
	struct http_conn *found = TAILQ_FIRST(&s->idle[pool]), *c;
	int64_t now = clock_mono_ms();

	if (found || pool == POOL_DEVICE)
		return found;
	for (c = TAILQ_FIRST(&s->conns[pool]); c; c = TAILQ_NEXT(c, all))
		if (http_conn_stuck(c, now) && !found)
			found = c;
	return found;
}

/* Clients wait in the backlog until a connection ends, or is found to be stuck. */
static void
pause_full(struct http_listener *l, enum http_pool pool)
{
	struct http_server *s = l->server;

	l->full = true;
	loop_fd_pause(l->readable);
	if (pool != POOL_DEVICE)
		loop_timer_set(s->accept_again, HTTP_ACCEPT_PAUSE_MS);
	if (log_allowed(&s->limit_log, clock_mono_ms(), NULL))
		log_event(EV_LIMIT_HIT, NO_FIELDS,
			"all %u connections of %s are in use; further clients wait (LimitNOFILE "
			"in the unit allows more)",
			s->limit[pool], pool_names[pool]);
}

/* Without a pause the loop would spin: the connection stays in the queue. */
static void
pause_out_of_files(struct http_listener *l)
{
	struct http_server *s = l->server;

	if (log_allowed(&s->accept_log, clock_mono_ms(), NULL))
		log_warn("cannot take a connection: %m");
	l->out_of_files = true;
	loop_fd_pause(l->readable);
	loop_timer_set(s->accept_again, HTTP_ACCEPT_PAUSE_MS);
	evict_idle(s, POOL_DEVICE);
}

static void
on_accept_again(void *arg)
{
	struct http_server *s = arg;
	struct http_listener *l;

	for (l = s->listeners; l; l = l->next) {
		l->out_of_files = false;
		if (http_server_pool(l->options.side) != POOL_DEVICE)
			l->full = false;
		resume(l);
	}
}

static void
on_acceptable(void *arg, int listening)
{
	struct http_listener *l = arg;
	struct http_server *s = l->server;
	enum http_pool pool = http_server_pool(l->options.side);
	struct http_conn *leaves;
	bool full;
	int taken;

	for (taken = 0; taken < HTTP_ACCEPT_MAX; taken++) {
		struct sockaddr_storage peer;
		socklen_t len = sizeof(peer);
		int fd;

		full = s->open[pool] >= s->limit[pool];
		leaves = full ? dispensable(s, pool) : NULL;
		if (full && !leaves) {
			pause_full(l, pool);
			return;
		}
		fd = accept4(
			listening, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd < 0) {
			if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
				errno == ENOMEM)
				pause_out_of_files(l);
			if (errno != ECONNABORTED && errno != EINTR && errno != EPERM)
				return;
			continue;
		}
		if (l->options.tls && !s->tls) {
			s->numbers.refused_connections++;
			close(fd);
			continue;
		}
		if (leaves)
			http_conn_drop(leaves);
		http_conn_start(l, fd, &peer);
	}
}

void
http_server_conn_ended(struct http_server *s, enum http_pool pool)
{
	struct http_listener *l;

	s->open[pool]--;
	for (l = s->listeners; l; l = l->next) {
		if (!l->full || http_server_pool(l->options.side) != pool)
			continue;
		l->full = false;
		resume(l);
	}
	if (s->stopping && all_open(s) == 0)
		loop_timer_set(s->stop_timer, 0);
}

static void
drop_all(struct http_server *s)
{
	struct http_conn *c;
	int pool;

	for (pool = 0; pool < POOLS; pool++) {
		while ((c = TAILQ_FIRST(&s->conns[pool])))
			http_conn_drop(c);
	}
}

static void
on_stopped(void *arg)
{
	struct http_server *s = arg;

	drop_all(s);
	loop_timer_stop(s->stop_timer);
	if (s->stop_done)
		s->stop_done(s->stop_arg); /* may free the server */
}

struct http_server *
http_server_new(struct loop *l, const struct http_route *routes, size_t count, void *ctx,
	bool (*hold)(void *arg), void *arg)
{
	struct http_server *s = xcalloc(1, sizeof(*s));
	int pool;

	s->loop = l;
	s->routes = routes;
	s->route_count = count;
	s->ctx = ctx;
	s->hold = hold;
	s->hold_arg = arg;
	s->body_budget = HTTP_BODY_BUDGET;
	s->deadlines = (struct http_deadlines){ HTTP_HANDSHAKE_MS, HTTP_HEAD_MS, HTTP_BODY_MS,
		HTTP_REPLY_MS, HTTP_IDLE_MS };
	s->limit_log = s->accept_log = s->averted_log =
		(struct log_budget){ .burst = 1, .every_s = 60 };
	s->handshake_log = (struct log_budget){ .burst = 10, .every_s = 10 };
	for (pool = 0; pool < POOLS; pool++) {
		TAILQ_INIT(&s->conns[pool]);
		TAILQ_INIT(&s->idle[pool]);
	}
	TAILQ_INIT(&s->requests);
	TAILQ_INIT(&s->held);
	http_server_set_limits(s, DEVICE_CONNECTIONS, RESERVE_CONNECTIONS);
	s->accept_again = loop_timer_new(l, on_accept_again, s);
	s->stop_timer = loop_timer_new(l, on_stopped, s);
	return s;
}

void
http_server_set_admit(struct http_server *s, bool (*admit)(struct http_request *r, void *ctx))
{
	s->admit = admit;
}

static void
free_listener(struct http_listener *l)
{
	loop_fd_free(l->readable);
	close(l->fd);
	free(l);
}

static void
unlisten(struct http_server *s, unsigned sides)
{
	struct http_listener **at = &s->listeners, *l;

	while ((l = *at)) {
		if (!(l->options.side & sides)) {
			at = &l->next;
			continue;
		}
		*at = l->next;
		free_listener(l);
	}
}

void
http_server_unlisten(struct http_server *s, enum http_side side)
{
	unlisten(s, side);
}

void
http_server_stop(struct http_server *s, int64_t ms, void (*done)(void *arg), void *arg)
{
	struct http_conn *c, *next;
	int pool;

	s->stopping = true;
	s->stop_done = done;
	s->stop_arg = arg;
	unlisten(s, ~0u);
	loop_timer_set(s->stop_timer, ms);
	for (pool = 0; pool < POOLS; pool++) {
		for (c = TAILQ_FIRST(&s->conns[pool]); c; c = next) {
			next = TAILQ_NEXT(c, all);
			/* Those who came just now did not wait at the door, so they are served. */
			if ((http_conn_silent(c) && !http_conn_fresh(c)) ||
				c->phase == PHASE_LINGER)
				http_conn_drop(c);
			else
				c->last = true;
		}
	}
	if (all_open(s) == 0)
		loop_timer_set(s->stop_timer, 0);
}

void
http_server_free(struct http_server *s)
{
	struct http_request *r;

	if (!s)
		return;
	unlisten(s, ~0u);
	drop_all(s);
	while ((r = TAILQ_FIRST(&s->requests))) {
		TAILQ_REMOVE(&s->requests, r, all);
		r->server = NULL; /* an orphan; its handler will end it */
	}
	loop_timer_free(s->accept_again);
	loop_timer_free(s->stop_timer);
	tls_server_unref(s->tls);
	buf_wipe(&s->scratch);
	free(s);
}

void
http_server_set_limits(struct http_server *s, unsigned device_connections, unsigned reserve)
{
	s->limit[POOL_DEVICE] = device_connections ? device_connections : 1;
	s->limit[POOL_LOCAL] = s->limit[POOL_API] = reserve ? reserve : 1;
}

int
http_server_listen(struct http_server *s, int fd, const struct http_listener_options *o)
{
	struct http_listener *l;
	struct sockaddr_storage own;
	socklen_t len = sizeof(own);
	int on = 1, flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
		fcntl(fd, F_SETFD, FD_CLOEXEC) < 0 ||
		getsockname(fd, (struct sockaddr *)&own, &len) < 0) {
		int err = errno;

		close(fd);
		return -err;
	}
	l = xcalloc(1, sizeof(*l));
	l->server = s;
	l->options = *o;
	l->local = own.ss_family == AF_UNIX;
	l->fd = fd;
	if (!l->local) /* what is accepted inherits it */
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	l->readable = loop_fd_new(s->loop, fd, on_acceptable, l);
	if (!l->readable) {
		close(fd);
		free(l);
		return -EIO;
	}
	l->next = s->listeners;
	s->listeners = l;
	return 0;
}

void
http_server_set_tls(struct http_server *s, struct tls_server *t)
{
	struct tls_server *before = s->tls;

	s->tls = t ? tls_server_ref(t) : NULL;
	tls_server_unref(before);
}

static void
replace(int64_t *at, int64_t ms)
{
	if (ms > 0)
		*at = ms;
}

void
http_server_set_deadlines(struct http_server *s, const struct http_deadlines *d)
{
	replace(&s->deadlines.handshake_ms, d->handshake_ms);
	replace(&s->deadlines.head_ms, d->head_ms);
	replace(&s->deadlines.body_ms, d->body_ms);
	replace(&s->deadlines.reply_ms, d->reply_ms);
	replace(&s->deadlines.idle_ms, d->idle_ms);
}

void
http_server_set_body_budget(struct http_server *s, size_t bytes)
{
	s->body_budget = bytes;
}

void
http_server_numbers(const struct http_server *s, struct http_numbers *ret)
{
	*ret = s->numbers;
	ret->open = all_open(s);
}
