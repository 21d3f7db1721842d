/* mdm.c - what is missing, which topic is ours: the questions that all verbs ask */
#include "mdm/mdm.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/table.h"
#include "pki/cert.h"
#include "store/meta.h"

#include <stdlib.h>

void
mdm_fini(struct mdm *m)
{
	table_free(m->sessions);
	table_free(m->scep_busy);
	m->sessions = m->scep_busy = NULL;
}

int64_t
mdm_now(const struct mdm *m)
{
	return m->wall ? m->wall() : clock_wall();
}

bool
mdm_may_say(struct log_budget *b, unsigned *swallowed)
{
	if (b->burst == 0) {
		b->burst = 20;
		b->every_s = 30;
	}
	return log_allowed(b, clock_mono_ms(), swallowed);
}

/* meta "accepted-topic/<topic>": it was ours, or a person accepted it. */
static char *
accepted_name(const char *topic)
{
	return xasprintf("accepted-topic/%s", topic);
}

static bool
topic_accepted(const struct mdm *m, const char *topic)
{
	char *name = accepted_name(topic);
	int64_t since;
	bool accepted = meta_get_int(m->store, name, &since) == 0;

	free(name);
	return accepted;
}

int
mdm_topic_accept(struct mdm *m, const char *topic)
{
	char *name;
	int rc;

	if (topic_accepted(m, topic))
		return 0;
	name = accepted_name(topic);
	rc = meta_put_int(m->store, name, mdm_now(m));
	free(name);
	return rc;
}

bool
mdm_topic_allowed(const struct mdm *m, const char *topic)
{
	struct roster_counts counts;
	size_t here, all;

	if (topic_accepted(m, topic))
		return true;
	roster_counts(m->roster, &counts);
	all = counts.state[STATE_ENROLLED] + counts.state[STATE_INACTIVE];
	here = roster_topic_devices(m->roster, topic);
	return here > 0 || all == here;
}

bool
mdm_topic_ours(const struct mdm *m, const char *topic)
{
	size_t i;

	if (topic_accepted(m, topic))
		return true;
	for (i = 0; i < m->certs->push_count; i++)
		if (bytes_eq_str(bytes_str(m->certs->push[i].topic), topic))
			return mdm_topic_allowed(m, topic);
	return false;
}

static bool
allowed(void *arg, const char *topic)
{
	return mdm_topic_allowed(arg, topic);
}

const struct certpair *
mdm_push_pair(const struct mdm *m)
{
	return certdir_push_main(m->certs, mdm_now(m), allowed, (void *)(uintptr_t)m);
}

static void
say_push_missing(const struct mdm *m, struct buf *out)
{
	const struct certdir *d = m->certs;
	int64_t now = mdm_now(m);
	char date[16];
	size_t i;

	for (i = 0; i < d->push_count; i++) {
		if (d->push[i].not_before > now || d->push[i].not_after < now)
			continue;
		buf_printf(out,
			"MDM not configured: the topic of push certificate %s was never ours while "
			"devices are enrolled under another; if that is meant, say cordonctl "
			"accept-topic %s.",
			d->push[i].cert_file, d->push[i].topic);
		return;
	}
	if (d->push_count > 0)
		buf_printf(out,
			"MDM not configured: push certificate %s %s %s; renew it with cordon-csr "
			"renew and drop the new one into %s.",
			d->push[0].cert_file,
			d->push[0].not_after < now ? "expired on" : "is not valid before",
			clock_date(d->push[0].not_after < now ? d->push[0].not_after
							      : d->push[0].not_before,
				date, sizeof(date)),
			d->directory);
	else if (d->has_csr)
		buf_printf(out,
			"MDM not configured: there is no push certificate; have %s signed, take it "
			"to Apple's portal and drop the certificate into %s.",
			d->csr_file ? d->csr_file : "the signing request", d->directory);
	else
		buf_printf(out,
			"MDM not configured: there is no push certificate; make a signing request "
			"with cordon-csr new.");
}

bool
mdm_not_configured(const struct mdm *m, struct buf *out)
{
	X509 *ssc = certpair_leaf(&m->certs->ssc);
	bool push = mdm_push_pair(m) != NULL;
	char date[16];

	if (!ssc && !push && m->certs->push_count == 0)
		buf_add_str(out,
			"MDM not configured: there is no SSC and no push certificate; make the SSC "
			"with cordon-ssc new, then a signing request with cordon-csr new.");
	else if (!ssc)
		buf_add_str(
			out, "MDM not configured: there is no SSC; make it with cordon-ssc new.");
	else if (m->certs->ssc.not_after < mdm_now(m))
		buf_printf(out,
			"MDM not configured: the SSC expired on %s; replace it with cordon-ssc new "
			"--replace.",
			clock_date(m->certs->ssc.not_after, date, sizeof(date)));
	else if (!push)
		say_push_missing(m, out);
	else
		return false;
	return true;
}
