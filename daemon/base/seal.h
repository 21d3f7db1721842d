/*
 * seal.h - secrets at rest: AES-256-GCM under store.key
 *
 * A sealed value is: version (1 byte, 1) | nonce (12 random bytes) | ciphertext | tag (16).
 * The associated data is the key of the record that holds it, so that a sealed value moved to
 * another record does not open (DESIGN "Store").
 */
#ifndef CORDON_BASE_SEAL_H
#define CORDON_BASE_SEAL_H

#include "base/buf.h"

#define SEAL_KEY_LEN 32
#define SEAL_OVERHEAD 29

struct seal;

/* Copies the key into memory that is cleansed at seal_free.  NULL only if OpenSSL has no AES-GCM.
 */
struct seal *seal_new(const unsigned char key[SEAL_KEY_LEN]);
void seal_free(struct seal *s);
/* Thread-safe.  Appends to `out`. 0 or -EIO. */
int seal_lock(const struct seal *s, struct bytes aad, struct bytes plain, struct buf *out);
/* Appends plaintext only after the tag was checked.  0, -EBADMSG (other key, record or damage),
 * -EINVAL. */
int seal_open(const struct seal *s, struct bytes aad, struct bytes sealed, struct buf *out);

/* store.key is one line: 64 hex digits.  0 or -EINVAL. */
int seal_key_parse(struct bytes file, unsigned char key[SEAL_KEY_LEN]);
/* A fresh key as the file's content, newline included; wipe it after use. */
void seal_key_format_new(struct buf *out);

#endif
