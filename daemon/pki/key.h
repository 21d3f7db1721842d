/* key.h - private and public keys: made, read, compared, named */
#ifndef CORDON_PKI_KEY_H
#define CORDON_PKI_KEY_H

#include <openssl/evp.h>

#include "base/buf.h"
#include "base/digest.h"

/* RSA of `bits` (2048 or more).  NULL on failure. */
EVP_PKEY *key_new_rsa(int bits);
EVP_PKEY *key_new_p256(void);
/* PKCS#8 PEM without encryption, appended; wipe the buffer. */
int key_to_pem(EVP_PKEY *key, struct buf *out);
/*
 * PEM or DER, traditional or PKCS#8.  NULL with *why (static sentence): "is encrypted: ..." for
 * keys with a passphrase (never prompts), or "is not a private key".
 */
EVP_PKEY *key_parse(struct bytes in, const char **why);
/* SHA-256 of the SubjectPublicKeyInfo DER: what certificates and keys are paired by.  0 or -EINVAL.
 */
int key_spki_sha256(EVP_PKEY *key, unsigned char out[SHA256_LEN]);
/* "RSA 2048", "EC P-256". */
const char *key_describe(EVP_PKEY *key, char *out, size_t size);
/* First 8 hex digits of key_spki_sha256: the XXXXXXXX of push-XXXXXXXX.key. */
int key_short_name(EVP_PKEY *key, char out[9]);

/*
 * May a stranger's signature be checked with it?  RSA up to KEY_RSA_MAX bits or a NIST curve:
 * larger keys and home-made curves only serve to cost us time.
 */
#define KEY_RSA_MAX 8192
bool key_is_ordinary(EVP_PKEY *key);

/* The error queue's oldest reason as words; empties the queue.  "" when there is none. */
const char *pki_error(char *out, size_t size);

#endif
