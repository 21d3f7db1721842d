/* cordon-ssc-tls.c - a TLS root for one name, and the server's certificate from it */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "cordon-ssc.h"
#include "pki/ca.h"
#include "pki/cert.h"
#include "pki/certfile.h"
#include "pki/key.h"
#include "site.h"

#define DAY INT64_C(86400)
#define ROOT_LIFETIME (10 * INT64_C(31556952))
#define SERVER_LIFETIME (825 * DAY)
/* A root with less ahead of it is not worth a certificate from it. */
#define ROOT_REST_MIN (30 * DAY)

/* What is there, and what will be. */
struct tls_work {
	const struct site *site;
	const char *name;
	bool replace;
	X509 *root, *server;
	EVP_PKEY *root_key, *server_key;
	bool new_root, new_key;
};

static bool
is_address(const char *name)
{
	unsigned char scratch[sizeof(struct in6_addr)];

	return inet_pton(AF_INET, name, scratch) == 1 || inet_pton(AF_INET6, name, scratch) == 1;
}

static bool
is_host(const char *name)
{
	size_t label = 0, len = strlen(name);

	if (len == 0 || len > 253)
		return false;
	for (size_t i = 0; i <= len; i++) {
		if (i < len && name[i] != '.') {
			if (!isalnum((unsigned char)name[i]) && name[i] != '-')
				return false;
			if (++label > 63 || (name[i] == '-' && label == 1))
				return false;
			continue;
		}
		if (label == 0 || name[i - 1] == '-')
			return false;
		label = 0;
	}
	/* Four numbers that are no address would match nothing. */
	return strspn(name, "0123456789.") != len;
}

/* Lower case, no brackets, no dot at the end; NULL when it is neither host nor address. */
static char *
clean_name(const char *given)
{
	size_t n = strlen(given);
	char *name;

	if (n > 2 && given[0] == '[' && given[n - 1] == ']')
		name = xstrndup(given + 1, n - 2);
	else
		name = xstrndup(given, n > 1 && given[n - 1] == '.' ? n - 1 : n);
	for (char *p = name; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	if (is_address(name) || is_host(name))
		return name;
	free(name);
	return NULL;
}

/* 0 with what is in the file, both NULL when it is not there; else the reason was said. */
static int
load(const struct site *s, const char *name, X509 **cert, EVP_PKEY **key)
{
	struct buf content = BUF_INIT;
	STACK_OF(X509) *certs = NULL;
	const char *why = NULL;
	char *path = site_path(s, name);
	int r = file_read(path, CERTFILE_MAX, &content, NULL), status = EX_OK;

	if (r == -ENOENT)
		goto out;
	if (r < 0) {
		status =
			tool_fail(r == -EACCES ? EX_NOPERM : EX_NOINPUT, "%s: cannot be read: %s%s",
				path, strerror(-r), r == -EACCES ? "; run as root" : "");
		goto out;
	}
	if (key)
		*key = key_parse(buf_bytes(&content), &why);
	else
		certs = cert_parse(buf_bytes(&content), &why);
	if (certs)
		*cert = sk_X509_shift(certs);
	if (key ? !*key : !certs)
		status = tool_fail(EX_DATAERR,
			"%s: %s: mend it, or move it away to have a new one made", path,
			why ? why : "is damaged");
out:
	sk_X509_pop_free(certs, X509_free);
	buf_wipe(&content);
	free(path);
	return status;
}

static int
load_all(struct tls_work *w)
{
	int r = load(w->site, "tls-ca.crt", &w->root, NULL);

	if (r == EX_OK)
		r = load(w->site, "tls-ca.key", NULL, &w->root_key);
	if (r == EX_OK)
		r = load(w->site, "server.crt", &w->server, NULL);
	if (r == EX_OK)
		r = load(w->site, "server.key", NULL, &w->server_key);
	return r;
}

static bool
belongs(X509 *c, EVP_PKEY *key)
{
	bool ret = c && key && EVP_PKEY_eq(X509_get0_pubkey(c), key) == 1;

	ERR_clear_error();
	return ret;
}

/* Would a device that trusts the root take this certificate for this name? */
static bool
is_accepted(X509 *server, X509 *root, const char *name)
{
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	bool ret = false;

	if (store && ctx && X509_STORE_add_cert(store, root) == 1 &&
		X509_STORE_CTX_init(ctx, store, server, NULL) == 1) {
		X509_VERIFY_PARAM *p = X509_STORE_CTX_get0_param(ctx);
		int r = is_address(name) ? X509_VERIFY_PARAM_set1_ip_asc(p, name)
					 : X509_VERIFY_PARAM_set1_host(p, name, 0);

		X509_VERIFY_PARAM_set_purpose(p, X509_PURPOSE_SSL_SERVER);
		ret = r == 1 && X509_verify_cert(ctx) == 1;
	}
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	ERR_clear_error();
	return ret;
}

static int
refuse(const struct tls_work *w, const char *file, const char *why)
{
	return tool_fail(EX_CANTCREAT, "%s/%s: %s", w->site->certs, file, why);
}

/* Is there a root to go on with?  Sets new_root. */
static int
judge_root(struct tls_work *w)
{
	if (!w->root && !w->root_key) {
		w->new_root = true;
		return EX_OK;
	}
	if (w->root && belongs(w->root, w->root_key) &&
		cert_not_after(w->root) > clock_wall() + ROOT_REST_MIN)
		return EX_OK;
	if (w->replace) {
		w->new_root = true;
		return EX_OK;
	}
	if (!w->root)
		return refuse(w, "tls-ca.key",
			"its certificate tls-ca.crt is missing: put it back, or "
			"make a new root with --replace");
	if (!w->root_key)
		return refuse(w, "tls-ca.crt",
			"its key tls-ca.key is missing, so nothing can be issued "
			"from it: put it back, or make a new root with --replace "
			"(devices learn it from a new enrollment profile)");
	if (!belongs(w->root, w->root_key))
		return refuse(w, "tls-ca.key",
			"does not belong to tls-ca.crt: put the right one back, "
			"or make a new root with --replace");
	return refuse(w, "tls-ca.crt",
		"expires within 30 days: make a new root with --replace "
		"(devices learn it from a new enrollment profile)");
}

/* May server.crt and server.key be written?  Sets new_key. */
static int
judge_server(struct tls_work *w)
{
	bool ours = w->server && w->root && cert_issued_by(w->server, w->root);

	if (w->server && !ours && !w->replace)
		return refuse(w, "server.crt",
			"does not come from tls-ca.crt, and is not overwritten; "
			"--replace does it");
	if (!w->server && w->server_key && !w->replace)
		return refuse(w, "server.key",
			"exists without its server.crt, and is not overwritten; "
			"--replace does it");
	/* The same key again: then only one file changes, and there is no moment between the two.
	 */
	w->new_key = !ours || !belongs(w->server, w->server_key);
	return EX_OK;
}

static int
fail_openssl(const char *what)
{
	char why[256];

	return tool_fail(
		EX_SOFTWARE, "%s could not be made: %s", what, pki_error(why, sizeof(why)));
}

static int
make_root(struct tls_work *w)
{
	X509_free(w->root);
	EVP_PKEY_free(w->root_key);
	w->root_key = key_new_p256();
	w->root = w->root_key ? ca_new_tls_root(w->root_key, w->name, clock_wall(), ROOT_LIFETIME)
			      : NULL;
	return w->root ? EX_OK : fail_openssl("the TLS root");
}

static int
issue(struct tls_work *w)
{
	if (w->new_key) {
		EVP_PKEY_free(w->server_key);
		w->server_key = key_new_p256();
	}
	X509_free(w->server);
	w->server = w->server_key ? ca_issue_server(w->server_key, w->name, w->root, w->root_key,
					    clock_wall(), SERVER_LIFETIME)
				  : NULL;
	return w->server ? EX_OK : fail_openssl("the server's certificate");
}

static int
make(struct tls_work *w)
{
	int r = w->new_root ? make_root(w) : EX_OK;

	if (r == EX_OK)
		r = issue(w);
	if (r != EX_OK || is_accepted(w->server, w->root, w->name))
		return r;
	if (w->new_root)
		return fail_openssl("a certificate that verifies");
	if (!w->replace)
		return tool_fail(EX_CANTCREAT,
			"%s/tls-ca.crt: is a root for another name and cannot vouch for %s: "
			"--replace "
			"makes a new root (devices learn it from a new enrollment profile)",
			w->site->certs, w->name);
	w->new_root = w->new_key = true;
	r = make_root(w);
	return r == EX_OK ? issue(w) : r;
}

static int
write_key(const struct tls_work *w, const char *name, EVP_PKEY *key, enum site_kind kind)
{
	struct buf pem = BUF_INIT;
	int r = EX_SOFTWARE;

	if (key_to_pem(key, &pem) == 0)
		r = site_write(w->site, name, buf_bytes(&pem), kind, w->replace);
	buf_wipe(&pem);
	return r;
}

static int
write_certs(const struct tls_work *w, const char *name, X509 *first, X509 *second, bool replace)
{
	struct buf pem = BUF_INIT;
	int r = EX_SOFTWARE;

	if (cert_to_pem(first, &pem) == 0 && (!second || cert_to_pem(second, &pem) == 0))
		r = site_write(w->site, name, buf_bytes(&pem), SITE_CERTIFICATE, replace);
	buf_free(&pem);
	return r;
}

/* Keys before certificates, and the server's certificate last: it is what makes the rest count. */
static int
write_all(const struct tls_work *w, bool renewal)
{
	int r = EX_OK;

	if (w->new_root)
		r = write_key(w, "tls-ca.key", w->root_key, SITE_ROOT_KEY);
	if (r == EX_OK && w->new_root)
		r = write_certs(w, "tls-ca.crt", w->root, NULL, w->replace);
	if (r == EX_OK && w->new_key) {
		/* A renewal whose old key was lost or foreign may write a new one. */
		struct tls_work k = *w;

		k.replace = w->replace || renewal;
		r = write_key(&k, "server.key", w->server_key, SITE_KEY);
	}
	if (r == EX_OK)
		r = write_certs(w, "server.crt", w->server, w->root, w->replace || renewal);
	return r;
}

static void
report(const struct tls_work *w, bool renewal)
{
	const char *dir = w->site->certs;
	char date[24], *path;

	if (w->new_root)
		printf("made %s/tls-ca.crt and tls-ca.key: a root that can vouch for %s only\n",
			dir, w->name);
	printf("%s %s/server.crt for %s, valid until %s\n", renewal ? "renewed" : "made", dir,
		w->name, clock_date(cert_not_after(w->server), date, sizeof(date)));
	if (w->new_root)
		printf("devices learn the root from the enrollment profile; the page they download "
		       "it "
		       "from shows a warning, which a public certificate avoids\n");
	path = site_path(w->site, "server.crt");
	if (strcmp(path, w->site->tls_certificate) != 0)
		tool_warn("the configuration uses %s, not %s: change the setting tls",
			w->site->tls_certificate, path);
	free(path);
}

static int
tls_in_site(const struct site *s, const char *name, bool replace)
{
	struct tls_work w = { .site = s, .name = name, .replace = replace };
	bool renewal;
	int r = load_all(&w);

	if (r == EX_OK)
		r = judge_root(&w);
	if (r == EX_OK)
		r = judge_server(&w);
	renewal = w.server != NULL;
	if (r == EX_OK)
		r = make(&w);
	if (r == EX_OK)
		r = write_all(&w, renewal);
	if (r == EX_OK)
		report(&w, renewal);
	X509_free(w.root);
	X509_free(w.server);
	EVP_PKEY_free(w.root_key);
	EVP_PKEY_free(w.server_key);
	return r;
}

int
ssc_tls(const struct tool_options *o)
{
	char *name = clean_name(o->argument);
	struct site site;
	int r;

	if (!name)
		return tool_fail(EX_USAGE,
			"\"%s\" is neither a host name nor an address: give it as in server-name "
			"but "
			"without a port, international names in their xn-- form",
			o->argument);
	r = site_open(&site, o);
	if (r == EX_OK) {
		r = tls_in_site(&site, name, o->replace);
		if (r == EX_OK)
			site_warn_group(&site);
		site_close(&site);
	}
	free(name);
	return r;
}
