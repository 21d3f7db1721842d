/* mdm.c - what is missing, which topic is ours: the questions that all verbs ask */
#include "mdm/mdm.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/table.h"
#include "mdm/crl.h"
#include "mdm/foreign.h"
#include "pki/cert.h"
#include "pki/cmsfast.h"
#include "store/meta.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CHOSEN_TOPIC "chosen-topic" /* meta: what a person accepted last */

void
mdm_fini(struct mdm *m)
{
	table_free(m->sessions);
	table_free(m->scep_busy);
	table_free(m->renewal_looks);
	crl_free(m);
	foreign_forget(m);
	cmsfast_keys_free(m->keys);
	m->keys = NULL;
	table_free(m->sources);
	table_free(m->installs);
	m->installs = NULL;
	m->sessions = m->scep_busy = m->renewal_looks = m->sources = NULL;
}

int64_t
mdm_now(const struct mdm *m)
{
	return m->wall ? m->wall() : clock_wall();
}

int64_t
mdm_mono_ms(const struct mdm *m)
{
	return m->mono ? m->mono() : clock_mono_ms();
}

bool
mdm_synchronised(const struct mdm *m)
{
	return m->synchronised ? m->synchronised() : clock_synchronised();
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

size_t
mdm_devices(const struct mdm *m)
{
	struct roster_counts counts;

	roster_counts(m->roster, &counts);
	return counts.state[STATE_ENROLLED] + counts.state[STATE_INACTIVE];
}

size_t
mdm_topic_others(const struct mdm *m, const char *topic)
{
	return mdm_devices(m) - roster_topic_devices(m->roster, topic);
}

int
mdm_topic_choose(struct mdm *m, const char *topic)
{
	int rc = mdm_topic_accept(m, topic);

	return rc < 0 ? rc : meta_put_str(m->store, CHOSEN_TOPIC, topic);
}

bool
mdm_topic_allowed(const struct mdm *m, const char *topic)
{
	return topic_accepted(m, topic) || roster_topic_devices(m->roster, topic) > 0 ||
	       mdm_devices(m) == 0;
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
	const struct certpair *pair = NULL;
	char *chosen;

	if (meta_get_str(m->store, CHOSEN_TOPIC, &chosen) == 0) {
		pair = certdir_push_for(m->certs, chosen, mdm_now(m));
		free(chosen);
	}
	return pair ? pair : certdir_push_main(m->certs, mdm_now(m), allowed, (void *)(uintptr_t)m);
}

/* meta "accepted-server-name/<name>": a person accepted it, or it was the one before. */
static bool
name_accepted(const struct mdm *m, const char *name)
{
	char *key = xasprintf("accepted-server-name/%s", name);
	int64_t since;
	bool accepted = meta_get_int(m->store, key, &since) == 0;

	free(key);
	return accepted;
}

static int
accept_name(struct mdm *m, const char *name)
{
	char *key = xasprintf("accepted-server-name/%s", name);
	int rc = name_accepted(m, name) ? 0 : meta_put_int(m->store, key, mdm_now(m));

	free(key);
	return rc;
}

bool
mdm_server_name_allowed(const struct mdm *m, const char *name)
{
	char *recorded;
	bool same;

	if (mdm_devices(m) == 0 || name_accepted(m, name))
		return true;
	if (meta_get_str(m->store, "server-name", &recorded) < 0)
		return true;
	same = strcmp(recorded, name) == 0;
	free(recorded);
	return same;
}

int
mdm_server_name_accept(struct mdm *m, const char *name)
{
	char *recorded = NULL;
	int rc = meta_get_str(m->store, "server-name", &recorded);

	if (rc == -ENOENT)
		rc = 0;
	if (rc == 0 && recorded && strcmp(recorded, name) != 0)
		rc = accept_name(m, recorded);
	if (rc == 0)
		rc = accept_name(m, name);
	if (rc == 0)
		rc = meta_put_str(m->store, "server-name", name);
	free(recorded);
	return rc;
}

void
mdm_server_name_note(struct mdm *m, const char *name)
{
	char *recorded;

	if (mdm_devices(m) > 0 || meta_get_str(m->store, "server-name", &recorded) < 0)
		return;
	if (strcmp(recorded, name) != 0 && meta_put_str(m->store, "server-name", name) < 0)
		log_debug("the server name is not noted: the store takes no changes");
	free(recorded);
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
			"%zu devices are enrolled under another; if that is meant, say cordonctl "
			"accept-topic %s.",
			d->push[i].cert_file, mdm_topic_others(m, d->push[i].topic),
			d->push[i].topic);
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

/* Packages ship a name under .invalid (RFC 6761), which no device can ever reach. */
static bool
name_is_placeholder(const struct mdm *m)
{
	static const char end[] = ".invalid";
	char *host = conf_server_host(m->conf);
	size_t len = strlen(host);
	bool is = len >= sizeof(end) - 1 && strcmp(host + len - (sizeof(end) - 1), end) == 0;

	free(host);
	return is;
}

bool
mdm_not_configured(const struct mdm *m, struct buf *out)
{
	X509 *ssc = certpair_leaf(&m->certs->ssc);
	bool push = mdm_push_pair(m) != NULL;
	char date[16];

	if (name_is_placeholder(m))
		buf_printf(out,
			"MDM not configured: server-name is still \"%s\"; set organization and "
			"server-name in %s.",
			m->conf->server_name, m->conf->file);
	else if (!ssc && !push && m->certs->push_count == 0)
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
