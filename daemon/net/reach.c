/* reach.c - does a request to our own public name come back to us? */
#include "net/reach.h"

#include <curl/curl.h>
#include <malloc.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "net/worker.h"

#define ANSWER "cordon"
#define WORDS_MAX 512

struct reach {
	char *url;
	X509 *root;
	void (*done)(void *arg, const char *why);
	void *arg;
	char body[sizeof(ANSWER)]; /* as much as is looked at */
	size_t len;
	bool ok;
	char words[WORDS_MAX];
};

static atomic_bool stopping;

static size_t
take_body(char *data, size_t size, size_t count, void *arg)
{
	struct reach *r = arg;
	size_t len = size * count, room = sizeof(r->body) - 1 - r->len;

	memcpy(r->body + r->len, data, len < room ? len : room);
	r->len += len < room ? len : room;
	return len;
}

static int
watch_stop(void *arg, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
	(void)arg;
	(void)a;
	(void)b;
	(void)c;
	(void)d;
	return atomic_load(&stopping);
}

/* The site's own root beside the system's. */
static CURLcode
add_root(CURL *curl, void *context, void *arg)
{
	struct reach *r = arg;
	X509_STORE *store = SSL_CTX_get_cert_store(context);

	(void)curl;
	if (r->root && store && X509_STORE_add_cert(store, r->root) != 1)
		ERR_clear_error();
	return CURLE_OK;
}

static bool
set_options(CURL *curl, struct reach *r, char *error)
{
	return curl_easy_setopt(curl, CURLOPT_URL, r->url) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_NOPROXY, "*") == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)REACH_TIMEOUT_MS) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_WRITEDATA, r) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, watch_stop) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_SSL_CTX_FUNCTION, add_root) == CURLE_OK &&
	       curl_easy_setopt(curl, CURLOPT_SSL_CTX_DATA, r) == CURLE_OK;
}

static void
work(void *job)
{
	struct reach *r = job;
	char error[CURL_ERROR_SIZE] = "";
	CURL *curl = curl_easy_init();
	CURLcode rc = CURLE_FAILED_INIT;
	long status = 0;

	if (curl && set_options(curl, r, error))
		rc = curl_easy_perform(curl);
	if (rc == CURLE_OK)
		curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	if (rc != CURLE_OK)
		snprintf(r->words, sizeof(r->words), "%s",
			error[0] ? error : curl_easy_strerror(rc));
	else if (status != 200)
		snprintf(r->words, sizeof(r->words), "it answers %ld", status);
	else if (strncmp(r->body, ANSWER, strlen(ANSWER)) != 0)
		snprintf(r->words, sizeof(r->words), "another program answers there");
	else
		r->ok = true;
	if (curl)
		curl_easy_cleanup(curl);
	ERR_clear_error();
	malloc_trim(0); /* the system's certificates were read: 2 MB that would stay ours */
}

static void
finish(void *job)
{
	struct reach *r = job;

	r->done(r->arg, r->ok ? NULL : r->words);
	X509_free(r->root);
	free(r->url);
	free(r);
}

int
reach_ask(struct worker *w, const char *url, X509 *root, void (*done)(void *arg, const char *why),
	void *arg)
{
	static bool ready;
	struct reach *r = xcalloc(1, sizeof(*r));
	int rc;

	if (!ready)
		ready = curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK;
	atomic_store(&stopping, false);
	r->url = xstrdup(url);
	r->root = root;
	if (root)
		X509_up_ref(root);
	r->done = done;
	r->arg = arg;
	rc = worker_submit(w, WORKER_OUTSIDE, work, finish, r);
	if (rc < 0) {
		X509_free(r->root);
		free(r->url);
		free(r);
	}
	return rc;
}

void
reach_stop(void)
{
	atomic_store(&stopping, true);
}
