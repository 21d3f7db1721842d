/* keypool.h - RSA keys: made one by one, or a pool that a fleet shares because making one is slow
 */
#ifndef FAKE_KEYPOOL_H
#define FAKE_KEYPOOL_H

#include <openssl/evp.h>
#include <stdbool.h>

/* Make `n` keys of 2048 bits with `threads` threads; later ones come from the pool in turn. */
int keypool_init(int n, int threads);
void keypool_fini(void);

/* A reference to a key of `bits`; NULL when OpenSSL cannot make one. */
EVP_PKEY *keypool_take(int bits);

/* Whether keys may be given twice. */
bool keypool_shared(void);

#endif
