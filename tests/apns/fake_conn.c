/* fake_conn.c - connections of the fake APNs: TLS, an nghttp2 server session, streams, answers */
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <nghttp2/nghttp2.h>
#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "fake.h"

enum doom { LIVES, CLOSE, RESET };

struct stream {
	TAILQ_ENTRY(stream) link;
	struct conn *conn;
	int32_t id;
	struct push push;
	struct event *timer;
	char id_text[37];
	char answer[256];
	size_t answer_len;
};

struct conn {
	TAILQ_ENTRY(conn) link;
	struct fake *fake;
	struct bufferevent *bev;
	nghttp2_session *session;
	TAILQ_HEAD(, stream) streams;
	unsigned open;
	int32_t seen, last; /* last stream processed; last that GOAWAY promised, -1: no GOAWAY */
	enum doom doom;
	int leaving; /* all was said; reads until the client has gone too */
	char topic[256], serial[80];
};

static void
doom(struct conn *c, enum doom how)
{
	if (c->doom == LIVES)
		c->doom = how;
	event_active(c->fake->reaper, EV_TIMEOUT, 0);
}

static void
stream_free(struct stream *s)
{
	TAILQ_REMOVE(&s->conn->streams, s, link);
	s->conn->open--;
	if (s->timer)
		event_free(s->timer);
	json_decref(s->push.fields);
	json_decref(s->push.payload);
	free(s);
}

/* Closing at once with input unread would be a reset, and destroy answers on their way. */
static void
leave(struct conn *c)
{
	if (c->leaving)
		return;
	c->leaving = 1;
	SSL_shutdown(bufferevent_openssl_get_ssl(c->bev));
	ERR_clear_error();
	shutdown(bufferevent_getfd(c->bev), SHUT_WR);
}

static void
flush(struct conn *c)
{
	struct evbuffer *out = bufferevent_get_output(c->bev);
	const uint8_t *data;
	ssize_t n;

	if (c->leaving)
		return;
	while ((n = nghttp2_session_mem_send(c->session, &data)) > 0)
		evbuffer_add(out, data, (size_t)n);
	if (n < 0)
		doom(c, CLOSE);
	else if (!nghttp2_session_want_read(c->session) &&
		 !nghttp2_session_want_write(c->session) && evbuffer_get_length(out) == 0)
		leave(c);
}

static ssize_t
read_answer(nghttp2_session *session, int32_t id, uint8_t *out, size_t size, uint32_t *flags,
	nghttp2_data_source *source, void *arg)
{
	struct stream *s = source->ptr;

	(void)session;
	(void)id;
	(void)arg;
	if (s->answer_len > size)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	memcpy(out, s->answer, s->answer_len);
	*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t)s->answer_len;
}

static nghttp2_nv
field(const char *name, const char *value)
{
	return (nghttp2_nv){ (uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name),
		strlen(value), NGHTTP2_NV_FLAG_NONE };
}

static const char *
apns_id(struct stream *s)
{
	const char *given = json_string_value(json_object_get(s->push.fields, "apns-id"));
	unsigned char r[16];

	if (given)
		return given;
	RAND_bytes(r, sizeof(r));
	snprintf(s->id_text, sizeof(s->id_text),
		"%02x%02x%02x%02x-%02x%02x-4%01x%02x-8%01x%02x-%02x%02x%02x%02x%02x%02x", r[0],
		r[1], r[2], r[3], r[4], r[5], r[6] & 15u, r[7], r[8] & 15u, r[9], r[10], r[11],
		r[12], r[13], r[14], r[15]);
	return s->id_text;
}

static void
answer(struct stream *s)
{
	const nghttp2_data_provider body = { .source.ptr = s, .read_callback = read_answer };
	char status[8];
	int n = 0;

	snprintf(status, sizeof(status), "%d", s->push.status);
	const nghttp2_nv fields[] = { field(":status", status), field("apns-id", apns_id(s)) };

	if (s->push.status != 200 && s->push.timestamp)
		n = snprintf(s->answer, sizeof(s->answer), "{\"reason\":\"%s\",\"timestamp\":%lld}",
			s->push.reason, s->push.timestamp);
	else if (s->push.status != 200)
		n = snprintf(s->answer, sizeof(s->answer), "{\"reason\":\"%s\"}", s->push.reason);
	s->answer_len = (size_t)n;
	nghttp2_submit_response(s->conn->session, s->id, fields, 2, n > 0 ? &body : NULL);
}

static void
on_delay_over(evutil_socket_t fd, short what, void *arg)
{
	struct stream *s = arg;

	(void)fd;
	(void)what;
	answer(s);
	flush(s->conn);
}

static void
send_goaway(struct conn *c, int32_t last, const char *reason)
{
	char debug[REASON_MAX + 16];
	int n = 0;

	if (c->last >= 0 || !c->session)
		return;
	c->last = last;
	if (reason[0])
		n = snprintf(debug, sizeof(debug), "{\"reason\":\"%s\"}", reason);
	nghttp2_submit_goaway(c->session, NGHTTP2_FLAG_NONE, last, NGHTTP2_NO_ERROR,
		(const uint8_t *)debug, (size_t)n);
}

/* Breaks things when the script says that this push is the one.  1: it gets no answer. */
static int
mishap(struct stream *s)
{
	struct conn *c = s->conn;
	struct fake *f = c->fake;

	if (f->goaway_in > 0 && --f->goaway_in == 0)
		send_goaway(c, s->id, f->goaway_reason);
	if (f->reset_in > 0 && --f->reset_in == 0) {
		doom(c, RESET);
		return 1;
	}
	return f->silent;
}

static void
on_push(struct stream *s)
{
	struct conn *c = s->conn;
	struct fake *f = c->fake;
	const struct timeval delay = { f->delay_ms / 1000, f->delay_ms % 1000 * 1000 };

	/* Beyond GOAWAY's promise, or on a connection that is to be reset: as if it never came. */
	if (c->doom != LIVES || (c->last >= 0 && s->id > c->last))
		return;
	if (f->refuse_streams > 0) {
		f->refuse_streams--;
		nghttp2_submit_rst_stream(
			c->session, NGHTTP2_FLAG_NONE, s->id, NGHTTP2_REFUSED_STREAM);
		return;
	}
	c->seen = s->id > c->seen ? s->id : c->seen;
	f->pushes++;
	judge(f, &s->push, c->topic, c->serial);
	note_log(f, &s->push, c->serial);
	if (s->push.status == 200) {
		f->accepted++;
		note_wake(f, &s->push);
	} else {
		f->rejected++;
	}
	if (mishap(s)) {
		f->unanswered++;
		return;
	}
	if (f->delay_ms == 0) {
		answer(s);
		return;
	}
	s->timer = event_new(f->base, -1, 0, on_delay_over, s);
	event_add(s->timer, &delay);
}

static int
on_begin(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	struct conn *c = arg;
	struct stream *s;

	if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
		return 0;
	s = calloc(1, sizeof(*s));
	if (!s)
		abort();
	s->conn = c;
	s->id = frame->hd.stream_id;
	s->push.fields = json_object();
	TAILQ_INSERT_TAIL(&c->streams, s, link);
	if (++c->open > c->fake->streams_seen)
		c->fake->streams_seen = c->open;
	nghttp2_session_set_stream_user_data(session, s->id, s);
	return 0;
}

static int
on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
	size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags, void *arg)
{
	struct stream *s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
	char key[64];

	(void)flags;
	(void)arg;
	if (!s)
		return 0;
	snprintf(key, sizeof(key), "%.*s", (int)name_len, (const char *)name);
	if (json_object_get(s->push.fields, key) ||
		json_object_set_new(
			s->push.fields, key, json_stringn((const char *)value, value_len)) != 0)
		s->push.duplicate = 1;
	return 0;
}

static int
on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *data, size_t len,
	void *arg)
{
	struct stream *s = nghttp2_session_get_stream_user_data(session, id);

	(void)flags;
	(void)arg;
	if (!s)
		return 0;
	if (s->push.body_len + len <= BODY_MAX)
		memcpy(s->push.body + s->push.body_len, data, len);
	s->push.body_len += len;
	return 0;
}

static int
on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
	struct conn *c = arg;
	struct stream *s;

	if (frame->hd.type == NGHTTP2_PING) {
		if (frame->hd.flags & NGHTTP2_FLAG_ACK)
			c->fake->pongs++;
		else
			c->fake->pings++;
	}
	if (frame->hd.type == NGHTTP2_GOAWAY)
		c->fake->goodbyes++;
	if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
		return 0;
	s = nghttp2_session_get_stream_user_data(session, frame->hd.stream_id);
	if (s && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
		on_push(s);
	return 0;
}

static int
on_close(nghttp2_session *session, int32_t id, uint32_t code, void *arg)
{
	struct stream *s = nghttp2_session_get_stream_user_data(session, id);

	(void)code;
	(void)arg;
	if (s)
		stream_free(s);
	return 0;
}

static void
settings(struct conn *c)
{
	const nghttp2_settings_entry entry = { NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS,
		c->fake->max_streams };

	nghttp2_submit_settings(c->session, NGHTTP2_FLAG_NONE, &entry, 1);
}

static int
session_start(struct conn *c)
{
	nghttp2_session_callbacks *cb;
	int err;

	if (nghttp2_session_callbacks_new(&cb) != 0)
		return -1;
	nghttp2_session_callbacks_set_on_begin_headers_callback(cb, on_begin);
	nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
	nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
	nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_close);
	err = nghttp2_session_server_new(&c->session, cb, c);
	nghttp2_session_callbacks_del(cb);
	if (err)
		return -1;
	settings(c);
	return 0;
}

/* Who speaks: the topic is the certificate's user id. */
static void
read_certificate(struct conn *c, X509 *cert)
{
	BIGNUM *serial = ASN1_INTEGER_to_BN(X509_get0_serialNumber(cert), NULL);
	char *hex = serial ? BN_bn2hex(serial) : NULL;

	if (hex)
		snprintf(c->serial, sizeof(c->serial), "%s", hex);
	OPENSSL_free(hex);
	BN_free(serial);
	X509_NAME_get_text_by_NID(
		X509_get_subject_name(cert), NID_userId, c->topic, sizeof(c->topic));
}

static void
on_connected(struct conn *c)
{
	SSL *ssl = bufferevent_openssl_get_ssl(c->bev);
	X509 *cert = SSL_get0_peer_certificate(ssl);
	const unsigned char *alpn;
	unsigned len;

	SSL_get0_alpn_selected(ssl, &alpn, &len);
	if (len != 2 || memcmp(alpn, "h2", 2) != 0 || session_start(c) != 0) {
		doom(c, CLOSE);
		return;
	}
	c->fake->connections++;
	if (cert)
		read_certificate(c, cert);
	flush(c);
}

static void
on_event(struct bufferevent *bev, short what, void *arg)
{
	struct conn *c = arg;

	(void)bev;
	if (what & BEV_EVENT_CONNECTED) {
		on_connected(c);
		return;
	}
	if (!c->session)
		c->fake->refused_handshakes++;
	doom(c, CLOSE);
}

static void
on_input(struct bufferevent *bev, void *arg)
{
	struct conn *c = arg;
	struct evbuffer *in = bufferevent_get_input(bev);
	size_t len = evbuffer_get_length(in);

	if (!c->session || c->doom != LIVES)
		return;
	if (!c->leaving && nghttp2_session_mem_recv(c->session, evbuffer_pullup(in, -1), len) < 0)
		doom(c, CLOSE);
	evbuffer_drain(in, len);
	flush(c);
}

static void
on_drained(struct bufferevent *bev, void *arg)
{
	struct conn *c = arg;

	(void)bev;
	if (c->session)
		flush(c);
}

static void
conn_free(struct conn *c)
{
	const struct linger hard = { 1, 0 };
	struct stream *s, *next;

	TAILQ_REMOVE(&c->fake->conns, c, link);
	if (c->doom == RESET)
		setsockopt(bufferevent_getfd(c->bev), SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	else if (c->session && !c->leaving)
		SSL_shutdown(bufferevent_openssl_get_ssl(c->bev));
	ERR_clear_error();
	nghttp2_session_del(c->session);
	for (s = TAILQ_FIRST(&c->streams); s; s = next) {
		next = TAILQ_NEXT(s, link);
		stream_free(s);
	}
	bufferevent_free(c->bev);
	free(c);
}

void
conn_reap(evutil_socket_t fd, short what, void *arg)
{
	struct fake *f = arg;
	struct conn *c, *next;

	(void)fd;
	(void)what;
	for (c = TAILQ_FIRST(&f->conns); c; c = next) {
		next = TAILQ_NEXT(c, link);
		if (c->doom != LIVES)
			conn_free(c);
	}
}

void
conn_accept(struct fake *f, evutil_socket_t fd)
{
	struct conn *c = calloc(1, sizeof(*c));
	SSL *ssl = SSL_new(f->ctx);
	int one = 1;

	if (!c || !ssl)
		abort();
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	c->fake = f;
	c->last = -1;
	TAILQ_INIT(&c->streams);
	c->bev = bufferevent_openssl_socket_new(
		f->base, fd, ssl, BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE);
	if (!c->bev)
		abort();
	bufferevent_setcb(c->bev, on_input, on_drained, on_event, c);
	bufferevent_enable(c->bev, EV_READ | EV_WRITE);
	TAILQ_INSERT_TAIL(&f->conns, c, link);
}

void
conns_settings(struct fake *f)
{
	struct conn *c;

	TAILQ_FOREACH(c, &f->conns, link)
	if (c->session) {
		settings(c);
		flush(c);
	}
}

void
conns_ping(struct fake *f)
{
	struct conn *c;

	TAILQ_FOREACH(c, &f->conns, link)
	if (c->session) {
		nghttp2_submit_ping(c->session, NGHTTP2_FLAG_NONE, NULL);
		flush(c);
	}
}

void
conns_goaway(struct fake *f, const char *reason)
{
	struct conn *c;

	TAILQ_FOREACH(c, &f->conns, link)
	if (c->session) {
		send_goaway(c, c->seen, reason);
		flush(c);
	}
}

void
conns_reset(struct fake *f)
{
	struct conn *c;

	TAILQ_FOREACH(c, &f->conns, link)
	doom(c, RESET);
}

void
conns_garbage(struct fake *f)
{
	unsigned char junk[512];
	struct conn *c;

	RAND_bytes(junk, sizeof(junk));
	TAILQ_FOREACH(c, &f->conns, link)
	if (c->session)
		bufferevent_write(c->bev, junk, sizeof(junk));
}

void
conns_deaf(struct fake *f)
{
	struct conn *c;

	TAILQ_FOREACH(c, &f->conns, link)
	bufferevent_disable(c->bev, EV_READ);
}

void
conns_free(struct fake *f)
{
	struct conn *c;

	while ((c = TAILQ_FIRST(&f->conns)))
		conn_free(c);
}

unsigned
conns_count(const struct fake *f)
{
	const struct conn *c;
	unsigned n = 0;

	TAILQ_FOREACH(c, &f->conns, link)
	n++;
	return n;
}
