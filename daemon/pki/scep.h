/*
 * scep.h - SCEP messages as Apple devices speak them (facts/protocol.md G, RFC 8894): bytes in,
 * bytes out
 *
 * No decision is made here: the verb reads what the request holds, asks the store, and has a reply
 * made.  All functions may run in the worker thread.
 */
#ifndef CORDON_PKI_SCEP_H
#define CORDON_PKI_SCEP_H

#include <openssl/cms.h>
#include <openssl/x509.h>

#include "base/buf.h"
#include "base/digest.h"
#include "pki/cms.h"

#define SCEP_TRANSACTION_MAX 255
#define SCEP_NONCE_MAX 64

enum scep_type {
	SCEP_CERT_REP = 3,
	SCEP_RENEWAL_REQ = 17,
	SCEP_PKCS_REQ = 19,
	SCEP_CERT_POLL = 20,
	SCEP_GET_CERT = 21,
	SCEP_GET_CRL = 22
};
enum scep_fail {
	SCEP_BAD_ALG = 0,
	SCEP_BAD_MESSAGE_CHECK = 1,
	SCEP_BAD_REQUEST = 2,
	SCEP_BAD_TIME = 3,
	SCEP_BAD_CERT_ID = 4
};

struct scep_request {
	enum scep_type type;
	char transaction[SCEP_TRANSACTION_MAX + 1]; /* printable */
	struct buf nonce;			    /* senderNonce */
	X509 *signer;
	bool self_signed; /* signer is the throw-away certificate of the request's own key */
	X509_REQ *csr;	  /* NULL for other types than PKCSReq and RenewalReq */
	EVP_PKEY *key;	  /* of the CSR */
	unsigned char spki[SHA256_LEN]; /* of `key` */
	struct buf challenge;		/* UTF-8; secret */
	enum cms_digest digest;		/* of the request's signature: replied in kind */
	const EVP_CIPHER *cipher;	/* of its envelope: replied in kind */
};

/*
 * Opens a pkiMessage.  `cas` are the certificates (and keys) it may be encrypted to: the SSC first,
 * then older ones; *which says which one it was.  0: *ret is the caller's.  -EINVAL: no SCEP
 * message at all (HTTP 400). -EPROTO: answer with scep_reply_failure(*fail): *ret then holds at
 * least transaction, nonce and signer.
 */
int scep_open(struct bytes in, X509 *const *cas, EVP_PKEY *const *keys, size_t count,
	bool allow_sha1, struct scep_request **ret, size_t *which, enum scep_fail *fail);
void scep_request_free(struct scep_request *r);

/* CertRep SUCCESS with `issued`, encrypted to the request's signer.  0 or -EIO. */
int scep_reply_success(
	const struct scep_request *r, X509 *ca, EVP_PKEY *key, X509 *issued, struct buf *out);
/* CertRep FAILURE without content; `text` (may be NULL) as failInfoText. */
int scep_reply_failure(const struct scep_request *r, X509 *ca, EVP_PKEY *key, enum scep_fail fail,
	const char *text, struct buf *out);
/* The text of GetCACaps. */
const char *scep_capabilities(void);

#endif
