/*
 * service.h - each topic's service clock: how long devices could have answered
 *
 * DESIGN "States, lock, inactivity".  The arithmetic is policy/inactivity.h; here is what it is fed
 * with, and where it is kept: meta "service-clock/<topic>", "service-resumed/<topic>",
 * "service-wall", "service-run".
 */
#ifndef CORDON_MDM_SERVICE_H
#define CORDON_MDM_SERVICE_H

#include "mdm/mdm.h"
#include "policy/inactivity.h"

struct service;

struct service *service_new(struct mdm *m); /* reads what is kept; sets m->service */
void service_free(struct service *s);	    /* writes it; NULL allowed */
/* To be called every 60 s at most: looks at everything, moves the clocks, keeps them. */
void service_tick(struct mdm *m);

/* Of a topic; NULL: it has none yet.  Everything here allows m->service NULL. */
const struct service_clock *service_clock_of(const struct mdm *m, const char *topic);
/* The time that goes into a record for "now"; 0: no clock yet. */
int64_t service_ahead(const struct mdm *m, const char *topic);
/* Seconds for which this daemon and those before it ran; it may only lag. */
int64_t service_run(const struct mdm *m);

/* A device was served: we can be heard. */
void service_served(struct mdm *m);
/* What the daemon's own request to https://server-name/version came to; `why` NULL: it came back.
 */
void service_reached(struct mdm *m, const char *why);

/* Wall time when it was last proven that devices can reach us, 0: not since the start; and why our
 * own request did not come back, NULL: it did, or none was made. */
int64_t service_heard(const struct mdm *m, const char **unreached);

struct service_line {
	const char *topic;
	int64_t seconds;
	enum standing standing;
	int64_t since;	   /* wall seconds; 0 while it runs */
	const char *words; /* why it stands, for people; "" */
};
int service_each(
	const struct mdm *m, int (*each)(void *arg, const struct service_line *line), void *arg);

#endif
