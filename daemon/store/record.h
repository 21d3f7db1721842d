/*
 * record.h - the encoding of a record's value: numbered fields that may be missing and may be added
 *
 * value = version (1 byte) then fields: tag (1 byte, not 0) | length (varint, LEB128) | bytes.
 * Integers are big-endian without leading zeros, strings without NUL.  A reader skips tags that it
 * does not know, so fields can be added without a new format version; a tag's meaning never
 * changes.
 */
#ifndef CORDON_STORE_RECORD_H
#define CORDON_STORE_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

void record_begin(struct buf *out, uint8_t version);
void record_add(struct buf *out, uint8_t tag, struct bytes value); /* left out when empty */
void record_add_str(struct buf *out, uint8_t tag, const char *s);  /* left out when NULL or "" */
void record_add_int(struct buf *out, uint8_t tag, int64_t v);	   /* left out when 0 */

struct record_reader {
	struct bytes rest;
	uint8_t version;
	bool damaged; /* set when record_next met a field that does not fit */
};

/* 0 or -EBADMSG for an empty value. */
int record_open(struct record_reader *r, struct bytes value);
/* The next field; false at the end or when damaged. */
bool record_next(struct record_reader *r, uint8_t *tag, struct bytes *value);
int64_t record_int(struct bytes value);
/* The caller's string, ended by NUL; replaces *s. */
void record_str(char **s, struct bytes value);

/* key = letter | part [| 0x1f | part]: the caller's buffer is reset first.  `second` may be NULL.
 */
struct bytes record_key(struct buf *b, char letter, const char *first, const char *second);
struct bytes record_key_bytes(struct buf *b, char letter, struct bytes part);

#endif
