/* problems.c - looks at every part for what an administrator must know */
#include "admin/problems.h"

#include <stdio.h>
#include <string.h>

#include "admin/answer.h"
#include "admin/inactivity.h"
#include "admin/status.h"
#include "admin/warn.h"
#include "admin/webhook.h"
#include "base/clock.h"
#include "mdm/command_install.h"
#include "mdm/declarative.h"
#include "mdm/push.h"
#include "mdm/renewal.h"
#include "policy/expiry.h"

/* `step` of the outline mends it; 0: what it says itself. */
static void
add_for(json_t *list, unsigned step, struct buf *text)
{
	json_t *j = json_object();

	json_object_set_new(j, "text", json_text(buf_str(text)));
	json_object_set_new(j, "step", json_integer(step));
	json_array_append_new(list, j);
}

static void
add(json_t *list, struct buf *text)
{
	add_for(list, 0, text);
}

static void
configuration(struct admin *a, json_t *list)
{
	struct buf text = BUF_INIT;
	size_t faults = 0;

	for (size_t i = 0; i < a->faults.count; i++) {
		if (a->faults.items[i].warning)
			continue;
		if (faults++ == 0) {
			buf_add_str(&text, "Configuration faults: the last good configuration is "
					   "in use until they are mended.");
			add(list, &text);
		}
		buf_reset(&text);
		conf_fault_format(&a->faults.items[i], &text);
		add(list, &text);
	}
	if (a->needs_restart) {
		buf_reset(&text);
		buf_printf(&text,
			"These settings changed and wait for a restart (systemctl restart "
			"cordond): %s.",
			a->needs_restart);
		add(list, &text);
	}
	buf_free(&text);
}

static void
store(struct admin *a, json_t *list)
{
	struct store_numbers n;
	struct buf text = BUF_INIT;

	store_numbers(a->mdm.store, &n);
	if (!n.fault && !n.shortage)
		return;
	if (!n.fault)
		buf_printf(&text,
			"The store in %s runs out of room: %s. Changes are still taken, from a "
			"reserve; make room or mend the disk before it is used up.",
			a->mdm.conf->state, n.shortage);
	else
		buf_printf(&text,
			"The store in %s takes no changes: %s. Devices are told to come back; make "
			"room or "
			"mend the disk.",
			a->mdm.conf->state, strerror(-n.fault));
	add(list, &text);
	buf_free(&text);
}

bool
problems_sealed(const struct admin *a, struct buf *out)
{
	const struct sealed_counts *n = &a->sealed;
	bool key = store_sealed(a->mdm.store), ssc = a->mdm.certs && a->mdm.certs->ssc.chain;

	if (n->secrets_shut + n->push_tokens_shut == 0 && (key || !ssc))
		return false;
	if (key)
		buf_printf(out,
			"store.key is not the one that sealed all that is in %s: %zu secrets and "
			"the push tokens of %zu enrollments do not open. ",
			a->mdm.conf->state, n->secrets_shut, n->push_tokens_shut);
	else
		buf_printf(out,
			"There is no store.key: secrets and answers in %s can neither be read nor "
			"kept; %zu secrets and the push tokens of %zu enrollments do not open. ",
			a->mdm.conf->state, n->secrets_shut, n->push_tokens_shut);
	buf_printf(out,
		"Put the right one back into %s, from where it is kept beside the backup%s.",
		a->mdm.conf->certificates, key ? ", and restart" : "");
	return true;
}

static void
sealing_key(struct admin *a, json_t *list)
{
	struct buf text = BUF_INIT;

	if (problems_sealed(a, &text))
		add(list, &text);
	buf_free(&text);
}

static void
setup(struct admin *a, json_t *list)
{
	struct buf text = BUF_INIT;

	if (mdm_not_configured(&a->mdm, &text))
		add_for(list, a->mdm.certs->ssc.chain ? STEP_PUSH : STEP_SSC, &text);
	buf_reset(&text);
	if (!a->listening && a->mdm.certs->tls.chain) {
		buf_add_str(&text,
			"Devices cannot connect: the listener cannot be opened (the journal says "
			"why); is another program on its port? Then systemctl restart cordond.");
		add(list, &text);
	} else if (!a->listening) {
		buf_printf(&text,
			"Devices cannot connect: there is no TLS certificate with its key (%s).",
			a->mdm.conf->tls.certificate);
		add_for(list, STEP_TLS, &text);
	}
	buf_free(&text);
}

struct push_problems {
	struct admin *admin;
	json_t *list;
};

static bool
has_certificate(const struct mdm *m, const char *topic)
{
	for (size_t i = 0; i < m->certs->push_count; i++)
		if (strcmp(m->certs->push[i].topic, topic) == 0)
			return true;
	return false;
}

static int
push_problem(void *arg, const struct pusher_line *t)
{
	struct push_problems *p = arg;
	const struct mdm *m = &p->admin->mdm;
	size_t devices = roster_topic_devices(m->roster, t->topic);
	struct buf text = BUF_INIT;

	if (t->state == APNS_CONNECTED || t->state == APNS_CONNECTING)
		return 0;
	if (!has_certificate(m, t->topic))
		buf_printf(&text,
			"Topic %s has no push certificate: its %zu devices can only be met when "
			"they poll, and must be enrolled again, unless its certificate and key "
			"come back.",
			t->topic, devices);
	else
		buf_printf(&text, "Push is %s for topic %s (%zu devices): %s.",
			apns_state_name(t->state), t->topic, devices,
			t->words && *t->words ? t->words : "no connection to Apple");
	add(p->list, &text);
	buf_free(&text);
	return 0;
}

static void
push(struct admin *a, json_t *list)
{
	struct push_problems p = { a, list };

	pusher_each(&a->mdm, push_problem, &p);
}

struct expiry_round {
	const struct admin *admin;
	json_t *list;
	int64_t now;
};

/* That something is expired is a remark of the scan already, with its remedy. */
static void
expiry(void *arg, const struct warn_item *item)
{
	const struct expiry_round *r = arg;
	const struct conf *c = r->admin->mdm.conf;
	const struct certpair *p = item->pair;
	struct buf text = BUF_INIT;
	char date[16];

	if (p->not_after < r->now ||
		!expiry_near(c->push.warn_days, c->push.warn_days_count, p->not_after, r->now))
		return;
	buf_printf(&text, "The %s (%s) expires on %s, in %lld days: %s.", item->what, p->cert_file,
		clock_date(p->not_after, date, sizeof(date)),
		(long long)expiry_days(p->not_after, r->now), item->remedy);
	add(r->list, &text);
	buf_free(&text);
}

static void
identities(const struct admin *a, json_t *list)
{
	struct buf text = BUF_INIT;

	if (a->identities_near + a->identities_over == 0)
		return;
	buf_printf(&text,
		"The identities of %zu devices expire soon and those of %zu are expired: they "
		"renew when they connect, so see why they do not (cordonctl devices).",
		a->identities_near, a->identities_over);
	add(list, &text);
	buf_free(&text);
}

static void
certificates(struct admin *a, int64_t now, json_t *list)
{
	const struct certdir *d = a->mdm.certs;
	struct expiry_round round = { a, list, now };
	struct buf text = BUF_INIT;

	warn_each(a, expiry, &round);
	identities(a, list);
	for (size_t i = 0; i < d->remark_count; i++) {
		if (d->remarks[i].weight != CERTDIR_PROBLEM)
			continue;
		buf_reset(&text);
		buf_printf(&text, "%s: %s", d->remarks[i].file, d->remarks[i].text);
		add(list, &text);
	}
	buf_free(&text);
}

/* A certificate of a topic that was never ours, beside the ones in use. */
static void
refused_topics(struct admin *a, json_t *list)
{
	const struct certdir *d = a->mdm.certs;
	const char *before = NULL;
	struct buf text = BUF_INIT;

	for (size_t i = 0; i < d->push_count; i++) {
		const struct certpair *p = &d->push[i];

		if ((before && strcmp(before, p->topic) == 0) ||
			mdm_topic_allowed(&a->mdm, p->topic))
			continue;
		before = p->topic;
		buf_reset(&text);
		buf_printf(&text,
			"%s is refused: its topic %s was never this server's, and %zu devices are "
			"enrolled under another, which they cannot change. Renew the certificate "
			"of their topic and remove this one; if the new topic is meant: cordonctl "
			"accept-topic %s",
			p->cert_file, p->topic, mdm_topic_others(&a->mdm, p->topic), p->topic);
		add(list, &text);
	}
	buf_free(&text);
}

static void
renewals(struct admin *a, json_t *list)
{
	struct buf text = BUF_INIT;
	int64_t since = renewal_halted(&a->mdm);
	char date[32];

	if (!since)
		return;
	buf_printf(&text,
		"Renewals of device identities are halted since %s, because several failed: look "
		"for the cause in the journal, try one device with cordonctl renew ID, then say "
		"cordonctl renew --resume.",
		clock_iso(since, date, sizeof(date)));
	add(list, &text);
	buf_free(&text);
}

static void
add_install(void *arg, const char *path, const char *why)
{
	struct buf text = BUF_INIT;

	buf_printf(&text,
		"enrollment.install: %s is not installed on devices that enroll: %s. Mend the "
		"file, or take it out of the configuration.",
		path, why);
	add(arg, &text);
	buf_free(&text);
}

static void
commands(struct admin *a, json_t *list)
{
	struct buf text = BUF_INIT;

	if (a->schema_fault) {
		buf_printf(&text, "The table of commands cannot be read, so they are %s: %s.",
			a->schema ? "checked by an earlier one" : "not checked", a->schema_fault);
		add(list, &text);
	}
	command_install_faults(&a->mdm, add_install, list);
	buf_free(&text);
}

static void
add_silence(void *arg, struct buf *text)
{
	add(arg, text);
}

static void
webhook(struct admin *a, int64_t now, json_t *list)
{
	struct buf text = BUF_INIT;

	if (webhook_problem(a->webhook, now, &text))
		add(list, &text);
	buf_free(&text);
}

static void
declarative(struct admin *a, int64_t now, json_t *list)
{
	struct buf text = BUF_INIT;

	if (declarative_problem(a->mdm.declarative, now, &text))
		add(list, &text);
	buf_free(&text);
}

json_t *
problems_steps(struct admin *a, int64_t now)
{
	json_t *list = json_array();

	configuration(a, list);
	store(a, list);
	setup(a, list);
	sealing_key(a, list);
	push(a, list);
	refused_topics(a, list);
	certificates(a, now, list);
	inactivity_problems(a, add_silence, list);
	renewals(a, list);
	commands(a, list);
	webhook(a, now, list);
	declarative(a, now, list);
	return list;
}

json_t *
problems_json(struct admin *a, int64_t now)
{
	json_t *list = problems_steps(a, now), *texts = json_array(), *item;
	size_t i;

	json_array_foreach(list, i, item)
	{
		json_array_append(texts, json_object_get(item, "text"));
	}
	json_decref(list);
	return texts;
}
