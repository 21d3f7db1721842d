/* apns_item.c - one push on its way, and the queue of those that wait */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "net/apns_item.h"

/* JSON string content.  Here and not in jansson's hands, which took half of a push's time. */
static void
add_escaped(struct buf *out, const char *text)
{
	size_t span;

	for (; *text; text++) {
		span = strcspn(text, "\"\\\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e"
				     "\x0f\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d"
				     "\x1e\x1f");
		buf_add(out, text, span);
		text += span;
		if (!*text)
			break;
		if (*text == '"' || *text == '\\')
			buf_printf(out, "\\%c", *text);
		else
			buf_printf(out, "\\u%04x", (unsigned)*text);
	}
}

/* {"mdm":"..."}; the magic comes from the device and may be anything. */
static void
add_payload(struct buf *out, const char *magic)
{
	struct bytes given = bytes_str(magic);
	struct buf clean = BUF_INIT;

	buf_add_str(out, "{\"mdm\":\"");
	if (utf8_valid(given)) {
		add_escaped(out, magic);
	} else {
		utf8_repair(&clean, given);
		add_escaped(out, buf_str(&clean));
		buf_wipe(&clean);
	}
	buf_add_str(out, "\"}");
}

struct apns_item *
apns_item_new(struct bytes token, const char *magic, int64_t expiration, int bulk, void *tag)
{
	struct buf text = BUF_INIT;
	struct apns_item *it;
	size_t path_len;

	if (token.len == 0 || token.len > APNS_TOKEN_MAX || strlen(magic) > APNS_MAGIC_MAX)
		return NULL;
	buf_reserve(&text, 2 * token.len + strlen(magic) + 32);
	buf_add_str(&text, "/3/device/");
	encode_hex(&text, token);
	buf_add_char(&text, '\0');
	path_len = text.len;
	add_payload(&text, magic);
	if (text.len - path_len > APNS_PAYLOAD_MAX) {
		buf_wipe(&text);
		return NULL;
	}

	it = xcalloc(1, sizeof(*it));
	it->tag = tag;
	it->text = text;
	it->path = (const char *)text.data;
	it->payload = (const char *)text.data + path_len;
	it->payload_len = text.len - path_len;
	it->expiration = expiration > 0 ? expiration : 0;
	it->bulk = bulk != 0;
	return it;
}

void
apns_item_free(struct apns_item *it)
{
	if (!it)
		return;
	buf_wipe(&it->text);
	buf_free(&it->reply);
	free(it);
}

void
apns_item_reset(struct apns_item *it)
{
	buf_reset(&it->reply);
	it->status = 0;
	it->complete = 0;
	it->stream = 0;
	it->reason[0] = '\0';
	it->timestamp = 0;
}

int
apns_item_reason(struct bytes json, char *reason, size_t size, int64_t *timestamp)
{
	json_t *root = json_loadb((const char *)json.data, json.len, JSON_REJECT_DUPLICATES, NULL);
	const char *text = json_string_value(json_object_get(root, "reason"));
	json_t *when = json_object_get(root, "timestamp");
	size_t n;

	if (!text) {
		json_decref(root);
		return -EINVAL;
	}
	/* It goes into logs and JSON, so it is held to what a reason looks like. */
	for (n = 0; n + 1 < size && text[n]; n++)
		reason[n] = text[n] > ' ' && text[n] < 0x7f ? text[n] : '?';
	reason[n] = '\0';
	/* Apple counts milliseconds here and seconds everywhere else. */
	if (json_is_integer(when) && json_integer_value(when) > 0)
		*timestamp = json_integer_value(when) / 1000;
	json_decref(root);
	return 0;
}

void
apns_item_decode(struct apns_item *it)
{
	if (it->reply.len > 0)
		(void)apns_item_reason(
			buf_bytes(&it->reply), it->reason, sizeof(it->reason), &it->timestamp);
}

void
apns_queue_init(struct apns_queue *q)
{
	TAILQ_INIT(&q->lane[0]);
	TAILQ_INIT(&q->lane[1]);
	q->count = 0;
}

void
apns_queue_add(struct apns_queue *q, struct apns_item *it)
{
	TAILQ_INSERT_TAIL(&q->lane[it->bulk], it, link);
	q->count++;
}

void
apns_queue_return(struct apns_queue *q, struct apns_item *it)
{
	apns_item_reset(it);
	TAILQ_INSERT_HEAD(&q->lane[it->bulk], it, link);
	q->count++;
}

struct apns_item *
apns_queue_take(struct apns_queue *q)
{
	struct apns_items *lane = TAILQ_EMPTY(&q->lane[0]) ? &q->lane[1] : &q->lane[0];
	struct apns_item *it = TAILQ_FIRST(lane);

	if (!it)
		return NULL;
	TAILQ_REMOVE(lane, it, link);
	q->count--;
	return it;
}
