/* A certificate revocation list of the SSC */
#include "pki/crl.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>

#include "base/encode.h"
#include "pki/coding.h"

static bool
set_reason(X509_REVOKED *r, int reason)
{
	ASN1_ENUMERATED *value = ASN1_ENUMERATED_new();
	bool ok = value && ASN1_ENUMERATED_set(value, reason) == 1 &&
		  X509_REVOKED_add1_ext_i2d(r, NID_crl_reason, value, 0, 0) == 1;

	ASN1_ENUMERATED_free(value);
	return ok;
}

/* A reason of "unspecified" is left out, as RFC 5280 5.3.1 wants. */
static bool
add_entry(X509_CRL *crl, const struct crl_entry *e)
{
	X509_REVOKED *r = X509_REVOKED_new();
	BIGNUM *n = BN_bin2bn(e->serial, e->len, NULL);
	ASN1_INTEGER *serial = n ? BN_to_ASN1_INTEGER(n, NULL) : NULL;
	ASN1_TIME *at = ASN1_TIME_set(NULL, (time_t)e->at);
	bool ok = r && serial && at && X509_REVOKED_set_serialNumber(r, serial) == 1 &&
		  X509_REVOKED_set_revocationDate(r, at) == 1 &&
		  (!e->hold || set_reason(r, CRL_REASON_CERTIFICATE_HOLD)) &&
		  X509_CRL_add0_revoked(crl, r) == 1;

	if (!ok)
		X509_REVOKED_free(r);
	BN_free(n);
	ASN1_INTEGER_free(serial);
	ASN1_TIME_free(at);
	return ok;
}

static bool
set_head(X509_CRL *crl, X509 *ca, int64_t now, int64_t next)
{
	ASN1_TIME *from = ASN1_TIME_set(NULL, (time_t)now), *to = ASN1_TIME_set(NULL, (time_t)next);
	bool ok = from && to && X509_CRL_set_version(crl, X509_CRL_VERSION_2) == 1 &&
		  X509_CRL_set_issuer_name(crl, X509_get_subject_name(ca)) == 1 &&
		  X509_CRL_set1_lastUpdate(crl, from) == 1 &&
		  X509_CRL_set1_nextUpdate(crl, to) == 1;

	ASN1_TIME_free(from);
	ASN1_TIME_free(to);
	return ok;
}

static bool
add_extensions(X509_CRL *crl, X509 *ca, int64_t number)
{
	ASN1_INTEGER *n = ASN1_INTEGER_new();
	const ASN1_OCTET_STRING *ski = X509_get0_subject_key_id(ca);
	AUTHORITY_KEYID *aki = AUTHORITY_KEYID_new();
	bool ok = n && aki && ASN1_INTEGER_set_int64(n, number) == 1 &&
		  X509_CRL_add1_ext_i2d(crl, NID_crl_number, n, 0, 0) == 1;

	if (ok && ski) {
		aki->keyid = ASN1_OCTET_STRING_dup(ski);
		ok = aki->keyid &&
		     X509_CRL_add1_ext_i2d(crl, NID_authority_key_identifier, aki, 0, 0) == 1;
	}
	ASN1_INTEGER_free(n);
	AUTHORITY_KEYID_free(aki);
	return ok;
}

int
crl_build(X509 *ca, EVP_PKEY *key, int64_t now, int64_t next, int64_t number,
	const struct crl_entry *entries, size_t count, struct buf *out)
{
	X509_CRL *crl = X509_CRL_new();
	unsigned char *der = NULL;
	bool ok = crl && set_head(crl, ca, now, next) && add_extensions(crl, ca, number);
	int len = 0;
	size_t i;

	ERR_clear_error();
	for (i = 0; i < count && ok; i++)
		ok = add_entry(crl, &entries[i]);
	if (ok && X509_CRL_sort(crl) == 1 && X509_CRL_sign(crl, key, EVP_sha256()) > 0)
		len = i2d_X509_CRL(crl, &der);
	X509_CRL_free(crl);
	ERR_clear_error();
	return coding_take_der(out, der, len);
}

bool
crl_key_id(X509 *ca, struct buf *out)
{
	const ASN1_OCTET_STRING *ski = X509_get0_subject_key_id(ca);

	if (!ski)
		return false;
	encode_hex(out, bytes_of(ASN1_STRING_get0_data(ski), (size_t)ASN1_STRING_length(ski)));
	return true;
}
