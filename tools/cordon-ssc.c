/* cordon-ssc.c - makes and shows the self-signed certificate (SSC) that issues device identities */
#include "cordon-ssc.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "ask.h"
#include "base/clock.h"
#include "base/seal.h"
#include "pki/ca.h"
#include "pki/cert.h"
#include "pki/key.h"
#include "show.h"
#include "site.h"

#define BITS 3072
#define YEARS 10
#define YEAR INT64_C(31556952)

static int
refuse_existing(const struct site *s, const char *name)
{
	return tool_fail(EX_CANTCREAT,
		"%s/%s: exists, and is not overwritten. Devices trust the SSC that they enrolled "
		"with; replacing it (--replace, in a later version) is a rollover, in which the "
		"new "
		"one issues identities and the old one stays beside it (ssc-old-*.crt and .key) "
		"until every device has renewed. cordon-ssc show tells what is there",
		s->certs, name);
}

/* The name that users will see: from flags, the configuration, or a person at the terminal. */
static int
complete_subject(struct subject *subject)
{
	const char *fault = subject_fault(subject);

	if (fault)
		return tool_fail(EX_DATAERR, "%s", fault);
	if (subject->common_name)
		return EX_OK;
	if (!ask_possible())
		return tool_fail(EX_USAGE,
			"the SSC needs a common name, which users see as the name of the MDM "
			"profile: give --common-name TEXT, or set subject.common-name in the "
			"configuration");
	if (ask_subject(subject, "Common name (users see it as the name of the MDM profile)",
		    false) < 0)
		return tool_fail(EX_USAGE, "no common name was given");
	return EX_OK;
}

/* Secrets in the state directory are sealed with it: never replaced, and of use at once. */
static int
make_store_key(const struct site *s)
{
	struct buf content = BUF_INIT;
	int r;

	if (site_has(s, "store.key"))
		return EX_OK;
	seal_key_format_new(&content);
	r = site_write(s, "store.key", buf_bytes(&content), SITE_KEY, false);
	buf_wipe(&content);
	if (r == EX_OK)
		printf("made %s/store.key, which seals secrets in the state directory: back it up "
		       "apart from it\n",
			s->certs);
	return r;
}

static int
write_ssc(const struct site *s, EVP_PKEY *key, X509 *ssc)
{
	struct buf key_pem = BUF_INIT, cert_pem = BUF_INIT;
	int r = EX_SOFTWARE;

	if (key_to_pem(key, &key_pem) == 0 && cert_to_pem(ssc, &cert_pem) == 0)
		r = site_write(s, "ssc.key", buf_bytes(&key_pem), SITE_KEY, false);
	if (r == EX_OK) {
		r = site_write(s, "ssc.crt", buf_bytes(&cert_pem), SITE_CERTIFICATE, false);
		if (r != EX_OK)
			site_remove(s, "ssc.key");
	}
	buf_wipe(&key_pem);
	buf_free(&cert_pem);
	return r;
}

static int
make_ssc(const struct site *s, const struct tool_options *o, const struct subject *subject)
{
	int64_t lifetime = (o->years ? o->years : YEARS) * YEAR, now = clock_wall();
	EVP_PKEY *key = key_new_rsa(o->bits ? o->bits : BITS);
	X509 *ssc = key ? ca_new_ssc(key, subject, now, lifetime) : NULL;
	char why[256], date[24];
	int r;

	if (!ssc)
		r = tool_fail(
			EX_SOFTWARE, "the SSC could not be made: %s", pki_error(why, sizeof(why)));
	else
		r = write_ssc(s, key, ssc);
	if (r == EX_OK)
		printf("made %s/ssc.crt and ssc.key: \"%s\", valid until %s\n", s->certs,
			subject->common_name, clock_date(cert_not_after(ssc), date, sizeof(date)));
	X509_free(ssc);
	EVP_PKEY_free(key);
	return r;
}

static int
new_in_site(const struct site *s, const struct tool_options *o)
{
	struct subject subject = { 0 };
	int r = EX_OK;

	if (site_has(s, "ssc.crt"))
		return refuse_existing(s, "ssc.crt");
	if (site_has(s, "ssc.key"))
		return refuse_existing(s, "ssc.key");
	site_subject(s, o, &subject);
	r = complete_subject(&subject);
	if (r == EX_OK)
		r = make_store_key(s);
	if (r == EX_OK)
		r = make_ssc(s, o, &subject);
	if (r == EX_OK)
		printf("next: a TLS certificate for the server (cordon-ssc tls NAME, or a public "
		       "one "
		       "as server.crt and server.key), then cordon-csr new\n");
	subject_free(&subject);
	return r;
}

static int
ssc_new(const struct tool_options *o)
{
	struct site site;
	int r = site_open(&site, o);

	if (r != EX_OK)
		return r;
	r = new_in_site(&site, o);
	if (r == EX_OK)
		site_warn_group(&site);
	site_close(&site);
	return r;
}

static void
show_tls(struct fields *f, const struct certdir *d, int64_t now)
{
	if (d->tls.chain)
		show_pair(f, "tls", "TLS certificate of the server", "Expires", &d->tls, now);
	else
		fields_null(f, "tls");
	fields_bool(f, "tls_root", d->tls_root ? "TLS root" : NULL, d->tls_root != NULL,
		"tls-ca.crt, which enrollment profiles carry");
}

static int
ssc_show(const struct tool_options *o)
{
	struct fields f = { .json = o->json };
	int64_t now = clock_wall();
	struct certdir *d;
	struct site site;
	int r = site_open(&site, o);

	if (r != EX_OK)
		return r;
	d = site_scan(&site, true);
	fields_open(&f, NULL, '{', NULL);
	fields_text(&f, "directory", NULL, site.certs);
	if (d->ssc.chain)
		show_pair(&f, "ssc", "Self-signed certificate for Apple MDM (SSC)", "Expires",
			&d->ssc, now);
	else
		fields_null(&f, "ssc");
	fields_open(&f, "ssc_old", '[', NULL);
	for (size_t i = 0; i < d->ssc_old_count; i++)
		show_pair(&f, NULL, "Earlier SSC", "Expires", &d->ssc_old[i], now);
	fields_close(&f, ']');
	show_tls(&f, d, now);
	show_remarks(&f, d);
	fields_close(&f, '}');
	fields_print(&f);
	if (!d->ssc.chain)
		r = tool_fail(EX_NOINPUT,
			"%s: there is no usable SSC: make one with cordon-ssc new", site.certs);
	certdir_unref(d);
	site_close(&site);
	return r;
}

static int
new_applies(const struct certdir *d)
{
	return d->ssc.chain ? -1 : 1;
}

static int
tls_applies(const struct certdir *d)
{
	return d->ssc.chain && !d->tls.chain ? 1 : 0;
}

static int
show_applies(const struct certdir *d)
{
	return d->ssc.chain && d->tls.chain ? 1 : 0;
}

static const struct tool_verb verbs[] = {
	{ "new", NULL, "make the SSC, which devices know this MDM server by, and store.key",
		TOOL_SUBJECT | TOOL_BITS | TOOL_YEARS | TOOL_OWNER, ssc_new, new_applies },
	{ "show", NULL, "show the SSC and the TLS certificate, and what is wrong with the files",
		TOOL_JSON, ssc_show, show_applies },
	{ "tls", "NAME",
		"make or renew server.crt for a host name or address, from a TLS root of its own",
		TOOL_OWNER | TOOL_REPLACE, ssc_tls, tls_applies },
};

static const struct tool tool = { "cordon-ssc",
	"Makes and shows the self-signed certificate for Apple MDM (SSC), the CA of device "
	"identities.",
	verbs, sizeof(verbs) / sizeof(verbs[0]) };

int
main(int argc, char **argv)
{
	return tool_main(&tool, argc, argv);
}
