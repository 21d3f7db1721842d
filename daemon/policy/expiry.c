/* expiry.c - when something that expires is spoken of */
#include "policy/expiry.h"

int64_t
expiry_days(int64_t not_after, int64_t now)
{
	int64_t left = not_after - now;

	return left >= 0 ? left / EXPIRY_DAY : -((-left + EXPIRY_DAY - 1) / EXPIRY_DAY);
}

bool
expiry_daily(int64_t at, int64_t now)
{
	return now - at >= EXPIRY_DAY || at > now;
}

/* The smallest of `days` within which it expires; 0: none yet. */
static int64_t
stage_of(const int *days, size_t count, int64_t not_after, int64_t now)
{
	int64_t stage = 0;

	if (now > not_after)
		return EXPIRY_OVER;
	for (size_t i = 0; i < count; i++)
		if (not_after - now <= (int64_t)days[i] * EXPIRY_DAY &&
			(stage == 0 || days[i] < stage))
			stage = days[i];
	return stage;
}

bool
expiry_near(const int *days, size_t count, int64_t not_after, int64_t now)
{
	return stage_of(days, count, not_after, now) != 0;
}

static bool
is_news(const struct expiry_said *said, int64_t stage, int64_t now)
{
	if (stage == EXPIRY_OVER)
		return said->stage != EXPIRY_OVER || expiry_daily(said->at, now);
	return said->stage == 0 || stage < said->stage;
}

bool
expiry_due(const int *days, size_t count, int64_t not_after, int64_t now, struct expiry_said *said)
{
	int64_t stage = stage_of(days, count, not_after, now);

	/* What was said later than now was said by a wrong clock. */
	if (said->not_after != not_after || said->at > now)
		*said = (struct expiry_said){ .not_after = not_after };
	if (stage == 0 || !is_news(said, stage, now))
		return false;
	said->stage = stage;
	said->at = now;
	return true;
}
