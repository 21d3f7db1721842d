/* tlscheck.c - does a server certificate keep the rules of Apple's devices? */
#include "pki/tlscheck.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "pki/cert.h"
#include "pki/certpair.h"

#define DAY 86400
#define JULY_2019 1561939200

struct check {
	STACK_OF(X509) * chain;
	X509 *leaf, *root;
	const char *host;
	void (*say)(void *arg, const char *text);
	void *arg;
};

__attribute__((format(printf, 2, 3))) static void
say(const struct check *c, const char *fmt, ...)
{
	va_list ap;
	char *text;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		abort(); /* out of memory, as in xmalloc */
	va_end(ap);
	c->say(c->arg, text);
	free(text);
}

static void
check_name(const struct check *c)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(c->leaf, NID_subject_alt_name, NULL, NULL);

	ERR_clear_error();
	if (!names)
		say(c,
			"has no subject alternative name, and devices do not look at the common "
			"name: get one that names %s there",
			c->host ? c->host : "the server");
	else if (c->host && !cert_matches_host(c->leaf, c->host))
		say(c,
			"is not for server-name %s: devices refuse to connect; get one whose "
			"subject alternative names have %s",
			c->host, c->host);
	GENERAL_NAMES_free(names);
}

static void
check_validity(const struct check *c)
{
	int64_t from = cert_not_before(c->leaf);
	int64_t days = (cert_not_after(c->leaf) - from) / DAY;

	if (from >= JULY_2019 && days > TLSCHECK_DAYS_MAX)
		say(c,
			"is valid for %lld days, and devices refuse more than %d: get one for a "
			"shorter time",
			(long long)days, TLSCHECK_DAYS_MAX);
}

static void
check_usage(const struct check *c)
{
	EXTENDED_KEY_USAGE *usages = X509_get_ext_d2i(c->leaf, NID_ext_key_usage, NULL, NULL);
	bool server = false;

	ERR_clear_error();
	for (int i = 0; i < sk_ASN1_OBJECT_num(usages); i++)
		server = server || OBJ_obj2nid(sk_ASN1_OBJECT_value(usages, i)) == NID_server_auth;
	sk_ASN1_OBJECT_pop_free(usages, ASN1_OBJECT_free);
	if (!server)
		say(c, "does not say that it is for servers (extended key usage serverAuth), so "
		       "devices refuse it: get one that does");
}

static bool
is_self_signed(X509 *c)
{
	return X509_NAME_cmp(X509_get_subject_name(c), X509_get_issuer_name(c)) == 0;
}

/* The root's own signature counts for nothing; all below it does. */
static void
check_issuers(const struct check *c)
{
	for (int i = 1; i < sk_X509_num(c->chain); i++) {
		X509 *ca = sk_X509_value(c->chain, i);
		struct buf name = BUF_INIT;
		const char *weak = certpair_too_weak(ca);

		cert_subject(ca, &name);
		if (weak)
			say(c, "comes from %s, and %s", buf_str(&name), weak);
		else if (!is_self_signed(ca) && certpair_old_digest(ca))
			say(c,
				"comes from %s, which is signed with SHA-1: devices refuse it; get "
				"one from another authority",
				buf_str(&name));
		buf_free(&name);
	}
}

static bool
is_pss(const struct check *c)
{
	for (int i = 0; i < sk_X509_num(c->chain); i++)
		if (X509_get_signature_nid(sk_X509_value(c->chain, i)) == NID_rsassaPss)
			return true;
	return false;
}

/* Is the issuer of `last` one of the system's roots?  They stand for those of the devices. */
static bool
is_rooted(X509 *last)
{
	X509_STORE *store = X509_STORE_new();
	X509_STORE_CTX *ctx = X509_STORE_CTX_new();
	X509 *issuer = NULL;
	bool found = store && ctx && X509_STORE_set_default_paths(store) == 1 &&
		     X509_STORE_CTX_init(ctx, store, last, NULL) == 1 &&
		     X509_STORE_CTX_get1_issuer(&issuer, ctx, last) == 1;

	X509_free(issuer);
	X509_STORE_CTX_free(ctx);
	X509_STORE_free(store);
	ERR_clear_error();
	return found;
}

static void
check_chain(const struct check *c)
{
	int n = sk_X509_num(c->chain);
	X509 *last = sk_X509_value(c->chain, n - 1);
	struct buf issuer = BUF_INIT;

	if (is_self_signed(c->leaf)) {
		say(c, "is self-signed, which no device trusts: get one from a public authority, "
		       "or make an own root and a certificate from it with cordon-ssc tls NAME");
		return;
	}
	if (is_self_signed(last) || (c->root && cert_issued_by(last, c->root)) || is_rooted(last))
		return;
	cert_issuer(last, &issuer);
	if (n == 1)
		say(c,
			"comes without its chain: add the certificate of its issuer, %s, to the "
			"file (authorities call it fullchain) or put it beside",
			buf_str(&issuer));
	else
		say(c,
			"has an incomplete chain: it ends where %s should follow, which is not one "
			"of this system's roots either; add that certificate to the file",
			buf_str(&issuer));
	buf_free(&issuer);
}

void
tlscheck_chain(STACK_OF(X509) * chain, X509 *root, const char *host,
	void (*report)(void *arg, const char *text), void *arg)
{
	struct check c = { chain, sk_X509_value(chain, 0), root, host, report, arg };

	ERR_clear_error();
	check_name(&c);
	check_validity(&c);
	check_usage(&c);
	check_issuers(&c);
	check_chain(&c);
	if (is_pss(&c))
		say(&c, "is signed with RSASSA-PSS, which gives trouble on Apple's systems: get "
			"one with an ordinary RSA or EC signature");
	ERR_clear_error();
}
