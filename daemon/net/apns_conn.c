/* apns_conn.c - one connection to APNs: name, address after address, TLS, HTTP/2, its deadlines */
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "net/apns_conn.h"
#include "net/apns_resolve.h"
#include "net/apns_words.h"
#include "net/loop.h"

/*
 * How long we let the server speak first.  It may say why it refuses our certificate right after
 * the handshake; if our preface meets a socket that it has closed, the reset destroys the alert.
 */
#define HELLO_MS 250
#define INPUT_MAX 65536 /* bytes read and not looked at yet */

enum step { RESOLVE, TCP, TLS, HELLO, OPEN, ENDED };

struct apns_conn {
	struct loop *loop;
	char *host, *topic, *words;
	unsigned port;
	SSL_CTX *ctx;
	struct apns_times times;
	int64_t ping_idle;
	void (*changed)(void *arg);
	void *arg;

	enum step step;
	struct apns_resolve *resolve;
	struct addrinfo *list, *address; /* all of them, and the one that is tried */
	int fd;				 /* until it is the bufferevent's */
	struct event *tcp;
	struct bufferevent *bev;
	struct apns_verdict verdict;
	struct apns_h2 *h2;

	struct loop_timer *timer;
	int64_t armed; /* when the timer goes off; 0: it is idle */
	int64_t deadline, hello_until, heard, ping_sent, opened;
};

static void try_address(struct apns_conn *c);

static void
set_words(struct apns_conn *c, char *words)
{
	free(c->words);
	c->words = words;
}

static void
arm(struct apns_conn *c, int64_t at)
{
	int64_t now = clock_mono_ms();

	if (c->armed && c->armed <= at)
		return;
	c->armed = at;
	loop_timer_set(c->timer, at > now ? at - now : 0);
}

/* Sets the timer to the next thing that time alone brings about. */
static void
arm_next(struct apns_conn *c)
{
	switch (c->step) {
	case RESOLVE:
	case TCP:
	case TLS:
		arm(c, c->deadline);
		break;
	case HELLO:
		arm(c, c->hello_until ? c->hello_until : c->deadline);
		break;
	case OPEN:
		if (apns_h2_deadline(c->h2))
			arm(c, apns_h2_deadline(c->h2));
		if (apns_h2_ping_pending(c->h2))
			arm(c, c->ping_sent + c->times.ping_wait);
		else
			arm(c, c->heard + c->ping_idle);
		break;
	case ENDED:
		break;
	}
}

static void
drop_socket(struct apns_conn *c)
{
	if (c->tcp)
		event_free(c->tcp);
	c->tcp = NULL;
	if (c->bev)
		bufferevent_free(c->bev); /* closes its socket too */
	c->bev = NULL;
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

/* Takes the words. */
static void
end(struct apns_conn *c, char *words)
{
	if (c->step == ENDED) {
		free(words);
		return;
	}
	set_words(c, words);
	c->step = ENDED;
	apns_resolve_cancel(c->resolve);
	c->resolve = NULL;
	drop_socket(c);
	if (c->h2)
		apns_h2_abandon(c->h2);
	loop_timer_stop(c->timer);
	c->changed(c->arg);
}

/* This address will not do: the next one, if there is one.  Takes the words. */
static void
next_address(struct apns_conn *c, char *words)
{
	if (!c->address || !c->address->ai_next) {
		end(c, words);
		return;
	}
	set_words(c, words);
	drop_socket(c);
	apns_h2_free(c->h2);
	c->h2 = NULL;
	c->address = c->address->ai_next;
	try_address(c);
}

static char *
address_text(const struct addrinfo *a, char *out, size_t size)
{
	if (getnameinfo(a->ai_addr, a->ai_addrlen, out, (socklen_t)size, NULL, 0, NI_NUMERICHOST))
		out[0] = '\0';
	return out;
}

static char *
connect_words(const struct apns_conn *c, int err)
{
	char numeric[64];

	return xasprintf("connecting to %s:%u (%s) failed: %s", c->host, c->port,
		address_text(c->address, numeric, sizeof(numeric)), strerror(err));
}

static void
on_open(struct apns_conn *c)
{
	c->step = OPEN;
	c->opened = c->heard;
	c->hello_until = 0;
	/* The timer may stand at the end of the dialling deadline; that was another question. */
	c->armed = 0;
	set_words(c, NULL);
}

static void
on_input(struct bufferevent *bev, void *arg)
{
	struct apns_conn *c = arg;
	struct evbuffer *in = bufferevent_get_input(bev);
	size_t len = evbuffer_get_length(in);
	int err;

	if (len == 0 || !c->h2)
		return;
	c->heard = clock_mono_ms();
	err = apns_h2_feed(c->h2, bytes_of(evbuffer_pullup(in, -1), len));
	evbuffer_drain(in, len);
	if (!err && c->step == HELLO && apns_h2_open(c->h2))
		on_open(c);
	if (!err)
		err = apns_h2_output(c->h2, bufferevent_get_output(bev));
	if (err || apns_h2_over(c->h2)) {
		if (apns_h2_going(c->h2))
			end(c, xasprintf("%s closed the connection", c->host));
		else
			end(c, xasprintf("what answers as %s:%u does not keep to HTTP/2", c->host,
				       c->port));
		return;
	}
	arm_next(c);
	c->changed(c->arg);
}

static void
on_output_drained(struct bufferevent *bev, void *arg)
{
	struct apns_conn *c = arg;

	(void)bev;
	if (c->step == OPEN)
		c->changed(c->arg);
}

static void
on_tls_done(struct apns_conn *c)
{
	const unsigned char *alpn;
	unsigned len;

	SSL_get0_alpn_selected(bufferevent_openssl_get_ssl(c->bev), &alpn, &len);
	if (len != 2 || memcmp(alpn, "h2", 2) != 0) {
		end(c, xasprintf("what answers as %s:%u does not speak HTTP/2: check push.host and "
				 "push.port",
			       c->host, c->port));
		return;
	}
	c->step = HELLO;
	c->hello_until = clock_mono_ms() + HELLO_MS;
	arm_next(c);
}

static const char *
reason_of(int err)
{
	return err ? strerror(err) : "the other side closed it";
}

/* What ended the connection, and whether another address may do better. */
static char *
failure_words(struct apns_conn *c, int err, int *definite)
{
	unsigned long tls;
	char *words = NULL;

	*definite = 1;
	if (c->verdict.error)
		return apns_words_verdict(&c->verdict, c->host, c->port);
	while (!words && (tls = bufferevent_get_openssl_error(c->bev)))
		words = apns_words_tls(tls, c->host);
	if (words)
		return words;
	if (c->step == HELLO)
		return xasprintf("%s closed the connection right after the TLS handshake (%s): it "
				 "probably refuses the push certificate",
			c->host, reason_of(err));
	*definite = 0;
	if (c->step == TLS)
		return xasprintf("the TLS handshake with %s:%u was cut off: %s", c->host, c->port,
			reason_of(err));
	return xasprintf("the connection to %s broke: %s", c->host, reason_of(err));
}

static void
on_event(struct bufferevent *bev, short what, void *arg)
{
	int err = (what & BEV_EVENT_ERROR) ? EVUTIL_SOCKET_ERROR() : 0;
	struct apns_conn *c = arg;
	int definite;
	char *words;

	if (what & BEV_EVENT_CONNECTED) {
		on_tls_done(c);
		return;
	}
	/* What came before the end still counts. */
	if (c->step >= HELLO && evbuffer_get_length(bufferevent_get_input(bev)) > 0)
		on_input(bev, c);
	if (c->step == ENDED)
		return;
	words = failure_words(c, err, &definite);
	ERR_clear_error();
	if (definite || c->step == OPEN)
		end(c, words);
	else
		next_address(c, words);
}

static SSL *
ssl_new(struct apns_conn *c)
{
	struct addrinfo *numeric = apns_resolve_numeric(c->host, c->port);
	SSL *ssl;
	int ok;

	ERR_clear_error();
	ssl = SSL_new(c->ctx);
	if (ssl && numeric)
		ok = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), c->host);
	else
		ok = ssl && SSL_set_tlsext_host_name(ssl, c->host) && SSL_set1_host(ssl, c->host);
	if (numeric)
		freeaddrinfo(numeric);
	if (!ok) {
		ERR_clear_error();
		SSL_free(ssl);
		return NULL;
	}
	apns_words_watch(ssl, &c->verdict);
	return ssl;
}

static void
start_tls(struct apns_conn *c)
{
	SSL *ssl = ssl_new(c);

	c->h2 = ssl ? apns_h2_new(c->host, c->topic) : NULL;
	if (c->h2)
		c->bev = bufferevent_openssl_socket_new(loop_base(c->loop), c->fd, ssl,
			BUFFEREVENT_SSL_CONNECTING, BEV_OPT_CLOSE_ON_FREE);
	if (!c->bev) {
		SSL_free(ssl);
		end(c, xasprintf("TLS to %s could not be set up on this machine", c->host));
		return;
	}
	c->fd = -1;
	c->step = TLS;
	bufferevent_setcb(c->bev, on_input, on_output_drained, on_event, c);
	bufferevent_setwatermark(c->bev, EV_READ, 0, INPUT_MAX);
	bufferevent_enable(c->bev, EV_READ | EV_WRITE);
}

static void
on_tcp(evutil_socket_t fd, short what, void *arg)
{
	struct apns_conn *c = arg;
	socklen_t len = sizeof(int);
	int err = 0;

	(void)what;
	event_free(c->tcp);
	c->tcp = NULL;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len) < 0)
		err = errno;
	if (err)
		next_address(c, connect_words(c, err));
	else
		start_tls(c);
}

/* 0 when a connection is under way, else -errno. */
static int
start_tcp(struct apns_conn *c)
{
	const struct addrinfo *a = c->address;
	unsigned dead_ms = (unsigned)c->times.answer;
	int one = 1;

	c->fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		return -errno;
	(void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	(void)setsockopt(c->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &dead_ms, sizeof(dead_ms));
	if (connect(c->fd, a->ai_addr, a->ai_addrlen) < 0 && errno != EINPROGRESS)
		return -errno;
	c->tcp = event_new(loop_base(c->loop), c->fd, EV_WRITE, on_tcp, c);
	if (!c->tcp || event_add(c->tcp, NULL) != 0)
		return -ENOMEM;
	return 0;
}

static void
try_address(struct apns_conn *c)
{
	int err;

	c->step = TCP;
	c->deadline = clock_mono_ms() + c->times.connect;
	c->hello_until = 0;
	c->armed = 0;
	err = start_tcp(c);
	if (err)
		next_address(c, connect_words(c, -err));
	else
		arm_next(c);
}

static void
on_resolved(void *arg, struct addrinfo *list, const char *error)
{
	struct apns_conn *c = arg;

	c->resolve = NULL;
	if (!list) {
		end(c, xasprintf("the name %s has no address: %s", c->host,
			       error ? error : "none was found"));
		return;
	}
	c->list = c->address = list;
	try_address(c);
}

static char *
late_words(const struct apns_conn *c)
{
	char seconds[24];

	snprintf(seconds, sizeof(seconds), "%.3g", (double)c->times.connect / 1000);
	if (c->step == RESOLVE)
		return xasprintf("looking up %s took longer than %s s", c->host, seconds);
	return xasprintf("%s:%u did not %s within %s s", c->host, c->port,
		c->step == TCP	 ? "answer"
		: c->step == TLS ? "finish the TLS handshake"
				 : "begin to speak HTTP/2",
		seconds);
}

static void
dialling_tick(struct apns_conn *c, int64_t now)
{
	if (c->step == HELLO && c->hello_until && now >= c->hello_until) {
		c->hello_until = 0;
		apns_conn_flush(c);
	}
	if (now < c->deadline)
		return;
	if (c->step == RESOLVE)
		end(c, late_words(c));
	else
		next_address(c, late_words(c));
}

static void
ping(struct apns_conn *c, int64_t now)
{
	apns_h2_ping(c->h2);
	c->ping_sent = now;
	apns_conn_flush(c);
}

static void
open_tick(struct apns_conn *c, int64_t now)
{
	unsigned late = apns_h2_expire(c->h2, now);

	if (apns_h2_ping_pending(c->h2)) {
		if (now >= c->ping_sent + c->times.ping_wait) {
			end(c, xasprintf("%s stopped answering (no reply to a ping)", c->host));
			return;
		}
	} else if (late || now >= c->heard + c->ping_idle) {
		/* Is it one push that is late, or the whole path that is dead? */
		ping(c, now);
	}
	if (late)
		c->changed(c->arg);
}

static void
on_timer(void *arg)
{
	struct apns_conn *c = arg;
	int64_t now = clock_mono_ms();

	c->armed = 0;
	if (c->step < OPEN)
		dialling_tick(c, now);
	else if (c->step == OPEN)
		open_tick(c, now);
	arm_next(c);
}

struct apns_conn *
apns_conn_new(struct loop *l, const struct apns_conn_options *o)
{
	struct apns_conn *c = xcalloc(1, sizeof(*c));

	c->loop = l;
	c->host = xstrdup(o->host);
	c->topic = xstrdup(o->topic);
	c->port = o->port;
	c->times = o->times;
	c->ping_idle = o->ping_idle_ms;
	c->changed = o->changed;
	c->arg = o->arg;
	c->fd = -1;
	SSL_CTX_up_ref(o->ctx);
	c->ctx = o->ctx;
	c->timer = loop_timer_new(l, on_timer, c);

	c->deadline = clock_mono_ms() + c->times.connect;
	c->list = c->address = apns_resolve_numeric(c->host, c->port);
	if (c->list) {
		try_address(c);
		return c;
	}
	c->resolve = apns_resolve_new(loop_base(l), c->host, c->port, on_resolved, c);
	if (c->resolve)
		arm_next(c);
	else
		end(c, xasprintf("looking up %s failed: no thread is to be had", c->host));
	return c;
}

/*
 * bufferevent_free drops what is unsent, so the last words go past it; only between two records,
 * which is when its output is empty.
 */
static void
say_goodbye(struct apns_conn *c)
{
	struct evbuffer *last = evbuffer_new();
	SSL *ssl = bufferevent_openssl_get_ssl(c->bev);
	int len;

	if (!last)
		return;
	apns_h2_goodbye(c->h2);
	if (apns_h2_output(c->h2, last) == 0 &&
		evbuffer_get_length(bufferevent_get_output(c->bev)) == 0) {
		ERR_clear_error();
		len = (int)evbuffer_get_length(last);
		if (len > 0 && SSL_write(ssl, evbuffer_pullup(last, -1), len) > 0)
			(void)SSL_shutdown(ssl);
		ERR_clear_error();
	}
	evbuffer_free(last);
}

void
apns_conn_free(struct apns_conn *c)
{
	if (!c)
		return;
	if (c->step == OPEN)
		say_goodbye(c);
	apns_resolve_cancel(c->resolve);
	drop_socket(c);
	apns_h2_free(c->h2);
	loop_timer_free(c->timer);
	if (c->list)
		freeaddrinfo(c->list);
	SSL_CTX_free(c->ctx);
	free(c->words);
	free(c->host);
	free(c->topic);
	free(c);
}

enum apns_phase
apns_conn_phase(const struct apns_conn *c)
{
	return c->step == OPEN ? APNS_OPEN : c->step == ENDED ? APNS_ENDED : APNS_DIALLING;
}

const char *
apns_conn_words(const struct apns_conn *c)
{
	return c->words ? c->words : "";
}

int64_t
apns_conn_opened(const struct apns_conn *c)
{
	return c->opened;
}

size_t
apns_conn_in_flight(const struct apns_conn *c)
{
	return c->h2 ? apns_h2_in_flight(c->h2) : 0;
}

unsigned
apns_conn_room(const struct apns_conn *c)
{
	if (c->step != OPEN ||
		evbuffer_get_length(bufferevent_get_output(c->bev)) >= APNS_OUTPUT_MAX)
		return 0;
	return apns_h2_room(c->h2);
}

int
apns_conn_send(struct apns_conn *c, struct apns_item *it)
{
	it->sent_at = clock_wall();
	it->deadline_ms = clock_mono_ms() + c->times.answer;
	return apns_h2_send(c->h2, it);
}

void
apns_conn_flush(struct apns_conn *c)
{
	if (c->step != OPEN && c->step != HELLO)
		return;
	if (apns_h2_output(c->h2, bufferevent_get_output(c->bev)) < 0)
		end(c, xasprintf("the HTTP/2 session with %s failed", c->host));
	else
		arm_next(c);
}

void
apns_conn_cut(struct apns_conn *c, const char *words)
{
	if (c->step == OPEN)
		say_goodbye(c);
	end(c, xstrdup(words));
}

struct apns_h2 *
apns_conn_h2(struct apns_conn *c)
{
	return c->h2;
}
