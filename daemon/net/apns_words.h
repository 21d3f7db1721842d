/* apns_words.h - what went wrong between us and Apple, as sentences for administrators */
#ifndef CORDON_NET_APNS_WORDS_H
#define CORDON_NET_APNS_WORDS_H

#include <openssl/ssl.h>

/* What the handshake thought of the server's certificate; noted while the certificate is at hand.
 */
struct apns_verdict {
	int error; /* X509_V_ERR_..., 0: no objection */
	char issuer[256];
	char subject[256];
};

/*
 * Makes `ssl` check its peer and note the first objection.  `verdict` must live as long as `ssl`
 * shakes hands.
 */
void apns_words_watch(SSL *ssl, struct apns_verdict *verdict);

/* The server's certificate was refused by us.  The caller frees. */
char *apns_words_verdict(const struct apns_verdict *verdict, const char *host, unsigned port);
/* An error of bufferevent_get_openssl_error; NULL when it is none that says something. */
char *apns_words_tls(unsigned long error, const char *host);
/* Apple answered 403, or GOAWAY with such a reason. */
char *apns_words_refused(const char *reason, const char *host);
/* 1: this reason of a GOAWAY says that the certificate will not do, as a 403 does. */
int apns_words_is_refusal(const char *reason);

#endif
