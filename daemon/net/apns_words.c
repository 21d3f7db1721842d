/* apns_words.c - what went wrong between us and Apple, as sentences for administrators */
#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "net/apns_words.h"

struct phrase {
	int code;
	const char *words;
};

static void
name_text(const X509_NAME *name, char *out, size_t size)
{
	BIO *bio = BIO_new(BIO_s_mem());
	int n;

	out[0] = '\0';
	if (!bio)
		return;
	/* Characters of the name may be anything; controls come out escaped, UTF-8 as it is. */
	X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB);
	n = BIO_read(bio, out, (int)size - 1);
	/* The end may have been cut in the middle of a character. */
	while (n > 0 && !utf8_valid(bytes_of(out, (size_t)n)))
		n--;
	out[n > 0 ? n : 0] = '\0';
	BIO_free(bio);
}

static int
on_verify(int ok, X509_STORE_CTX *store)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct apns_verdict *v = SSL_get_app_data(ssl);
	X509 *leaf = X509_STORE_CTX_get0_cert(store);

	if (!ok && v && !v->error) {
		v->error = X509_STORE_CTX_get_error(store);
		if (leaf) {
			name_text(X509_get_issuer_name(leaf), v->issuer, sizeof(v->issuer));
			name_text(X509_get_subject_name(leaf), v->subject, sizeof(v->subject));
		}
	}
	return ok;
}

void
apns_words_watch(SSL *ssl, struct apns_verdict *verdict)
{
	memset(verdict, 0, sizeof(*verdict));
	SSL_set_app_data(ssl, verdict);
	SSL_set_verify(ssl, SSL_VERIFY_PEER, on_verify);
}

char *
apns_words_verdict(const struct apns_verdict *v, const char *host, unsigned port)
{
	switch (v->error) {
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_CERT_SIGNATURE_FAILURE:
	case X509_V_ERR_CERT_UNTRUSTED:
	case X509_V_ERR_CERT_REJECTED:
	case X509_V_ERR_INVALID_CA:
		return xasprintf("something between this server and Apple intercepts TLS: the "
				 "certificate that it saw was issued by %s; let %s:%u pass "
				 "undecrypted (or mend push.trust)",
			v->issuer[0] ? v->issuer : "nobody it names", host, port);
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		return xasprintf("%s:%u shows a certificate for another name (%s, issued by %s): "
				 "check push.host and what answers in its place",
			host, port, v->subject, v->issuer);
	case X509_V_ERR_CERT_HAS_EXPIRED:
		return xasprintf("the certificate of %s:%u, issued by %s, or one above it has "
				 "expired: check this machine's clock",
			host, port, v->issuer);
	case X509_V_ERR_CERT_NOT_YET_VALID:
		return xasprintf("the certificate of %s:%u, issued by %s, is not valid yet: check "
				 "this machine's clock",
			host, port, v->issuer);
	default:
		return xasprintf("the certificate of %s:%u, issued by %s, is not good: %s", host,
			port, v->issuer, X509_verify_cert_error_string(v->error));
	}
}

/* Alerts that the server sends about us. */
static const struct phrase alerts[] = {
	{ SSL_AD_BAD_CERTIFICATE, "it refuses the push certificate (bad certificate)" },
	{ SSL_AD_UNSUPPORTED_CERTIFICATE, "it does not take this kind of push certificate" },
	{ SSL_AD_CERTIFICATE_REVOKED,
		"the push certificate has been revoked: make a new one with cordon-csr renew" },
	{ SSL_AD_CERTIFICATE_EXPIRED,
		"the push certificate has expired: renew it with cordon-csr renew" },
	{ SSL_AD_CERTIFICATE_UNKNOWN, "it refuses the push certificate (certificate unknown)" },
	{ SSL_AD_UNKNOWN_CA,
		"it does not know who issued the push certificate: is it the one that Apple's "
		"portal gave?" },
	{ SSL_AD_ACCESS_DENIED, "it denies access with this push certificate" },
	{ SSL_AD_DECRYPT_ERROR,
		"it could not verify our signature: does the key belong to the push certificate?" },
	{ TLS13_AD_CERTIFICATE_REQUIRED, "it got no push certificate and requires one" },
	{ SSL_AD_HANDSHAKE_FAILURE, "it found no common ground (handshake failure)" },
	{ SSL_AD_PROTOCOL_VERSION, "it speaks no TLS version that we speak" },
	{ SSL_AD_UNRECOGNIZED_NAME, "it does not know that name: check push.host" },
	{ SSL_AD_NO_APPLICATION_PROTOCOL, "it does not speak HTTP/2" },
};

char *
apns_words_tls(unsigned long error, const char *host)
{
	int reason = ERR_GET_REASON(error), alert = reason - SSL_AD_REASON_OFFSET;
	const char *text;

	if (error == 0 || ERR_SYSTEM_ERROR(error) || ERR_GET_LIB(error) != ERR_LIB_SSL)
		return NULL;
	for (size_t i = 0; i < sizeof(alerts) / sizeof(alerts[0]); i++)
		if (alerts[i].code == alert)
			return xasprintf("TLS handshake with %s failed: %s", host, alerts[i].words);
	if (reason == SSL_R_UNEXPECTED_EOF_WHILE_READING)
		return NULL;
	text = ERR_reason_error_string(error);
	return xasprintf("TLS with %s failed: %s", host, text ? text : "an error without a name");
}

struct refusal {
	const char *reason, *words;
};

static const struct refusal refusals[] = {
	{ "BadCertificate",
		"the push certificate has expired or was revoked: renew it with cordon-csr renew" },
	{ "BadCertificateEnvironment",
		"the push certificate is not for this host: check push.host" },
	{ "MissingProviderToken",
		"it got no push certificate: something in between may have ended the TLS" },
	{ "Forbidden", "this push certificate may not push" },
	{ "ExpiredProviderToken", "it takes this connection for one with tokens" },
	{ "InvalidProviderToken", "it takes this connection for one with tokens" },
	{ "UnrelatedKeyIdInToken", "it takes this connection for one with tokens" },
	{ "BadEnvironmentKeyIdInToken", "it takes this connection for one with tokens" },
};

static const struct refusal *
refusal_find(const char *reason)
{
	for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++)
		if (strcmp(refusals[i].reason, reason) == 0)
			return &refusals[i];
	return NULL;
}

char *
apns_words_refused(const char *reason, const char *host)
{
	const struct refusal *r = refusal_find(reason);

	if (!reason[0])
		return xasprintf(
			"%s refuses pushes with this certificate and gives no reason", host);
	return xasprintf("%s refuses pushes (%s): %s", host, reason,
		r ? r->words : "look the reason up in Apple's push documentation");
}

int
apns_words_is_refusal(const char *reason)
{
	return refusal_find(reason) != NULL;
}
