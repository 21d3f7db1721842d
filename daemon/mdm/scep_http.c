/*
 * scep_http.c - /scep over HTTP, and a request's way through worker and loop:
 *
 *   open (worker) -> authorise (loop) -> issue and reply (worker) -> record, answer (loop)
 */
#include "base/encode.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/table.h"
#include "mdm/profile.h"
#include "mdm/reply.h"
#include "mdm/scep.h"
#include "mdm/source.h"
#include "pki/ca.h"
#include "pki/cert.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TYPE_MESSAGE "application/x-pki-message"
#define TYPE_CERT "application/x-x509-ca-cert"

struct job {
	struct mdm *m;
	struct http_request *r;
	struct certdir *certs;
	struct buf in, out;
	char source[INET6_ADDRSTRLEN];
	bool allow_sha1;
	int64_t now, lifetime;
	char *organization;

	/* opened */
	struct scep_request *q;
	size_t which; /* 0: the SSC, then the older ones */
	enum scep_fail fail;
	const char *why; /* static; NULL: no failure */
	int rc;

	/* granted */
	struct scep_grant grant;
	bool busy; /* its number is in m->scep_busy */
	X509 *issued;
};

static void
job_free(struct job *j)
{
	if (j->busy && j->m->scep_busy)
		table_delete(j->m->scep_busy, bytes_str(j->grant.number));
	certdir_unref(j->certs);
	buf_wipe(&j->in);
	buf_free(&j->out);
	free(j->organization);
	scep_request_free(j->q);
	scep_grant_free(&j->grant);
	X509_free(j->issued);
	free(j);
}

static const struct certpair *
ca_at(const struct certdir *certs, size_t which)
{
	return which == 0 ? &certs->ssc : &certs->ssc_old[which - 1];
}

static void
open_work(void *arg)
{
	struct job *j = arg;
	size_t count = 1 + j->certs->ssc_old_count, i;
	X509 **cas = xcalloc(count, sizeof(X509 *));
	EVP_PKEY **keys = xcalloc(count, sizeof(EVP_PKEY *));

	for (i = 0; i < count; i++) {
		cas[i] = certpair_leaf(ca_at(j->certs, i));
		keys[i] = ca_at(j->certs, i)->key;
	}
	j->rc = scep_open(
		buf_bytes(&j->in), cas, keys, count, j->allow_sha1, &j->q, &j->which, &j->fail);
	free(cas);
	free(keys);
}

static int
issue(struct job *j)
{
	char name[32];
	struct ca_identity id = { .subject_key = j->q->key,
		.common_name = name,
		.organization = j->organization,
		.number = j->grant.number,
		.now = j->now,
		.lifetime = j->lifetime };

	profile_common_name(j->grant.number, name, sizeof(name));
	j->issued = ca_issue_identity(certpair_leaf(&j->certs->ssc), j->certs->ssc.key, &id);
	return j->issued ? 0 : -EIO;
}

static void
answer_work(void *arg)
{
	struct job *j = arg;
	const struct certpair *ca = ca_at(j->certs, j->which);

	j->rc = 0;
	if (j->why) {
		j->rc = scep_reply_failure(
			j->q, certpair_leaf(ca), ca->key, j->fail, j->why, &j->out);
		return;
	}
	if (j->grant.earlier)
		j->issued = cert_parse_der(buf_bytes(&j->grant.earlier->der));
	else
		j->rc = issue(j);
	if (j->rc == 0 && j->issued)
		j->rc = scep_reply_success(j->q, certpair_leaf(ca), ca->key, j->issued, &j->out);
	else
		j->rc = -EIO;
}

static void
fail(struct job *j, int status, const char *text)
{
	http_reply_text(j->r, status, text);
	job_free(j);
}

static void
say_refused(struct job *j)
{
	struct mdm *m = j->m;

	m->numbers.scep_refused++;
	if (mdm_may_say(&m->strays, NULL))
		log_event(EV_SCEP_REFUSED, FIELDS(F_REASON(j->why)),
			"Refused a certificate request from %s: %s", j->source, j->why);
}

static void
say_issued(struct job *j)
{
	char name[32];

	j->m->numbers.scep_issued++;
	profile_common_name(j->grant.number, name, sizeof(name));
	log_event(EV_IDENTITY_ISSUED, FIELDS(F_ENROLLMENT(j->grant.renewal_of)),
		"Issued the identity %s%s%s", name, j->grant.renewal_of ? ", a renewal of " : "",
		j->grant.renewal_of ? j->grant.renewal_of : "");
}

static void
answer_done(void *arg)
{
	struct job *j = arg;

	if (j->rc < 0) {
		log_error("a SCEP answer cannot be made");
		fail(j, 500, "The certificate cannot be issued.");
		return;
	}
	if (!j->why && !j->grant.earlier) {
		if (scep_record(j->m, j->q, &j->grant, j->issued, j->certs->ssc.sha256) < 0) {
			fail(j, 503, "The server cannot take changes now; try again later.");
			return;
		}
		say_issued(j);
	}
	http_reply(j->r, 200, TYPE_MESSAGE, buf_bytes(&j->out));
	job_free(j);
}

static void
submit_answer(struct job *j)
{
	if (worker_submit(j->m->worker, WORKER_CRYPTO, answer_work, answer_done, j) < 0)
		fail(j, 503, "The server is busy; try again in a minute.");
}

static void
mark_busy(struct job *j)
{
	struct mdm *m = j->m;

	if (!m->scep_busy)
		m->scep_busy = table_new(NULL);
	table_put(m->scep_busy, bytes_str(j->grant.number), m);
	j->busy = true;
}

/* It was opened all the same: a valid challenge is never refused by rate. */
static void
refuse_rate(struct job *j)
{
	source_refuse(j->r);
	job_free(j);
}

static void
open_done(void *arg)
{
	struct job *j = arg;
	int rc = 0;

	if (j->rc == -EPROTO)
		j->why = "The request cannot be accepted as it is.";
	else if (j->rc < 0) {
		j->m->numbers.scep_refused++;
		if (!source_try(j->m, j->source))
			refuse_rate(j);
		else
			fail(j, 400, "This is not a SCEP message for this server.");
		return;
	} else {
		rc = scep_authorise(j->m, j->q, &j->grant, &j->fail, &j->why);
	}
	if (rc == -EBUSY || rc == -EIO) {
		fail(j, 503, "The server is busy; try again in a minute.");
		return;
	}
	if (j->why && !source_try(j->m, j->source)) {
		j->m->numbers.scep_refused++;
		refuse_rate(j);
		return;
	}
	if (j->why)
		say_refused(j);
	else if (!j->grant.earlier)
		mark_busy(j);
	submit_answer(j);
}

/* Takes `in`. */
static void
operate(struct mdm *m, struct http_request *r, struct buf *in)
{
	struct job *j = xcalloc(1, sizeof(*j));
	enum worker_lane lane;

	j->m = m;
	j->r = r;
	j->certs = certdir_ref(m->certs);
	j->in = *in;
	j->allow_sha1 = !m->conf->digests_sha256;
	j->now = mdm_now(m);
	j->lifetime = m->conf->identity.lifetime;
	j->organization = m->conf->organization ? xstrdup(m->conf->organization) : NULL;
	source_address(m, r, j->source);
	/* Who tried too often waits behind everybody else. */
	lane = source_exhausted(m, j->source) ? WORKER_SLOW : WORKER_CRYPTO;
	if (worker_submit(m->worker, lane, open_work, open_done, j) < 0)
		fail(j, 503, "The server is busy; try again in a minute.");
}

static void
get_capabilities(struct mdm *m, struct http_request *r)
{
	(void)m;
	http_reply(r, 200, "text/plain", bytes_str(scep_capabilities()));
}

static void
get_certificate(struct mdm *m, struct http_request *r)
{
	struct buf der = BUF_INIT;

	if (cert_to_der(certpair_leaf(&m->certs->ssc), &der) < 0)
		http_reply_text(r, 500, "The certificate cannot be read.");
	else
		http_reply(r, 200, TYPE_CERT, buf_bytes(&der));
	buf_free(&der);
}

static void
operation(struct mdm *m, struct http_request *r)
{
	struct buf in = BUF_INIT, value = BUF_INIT;
	int rc = 0;

	if (http_method(r) == HTTP_POST) {
		buf_add_bytes(&in, http_body(r));
	} else {
		rc = http_query_get(r, "message", true, &value);
		if (rc == 0)
			rc = scep_get_message(buf_str(&value), &in);
		buf_wipe(&value);
	}
	if (rc == 0 && in.len > 0) {
		operate(m, r, &in);
		return;
	}
	buf_free(&in);
	http_reply_text(r, 400, "There is no SCEP message in the request.");
}

static const struct {
	const char *name;
	void (*answer)(struct mdm *m, struct http_request *r);
	bool needs_ca;
} operations[] = {
	{ "GetCACaps", get_capabilities, false },
	{ "GetCACert", get_certificate, true },
	{ "PKIOperation", operation, true },
};

void
scep_handle(struct http_request *r, void *ctx)
{
	struct buf name = BUF_INIT;
	struct mdm *m = ctx;
	size_t i, count = sizeof(operations) / sizeof(operations[0]);

	if (http_query_get(r, "operation", false, &name) < 0)
		i = count;
	else
		for (i = 0; i < count && strcmp(operations[i].name, buf_str(&name)) != 0; i++)
			;
	buf_free(&name);
	if (i == count)
		http_reply_text(r, 400, "operation must be GetCACaps, GetCACert or PKIOperation.");
	else if (operations[i].needs_ca && !certpair_leaf(&m->certs->ssc))
		http_reply_text(r, 503, "MDM not configured: there is no SSC.");
	else
		operations[i].answer(m, r);
}
