/* http.h - one HTTPS client as a device has it, over libcurl */
#ifndef FAKE_HTTP_H
#define FAKE_HTTP_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include "outcome.h"
#include "util.h"

/* Bytes of one answer that we are willing to hold. */
#define HTTP_ANSWER_MAX (32u * 1024 * 1024)

struct http;

struct http_conf {
	const char *connect; /* "HOST:PORT" dialled instead of what the URL names, or NULL */
	X509_STORE *store;   /* what TLS believes; must outlive the client */
	X509 *cert;	     /* offered when the server asks for one; NULL: none */
	EVP_PKEY *key;
	bool insecure;	      /* believe any certificate */
	bool new_connections; /* one connection per request */
	bool no_resume;	      /* no TLS session is taken up again */
	double timeout;	      /* seconds for one request */
};

struct http_reply {
	enum outcome fault; /* OUTCOME_OK when there is an HTTP answer, whatever its status */
	long status;
	char type[128]; /* Content-Type, "" when there was none */
	struct blob body;
	double seconds;
	char why[256]; /* of a fault */
};

/* A client; conf's certificate and key are referenced, the rest is copied. */
struct http *http_new(const struct http_conf *conf);
void http_free(struct http *h);

/*
 * One request.  `headers` is a NULL-ended array of "Name: value"; `body` NULL for none.
 * `ret` is filled always; http_reply_fini() it.
 */
void http_request(struct http *h, const char *method, const char *url, const char *const *headers,
	const struct blob *body, struct http_reply *ret);

void http_reply_fini(struct http_reply *r);

#endif
