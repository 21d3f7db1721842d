/* batch.c - the changes of one commit as bytes */
#include <errno.h>

#include "store/batch.h"

#define KIND_PUT 1
#define KIND_DELETE 2
#define CHANGE_HEAD 7u

void
batch_add(struct buf *out, struct bytes key, struct bytes value)
{
	buf_reserve(out, CHANGE_HEAD + key.len + value.len);
	buf_add_u8(out, value.data ? KIND_PUT : KIND_DELETE);
	buf_add_u16(out, (uint16_t)key.len);
	buf_add_u32(out, (uint32_t)value.len);
	buf_add_bytes(out, key);
	buf_add_bytes(out, value);
}

int
batch_each(
	struct bytes batch, int (*each)(void *arg, struct bytes key, struct bytes value), void *arg)
{
	const unsigned char *p = batch.data;
	size_t left = batch.len;

	while (left > 0) {
		if (left < CHANGE_HEAD || (p[0] != KIND_PUT && p[0] != KIND_DELETE))
			return -EBADMSG;

		bool deleted = p[0] == KIND_DELETE;
		size_t key_len = bytes_u16(p + 1);
		size_t len = bytes_u32(p + 3);

		if (key_len > left - CHANGE_HEAD || len > left - CHANGE_HEAD - key_len)
			return -EBADMSG;
		if (key_len == 0 || (deleted && len > 0))
			return -EBADMSG;

		struct bytes key = { p + CHANGE_HEAD, key_len };
		struct bytes value = { deleted ? NULL : p + CHANGE_HEAD + key_len, len };
		int r = each(arg, key, value);

		if (r != 0)
			return r;
		p += CHANGE_HEAD + key_len + len;
		left -= CHANGE_HEAD + key_len + len;
	}
	return 0;
}

static int
pass(void *arg, struct bytes key, struct bytes value)
{
	(void)arg;
	(void)key;
	(void)value;
	return 0;
}

bool
batch_whole(struct bytes batch)
{
	return batch_each(batch, pass, NULL) == 0;
}
