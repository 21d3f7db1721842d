/* http.c - one HTTPS client as a device has it, over libcurl */
#include "http.h"

#include <curl/curl.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "trust.h"

struct http {
	CURL *curl;
	struct http_conf conf;
	struct curl_slist *connect;
	char error[CURL_ERROR_SIZE];
};

static CURLcode
setup_tls(CURL *curl, void *ssl_ctx, void *arg)
{
	struct http *h = arg;

	(void)curl;
	ERR_clear_error();
	if (!h->conf.insecure) {
		/* The verify store, as libcurl may still put its own into the other place. */
		SSL_CTX_set1_verify_cert_store(ssl_ctx, h->conf.store);
		SSL_CTX_set_verify(ssl_ctx, SSL_VERIFY_PEER, trust_verify);
	}
	if (h->conf.cert != NULL && (SSL_CTX_use_certificate(ssl_ctx, h->conf.cert) != 1 ||
					    SSL_CTX_use_PrivateKey(ssl_ctx, h->conf.key) != 1))
		return CURLE_SSL_CERTPROBLEM;
	return CURLE_OK;
}

static size_t
take_body(char *data, size_t size, size_t n, void *arg)
{
	struct http_reply *r = arg;

	if (r->body.len + size * n > HTTP_ANSWER_MAX)
		return 0;
	blob_append(&r->body, data, size * n);
	return size * n;
}

struct http *
http_new(const struct http_conf *conf)
{
	struct http *h = util_alloc(sizeof(*h));
	char *to;

	h->conf = *conf;
	if (h->conf.cert != NULL) {
		X509_up_ref(h->conf.cert);
		EVP_PKEY_up_ref(h->conf.key);
	}
	h->curl = curl_easy_init();
	if (h->curl == NULL)
		abort();
	if (conf->connect != NULL) {
		to = util_printf("::%s", conf->connect);
		h->connect = curl_slist_append(NULL, to);
		free(to);
	}
	return h;
}

void
http_free(struct http *h)
{
	if (h == NULL)
		return;
	curl_easy_cleanup(h->curl);
	curl_slist_free_all(h->connect);
	X509_free(h->conf.cert);
	EVP_PKEY_free(h->conf.key);
	free(h);
}

static void
set_options(struct http *h, struct http_reply *ret)
{
	CURL *c = h->curl;

	curl_easy_reset(c); /* keeps connections and TLS sessions */
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_PROXY, "");
	curl_easy_setopt(c, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "https,http");
	curl_easy_setopt(c, CURLOPT_REDIR_PROTOCOLS_STR, "https");
	curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 1L);
	curl_easy_setopt(c, CURLOPT_MAXREDIRS, 5L);
	curl_easy_setopt(c, CURLOPT_CAINFO, NULL);
	curl_easy_setopt(c, CURLOPT_CAPATH, NULL);
	curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, h->conf.insecure ? 0L : 1L);
	curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, h->conf.insecure ? 0L : 2L);
	curl_easy_setopt(c, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
	curl_easy_setopt(c, CURLOPT_SSL_CTX_FUNCTION, setup_tls);
	curl_easy_setopt(c, CURLOPT_SSL_CTX_DATA, h);
	curl_easy_setopt(c, CURLOPT_SSL_SESSIONID_CACHE, h->conf.no_resume ? 0L : 1L);
	curl_easy_setopt(c, CURLOPT_FORBID_REUSE, h->conf.new_connections ? 1L : 0L);
	curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)(h->conf.timeout * 1000));
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)(h->conf.timeout * 1000));
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take_body);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, ret);
	curl_easy_setopt(c, CURLOPT_ERRORBUFFER, h->error);
	if (h->connect != NULL)
		curl_easy_setopt(c, CURLOPT_CONNECT_TO, h->connect);
}

static enum outcome
judge(CURLcode rc)
{
	switch (rc) {
	case CURLE_OK:
		return OUTCOME_OK;
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_ISSUER_ERROR:
	case CURLE_SSL_INVALIDCERTSTATUS:
		return OUTCOME_TLS;
	case CURLE_SSL_CERTPROBLEM:
	case CURLE_URL_MALFORMAT:
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_OUT_OF_MEMORY:
		return OUTCOME_LOCAL;
	case CURLE_WRITE_ERROR:
	case CURLE_WEIRD_SERVER_REPLY:
	case CURLE_TOO_MANY_REDIRECTS:
		return OUTCOME_MALFORMED;
	default:
		return OUTCOME_UNREACHABLE;
	}
}

static void
read_answer(struct http *h, CURLcode rc, struct http_reply *ret)
{
	char *type = NULL;

	ret->fault = judge(rc);
	curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &ret->status);
	curl_easy_getinfo(h->curl, CURLINFO_CONTENT_TYPE, &type);
	snprintf(ret->type, sizeof(ret->type), "%s", type != NULL ? type : "");
	if (rc != CURLE_OK)
		snprintf(ret->why, sizeof(ret->why), "%s",
			h->error[0] != '\0' ? h->error : curl_easy_strerror(rc));
}

void
http_request(struct http *h, const char *method, const char *url, const char *const *headers,
	const struct blob *body, struct http_reply *ret)
{
	struct curl_slist *list = NULL;
	double start = util_now();
	CURLcode rc;

	memset(ret, 0, sizeof(*ret));
	h->error[0] = '\0';
	set_options(h, ret);
	/* Apple's client never waits for 100 Continue. */
	list = curl_slist_append(list, "Expect:");
	for (; headers != NULL && *headers != NULL; headers++)
		list = curl_slist_append(list, *headers);
	curl_easy_setopt(h->curl, CURLOPT_URL, url);
	curl_easy_setopt(h->curl, CURLOPT_HTTPHEADER, list);
	if (body != NULL) {
		curl_easy_setopt(h->curl, CURLOPT_POSTFIELDS,
			body->data != NULL ? (const char *)body->data : "");
		curl_easy_setopt(h->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body->len);
	}
	curl_easy_setopt(h->curl, CURLOPT_CUSTOMREQUEST, method);
	rc = curl_easy_perform(h->curl);
	read_answer(h, rc, ret);
	ret->seconds = util_now() - start;
	curl_slist_free_all(list);
	ERR_clear_error();
}

void
http_reply_fini(struct http_reply *r)
{
	blob_free(&r->body);
}
