/* wire.c - many HTTP connections of one thread, over TLS or a Unix socket */
#include "wire.h"

#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/un.h>
#include <sysexits.h>
#include <unistd.h>

#define SOURCES 200u /* addresses of 127/8 that connections come from, so that ports suffice */

/* ---- targets ---- */

static void
resolve(struct wires *all, const char *where)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&all->to;
	struct sockaddr_un *un = (struct sockaddr_un *)&all->to;
	const char *colon = strrchr(where, ':');
	char host[64];

	if (where[0] == '/') {
		un->sun_family = AF_UNIX;
		if (strlen(where) >= sizeof(un->sun_path))
			errx(EX_USAGE, "%s: too long for a Unix socket", where);
		memcpy(un->sun_path, where, strlen(where) + 1);
		all->to_len = sizeof(*un);
		return;
	}
	if (colon == NULL || (size_t)(colon - where) >= sizeof(host))
		errx(EX_USAGE, "%s: not HOST:PORT", where);
	snprintf(host, sizeof(host), "%.*s", (int)(colon - where), where);
	in->sin_family = AF_INET;
	in->sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10));
	if (inet_pton(AF_INET, host, &in->sin_addr) != 1)
		errx(EX_USAGE, "%s: not an IPv4 address", host);
	all->to_len = sizeof(*in);
	all->spread = (ntohl(in->sin_addr.s_addr) >> 24) == 127;
}

static int
keep_session(SSL *ssl, SSL_SESSION *session)
{
	struct wire *w = SSL_get_app_data(ssl);

	if (w->speaker == NULL || !w->of->resume)
		return 0;
	SSL_SESSION_free(w->speaker->session);
	w->speaker->session = session;
	return 1;
}

void
wires_open(struct wires *all, int epoll, const char *where)
{
	memset(all, 0, sizeof(*all));
	all->epoll = epoll;
	resolve(all, where);
	if (where[0] == '/')
		return;
	all->tls = SSL_CTX_new(TLS_client_method());
	if (all->tls == NULL)
		errx(EX_SOFTWARE, "TLS cannot be set up");
	SSL_CTX_set_verify(all->tls, SSL_VERIFY_NONE, NULL);
	SSL_CTX_set_mode(all->tls, SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_session_cache_mode(
		all->tls, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(all->tls, keep_session);
}

void
wires_close(struct wires *all)
{
	SSL_CTX_free(all->tls);
}

/* ---- one connection ---- */

void
wire_init(struct wire *w, struct wires *all, struct speaker *speaker)
{
	w->of = all;
	w->fd = -1;
	w->ssl = NULL;
	w->speaker = speaker;
	w->state = WIRE_REST;
	w->in_len = 0;
}

void
wire_hang_up(struct wire *w)
{
	if (w->ssl != NULL && w->state != WIRE_SHAKING)
		SSL_shutdown(w->ssl);
	SSL_free(w->ssl);
	if (w->fd >= 0)
		close(w->fd);
	ERR_clear_error();
	wire_init(w, w->of, w->speaker);
}

static void
fail(struct wire *w, const char *why)
{
	wire_hang_up(w);
	w->done(w, 0, why, strlen(why));
}

static void
choose_source(struct wire *w)
{
	struct sockaddr_in from = { .sin_family = AF_INET };
	int on = 1;

	if (!w->of->spread)
		return;
	from.sin_addr.s_addr = htonl(0x7f000002u + (uint32_t)(w->of->opened % SOURCES));
	setsockopt(w->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	if (bind(w->fd, (struct sockaddr *)&from, sizeof(from)) < 0)
		w->of->spread = false;
}

static bool
start_tls(struct wire *w)
{
	struct speaker *s = w->speaker;

	w->ssl = SSL_new(w->of->tls);
	if (w->ssl == NULL || SSL_set_fd(w->ssl, w->fd) != 1)
		return false;
	SSL_set_app_data(w->ssl, w);
	SSL_set_tlsext_host_name(w->ssl, "localhost");
	SSL_set_connect_state(w->ssl);
	if (s != NULL && w->of->offer_certificate &&
		(SSL_use_certificate(w->ssl, s->cert) != 1 ||
			SSL_use_PrivateKey(w->ssl, s->key) != 1))
		return false;
	if (s != NULL && w->of->resume && s->session != NULL)
		SSL_set_session(w->ssl, s->session);
	w->state = WIRE_SHAKING;
	return true;
}

static const char *
open_wire(struct wire *w)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = w };
	int on = 1;

	w->fd = socket(w->of->to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (w->fd < 0)
		return "no socket";
	w->of->opened++;
	if (w->of->tls != NULL) {
		setsockopt(w->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
		choose_source(w);
	}
	if (connect(w->fd, (struct sockaddr *)&w->of->to, w->of->to_len) < 0 &&
		errno != EINPROGRESS)
		return strerror(errno);
	if (w->of->tls != NULL && !start_tls(w))
		return "TLS cannot be set up";
	if (w->of->tls == NULL)
		w->state = WIRE_WRITING;
	return epoll_ctl(w->of->epoll, EPOLL_CTL_ADD, w->fd, &ev) == 0 ? NULL : strerror(errno);
}

/* 1 it is done, 0 it must wait, -1 the connection is lost. */
static int
verdict(struct wire *w, int rc)
{
	int e = SSL_get_error(w->ssl, rc);

	return e == SSL_ERROR_WANT_READ || e == SSL_ERROR_WANT_WRITE ? 0 : -1;
}

static int
shake(struct wire *w)
{
	int rc = SSL_do_handshake(w->ssl);

	if (rc != 1)
		return verdict(w, rc);
	w->of->resumed += SSL_session_reused(w->ssl) ? 1 : 0;
	w->state = WIRE_WRITING;
	return 1;
}

static int
write_some(struct wire *w)
{
	size_t left = w->out_len - w->out_off, n = 0;
	ssize_t rc;

	if (w->ssl != NULL) {
		rc = SSL_write_ex(w->ssl, w->out + w->out_off, left, &n);
		if (rc != 1)
			return verdict(w, (int)rc);
	} else {
		rc = send(w->fd, w->out + w->out_off, left, MSG_NOSIGNAL);
		if (rc < 0)
			return errno == EAGAIN ? 0 : -1;
		n = (size_t)rc;
	}
	w->out_off += n;
	if (w->out_off == w->out_len)
		w->state = WIRE_READING;
	return 1;
}

/* Bytes of the whole answer by its head; 0 not yet known, SIZE_MAX: until the end. */
static size_t
answer_length(struct wire *w, const char **ret_body)
{
	char *end, *length;

	w->in[w->in_len] = '\0';
	end = strstr(w->in, "\r\n\r\n");
	if (end == NULL)
		return 0;
	*ret_body = end + 4;
	length = strcasestr(w->in, "\r\nContent-Length:");
	if (length == NULL || length > end)
		return SIZE_MAX;
	return (size_t)(end + 4 - w->in) + strtoul(length + 17, NULL, 10);
}

static void
answered(struct wire *w, const char *body, bool over)
{
	int status = w->in_len > 12 ? atoi(w->in + 9) : 0;
	size_t len = w->in_len - (size_t)(body - w->in);

	w->state = WIRE_REST;
	w->in_len = 0;
	if (over) {
		/* the body lies in the wire itself and outlives its connection */
		wire_hang_up(w);
	}
	w->done(w, status, body, len);
}

static int
read_some(struct wire *w)
{
	const char *body = NULL;
	size_t n = 0, whole;
	ssize_t rc;

	if (w->in_len == WIRE_IN)
		return -1;
	if (w->ssl != NULL) {
		rc = SSL_read_ex(w->ssl, w->in + w->in_len, WIRE_IN - w->in_len, &n);
		if (rc != 1 && verdict(w, (int)rc) == 0)
			return 0;
	} else {
		rc = recv(w->fd, w->in + w->in_len, WIRE_IN - w->in_len, 0);
		if (rc < 0)
			return errno == EAGAIN ? 0 : -1;
		n = rc > 0 ? (size_t)rc : 0;
	}
	w->in_len += n;
	whole = answer_length(w, &body);
	if (n == 0 && whole != SIZE_MAX)
		return -1;
	if (whole != 0 && (n == 0 || w->in_len >= whole))
		answered(w, body, n == 0);
	return 1;
}

void
wire_ready(struct wire *w)
{
	int rc = 1;

	while (rc > 0) {
		switch (w->state) {
		case WIRE_REST:
			return;
		case WIRE_SHAKING:
			rc = shake(w);
			break;
		case WIRE_WRITING:
			rc = write_some(w);
			break;
		case WIRE_READING:
			rc = read_some(w);
			break;
		}
	}
	if (rc < 0)
		fail(w, "the connection broke");
}

void
wire_send(struct wire *w, const struct blob *request, double due)
{
	const char *why = NULL;

	w->out = request->data;
	w->out_len = request->len;
	w->out_off = 0;
	w->began = due;
	if (w->fd < 0)
		why = open_wire(w);
	else
		w->state = WIRE_WRITING;
	if (why != NULL)
		fail(w, why);
}
