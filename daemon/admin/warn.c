/* warn.c - what expires, and the messages that say so in time */
#include "admin/warn.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "policy/expiry.h"
#include "store/meta.h"

#define IDENTITIES "warned/identities" /* meta: when they were spoken of last */

/* A certificate that serves nobody may expire in peace. */
static bool
in_use(const struct admin *a, const char *topic, const struct certpair *current)
{
	if (!mdm_topic_allowed(&a->mdm, topic))
		return false;
	return !current || strcmp(current->topic, topic) == 0 ||
	       roster_topic_devices(a->mdm.roster, topic) > 0;
}

void
warn_each(const struct admin *a, void (*each)(void *arg, const struct warn_item *item), void *arg)
{
	const struct certdir *d = a->mdm.certs;
	const struct certpair *current = mdm_push_pair(&a->mdm);
	const char *before = NULL;
	struct warn_item ssc = { "self-signed certificate (SSC)", "",
		"replace it in time with cordon-ssc new --replace: devices move to the new one by "
		"themselves",
		&d->ssc };
	struct warn_item tls = { "TLS certificate", "",
		"renew it where it came from, or with cordon-ssc tls NAME", &d->tls };

	/* best first within a topic */
	for (size_t i = 0; i < d->push_count; i++) {
		struct warn_item push = { "push certificate", d->push[i].topic,
			d->has_csr ? "its renewal waits: have the new CSR signed, upload it with "
				     "Renew on the row of this topic in Apple's portal, and drop "
				     "the certificate in"
				   : "renew it with cordon-csr renew, and with Renew on the row of "
				     "this topic in Apple's portal",
			&d->push[i] };

		if ((!before || strcmp(before, push.name) != 0) && in_use(a, push.name, current))
			each(arg, &push);
		before = push.name;
	}
	if (ssc.pair->chain)
		each(arg, &ssc);
	if (tls.pair->chain)
		each(arg, &tls);
}

static char *
said_key(const struct warn_item *item)
{
	return xasprintf("warned/%s/%s", item->what, item->name);
}

static void
load_said(struct store *s, const char *key, struct expiry_said *said)
{
	char *text = NULL;

	*said = (struct expiry_said){ 0 };
	if (meta_get_str(s, key, &text) == 0 &&
		sscanf(text, "%" SCNd64 " %" SCNd64 " %" SCNd64, &said->not_after, &said->stage,
			&said->at) != 3)
		*said = (struct expiry_said){ 0 };
	free(text);
}

static int
save_said(struct store *s, const char *key, const struct expiry_said *said)
{
	char text[72];

	snprintf(text, sizeof(text), "%" PRId64 " %" PRId64 " %" PRId64, said->not_after,
		said->stage, said->at);
	return meta_put_str(s, key, text);
}

static void
say(const struct admin *a, const struct warn_item *item, int64_t now)
{
	const struct certpair *p = item->pair;
	const char *account = p->topic ? a->mdm.conf->push.apple_account : NULL;
	int64_t days = expiry_days(p->not_after, now);
	char date[16], when[40] = "";

	if (days >= 0)
		snprintf(when, sizeof(when), ", in %" PRId64 " day%s", days, days == 1 ? "" : "s");
	log_event(EV_CERT_EXPIRY, FIELDS(F_FILE(p->cert_file), F_TOPIC(p->topic)),
		"%s: the %s%s%s %s on %s%s: %s%s%s%s", p->cert_file, item->what,
		p->topic ? " of topic " : "", p->topic ? p->topic : "",
		days < 0 ? "expired" : "expires", clock_date(p->not_after, date, sizeof(date)),
		when, item->remedy, account ? " (Apple account: " : "", account ? account : "",
		account ? ")" : "");
}

struct round {
	struct admin *admin;
	int64_t now;
};

/* Said only when it can be noted: a full disk would make it a message of every minute. */
static void
warn_one(void *arg, const struct warn_item *item)
{
	const struct round *r = arg;
	const struct conf *c = r->admin->mdm.conf;
	char *key = said_key(item);
	struct expiry_said said;

	load_said(r->admin->mdm.store, key, &said);
	if (expiry_due(c->push.warn_days, c->push.warn_days_count, item->pair->not_after, r->now,
		    &said) &&
		save_said(r->admin->mdm.store, key, &said) == 0)
		say(r->admin, item, r->now);
	free(key);
}

static void
count_identities(struct admin *a, int64_t now)
{
	const struct conf *c = a->mdm.conf;
	size_t near = 0, over = 0;

	for (size_t i = 0; i < roster_count(a->mdm.roster); i++) {
		const struct roster_line *l = roster_at(a->mdm.roster, i);

		if (!l || !l->identity_not_after ||
			(l->state != STATE_ENROLLED && l->state != STATE_INACTIVE))
			continue;
		if (l->identity_not_after < now)
			over++;
		else if (expiry_near(c->push.warn_days, c->push.warn_days_count,
				 l->identity_not_after, now))
			near++;
	}
	a->identities_near = near;
	a->identities_over = over;
}

static void
warn_identities(struct admin *a, int64_t now)
{
	int64_t at;

	count_identities(a, now);
	if (a->identities_near + a->identities_over == 0)
		return;
	if (meta_get_int(a->mdm.store, IDENTITIES, &at) == 0 && !expiry_daily(at, now))
		return;
	if (meta_put_int(a->mdm.store, IDENTITIES, now) < 0)
		return;
	log_event(EV_CERT_EXPIRY, NO_FIELDS,
		"the identities of %zu devices expire soon and those of %zu are expired: devices "
		"renew by themselves when they connect, so see why these do not (cordonctl "
		"devices)",
		a->identities_near, a->identities_over);
}

void
warn_expiry(struct admin *a, int64_t now)
{
	struct round r = { a, now };

	warn_each(a, warn_one, &r);
	warn_identities(a, now);
}
