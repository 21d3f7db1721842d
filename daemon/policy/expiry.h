/*
 * expiry.h - when something that expires is spoken of: once at each of warn-days, daily afterwards
 *
 * DESIGN "What it tells".  What was said is the caller's to keep, also across a restart.
 */
#ifndef CORDON_POLICY_EXPIRY_H
#define CORDON_POLICY_EXPIRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What was said of one thing.  All zero: nothing. */
struct expiry_said {
	int64_t not_after; /* of which certificate; another one begins anew */
	int64_t stage;	   /* the day of warn-days it was said for; EXPIRY_OVER after expiry */
	int64_t at;	   /* wall seconds of the last message */
};
#define EXPIRY_OVER INT64_C(-1)
#define EXPIRY_DAY 86400

/*
 * Is a message due now?  Then *said is changed to what it will be once it was given.  Of several
 * stages that were passed unseen only the last one counts.  `days` in any order.
 */
bool expiry_due(
	const int *days, size_t count, int64_t not_after, int64_t now, struct expiry_said *said);
/* Is it time to show it as a problem: within the first of `days`, or expired? */
bool expiry_near(const int *days, size_t count, int64_t not_after, int64_t now);
/* Whole days that are left, rounded down; negative after expiry. */
int64_t expiry_days(int64_t not_after, int64_t now);
/* A message of every day: is it due after one at `at`?  A clock that was set back does not silence
 * it. */
bool expiry_daily(int64_t at, int64_t now);

#endif
