/* net_fixture.c - keys and certificates for the tests of TLS and HTTP */
#include <openssl/ec.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "net_fixture.h"

EVP_PKEY *
fixture_key(void)
{
	return EVP_EC_gen("P-256");
}

X509 *
fixture_cert(EVP_PKEY *key, const char *name, long from, long to)
{
	X509 *c = X509_new();
	X509_NAME *n = X509_get_subject_name(c);
	X509_EXTENSION *san;
	char text[128];

	X509_set_version(c, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(c), 7);
	X509_gmtime_adj(X509_getm_notBefore(c), from);
	X509_gmtime_adj(X509_getm_notAfter(c), to);
	X509_NAME_add_entry_by_txt(n, "CN", MBSTRING_UTF8, (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(c, n);
	X509_set_pubkey(c, key);
	snprintf(text, sizeof(text), "DNS:%s", name);
	san = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, text);
	X509_add_ext(c, san, -1);
	X509_EXTENSION_free(san);
	X509_sign(c, key, EVP_sha256());
	return c;
}

STACK_OF(X509) * fixture_chain(X509 *c)
{
	STACK_OF(X509) *chain = sk_X509_new_null();

	sk_X509_push(chain, c);
	return chain;
}
