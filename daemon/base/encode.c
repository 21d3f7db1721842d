/* encode.c - strict text encodings of bytes */
#include <errno.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"

static const char base64_plain[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char base64_url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
static const char hex_digits[] = "0123456789abcdef";

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

/* 1 to 3 bytes as 2 to 4 characters; returns how many. */
static size_t
base64_group(const char *alphabet, const unsigned char *in, size_t len, char out[4])
{
	uint32_t v = (uint32_t)in[0] << 16;

	if (len > 1)
		v |= (uint32_t)in[1] << 8;
	if (len > 2)
		v |= in[2];
	out[0] = alphabet[v >> 18];
	out[1] = alphabet[v >> 12 & 63];
	out[2] = alphabet[v >> 6 & 63];
	out[3] = alphabet[v & 63];
	return len > 2 ? 4 : len + 1;
}

void
encode_base64(struct buf *out, struct bytes in, unsigned line)
{
	unsigned column = 0;
	char group[4];
	size_t i, k, n;

	buf_reserve(out, in.len / 3 * 4 + 5);
	for (i = 0; i < in.len; i += 3) {
		n = base64_group(base64_plain, in.data + i, in.len - i, group);
		memset(group + n, '=', 4 - n);
		if (line == 0) {
			buf_add(out, group, 4);
			continue;
		}
		for (k = 0; k < 4; k++) {
			if (column == line) {
				buf_add_char(out, '\n');
				column = 0;
			}
			buf_add_char(out, group[k]);
			column++;
		}
	}
	if (column > 0)
		buf_add_char(out, '\n');
}

void
encode_base64url(struct buf *out, struct bytes in)
{
	char group[4];
	size_t i;

	for (i = 0; i < in.len; i += 3)
		buf_add(out, group, base64_group(base64_url, in.data + i, in.len - i, group));
}

/* What each character stands for; 0xff: nothing. */
static const unsigned char base64_values[256] = {
#define NONE_4 0xff, 0xff, 0xff, 0xff
#define NONE_16 NONE_4, NONE_4, NONE_4, NONE_4
	NONE_16, NONE_16, NONE_4, NONE_4, 0xff, 0xff, 0xff, 62, 0xff, 0xff, 0xff, 63, /* + / */
	52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 0xff, 0xff, NONE_4, 0xff, 0, 1, 2, 3, 4, 5, 6, 7, 8,
	9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 0xff, NONE_4, 0xff, 26,
	27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49,
	50, 51, 0xff, NONE_4, NONE_16, NONE_16, NONE_16, NONE_16, NONE_16, NONE_16, NONE_16, NONE_16
};

static int
base64_value(unsigned char c)
{
	return base64_values[c] == 0xff ? -1 : base64_values[c];
}

/* Groups of four characters of the alphabet, as many as there are; returns the characters. */
static size_t
base64_whole_groups(const unsigned char *in, size_t len, unsigned char *out)
{
	size_t i;

	for (i = 0; i + 4 <= len; i += 4, out += 3) {
		uint32_t a = base64_values[in[i]], b = base64_values[in[i + 1]];
		uint32_t c = base64_values[in[i + 2]], d = base64_values[in[i + 3]];
		uint32_t v = a << 18 | b << 12 | c << 6 | d;

		if ((a | b | c | d) & 0x80)
			break;
		out[0] = (unsigned char)(v >> 16);
		out[1] = (unsigned char)(v >> 8);
		out[2] = (unsigned char)v;
	}
	return i;
}

static bool
is_blank(unsigned char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Four characters, of which the last group may end in padding. Bytes, or -EINVAL. */
static int
base64_ungroup(const unsigned char in[4], unsigned char out[3])
{
	int a = base64_value(in[0]), b = base64_value(in[1]);
	int c = in[2] == '=' ? 0 : base64_value(in[2]), d = in[3] == '=' ? 0 : base64_value(in[3]);

	if (a < 0 || b < 0 || c < 0 || d < 0 || (in[2] == '=' && in[3] != '='))
		return -EINVAL;
	/* bits behind the last byte must be zero, or one value would have several texts */
	if ((in[2] == '=' && (b & 15) != 0) || (in[3] == '=' && (c & 3) != 0))
		return -EINVAL;
	out[0] = (unsigned char)(a << 2 | b >> 4);
	out[1] = (unsigned char)(b << 4 | c >> 2);
	out[2] = (unsigned char)(c << 6 | d);
	return in[2] == '=' ? 1 : in[3] == '=' ? 2 : 3;
}

static int
base64_decode(struct buf *out, struct bytes in, bool loose)
{
	unsigned char group[4], raw[3];
	size_t start = out->len, have = 0, i, whole;
	int n = 3;

	buf_reserve(out, in.len / 4 * 3 + 3);
	for (i = 0; i < in.len; i++) {
		if (have == 0 && n == 3) {
			whole = base64_whole_groups(in.data + i, in.len - i, out->data + out->len);
			out->len += whole / 4 * 3;
			i += whole;
			if (i == in.len)
				break;
		}
		if (loose && is_blank(in.data[i]))
			continue;
		if (n != 3) /* something behind the padding */
			break;
		group[have++] = in.data[i];
		if (have < 4)
			continue;
		have = 0;
		n = base64_ungroup(group, raw);
		if (n < 0)
			break;
		memcpy(out->data + out->len, raw, sizeof(raw)); /* reserved above */
		out->len += (size_t)n;
	}
	if (i == in.len && have == 0 && n > 0)
		return 0;
	out->len = start;
	return -EINVAL;
}

int
decode_base64(struct buf *out, struct bytes in)
{
	return base64_decode(out, in, false);
}

int
decode_base64_loose(struct buf *out, struct bytes in)
{
	return base64_decode(out, in, true);
}

void
encode_hex(struct buf *out, struct bytes in)
{
	size_t i;

	buf_reserve(out, 2 * in.len);
	for (i = 0; i < in.len; i++) {
		buf_add_char(out, hex_digits[in.data[i] >> 4]);
		buf_add_char(out, hex_digits[in.data[i] & 15]);
	}
}

static int
hex_value(unsigned char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

int
decode_hex(struct buf *out, struct bytes in)
{
	size_t start = out->len, i;
	int high, low;

	if (in.len % 2 != 0)
		return -EINVAL;
	for (i = 0; i < in.len; i += 2) {
		high = hex_value(in.data[i]);
		low = hex_value(in.data[i + 1]);
		if (high < 0 || low < 0) {
			out->len = start;
			return -EINVAL;
		}
		buf_add_u8(out, (uint8_t)(high << 4 | low));
	}
	return 0;
}

/* The byte at in[*i] with its escape undone and *i moved to its last character; 0 is a fault. */
static unsigned char
percent_byte(struct bytes in, size_t *i, bool plus)
{
	unsigned char c = in.data[*i];
	int high, low;

	if (c == '+' && plus)
		return ' ';
	if (c != '%')
		return c;
	if (in.len - *i < 3)
		return 0;
	high = hex_value(in.data[*i + 1]);
	low = hex_value(in.data[*i + 2]);
	*i += 2;
	if (high < 0 || low < 0)
		return 0;
	return (unsigned char)(high << 4 | low);
}

int
decode_percent(struct buf *out, struct bytes in, bool plus)
{
	size_t start = out->len, i;
	unsigned char c;

	for (i = 0; i < in.len; i++) {
		c = percent_byte(in, &i, plus);
		if (c == 0) {
			out->len = start;
			return -EINVAL;
		}
		buf_add_u8(out, c);
	}
	return 0;
}

void
encode_percent(struct buf *out, struct bytes in)
{
	unsigned char c;
	size_t i;

	for (i = 0; i < in.len; i++) {
		c = in.data[i];
		if ((c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
			c == '-' || c == '.' || c == '_' || c == '~')
			buf_add_u8(out, c);
		else
			buf_printf(out, "%%%02X", c);
	}
}

void
random_bytes(void *out, size_t len)
{
	/* what follows would be a guessable secret */
	if (len > INT32_MAX || RAND_bytes(out, (int)len) != 1)
		abort();
}

void
uuid_new(char *out)
{
	unsigned char raw[16];
	size_t i, at = 0;

	random_bytes(raw, sizeof(raw));
	raw[6] = (unsigned char)((raw[6] & 0x0f) | 0x40);
	raw[8] = (unsigned char)((raw[8] & 0x3f) | 0x80);
	for (i = 0; i < sizeof(raw); i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			out[at++] = '-';
		out[at++] = hex_digits[raw[i] >> 4];
		out[at++] = hex_digits[raw[i] & 15];
	}
	out[at] = '\0';
}

bool
uuid_valid(const char *s)
{
	size_t i;

	if (!s || strlen(s) != UUID_LEN)
		return false;
	for (i = 0; i < UUID_LEN; i++) {
		if (i == 8 || i == 13 || i == 18 || i == 23) {
			if (s[i] != '-')
				return false;
		} else if (hex_value((unsigned char)s[i]) < 0) {
			return false;
		}
	}
	return true;
}

/* Length of the well-formed character at the start of `in` and its number; 0 when faulty. */
static size_t
utf8_char(struct bytes in, uint32_t *ret)
{
	static const uint32_t least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned char c = in.data[0];
	size_t len = c < 0x80 ? 1 : c < 0xc2 ? 0 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : c < 0xf5 ? 4 : 0;
	uint32_t v = len < 2 ? c : (uint32_t)(c & (0x7f >> len));
	size_t i;

	if (len == 0 || len > in.len)
		return 0;
	for (i = 1; i < len; i++) {
		if ((in.data[i] & 0xc0) != 0x80)
			return 0;
		v = v << 6 | (in.data[i] & 0x3f);
	}
	if (v < least[len] || v > 0x10ffff || (v >= 0xd800 && v <= 0xdfff))
		return 0;
	*ret = v;
	return len;
}

/*
 * Walks text character by character: the next one's number with *len bytes, U+FFFD and one byte
 * when it is faulty. Moves `in` on; false at its end.
 */
static bool
utf8_next(struct bytes *in, uint32_t *number, struct bytes *text)
{
	size_t len;

	if (in->len == 0)
		return false;
	len = utf8_char(*in, number);
	*text = bytes_of(in->data, len);
	if (len == 0) {
		*number = 0xfffd;
		*text = bytes_str(REPLACEMENT);
		len = 1;
	}
	in->data += len;
	in->len -= len;
	return true;
}

bool
utf8_valid(struct bytes in)
{
	uint32_t number;
	size_t len;

	while (in.len > 0) {
		len = utf8_char(in, &number);
		if (len == 0)
			return false;
		in.data += len;
		in.len -= len;
	}
	return true;
}

void
utf8_repair(struct buf *out, struct bytes in)
{
	struct bytes text;
	uint32_t number;

	while (utf8_next(&in, &number, &text))
		if (number != 0)
			buf_add_bytes(out, text);
}

/* Characters that break lines or turn the order of text around on a terminal. */
static bool
is_deceptive(uint32_t number)
{
	return (number >= 0x202a && number <= 0x202e) || (number >= 0x2066 && number <= 0x2069) ||
	       number == 0x200e || number == 0x200f || number == 0x061c || number == 0x2028 ||
	       number == 0x2029;
}

void
encode_visible(struct buf *out, struct bytes in)
{
	struct bytes text;
	uint32_t number;

	while (utf8_next(&in, &number, &text)) {
		if (number < 0x20 || (number >= 0x7f && number < 0xa0))
			buf_printf(out, "\\x%02x", number);
		else if (is_deceptive(number))
			buf_printf(out, "\\u%04x", number);
		else
			buf_add_bytes(out, text);
	}
}

static const char *
xml_entity(uint32_t number)
{
	switch (number) {
	case '&':
		return "&amp;";
	case '<':
		return "&lt;";
	case '>':
		return "&gt;";
	case '"':
		return "&quot;";
	case '\'':
		return "&apos;";
	case '\r':
		return "&#13;"; /* a bare one would be read back as LF */
	default:
		return NULL;
	}
}

static bool
xml_allows(uint32_t number)
{
	return number == '\t' || number == '\n' || number == '\r' ||
	       (number >= 0x20 && number != 0xfffe && number != 0xffff);
}

void
encode_xml(struct buf *out, const char *text)
{
	struct bytes in = bytes_str(text), one;
	const char *entity;
	uint32_t number;

	while (utf8_next(&in, &number, &one)) {
		entity = xml_entity(number);
		if (entity)
			buf_add_str(out, entity);
		else if (xml_allows(number))
			buf_add_bytes(out, one);
	}
}
