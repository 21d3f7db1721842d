/* apns_item.c - one push on its way, and the queue of those that wait */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "net/apns_item.h"

/* {"mdm":"..."}, escaped by jansson; the magic comes from the device and may be anything. */
static char *
payload_new(const char *magic)
{
	struct buf clean = BUF_INIT;
	json_t *root;
	char *text = NULL;

	utf8_repair(&clean, bytes_str(magic));
	root = json_pack("{s:s%}", "mdm", buf_str(&clean), clean.len);
	if (root)
		text = json_dumps(root, JSON_COMPACT);
	json_decref(root);
	buf_wipe(&clean);
	return text;
}

struct apns_item *
apns_item_new(struct bytes token, const char *magic, int64_t expiration, int bulk, void *tag)
{
	struct buf path = BUF_INIT;
	struct apns_item *it;
	char *payload;

	if (token.len == 0 || token.len > APNS_TOKEN_MAX || strlen(magic) > APNS_MAGIC_MAX)
		return NULL;
	payload = payload_new(magic);
	if (!payload || strlen(payload) > APNS_PAYLOAD_MAX) {
		mem_wipe_str(payload);
		return NULL;
	}
	buf_add_str(&path, "/3/device/");
	encode_hex(&path, token);

	it = xcalloc(1, sizeof(*it));
	it->tag = tag;
	it->path = buf_steal_str(&path);
	it->payload = payload;
	it->payload_len = strlen(payload);
	it->expiration = expiration > 0 ? expiration : 0;
	it->bulk = bulk != 0;
	return it;
}

void
apns_item_free(struct apns_item *it)
{
	if (!it)
		return;
	mem_wipe_str(it->path);
	mem_wipe_str(it->payload);
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
