/* buf.c - growable bytes */
#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/mem.h"

#define BUF_FIRST 64

struct bytes
bytes_of(const void *data, size_t len)
{
	return (struct bytes){ data, len };
}

struct bytes
bytes_str(const char *s)
{
	return s ? bytes_of(s, strlen(s)) : bytes_of(NULL, 0);
}

bool
bytes_eq(struct bytes a, struct bytes b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

bool
bytes_eq_str(struct bytes a, const char *s)
{
	return bytes_eq(a, bytes_str(s));
}

bool
bytes_eq_secret(struct bytes a, struct bytes b)
{
	return a.len == b.len && (a.len == 0 || CRYPTO_memcmp(a.data, b.data, a.len) == 0);
}

void
buf_free(struct buf *b)
{
	free(b->data);
	*b = (struct buf)BUF_INIT;
}

void
buf_wipe(struct buf *b)
{
	if (b->cap > 0)
		OPENSSL_cleanse(b->data, b->cap);
	buf_free(b);
}

void
buf_reset(struct buf *b)
{
	b->len = 0;
}

void
buf_reserve(struct buf *b, size_t more)
{
	unsigned char *data;
	size_t cap = b->cap ? b->cap : BUF_FIRST;

	if (b->cap - b->len >= more)
		return;
	if (more > SIZE_MAX / 2 - b->len)
		abort();
	while (cap - b->len < more)
		cap *= 2;
	/* not realloc: a buffer may hold a secret, and its old place must not keep a copy */
	data = xmalloc(cap);
	if (b->cap > 0) {
		memcpy(data, b->data, b->len);
		OPENSSL_cleanse(b->data, b->len);
		free(b->data);
	}
	b->data = data;
	b->cap = cap;
}

void
buf_add(struct buf *b, const void *data, size_t len)
{
	if (len == 0)
		return;
	buf_reserve(b, len);
	memcpy(b->data + b->len, data, len);
	b->len += len;
}

void
buf_add_bytes(struct buf *b, struct bytes v)
{
	buf_add(b, v.data, v.len);
}

void
buf_add_str(struct buf *b, const char *s)
{
	buf_add_bytes(b, bytes_str(s));
}

void
buf_add_char(struct buf *b, char c)
{
	buf_add(b, &c, 1);
}

void
buf_printf(struct buf *b, const char *fmt, ...)
{
	size_t room = BUF_FIRST;
	va_list ap;
	int len;

	/* most texts fit at once; the second turn has room for the longer ones */
	for (;;) {
		buf_reserve(b, room);
		va_start(ap, fmt);
		len = vsnprintf((char *)b->data + b->len, room, fmt, ap);
		va_end(ap);
		if (len < 0)
			return;
		if ((size_t)len < room)
			break;
		room = (size_t)len + 1;
	}
	b->len += (size_t)len;
}

static void
add_big_endian(struct buf *b, uint64_t v, size_t width)
{
	unsigned char out[8];
	size_t i;

	for (i = 0; i < width; i++)
		out[i] = (unsigned char)(v >> (8 * (width - 1 - i)));
	buf_add(b, out, width);
}

void
buf_add_u8(struct buf *b, uint8_t v)
{
	add_big_endian(b, v, 1);
}

void
buf_add_u16(struct buf *b, uint16_t v)
{
	add_big_endian(b, v, 2);
}

void
buf_add_u32(struct buf *b, uint32_t v)
{
	add_big_endian(b, v, 4);
}

void
buf_add_u64(struct buf *b, uint64_t v)
{
	add_big_endian(b, v, 8);
}

const char *
buf_str(struct buf *b)
{
	buf_reserve(b, 1);
	b->data[b->len] = '\0';
	return (const char *)b->data;
}

char *
buf_steal_str(struct buf *b)
{
	char *s;

	buf_str(b);
	s = (char *)b->data;
	*b = (struct buf)BUF_INIT;
	return s;
}

struct bytes
buf_bytes(const struct buf *b)
{
	return bytes_of(b->data, b->len);
}

static uint64_t
read_big_endian(const unsigned char *p, size_t width)
{
	uint64_t v = 0;
	size_t i;

	for (i = 0; i < width; i++)
		v = v << 8 | p[i];
	return v;
}

uint16_t
bytes_u16(const unsigned char *p)
{
	return (uint16_t)read_big_endian(p, 2);
}

uint32_t
bytes_u32(const unsigned char *p)
{
	return (uint32_t)read_big_endian(p, 4);
}

uint64_t
bytes_u64(const unsigned char *p)
{
	return read_big_endian(p, 8);
}
