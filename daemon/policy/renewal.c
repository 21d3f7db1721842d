/* renewal.c - when a device's identity is renewed, how many a day, and when that is stopped */
#include "policy/renewal.h"

#define DAY INT64_C(86400)
#define LIMIT_MIN 20u
#define LIMIT_PERCENT 2u
#define GAIN_MIN \
	DAY /* a certificate that lives no longer than that beyond the present one is none */

int64_t
renewal_due_at(int64_t not_after, int64_t renew_before, uint64_t spread)
{
	int64_t half = renew_before / 2;

	return not_after - renew_before + (half > 0 ? (int64_t)(spread % (uint64_t)half) : 0);
}

bool
renewal_worthwhile(int64_t now, int64_t not_after, int64_t lifetime, int64_t ca_end)
{
	int64_t end = now + lifetime < ca_end ? now + lifetime : ca_end;

	return end - not_after >= (lifetime < 2 * DAY ? lifetime / 4 : GAIN_MIN);
}

size_t
renewal_limit(size_t devices)
{
	size_t share = devices / 100 * LIMIT_PERCENT + devices % 100 * LIMIT_PERCENT / 100;

	return share > LIMIT_MIN ? share : LIMIT_MIN;
}

bool
renewal_pace_take(struct renewal_pace *p, int64_t now, size_t devices)
{
	int64_t day = now / DAY;

	if (p->day != day) {
		p->day = day;
		p->begun = 0;
	}
	if (p->begun >= (int64_t)renewal_limit(devices))
		return false;
	p->begun++;
	return true;
}

void
renewal_record_add(struct renewal_record *r, bool failed)
{
	r->failed = (r->failed << 1 | failed) & ((1u << RENEWAL_RECORD) - 1);
}

unsigned
renewal_record_failed(const struct renewal_record *r)
{
	unsigned count = 0, i;

	for (i = 0; i < RENEWAL_RECORD; i++)
		count += r->failed >> i & 1;
	return count;
}

bool
renewal_record_halts(const struct renewal_record *r)
{
	return renewal_record_failed(r) >= RENEWAL_FAILED_MAX;
}

int64_t
renewal_retry(unsigned failures)
{
	static const int64_t delays[] = { DAY, 3 * DAY, 7 * DAY, 14 * DAY };
	const unsigned last = sizeof(delays) / sizeof(delays[0]) - 1;

	if (failures == 0)
		return 0;
	return delays[failures - 1 < last ? failures - 1 : last];
}
