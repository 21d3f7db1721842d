/* relay.c - one form posted to a server of Apple's, with a push certificate as the client's */
#include "net/relay.h"

#include <curl/curl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "net/worker.h"

struct relay {
	char *url, *trust;
	struct buf form;
	STACK_OF(X509) * chain;
	EVP_PKEY *key;
	void (*done)(void *arg, const struct relay_answer *a);
	void *arg;
	long status;
	char *type;
	struct buf body;
	char error[CURL_ERROR_SIZE];
};

static size_t
take(char *data, size_t size, size_t count, void *arg)
{
	struct relay *r = arg;

	if (r->body.len + size * count > RELAY_ANSWER_MAX)
		return 0;
	buf_add(&r->body, data, size * count);
	return size * count;
}

static CURLcode
use_pair(CURL *curl, void *context, void *arg)
{
	struct relay *r = arg;
	SSL_CTX *ctx = context;
	bool ok = SSL_CTX_use_certificate(ctx, sk_X509_value(r->chain, 0)) == 1 &&
		  SSL_CTX_use_PrivateKey(ctx, r->key) == 1;

	(void)curl;
	for (int i = 1; ok && i < sk_X509_num(r->chain); i++)
		ok = SSL_CTX_add1_chain_cert(ctx, sk_X509_value(r->chain, i)) == 1;
	ERR_clear_error();
	return ok ? CURLE_OK : CURLE_SSL_CERTPROBLEM;
}

static bool
set_options(CURL *curl, struct relay *r)
{
	return curl_easy_setopt(curl, CURLOPT_URL, r->url) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https") == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, r->error) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)RELAY_TIMEOUT_MS) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->form.len) ==
		       CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_POSTFIELDS, buf_str(&r->form)) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_WRITEDATA, r) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_SSL_CTX_FUNCTION, use_pair) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_SSL_CTX_DATA, r) == CURLE_OK &&
	       (strcmp(r->trust, "system") == 0 ||
		       curl_easy_setopt(curl, CURLOPT_CAINFO, r->trust) == CURLE_OK);
}

static void
work(void *job)
{
	struct relay *r = job;
	CURL *curl = curl_easy_init();
	CURLcode rc = CURLE_FAILED_INIT;
	char *type = NULL;

	if (curl && set_options(curl, r))
		rc = curl_easy_perform(curl);
	if (rc == CURLE_OK) {
		curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &r->status);
		curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &type);
		r->type = type ? xstrdup(type) : NULL;
	} else if (!r->error[0]) {
		snprintf(r->error, sizeof(r->error), "%s", curl_easy_strerror(rc));
	}
	if (curl)
		curl_easy_cleanup(curl);
	ERR_clear_error();
}

static void
relay_free(struct relay *r)
{
	free(r->url);
	free(r->trust);
	free(r->type);
	buf_wipe(&r->form);
	buf_wipe(&r->body);
	sk_X509_pop_free(r->chain, X509_free);
	EVP_PKEY_free(r->key);
	free(r);
}

static void
finish(void *job)
{
	struct relay *r = job;
	struct relay_answer a = { .status = r->status,
		.why = r->status ? NULL : r->error,
		.type = r->type,
		.body = buf_bytes(&r->body) };

	r->done(r->arg, &a);
	relay_free(r);
}

int
relay_start(struct worker *w, const struct relay_post *p,
	void (*done)(void *arg, const struct relay_answer *a), void *arg)
{
	struct relay *r = xcalloc(1, sizeof(*r));
	int err;

	r->url = xstrdup(p->url);
	r->trust = xstrdup(p->trust);
	buf_add_bytes(&r->form, p->form);
	r->chain = X509_chain_up_ref(p->chain);
	EVP_PKEY_up_ref(p->key);
	r->key = p->key;
	r->done = done;
	r->arg = arg;
	err = worker_submit(w, WORKER_OUTSIDE, work, finish, r);
	if (err < 0)
		relay_free(r);
	return err;
}
