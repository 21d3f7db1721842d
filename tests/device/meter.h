/* meter.h - counts and latencies of requests by kind; one meter per thread, merged at the end */
#ifndef FAKE_METER_H
#define FAKE_METER_H

#include <jansson.h>
#include <stddef.h>

#include "http.h"

enum meter_kind {
	METER_PROFILE,
	METER_SCEP_CAPS,
	METER_SCEP_CA,
	METER_SCEP,
	METER_AUTHENTICATE,
	METER_TOKEN_UPDATE,
	METER_IDLE,
	METER_REPORT,
	METER_OTHER,
	METER_KINDS
};

/* Faults that the summary quotes; the rest are counted. */
#define METER_NOTES_MAX 20

struct meter {
	struct meter_series {
		float *seconds;
		size_t n, room;
	} series[METER_KINDS];
	size_t status[600]; /* HTTP answers by status; 0: no answer */
	size_t report[5];   /* Acknowledged, Error, CommandFormatError, NotNow, repeated */
	size_t retries;
	char *notes[METER_NOTES_MAX];
	size_t n_notes, n_faults;
};

enum { METER_ACKNOWLEDGED, METER_ERROR, METER_FORMAT_ERROR, METER_NOT_NOW, METER_REPEATED };

/* Count one exchange.  A NULL meter counts nothing. */
void meter_add(struct meter *m, enum meter_kind kind, const struct http_reply *r);

/* Count a fault, keeping the words of the first ones. */
void meter_fault(struct meter *m, const char *udid, const char *why);

void meter_merge(struct meter *into, const struct meter *from);

/* {"requests":..,"requests_per_second":..,"status":{..},"latency":{kind:{..}},...} */
json_t *meter_json(struct meter *m, double seconds);

void meter_fini(struct meter *m);

#endif
