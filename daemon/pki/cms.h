/* cms.h - CMS signatures: the profile that we sign, the Mdm-Signature that devices send */
#ifndef CORDON_PKI_CMS_H
#define CORDON_PKI_CMS_H

#include <openssl/cms.h>
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

/*
 * A SignedData that embeds its content, by one signer whose certificate is in it, SHA-1 or better:
 * *signer is the caller's, `content` is appended.  Who the signer is, is not judged here.
 */
enum cms_fault cms_open_signed(struct bytes in, X509 **signer, struct buf *content);

/*
 * The steps of it, which SCEP takes too.
 */

/* A message of this type (NID), DER or BER, with nothing behind it; else NULL. */
CMS_ContentInfo *cms_parse(struct bytes in, int type);
/*
 * The only signer and its certificate (both stay the message's) of a message with one digest
 * algorithm and few certificates.  Else CMS_SIGNERS, CMS_MALFORMED or CMS_NO_CERT.
 */
enum cms_fault cms_signer(CMS_ContentInfo *cms, CMS_SignerInfo **si, X509 **cert);
/* 0, or -EINVAL: not a digest that we trust, or SHA-1 where it is not allowed. */
int cms_digest_of(int nid, bool allow_sha1, enum cms_digest *ret);
int cms_signer_digest(CMS_SignerInfo *si, bool allow_sha1, enum cms_digest *ret);
/* After cms_signer.  `content` is NULL when it is embedded; `out` may be NULL. */
bool cms_verify(CMS_ContentInfo *cms, X509 *cert, BIO *content, BIO *out);

#endif
