/* sign.c - the Mdm-Signature of a message */
#include "sign.h"

#include <openssl/cms.h>
#include <openssl/err.h>
#include <stdlib.h>

/* Constructed elements opened by sign_to_ber: ContentInfo, [0], SignedData. */
#define BER_LEVELS 3

/* Tag and definite length at `at`; length of the header, 0 when it is neither. */
static size_t
header_len(const uint8_t *at, size_t len)
{
	if (len < 2 || at[1] == 0x80 || at[1] > 0x84)
		return 0;
	return at[1] < 0x80 ? 2 : 2 + (size_t)(at[1] & 0x7f);
}

static size_t
element_len(const uint8_t *at, size_t len)
{
	size_t head = header_len(at, len), n = 0;

	if (head == 0 || head > len)
		return 0;
	if (head == 2)
		return 2 + (size_t)at[1];
	for (size_t i = 2; i < head; i++)
		n = n << 8 | at[i];
	return head + n;
}

static void
open_element(struct blob *out, const uint8_t *at, size_t len, int levels)
{
	static const uint8_t end[2] = { 0, 0 };
	const uint8_t start[2] = { at[0], 0x80 };
	size_t head = header_len(at, len), step;

	blob_append(out, start, sizeof(start));
	for (size_t i = head; i < len; i += step) {
		step = element_len(at + i, len - i);
		if (step == 0 || step > len - i)
			break;
		/* ContentInfo and [0] hold the next level last, SignedData stays as it is inside.
		 */
		if (levels > 1 && (at[i] & 0x20))
			open_element(out, at + i, step, levels - 1);
		else
			blob_append(out, at + i, step);
	}
	blob_append(out, end, sizeof(end));
}

struct blob
sign_to_ber(const struct blob *der)
{
	struct blob out = { NULL, 0 };

	if (header_len(der->data, der->len) != 0)
		open_element(&out, der->data, der->len, BER_LEVELS);
	return out;
}

static struct blob
encode(CMS_ContentInfo *cms, bool ber)
{
	struct blob der, out;
	unsigned char *bytes = NULL;
	int len = i2d_CMS_ContentInfo(cms, &bytes);

	if (len < 0)
		return (struct blob){ NULL, 0 };
	der = blob_copy(bytes, (size_t)len);
	OPENSSL_free(bytes);
	if (!ber)
		return der;
	out = sign_to_ber(&der);
	blob_free(&der);
	return out;
}

struct blob
sign_bytes(X509 *cert, EVP_PKEY *key, const struct blob *body, const struct sign_how *how)
{
	unsigned flags = CMS_BINARY | (how->attached ? 0 : CMS_DETACHED);
	struct blob out = { NULL, 0 };
	CMS_ContentInfo *cms;
	BIO *in;

	ERR_clear_error();
	in = BIO_new_mem_buf(body->data != NULL ? (const char *)body->data : "", (int)body->len);
	cms = CMS_sign(NULL, NULL, NULL, NULL, flags | CMS_PARTIAL);
	if (cms != NULL &&
		CMS_add1_signer(cms, cert, key, how->md, flags | CMS_NOSMIMECAP) != NULL &&
		CMS_final(cms, in, NULL, flags) == 1)
		out = encode(cms, how->ber);
	CMS_ContentInfo_free(cms);
	BIO_free(in);
	ERR_clear_error();
	return out;
}
