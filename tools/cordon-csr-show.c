/* cordon-csr-show.c - push certificates and the CSR that waits, field by field */
#include <stdlib.h>

#include "base/clock.h"
#include "base/file.h"
#include "cordon-csr.h"
#include "pki/csr.h"
#include "pki/key.h"
#include "show.h"

static X509_REQ *
read_request(const struct site *s, const char *name)
{
	char *path = site_path(s, name);
	struct buf content = BUF_INIT;
	X509_REQ *csr = NULL;

	if (file_read(path, CSR_FILE_MAX, &content, NULL) == 0)
		csr = csr_parse(buf_bytes(&content));
	buf_free(&content);
	free(path);
	return csr;
}

static void
show_request(struct fields *f, X509_REQ *csr)
{
	struct buf subject = BUF_INIT;
	char kind[64];

	csr_subject(csr, &subject);
	fields_text(f, "subject", "Subject", buf_str(&subject));
	fields_text(f, "key", "Key", key_describe(X509_REQ_get0_pubkey(csr), kind, sizeof(kind)));
	buf_free(&subject);
}

static void
show_waiting(struct fields *f, const struct site *s, const struct csr_situation *c)
{
	static const struct {
		const char *key, *words;
	} progress[] = {
		[CSR_UNSIGNED] = { "unsigned", "by no vendor yet" },
		[CSR_REQUESTED] = { "requested", "asked of mdmcert.download" },
		[CSR_READY] = { "signed", "yes, " CSR_SIGNED " is ready for " CSR_PORTAL },
	};
	char iso[24], date[24];
	X509_REQ *csr;

	if (!c->dir->has_csr) {
		fields_null(f, "waiting_csr");
		return;
	}
	csr = read_request(s, c->dir->csr_file);
	fields_open(f, "waiting_csr", '{', "CSR that waits for its certificate");
	fields_text(f, "file", "File", c->dir->csr_file);
	fields_text(f, "since", NULL, clock_iso(c->dir->csr_since, iso, sizeof(iso)));
	if (!f->json)
		fields_text(f, NULL, "Since", clock_date(c->dir->csr_since, date, sizeof(date)));
	if (csr)
		show_request(f, csr);
	fields_text(f, "vendor_signature", NULL, progress[c->progress].key);
	if (!f->json)
		fields_text(f, NULL, "Signed", progress[c->progress].words);
	fields_close(f, '}');
	X509_REQ_free(csr);
}

static const char *
state_key(enum csr_state state)
{
	static const char *const keys[] = {
		[CSR_NONE] = "none",
		[CSR_KEY_MISSING] = "key missing",
		[CSR_INSTALLED] = "installed",
		[CSR_EXPIRING] = "expiring",
		[CSR_EXPIRED] = "expired",
		[CSR_FUTURE] = "not valid yet",
	};

	return keys[state];
}

static void
show_all(struct fields *f, const struct site *s, const struct csr_situation *c)
{
	const struct certdir *d = c->strict;

	fields_open(f, NULL, '{', NULL);
	fields_text(f, "directory", NULL, s->certs);
	fields_text(f, "situation", NULL, state_key(c->state));
	fields_open(f, "push", '[', NULL);
	for (size_t i = 0; i < d->push_count; i++)
		show_pair(f, NULL, "Push certificate", "Renew by", &d->push[i], c->now);
	if (d->push_count == 0 && c->orphan.chain)
		show_pair(f, NULL, "Push certificate", "Renew by", &c->orphan, c->now);
	fields_close(f, ']');
	if (c->apple_account)
		fields_text(f, "apple_account", "Apple account", c->apple_account);
	if (c->state != CSR_NONE)
		fields_text(f, "portal", "Portal", CSR_PORTAL);
	show_waiting(f, s, c);
	show_remarks(f, d);
	fields_close(f, '}');
}

int
csr_verb_show(const struct tool_options *o)
{
	struct fields f = { .json = o->json };
	struct csr_situation c;
	struct site site;
	int r = site_open(&site, o);

	if (r != EX_OK)
		return r;
	csr_situation_read(&c, &site);
	show_all(&f, &site, &c);
	fields_print(&f);
	if (c.strict->push_count == 0 && !c.dir->has_csr)
		r = tool_fail(EX_NOINPUT, "%s: there is no usable push certificate and no CSR: %s",
			site.certs,
			c.state == CSR_NONE ? "begin with cordon-csr new" : "see above");
	csr_situation_fini(&c);
	site_close(&site);
	return r;
}
