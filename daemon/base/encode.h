/* encode.h - strict text encodings of bytes: base64, hex, percent, UUID, UTF-8, XML and JSON text
 */
#ifndef CORDON_BASE_ENCODE_H
#define CORDON_BASE_ENCODE_H

#include "base/buf.h"

#define UUID_LEN 36 /* characters of a UUID in text, without the NUL */

/* Standard alphabet with padding.  `line` > 0 breaks lines with LF after that many characters;
 * the last line ends with one too. */
void encode_base64(struct buf *out, struct bytes in, unsigned line);
/* Base64url without padding (RFC 4648 section 5). */
void encode_base64url(struct buf *out, struct bytes in);
/*
 * Strict: standard alphabet, right padding, zero pad bits, no white space and nothing behind the
 * end. 0 or -EINVAL; `out` is appended to on success only (facts/library-traps.md 5.3).
 */
int decode_base64(struct buf *out, struct bytes in);
/* As decode_base64, but blanks, tabs, CR and LF are skipped wherever they stand: files and mail. */
int decode_base64_loose(struct buf *out, struct bytes in);
void encode_hex(struct buf *out, struct bytes in); /* lower case */
int decode_hex(struct buf *out, struct bytes in);  /* both cases, even length; 0 or -EINVAL */
/* %XX decoding of a URI part; `plus` also turns '+' into a blank.  0 or -EINVAL (bad escape, NUL).
 */
int decode_percent(struct buf *out, struct bytes in, bool plus);
void encode_percent(struct buf *out, struct bytes in); /* everything but RFC 3986 unreserved */

/* Random (version 4) UUID, lower case, in out[UUID_LEN + 1]. */
void uuid_new(char *out);
bool uuid_valid(const char *s); /* 8-4-4-4-12 hex digits in either case */
/* Fills with random bytes from OpenSSL's generator; aborts if it fails. */
void random_bytes(void *out, size_t len);

bool utf8_valid(struct bytes in);
/* Appends `in` with every faulty byte as U+FFFD and without NUL: safe for JSON and logs. */
void utf8_repair(struct buf *out, struct bytes in);
/* Appends text for one log line or table cell: repaired UTF-8, control characters as \xNN. */
void encode_visible(struct buf *out, struct bytes in);
/* Appends XML character data: & < > " ' escaped; control characters that XML forbids left out. */
void encode_xml(struct buf *out, const char *text);

#endif
