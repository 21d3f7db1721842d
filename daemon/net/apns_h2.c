/* apns_h2.c - the HTTP/2 side of one APNs connection, on nghttp2 */
#include <errno.h>
#include <event2/buffer.h>
#include <inttypes.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "net/apns_h2.h"

struct apns_h2 {
	nghttp2_session *session;
	char *authority, *topic;
	struct apns_items flight; /* oldest first, so the first is overdue first */
	struct apns_items done;
	size_t in_flight;
	uint32_t limit; /* SETTINGS_MAX_CONCURRENT_STREAMS */
	int open, going, broken, ping_pending;
	int primed; /* ids and expirations have their names in the HPACK table */
	char reason[64];
};

static void
finish(struct apns_h2 *h, struct apns_item *it, enum apns_outcome outcome)
{
	TAILQ_REMOVE(&h->flight, it, link);
	h->in_flight--;
	it->outcome = outcome;
	TAILQ_INSERT_TAIL(&h->done, it, link);
}

static int
status_parse(const uint8_t *value, size_t len)
{
	int status = 0;

	for (size_t i = 0; i < len && i < 3; i++)
		if (value[i] >= '0' && value[i] <= '9')
			status = status * 10 + (value[i] - '0');
	return status;
}

static int
on_header(nghttp2_session *s, const nghttp2_frame *frame, const uint8_t *name, size_t name_len,
	const uint8_t *value, size_t value_len, uint8_t flags, void *arg)
{
	struct apns_item *it = nghttp2_session_get_stream_user_data(s, frame->hd.stream_id);

	(void)flags;
	(void)arg;
	if (it && name_len == 7 && memcmp(name, ":status", 7) == 0)
		it->status = status_parse(value, value_len);
	return 0;
}

static int
on_data(nghttp2_session *s, uint8_t flags, int32_t stream, const uint8_t *data, size_t len,
	void *arg)
{
	struct apns_item *it = nghttp2_session_get_stream_user_data(s, stream);

	(void)flags;
	(void)arg;
	if (it && it->reply.len + len <= APNS_REPLY_MAX)
		buf_add(&it->reply, data, len);
	return 0;
}

static void
on_goaway(struct apns_h2 *h, const nghttp2_goaway *frame)
{
	int64_t unused;

	h->going = 1;
	(void)apns_item_reason(bytes_of(frame->opaque_data, frame->opaque_data_len), h->reason,
		sizeof(h->reason), &unused);
}

static int
on_frame(nghttp2_session *s, const nghttp2_frame *frame, void *arg)
{
	struct apns_h2 *h = arg;
	struct apns_item *it;

	switch (frame->hd.type) {
	case NGHTTP2_SETTINGS:
		if (frame->hd.flags & NGHTTP2_FLAG_ACK)
			break;
		h->open = 1;
		h->limit = nghttp2_session_get_remote_settings(
			s, NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS);
		break;
	case NGHTTP2_PING:
		if (frame->hd.flags & NGHTTP2_FLAG_ACK)
			h->ping_pending = 0;
		break;
	case NGHTTP2_GOAWAY:
		on_goaway(h, &frame->goaway);
		break;
	case NGHTTP2_HEADERS:
	case NGHTTP2_DATA:
		it = nghttp2_session_get_stream_user_data(s, frame->hd.stream_id);
		if (it && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
			it->complete = 1;
		break;
	default:
		break;
	}
	return 0;
}

static int
on_stream_close(nghttp2_session *s, int32_t stream, uint32_t code, void *arg)
{
	struct apns_item *it = nghttp2_session_get_stream_user_data(s, stream);

	/* Without an item: one that was given up before. */
	if (!it)
		return 0;
	if (it->complete && it->status >= 200)
		finish(arg, it, APNS_ANSWERED);
	else
		finish(arg, it,
			code == NGHTTP2_REFUSED_STREAM ? APNS_REFUSED_UNSEEN : APNS_UNKNOWN);
	return 0;
}

/* A request that could not leave never becomes a stream, and so none is closed for it. */
static int
on_not_sent(nghttp2_session *s, const nghttp2_frame *frame, int error, void *arg)
{
	struct apns_h2 *h = arg;
	struct apns_item *it;

	(void)s;
	(void)error;
	if (frame->hd.type != NGHTTP2_HEADERS)
		return 0;
	TAILQ_FOREACH(it, &h->flight, link)
	if (it->stream == frame->hd.stream_id)
		break;
	if (it) {
		nghttp2_session_set_stream_user_data(s, it->stream, NULL);
		finish(h, it, APNS_REFUSED_UNSEEN);
	}
	return 0;
}

static nghttp2_session *
session_new(struct apns_h2 *h)
{
	/* No pushes to us, and small answers: what is not needed is not offered. */
	const nghttp2_settings_entry settings[] = {
		{ NGHTTP2_SETTINGS_ENABLE_PUSH, 0 },
		{ NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, 16384 },
	};
	nghttp2_session_callbacks *cb;
	nghttp2_session *s = NULL;

	if (nghttp2_session_callbacks_new(&cb) != 0)
		return NULL;
	nghttp2_session_callbacks_set_on_header_callback(cb, on_header);
	nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, on_data);
	nghttp2_session_callbacks_set_on_frame_recv_callback(cb, on_frame);
	nghttp2_session_callbacks_set_on_stream_close_callback(cb, on_stream_close);
	nghttp2_session_callbacks_set_on_frame_not_send_callback(cb, on_not_sent);
	if (nghttp2_session_client_new(&s, cb, h) == 0 &&
		nghttp2_submit_settings(s, NGHTTP2_FLAG_NONE, settings,
			sizeof(settings) / sizeof(settings[0])) != 0) {
		nghttp2_session_del(s);
		s = NULL;
	}
	nghttp2_session_callbacks_del(cb);
	return s;
}

struct apns_h2 *
apns_h2_new(const char *authority, const char *topic)
{
	struct apns_h2 *h = xcalloc(1, sizeof(*h));

	TAILQ_INIT(&h->flight);
	TAILQ_INIT(&h->done);
	h->session = session_new(h);
	if (!h->session) {
		free(h);
		return NULL;
	}
	h->authority = xstrdup(authority);
	h->topic = xstrdup(topic);
	return h;
}

void
apns_h2_free(struct apns_h2 *h)
{
	if (!h)
		return;
	nghttp2_session_del(h->session);
	free(h->authority);
	free(h->topic);
	free(h);
}

int
apns_h2_feed(struct apns_h2 *h, struct bytes in)
{
	if (h->broken)
		return -EPROTO;
	if (nghttp2_session_mem_recv(h->session, in.data, in.len) < 0)
		h->broken = 1;
	return h->broken ? -EPROTO : 0;
}

int
apns_h2_output(struct apns_h2 *h, struct evbuffer *out)
{
	const uint8_t *data;
	ssize_t n;

	while (!h->broken) {
		n = nghttp2_session_mem_send(h->session, &data);
		if (n == 0)
			return 0;
		if (n < 0 || evbuffer_add(out, data, (size_t)n) != 0)
			h->broken = 1;
	}
	return -EPROTO;
}

int
apns_h2_over(const struct apns_h2 *h)
{
	return h->broken ||
	       (!nghttp2_session_want_read(h->session) && !nghttp2_session_want_write(h->session));
}

int
apns_h2_open(const struct apns_h2 *h)
{
	return h->open;
}

int
apns_h2_going(const struct apns_h2 *h)
{
	return h->going;
}

unsigned
apns_h2_room(const struct apns_h2 *h)
{
	uint32_t limit = h->limit < APNS_STREAMS_MAX ? h->limit : APNS_STREAMS_MAX;

	if (!h->open || h->going || h->broken || h->in_flight >= limit)
		return 0;
	return limit - (unsigned)h->in_flight;
}

size_t
apns_h2_in_flight(const struct apns_h2 *h)
{
	return h->in_flight;
}

const char *
apns_h2_reason(const struct apns_h2 *h)
{
	return h->reason;
}

static ssize_t
read_payload(nghttp2_session *s, int32_t stream, uint8_t *out, size_t size, uint32_t *flags,
	nghttp2_data_source *source, void *arg)
{
	struct apns_item *it = nghttp2_session_get_stream_user_data(s, stream);

	(void)source;
	(void)arg;
	/* nghttp2 offers 16 KiB; the payload has at most 4. */
	if (!it || it->payload_len > size)
		return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
	memcpy(out, it->payload, it->payload_len);
	*flags |= NGHTTP2_DATA_FLAG_EOF;
	return (ssize_t)it->payload_len;
}

static nghttp2_nv
field(const char *name, const char *value, int changes)
{
	/* nghttp2 copies both and writes to neither. */
	return (nghttp2_nv){ (uint8_t *)(uintptr_t)name, (uint8_t *)(uintptr_t)value, strlen(name),
		strlen(value),
		(uint8_t)(changes ? NGHTTP2_NV_FLAG_NO_INDEX : NGHTTP2_NV_FLAG_NONE) };
}

int
apns_h2_send(struct apns_h2 *h, struct apns_item *it)
{
	const nghttp2_data_provider body = { .read_callback = read_payload };
	char expiration[24];
	int32_t stream;

	snprintf(expiration, sizeof(expiration), "%" PRId64, it->expiration);
	/* What changes with each push would flush the small table; its names enter it once. */
	const nghttp2_nv fields[] = {
		field(":method", "POST", 0),
		field(":scheme", "https", 0),
		field(":path", it->path, 1),
		field(":authority", h->authority, 0),
		field("apns-topic", h->topic, 0),
		field("apns-push-type", "mdm", 0),
		field("apns-priority", "10", 0),
		field("apns-expiration", expiration, h->primed),
		field("apns-id", it->id, h->primed),
		field("content-type", "application/json", 0),
	};

	stream = nghttp2_submit_request(
		h->session, NULL, fields, sizeof(fields) / sizeof(fields[0]), &body, it);
	if (stream < 0) {
		/* Ids ran out, after a billion pushes: a new connection has new ones. */
		h->going = 1;
		return -EPROTO;
	}
	h->primed = 1;
	it->stream = stream;
	it->sends++;
	TAILQ_INSERT_TAIL(&h->flight, it, link);
	h->in_flight++;
	return 0;
}

struct apns_items *
apns_h2_done(struct apns_h2 *h)
{
	return &h->done;
}

int64_t
apns_h2_deadline(const struct apns_h2 *h)
{
	const struct apns_item *first = TAILQ_FIRST(&h->flight);

	return first ? first->deadline_ms : 0;
}

unsigned
apns_h2_expire(struct apns_h2 *h, int64_t now_ms)
{
	struct apns_item *it;
	unsigned count = 0;

	while ((it = TAILQ_FIRST(&h->flight)) && it->deadline_ms <= now_ms) {
		nghttp2_session_set_stream_user_data(h->session, it->stream, NULL);
		nghttp2_submit_rst_stream(
			h->session, NGHTTP2_FLAG_NONE, it->stream, NGHTTP2_CANCEL);
		finish(h, it, APNS_UNKNOWN);
		count++;
	}
	return count;
}

void
apns_h2_abandon(struct apns_h2 *h)
{
	struct apns_item *it;

	h->broken = 1;
	while ((it = TAILQ_FIRST(&h->flight))) {
		nghttp2_session_set_stream_user_data(h->session, it->stream, NULL);
		finish(h, it, it->complete && it->status >= 200 ? APNS_ANSWERED : APNS_UNKNOWN);
	}
}

void
apns_h2_ping(struct apns_h2 *h)
{
	if (!h->ping_pending && nghttp2_submit_ping(h->session, NGHTTP2_FLAG_NONE, NULL) == 0)
		h->ping_pending = 1;
}

int
apns_h2_ping_pending(const struct apns_h2 *h)
{
	return h->ping_pending;
}

void
apns_h2_goodbye(struct apns_h2 *h)
{
	(void)nghttp2_session_terminate_session(h->session, NGHTTP2_NO_ERROR);
}
