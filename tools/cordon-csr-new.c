/* cordon-csr-new.c - a key and the CSR for it: the first, the renewal, and the new beginning */
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "consent.h"
#include "cordon-csr.h"
#include "pki/csr.h"
#include "pki/key.h"

#define BITS 2048 /* what Apple's portal takes (facts/protocol.md E.2) */

/* One run: what is there, and what is being made. */
struct making {
	const struct site *site;
	const struct tool_options *options;
	struct csr_situation now;
	struct csr_vendor vendor;
	bool sign; /* `vendor` is there and well */
	EVP_PKEY *key;
	X509_REQ *csr;
	char key_name[32], csr_name[32];
};

static int
refuse_certificate(const struct csr_situation *c)
{
	const struct certpair *p = c->push ? c->push : &c->orphan;
	char date[24];

	return tool_fail(EX_CANTCREAT,
		"%s/%s: a push certificate is here (topic %s, renew by %s). Another one would "
		"have another topic, and every device would have to enroll again: %s. To begin "
		"anew all the same: cordon-csr new --replace",
		c->dir->directory, p->cert_file, p->topic,
		clock_date(p->not_after, date, sizeof(date)),
		c->push ? "renew this one, with cordon-csr renew"
			: "its private key is missing: put it back, or renew the certificate with "
			  "a new key, with cordon-csr renew");
}

static int
refuse_waiting(const struct csr_situation *c)
{
	char date[24];

	return tool_fail(EX_CANTCREAT,
		"%s/%s: a CSR of %s waits for its certificate already: put the certificate into "
		"the directory, or make another CSR with --again",
		c->dir->directory, c->dir->csr_file,
		clock_date(c->dir->csr_since, date, sizeof(date)));
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

/* The name in the CSR of the certificate in use: whoever renews need not think of one again. */
static char *
earlier_name(const struct making *m)
{
	struct buf content = BUF_INIT;
	X509_REQ *csr = NULL;
	char name[257] = "", short_name[9], *file = NULL, *path = NULL;

	if (m->now.push && key_short_name(m->now.push->key, short_name) == 0)
		file = xasprintf("push-%s.csr", short_name);
	else if (m->now.missing_key)
		file = xasprintf("%.*s.csr", (int)strlen("push-XXXXXXXX"), m->now.missing_key);
	if (file)
		path = site_path(m->site, file);
	if (path && file_read(path, CSR_FILE_MAX, &content, NULL) == 0)
		csr = csr_parse(buf_bytes(&content));
	if (csr)
		X509_NAME_get_text_by_NID(
			X509_REQ_get_subject_name(csr), NID_commonName, name, sizeof(name));
	ERR_clear_error();
	X509_REQ_free(csr);
	buf_free(&content);
	free(file);
	free(path);
	return name[0] ? xstrdup(name) : NULL;
}

static int
make_request(struct making *m)
{
	struct subject subject = { 0 };
	char name[9], why[256];
	int r;

	site_subject(m->site, m->options, &subject);
	if (!subject.common_name)
		subject.common_name = earlier_name(m);
	r = complete_subject(&subject);
	if (r != EX_OK)
		goto out;
	m->key = key_new_rsa(m->options->bits ? m->options->bits : BITS);
	m->csr = m->key ? csr_new(m->key, &subject) : NULL;
	if (!m->csr || key_short_name(m->key, name) < 0) {
		r = tool_fail(
			EX_SOFTWARE, "the CSR could not be made: %s", pki_error(why, sizeof(why)));
		goto out;
	}
	snprintf(m->key_name, sizeof(m->key_name), "push-%s.key", name);
	snprintf(m->csr_name, sizeof(m->csr_name), "push-%s.csr", name);
out:
	subject_free(&subject);
	return r;
}

static int
write_request(const struct making *m)
{
	struct buf key_pem = BUF_INIT, csr_pem = BUF_INIT, ready = BUF_INIT;
	struct site_file files[3];
	int r = EX_SOFTWARE;

	if (key_to_pem(m->key, &key_pem) == 0 && csr_to_pem(m->csr, &csr_pem) == 0 &&
		(!m->sign || csr_vendor_sign(&m->vendor, m->csr, &ready) == 0)) {
		files[0] = (struct site_file){ m->key_name, buf_bytes(&key_pem), SITE_KEY, false };
		files[1] = (struct site_file){ m->csr_name, buf_bytes(&csr_pem), SITE_CERTIFICATE,
			false };
		files[2] =
			(struct site_file){ CSR_SIGNED, buf_bytes(&ready), SITE_CERTIFICATE, true };
		r = site_write(m->site, files, m->sign ? 3 : 2);
	} else {
		tool_fail(r, "the CSR could not be written out");
	}
	/* That of an earlier CSR would be taken for this one's; --replace removes all itself. */
	if (r == EX_OK && !m->sign && !m->options->replace && site_has(m->site, CSR_SIGNED)) {
		r = site_remove(m->site, CSR_SIGNED);
		if (r == EX_OK)
			printf("removed %s/" CSR_SIGNED ", which was of an earlier CSR\n",
				m->site->certs);
	}
	buf_wipe(&key_pem);
	buf_free(&csr_pem);
	buf_free(&ready);
	return r;
}

static void
say_what_next(const struct making *m)
{
	printf("made %s/%s and %s\n", m->site->certs, m->csr_name, m->key_name);
	if (m->now.push)
		printf("The certificate in use and its key go on working until the renewed one is "
		       "here. Then both work,\nand %s and %s can be removed.\n",
			m->now.push->cert_file, m->now.push->key_file);
	if (m->sign) {
		printf("made %s/" CSR_SIGNED ", signed with vendor.crt\n\n", m->site->certs);
		csr_print_portal(&m->now, true);
	} else {
		printf("\n");
		csr_print_three_ways();
		printf("\nWhat comes back is for " CSR_PORTAL ";\ncordon-csr alone says what is "
		       "next at any time.\n\n");
		/* In a renewal the row in the portal is what people get wrong. */
		if (m->now.state != CSR_NONE)
			csr_print_portal(&m->now, false);
	}
	csr_print_legal();
}

/* A vendor certificate that cannot be used is no reason to make no CSR. */
static void
look_for_vendor(struct making *m)
{
	if (!site_has(m->site, "vendor.crt") && !site_has(m->site, "vendor.key"))
		return;
	m->sign = csr_vendor_load(m->site, &m->vendor) == EX_OK;
	if (!m->sign)
		tool_warn("the CSR is made without the vendor's signature; once that is mended, "
			  "cordon-csr sign adds it");
}

static int
make(struct making *m)
{
	int r;

	look_for_vendor(m);
	r = make_request(m);
	if (r == EX_OK)
		r = write_request(m);
	return r;
}

/*
 * What is there goes only when the new pair is safely written: a disk that is full, or a key that
 * cannot be made, must leave the server as it was.
 */
static int
replace(struct making *m)
{
	int r = EX_OK;

	if (m->now.file_count)
		r = consent_get(m->site, m->options,
			"new --replace deletes the push certificate, its CSR and its private key. "
			"The new certificate will\nhave another topic, which no enrolled device "
			"can "
			"be called under: all devices must then re-enroll.\nTo go on with the "
			"devices there are, answer no and use cordon-csr renew.");
	if (r == EX_OK)
		r = make(m);
	if (r == EX_OK)
		r = csr_remove_files(m->site, &m->now, m->sign ? CSR_SIGNED : NULL);
	return r;
}

static int
begin(struct making *m)
{
	const struct csr_situation *c = &m->now;
	int r;

	if (m->options->replace) {
		r = replace(m);
		if (r == EX_OK) {
			/* The row in the portal is no longer of interest. */
			csr_situation_fini(&m->now);
			csr_situation_read(&m->now, m->site);
		}
		return r;
	}
	if (c->state != CSR_NONE)
		return refuse_certificate(c);
	if (c->dir->has_csr && !m->options->again)
		return refuse_waiting(c);
	return make(m);
}

/* A key may change at renewal, so a lost one is no reason to begin anew. */
static int
renew(struct making *m)
{
	const struct csr_situation *c = &m->now;

	if (c->state == CSR_NONE)
		return tool_fail(EX_NOINPUT,
			"%s: there is no push certificate to renew: begin with cordon-csr new",
			c->dir->directory);
	if (c->dir->has_csr && !m->options->again)
		return refuse_waiting(c);
	return make(m);
}

static int
run(const struct tool_options *o, int (*verb)(struct making *))
{
	struct making m = { .options = o };
	struct site site;
	int r = site_open(&site, o);

	if (r != EX_OK)
		return r;
	m.site = &site;
	csr_situation_read(&m.now, &site);
	r = verb(&m);
	if (r == EX_OK) {
		say_what_next(&m);
		site_warn_group(&site);
	}
	csr_situation_fini(&m.now);
	csr_vendor_fini(&m.vendor);
	X509_REQ_free(m.csr);
	EVP_PKEY_free(m.key);
	site_close(&site);
	return r;
}

int
csr_verb_new(const struct tool_options *o)
{
	if (o->yes && !o->replace)
		return tool_fail(EX_USAGE, "--yes goes with new --replace only");
	return run(o, begin);
}

int
csr_verb_renew(const struct tool_options *o)
{
	return run(o, renew);
}
