/* problems.c - looks at every part for what an administrator must know */
#include "admin/problems.h"

#include <stdio.h>
#include <string.h>

#include "admin/answer.h"
#include "base/clock.h"
#include "mdm/push.h"

static void
add(json_t *list, struct buf *text)
{
	json_array_append_new(list, json_text(buf_str(text)));
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
	if (!n.fault)
		return;
	buf_printf(&text,
		"The store in %s takes no changes: %s. Devices are told to come back; make room or "
		"mend the disk.",
		a->mdm.conf->state, strerror(-n.fault));
	add(list, &text);
	buf_free(&text);
}

static void
setup(struct admin *a, json_t *list)
{
	struct buf text = BUF_INIT;

	if (mdm_not_configured(&a->mdm, &text))
		add(list, &text);
	buf_reset(&text);
	if (!a->listening) {
		buf_printf(&text,
			"Devices cannot connect: there is no TLS certificate with its key (%s).",
			a->mdm.conf->tls.certificate);
		add(list, &text);
	}
	buf_free(&text);
}

struct push_problems {
	struct admin *admin;
	json_t *list;
};

static int
push_problem(void *arg, const struct pusher_line *t)
{
	struct push_problems *p = arg;
	struct buf text = BUF_INIT;

	if (t->state == APNS_CONNECTED || t->state == APNS_CONNECTING)
		return 0;
	buf_printf(&text, "Push is %s for topic %s (%zu devices): %s.", apns_state_name(t->state),
		t->topic, roster_topic_devices(p->admin->mdm.roster, t->topic),
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

static void
expiry(struct admin *a, const char *what, const struct certpair *p, int64_t now, json_t *list)
{
	const struct conf *c = a->mdm.conf;
	int64_t days = (p->not_after - now) / 86400;
	struct buf text = BUF_INIT;
	int first = 0;
	char date[16];

	for (size_t i = 0; i < c->push.warn_days_count; i++)
		if (c->push.warn_days[i] > first)
			first = c->push.warn_days[i];
	if (!p->chain || now + (int64_t)first * 86400 < p->not_after)
		return;
	clock_date(p->not_after, date, sizeof(date));
	if (p->not_after <= now)
		buf_printf(&text, "The %s (%s) expired on %s.", what, p->cert_file, date);
	else
		buf_printf(&text, "The %s (%s) expires on %s, in %lld days: renew it.", what,
			p->cert_file, date, (long long)days);
	add(list, &text);
	buf_free(&text);
}

static void
certificates(struct admin *a, int64_t now, json_t *list)
{
	const struct certdir *d = a->mdm.certs;
	const struct certpair *pair = mdm_push_pair(&a->mdm);
	struct buf text = BUF_INIT;

	if (pair)
		expiry(a, "push certificate", pair, now, list);
	expiry(a, "self-signed certificate (SSC)", &d->ssc, now, list);
	expiry(a, "TLS certificate", &d->tls, now, list);
	for (size_t i = 0; i < d->remark_count; i++) {
		if (d->remarks[i].weight != CERTDIR_PROBLEM)
			continue;
		buf_reset(&text);
		buf_printf(&text, "%s: %s", d->remarks[i].file, d->remarks[i].text);
		add(list, &text);
	}
	buf_free(&text);
}

json_t *
problems_json(struct admin *a, int64_t now)
{
	json_t *list = json_array();

	configuration(a, list);
	store(a, list);
	setup(a, list);
	push(a, list);
	certificates(a, now, list);
	return list;
}
