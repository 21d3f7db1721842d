/*
 * test_apns_h2.c - the HTTP/2 bytes of the APNs client: what it sends (facts/protocol.md D.2, D.4)
 * and what it takes
 *
 * No socket: the server's bytes are made here, some of them by hand.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <event2/buffer.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/apns_h2.h"

#define TOPIC "com.apple.mgmt.External.11111111-2222-3333-4444-555555555555"
#define FRAME_HEAD 9
#define PREFACE 24

/* A frame of the client's. */
struct frame {
	size_t len;
	uint8_t type, flags;
	uint32_t stream;
	const unsigned char *payload;
};

struct talk {
	struct apns_h2 *h;
	struct evbuffer *out;
	size_t at; /* of the next frame in `out` */
	nghttp2_hd_inflater *inflater;
	struct apns_item *items[16];
	unsigned count;
};

static const unsigned char hello[] = { 0, 0, 0, 4, 0, 0, 0, 0, 0 }; /* empty SETTINGS */

static void
feed(struct talk *t, const void *bytes, size_t len)
{
	assert_int_equal(apns_h2_feed(t->h, bytes_of(bytes, len)), 0);
	assert_int_equal(apns_h2_output(t->h, t->out), 0);
}

static bool
next_frame(struct talk *t, struct frame *f)
{
	const unsigned char *all = evbuffer_pullup(t->out, -1), *p = all + t->at;

	if (evbuffer_get_length(t->out) < t->at + FRAME_HEAD)
		return false;
	f->len = (size_t)p[0] << 16 | (size_t)p[1] << 8 | p[2];
	f->type = p[3];
	f->flags = p[4];
	f->stream = (uint32_t)p[5] << 24 | (uint32_t)p[6] << 16 | (uint32_t)p[7] << 8 | p[8];
	f->payload = p + FRAME_HEAD;
	t->at += FRAME_HEAD + f->len;
	assert_true(t->at <= evbuffer_get_length(t->out));
	return true;
}

static void
send_one(struct talk *t, unsigned n)
{
	unsigned char token[32] = { (unsigned char)n };
	struct apns_item *it = apns_item_new(
		bytes_of(token, sizeof(token)), "magic", 1800000000 + (int64_t)n, 0, NULL);

	assert_non_null(it);
	snprintf(it->id, sizeof(it->id), "00000000-0000-0000-0000-%012x", n);
	it->deadline_ms = 1;
	t->items[t->count++] = it;
	assert_int_equal(apns_h2_send(t->h, it), 0);
	assert_int_equal(apns_h2_output(t->h, t->out), 0);
}

static int
setup_talk(void **state)
{
	struct talk *t = calloc(1, sizeof(*t));

	t->h = apns_h2_new("api.push.apple.com", TOPIC);
	t->out = evbuffer_new();
	assert_int_equal(nghttp2_hd_inflate_new(&t->inflater), 0);
	assert_int_equal(apns_h2_output(t->h, t->out), 0);
	t->at = PREFACE;
	feed(t, hello, sizeof(hello));
	assert_true(apns_h2_open(t->h));
	*state = t;
	return 0;
}

static int
teardown_talk(void **state)
{
	struct talk *t = *state;
	struct apns_items *done = apns_h2_done(t->h);
	struct apns_item *it;
	unsigned i;

	apns_h2_abandon(t->h);
	while ((it = TAILQ_FIRST(done)))
		TAILQ_REMOVE(done, it, link);
	for (i = 0; i < t->count; i++)
		apns_item_free(t->items[i]);
	apns_h2_free(t->h);
	nghttp2_hd_inflate_del(t->inflater);
	evbuffer_free(t->out);
	free(t);
	return 0;
}

/* Reads a header block as the server would, and so fills the server's table. */
static void
inflate(struct talk *t, const struct frame *f)
{
	size_t left = f->len;
	const unsigned char *p = f->payload;
	int flags = 0;
	nghttp2_nv nv;
	ssize_t n;

	while (!(flags & NGHTTP2_HD_INFLATE_FINAL)) {
		flags = 0;
		n = nghttp2_hd_inflate_hd2(t->inflater, &nv, &flags, p, left, 1);
		assert_true(n >= 0);
		p += n;
		left -= (size_t)n;
	}
	nghttp2_hd_inflate_end_headers(t->inflater);
}

/* Entries of the server's dynamic table with this name. */
static unsigned
in_table(const struct talk *t, const char *name)
{
	size_t i, end = nghttp2_hd_inflate_get_num_table_entries(t->inflater);
	unsigned count = 0;

	for (i = 62; i <= end; i++) {
		const nghttp2_nv *nv = nghttp2_hd_inflate_get_table_entry(t->inflater, i);

		count += nv->namelen == strlen(name) && memcmp(nv->name, name, nv->namelen) == 0;
	}
	return count;
}

/*
 * Apple's advice for HPACK: the path is never put into the table, id and expiration once, all else
 * once; a push after the first is small.
 */
static void
headers_are_compressed_as_apple_asks(void **state)
{
	static const char *const once[] = { ":authority", "apns-topic", "apns-push-type",
		"apns-priority", "apns-expiration", "apns-id", "content-type" };
	struct talk *t = *state;
	unsigned i, headers = 0;
	struct frame f;

	for (i = 0; i < 10; i++)
		send_one(t, i);
	while (next_frame(t, &f)) {
		if (f.type != NGHTTP2_HEADERS)
			continue;
		assert_true(f.flags & NGHTTP2_FLAG_END_HEADERS);
		assert_false(f.flags & (NGHTTP2_FLAG_PRIORITY | NGHTTP2_FLAG_PADDED));
		inflate(t, &f);
		/* path, id and expiration as literals, the rest as one byte each */
		if (headers++ > 0)
			assert_in_range(f.len, 1, 110);
	}
	assert_int_equal(headers, 10);
	assert_int_equal(in_table(t, ":path"), 0);
	for (i = 0; i < sizeof(once) / sizeof(once[0]); i++)
		if (in_table(t, once[i]) != 1)
			fail_msg("%s is %u times in the table", once[i], in_table(t, once[i]));
}

/* The preface, SETTINGS and their acknowledgement; nothing that Apple does not want to see. */
static void
no_priority_frames_and_settings_are_acknowledged(void **state)
{
	struct talk *t = *state;
	unsigned acks = 0;
	struct frame f;

	assert_memory_equal(
		evbuffer_pullup(t->out, -1), "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", PREFACE);
	assert_true(next_frame(t, &f));
	assert_int_equal(f.type, NGHTTP2_SETTINGS);
	send_one(t, 1);
	while (next_frame(t, &f)) {
		assert_int_not_equal(f.type, NGHTTP2_PRIORITY);
		acks += f.type == NGHTTP2_SETTINGS && (f.flags & NGHTTP2_FLAG_ACK);
	}
	assert_int_equal(acks, 1);
}

/* A server's PING has its answer, with the same bytes. */
static void
pings_are_answered(void **state)
{
	static const unsigned char ping[] = { 0, 0, 8, 6, 0, 0, 0, 0, 0, 'c', 'o', 'r', 'd', 'o',
		'n', '!', '!' };
	struct talk *t = *state;
	struct frame f;

	feed(t, ping, sizeof(ping));
	do
		assert_true(next_frame(t, &f));
	while (f.type != NGHTTP2_PING);
	assert_true(f.flags & NGHTTP2_FLAG_ACK);
	assert_memory_equal(f.payload, "cordon!!", 8);
}

/*
 * :status 410 in Huffman's code (0x48: literal, indexed name 8; 0x82: two coded bytes), then
 * cache-control: private from RFC 7541 C.6.1, of which the table keeps a copy; the body.
 */
#define HUFFMAN_410 0x48, 0x82, 0x68, 0x20
#define HUFFMAN_PRIVATE 0x58, 0x85, 0xae, 0xc3, 0x77, 0x1a, 0x4b

static struct apns_item *
answered(struct talk *t)
{
	struct apns_item *it = TAILQ_FIRST(apns_h2_done(t->h));

	assert_non_null(it);
	TAILQ_REMOVE(apns_h2_done(t->h), it, link);
	assert_int_equal(it->outcome, APNS_ANSWERED);
	apns_item_decode(it);
	return it;
}

static void
huffman_headers_are_read(void **state)
{
	static const char body[] = "{\"reason\":\"Unregistered\",\"timestamp\":1790000000123}";
	static const unsigned char headers[] = { 0, 0, 11, 1, 4, 0, 0, 0, 1, HUFFMAN_410,
		HUFFMAN_PRIVATE };
	static const unsigned char data[] = { 0, 0, sizeof(body) - 1, 0, 1, 0, 0, 0, 1 };
	/* stream 3: the same headers by their places in the table, in two frames */
	static const unsigned char head[] = { 0, 0, 1, 1, 1, 0, 0, 0, 3, 0xbf };
	static const unsigned char tail[] = { 0, 0, 1, 9, 4, 0, 0, 0, 3, 0xbe };
	struct talk *t = *state;
	struct apns_item *it;

	send_one(t, 1);
	send_one(t, 2);
	feed(t, headers, sizeof(headers));
	feed(t, data, sizeof(data));
	feed(t, body, sizeof(body) - 1);
	it = answered(t);
	assert_ptr_equal(it, t->items[0]);
	assert_int_equal(it->status, 410);
	assert_string_equal(it->reason, "Unregistered");
	assert_int_equal(it->timestamp, 1790000000);
	feed(t, head, sizeof(head));
	assert_int_equal(apns_h2_in_flight(t->h), 1);
	feed(t, tail, sizeof(tail));
	it = answered(t);
	assert_ptr_equal(it, t->items[1]);
	assert_int_equal(it->status, 410);
}

/* The limit goes down while streams are open, to nothing, and up again. */
static void
limits_that_change_are_kept(void **state)
{
	unsigned char settings[] = { 0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 5 };
	struct talk *t = *state;
	unsigned i;

	feed(t, settings, sizeof(settings));
	assert_int_equal(apns_h2_room(t->h), 5);
	for (i = 0; i < 4; i++)
		send_one(t, i);
	assert_int_equal(apns_h2_room(t->h), 1);
	settings[14] = 2;
	feed(t, settings, sizeof(settings));
	assert_int_equal(apns_h2_room(t->h), 0);
	settings[14] = 0;
	feed(t, settings, sizeof(settings));
	assert_int_equal(apns_h2_room(t->h), 0);
	assert_int_equal(apns_h2_in_flight(t->h), 4);
	settings[14] = 7;
	feed(t, settings, sizeof(settings));
	assert_int_equal(apns_h2_room(t->h), 3);
	/* whatever the server allows, there is an end */
	settings[11] = 0x7f;
	feed(t, settings, sizeof(settings));
	assert_int_equal(apns_h2_room(t->h), APNS_STREAMS_MAX - 4);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup_talk, teardown_talk)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(headers_are_compressed_as_apple_asks),
		TEST(no_priority_frames_and_settings_are_acknowledged),
		TEST(pings_are_answered),
		TEST(huffman_headers_are_read),
		TEST(limits_that_change_are_kept),
	};

	return cmocka_run_group_tests_name("apns_h2", tests, NULL, NULL);
}
