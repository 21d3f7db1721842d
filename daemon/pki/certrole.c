/* certrole.c - roles that a file has by its name: SSC, TLS, vendor; and what nobody needs */
#include "pki/certrole.h"

#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "pki/cert.h"
#include "pki/certpair.h"
#include "pki/tlscheck.h"

/* What one named pair is called, and what to do about it. */
struct named {
	const char *what;    /* "the SSC" */
	const char *make;    /* how to get one */
	const char *renewal; /* what to do once it is expired */
	const char *unfit;   /* what to do when it can issue nothing; CAs only */
};

static const struct named ssc_named = { "the SSC",
	"put the file back that was made with it, or give the SSC up with cordon-ssc new "
	"--compromised, after which all devices must enroll again",
	"no device can enroll: replace it with cordon-ssc new --replace",
	"replace it with cordon-ssc new --compromised" };
static const struct named old_named = { "an earlier SSC",
	"put the file back that was made with it, or remove both", "it can be removed",
	"remove it, with its key" };
static const struct named tls_named = { "the TLS certificate",
	"put the matching file here, or make both with cordon-ssc tls NAME",
	"devices refuse to connect: renew it", NULL };
static const struct named vendor_named = { "the vendor certificate",
	"put the matching file here, or remove both",
	"Apple's portal refuses what it signs: renew it in Apple's developer portal", NULL };

static bool
is_role_name(const char *name)
{
	static const char *const names[] = { "ssc.crt", "ssc.key", "server.crt", "server.key",
		"tls-ca.crt", "tls-ca.key", "vendor.crt", "vendor.key", "store.key" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return strncmp(name, "ssc-old-", 8) == 0;
}

static void
remark_validity(struct certscan *s, const struct named *n, const char *file, X509 *c)
{
	char date[24];

	certscan_expect(s, c);
	switch (cert_validity(c, s->o->now)) {
	case -1:
		certscan_remark(s, CERTDIR_PROBLEM, file,
			"%s is not valid before %s: is the clock right?", n->what,
			clock_date(cert_not_before(c), date, sizeof(date)));
		break;
	case 1:
		certscan_remark(s, CERTDIR_PROBLEM, file, "%s expired on %s: %s", n->what,
			clock_date(cert_not_after(c), date, sizeof(date)), n->renewal);
		break;
	default:
		break;
	}
}

/* True when both files are there and can be read; else the remark that is due was made. */
static bool
both_there(struct certscan *s, const struct named *n, struct certscan_entry *cert,
	struct certscan_entry *key, const char *cert_name, const char *key_name)
{
	if (cert && cert->file && !cert->file->certs && !cert->file->fault)
		certscan_remark(s, CERTDIR_PROBLEM, cert->name, "is to be %s but %s: %s", n->what,
			cert->file->blank ? cert->file->blank : "holds no certificate", n->make);
	if (key && key->file && !key->file->key && !key->file->fault)
		certscan_remark(s, CERTDIR_PROBLEM, key->name, "is to be the key of %s but %s: %s",
			n->what, key->file->blank ? key->file->blank : "holds no private key",
			n->make);
	if (cert && cert->file && cert->file->certs && !key)
		certscan_remark(s, CERTDIR_PROBLEM, cert->name,
			"%s has no private key: %s is missing; %s", n->what, key_name, n->make);
	if (key && key->file && key->file->key && !cert)
		certscan_remark(s, CERTDIR_PROBLEM, key->name,
			"the key of %s has no certificate: %s is missing; %s", n->what, cert_name,
			n->make);
	return cert && cert->file && cert->file->certs && certscan_key(key);
}

/* A certificate without its key, for people to see which one it is. */
static void
keep_lone(struct certscan *s, const struct named *n, const struct certscan_entry *cert)
{
	struct certpair *p = n == &ssc_named   ? &s->d->ssc_lone
			     : n == &tls_named ? &s->d->tls_lone
					       : NULL;

	if (p && cert && cert->file && cert->file->certs && !p->chain)
		certpair_init(p, cert->file->certs, sk_X509_value(cert->file->certs, 0), NULL,
			cert->name, NULL);
}

/* A pair whose files are known by name.  True when *p was filled. */
static bool
take_named(struct certscan *s, const struct named *n, struct certscan_entry *cert,
	struct certscan_entry *key, const char *cert_name, const char *key_name, struct certpair *p)
{
	const char *weak;
	X509 *leaf;

	if (cert)
		cert->settled = true;
	if (key)
		key->settled = true;
	if (!both_there(s, n, cert, key, cert_name, key_name)) {
		keep_lone(s, n, cert);
		return false;
	}
	leaf = certpair_leaf_of(cert->file->certs, key->file->key_spki);
	if (!leaf) {
		certscan_remark(s, CERTDIR_PROBLEM, cert->name,
			"the private key in %s does not belong to %s: %s", key->name, n->what,
			n->make);
		keep_lone(s, n, cert);
		return false;
	}
	weak = certpair_too_weak(leaf);
	if (!weak && n == &tls_named && certpair_old_digest(leaf))
		weak = "it is signed with SHA-1, which neither devices nor OpenSSL accept: make a "
		       "new one";
	if (weak) {
		certscan_remark(
			s, CERTDIR_PROBLEM, cert->name, "%s cannot be used: %s", n->what, weak);
		return false;
	}
	certpair_init(p, cert->file->certs, leaf, key->file->key, cert->name, key->name);
	if (certpair_old_digest(leaf))
		certscan_remark(s, CERTDIR_PROBLEM, cert->name,
			"%s is signed with SHA-1, which others may refuse: make a new one",
			n->what);
	return true;
}

/* Identities are issued by RSA only: SCEP encrypts to this key (facts/protocol.md G.3). */
static bool
is_fit_for_ssc(struct certscan *s, const struct named *n, const struct certpair *p)
{
	X509 *leaf = certpair_leaf(p);

	if (!EVP_PKEY_is_a(p->key, "RSA"))
		certscan_remark(s, CERTDIR_PROBLEM, p->cert_file, "%s must have an RSA key: %s",
			n->what, n->unfit);
	else if (X509_check_ca(leaf) != 1)
		certscan_remark(s, CERTDIR_PROBLEM, p->cert_file,
			"%s is no CA certificate (basic constraints): %s", n->what, n->unfit);
	else
		return true;
	return false;
}

static void
take_old_ssc(struct certscan *s, size_t i)
{
	struct certdir *d = s->d;
	size_t stem = strlen(s->entries[i].name) - 4;
	char *key_name = xasprintf("%.*s.key", (int)stem, s->entries[i].name);
	struct certscan_entry *key = certscan_find(s, key_name);
	struct certpair p = { 0 };

	if (!take_named(s, &old_named, &s->entries[i], key, s->entries[i].name, key_name, &p))
		goto out;
	if (!is_fit_for_ssc(s, &old_named, &p)) {
		certpair_fini(&p);
		goto out;
	}
	certscan_expect(s, certpair_leaf(&p));
	if (cert_validity(certpair_leaf(&p), s->o->now) > 0)
		certscan_remark(s, CERTDIR_NOTE, p.cert_file,
			"an earlier SSC that is expired: it can be removed, with %s", key_name);
	d->ssc_old = xrealloc(d->ssc_old, (d->ssc_old_count + 1) * sizeof(*d->ssc_old));
	d->ssc_old[d->ssc_old_count++] = p;
out:
	free(key_name);
}

void
certrole_ssc(struct certscan *s)
{
	struct certpair *ssc = &s->d->ssc;

	if (take_named(s, &ssc_named, certscan_find(s, "ssc.crt"), certscan_find(s, "ssc.key"),
		    "ssc.crt", "ssc.key", ssc)) {
		if (is_fit_for_ssc(s, &ssc_named, ssc))
			remark_validity(s, &ssc_named, ssc->cert_file, certpair_leaf(ssc));
		else
			certpair_fini(ssc);
	}
	for (size_t i = 0; i < s->count; i++) {
		const char *name = s->entries[i].name;
		size_t n = strlen(name);

		if (!s->entries[i].outside && strncmp(name, "ssc-old-", 8) == 0 && n > 12 &&
			strcmp(name + n - 4, ".crt") == 0)
			take_old_ssc(s, i);
	}
}

static const char *
file_of_path(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* A file that the configuration names itself is missed; that the usual one is not made yet is no
 * fault. */
static void
remark_missing(struct certscan *s, const char *path, bool missing, const char *usual)
{
	size_t n = strlen(s->o->directory);

	if (!missing || (strncmp(path, s->o->directory, n) == 0 && path[n] == '/' &&
				strcmp(path + n + 1, usual) == 0))
		return;
	certscan_remark(s, CERTDIR_PROBLEM, path,
		"the configuration names this file for TLS, and it does not exist: put it there or "
		"change the setting tls");
}

static bool
all_ca(STACK_OF(X509) * certs)
{
	for (int i = 0; i < sk_X509_num(certs); i++)
		if (X509_check_ca(sk_X509_value(certs, i)) == 0)
			return false;
	return true;
}

/* An intermediate that lies beside is as good as one in the file itself. */
static void
complete_chain(struct certscan *s)
{
	struct certpair *tls = &s->d->tls;
	size_t before;

	do {
		before = (size_t)sk_X509_num(tls->chain);
		for (size_t i = 0; i < s->count; i++) {
			struct certscan_entry *e = &s->entries[i];

			if (!e->file || !e->file->certs ||
				certpair_extend(tls, e->file->certs) == 0)
				continue;
			e->settled = e->settled || all_ca(e->file->certs);
			certscan_remark(s, CERTDIR_NOTE, e->name, "completes the chain of %s",
				tls->cert_file);
		}
	} while ((size_t)sk_X509_num(tls->chain) > before);
}

static void
remark_rule(void *arg, const char *text)
{
	struct certscan *s = arg;

	certscan_remark(s, CERTDIR_PROBLEM, s->d->tls.cert_file, "the TLS certificate %s", text);
}

static void
take_tls_root(struct certscan *s)
{
	struct certscan_entry *e = certscan_find(s, "tls-ca.crt");
	STACK_OF(X509) *chain = s->d->tls.chain;
	X509 *root;
	bool chains = false;

	if (!e || !e->file || !e->file->certs || e->file->fault)
		return;
	e->settled = true;
	root = sk_X509_value(e->file->certs, 0);
	for (int i = 0; chain && !chains && i < sk_X509_num(chain); i++)
		chains = cert_issued_by(sk_X509_value(chain, i), root);
	if (!chains) {
		if (chain)
			certscan_remark(s, CERTDIR_NOTE, e->name,
				"is not needed: the TLS certificate in %s does not come from it",
				s->d->tls.cert_file);
		return;
	}
	X509_up_ref(root);
	s->d->tls_root = root;
	certscan_expect(s, root);
	if (cert_validity(root, s->o->now) > 0)
		certscan_remark(s, CERTDIR_PROBLEM, e->name,
			"the TLS root is expired, so devices refuse to connect: make a new one "
			"with "
			"cordon-ssc tls NAME --replace");
}

static void
adopt_tls(struct certscan *s)
{
	remark_validity(s, &tls_named, s->d->tls.cert_file, certpair_leaf(&s->d->tls));
	complete_chain(s);
}

void
certrole_tls(struct certscan *s)
{
	const char *cert = s->o->tls_certificate, *key = s->o->tls_key;
	struct certscan_entry *ce, *ke;
	bool cert_missing, key_missing;

	if (cert && key) {
		certscan_at_path(s, cert, &cert_missing);
		ke = certscan_at_path(s, key, &key_missing);
		ce = certscan_at_path(s, cert, &cert_missing);
		/* One that is there but cannot be read was spoken of: the other is not to blame. */
		if ((ce || cert_missing) && (ke || key_missing)) {
			remark_missing(s, cert, cert_missing, "server.crt");
			remark_missing(s, key, key_missing, "server.key");
			if (take_named(s, &tls_named, ce, ke, file_of_path(cert), file_of_path(key),
				    &s->d->tls))
				adopt_tls(s);
		} else {
			if (ce)
				ce->settled = true;
			if (ke)
				ke->settled = true;
		}
	}
	take_tls_root(s);
	if (s->d->tls.chain)
		tlscheck_chain(s->d->tls.chain, s->d->tls_root, s->o->server_host, remark_rule, s);
}

void
certrole_vendor(struct certscan *s)
{
	struct certscan_entry *key = certscan_find(s, "vendor.key");
	struct certscan_entry *cert = certscan_find(s, "vendor.crt");
	struct certpair p = { 0 };

	/* Only cordon-csr signs with it; that the daemon may not read the key is well. */
	if (key && !key->file) {
		if (cert)
			cert->settled = true;
		return;
	}
	if (take_named(s, &vendor_named, cert, key, "vendor.crt", "vendor.key", &p))
		remark_validity(s, &vendor_named, "vendor.crt", certpair_leaf(&p));
	certpair_fini(&p);
}

static void
judge_loose_key(struct certscan *s, const struct certscan_entry *e)
{
	const struct certscan_entry *other = certscan_key_of(s, e->file->key_spki);

	if (other && other != e && other->settled)
		certscan_remark(s, CERTDIR_NOTE, e->name,
			"is the same private key as %s: it can be removed", other->name);
	else if (!certscan_has_cert_of(
			 s, e->file->key_spki)) /* else the certificate has its word */
		certscan_remark(s, CERTDIR_PROBLEM, e->name,
			"is a private key, and no certificate here belongs to it: put its "
			"certificate here or remove it");
}

static void
judge_rest(struct certscan *s, const struct certscan_entry *e)
{
	const struct certfile *f = e->file;

	if (f->blank) {
		if (certfile_name_promises(e->name) || is_role_name(e->name))
			certscan_remark(s, CERTDIR_PROBLEM, e->name,
				"%s: copy it again or remove it", f->blank);
	} else if (is_role_name(e->name)) {
		certscan_remark(s, CERTDIR_NOTE, e->name,
			"is not used: the configuration names other files for TLS");
	} else if (f->certs && all_ca(f->certs)) {
		certscan_remark(s, CERTDIR_NOTE, e->name,
			"is a CA certificate, which is not needed here: it can be removed");
	} else if (f->certs) {
		certscan_remark(s, CERTDIR_PROBLEM, e->name,
			"is no push certificate: its subject has no UID that begins with "
			"com.apple.mgmt.; for TLS name it in the setting tls, else remove it");
	} else if (f->key) {
		judge_loose_key(s, e);
	}
}

void
certrole_rest(struct certscan *s)
{
	for (size_t i = 0; i < s->count; i++)
		if (!s->entries[i].settled && s->entries[i].file)
			judge_rest(s, &s->entries[i]);
}
