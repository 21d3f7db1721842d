/* cms.h - CMS signatures: the profile that we sign, the Mdm-Signature that devices send */
#ifndef CORDON_PKI_CMS_H
#define CORDON_PKI_CMS_H

#include <openssl/x509.h>

#include "base/buf.h"

/* DER SignedData that embeds `content` unchanged, SHA-256; `chain` (may be NULL) goes with it.  0
 * or -EIO. */
int cms_sign(
	X509 *signer, EVP_PKEY *key, STACK_OF(X509) * chain, struct bytes content, struct buf *out);

enum cms_digest { CMS_DIGEST_SHA1, CMS_DIGEST_SHA256, CMS_DIGEST_SHA384, CMS_DIGEST_SHA512 };

enum cms_fault {
	CMS_OK,
	CMS_BASE64,    /* not strict base64, or longer than CMS_SIGNATURE_MAX */
	CMS_MALFORMED, /* no CMS SignedData, bytes behind it, too many certificates */
	CMS_ATTACHED,  /* it embeds content */
	CMS_SIGNERS,   /* not exactly one */
	CMS_NO_CERT,   /* the signer's certificate is not in it */
	CMS_DIGEST,    /* MD5, or weaker than allowed */
	CMS_MISMATCH   /* the signature is not of this body by this key */
};
const char *cms_fault_words(enum cms_fault f);

#define CMS_SIGNATURE_MAX 16384u /* bytes of base64 */
#define CMS_CERTS_MAX 5

/*
 * The value of Mdm-Signature over exactly `body` (facts/protocol.md C.3 steps 2-4 and 7).  On
 * CMS_OK *signer is the caller's and *digest is set; who the signer is, is not judged here.
 */
enum cms_fault cms_verify_detached(struct bytes header, struct bytes body, bool allow_sha1,
	X509 **signer, enum cms_digest *digest);

#endif
