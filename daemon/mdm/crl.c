/* crl.c - /crl: which identities other services should not accept */
#include "mdm/crl.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/table.h"
#include "policy/gate.h"
#include "store/identity.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TYPE_CRL "application/pkix-crl"
#define CA_MARK 8 /* bytes of the CA's hash that a line keeps */

/* An identity that has not expired. */
struct line {
	unsigned char serial[CRL_SERIAL_MAX], ca[CA_MARK];
	uint8_t len, status;
	int64_t issued_at, not_after, revoked_at, superseded_at;
	char *enrollment;
};

/* The signed list of one CA. */
struct list {
	struct list *next;
	unsigned char ca[SHA256_LEN];
	struct buf der;
	int64_t at;
	bool dirty, running;
	struct http_request **waiting;
	size_t waiting_count;
};

struct crl {
	struct table *lines; /* certificate hash -> struct line */
	struct list *lists;
};

struct job {
	struct mdm *m;
	struct certdir *certs;
	const struct certpair *ca; /* in certs */
	struct crl_entry *entries;
	size_t count;
	int64_t now;
	struct buf der;
	int rc;
};

static void
line_free(void *value)
{
	free(((struct line *)value)->enrollment);
	free(value);
}

static void
put_line(struct crl *c, struct bytes cert, const struct identity *i)
{
	struct line *l;

	if (i->serial.len == 0 || i->serial.len > CRL_SERIAL_MAX)
		return;
	l = xcalloc(1, sizeof(*l));
	memcpy(l->serial, i->serial.data, i->serial.len);
	l->len = (uint8_t)i->serial.len;
	memcpy(l->ca, i->ca, CA_MARK);
	l->status = (uint8_t)i->status;
	l->issued_at = i->issued_at;
	l->not_after = i->not_after;
	l->revoked_at = i->revoked_at;
	l->superseded_at = i->superseded_at;
	l->enrollment = i->enrollment ? xstrdup(i->enrollment) : NULL;
	table_put(c->lines, cert, l);
}

static int
take(void *arg, struct bytes key, struct bytes value)
{
	struct crl *c = arg;
	struct identity *i;

	if (key.len != 1 + SHA256_LEN || identity_decode(key.data + 1, value, &i) < 0)
		return 0;
	put_line(c, bytes_of(key.data + 1, SHA256_LEN), i);
	identity_free(i);
	return 0;
}

void
crl_follow(struct mdm *m, struct bytes key, struct bytes value)
{
	struct list *l;

	if (!m->crl || key.len < 2 || (key.data[0] != 'i' && key.data[0] != 'e'))
		return;
	if (key.data[0] == 'i' && value.data)
		take(m->crl, key, value);
	else if (key.data[0] == 'i')
		table_delete(m->crl->lines, bytes_of(key.data + 1, key.len - 1));
	for (l = m->crl->lists; l; l = l->next)
		l->dirty = true;
}

static int
load(struct mdm *m)
{
	struct crl *c = xcalloc(1, sizeof(*c));
	int rc;

	c->lines = table_new(line_free);
	rc = store_each(m->store, bytes_str("i"), take, c);
	m->crl = c;
	if (rc < 0)
		crl_free(m);
	return rc;
}

/* ---- what is listed ---- */

struct collecting {
	const struct mdm *m;
	const unsigned char *ca;
	int64_t now;
	struct crl_entry *entries;
	size_t count, cap;
};

static void
add(struct collecting *c, const struct line *l, bool hold, int64_t at)
{
	struct crl_entry *e;

	if (c->count == c->cap) {
		c->cap = c->cap ? 2 * c->cap : 64;
		c->entries = xrealloc(c->entries, c->cap * sizeof(*c->entries));
	}
	e = &c->entries[c->count++];
	memcpy(e->serial, l->serial, sizeof(e->serial));
	e->len = l->len;
	e->hold = hold;
	e->at = at ? at : l->issued_at;
}

static int
collect(void *arg, struct bytes key, void *value)
{
	struct collecting *c = arg;
	const struct line *l = value;
	const struct roster_line *e;

	(void)key;
	if (memcmp(l->ca, c->ca, CA_MARK) != 0 || l->not_after < c->now)
		return 0;
	e = l->enrollment ? roster_find(c->m->roster, l->enrollment) : NULL;
	if (l->status == IDENTITY_REVOKED)
		add(c, l, false, l->revoked_at);
	else if (identity_is_over(l->superseded_at, c->now))
		add(c, l, false, l->superseded_at + IDENTITY_OVERLAP);
	else if (l->status == IDENTITY_ISSUED)
		add(c, l, true, 0);
	else if (!e) /* forgotten by a person */
		add(c, l, false, 0);
	else if (!gate_decide((enum state)e->state, e->locked, c->m->conf->allow_unenrolled)
			  .allowed)
		add(c, l, true, e->state_since);
	return 0;
}

int
crl_entries(
	struct mdm *m, const unsigned char ca[SHA256_LEN], struct crl_entry **ret, size_t *count)
{
	struct collecting c = { .m = m, .ca = ca, .now = mdm_now(m) };
	int rc = m->crl ? 0 : load(m);

	if (rc < 0)
		return rc;
	table_each(m->crl->lines, collect, &c);
	*ret = c.entries;
	*count = c.count;
	return 0;
}

/* ---- signing ---- */

static struct list *
list_of(struct crl *c, const unsigned char ca[SHA256_LEN])
{
	struct list *l;

	for (l = c->lists; l; l = l->next)
		if (memcmp(l->ca, ca, SHA256_LEN) == 0)
			return l;
	l = xcalloc(1, sizeof(*l));
	memcpy(l->ca, ca, SHA256_LEN);
	l->dirty = true;
	l->next = c->lists;
	c->lists = l;
	return l;
}

static void
job_free(struct job *j)
{
	certdir_unref(j->certs);
	free(j->entries);
	buf_free(&j->der);
	free(j);
}

static void
work(void *arg)
{
	struct job *j = arg;

	j->rc = crl_build(certpair_leaf(j->ca), j->ca->key, j->now, j->now + CRL_LIFETIME, j->now,
		j->entries, j->count, &j->der);
}

static void
answer(struct http_request *r, const struct list *l)
{
	http_reply_header(r, "Cache-Control", "max-age=5");
	http_reply(r, 200, TYPE_CRL, buf_bytes(&l->der));
}

static void
answer_all(struct list *l, bool good)
{
	size_t i;

	for (i = 0; i < l->waiting_count; i++) {
		if (good)
			answer(l->waiting[i], l);
		else
			http_reply_text(l->waiting[i], 503, "The list cannot be made now.");
	}
	free(l->waiting);
	l->waiting = NULL;
	l->waiting_count = 0;
}

static void
done(void *arg)
{
	struct job *j = arg;
	struct list *l;

	if (!j->m->crl) { /* the server ends */
		job_free(j);
		return;
	}
	l = list_of(j->m->crl, j->ca->sha256);
	l->running = false;
	if (j->rc == 0) {
		buf_free(&l->der);
		buf_add_bytes(&l->der, buf_bytes(&j->der));
	} else {
		log_error("the revocation list of %s cannot be signed", j->ca->cert_file);
		l->dirty = true;
	}
	answer_all(l, j->rc == 0);
	job_free(j);
}

static int
start(struct mdm *m, struct list *l, const struct certpair *ca)
{
	struct job *j = xcalloc(1, sizeof(*j));
	int rc;

	j->m = m;
	j->certs = certdir_ref(m->certs);
	j->ca = ca;
	j->now = mdm_now(m);
	rc = crl_entries(m, ca->sha256, &j->entries, &j->count);
	if (rc == 0)
		rc = worker_submit(m->worker, WORKER_SLOW, work, done, j);
	if (rc < 0) {
		job_free(j);
		return rc;
	}
	l->running = true;
	l->dirty = false;
	l->at = j->now;
	return 0;
}

static bool
fresh(const struct list *l, int64_t now)
{
	if (l->der.len == 0 || now < l->at)
		return false;
	return now - l->at < (l->dirty ? CRL_EVERY : CRL_REFRESH);
}

static void
serve(struct mdm *m, struct http_request *r, const struct certpair *ca)
{
	struct list *l;

	if (!m->crl && load(m) < 0) {
		http_reply_text(r, 503, "The store cannot be read now.");
		return;
	}
	l = list_of(m->crl, ca->sha256);
	if (fresh(l, mdm_now(m))) {
		answer(r, l);
		return;
	}
	if (!l->running && start(m, l, ca) < 0) {
		http_reply_text(r, 503, "The server is busy; try again in a minute.");
		return;
	}
	l->waiting = xrealloc(l->waiting, (l->waiting_count + 1) * sizeof(*l->waiting));
	l->waiting[l->waiting_count++] = r;
}

static bool
has_key_id(const struct certpair *p, const char *ski)
{
	struct buf hex = BUF_INIT;
	bool is = certpair_leaf(p) && p->key && crl_key_id(certpair_leaf(p), &hex) &&
		  strcasecmp(buf_str(&hex), ski) == 0;

	buf_free(&hex);
	return is;
}

/* "/crl" is the SSC's own; "/crl/<ski>" of it or of one before it. */
static const struct certpair *
find_ca(const struct mdm *m, const char *path)
{
	const struct certdir *d = m->certs;
	const char *ski = path + strlen("/crl");
	size_t i;

	if (*ski == '\0')
		return certpair_leaf(&d->ssc) && d->ssc.key ? &d->ssc : NULL;
	ski++;
	if (has_key_id(&d->ssc, ski))
		return &d->ssc;
	for (i = 0; i < d->ssc_old_count; i++)
		if (has_key_id(&d->ssc_old[i], ski))
			return &d->ssc_old[i];
	return NULL;
}

void
crl_handle(struct http_request *r, void *ctx)
{
	struct mdm *m = ctx;
	const struct certpair *ca = find_ca(m, http_path(r));

	if (ca)
		serve(m, r, ca);
	else
		http_reply_text(r, 404, "There is no such list here.");
}

void
crl_free(struct mdm *m)
{
	struct list *l;

	if (!m->crl)
		return;
	while ((l = m->crl->lists) != NULL) {
		m->crl->lists = l->next;
		answer_all(l, false);
		buf_free(&l->der);
		free(l);
	}
	table_free(m->crl->lines);
	free(m->crl);
	m->crl = NULL;
}
