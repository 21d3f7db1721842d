/* http_request.c - one request as handlers see it, from its head to its reply */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/mem.h"
#include "net/http_int.h"

#define SCRATCH_KEEP (256u << 10) /* larger replies do not keep their room for the next */

struct http_request *
http_request_new(struct http_conn *c, const struct http_head *head)
{
	struct http_request *r = xcalloc(1, sizeof(*r));

	r->server = c->server;
	r->conn = c;
	r->head = *head;
	r->side = c->options.side;
	r->behind_proxy = c->options.behind_proxy;
	r->has_cred = c->has_cred;
	r->uid = c->uid;
	r->gid = c->gid;
	r->pid = c->pid;
	memcpy(r->peer, c->peer, sizeof(r->peer));
	if (c->ssl)
		r->cert = SSL_get1_peer_certificate(c->ssl);
	TAILQ_INSERT_TAIL(&c->server->requests, r, all);
	return r;
}

/* Wipes: bodies and replies may carry what devices and administrators keep secret. */
void
http_request_free(struct http_request *r)
{
	if (!r)
		return;
	if (r->drop)
		r->drop(r->data);
	if (r->server) {
		r->server->body_bytes -= r->body_counted;
		TAILQ_REMOVE(&r->server->requests, r, all);
		if (r->held)
			TAILQ_REMOVE(&r->server->held, r, held_link);
	}
	http_head_free(&r->head);
	buf_wipe(&r->body);
	buf_wipe(&r->headers);
	buf_wipe(&r->reply);
	X509_free(r->cert);
	free(r->caller);
	free(r);
}

int
http_request_count_body(struct http_request *r)
{
	struct http_server *s = r->server;

	s->body_bytes = s->body_bytes - r->body_counted + r->body.cap;
	r->body_counted = r->body.cap;
	return s->body_bytes > s->body_budget ? -503 : 0;
}

enum http_method
http_method(const struct http_request *r)
{
	return (enum http_method)r->head.method;
}

const char *
http_path(const struct http_request *r)
{
	return r->head.path;
}

const char *
http_query(const struct http_request *r)
{
	return r->head.query;
}

/* Does the parameter's name, still encoded, mean `name`? */
static bool
name_is(struct bytes encoded, const char *name)
{
	struct buf plain = BUF_INIT;
	bool same =
		decode_percent(&plain, encoded, true) == 0 && bytes_eq_str(buf_bytes(&plain), name);

	buf_free(&plain);
	return same;
}

int
http_query_get(const struct http_request *r, const char *name, bool raw_plus, struct buf *ret)
{
	struct bytes found = { NULL, 0 };
	const char *at = r->head.query;
	bool have = false;

	while (*at) {
		size_t len = strcspn(at, "&"), key = strcspn(at, "=&");

		if (name_is(bytes_of(at, key), name)) {
			if (have)
				return -EINVAL;
			have = true;
			found = key < len ? bytes_of(at + key + 1, len - key - 1) : bytes_of(at, 0);
		}
		at += len + (at[len] == '&');
	}
	if (!have)
		return -ENOENT;
	return decode_percent(ret, found, !raw_plus);
}

const char *
http_header(const struct http_request *r, const char *name)
{
	size_t i;

	for (i = 0; i < r->head.count; i++) {
		if (strcasecmp(r->head.fields[i].name, name) == 0)
			return r->head.fields[i].value;
	}
	return NULL;
}

unsigned
http_header_count(const struct http_request *r, const char *name)
{
	unsigned n = 0;
	size_t i;

	for (i = 0; i < r->head.count; i++)
		n += strcasecmp(r->head.fields[i].name, name) == 0;
	return n;
}

struct bytes
http_body(const struct http_request *r)
{
	return buf_bytes(&r->body);
}

enum http_side
http_side(const struct http_request *r)
{
	return r->side;
}

const char *
http_peer(const struct http_request *r)
{
	return r->peer;
}

bool
http_behind_proxy(const struct http_request *r)
{
	return r->behind_proxy;
}

X509 *
http_peer_cert(const struct http_request *r)
{
	return r->cert;
}

bool
http_peer_cred(const struct http_request *r, uid_t *uid, gid_t *gid, pid_t *pid)
{
	if (!r->has_cred)
		return false;
	*uid = r->uid;
	*gid = r->gid;
	*pid = r->pid;
	return true;
}

void
http_set_caller(struct http_request *r, const char *name, unsigned level)
{
	char *copy = name ? xstrdup(name) : NULL;

	free(r->caller);
	r->caller = copy;
	r->caller_level = level;
}

const char *
http_caller(const struct http_request *r)
{
	return r->caller;
}

unsigned
http_caller_level(const struct http_request *r)
{
	return r->caller_level;
}

bool
http_gone(const struct http_request *r)
{
	return !r->conn;
}

void
http_set_data(struct http_request *r, void *data, void (*drop)(void *data))
{
	r->data = data;
	r->drop = drop;
}

void *
http_data(const struct http_request *r)
{
	return r->data;
}

static bool
has_control(const char *s)
{
	for (; *s; s++) {
		if (((unsigned char)*s < 0x20 && *s != '\t') || *s == 0x7f)
			return true;
	}
	return false;
}

void
http_reply_header(struct http_request *r, const char *name, const char *value)
{
	if (has_control(name) || has_control(value)) {
		log_error("a reply to %s was to carry a broken header %s; left out", r->head.path,
			name);
		return;
	}
	buf_printf(&r->headers, "%s: %s\r\n", name, value);
}

/* A 401 would make the device remove its management (facts/protocol.md A.10). */
static bool
avert_unauthorized(struct http_request *r)
{
	struct http_server *s = r->server;

	s->numbers.unauthorized_averted++;
	if (log_allowed(&s->averted_log, clock_mono_ms(), NULL))
		log_error("a handler answered 401 to a device at %s; it was sent 500 instead, "
			  "this is a fault in cordond",
			r->head.path);
	return true;
}

static void
format_reply(
	struct http_request *r, struct buf *out, int status, const char *type, struct bytes body)
{
	const char *connection = r->head.minor == 0 ? "keep-alive" : NULL;

	r->status = status;
	http_reply_format(r->server, out, status, type, buf_bytes(&r->headers), body,
		r->head.method == HTTP_HEAD, r->conn->last ? "close" : connection);
}

/* The reply leaves; the request is over. */
static void
send_reply(struct http_request *r, struct bytes reply)
{
	struct http_conn *c = r->conn;

	r->server->numbers.status[r->status / 100]++;
	c->request = NULL;
	http_conn_send(c, reply);
	http_request_free(r);
}

static void
hold_reply(struct http_request *r)
{
	struct http_server *s = r->server;

	r->held = true;
	r->hold_turn = s->hold_turn;
	TAILQ_INSERT_TAIL(&s->held, r, held_link);
}

void
http_reply(struct http_request *r, int status, const char *type, struct bytes body)
{
	struct http_server *s = r->server;
	struct buf *out;
	bool hold;

	if (!r->conn) {
		http_request_free(r);
		return;
	}
	if (status < 200 || status > 599)
		status = 500;
	if (status == 401 && r->side == HTTP_DEVICE && avert_unauthorized(r)) {
		status = 500;
		type = NULL;
		body = bytes_of(NULL, 0);
		buf_reset(&r->headers);
	}
	if (s->stopping)
		r->conn->last = true;
	hold = s->hold && s->hold(s->hold_arg);
	out = hold ? &r->reply : &s->scratch;
	buf_reset(out);
	format_reply(r, out, status, type, body);
	if (hold) {
		hold_reply(r);
		return;
	}
	send_reply(r, buf_bytes(out));
	if (s->scratch.cap > SCRATCH_KEEP)
		buf_wipe(&s->scratch);
}

void
http_reply_text(struct http_request *r, int status, const char *text)
{
	struct buf line = BUF_INIT;

	buf_printf(&line, "%s\n", text);
	http_reply(r, status, "text/plain; charset=utf-8", buf_bytes(&line));
	buf_free(&line);
}

/*
 * Only replies that waited when this began are let go: a request that is answered meanwhile waits
 * for the next commit.
 */
void
http_server_release(struct http_server *s, int err)
{
	uint64_t turn = s->hold_turn++;
	struct http_request *r;

	while ((r = TAILQ_FIRST(&s->held)) && r->hold_turn <= turn) {
		TAILQ_REMOVE(&s->held, r, held_link);
		r->held = false;
		if (err < 0) {
			buf_reset(&r->headers);
			buf_wipe(&r->reply);
			format_reply(r, &r->reply, 503, "text/plain; charset=utf-8",
				bytes_str("The server cannot keep changes at present; try again "
					  "later.\n"));
		}
		send_reply(r, buf_bytes(&r->reply));
	}
}
