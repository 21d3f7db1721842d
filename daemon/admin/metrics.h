/*
 * metrics.h - what the server counts, as Prometheus text on metrics.listen (DESIGN "What it tells")
 *
 * Most numbers are read from the parts that keep them; kept here are those that nobody else needs.
 */
#ifndef CORDON_ADMIN_METRICS_H
#define CORDON_ADMIN_METRICS_H

#include <stdbool.h>
#include <stdint.h>

struct http_request;

#define METRICS_COMMIT_BUCKETS 11u
#define METRICS_GATE_REASONS 8u

struct metrics {
	uint64_t commit[METRICS_COMMIT_BUCKETS +
			1]; /* by duration; the last one is everything else */
	uint64_t commits, commit_us;
	uint64_t gate[METRICS_GATE_REASONS][2]; /* [reason][allowed] */
};

/* One commit that wrote something took so long. */
void metrics_commit(struct metrics *m, int64_t us);
/* The gate gave an answer; `reason` is one of policy/gate.h's words. */
void metrics_gate(struct metrics *m, bool allowed, const char *reason);
/* GET /metrics */
void metrics_handle(struct http_request *r, void *ctx);

#endif
