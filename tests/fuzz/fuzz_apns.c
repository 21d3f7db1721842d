/* fuzz_apns.c - what a push server sends: HTTP/2 frames in two pieces, and the JSON of its answers
 */
#include <event2/buffer.h>

#include "fuzz/fuzz.h"
#include "net/apns_h2.h"

#define PUSHES 4

static void
take(struct apns_h2 *h)
{
	struct apns_items *done = apns_h2_done(h);
	struct apns_item *it;

	while ((it = TAILQ_FIRST(done))) {
		TAILQ_REMOVE(done, it, link);
		MUST(it->reply.len <= APNS_REPLY_MAX);
		apns_item_decode(it);
		apns_item_free(it);
	}
}

static void
push(struct apns_h2 *h)
{
	for (int i = 0; i < PUSHES && apns_h2_open(h) && apns_h2_room(h) > 0; i++) {
		struct apns_item *it =
			apns_item_new(bytes_str("0123456789abcdef"), "magic", 0, 0, NULL);

		MUST(it);
		if (apns_h2_send(h, it) < 0) {
			apns_item_free(it);
			return;
		}
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct apns_h2 *h = apns_h2_new("localhost", "com.apple.mgmt.External.x");
	struct evbuffer *out = evbuffer_new();
	/* the server's first SETTINGS, so that pushes are under way when the input comes */
	static const unsigned char settings[9] = { 0, 0, 0, 4, 0, 0, 0, 0, 0 };
	int64_t when;
	char reason[64];

	MUST(apns_h2_output(h, out) == 0);
	MUST(apns_h2_feed(h, bytes_of(settings, sizeof(settings))) == 0);
	push(h);
	if (apns_h2_output(h, out) == 0 && apns_h2_feed(h, bytes_of(data, size / 2)) == 0 &&
		apns_h2_output(h, out) == 0) {
		take(h);
		push(h);
		if (apns_h2_output(h, out) == 0)
			(void)apns_h2_feed(h, bytes_of(data + size / 2, size - size / 2));
		(void)apns_h2_output(h, out);
	}
	apns_h2_abandon(h);
	take(h);
	MUST(apns_h2_in_flight(h) == 0);
	apns_h2_free(h);
	evbuffer_free(out);
	(void)apns_item_reason(bytes_of(data, size), reason, sizeof(reason), &when);
	return 0;
}
