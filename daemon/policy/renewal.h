/*
 * renewal.h - when a device's identity is renewed, how many a day, and when that is stopped
 *
 * DESIGN "Devices", Renewal.  Wall seconds; what was begun and how it ended is the caller's to
 * keep.
 */
#ifndef CORDON_POLICY_RENEWAL_H
#define CORDON_POLICY_RENEWAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The time from which an identity that ends at `not_after` is renewed: each device has its own
 * point in the first half of renew-before, by the hash of its id.
 */
int64_t renewal_due_at(int64_t not_after, int64_t renew_before, uint64_t spread);
/* Would a certificate that is issued now outlive the present one?  `ca_end`: no one outlives its
 * CA. */
bool renewal_worthwhile(int64_t now, int64_t not_after, int64_t lifetime, int64_t ca_end);

/* How many may be begun a day. */
size_t renewal_limit(size_t devices);
struct renewal_pace {
	int64_t day; /* since 1970 */
	int64_t begun;
};
/* True when one more may be begun today, and counts it. */
bool renewal_pace_take(struct renewal_pace *p, int64_t now, size_t devices);

/* How the last renewals ended: the newest in bit 0, set when it failed.  All zero: none yet. */
#define RENEWAL_RECORD 20u
#define RENEWAL_FAILED_MAX 3u
struct renewal_record {
	uint32_t failed;
};
void renewal_record_add(struct renewal_record *r, bool failed);
unsigned renewal_record_failed(const struct renewal_record *r);
/* Too many of them failed: no more are begun until a person has looked. */
bool renewal_record_halts(const struct renewal_record *r);

/* Seconds after which a device whose renewal failed so often in a row is tried again. */
int64_t renewal_retry(unsigned failures);

#endif
