/* certpush.c - the push certificates of the directory: paired with their keys, best first; CSRs */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "pki/cert.h"
#include "pki/certpair.h"
#include "pki/certrole.h"

#define OLD_DIGEST                                                                         \
	"it is signed with SHA-1, which neither Apple nor OpenSSL accepts: get a new one " \
	"from Apple's portal"

/* The name under which cordon-csr would have put this public key's private key. */
static char *
expected_name(const unsigned char spki[SHA256_LEN], const char *ending)
{
	return xasprintf("push-%02x%02x%02x%02x%s", spki[0], spki[1], spki[2], spki[3], ending);
}

/* foo.key for foo.pem, or NULL. */
static struct certscan_entry *
same_stem(struct certscan *s, const char *cert_name)
{
	const char *dot = strrchr(cert_name, '.');
	struct certscan_entry *e;
	char *name;

	name = xasprintf(
		"%.*s.key", dot ? (int)(dot - cert_name) : (int)strlen(cert_name), cert_name);
	e = certscan_find(s, name);
	free(name);
	return e;
}

static void
remark_no_key(struct certscan *s, const char *name, const unsigned char spki[SHA256_LEN])
{
	char *expected = expected_name(spki, ".key");
	struct certscan_entry *e = certscan_key_of(s, spki), *near;

	near = certscan_find(s, expected);
	if (!near || !near->file)
		near = same_stem(s, name);
	if (e || (near && near->file && near->file->fault)) {
		certscan_remark(s, CERTDIR_PROBLEM, name,
			"cannot be used while its private key %s cannot: see there",
			e ? e->name : near->name);
	} else if (near && near->file && near->file->key) {
		certscan_remark(s, CERTDIR_PROBLEM, name,
			"the private key in %s does not match this push certificate: put the key "
			"here that its CSR was made with (cordon-csr calls it %s)",
			near->name, expected);
	} else {
		certscan_remark(s, CERTDIR_PROBLEM, name,
			"this push certificate has no private key here: put the key here that its "
			"CSR was made with (cordon-csr calls it %s)",
			expected);
	}
	free(expected);
}

static void
add_push(struct certscan *s, struct certscan_entry *cert, X509 *leaf, struct certscan_entry *key)
{
	struct certdir *d = s->d;

	d->push = xrealloc(d->push, (d->push_count + 1) * sizeof(*d->push));
	certpair_init(&d->push[d->push_count++], cert->file->certs, leaf, key->file->key,
		cert->name, key->name);
	key->settled = true;
	certscan_expect(s, leaf);
}

static void
add_lone(struct certscan *s, const struct certscan_entry *cert, X509 *leaf)
{
	struct certdir *d = s->d;

	d->push_lone = xrealloc(d->push_lone, (d->push_lone_count + 1) * sizeof(*d->push_lone));
	certpair_init(&d->push_lone[d->push_lone_count++], cert->file->certs, leaf, NULL,
		cert->name, NULL);
}

static void
take_push(struct certscan *s, struct certscan_entry *e, X509 *leaf)
{
	unsigned char spki[SHA256_LEN];
	struct certscan_entry *key;
	const char *weak = certpair_old_digest(leaf) ? OLD_DIGEST : certpair_too_weak(leaf);

	e->settled = true;
	if (!weak && cert_spki_sha256(leaf, spki) < 0)
		weak = "its public key is damaged";
	if (weak) {
		certscan_remark(s, CERTDIR_PROBLEM, e->name,
			"this push certificate cannot be used: %s", weak);
		return;
	}
	key = certscan_key_of(s, spki);
	if (!certscan_key(key)) {
		remark_no_key(s, e->name, spki);
		add_lone(s, e, leaf);
		return;
	}
	add_push(s, e, leaf, key);
}

static void
take_push_file(struct certscan *s, struct certscan_entry *e)
{
	struct buf topic = BUF_INIT;

	for (int i = 0; i < sk_X509_num(e->file->certs); i++) {
		X509 *c = sk_X509_value(e->file->certs, i);

		buf_reset(&topic);
		switch (cert_topic(c, &topic)) {
		case 0:
			take_push(s, e, c);
			break;
		case -ENOENT:
			break;
		default:
			e->settled = true;
			certscan_remark(s, CERTDIR_PROBLEM, e->name,
				"its subject has two UIDs, so its topic is uncertain: get a new "
				"certificate from Apple's portal");
		}
	}
	buf_free(&topic);
}

/* Which of two pairs of a topic is the better one: valid, then about to be, then expired. */
struct ranked {
	struct certpair pair;
	int rank;
};

static int
rank_of(const struct certpair *p, int64_t now)
{
	return now > p->not_after ? 2 : now < p->not_before ? 1 : 0;
}

static int
by_topic_and_rank(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;
	int c = strcmp(x->pair.topic, y->pair.topic);

	if (c == 0)
		c = x->rank - y->rank;
	if (c == 0)
		c = (x->pair.not_after < y->pair.not_after) -
		    (x->pair.not_after > y->pair.not_after);
	return c ? c : strcmp(x->pair.cert_file, y->pair.cert_file);
}

static void
sort_push(struct certscan *s)
{
	struct certdir *d = s->d;
	struct ranked *r = xcalloc(d->push_count + 1, sizeof(*r));

	for (size_t i = 0; i < d->push_count; i++) {
		r[i].pair = d->push[i];
		r[i].rank = rank_of(&d->push[i], s->o->now);
	}
	qsort(r, d->push_count, sizeof(*r), by_topic_and_rank);
	for (size_t i = 0; i < d->push_count; i++)
		d->push[i] = r[i].pair;
	free(r);
}

static void
remark_alone(struct certscan *s, const struct certpair *p)
{
	char date[24];

	if (s->o->now > p->not_after)
		certscan_remark(s, CERTDIR_PROBLEM, p->cert_file,
			"push certificate expired on %s: renew it with cordon-csr renew, and at "
			"identity.apple.com/pushcert with Renew on the row of its topic",
			clock_date(p->not_after, date, sizeof(date)));
	else if (s->o->now < p->not_before)
		certscan_remark(s, CERTDIR_PROBLEM, p->cert_file,
			"push certificate is not valid before %s: is the clock right?",
			clock_date(p->not_before, date, sizeof(date)));
}

static void
remark_beside(struct certscan *s, const struct certpair *p, const struct certpair *best)
{
	bool other_key = strcmp(p->key_file, best->key_file) != 0;
	char date[24];

	if (memcmp(p->sha256, best->sha256, SHA256_LEN) == 0)
		certscan_remark(s, CERTDIR_NOTE, p->cert_file,
			"is the same certificate as %s: it can be removed", best->cert_file);
	else if (s->o->now < p->not_before)
		certscan_remark(s, CERTDIR_NOTE, p->cert_file,
			"push certificate is not valid before %s: %s is used until then",
			clock_date(p->not_before, date, sizeof(date)), best->cert_file);
	else if (s->o->now > p->not_after || s->o->now <= best->not_after)
		certscan_remark(s, CERTDIR_NOTE, p->cert_file,
			"superseded by %s, which is valid until %s: it can be removed%s%s",
			best->cert_file, clock_date(best->not_after, date, sizeof(date)),
			other_key ? ", with " : "", other_key ? p->key_file : "");
}

static void
remark_push(struct certscan *s)
{
	const struct certdir *d = s->d;
	const struct certpair *best = NULL;

	for (size_t i = 0; i < d->push_count; i++) {
		const struct certpair *p = &d->push[i];

		if (best && strcmp(best->topic, p->topic) == 0) {
			remark_beside(s, p, best);
		} else {
			best = p;
			remark_alone(s, p);
		}
	}
}

void
certrole_push(struct certscan *s)
{
	for (size_t i = 0; i < s->count; i++) {
		struct certscan_entry *e = &s->entries[i];

		if (e->file && e->file->certs && !e->outside &&
			(!e->settled || e->file->fault || e->key_refused))
			take_push_file(s, e);
	}
	sort_push(s);
	remark_push(s);
}

static bool
is_push_csr(const struct certscan_entry *e)
{
	size_t n = strlen(e->name);

	return !e->outside && e->file && e->file->has_csr && strncmp(e->name, "push-", 5) == 0 &&
	       n > 4 && strcmp(e->name + n - 4, ".csr") == 0;
}

void
certrole_csr(struct certscan *s)
{
	struct certdir *d = s->d;

	for (size_t i = 0; i < s->count; i++) {
		struct certscan_entry *e = &s->entries[i], *key;

		if (!is_push_csr(e) || certscan_has_cert_of(s, e->file->csr_spki))
			continue;
		key = certscan_key_of(s, e->file->csr_spki);
		if (!key) {
			char *expected = expected_name(e->file->csr_spki, ".key");

			certscan_remark(s, CERTDIR_PROBLEM, e->name,
				"the private key of this CSR, %s, is not here, and without it a "
				"certificate is of no use: put the key back, or make a new CSR "
				"with "
				"cordon-csr new",
				expected);
			free(expected);
			continue;
		}
		key->settled = true;
		if (d->has_csr && e->file->st.st_mtime < d->csr_since)
			continue;
		d->has_csr = true;
		d->csr_since = e->file->st.st_mtime;
		free(d->csr_file);
		d->csr_file = xstrdup(e->name);
	}
}
