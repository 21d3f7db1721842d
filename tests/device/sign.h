/* sign.h - the Mdm-Signature of a message
 *
 * Detached CMS SignedData over the bytes of the HTTP body, SHA-256 (SHA-1 on old systems), one
 * signer, its certificate inside, one line of base64 (facts C.3).
 */
#ifndef FAKE_SIGN_H
#define FAKE_SIGN_H

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdbool.h>

#include "util.h"

struct sign_how {
	const EVP_MD *md;
	bool attached; /* hostile: the content inside */
	bool ber;      /* indefinite lengths, as Apple's encoder writes */
};

/* DER or BER of the signature; empty on a fault of the key. */
struct blob sign_bytes(
	X509 *cert, EVP_PKEY *key, const struct blob *body, const struct sign_how *how);

/* The outer elements of a DER ContentInfo in indefinite-length form. */
struct blob sign_to_ber(const struct blob *der);

#endif
