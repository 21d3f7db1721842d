/*
 * inactivity.h - when a device counts as silent: service clock, asks, lock-after, lock-limit
 *
 * DESIGN "States, lock, inactivity".  Everything here is arithmetic on numbers that the caller read
 * from clocks and records; nothing is remembered elsewhere.
 */
#ifndef CORDON_POLICY_INACTIVITY_H
#define CORDON_POLICY_INACTIVITY_H

#include <stdbool.h>
#include <stdint.h>

#define INACTIVITY_STEP_MS (300 * INT64_C(1000)) /* longest step that counts: else we slept */
#define INACTIVITY_OUTAGE (3600)		 /* seconds of standing after which nobody is */
#define INACTIVITY_SETTLE (900)			 /* locked before everybody was asked again */
#define INACTIVITY_FEW                                                             \
	10u /* devices: so many at once are silent by themselves, not by an outage \
	     */

/* ---- the service clock of one topic ---- */

/* Why the clock stands; in the order in which they are looked at. */
enum standing {
	STANDING_NO,
	STANDING_STORE,	  /* the store takes no changes */
	STANDING_PUSH,	  /* the topic's connection is not Connected */
	STANDING_TLS,	  /* our TLS certificate is not valid for server-name */
	STANDING_UNHEARD, /* no device was served, and we do not reach ourselves either */
	STANDING_COUNT
};
const char *standing_name(enum standing s); /* "store", "push", "tls", "unheard"; "" */

/* What was seen of the world at one tick.  Times are monotonic milliseconds, 0: never. */
struct service_signs {
	int64_t now_ms;
	bool store_takes, push_connected, tls_valid;
	int64_t connection; /* changes with each new connection */
	int64_t proof_ms;   /* the last time when it was proven that devices can reach us */
	int64_t heard_ms;   /* how long such a proof lasts: inactivity_heard */
};

/*
 * `seconds` may only lag.  Time since the last proof of being heard waits in `pending_ms` and is
 * counted when the next proof comes: of a path that broke, not even the time until it was noticed
 * is held against a device.
 */
struct service_clock {
	int64_t seconds; /* persisted; 0: never ran.  1 is the first second, so that 0 means none */
	int64_t rest_ms; /* of the second that is not full yet */
	int64_t pending_ms;
	int64_t resumed; /* `seconds` when it went on after an outage; persisted */
	enum standing standing;
	int64_t standing_ms; /* how long it stands, counted up from tick to tick */
	/* of the tick before */
	int64_t last_ms, last_connection, last_proof_ms;
	bool held; /* our side was in order at the tick before */
};

/* A clock that ran before; `outage`: it stood for long, or nobody knows for how long. */
void service_clock_init(struct service_clock *c, int64_t seconds, int64_t resumed, bool outage);
/* True when `standing` changed. */
bool service_clock_tick(struct service_clock *c, const struct service_signs *s);
/* What `seconds` may still become for `now_ms` (monotonic): the time at which an ask is sent. */
int64_t service_clock_ahead(const struct service_clock *c, int64_t now_ms);

/* ---- one device ---- */

/* Seconds between asks of one device: min(24 h, lock-after / 4).  lock_after DURATION_NEVER: 24 h.
 */
int64_t inactivity_ask_interval(int64_t lock_after);
/*
 * Milliseconds for which a proof that devices can reach us lasts: as long as between two asks of a
 * device.  Were it longer, an outage of nearly lock-after would be over before it is noticed, and
 * devices were judged by asks that they could not answer.
 */
int64_t inactivity_heard(int64_t lock_after);
/*
 * Is it time to ask?  Wall seconds; `spread` is the hash of its id: each device has its own point
 * in the interval.  A clock that was set makes it due at most once more.
 */
bool inactivity_ask_due(int64_t now, int64_t last_ask, uint64_t spread, int64_t interval);
/*
 * Silent for lock-after?  `unanswered_since` in service-clock seconds, 0: nothing is unanswered.
 */
bool inactivity_silent(const struct service_clock *c, int64_t unanswered_since, int64_t lock_after);
/* Seconds of heard silence; never negative. */
int64_t inactivity_silence(const struct service_clock *c, int64_t unanswered_since);

/* ---- lock-limit ---- */

#define LOCK_WINDOW_HOURS 25u /* the hour that runs, and 24 full ones */

/* How many devices were locked by inactivity in each of the last hours of `clock` seconds. */
struct lock_window {
	int64_t hour;			   /* the newest that has a number */
	uint32_t drawn[LOCK_WINDOW_HOURS]; /* [hour % LOCK_WINDOW_HOURS] */
};
/* How many may be locked within 24 hours. */
unsigned lock_window_limit(unsigned devices, unsigned percent);
unsigned lock_window_drawn(struct lock_window *w, int64_t clock); /* forgets what is over */
void lock_window_draw(struct lock_window *w, int64_t clock);

#endif
