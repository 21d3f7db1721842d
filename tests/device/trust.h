/* trust.h - which TLS servers this device believes
 *
 * An Apple device believes the public roots and the roots of profiles installed on it, and
 * demands of the leaf: SHA-2 signature, RSA of 2048 bits or EC, a DNS name or address in the
 * SAN, EKU serverAuth, at most 825 days (facts F.6).
 */
#ifndef FAKE_TRUST_H
#define FAKE_TRUST_H

#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stddef.h>

/*
 * Store of the public roots (PEM file; NULL is the system's) and `roots`.  Stores are shared:
 * equal arguments give the same store, which lives as long as the program.  NULL with a line
 * on stderr when the file cannot be read.
 */
X509_STORE *trust_store(const char *public_roots, X509 *const *roots, size_t n);

/* SSL verify callback that adds Apple's rules to OpenSSL's for the leaf. */
int trust_verify(int ok, X509_STORE_CTX *ctx);

void trust_fini(void);

#endif
