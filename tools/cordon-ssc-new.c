/* cordon-ssc-new.c - the SSC: the first, its successor, and the one after a theft */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ask.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/seal.h"
#include "consent.h"
#include "cordon-ssc.h"
#include "pki/ca.h"
#include "pki/cert.h"
#include "pki/key.h"

#define BITS 3072
#define YEARS 10
#define YEAR INT64_C(31556952)

/* One run. */
struct making {
	const struct site *site;
	const struct tool_options *options;
	struct ssc_situation now;
	struct subject subject;
	EVP_PKEY *key;
	X509 *ssc;
};

static int
refuse_existing(const struct site *s, const char *name)
{
	return tool_fail(EX_CANTCREAT,
		"%s/%s: exists, and is not overwritten. Devices trust the SSC that they enrolled "
		"with; cordon-ssc new --replace is a rollover, in which a new one issues "
		"identities and the old one stays beside it (ssc-old-*.crt and .key) until every "
		"device has renewed. cordon-ssc show tells what is there",
		s->certs, name);
}

/* The name that users will see: from flags, the configuration, the SSC before, or a person. */
static int
complete_subject(struct making *m)
{
	struct subject *subject = &m->subject;
	const char *fault, *earlier = m->now.dir->ssc.name;

	site_subject(m->site, m->options, subject);
	if (!subject->common_name && earlier)
		subject->common_name = xstrdup(earlier);
	fault = subject_fault(subject);
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
	struct site_file file = { .name = "store.key", .kind = SITE_KEY };
	struct buf content = BUF_INIT;
	int r;

	if (site_has(s, "store.key"))
		return EX_OK;
	seal_key_format_new(&content);
	file.content = buf_bytes(&content);
	r = site_write(s, &file, 1);
	buf_wipe(&content);
	if (r == EX_OK)
		printf("made %s/store.key, which seals secrets in the state directory: back it up "
		       "apart from it\n",
			s->certs);
	return r;
}

static int
make_ssc(struct making *m)
{
	const struct tool_options *o = m->options;
	int64_t lifetime = (o->years ? o->years : YEARS) * YEAR;
	char why[256];

	m->key = key_new_rsa(o->bits ? o->bits : BITS);
	m->ssc = m->key ? ca_new_ssc(m->key, &m->subject, m->now.now, lifetime) : NULL;
	if (m->ssc)
		return EX_OK;
	return tool_fail(EX_SOFTWARE, "the SSC could not be made: %s", pki_error(why, sizeof(why)));
}

/* A pair as text; key first, so that no certificate is ever there without it. */
struct pair_text {
	struct buf key, cert;
	char key_name[32], cert_name[32];
};

static int
format_pair(struct pair_text *t, EVP_PKEY *key, X509 *cert, const char *stem)
{
	snprintf(t->key_name, sizeof(t->key_name), "%s.key", stem);
	snprintf(t->cert_name, sizeof(t->cert_name), "%s.crt", stem);
	if (key_to_pem(key, &t->key) < 0 || cert_to_pem(cert, &t->cert) < 0)
		return tool_fail(EX_SOFTWARE, "%s: could not be written out", t->cert_name);
	return EX_OK;
}

static size_t
add_pair(struct site_file *files, const struct pair_text *t, bool replace)
{
	files[0] = (struct site_file){ t->key_name, buf_bytes(&t->key), SITE_KEY, replace };
	files[1] =
		(struct site_file){ t->cert_name, buf_bytes(&t->cert), SITE_CERTIFICATE, replace };
	return 2;
}

static void
free_pair(struct pair_text *t)
{
	buf_wipe(&t->key);
	buf_free(&t->cert);
}

static int
write_ssc(const struct making *m, bool replace)
{
	struct pair_text fresh = { 0 };
	struct site_file files[2];
	int r = format_pair(&fresh, m->key, m->ssc, "ssc");

	if (r == EX_OK)
		r = site_write(m->site, files, add_pair(files, &fresh, replace));
	free_pair(&fresh);
	return r;
}

static void
report(const struct making *m)
{
	char date[24];

	printf("made %s/ssc.crt and ssc.key: \"%s\", valid until %s\n", m->site->certs,
		m->subject.common_name, clock_date(cert_not_after(m->ssc), date, sizeof(date)));
}

static int
first(struct making *m)
{
	int r;

	if (site_has(m->site, "ssc.crt"))
		return refuse_existing(m->site, "ssc.crt");
	if (site_has(m->site, "ssc.key"))
		return refuse_existing(m->site, "ssc.key");
	r = complete_subject(m);
	if (r == EX_OK)
		r = make_ssc(m);
	if (r == EX_OK)
		r = make_store_key(m->site);
	if (r == EX_OK)
		r = write_ssc(m, false);
	if (r != EX_OK)
		return r;
	report(m);
	printf("next: a TLS certificate for the server (cordon-ssc tls NAME, or a public one as "
	       "server.crt and server.key), then cordon-csr new\n");
	return EX_OK;
}

/* Old copies and new pair in one go: there is no moment without a CA for the devices there are. */
static int
write_rollover(const struct making *m, char stem[32])
{
	const struct certpair *old = &m->now.dir->ssc;
	struct pair_text kept = { 0 }, fresh = { 0 };
	struct site_file files[4];
	char short_name[9];
	size_t n;
	int r;

	if (key_short_name(old->key, short_name) < 0)
		return tool_fail(EX_SOFTWARE, "%s: its key cannot be named", old->key_file);
	snprintf(stem, 32, "ssc-old-%s", short_name);
	r = format_pair(&kept, old->key, certpair_leaf(old), stem);
	if (r == EX_OK)
		r = format_pair(&fresh, m->key, m->ssc, "ssc");
	if (r == EX_OK) {
		n = add_pair(files, &kept,
			site_has(m->site, kept.cert_name) || site_has(m->site, kept.key_name));
		n += add_pair(files + n, &fresh, true);
		r = site_write(m->site, files, n);
	}
	free_pair(&kept);
	free_pair(&fresh);
	return r;
}

static int
roll_over(struct making *m)
{
	char stem[32];
	int r;

	if (m->now.file_count == 0)
		return first(m);
	if (!m->now.dir->ssc.chain)
		return tool_fail(EX_NOINPUT,
			"%s: ssc.crt and ssc.key are no usable pair, so there is nothing to keep: "
			"put the missing one back (cordon-ssc show says what is wrong), or give "
			"the old one up with --compromised",
			m->site->certs);
	r = complete_subject(m);
	if (r == EX_OK)
		r = make_ssc(m);
	if (r == EX_OK)
		r = write_rollover(m, stem);
	if (r != EX_OK)
		return r;
	report(m);
	printf("kept %s/%s.crt and .key: the identities that it issued stay valid, and no device "
	       "must enroll again.\nEach moves to the new SSC when its identity is renewed. Keep "
	       "the old pair until then: cordonctl status\nand cordon-ssc show tell of it. New "
	       "devices enroll under the new SSC at once.\n",
		m->site->certs, stem);
	return EX_OK;
}

static int
drop(struct making *m)
{
	int r;

	if (m->now.file_count == 0)
		return first(m);
	r = consent_get(m->site, m->options,
		"new --compromised drops the SSC and those before it at once, because others may "
		"issue identities\nwith the key. What it costs: every identity of theirs is "
		"refused from now on, so that no enrolled\ndevice is under management any more, "
		"until it has enrolled again by hand: all devices must re-enroll.\nFor an "
		"exchange that devices do not notice, answer no and use cordon-ssc new --replace.");
	if (r == EX_OK)
		r = complete_subject(m);
	if (r == EX_OK)
		r = make_ssc(m);
	if (r == EX_OK)
		r = write_ssc(m, true);
	if (r == EX_OK)
		r = ssc_remove_files(m->site, &m->now, true);
	if (r != EX_OK)
		return r;
	report(m);
	printf("The SSC before it is gone, and what it issued is refused.\n"
	       "next: cordonctl enroll-link for each device; find out who had the key, and change "
	       "what else lay beside it:\nstore.key, server.key and the push key are in the same "
	       "directory.\n");
	return EX_OK;
}

int
ssc_verb_new(const struct tool_options *o)
{
	struct making m = { .options = o };
	struct site site;
	int r;

	if (o->yes && !o->compromised)
		return tool_fail(EX_USAGE, "--yes goes with new --compromised only");
	r = site_open(&site, o);
	if (r != EX_OK)
		return r;
	m.site = &site;
	ssc_situation_read(&m.now, &site);
	r = o->compromised ? drop(&m) : o->replace ? roll_over(&m) : first(&m);
	if (r == EX_OK)
		site_warn_group(&site);
	ssc_situation_fini(&m.now);
	subject_free(&m.subject);
	X509_free(m.ssc);
	EVP_PKEY_free(m.key);
	site_close(&site);
	return r;
}
