/* buf.h - a growable run of bytes, and a view of bytes that somebody else owns */
#ifndef CORDON_BASE_BUF_H
#define CORDON_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A view: not owned, valid as long as what it points into. */
struct bytes {
	const unsigned char *data;
	size_t len;
};

struct bytes bytes_of(const void *data, size_t len);
struct bytes bytes_str(const char *s); /* without the NUL; NULL gives an empty view */
bool bytes_eq(struct bytes a, struct bytes b);
bool bytes_eq_str(struct bytes a, const char *s);
/* Constant-time comparison for secrets; the lengths are not secret. */
bool bytes_eq_secret(struct bytes a, struct bytes b);

/* Owned bytes.  Zero-initialise or BUF_INIT; data is NULL while cap is 0. */
struct buf {
	unsigned char *data;
	size_t len;
	size_t cap;
};

#define BUF_INIT           \
	{                  \
		NULL, 0, 0 \
	}

void buf_free(struct buf *b);  /* also of a zeroed one; leaves it empty and usable */
void buf_wipe(struct buf *b);  /* cleanses all capacity, then frees: for secrets */
void buf_reset(struct buf *b); /* length 0, memory kept */
void buf_reserve(struct buf *b, size_t more);
void buf_add(struct buf *b, const void *data, size_t len);
void buf_add_bytes(struct buf *b, struct bytes v);
void buf_add_str(struct buf *b, const char *s);
void buf_add_char(struct buf *b, char c);
void buf_printf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Big-endian integers. */
void buf_add_u8(struct buf *b, uint8_t v);
void buf_add_u16(struct buf *b, uint16_t v);
void buf_add_u32(struct buf *b, uint32_t v);
void buf_add_u64(struct buf *b, uint64_t v);
/* NUL-terminates (the NUL is not counted in len) and returns the text; valid until the next change.
 */
const char *buf_str(struct buf *b);
/* As buf_str, but the caller owns the memory and the buffer is empty afterwards. */
char *buf_steal_str(struct buf *b);
struct bytes buf_bytes(const struct buf *b);

uint16_t bytes_u16(const unsigned char *p);
uint32_t bytes_u32(const unsigned char *p);
uint64_t bytes_u64(const unsigned char *p);

#endif
