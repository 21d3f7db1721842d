/*
 * patrol.h - the round that is made every half minute: who must be asked, who is silent, what is
 * due
 *
 * The roster is walked in slices of a few milliseconds, so that nobody waits for it.  DESIGN
 * "States, lock, inactivity"; the decisions are policy/inactivity.h and policy/refresh.h.
 */
#ifndef CORDON_MDM_PATROL_H
#define CORDON_MDM_PATROL_H

#include "mdm/mdm.h"

#define PATROL_MS 30000	     /* between rounds */
#define PATROL_SLICE_US 3000 /* a slice ends after the first line that is later than this */

struct patrol;

/* After the store was loaded and the service clocks made; sets m->patrol.  m->loop NULL: rounds are
 * made by patrol_round alone. */
struct patrol *patrol_new(struct mdm *m);
void patrol_free(struct patrol *p); /* NULL allowed */
/* Changes of the store, as roster_follow gets them: which candidates wait. */
void patrol_follow(struct mdm *m, struct bytes key, struct bytes value);
/* The configuration changed: the next round begins at once. */
void patrol_soon(struct mdm *m);
/* A whole round, now. */
void patrol_round(struct mdm *m);

/* For all devices, in the next round; `actor` for the journal.  How many devices there are. */
size_t patrol_refresh_all(struct mdm *m, const char *actor);
/*
 * By a person's word the lock-limit does not hold in the next round: all who are silent are locked.
 * How many waited for it in the last one.
 */
size_t patrol_lock_silent(struct mdm *m, const char *actor);

struct patrol_numbers {
	uint64_t rounds, asked, locked, back, refreshed, lapsed;
	int64_t slice_us_max, round_us; /* of the processor: the longest slice; the last round */
	int64_t turn_us_max;   /* a slice with its commit, and what the loop did between them */
	size_t over_limit;     /* silent, and not locked because of lock-limit */
	size_t no_address;     /* their token is from a restored backup, and dead */
	unsigned drawn, limit; /* locked by inactivity in the last 24 h, of how many */
};
void patrol_numbers(const struct mdm *m, struct patrol_numbers *ret);

#endif
