/* refresh.c - which questions about a device are due */
#include "policy/refresh.h"

#include "base/duration.h"

/* The kinds of one device are not asked in one moment either. */
static int64_t
phase_of(enum refresh_kind kind, uint64_t spread, int64_t period)
{
	uint64_t turned = spread ^ (spread >> 29) ^ ((uint64_t)kind * UINT64_C(0x9e3779b97f4a7c15));

	return (int64_t)(turned % (uint64_t)period);
}

bool
refresh_due(enum refresh_kind kind, int64_t now, int64_t asked, uint64_t spread, int64_t period)
{
	int64_t phase, half = period / 2;

	if (period <= 0) /* DURATION_NEVER */
		return false;
	if (asked <= 0)
		return true;
	if (asked > now)
		return asked - now > half; /* the clock was set back */
	phase = phase_of(kind, spread, period);
	/* What was asked lately (after the enrollment, by hand) waits for the turn after next. */
	return (now - phase) / period > (asked + half - phase) / period;
}
