/* crl.h - a certificate revocation list of the SSC, signed (RFC 5280) */
#ifndef CORDON_PKI_CRL_H
#define CORDON_PKI_CRL_H

#include <openssl/x509.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

#define CRL_SERIAL_MAX 20u /* RFC 5280: octets of a serial number */

struct crl_entry {
	unsigned char serial[CRL_SERIAL_MAX]; /* big-endian */
	uint8_t len;
	bool hold;  /* certificateHold; else revoked for good */
	int64_t at; /* wall seconds */
};

/*
 * DER, appended.  `number` must grow from one list of a CA to the next.  Runs in the worker.  0 or
 * -EIO.
 */
int crl_build(X509 *ca, EVP_PKEY *key, int64_t now, int64_t next, int64_t number,
	const struct crl_entry *entries, size_t count, struct buf *out);
/* The subject key id as lower-case hex, as in /crl/<ski>.  False: the certificate has none. */
bool crl_key_id(X509 *ca, struct buf *out);

#endif
