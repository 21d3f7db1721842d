/* ca.h - certificates that Cordon itself signs: the SSC, device identities, the separate TLS root
 */
#ifndef CORDON_PKI_CA_H
#define CORDON_PKI_CA_H

#include <openssl/x509.h>
#include <stdint.h>

#include "pki/csr.h"

/*
 * The SSC: self-signed, CA:TRUE pathlen 0 critical, keyUsage keyCertSign, cRLSign, digitalSignature
 * and keyEncipherment (facts/protocol.md G.3), SHA-256, subject key id.  NULL on failure.
 */
X509 *ca_new_ssc(EVP_PKEY *key, const struct subject *s, int64_t now, int64_t lifetime);
/* TLS root with name constraints to `name` (host or IP), and the server's certificate from it (F.6:
 * SAN, serverAuth, 825 days at most). */
X509 *ca_new_tls_root(EVP_PKEY *key, const char *name, int64_t now, int64_t lifetime);
X509 *ca_issue_server(EVP_PKEY *server_key, const char *name, X509 *root, EVP_PKEY *root_key,
	int64_t now, int64_t lifetime);

struct ca_identity {
	EVP_PKEY *subject_key;
	const char *common_name;  /* from our data, never from the request */
	const char *organization; /* may be NULL */
	const char *number;	  /* enrollment number: SAN urn:uuid: */
	int64_t now, lifetime;	  /* notBefore is now - 10 min; never outlives the CA */
};
/* clientAuth, digitalSignature + keyEncipherment, CA:FALSE, random 128-bit serial.  Thread-safe.
 * NULL on failure. */
X509 *ca_issue_identity(X509 *ca, EVP_PKEY *ca_key, const struct ca_identity *id);

#endif
