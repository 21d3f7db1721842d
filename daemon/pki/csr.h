/* csr.h - subjects and certificate signing requests (facts/protocol.md E.2) */
#ifndef CORDON_PKI_CSR_H
#define CORDON_PKI_CSR_H

#include <openssl/x509.h>

#include "base/buf.h"

/* UTF-8 or NULL each. */
struct subject {
	char *country, *state, *locality, *organization, *unit, *common_name, *email;
};

/* A sentence of what is wrong with a field (length, country not two letters, not UTF-8), or NULL.
 */
const char *subject_fault(const struct subject *s);
void subject_free(struct subject *s);
X509_NAME *subject_to_name(const struct subject *s); /* caller frees; NULL on failure */
/* PKCS#10 signed with SHA-256.  Caller frees; NULL on failure. */
X509_REQ *csr_new(EVP_PKEY *key, const struct subject *s);
int csr_to_pem(X509_REQ *r, struct buf *out);
int csr_to_der(X509_REQ *r, struct buf *out);
X509_REQ *csr_parse(struct bytes in); /* PEM or DER */
void csr_subject(X509_REQ *r, struct buf *out);

#endif
