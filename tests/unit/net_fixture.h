/* net_fixture.h - keys and certificates for the tests of TLS and HTTP */
#ifndef CORDON_TESTS_NET_FIXTURE_H
#define CORDON_TESTS_NET_FIXTURE_H

#include <openssl/evp.h>
#include <openssl/x509.h>

EVP_PKEY *fixture_key(void); /* P-256, fresh */
/* Self-signed, CN and SAN `name`; valid from `from` to `to` seconds from now. */
X509 *fixture_cert(EVP_PKEY *key, const char *name, long from, long to);
STACK_OF(X509) * fixture_chain(X509 *c); /* takes c; free with sk_X509_pop_free */

#endif
