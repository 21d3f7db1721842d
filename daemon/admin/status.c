/* status.c - the state of the server as JSON, and as the line that systemctl status shows */
#include "admin/status.h"
#include "admin/webhook.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"

#include "admin/accept.h"
#include "admin/answer.h"
#include "admin/inactivity.h"
#include "admin/migration.h"
#include "admin/problems.h"
#include "base/clock.h"
#include "base/encode.h"
#include "base/mem.h"
#include "mdm/declarative.h"
#include "mdm/push.h"
#include "net/hook.h"
#include "pki/cert.h"

static json_t *
pair_json(const struct certpair *p, int64_t now)
{
	struct buf text = BUF_INIT;
	json_t *j;

	if (!p || !p->chain)
		return json_null();
	j = json_object();
	json_object_set_new(j, "name", json_text(p->name));
	json_object_set_new(j, "file", json_text(p->cert_file));
	json_object_set_new(j, "key_file", json_text(p->key_file));
	json_object_set_new(j, "key_matches", json_boolean(p->key));
	cert_serial(certpair_leaf(p), &text);
	json_object_set_new(j, "serial", json_text(buf_str(&text)));
	buf_reset(&text);
	cert_subject(certpair_leaf(p), &text);
	json_object_set_new(j, "subject", json_text(buf_str(&text)));
	buf_reset(&text);
	cert_issuer(certpair_leaf(p), &text);
	json_object_set_new(j, "issuer", json_text(buf_str(&text)));
	buf_reset(&text);
	encode_hex(&text, bytes_of(p->sha256, sizeof(p->sha256)));
	json_object_set_new(j, "sha256", json_text(buf_str(&text)));
	json_object_set_new(j, "not_before", json_time(p->not_before));
	json_object_set_new(j, "not_after", json_time(p->not_after));
	json_object_set_new(j, "days_left", json_integer((p->not_after - now) / 86400));
	json_object_set_new(j, "expired", json_boolean(p->not_after < now));
	buf_free(&text);
	return j;
}

/* The pair that the connection presents; else the best of the topic, even when it is expired or
 * lacks its key. */
static const struct certpair *
pair_of(const struct certdir *d, const struct pusher_line *t, int64_t now)
{
	const struct certpair *p = NULL;
	const char *topic = t->topic;

	for (size_t i = 0; !p && i < d->push_count; i++)
		if (memcmp(d->push[i].sha256, t->cert, SHA256_LEN) == 0)
			p = &d->push[i];
	if (!p)
		p = certdir_push_for(d, topic, now);
	for (size_t i = 0; !p && i < d->push_count; i++)
		if (strcmp(d->push[i].topic, topic) == 0)
			p = &d->push[i];
	return p ? p : certdir_push_lone(d, topic);
}

static json_t *
topic_json(struct admin *a, const struct pusher_line *t, int64_t now)
{
	const struct certpair *current = mdm_push_pair(&a->mdm);
	json_t *j = json_object();

	json_object_set_new(j, "topic", json_text(t->topic));
	json_object_set_new(j, "state", json_string(apns_state_name(t->state)));
	json_object_set_new(j, "words", json_text(t->words));
	json_object_set_new(j, "since", json_time(t->since));
	json_object_set_new(
		j, "current", json_boolean(current && strcmp(current->topic, t->topic) == 0));
	json_object_set_new(j, "devices",
		json_integer((json_int_t)roster_topic_devices(a->mdm.roster, t->topic)));
	json_object_set_new(j, "waiting", json_integer((json_int_t)t->waiting));
	json_object_set_new(j, "certificate", pair_json(pair_of(a->mdm.certs, t, now), now));
	return j;
}

struct collection {
	struct admin *admin;
	json_t *list;
	int64_t now;
};

static int
collect(void *arg, const struct pusher_line *t)
{
	struct collection *c = arg;

	json_array_append_new(c->list, topic_json(c->admin, t, c->now));
	return 0;
}

/* No topic is served: what is here all the same, so that a person can tell which key is missing. */
static json_t *
no_topic_json(const struct certdir *d, int64_t now)
{
	const struct certpair *lone = certdir_push_lone(d, NULL);
	json_t *j = json_object();

	json_object_set_new(j, "state", json_string(apns_state_name(APNS_DISCONNECTED)));
	json_object_set_new(j, "words",
		json_string(lone ? "the push certificate has no private key that can be used"
				 : "there is no push certificate"));
	if (lone) {
		json_object_set_new(j, "topic", json_text(lone->topic));
		json_object_set_new(j, "certificate", pair_json(lone, now));
	}
	return j;
}

static json_t *
push_json(struct admin *a, int64_t now)
{
	struct collection c = { a, json_array(), now };

	pusher_each(&a->mdm, collect, &c);
	if (json_array_size(c.list) == 0)
		json_array_append_new(c.list, no_topic_json(a->mdm.certs, now));
	return c.list;
}

static json_t *
devices_json(const struct roster *roster)
{
	struct roster_counts n;
	json_t *j = json_object();

	roster_counts(roster, &n);
	json_object_set_new(j, "pending", json_integer((json_int_t)n.state[STATE_PENDING]));
	json_object_set_new(j, "enrolled", json_integer((json_int_t)n.state[STATE_ENROLLED]));
	json_object_set_new(j, "inactive", json_integer((json_int_t)n.state[STATE_INACTIVE]));
	json_object_set_new(j, "removed", json_integer((json_int_t)n.state[STATE_REMOVED]));
	json_object_set_new(j, "locked", json_integer((json_int_t)n.locked));
	json_object_set_new(j, "users", json_integer((json_int_t)n.users));
	return j;
}

static json_t *
certificates_json(const struct certdir *d, int64_t now)
{
	json_t *j = json_object(), *remarks = json_array();

	json_object_set_new(j, "directory", json_text(d->directory));
	json_object_set_new(j, "ssc", pair_json(d->ssc.chain ? &d->ssc : &d->ssc_lone, now));
	json_object_set_new(j, "tls", pair_json(d->tls.chain ? &d->tls : &d->tls_lone, now));
	for (size_t i = 0; i < d->remark_count; i++) {
		json_t *remark = json_object();

		json_object_set_new(remark, "file", json_text(d->remarks[i].file));
		json_object_set_new(remark, "text", json_text(d->remarks[i].text));
		json_object_set_new(
			remark, "problem", json_boolean(d->remarks[i].weight == CERTDIR_PROBLEM));
		json_array_append_new(remarks, remark);
	}
	json_object_set_new(j, "remarks", remarks);
	return j;
}

static json_t *
configuration_json(const struct admin *a)
{
	json_t *j = json_object(), *faults = json_array(), *warnings = json_array();
	struct buf text = BUF_INIT;

	for (size_t i = 0; i < a->faults.count; i++) {
		buf_reset(&text);
		conf_fault_format(&a->faults.items[i], &text);
		json_array_append_new(
			a->faults.items[i].warning ? warnings : faults, json_text(buf_str(&text)));
	}
	json_object_set_new(j, "file", json_text(a->mdm.conf->file));
	json_object_set_new(j, "last_good", json_boolean(json_array_size(faults) > 0));
	json_object_set_new(j, "faults", faults);
	json_object_set_new(j, "warnings", warnings);
	json_object_set_new(j, "needs_restart", json_text(a->needs_restart));
	buf_free(&text);
	return j;
}

static json_t *
store_json(const struct admin *a)
{
	const struct store *s = a->mdm.store;
	struct store_numbers n;
	json_t *j = json_object();

	store_numbers(s, &n);
	json_object_set_new(j, "fault", n.fault ? json_text(strerror(-n.fault)) : json_null());
	json_object_set_new(j, "shortage", json_text(n.shortage));
	json_object_set_new(j, "commits", json_integer((json_int_t)n.commits));
	json_object_set_new(j, "changes", json_integer((json_int_t)n.changes));
	json_object_set_new(j, "table_records", json_integer((json_int_t)n.table_records));
	json_object_set_new(j, "log_bytes", json_integer((json_int_t)n.log_bytes));
	json_object_set_new(j, "checkpoints", json_integer((json_int_t)n.checkpoints));
	json_object_set_new(j, "last_checkpoint", json_time(n.last_checkpoint));
	json_object_set_new(j, "key", json_boolean(store_sealed(s)));
	json_object_set_new(j, "secrets_shut", json_integer((json_int_t)a->sealed.secrets_shut));
	json_object_set_new(
		j, "push_tokens_shut", json_integer((json_int_t)a->sealed.push_tokens_shut));
	return j;
}

static json_t *
declarative_json(const struct mdm *m)
{
	const char *url = m->conf->declarative.url;
	struct declarative_state s;
	char *shown;
	json_t *j;

	if (!url)
		return json_null();
	declarative_state(m->declarative, &s);
	j = json_object();
	shown = hook_shown(url);
	json_object_set_new(j, "url", json_text(shown));
	free(shown);
	json_object_set_new(j, "waiting", json_integer((json_int_t)(s.waiting + s.under_way)));
	json_object_set_new(j, "answered", json_integer((json_int_t)s.answered));
	json_object_set_new(j, "not_found", json_integer((json_int_t)s.not_found));
	json_object_set_new(j, "failed", json_integer((json_int_t)s.failed));
	json_object_set_new(j, "refused", json_integer((json_int_t)s.refused));
	json_object_set_new(j, "failing_since", json_time(s.failing_since));
	json_object_set_new(j, "fault", json_text(s.fault));
	return j;
}

json_t *
status_json(struct admin *a)
{
	int64_t now = clock_wall();
	struct buf missing = BUF_INIT;
	bool lacking = mdm_not_configured(&a->mdm, &missing);
	json_t *j = json_object();

	json_object_set_new(j, "version", json_string(PACKAGE_VERSION));
	json_object_set_new(j, "started", json_time(a->mdm.started_at));
	json_object_set_new(j, "server_name", json_text(a->mdm.conf->server_name));
	json_object_set_new(j, "configured", json_boolean(!lacking));
	json_object_set_new(
		j, "not_configured", lacking ? json_text(buf_str(&missing)) : json_null());
	json_object_set_new(j, "problems", problems_json(a, now));
	json_object_set_new(j, "push", push_json(a, now));
	json_object_set_new(j, "waits_for_word", accept_json(a));
	json_object_set_new(j, "devices", devices_json(a->mdm.roster));
	json_object_set_new(j, "inactivity", inactivity_json(a));
	json_object_set_new(j, "migration", migration_json(a));
	json_object_set_new(j, "adopt", adopt_json(a));
	json_object_set_new(j, "certificates", certificates_json(a->mdm.certs, now));
	json_object_set_new(j, "configuration", configuration_json(a));
	json_object_set_new(j, "store", store_json(a));
	json_object_set_new(j, "webhook", webhook_json(a->webhook));
	json_object_set_new(j, "declarative", declarative_json(&a->mdm));
	buf_free(&missing);
	return j;
}

/* "1,204" */
static void
add_count(struct buf *out, size_t n)
{
	if (n >= 1000) {
		add_count(out, n / 1000);
		buf_printf(out, ",%03zu", n % 1000);
	} else {
		buf_printf(out, "%zu", n);
	}
}

static void
add_push(struct admin *a, struct buf *out)
{
	const struct certpair *pair = mdm_push_pair(&a->mdm);
	int64_t now = clock_wall();
	struct pusher_line t;
	char date[16];

	buf_printf(out, "Push: %s. ",
		apns_state_name(pusher_main(&a->mdm, &t) ? t.state : APNS_DISCONNECTED));
	if (pair)
		buf_printf(out, "Push certificate: renew by %s (%lld days). ",
			clock_date(pair->not_after, date, sizeof(date)),
			(long long)((pair->not_after - now) / 86400));
}

void
status_line(struct admin *a, struct buf *out)
{
	struct roster_counts n;
	json_t *problems;

	problems = problems_json(a, clock_wall());
	if (json_array_size(problems))
		buf_printf(out, "%s ", json_string_value(json_array_get(problems, 0)));
	if (json_array_size(problems) > 1)
		buf_printf(out, "(and %zu more: cordonctl status) ", json_array_size(problems) - 1);
	json_decref(problems);
	add_push(a, out);
	roster_counts(a->mdm.roster, &n);
	add_count(out, n.state[STATE_ENROLLED]);
	buf_add_str(out, " enrolled, ");
	add_count(out, n.state[STATE_INACTIVE]);
	buf_add_str(out, " inactive, ");
	add_count(out, n.state[STATE_REMOVED]);
	buf_add_str(out, " removed.");
}

void
status_handle(struct http_request *r, void *ctx)
{
	answer_json(r, 200, status_json(ctx));
}
