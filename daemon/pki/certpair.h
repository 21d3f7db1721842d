/* certpair.h - a certificate with its key and the chain that stands in the same file */
#ifndef CORDON_PKI_CERTPAIR_H
#define CORDON_PKI_CERTPAIR_H

#include "pki/certdir.h"

/* The first certificate that has the public key of this hash, or NULL. */
X509 *certpair_leaf_of(STACK_OF(X509) * certs, const unsigned char spki[SHA256_LEN]);
/* Fills *p from `leaf` and those of `certs` that lead up from it; all are referenced or copied.
 * Without its key: `key` and `key_file` are NULL. */
void certpair_init(struct certpair *p, STACK_OF(X509) * certs, X509 *leaf, EVP_PKEY *key,
	const char *cert_file, const char *key_file);
/* Lengthens the chain by those of `certs` that lead up from its end, short of a root; how many. */
size_t certpair_extend(struct certpair *p, STACK_OF(X509) * certs);
void certpair_fini(struct certpair *p); /* also of a zeroed one */
/* Why nothing can be done with such a certificate's key (RSA below 2048 bits), or NULL. */
const char *certpair_too_weak(X509 *leaf);
/* Signed with SHA-1 or MD5. */
bool certpair_old_digest(X509 *leaf);

#endif
