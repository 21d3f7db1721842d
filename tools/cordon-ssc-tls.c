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

/* The files as text, in the order in which they are put in place. */
struct tls_texts {
	struct buf root_key, root, server_key, server;
};

static int
format_all(const struct tls_work *w, struct tls_texts *t)
{
	if (key_to_pem(w->root_key, &t->root_key) == 0 && cert_to_pem(w->root, &t->root) == 0 &&
		key_to_pem(w->server_key, &t->server_key) == 0 &&
		cert_to_pem(w->server, &t->server) == 0 && cert_to_pem(w->root, &t->server) == 0)
		return EX_OK;
	return tool_fail(EX_SOFTWARE, "the certificates could not be written out");
}

/* Keys before certificates, and the server's certificate last: it is what makes the rest count. */
static int
write_all(const struct tls_work *w, bool renewal)
{
	struct tls_texts t = { 0 };
	struct site_file files[4];
	/* A renewal whose old key was lost or foreign may write a new one. */
	bool over = w->replace || renewal;
	size_t n = 0;
	int r = format_all(w, &t);

	if (w->new_root) {
		files[n++] = (struct site_file){ "tls-ca.key", buf_bytes(&t.root_key),
			SITE_ROOT_KEY, w->replace };
		files[n++] = (struct site_file){ "tls-ca.crt", buf_bytes(&t.root), SITE_CERTIFICATE,
			w->replace };
	}
	if (w->new_key)
		files[n++] = (struct site_file){ "server.key", buf_bytes(&t.server_key), SITE_KEY,
			over };
	files[n++] =
		(struct site_file){ "server.crt", buf_bytes(&t.server), SITE_CERTIFICATE, over };
	if (r == EX_OK)
		r = site_write(w->site, files, n);
	buf_wipe(&t.root_key);
	buf_wipe(&t.server_key);
	buf_free(&t.root);
	buf_free(&t.server);
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
make_and_write(struct tls_work *w)
{
	bool renewal = w->server != NULL;
	int r = judge_root(w);

	if (r == EX_OK)
		r = judge_server(w);
	if (r == EX_OK)
		r = make(w);
	if (r == EX_OK)
		r = write_all(w, renewal);
	if (r == EX_OK)
		report(w, renewal);
	return r;
}

/* The one name that we put into it; caller frees, NULL when there is none. */
static char *
name_of(X509 *server)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(server, NID_subject_alt_name, NULL, NULL);
	char address[INET6_ADDRSTRLEN], *ret = NULL;

	for (int i = 0; i < sk_GENERAL_NAME_num(names) && !ret; i++) {
		GENERAL_NAME *g = sk_GENERAL_NAME_value(names, i);
		const ASN1_STRING *v = g->d.ia5;
		int n;

		if (g->type == GEN_DNS) {
			ret = xstrndup((const char *)ASN1_STRING_get0_data(v),
				(size_t)ASN1_STRING_length(v));
		} else if (g->type == GEN_IPADD) {
			n = ASN1_STRING_length(v);
			if ((n == 4 || n == 16) &&
				inet_ntop(n == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(v),
					address, sizeof(address)))
				ret = xstrdup(address);
		}
	}
	GENERAL_NAMES_free(names);
	ERR_clear_error();
	return ret;
}

/* Less than a third of its life is left. */
static bool
is_due(X509 *c, int64_t now)
{
	int64_t end = cert_not_after(c);

	return 3 * (end - now) < end - cert_not_before(c);
}

/*
 * For the timer, on every site: where the certificate is not from the root here, or is fresh
 * enough, there is nothing to do, and that is well.
 */
static int
renew(struct tls_work *w)
{
	char date[24], *name;
	int r;

	if (!w->server || !w->root || !cert_issued_by(w->server, w->root)) {
		printf("%s/server.crt does not come from tls-ca.crt here: nothing to renew\n",
			w->site->certs);
		return EX_OK;
	}
	if (!is_due(w->server, clock_wall())) {
		printf("%s/server.crt is valid until %s: nothing to do yet\n", w->site->certs,
			clock_date(cert_not_after(w->server), date, sizeof(date)));
		return EX_OK;
	}
	name = name_of(w->server);
	if (!name)
		return tool_fail(EX_DATAERR,
			"%s/server.crt: has no name to renew it for: make it anew with cordon-ssc "
			"tls NAME",
			w->site->certs);
	w->name = name;
	r = make_and_write(w);
	free(name);
	return r;
}

static int
run(const struct tool_options *o, const char *name)
{
	struct tls_work w = { .name = name, .replace = o->replace };
	struct site site;
	int r = site_open(&site, o);

	if (r != EX_OK)
		return r;
	w.site = &site;
	r = load_all(&w);
	if (r == EX_OK)
		r = o->renew ? renew(&w) : make_and_write(&w);
	if (r == EX_OK)
		site_warn_group(&site);
	X509_free(w.root);
	X509_free(w.server);
	EVP_PKEY_free(w.root_key);
	EVP_PKEY_free(w.server_key);
	site_close(&site);
	return r;
}

int
ssc_verb_tls(const struct tool_options *o)
{
	char *name = o->argument ? clean_name(o->argument) : NULL;
	int r;

	if (!!o->argument == o->renew || (o->renew && o->replace))
		r = tool_fail(EX_USAGE,
			"usage: cordon-ssc tls NAME, or cordon-ssc tls --renew for the name that "
			"server.crt has");
	else if (o->argument && !name)
		r = tool_fail(EX_USAGE,
			"\"%s\" is neither a host name nor an address: give it as in server-name "
			"but without a port, international names in their xn-- form",
			o->argument);
	else
		r = run(o, name);
	free(name);
	return r;
}
