/* cordon-csr.c - makes the signing request for the push certificate, and shows both */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "base/clock.h"
#include "base/mem.h"
#include "ctl/table.h"
#include "pki/csr.h"
#include "pki/key.h"
#include "show.h"
#include "site.h"
#include "tool.h"

#define BITS 2048 /* what Apple's portal takes (facts/protocol.md E.2) */

static int
refuse_certificate(const struct certdir *d)
{
	const struct certpair *p = &d->push[0];
	char date[24];

	return tool_fail(EX_CANTCREAT,
		"%s/%s: a push certificate is here (topic %s, renew by %s). Another CSR would "
		"bring "
		"another topic, and every device would have to enroll again: renew this one at "
		"identity.apple.com/pushcert with the same Apple account instead",
		d->directory, p->cert_file, p->topic, clock_date(p->not_after, date, sizeof(date)));
}

static int
refuse_waiting(const struct certdir *d)
{
	char date[24];

	return tool_fail(EX_CANTCREAT,
		"%s/%s: a CSR of %s waits for its certificate already: put the certificate into "
		"the "
		"directory, or make another CSR with --again",
		d->directory, d->csr_file, clock_date(d->csr_since, date, sizeof(date)));
}

static int
complete_subject(struct subject *subject)
{
	const char *fault = subject_fault(subject);

	if (fault)
		return tool_fail(EX_DATAERR, "%s", fault);
	if (!subject->common_name && !ask_possible())
		return tool_fail(EX_USAGE,
			"the CSR needs a common name: give --common-name TEXT, or set "
			"subject.common-name in the configuration");
	if (!subject->common_name &&
		ask_subject(subject, "Common name (a name for this server)", true) < 0)
		return tool_fail(EX_USAGE, "no common name was given");
	return EX_OK;
}

static int
write_request(const struct site *s, EVP_PKEY *key, X509_REQ *csr, const char *key_name,
	const char *csr_name)
{
	struct buf key_pem = BUF_INIT, csr_pem = BUF_INIT;
	int r = EX_SOFTWARE;

	if (key_to_pem(key, &key_pem) == 0 && csr_to_pem(csr, &csr_pem) == 0)
		r = site_write(s, key_name, buf_bytes(&key_pem), SITE_KEY, false);
	if (r == EX_OK) {
		r = site_write(s, csr_name, buf_bytes(&csr_pem), SITE_CERTIFICATE, false);
		if (r != EX_OK)
			site_remove(s, key_name);
	}
	buf_wipe(&key_pem);
	buf_free(&csr_pem);
	return r;
}

static void
say_what_next(const struct site *s, const char *key_name, const char *csr_name)
{
	printf("made %s/%s and %s\n\n"
	       "%sThis CSR is not ready for Apple's portal yet%s, which takes only requests that "
	       "an "
	       "MDM vendor\nhas signed. Three ways on:\n"
	       "  1. an MDM vendor certificate of your own, from Apple's developer programme\n"
	       "  2. mdmcert.download, a free signing service for organisations\n"
	       "  3. a vendor who signs it for you\n"
	       "Give away the .csr only; the .key stays here. What comes back goes to "
	       "https://identity.apple.com/pushcert,\nand the certificate from there, under any "
	       "name, into %s.\n\n"
	       "One push certificate belongs to one organisation and one server: do not use it on "
	       "a "
	       "second one, and\ndo not pass it on. Note the Apple account: only it can renew the "
	       "certificate, which is due every year.\n",
		s->certs, csr_name, key_name, terminal_bold(), terminal_plain(), s->certs);
}

static int
make_request(const struct site *s, const struct tool_options *o, const struct subject *subject)
{
	EVP_PKEY *key = key_new_rsa(o->bits ? o->bits : BITS);
	X509_REQ *csr = key ? csr_new(key, subject) : NULL;
	char name[9], key_name[32], csr_name[32], why[256];
	int r;

	if (!csr || key_short_name(key, name) < 0) {
		r = tool_fail(
			EX_SOFTWARE, "the CSR could not be made: %s", pki_error(why, sizeof(why)));
	} else {
		snprintf(key_name, sizeof(key_name), "push-%s.key", name);
		snprintf(csr_name, sizeof(csr_name), "push-%s.csr", name);
		r = write_request(s, key, csr, key_name, csr_name);
		if (r == EX_OK)
			say_what_next(s, key_name, csr_name);
	}
	X509_REQ_free(csr);
	EVP_PKEY_free(key);
	return r;
}

static int
new_in_site(const struct site *s, const struct tool_options *o)
{
	/* A certificate whose key is only badly kept is there all the same. */
	struct certdir *d = site_scan(s, false);
	struct subject subject = { 0 };
	int r = EX_OK;

	if (d->push_count)
		r = refuse_certificate(d);
	else if (d->has_csr && !o->again)
		r = refuse_waiting(d);
	certdir_unref(d);
	if (r != EX_OK)
		return r;
	site_subject(s, o, &subject);
	r = complete_subject(&subject);
	if (r == EX_OK)
		r = make_request(s, o, &subject);
	subject_free(&subject);
	return r;
}

static int
verb_new(const struct tool_options *o)
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
show_waiting(struct fields *f, const struct certdir *d)
{
	char iso[24], date[24];

	if (!d->has_csr) {
		fields_null(f, "waiting_csr");
		return;
	}
	fields_open(f, "waiting_csr", '{', "CSR that waits for its certificate");
	fields_text(f, "file", "File", d->csr_file);
	fields_text(f, "since", NULL, clock_iso(d->csr_since, iso, sizeof(iso)));
	if (!f->json)
		fields_text(f, NULL, "Since", clock_date(d->csr_since, date, sizeof(date)));
	fields_close(f, '}');
}

static int
verb_show(const struct tool_options *o)
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
	fields_open(&f, "push", '[', NULL);
	for (size_t i = 0; i < d->push_count; i++)
		show_pair(&f, NULL, "Push certificate", "Renew by", &d->push[i], now);
	fields_close(&f, ']');
	if (site.conf && site.conf->push.apple_account)
		fields_text(&f, "apple_account", "Apple account", site.conf->push.apple_account);
	show_waiting(&f, d);
	show_remarks(&f, d);
	fields_close(&f, '}');
	fields_print(&f);
	if (d->push_count == 0 && !d->has_csr)
		r = tool_fail(EX_NOINPUT,
			"%s: there is no usable push certificate and no CSR: begin with cordon-csr "
			"new",
			site.certs);
	certdir_unref(d);
	site_close(&site);
	return r;
}

static int
new_applies(const struct certdir *d)
{
	return d->push_count ? -1 : d->has_csr ? 0 : 1;
}

static int
show_applies(const struct certdir *d)
{
	return d->push_count || d->has_csr ? 1 : 0;
}

static const struct tool_verb verbs[] = {
	{ "new", NULL, "make a private key and the CSR for a push certificate",
		TOOL_SUBJECT | TOOL_BITS | TOOL_OWNER | TOOL_AGAIN, verb_new, new_applies },
	{ "show", NULL,
		"show push certificates and a waiting CSR, and what is wrong with the files",
		TOOL_JSON, verb_show, show_applies },
};

static const struct tool tool = { "cordon-csr",
	"Makes the signing request (CSR) for Apple's push certificate, and shows what is there.",
	verbs, sizeof(verbs) / sizeof(verbs[0]) };

int
main(int argc, char **argv)
{
	return tool_main(&tool, argc, argv);
}
