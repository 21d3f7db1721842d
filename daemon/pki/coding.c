/* PEM blocks in, DER and text out: what the files of this folder share */
#include "pki/coding.h"

#include <errno.h>
#include <limits.h>
#include <openssl/asn1.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <string.h>

struct bytes
coding_skip_bom(struct bytes in)
{
	if (in.len >= 3 && memcmp(in.data, "\xef\xbb\xbf", 3) == 0)
		return bytes_of(in.data + 3, in.len - 3);

	return in;
}

bool
coding_contains(struct bytes in, const char *text)
{
	return in.len > 0 && memmem(in.data, in.len, text, strlen(text)) != NULL;
}

bool
coding_has_pem(struct bytes in)
{
	return coding_contains(in, "-----BEGIN ");
}

BIO *
coding_reader(struct bytes in)
{
	if (in.len > INT_MAX)
		return NULL;

	/* OpenSSL refuses a NULL pointer even for no bytes at all. */
	return BIO_new_mem_buf(in.len > 0 ? (const void *)in.data : "", (int)in.len);
}

int
coding_next_block(BIO *reader, struct coding_block *ret)
{
	unsigned long error;

	memset(ret, 0, sizeof(*ret));
	ERR_clear_error();
	if (PEM_read_bio(reader, &ret->name, &ret->header, &ret->data, &ret->len) == 1)
		return 1;
	error = ERR_peek_last_error();
	ERR_clear_error();

	/* "No start line" is how the end of every file looks. */
	if (ERR_GET_LIB(error) == ERR_LIB_PEM && ERR_GET_REASON(error) == PEM_R_NO_START_LINE)
		return 0;

	return -EINVAL;
}

void
coding_block_free(struct coding_block *b)
{
	OPENSSL_free(b->name);
	OPENSSL_free(b->header);
	OPENSSL_clear_free(b->data, b->len > 0 ? (size_t)b->len : 0);
	memset(b, 0, sizeof(*b));
}

int
coding_take_der(struct buf *out, unsigned char *der, int len)
{
	if (len <= 0 || !der) {
		ERR_clear_error();
		OPENSSL_free(der);
		return -EIO;
	}
	buf_add(out, der, (size_t)len);
	OPENSSL_clear_free(der, (size_t)len);

	return 0;
}

void
coding_take_bio(struct buf *out, BIO *written)
{
	char *data = NULL;
	long len = BIO_get_mem_data(written, &data);

	if (len > 0)
		buf_add(out, data, (size_t)len);
}

/* Reads the head of the element at the front; *body is its content, *rest what follows. */
static bool
split(struct bytes at, int tag, int class, struct bytes *body, struct bytes *rest)
{
	const unsigned char *p = at.data;
	long len = 0;
	int found_tag = 0, found_class = 0, form;

	if (at.len == 0 || at.len > LONG_MAX)
		return false;
	form = ASN1_get_object(&p, &len, &found_tag, &found_class, (long)at.len);
	ERR_clear_error();
	/* 0x80: error; bit 0: indefinite length, which is never written by OpenSSL's i2d. */
	if ((form & 0x81) != 0 || found_tag != tag || found_class != class)
		return false;
	*body = bytes_of(p, (size_t)len);
	*rest = bytes_of(p + len, at.len - (size_t)(p - at.data) - (size_t)len);

	return true;
}

bool
coding_enter(struct bytes *at, int tag, int class)
{
	struct bytes body, rest;

	if (!split(*at, tag, class, &body, &rest))
		return false;
	*at = body;

	return true;
}

bool
coding_pass(struct bytes *at, int tag, int class)
{
	struct bytes body, rest;

	if (!split(*at, tag, class, &body, &rest))
		return false;
	*at = rest;

	return true;
}
