/* digest.c - hashes as plain functions */
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/encode.h"

#define CRC32C_POLY 0x82f63b78U /* reflected */

/* An OpenSSL without SHA-256 cannot happen; going on with a wrong digest must not. */
void
digest_sha256(struct bytes in, unsigned char out[SHA256_LEN])
{
	ERR_clear_error();
	if (EVP_Digest(in.data, in.len, out, NULL, EVP_sha256(), NULL) != 1)
		abort();
}

void
digest_sha256_hex(struct bytes in, char out[2 * SHA256_LEN + 1])
{
	unsigned char digest[SHA256_LEN];
	struct buf hex = BUF_INIT;

	digest_sha256(in, digest);
	encode_hex(&hex, bytes_of(digest, sizeof(digest)));
	memcpy(out, buf_str(&hex), 2 * SHA256_LEN + 1);
	buf_free(&hex);
}

void
digest_hmac_sha256(struct bytes key, struct bytes in, unsigned char out[SHA256_LEN])
{
	static const unsigned char none[1];
	unsigned len = 0;

	ERR_clear_error();
	/* HMAC takes a NULL key for "as before", so an empty one needs an address */
	if (!HMAC(EVP_sha256(), key.len ? key.data : none, (int)key.len, in.len ? in.data : none,
		    in.len, out, &len) ||
		len != SHA256_LEN)
		abort();
}

static uint32_t crc_table[8][256];

/* Slicing by eight: entry [k][b] is the CRC of byte b followed by k zero bytes. */
__attribute__((constructor)) static void
fill_crc_table(void)
{
	uint32_t b, crc;
	int bit, k;

	for (b = 0; b < 256; b++) {
		crc = b;
		for (bit = 0; bit < 8; bit++)
			crc = (crc >> 1) ^ (crc & 1 ? CRC32C_POLY : 0);
		crc_table[0][b] = crc;
	}
	for (b = 0; b < 256; b++)
		for (k = 1; k < 8; k++)
			crc_table[k][b] = (crc_table[k - 1][b] >> 8) ^
					  crc_table[0][crc_table[k - 1][b] & 0xff];
}

static uint64_t
load_little_endian(const unsigned char *p)
{
	uint64_t v = 0;
	int i;

	for (i = 7; i >= 0; i--)
		v = v << 8 | p[i];
	return v;
}

static uint32_t
crc_by_table(uint32_t crc, const unsigned char *p, size_t len)
{
	uint64_t v;
	uint32_t next;
	int k;

	for (; len >= 8; p += 8, len -= 8) {
		v = load_little_endian(p) ^ crc;
		next = 0;
		for (k = 0; k < 8; k++)
			next ^= crc_table[7 - k][v >> (8 * k) & 0xff];
		crc = next;
	}
	for (; len > 0; p++, len--)
		crc = (crc >> 8) ^ crc_table[0][(crc ^ *p) & 0xff];
	return crc;
}

#ifdef __x86_64__
__attribute__((target("sse4.2"))) static uint32_t
crc_by_instruction(uint32_t crc, const unsigned char *p, size_t len)
{
	uint64_t wide = crc, v;

	for (; len >= 8; p += 8, len -= 8) {
		memcpy(&v, p, 8);
		wide = __builtin_ia32_crc32di(wide, v);
	}
	crc = (uint32_t)wide;
	for (; len > 0; p++, len--)
		crc = __builtin_ia32_crc32qi(crc, *p);
	return crc;
}
#endif

uint32_t
digest_crc32c(uint32_t crc, struct bytes in)
{
#ifdef __x86_64__
	if (__builtin_cpu_supports("sse4.2"))
		return ~crc_by_instruction(~crc, in.data, in.len);
#endif
	return ~crc_by_table(~crc, in.data, in.len);
}

static uint64_t
mix(uint64_t h)
{
	h ^= h >> 32;
	h *= UINT64_C(0x9e3779b97f4a7c15);
	h ^= h >> 29;
	h *= UINT64_C(0xd6e8feb86659fd93);
	h ^= h >> 32;
	return h;
}

uint64_t
digest_spread(struct bytes in)
{
	uint64_t h = mix(UINT64_C(0x636f72646f6e) ^ in.len), tail = 0;
	const unsigned char *p = in.data;
	size_t left = in.len;

	for (; left >= 8; p += 8, left -= 8)
		h = mix(h ^ load_little_endian(p)) + UINT64_C(0x632be59bd9b4e019);
	for (; left > 0; left--)
		tail = tail << 8 | p[left - 1];
	return mix(h ^ tail);
}
