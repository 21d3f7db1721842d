/* metrics.c - what the server counts, as Prometheus text */
#include "admin/metrics.h"

#include <inttypes.h>
#include <string.h>

#include "config.h"

#include "admin/admin.h"
#include "admin/journal.h"
#include "mdm/declarative.h"
#include "mdm/patrol.h"
#include "mdm/push.h"
#include "mdm/service.h"
#include "net/http.h"

#define TYPE_METRICS "text/plain; version=0.0.4; charset=utf-8"
#define DAY INT64_C(86400)

static const double commit_bounds[METRICS_COMMIT_BUCKETS] = { 0.0005, 0.001, 0.0025, 0.005, 0.01,
	0.025, 0.05, 0.1, 0.25, 1, 5 };

static const char *const gate_reasons[METRICS_GATE_REASONS] = { "enrolled", "locked", "inactive",
	"removed", "not enrolled", "revoked", "expired", "other" };

static const int64_t age_days[] = { 1, 7, 14, 30, 45, 90 };
#define AGES (sizeof(age_days) / sizeof(age_days[0]))

void
metrics_commit(struct metrics *m, int64_t us)
{
	size_t i = 0;

	while (i < METRICS_COMMIT_BUCKETS && (double)us > commit_bounds[i] * 1e6)
		i++;
	m->commit[i]++;
	m->commits++;
	m->commit_us += us > 0 ? (uint64_t)us : 0;
}

void
metrics_gate(struct metrics *m, bool allowed, const char *reason)
{
	size_t i = 0;

	while (i < METRICS_GATE_REASONS - 1 && strcmp(gate_reasons[i], reason) != 0)
		i++;
	m->gate[i][allowed]++;
}

/* ---- how a metric is written ---- */

static void
head(struct buf *out, const char *name, const char *type, const char *help)
{
	buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void
number(struct buf *out, const char *name, const char *type, const char *help, uint64_t value)
{
	head(out, name, type, help);
	buf_printf(out, "%s %" PRIu64 "\n", name, value);
}

static void
counter(struct buf *out, const char *name, const char *help, uint64_t value)
{
	number(out, name, "counter", help, value);
}

static void
gauge(struct buf *out, const char *name, const char *help, uint64_t value)
{
	number(out, name, "gauge", help, value);
}

static void
seconds(struct buf *out, const char *name, const char *help, int64_t us)
{
	head(out, name, "gauge", help);
	buf_printf(out, "%s %.6f\n", name, (double)us / 1e6);
}

/* A label's value: what would end it is escaped. */
static void
label(struct buf *out, const char *name, const char *value)
{
	buf_printf(out, "%s=\"", name);
	for (; value && *value; value++) {
		if (*value == '"' || *value == '\\')
			buf_add_char(out, '\\');
		if (*value == '\n')
			buf_add_str(out, "\\n");
		else
			buf_add_char(out, *value);
	}
	buf_add_char(out, '"');
}

static void
labelled(struct buf *out, const char *name, const char *key, const char *value, uint64_t n)
{
	buf_printf(out, "%s{", name);
	label(out, key, value);
	buf_printf(out, "} %" PRIu64 "\n", n);
}

/* ---- devices ---- */

static void
write_states(const struct admin *a, struct buf *out)
{
	struct roster_counts n;

	roster_counts(a->mdm.roster, &n);
	head(out, "cordon_devices", "gauge", "Devices by state.");
	labelled(out, "cordon_devices", "state", "pending", n.state[STATE_PENDING]);
	labelled(out, "cordon_devices", "state", "enrolled", n.state[STATE_ENROLLED]);
	labelled(out, "cordon_devices", "state", "inactive", n.state[STATE_INACTIVE]);
	labelled(out, "cordon_devices", "state", "removed", n.state[STATE_REMOVED]);
	gauge(out, "cordon_devices_locked", "Devices whose access is locked.", n.locked);
	gauge(out, "cordon_user_channels", "User channels.", n.users);
}

/* A device that never answered counts from its enrollment. */
static int64_t
age_of(const struct roster_line *line, int64_t now)
{
	int64_t last = line->last_seen ? line->last_seen : line->enrolled_at;

	return now > last ? now - last : 0;
}

static void
write_ages(const struct admin *a, struct buf *out)
{
	static const char name[] = "cordon_device_last_response_age_seconds";
	uint64_t at[AGES + 1] = { 0 }, sum = 0, count = 0;
	size_t lines = roster_count(a->mdm.roster), i, k;
	int64_t now = mdm_now(&a->mdm);

	for (i = 0; i < lines; i++) {
		const struct roster_line *line = roster_at(a->mdm.roster, i);
		int64_t age;

		if (!line || channel_is_user((enum channel)line->channel) ||
			(line->state != STATE_ENROLLED && line->state != STATE_INACTIVE))
			continue;
		age = age_of(line, now);
		for (k = 0; k < AGES && age > age_days[k] * DAY; k++)
			;
		at[k]++;
		sum += (uint64_t)age;
	}
	head(out, name, "histogram", "Enrolled and inactive devices by time since they answered.");
	for (k = 0; k <= AGES; k++) {
		count += at[k];
		if (k < AGES)
			buf_printf(out, "%s_bucket{le=\"%" PRId64 "\"} %" PRIu64 "\n", name,
				age_days[k] * DAY, count);
		else
			buf_printf(out, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", name, count);
	}
	buf_printf(out, "%s_sum %" PRIu64 "\n%s_count %" PRIu64 "\n", name, sum, name, count);
}

static void
write_gate(const struct admin *a, struct buf *out)
{
	static const char name[] = "cordon_gate_answers_total";
	static const char *const answers[2] = { "denied", "allowed" };
	size_t i, k;

	head(out, name, "counter", "Answers of the gate by reason.");
	for (i = 0; i < METRICS_GATE_REASONS; i++)
		for (k = 0; k < 2; k++) {
			if (!a->metrics.gate[i][k] && k != (i == 0))
				continue;
			buf_printf(out, "%s{", name);
			label(out, "answer", answers[k]);
			buf_add_char(out, ',');
			label(out, "reason", gate_reasons[i]);
			buf_printf(out, "} %" PRIu64 "\n", a->metrics.gate[i][k]);
		}
}

static void
write_inactivity(const struct admin *a, struct buf *out)
{
	struct patrol_numbers n;

	patrol_numbers(&a->mdm, &n);
	counter(out, "cordon_inactivity_asks_total", "Devices asked by schedule.", n.asked);
	counter(out, "cordon_inactivity_locks_total", "Devices locked for their silence.",
		n.locked);
	counter(out, "cordon_candidates_lapsed_total", "Enrollments that were begun and not ended.",
		n.lapsed);
	gauge(out, "cordon_inactivity_over_limit",
		"Devices that are silent and not locked because of lock-limit.", n.over_limit);
	gauge(out, "cordon_inactivity_locks_last_day",
		"Devices locked for their silence within 24 hours.", n.drawn);
	gauge(out, "cordon_inactivity_lock_limit",
		"How many devices may be locked for their silence within 24 hours.", n.limit);
	counter(out, "cordon_patrol_rounds_total", "Rounds over all devices.", n.rounds);
	seconds(out, "cordon_patrol_round_seconds", "Processor time of the last round.",
		n.round_us);
	seconds(out, "cordon_patrol_slice_max_seconds", "The longest slice of a round.",
		n.slice_us_max);
	seconds(out, "cordon_patrol_turn_max_seconds",
		"The longest slice of a round with the commit of what it changed.", n.turn_us_max);
}

/* ---- service clocks and push ---- */

struct sheet {
	struct buf *out;
	unsigned part;
};

static int
write_clock(void *arg, const struct service_line *line)
{
	struct sheet *s = arg;
	int cause;

	if (s->part == 0) {
		labelled(s->out, "cordon_service_clock_seconds", "topic", line->topic,
			(uint64_t)line->seconds);
	} else if (s->part == 1) {
		for (cause = STANDING_NO + 1; cause < STANDING_COUNT; cause++) {
			buf_add_str(s->out, "cordon_service_clock_standing{");
			label(s->out, "topic", line->topic);
			buf_add_char(s->out, ',');
			label(s->out, "cause", standing_name((enum standing)cause));
			buf_printf(s->out, "} %d\n", (int)line->standing == cause);
		}
	} else {
		labelled(s->out, "cordon_service_clock_standing_since_timestamp_seconds", "topic",
			line->topic, (uint64_t)line->since);
	}
	return 0;
}

static void
write_clocks(const struct admin *a, struct buf *out)
{
	struct sheet s = { out, 0 };

	head(out, "cordon_service_clock_seconds", "gauge",
		"Time in which silence of devices counts.");
	service_each(&a->mdm, write_clock, &s);
	head(out, "cordon_service_clock_standing", "gauge",
		"1 where the service clock stands, by cause.");
	s.part = 1;
	service_each(&a->mdm, write_clock, &s);
	head(out, "cordon_service_clock_standing_since_timestamp_seconds", "gauge",
		"When the service clock came to stand; 0 while it runs.");
	s.part = 2;
	service_each(&a->mdm, write_clock, &s);
}

static int
write_line(void *arg, const struct pusher_line *line)
{
	struct sheet *s = arg;

	if (s->part == 0)
		labelled(s->out, "cordon_push_connected", "topic", line->topic,
			line->state == APNS_CONNECTED);
	else if (s->part == 1)
		labelled(s->out, "cordon_push_waiting", "topic", line->topic, line->waiting);
	else
		labelled(s->out, "cordon_push_in_flight", "topic", line->topic, line->in_flight);
	return 0;
}

static void
write_push(const struct admin *a, struct buf *out)
{
	struct pusher_numbers n;
	struct sheet s = { out, 0 };

	pusher_numbers(&a->mdm, &n);
	counter(out, "cordon_pushes_total", "Pushes handed to a connection.", n.asked);
	head(out, "cordon_push_results_total", "counter", "Answers of Apple's push service.");
	labelled(out, "cordon_push_results_total", "result", "accepted", n.accepted);
	labelled(out, "cordon_push_results_total", "result", "rejected", n.rejected);
	counter(out, "cordon_push_gone_total", "Tokens that are not valid any more.", n.gone);
	counter(out, "cordon_push_coalesced_total", "Asks that another push stood for.",
		n.coalesced);
	counter(out, "cordon_push_retried_total", "Pushes put off after a fault of Apple's.",
		n.retried);
	head(out, "cordon_push_connected", "gauge", "1 while the topic's connection is up.");
	pusher_each(&a->mdm, write_line, &s);
	head(out, "cordon_push_waiting", "gauge", "Pushes that wait for a stream.");
	s.part = 1;
	pusher_each(&a->mdm, write_line, &s);
	head(out, "cordon_push_in_flight", "gauge", "Pushes that Apple did not answer yet.");
	s.part = 2;
	pusher_each(&a->mdm, write_line, &s);
}

/* ---- certificates ---- */

static void
write_certificate(
	struct buf *out, const char *kind, const struct certpair *p, int64_t now, bool left)
{
	const char *name = left ? "cordon_certificate_remaining_seconds"
				: "cordon_certificate_expiry_timestamp_seconds";

	if (!p->chain)
		return;
	buf_printf(out, "%s{", name);
	label(out, "kind", kind);
	buf_add_char(out, ',');
	label(out, "file", p->cert_file);
	buf_printf(out, "} %" PRId64 "\n", left ? p->not_after - now : p->not_after);
}

static void
write_certificates(const struct admin *a, struct buf *out)
{
	const struct certdir *d = a->mdm.certs;
	int64_t now = mdm_now(&a->mdm);
	size_t i;
	int left;

	for (left = 0; left < 2; left++) {
		head(out,
			left ? "cordon_certificate_remaining_seconds"
			     : "cordon_certificate_expiry_timestamp_seconds",
			"gauge",
			left ? "Time until a certificate expires." : "When a certificate expires.");
		for (i = 0; i < d->push_count; i++)
			write_certificate(out, "push", &d->push[i], now, left);
		write_certificate(out, "ssc", &d->ssc, now, left);
		write_certificate(out, "tls", &d->tls, now, left);
	}
}

/* ---- store, HTTP, messages ---- */

static void
write_commits(const struct admin *a, struct buf *out)
{
	static const char name[] = "cordon_store_commit_duration_seconds";
	const struct metrics *m = &a->metrics;
	uint64_t count = 0;
	size_t i;

	head(out, name, "histogram", "How long commits took, with their fdatasync.");
	for (i = 0; i < METRICS_COMMIT_BUCKETS; i++) {
		count += m->commit[i];
		buf_printf(
			out, "%s_bucket{le=\"%g\"} %" PRIu64 "\n", name, commit_bounds[i], count);
	}
	buf_printf(out, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", name, m->commits);
	buf_printf(out, "%s_sum %.6f\n", name, (double)m->commit_us / 1e6);
	buf_printf(out, "%s_count %" PRIu64 "\n", name, m->commits);
}

static void
write_store(const struct admin *a, struct buf *out)
{
	struct store_numbers n;

	store_numbers(a->mdm.store, &n);
	write_commits(a, out);
	counter(out, "cordon_store_changes_total", "Records changed.", n.changes);
	counter(out, "cordon_store_checkpoints_total", "Checkpoints made.", n.checkpoints);
	gauge(out, "cordon_store_refusing", "1 while the store takes no changes.", n.fault != 0);
	gauge(out, "cordon_store_short",
		"1 while the store runs out of room and takes changes from a reserve.",
		n.shortage != NULL);
	gauge(out, "cordon_store_table_bytes", "Changed records in memory.", n.table_bytes);
	gauge(out, "cordon_store_log_bytes", "Log since the last checkpoint.", n.log_bytes);
	gauge(out, "cordon_store_last_checkpoint_timestamp_seconds",
		"When the last checkpoint was made.", (uint64_t)n.last_checkpoint);
}

static void
write_http(const struct admin *a, struct buf *out)
{
	struct http_numbers n;
	char class[8] = "1xx";
	size_t i;

	http_server_numbers(a->http, &n);
	counter(out, "cordon_http_connections_total", "Connections taken.", n.connections);
	counter(out, "cordon_http_connections_refused_total", "Connections refused by limits.",
		n.refused_connections);
	gauge(out, "cordon_http_connections_open", "Connections open now.", n.open);
	counter(out, "cordon_http_requests_total", "Requests.", n.requests);
	head(out, "cordon_http_responses_total", "counter", "Answers by class.");
	for (i = 1; i < sizeof(n.status) / sizeof(n.status[0]); i++) {
		class[0] = (char)('0' + i);
		labelled(out, "cordon_http_responses_total", "class", class, n.status[i]);
	}
	counter(out, "cordon_http_timeouts_total", "Connections ended by a deadline.", n.timeouts);
	head(out, "cordon_tls_handshakes_total", "counter", "TLS handshakes by result.");
	labelled(out, "cordon_tls_handshakes_total", "result", "done", n.handshakes);
	labelled(out, "cordon_tls_handshakes_total", "result", "failed", n.handshake_failures);
}

static void
write_messages(const struct admin *a, struct buf *out)
{
	const struct mdm_numbers *n = &a->mdm.numbers;
	const struct {
		const char *name, *help, *key, *value;
		uint64_t n;
	} rows[] = {
		{ "cordon_checkins_total", "Check-in messages by kind.", "kind", "Authenticate",
			n->authenticate },
		{ "cordon_checkins_total", NULL, "kind", "TokenUpdate", n->token_update },
		{ "cordon_checkins_total", NULL, "kind", "CheckOut", n->checkout },
		{ "cordon_checkins_total", NULL, "kind", "other", n->other_checkin },
		{ "cordon_reports_total", "Reports on the command channel by status.", "status",
			"Idle", n->idle },
		{ "cordon_reports_total", NULL, "status", "Acknowledged", n->acknowledged },
		{ "cordon_reports_total", NULL, "status", "Error", n->error },
		{ "cordon_reports_total", NULL, "status", "NotNow", n->not_now },
		{ "cordon_reports_total", NULL, "status", "CommandFormatError", n->format_error },
		{ "cordon_scep_requests_total", "SCEP requests by result.", "result", "issued",
			n->scep_issued },
		{ "cordon_scep_requests_total", NULL, "result", "refused", n->scep_refused },
		{ "cordon_signatures_total",
			"Signatures of devices by how they were checked: fast (the known "
			"certificate in its known form) or whole (by OpenSSL's CMS).",
			"path", "fast", n->signatures_fast },
		{ "cordon_signatures_total", NULL, "path", "whole",
			n->signatures - n->signatures_fast },
		{ "cordon_signature_digests_total", "Digests in signatures of devices.", "digest",
			"sha1", n->digest[0] },
		{ "cordon_signature_digests_total", NULL, "digest", "sha256", n->digest[1] },
		{ "cordon_signature_digests_total", NULL, "digest", "sha384", n->digest[2] },
		{ "cordon_signature_digests_total", NULL, "digest", "sha512", n->digest[3] },
	};
	size_t i;

	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].help)
			head(out, rows[i].name, "counter", rows[i].help);
		labelled(out, rows[i].name, rows[i].key, rows[i].value, rows[i].n);
	}
	counter(out, "cordon_messages_refused_total", "Messages of devices that were refused.",
		n->refused);
	counter(out, "cordon_reports_unknown_total", "Reports for commands that did not wait.",
		n->unknown_uuid);
	counter(out, "cordon_signature_faults_total", "Signatures that do not hold.",
		n->signature_faults);
	counter(out, "cordon_profiles_total", "Enrollment profiles handed out.", n->profiles);
}

static void
write_declarative(const struct admin *a, struct buf *out)
{
	static const char name[] = "cordon_declarative_requests_total";
	struct declarative_state s;

	if (!a->mdm.conf->declarative.url)
		return;
	declarative_state(a->mdm.declarative, &s);
	head(out, name, "counter",
		"Questions of devices to the server for declarations by what came of them: refused "
		"ones were too many at once.");
	labelled(out, name, "result", "answered", s.answered);
	labelled(out, name, "result", "not found", s.not_found);
	labelled(out, name, "result", "failed", s.failed);
	labelled(out, name, "result", "refused", s.refused);
	gauge(out, "cordon_declarative_waiting", "Questions that wait or are under way.",
		s.waiting + s.under_way);
}

static void
write_server(const struct admin *a, struct buf *out)
{
	head(out, "cordon_build_info", "gauge", "The version that runs.");
	labelled(out, "cordon_build_info", "version", PACKAGE_VERSION, 1);
	gauge(out, "cordon_start_timestamp_seconds", "When the daemon was started.",
		(uint64_t)a->mdm.started_at);
	counter(out, "cordon_log_dropped_total", "Log lines dropped because nobody read them.",
		journal_dropped());
}

void
metrics_handle(struct http_request *r, void *ctx)
{
	static void (*const parts[])(const struct admin *a, struct buf *out) = { write_server,
		write_states, write_ages, write_gate, write_inactivity, write_clocks, write_push,
		write_certificates, write_store, write_http, write_messages, write_declarative };
	struct buf out = BUF_INIT;
	size_t i;

	for (i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		parts[i](ctx, &out);
	http_reply(r, 200, TYPE_METRICS, buf_bytes(&out));
	buf_free(&out);
}
