/* Tests of daemon/pki/tlscheck: one certificate for each rule, broken alone, and the chain that is
 * completed from beside */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "pki/cert.h"
#include "pki/certdir.h"
#include "pki/tlscheck.h"
#include "pki_help.h"

/* What the openssl program is told of the leaf; the standard one breaks no rule. */
struct rule {
	const char *name;
	const char *extensions; /* NULL: the standard ones */
	const char *digest, *days;
	bool self_signed, without_chain, old_issuer;
	const char *host;
	const char *words; /* NULL: nothing is said */
};

#define NAMES "subjectAltName=DNS:mdm.example.org\\n"
#define SERVER "extendedKeyUsage=serverAuth\\n"

static const struct rule rules[] = {
	{ "a good one", NULL, "sha256", "800", .host = "mdm.example.org" },
	{ "a good one, no name to compare", NULL, "sha256", "800", .host = NULL },
	{ "by wildcard", "subjectAltName=DNS:*.example.org\\n" SERVER, "sha256", "800",
		.host = "mdm.example.org" },
	{ "without SAN", SERVER, "sha256", "800", .host = "mdm.example.org",
		.words = "has no subject alternative name" },
	{ "another name", NULL, "sha256", "800", .host = "mdm.example.com",
		.words = "is not for server-name mdm.example.com" },
	{ "valid too long", NULL, "sha256", "826", .host = "mdm.example.org",
		.words = "is valid for 826 days" },
	{ "valid as long as may be", NULL, "sha256", "825", .host = "mdm.example.org" },
	{ "no extended key usage", NAMES, "sha256", "800", .host = "mdm.example.org",
		.words = "extended key usage serverAuth" },
	{ "for clients", NAMES "extendedKeyUsage=clientAuth\\n", "sha256", "800",
		.host = "mdm.example.org", .words = "extended key usage serverAuth" },
	{ "self-signed", NULL, "sha256", "800", .self_signed = true, .host = "mdm.example.org",
		.words = "is self-signed" },
	{ "without its chain", NULL, "sha256", "800", .without_chain = true,
		.host = "mdm.example.org", .words = "comes without its chain" },
	{ "issuer signed with SHA-1", NULL, "sha256", "800", .old_issuer = true,
		.host = "mdm.example.org", .words = "which is signed with SHA-1" },
};

/* A root, an intermediate signed with SHA-256 and one of the same key with SHA-1. */
static int
start(void **state)
{
	(void)state;
	help_start();
	help_run(0, "openssl req -x509 -newkey rsa:2048 -nodes -keyout root.key -out root.pem "
		    "-days 3650 -subj '/CN=Root of the test' 2>/dev/null");
	help_run(0, "openssl req -newkey rsa:2048 -nodes -keyout middle.key -out middle.csr -subj "
		    "'/CN=Middle of the test' 2>/dev/null");
	help_run(0, "printf 'basicConstraints=critical,CA:TRUE\\n' >ca.ext");
	help_run(0, "openssl x509 -req -in middle.csr -CA root.pem -CAkey root.key -set_serial 2 "
		    "-days 3000 -sha256 -extfile ca.ext -out middle.pem 2>/dev/null");
	help_run(0, "openssl x509 -req -in middle.csr -CA root.pem -CAkey root.key -set_serial 3 "
		    "-days 3000 -sha1 -extfile ca.ext -out middle-old.pem 2>/dev/null");
	help_run(0, "openssl req -newkey rsa:2048 -nodes -keyout leaf.key -out leaf.csr -subj "
		    "'/CN=mdm.example.org' 2>/dev/null");
	return 0;
}

static int
stop(void **state)
{
	(void)state;
	help_done();
	return 0;
}

static STACK_OF(X509) * read_chain(const char *name)
{
	struct buf text = BUF_INIT;
	STACK_OF(X509) * chain;

	help_read(name, &text);
	chain = cert_parse(buf_bytes(&text), NULL);
	buf_free(&text);
	assert_non_null(chain);
	return chain;
}

static void
make_chain(const struct rule *r)
{
	help_run(0, "printf '%s' >leaf.ext", r->extensions ? r->extensions : NAMES SERVER);
	if (r->self_signed)
		help_run(0,
			"openssl x509 -req -in leaf.csr -key leaf.key -days %s -%s "
			"-extfile leaf.ext -out leaf.pem 2>/dev/null",
			r->days, r->digest);
	else
		help_run(0,
			"openssl x509 -req -in leaf.csr -CA middle.pem -CAkey middle.key "
			"-set_serial 7 -days %s -%s -extfile leaf.ext -out leaf.pem 2>/dev/null",
			r->days, r->digest);
	help_run(0, "cat leaf.pem %s >chain.pem",
		r->self_signed || r->without_chain ? ""
		: r->old_issuer			   ? "middle-old.pem root.pem"
						   : "middle.pem root.pem");
}

static void
note(void *arg, const char *text)
{
	struct buf *said = arg;

	buf_printf(said, "%s\n", text);
}

static size_t
lines_of(struct buf *b)
{
	size_t n = 0;

	for (const char *p = buf_str(b); *p; p++)
		n += *p == '\n';
	return n;
}

static void
each_rule(void **state)
{
	const struct rule *r = *state;
	struct buf said = BUF_INIT;
	STACK_OF(X509) * chain;

	make_chain(r);
	chain = read_chain("chain.pem");
	tlscheck_chain(chain, NULL, r->host, note, &said);
	if (r->words && !strstr(buf_str(&said), r->words))
		fail_msg("said: %s", buf_str(&said));
	if (lines_of(&said) != (r->words ? 1 : 0))
		fail_msg("said: %s", buf_str(&said));
	sk_X509_pop_free(chain, X509_free);
	buf_free(&said);
}

/* The root that the profile carries makes a chain whole; a stranger's does not. */
static void
own_root(void **state)
{
	STACK_OF(X509) * chain, *root, *other;
	struct buf said = BUF_INIT;

	(void)state;
	make_chain(&rules[0]);
	help_run(0, "cat leaf.pem middle.pem >chain.pem");
	chain = read_chain("chain.pem");
	root = read_chain("root.pem");
	other = read_chain("leaf.pem");
	tlscheck_chain(chain, sk_X509_value(root, 0), "mdm.example.org", note, &said);
	assert_string_equal(buf_str(&said), "");
	tlscheck_chain(chain, sk_X509_value(other, 0), "mdm.example.org", note, &said);
	assert_non_null(strstr(buf_str(&said), "has an incomplete chain: it ends where CN=Root"));
	sk_X509_pop_free(chain, X509_free);
	sk_X509_pop_free(root, X509_free);
	sk_X509_pop_free(other, X509_free);
	buf_free(&said);
}

static const struct certdir_remark *
remark_with(const struct certdir *d, const char *words)
{
	for (size_t i = 0; i < d->remark_count; i++)
		if (strstr(d->remarks[i].text, words))
			return &d->remarks[i];
	return NULL;
}

/* The intermediate lies beside: it is sent, and nothing is missed. */
static void
completed(void **state)
{
	struct certdir_options o = { .now = help_today(), .server_host = "mdm.example.org" };
	struct certdir *d;
	char certs[512], cert[512], key[512];

	(void)state;
	make_chain(&rules[10]); /* without its chain */
	help_run(0, "rm -rf certs && mkdir certs && cp leaf.pem certs/server.crt && cp leaf.key "
		    "certs/server.key && cp root.pem certs/tls-ca.crt");
	snprintf(certs, sizeof(certs), "%s", help_path("certs"));
	snprintf(cert, sizeof(cert), "%s", help_path("certs/server.crt"));
	snprintf(key, sizeof(key), "%s", help_path("certs/server.key"));
	o.directory = certs;
	o.tls_certificate = cert;
	o.tls_key = key;
	d = certdir_scan(&o, NULL);
	assert_non_null(remark_with(d, "comes without its chain"));
	certdir_unref(d);
	help_run(0, "cp middle.pem certs/intermediate.pem");
	d = certdir_scan(&o, NULL);
	assert_null(remark_with(d, "comes without its chain"));
	assert_int_equal(sk_X509_num(d->tls.chain), 2);
	assert_non_null(d->tls_root);
	assert_string_equal(
		remark_with(d, "completes the chain of server.crt")->file, "intermediate.pem");
	assert_null(remark_with(d, "can be removed"));
	certdir_unref(d);
}

int
main(void)
{
	struct CMUnitTest tests[sizeof(rules) / sizeof(rules[0]) + 2];
	size_t n = 0;

	for (size_t i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		tests[n++] = (struct CMUnitTest){ rules[i].name, each_rule, NULL, NULL,
			(void *)(uintptr_t)&rules[i] };
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(own_root);
	tests[n++] = (struct CMUnitTest)cmocka_unit_test(completed);
	return _cmocka_run_group_tests("tlscheck", tests, n, start, stop);
}
