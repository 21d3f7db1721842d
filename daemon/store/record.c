/* record.c - the encoding of a record's value: numbered fields */
#include <errno.h>
#include <stdlib.h>

#include "base/mem.h"
#include "store/record.h"

void
record_begin(struct buf *out, uint8_t version)
{
	buf_add_u8(out, version);
}

void
record_add(struct buf *out, uint8_t tag, struct bytes value)
{
	size_t len = value.len;

	if (len == 0)
		return;
	buf_add_u8(out, tag);
	for (; len >= 0x80; len >>= 7)
		buf_add_u8(out, (uint8_t)(len | 0x80));
	buf_add_u8(out, (uint8_t)len);
	buf_add_bytes(out, value);
}

void
record_add_str(struct buf *out, uint8_t tag, const char *s)
{
	record_add(out, tag, bytes_str(s));
}

void
record_add_int(struct buf *out, uint8_t tag, int64_t v)
{
	unsigned char be[8];
	uint64_t u = (uint64_t)v;
	size_t first = 8;

	/* A negative number has all eight bytes: nothing to cut off. */
	for (; u != 0; u >>= 8)
		be[--first] = (unsigned char)u;
	record_add(out, tag, bytes_of(be + first, 8 - first));
}

int
record_open(struct record_reader *r, struct bytes value)
{
	r->damaged = value.len == 0;
	r->version = value.len > 0 ? value.data[0] : 0;
	r->rest = value.len > 0 ? bytes_of(value.data + 1, value.len - 1) : bytes_of(NULL, 0);
	return r->damaged ? -EBADMSG : 0;
}

/* LEB128, at most 32 bits.  The bytes it took, 0 when damaged. */
static size_t
read_varint(struct bytes in, size_t *ret)
{
	uint64_t v = 0;

	for (size_t i = 0; i < in.len && i < 5; i++) {
		v |= (uint64_t)(in.data[i] & 0x7f) << (7 * i);
		if (!(in.data[i] & 0x80)) {
			*ret = (size_t)v;
			return v <= UINT32_MAX ? i + 1 : 0;
		}
	}
	return 0;
}

bool
record_next(struct record_reader *r, uint8_t *tag, struct bytes *value)
{
	size_t len = 0, took;

	if (r->damaged || r->rest.len == 0)
		return false;
	*tag = r->rest.data[0];
	took = read_varint(bytes_of(r->rest.data + 1, r->rest.len - 1), &len);
	if (*tag == 0 || took == 0 || len > r->rest.len - 1 - took) {
		r->damaged = true;
		return false;
	}
	*value = bytes_of(r->rest.data + 1 + took, len);
	r->rest.data += 1 + took + len;
	r->rest.len -= 1 + took + len;
	return true;
}

int64_t
record_int(struct bytes value)
{
	uint64_t v = 0;

	if (value.len > 8)
		return 0;
	for (size_t i = 0; i < value.len; i++)
		v = v << 8 | value.data[i];
	return (int64_t)v;
}

void
record_str(char **s, struct bytes value)
{
	free(*s);
	*s = xstrndup((const char *)value.data, value.len);
}

struct bytes
record_key(struct buf *b, char letter, const char *first, const char *second)
{
	buf_reset(b);
	buf_add_char(b, letter);
	buf_add_str(b, first);
	if (second) {
		buf_add_char(b, 0x1f);
		buf_add_str(b, second);
	}
	return buf_bytes(b);
}

struct bytes
record_key_bytes(struct buf *b, char letter, struct bytes part)
{
	buf_reset(b);
	buf_add_char(b, letter);
	buf_add_bytes(b, part);
	return buf_bytes(b);
}
