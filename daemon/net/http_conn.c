/* http_conn.c - one connection: its phases, its one deadline, and what the client sends */
#include <arpa/inet.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/http_int.h"

#define FRESH_MS 1000

static struct evbuffer *
input_of(const struct http_conn *c)
{
	return bufferevent_get_input(c->bev);
}

static struct evbuffer *
output_of(const struct http_conn *c)
{
	return bufferevent_get_output(c->bev);
}

bool
http_conn_silent(const struct http_conn *c)
{
	return c->phase == PHASE_HANDSHAKE || c->phase == PHASE_IDLE ||
	       (c->phase == PHASE_HEAD && evbuffer_get_length(input_of(c)) == 0);
}

bool
http_conn_fresh(const struct http_conn *c)
{
	return (c->phase == PHASE_HANDSHAKE || c->phase == PHASE_HEAD) &&
	       clock_mono_ms() - c->phase_since < FRESH_MS;
}

/* What the phase may take without any progress. */
static int64_t
allowance(const struct http_conn *c)
{
	const struct http_deadlines *d = &c->server->deadlines;

	switch (c->phase) {
	case PHASE_HANDSHAKE:
		return d->handshake_ms;
	case PHASE_IDLE:
		return d->idle_ms;
	case PHASE_HEAD:
		return d->head_ms;
	case PHASE_BODY:
		return d->body_ms;
	case PHASE_DUE:
	case PHASE_WRITE:
		return d->reply_ms;
	case PHASE_LINGER:
		return HTTP_LINGER_MS;
	}
	return 0;
}

/*
 * The timer is set again only when it would look too late; looking too early costs it one more
 * setting.  So a busy connection never touches it.
 */
static void
set_deadline(struct http_conn *c, int64_t now, int64_t ms)
{
	c->deadline = now + ms;
	if (c->armed != 0 && c->armed <= c->deadline)
		return;
	c->armed = c->deadline;
	loop_timer_set(c->timer, ms);
}

static void
set_phase(struct http_conn *c, enum http_phase phase)
{
	struct http_conns *idle = &c->server->idle[c->pool];

	if (c->on_idle_list)
		TAILQ_REMOVE(idle, c, idle);
	c->on_idle_list = phase == PHASE_IDLE;
	if (c->on_idle_list)
		TAILQ_INSERT_TAIL(idle, c, idle);
	c->phase = phase;
	c->phase_since = clock_mono_ms();
	c->phase_bytes = c->phase_mark = 0;
	c->seen_at = 0;
	set_deadline(c, c->phase_since, allowance(c));
}

void
http_conn_drop(struct http_conn *c)
{
	struct http_server *s = c->server;
	enum http_pool pool = c->pool;

	if (c->on_idle_list)
		TAILQ_REMOVE(&s->idle[pool], c, idle);
	TAILQ_REMOVE(&s->conns[pool], c, all);
	loop_timer_free(c->timer);
	if (c->request && c->phase == PHASE_DUE && !c->request->held)
		c->request->conn = NULL; /* its handler still has it */
	else
		http_request_free(c->request);
	bufferevent_free(c->bev);
	free(c);
	http_server_conn_ended(s, pool);
}

/* bufferevent_free sends no close_notify; without one the client may take the reply for cut off. */
static void
finish(struct http_conn *c)
{
	if (c->ssl) {
		ERR_clear_error();
		SSL_shutdown(c->ssl);
		ERR_clear_error();
	}
	if (!c->unread || c->eof) {
		http_conn_drop(c);
		return;
	}
	/* Closing with input unread resets the connection, and the reply may never be seen. */
	shutdown(bufferevent_getfd(c->bev), SHUT_WR);
	bufferevent_disable(c->bev, LOOP_WRITE);
	set_phase(c, PHASE_LINGER);
	evbuffer_drain(input_of(c), evbuffer_get_length(input_of(c)));
}

/* Ends what came before its end; the rest of it is not read. */
static void
refuse(struct http_conn *c, int status)
{
	http_request_free(c->request);
	c->request = NULL;
	c->last = c->unread = true;
	http_reply_refuse(c, status, 0, false);
}

static bool
body_may_come(const struct http_head *head)
{
	return head->chunked || head->length > 0 || head->expect_continue;
}

/*
 * Refuses a request whose head was good: the connection goes on unless a body is on its way, or
 * may be: one that was to have a length and lost it would be read as the next request.
 */
static void
refuse_head(struct http_conn *c, const struct http_head *head, int status, unsigned allow)
{
	if (body_may_come(head) || status == 411)
		c->last = c->unread = true;
	http_reply_refuse(c, status, allow, head->method == HTTP_HEAD);
}

static void
dispatch(struct http_conn *c)
{
	struct http_request *r = c->request;

	set_phase(c, PHASE_DUE);
	r->route->handler(r, c->server->ctx);
}

/*
 * RFC 9112 6.3 takes a PUT without a length for an empty one.  From a device it is more likely
 * damaged on its way; administrators' clients leave the length out when there is nothing to say.
 */
static bool
lacks_length(const struct http_conn *c, const struct http_head *head, size_t max)
{
	return c->options.side == HTTP_DEVICE && max > 0 && !head->has_length && !head->chunked &&
	       (head->method & (HTTP_PUT | HTTP_POST | HTTP_PATCH));
}

static void
begin_body(struct http_conn *c)
{
	static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
	struct http_request *r = c->request;

	set_phase(c, PHASE_BODY);
	if (!r->head.expect_continue || evbuffer_get_length(input_of(c)) > 0)
		return;
	bufferevent_write(c->bev, go_on, sizeof(go_on) - 1);
	c->server->numbers.status[1]++;
}

/*
 * The owner's word on the caller.  A reply that it gives now is the last one when a body is on its
 * way: nothing of that is read.
 */
static bool
admitted(struct http_conn *c)
{
	struct http_server *s = c->server;
	bool last = c->last;

	if (!s->admit)
		return true;
	if (body_may_come(&c->request->head))
		c->last = c->unread = true;
	set_phase(c, PHASE_DUE);
	if (!s->admit(c->request, s->ctx))
		return false;
	c->last = last;
	c->unread = false;
	return true;
}

/* Takes the head over. */
static void
begin_request(struct http_conn *c, struct http_head *head)
{
	struct http_server *s = c->server;
	const struct http_route *route;
	struct http_request *r;
	unsigned allow;
	int status;

	s->numbers.requests++;
	c->last = !head->keep_alive || s->stopping;
	route = http_route_find(s, c->options.side, head, &status, &allow);
	if (!route) {
		refuse_head(c, head, status, allow);
		http_head_free(head);
		return;
	}
	r = http_request_new(c, head);
	c->request = r;
	r->route = route;
	if (!admitted(c))
		return;
	r->body_max = route->limit ? route->limit(r) : route->body_max;
	if (r->head.length > r->body_max || lacks_length(c, &r->head, r->body_max)) {
		refuse_head(c, &r->head, r->head.length > r->body_max ? 413 : 411, 0);
		http_request_free(r);
		c->request = NULL;
		return;
	}
	if (r->head.length > 0 || r->head.chunked)
		begin_body(c);
	else
		dispatch(c);
}

/* True when there is something new to do. */
static bool
read_head(struct http_conn *c)
{
	struct evbuffer *in = input_of(c);
	size_t len = evbuffer_get_length(in);
	struct http_head head;
	int n;

	if (len == 0)
		return false;
	if (len > HTTP_HEAD_MAX + 2)
		len = HTTP_HEAD_MAX + 2;
	n = http_parse_head(bytes_of(evbuffer_pullup(in, (ev_ssize_t)len), len), &head);
	if (n == 0) {
		if (c->phase == PHASE_IDLE)
			set_phase(c, PHASE_HEAD);
		return false;
	}
	if (n < 0) {
		c->server->numbers.requests++;
		refuse(c, -n);
		return true;
	}
	evbuffer_drain(in, (size_t)n);
	begin_request(c, &head);
	return true;
}

/* Moves what came of a body with a length; true when it is whole. */
static bool
move_plain(struct http_request *r, struct evbuffer *in)
{
	size_t left = (size_t)r->head.length - r->body.len, n = evbuffer_get_length(in);

	if (n > left)
		n = left;
	buf_reserve(&r->body, n);
	evbuffer_remove(in, r->body.data + r->body.len, n);
	r->body.len += n;
	return n == left;
}

/* 1 when it is whole, 0 when more is to come, <0 a status. */
static int
move_chunked(struct http_request *r, struct evbuffer *in)
{
	size_t len = evbuffer_get_length(in);
	ssize_t n = http_parse_chunks(
		&r->chunks, bytes_of(evbuffer_pullup(in, -1), len), &r->body, r->body_max);

	if (n < 0)
		return (int)n;
	evbuffer_drain(in, (size_t)n);
	return r->chunks.state == CHUNK_DONE;
}

static bool
read_body(struct http_conn *c)
{
	struct http_request *r = c->request;
	struct evbuffer *in = input_of(c);
	size_t before = evbuffer_get_length(in);
	int done, budget;

	if (before == 0)
		return false;
	done = r->head.chunked ? move_chunked(r, in) : move_plain(r, in);
	c->phase_bytes += before - evbuffer_get_length(in);
	budget = http_request_count_body(r);
	if (done < 0 || budget < 0) {
		if (budget < 0 && log_allowed(&c->server->limit_log, clock_mono_ms(), NULL))
			log_event(EV_LIMIT_HIT, NO_FIELDS,
				"bodies of requests use up their %zu MiB; further ones get 503",
				c->server->body_budget >> 20);
		refuse(c, done < 0 ? -done : -budget);
		return true;
	}
	if (done)
		dispatch(c);
	return done != 0;
}

/* Goes on until a reply is due or more must come.  While a reply is due nothing is parsed. */
static void
process(struct http_conn *c)
{
	bool more = true;

	while (more) {
		if (c->phase == PHASE_IDLE || c->phase == PHASE_HEAD)
			more = read_head(c);
		else if (c->phase == PHASE_BODY)
			more = read_body(c);
		else
			more = false;
	}
}

void
http_conn_send(struct http_conn *c, struct bytes reply)
{
	set_phase(c, PHASE_WRITE);
	bufferevent_write(c->bev, reply.data, reply.len);
	c->phase_bytes = evbuffer_get_length(output_of(c));
}

/* The reply is out. */
static void
go_on(struct http_conn *c)
{
	if (c->last || c->server->stopping) {
		finish(c);
		return;
	}
	set_phase(c, PHASE_IDLE);
	process(c);
	/* What a half-closed client sent before is answered; more will not come. */
	if (c->eof && c->phase < PHASE_DUE)
		http_conn_drop(c);
}

static void
on_write(struct bufferevent *bev, void *arg)
{
	struct http_conn *c = arg;

	(void)bev;
	if (c->phase == PHASE_WRITE && evbuffer_get_length(output_of(c)) == 0)
		go_on(c);
}

static void
on_read(struct bufferevent *bev, void *arg)
{
	struct http_conn *c = arg;

	(void)bev;
	if (c->phase == PHASE_LINGER)
		evbuffer_drain(input_of(c), evbuffer_get_length(input_of(c)));
	else
		process(c);
}

/* A TLS connection that got an EOF cannot be written to either. */
static void
on_eof(struct http_conn *c)
{
	c->eof = true;
	if (c->ssl || (c->phase != PHASE_DUE && c->phase != PHASE_WRITE))
		http_conn_drop(c);
}

/* "unknown ca" here is how most servers that are set up wrongly are found out. */
static void
handshake_failed(struct http_conn *c)
{
	unsigned long err = bufferevent_get_openssl_error(c->bev);
	const char *reason = err ? ERR_reason_error_string(err) : NULL;

	c->server->numbers.handshake_failures++;
	if (log_allowed(&c->server->handshake_log, clock_mono_ms(), NULL))
		log_info("TLS handshake with %s failed: %s", c->peer,
			reason ? reason : "it closed the connection");
}

static void
on_event(struct bufferevent *bev, short what, void *arg)
{
	struct http_conn *c = arg;

	(void)bev;
	if (what & BEV_EVENT_CONNECTED) {
		c->server->numbers.handshakes++;
		set_phase(c, PHASE_HEAD);
		return;
	}
	if (c->phase == PHASE_HANDSHAKE)
		handshake_failed(c);
	if (what & BEV_EVENT_EOF)
		on_eof(c);
	else
		http_conn_drop(c);
	ERR_clear_error();
}

static void
expire(struct http_conn *c)
{
	struct http_numbers *n = &c->server->numbers;

	if (c->phase != PHASE_IDLE && c->phase != PHASE_LINGER)
		n->timeouts++;
	if (c->phase == PHASE_HANDSHAKE)
		n->handshake_failures++;
	if ((c->phase == PHASE_HEAD && !http_conn_silent(c)) || c->phase == PHASE_BODY)
		refuse(c, 408);
	else
		http_conn_drop(c);
}

/* How far the body has come in, or the reply gone out. */
static size_t
progress(const struct http_conn *c)
{
	if (c->phase == PHASE_BODY)
		return c->phase_bytes;
	if (c->phase == PHASE_WRITE)
		return c->phase_bytes - evbuffer_get_length(output_of(c));
	return 0;
}

bool
http_conn_stuck(struct http_conn *c, int64_t now)
{
	size_t at = progress(c);

	if (c->phase == PHASE_IDLE || c->phase == PHASE_DUE)
		return c->phase == PHASE_IDLE;
	if (c->phase == PHASE_HEAD || c->phase == PHASE_LINGER)
		return now - c->phase_since >= HTTP_STUCK_HEAD_MS;
	if (c->seen_at == 0 || c->seen_bytes != at) {
		c->seen_at = now;
		c->seen_bytes = at;
	}
	return now - c->seen_at >= HTTP_STUCK_MOVE_MS;
}

/*
 * Bodies and replies that moved on at HTTP_RATE_MIN since the last look get the same time again.
 * What went fast at first earns nothing for later: a client could stop for hours on it.
 */
static bool
prolong(struct http_conn *c, int64_t now)
{
	int64_t ms = allowance(c);
	size_t at = progress(c), moved = at - c->phase_mark;

	if (moved == 0 || (int64_t)moved < ms * HTTP_RATE_MIN / 1000)
		return false;
	c->phase_mark = at;
	set_deadline(c, now, ms);
	return true;
}

static void
on_timer(void *arg)
{
	struct http_conn *c = arg;
	int64_t now = clock_mono_ms();

	c->armed = 0;
	if (c->deadline > now)
		set_deadline(c, now, c->deadline - now);
	else if (!prolong(c, now))
		expire(c);
}

static void
set_peer(struct http_conn *c, const struct http_listener *l, const struct sockaddr_storage *peer)
{
	const struct sockaddr_in6 *six = (const void *)peer;
	const struct sockaddr_in *four = (const void *)peer;

	if (l->local)
		strcpy(c->peer, "unix");
	else if (peer->ss_family == AF_INET)
		inet_ntop(AF_INET, &four->sin_addr, c->peer, sizeof(c->peer));
	else if (IN6_IS_ADDR_V4MAPPED(&six->sin6_addr))
		inet_ntop(AF_INET, six->sin6_addr.s6_addr + 12, c->peer, sizeof(c->peer));
	else
		inet_ntop(AF_INET6, &six->sin6_addr, c->peer, sizeof(c->peer));
}

/* Asked of Unix sockets only: on TCP the question succeeds too, with nonsense. */
static void
set_cred(struct http_conn *c, int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0 || cred.uid == (uid_t)-1)
		return;
	c->has_cred = true;
	c->uid = cred.uid;
	c->gid = cred.gid;
	c->pid = cred.pid;
}

/* NULL: there can be no connection.  Never plain text where TLS was asked for. */
static struct bufferevent *
wrap(const struct http_listener *l, int fd, SSL **ssl)
{
	struct event_base *base = loop_base(l->server->loop);

	*ssl = NULL;
	if (!l->options.tls)
		return bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);
	ERR_clear_error();
	*ssl = SSL_new(tls_server_ctx(l->server->tls));
	if (!*ssl)
		return NULL;
	return bufferevent_openssl_socket_new(
		base, fd, *ssl, BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE);
}

void
http_conn_start(struct http_listener *l, int fd, const struct sockaddr_storage *peer)
{
	struct http_server *s = l->server;
	struct http_conn *c;
	struct bufferevent *bev;
	SSL *ssl;

	bev = wrap(l, fd, &ssl);
	if (!bev) {
		s->numbers.refused_connections++;
		close(fd);
		return;
	}
	c = xcalloc(1, sizeof(*c));
	c->server = s;
	c->options = l->options;
	c->pool = http_server_pool(l->options.side);
	c->bev = bev;
	c->ssl = ssl;
	c->timer = loop_timer_new(s->loop, on_timer, c);
	set_peer(c, l, peer);
	if (l->local)
		set_cred(c, fd);
	TAILQ_INSERT_TAIL(&s->conns[c->pool], c, all);
	s->open[c->pool]++;
	s->numbers.connections++;
	set_phase(c, ssl ? PHASE_HANDSHAKE : PHASE_HEAD);
	bufferevent_setcb(bev, on_read, on_write, on_event, c);
	bufferevent_setwatermark(bev, LOOP_READ, 0, HTTP_INPUT_MAX);
	bufferevent_set_max_single_write(bev, HTTP_WRITE_MAX);
	bufferevent_enable(bev, LOOP_READ | LOOP_WRITE);
}
