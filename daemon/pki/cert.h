/* cert.h - certificates: read in any form that people drop in, and described field by field */
#ifndef CORDON_PKI_CERT_H
#define CORDON_PKI_CERT_H

#include <openssl/x509.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/digest.h"

/*
 * PEM (text around it, CRLF, BOM, several) or one DER certificate, in file order.  NULL when there
 * is none; *why (static sentence, may be NULL) then says what is wrong ("is cut off", "holds no
 * certificate").
 */
STACK_OF(X509) * cert_parse(struct bytes in, const char **why);
X509 *cert_parse_der(struct bytes in); /* exactly one, nothing behind it */
int cert_to_der(X509 *c, struct buf *out);
int cert_to_pem(X509 *c, struct buf *out);
int cert_sha256(X509 *c, unsigned char out[SHA256_LEN]); /* of the DER */
int cert_spki_sha256(X509 *c, unsigned char out[SHA256_LEN]);

/* Subject UID when it is the only one and begins "com.apple.mgmt."; appended.  0, -ENOENT, -EINVAL
 * (two). */
int cert_topic(X509 *c, struct buf *out);
int64_t cert_not_before(X509 *c); /* seconds since 1970 */
int64_t cert_not_after(X509 *c);
/* -1 not yet valid, 0 valid, 1 expired */
int cert_validity(X509 *c, int64_t now);
int cert_common_name(X509 *c, struct buf *out); /* UTF-8, appended; 0, -ENOENT */
void cert_subject(X509 *c,
	struct buf *out); /* "CN=..., O=..." as RFC 2253 orders nothing: as it stands, UTF-8 */
void cert_name(const X509_NAME *name, struct buf *out); /* the same, of any name */
void cert_issuer(X509 *c, struct buf *out);
void cert_serial(X509 *c, struct buf *out); /* upper-case hex as `openssl x509 -serial` prints it */
/* True when `issuer` signed `c` (names and signature). */
bool cert_issued_by(X509 *c, X509 *issuer);
/* Does a DNS name of the SAN match (wildcards as OpenSSL does)? */
bool cert_matches_host(X509 *c, const char *host);
/* The enrollment number from a SAN "urn:uuid:<number>", in out[37].  0, -ENOENT. */
int cert_enrollment_number(X509 *c, char *out);

#endif
