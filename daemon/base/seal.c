/* seal.c - AES-256-GCM around values at rest */
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <stdlib.h>

#include "base/encode.h"
#include "base/mem.h"
#include "base/seal.h"

#define SEAL_VERSION 1
#define NONCE_LEN 12
#define TAG_LEN 16
#define SEAL_MAX (1U << 30) /* OpenSSL counts in int */

struct seal {
	EVP_CIPHER *cipher;
	unsigned char key[SEAL_KEY_LEN];
};

struct seal *
seal_new(const unsigned char key[SEAL_KEY_LEN])
{
	struct seal *s = xcalloc(1, sizeof(*s));
	size_t i;

	ERR_clear_error();
	s->cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
	if (!s->cipher) {
		ERR_clear_error();
		free(s);
		return NULL;
	}
	for (i = 0; i < SEAL_KEY_LEN; i++)
		s->key[i] = key[i];
	return s;
}

void
seal_free(struct seal *s)
{
	if (!s)
		return;
	EVP_CIPHER_free(s->cipher);
	OPENSSL_cleanse(s, sizeof(*s));
	free(s);
}

/* EVP_*Update with nothing to do is skipped: a NULL pointer means something else to GCM. */
static bool
encrypt(EVP_CIPHER_CTX *ctx, const struct seal *s, struct bytes aad, struct bytes plain,
	unsigned char *out)
{
	unsigned char *text = out + NONCE_LEN;
	int len = 0;

	return EVP_EncryptInit_ex2(ctx, s->cipher, s->key, out, NULL) == 1 &&
	       (aad.len == 0 || EVP_EncryptUpdate(ctx, NULL, &len, aad.data, (int)aad.len) == 1) &&
	       (plain.len == 0 ||
		       EVP_EncryptUpdate(ctx, text, &len, plain.data, (int)plain.len) == 1) &&
	       EVP_EncryptFinal_ex(ctx, text + plain.len, &len) == 1 &&
	       EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, TAG_LEN, text + plain.len) == 1;
}

int
seal_lock(const struct seal *s, struct bytes aad, struct bytes plain, struct buf *out)
{
	EVP_CIPHER_CTX *ctx;
	size_t start = out->len;
	bool done = false;

	if (plain.len > SEAL_MAX || aad.len > SEAL_MAX)
		return -EIO;
	ERR_clear_error();
	buf_reserve(out, SEAL_OVERHEAD + plain.len);
	buf_add_u8(out, SEAL_VERSION);
	random_bytes(out->data + out->len, NONCE_LEN);
	ctx = EVP_CIPHER_CTX_new();
	if (ctx)
		done = encrypt(ctx, s, aad, plain, out->data + out->len);
	EVP_CIPHER_CTX_free(ctx);
	ERR_clear_error();
	out->len = done ? start + SEAL_OVERHEAD + plain.len : start;
	return done ? 0 : -EIO;
}

static bool
decrypt(EVP_CIPHER_CTX *ctx, const struct seal *s, struct bytes aad, struct bytes sealed,
	unsigned char *out)
{
	const unsigned char *nonce = sealed.data + 1, *text = nonce + NONCE_LEN;
	size_t text_len = sealed.len - SEAL_OVERHEAD;
	unsigned char tag[TAG_LEN];
	int len = 0;
	size_t i;

	for (i = 0; i < TAG_LEN; i++)
		tag[i] = text[text_len + i];
	return EVP_DecryptInit_ex2(ctx, s->cipher, s->key, nonce, NULL) == 1 &&
	       (aad.len == 0 || EVP_DecryptUpdate(ctx, NULL, &len, aad.data, (int)aad.len) == 1) &&
	       (text_len == 0 || EVP_DecryptUpdate(ctx, out, &len, text, (int)text_len) == 1) &&
	       EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, TAG_LEN, tag) == 1 &&
	       EVP_DecryptFinal_ex(ctx, out + text_len, &len) == 1;
}

int
seal_open(const struct seal *s, struct bytes aad, struct bytes sealed, struct buf *out)
{
	EVP_CIPHER_CTX *ctx;
	size_t len;
	bool done = false;

	if (sealed.len < SEAL_OVERHEAD || sealed.len > SEAL_MAX || aad.len > SEAL_MAX ||
		sealed.data[0] != SEAL_VERSION)
		return -EINVAL;
	len = sealed.len - SEAL_OVERHEAD;
	ERR_clear_error();
	buf_reserve(out, len + 1);
	ctx = EVP_CIPHER_CTX_new();
	if (ctx)
		done = decrypt(ctx, s, aad, sealed, out->data + out->len);
	EVP_CIPHER_CTX_free(ctx);
	ERR_clear_error();
	if (!done) {
		/* OpenSSL hands out plaintext before it has seen the tag */
		OPENSSL_cleanse(out->data + out->len, len);
		return -EBADMSG;
	}
	out->len += len;
	return 0;
}

int
seal_key_parse(struct bytes file, unsigned char key[SEAL_KEY_LEN])
{
	struct buf raw = BUF_INIT;
	size_t i;
	int r;

	if (file.len > 0 && file.data[file.len - 1] == '\n')
		file.len--;
	if (file.len > 0 && file.data[file.len - 1] == '\r')
		file.len--;
	if (file.len != 2 * SEAL_KEY_LEN)
		return -EINVAL;
	r = decode_hex(&raw, file);
	if (r == 0)
		for (i = 0; i < SEAL_KEY_LEN; i++)
			key[i] = raw.data[i];
	buf_wipe(&raw);
	return r;
}

void
seal_key_format_new(struct buf *out)
{
	unsigned char key[SEAL_KEY_LEN];

	random_bytes(key, sizeof(key));
	encode_hex(out, bytes_of(key, sizeof(key)));
	buf_add_char(out, '\n');
	OPENSSL_cleanse(key, sizeof(key));
}
