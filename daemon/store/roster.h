/*
 * roster.h - every enrollment in memory, a line each: for lists, counts and ticks
 *
 * Follows the store: filled by a walk at start, then by committed changes of 'e' records. last-seen
 * is kept here and written in batches ('t' id, every 60 s): the only thing that may be stale after
 * a crash.
 */
#ifndef CORDON_STORE_ROSTER_H
#define CORDON_STORE_ROSTER_H

#include "base/state.h"
#include "store/enrollment.h"
#include "store/store.h"

struct roster;

struct roster_line {
	const char *id;				     /* owned by the roster */
	uint8_t state, removal, channel, lock_cause; /* enums of base/state.h */
	bool locked, token_bad, has_token, paused;
	bool imported, awaited; /* from another server; its certificate was not seen yet */
	bool heard; /* an authenticated message came since the last ask was sent; in memory only */
	uint16_t topic; /* index for roster_topic(); 0: none */
	int64_t last_seen, enrolled_at, state_since, unanswered_since, identity_not_after,
		token_time;
	int64_t asked; /* wall seconds of the last ask: sent, or handed over by roster_asked */
	uint32_t refreshed[ENROLLMENT_REFRESH]; /* as in the record, or by roster_refreshed */
};

struct roster *roster_new(void);
void roster_free(struct roster *r);
int roster_load(struct roster *r, struct store *s); /* at start */
/* To be called from store_options.on_change. */
void roster_follow(struct roster *r, struct bytes key, struct bytes value);
size_t roster_count(const struct roster *r);
const struct roster_line *roster_find(const struct roster *r, const char *id);
/* Lines in order of first enrollment; 0 <= index < roster_count. */
const struct roster_line *roster_at(const struct roster *r, size_t index);
const char *roster_topic(const struct roster *r, uint16_t topic); /* NULL for 0 */

/* An authenticated message came: notes the time; written by roster_flush. */
void roster_seen(struct roster *r, const char *id, int64_t wall);
int64_t roster_last_seen(const struct roster *r, const char *id); /* 0: never */
/* What the schedules need to remember between their ticks; in memory only. */
void roster_asked(struct roster *r, const char *id, int64_t wall);
void roster_refreshed(struct roster *r, const char *id, unsigned kind, int64_t wall);
/* An ask goes out, or (true) turned out to be none: `heard` says whether it was answered. */
void roster_set_heard(struct roster *r, const char *id, bool heard);
/*
 * Puts what was seen since, at most ROSTER_FLUSH records at a time so that no commit gets long.
 * 0: all; 1: more wait, call again soon; -errno.
 */
#define ROSTER_FLUSH 1024u
int roster_flush(struct roster *r, struct store *s);

struct roster_counts {
	size_t state[STATE_COUNT]; /* device channels */
	size_t removal[REMOVAL_COUNT];
	size_t locked, users;
	size_t imported, awaited; /* device channels, Enrolled and Inactive */
};
void roster_counts(const struct roster *r, struct roster_counts *ret); /* kept, not counted: O(1) */
/* Enrolled and Inactive device channels under this topic. */
size_t roster_topic_devices(const struct roster *r, const char *topic);

#endif
