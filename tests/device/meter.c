/* meter.c - counts and latencies of requests by kind */
#include "meter.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const kinds[METER_KINDS] = {
	[METER_PROFILE] = "profile",
	[METER_SCEP_CAPS] = "scep-caps",
	[METER_SCEP_CA] = "scep-ca",
	[METER_SCEP] = "scep",
	[METER_AUTHENTICATE] = "authenticate",
	[METER_TOKEN_UPDATE] = "token-update",
	[METER_IDLE] = "idle",
	[METER_REPORT] = "report",
	[METER_OTHER] = "other",
};

static void
series_add(struct meter_series *s, float seconds)
{
	if (s->n == s->room) {
		s->room = s->room > 0 ? s->room * 2 : 256;
		s->seconds = util_grow(s->seconds, s->room * sizeof(float));
	}
	s->seconds[s->n++] = seconds;
}

void
meter_add(struct meter *m, enum meter_kind kind, const struct http_reply *r)
{
	if (m == NULL)
		return;
	if (r->fault != OUTCOME_OK) {
		m->status[0]++;
		return;
	}
	m->status[r->status > 0 && r->status < 600 ? r->status : 0]++;
	series_add(&m->series[kind], (float)r->seconds);
}

void
meter_fault(struct meter *m, const char *udid, const char *why)
{
	if (m == NULL)
		return;
	m->n_faults++;
	if (m->n_notes < METER_NOTES_MAX)
		m->notes[m->n_notes++] = util_printf("%s: %s", udid, why);
}

void
meter_merge(struct meter *into, const struct meter *from)
{
	for (int k = 0; k < METER_KINDS; k++)
		for (size_t i = 0; i < from->series[k].n; i++)
			series_add(&into->series[k], from->series[k].seconds[i]);
	for (size_t i = 0; i < sizeof(into->status) / sizeof(into->status[0]); i++)
		into->status[i] += from->status[i];
	for (size_t i = 0; i < sizeof(into->report) / sizeof(into->report[0]); i++)
		into->report[i] += from->report[i];
	into->retries += from->retries;
	into->n_faults += from->n_faults;
	for (size_t i = 0; i < from->n_notes && into->n_notes < METER_NOTES_MAX; i++)
		into->notes[into->n_notes++] = util_dup(from->notes[i]);
}

static int
compare(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return x < y ? -1 : x > y;
}

static double
quantile(const struct meter_series *s, double q)
{
	size_t i = (size_t)(q * (double)(s->n - 1) + 0.5);

	return (double)s->seconds[i] * 1000;
}

static json_t *
latency_json(struct meter *m, size_t *ret_requests)
{
	json_t *all = json_object();

	*ret_requests = 0;
	for (int k = 0; k < METER_KINDS; k++) {
		struct meter_series *s = &m->series[k];

		if (s->n == 0)
			continue;
		*ret_requests += s->n;
		qsort(s->seconds, s->n, sizeof(float), compare);
		json_object_set_new(all, kinds[k],
			json_pack("{s:I, s:f, s:f, s:f}", "count", (json_int_t)s->n, "p50_ms",
				quantile(s, 0.5), "p99_ms", quantile(s, 0.99), "max_ms",
				quantile(s, 1)));
	}
	return all;
}

static json_t *
status_json(const struct meter *m)
{
	json_t *all = json_object();
	char key[16];

	for (int i = 1; i < 600; i++) {
		if (m->status[i] == 0)
			continue;
		snprintf(key, sizeof(key), "%d", i);
		json_object_set_new(all, key, json_integer((json_int_t)m->status[i]));
	}
	return all;
}

json_t *
meter_json(struct meter *m, double seconds)
{
	size_t requests;
	json_t *latency = latency_json(m, &requests), *notes = json_array(), *all;

	for (size_t i = 0; i < m->n_notes; i++)
		json_array_append_new(notes, json_string(m->notes[i]));
	all = json_pack("{s:f, s:I, s:f, s:o, s:I, s:I}", "seconds", seconds, "requests",
		(json_int_t)requests, "requests_per_second",
		seconds > 0 ? (double)requests / seconds : 0.0, "status", status_json(m),
		"no_answer", (json_int_t)m->status[0], "retries", (json_int_t)m->retries);
	json_object_set_new(all, "reports",
		json_pack("{s:I, s:I, s:I, s:I, s:I}", "Acknowledged",
			(json_int_t)m->report[METER_ACKNOWLEDGED], "Error",
			(json_int_t)m->report[METER_ERROR], "CommandFormatError",
			(json_int_t)m->report[METER_FORMAT_ERROR], "NotNow",
			(json_int_t)m->report[METER_NOT_NOW], "repeated",
			(json_int_t)m->report[METER_REPEATED]));
	json_object_set_new(all, "latency", latency);
	json_object_set_new(all, "faults", json_integer((json_int_t)m->n_faults));
	json_object_set_new(all, "fault_notes", notes);
	return all;
}

void
meter_fini(struct meter *m)
{
	for (int k = 0; k < METER_KINDS; k++)
		free(m->series[k].seconds);
	for (size_t i = 0; i < m->n_notes; i++)
		free(m->notes[i]);
	memset(m, 0, sizeof(*m));
}
