/* digest.h - SHA-256 and a keyed hash, as plain functions */
#ifndef CORDON_BASE_DIGEST_H
#define CORDON_BASE_DIGEST_H

#include "base/buf.h"

#define SHA256_LEN 32

void digest_sha256(struct bytes in, unsigned char out[SHA256_LEN]);
/* 64 hex digits and NUL. */
void digest_sha256_hex(struct bytes in, char out[2 * SHA256_LEN + 1]);
void digest_hmac_sha256(struct bytes key, struct bytes in, unsigned char out[SHA256_LEN]);
/* CRC-32C (Castagnoli), for log records: detects torn and stale data, not attacks. */
uint32_t digest_crc32c(uint32_t crc, struct bytes in);
/* A fast, well-mixed, non-secret 64-bit hash (spreads schedules; the same in every run). */
uint64_t digest_spread(struct bytes in);

#endif
