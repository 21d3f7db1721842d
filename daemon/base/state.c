/* state.c - names of states and causes */
#include "base/state.h"

static const char *const states[STATE_COUNT] = { "none", "Pending", "Enrolled", "Inactive",
	"Removed" };
static const char *const removals[REMOVAL_COUNT] = { "", "push", "checkout", "admin", "erased" };
static const char *const locks[LOCK_CAUSE_COUNT] = { "", "inactive", "admin", "conflict",
	"inherited" };
static const char *const channels[CHANNEL_COUNT] = { "device", "user", "shared-ipad-user",
	"user-enrollment", "user-enrollment-user" };

/* A value from a damaged record must not index beyond a table. */
static const char *
name_of(const char *const *names, unsigned value, unsigned count)
{
	return value < count ? names[value] : names[0];
}

const char *
state_name(enum state s)
{
	return name_of(states, (unsigned)s, STATE_COUNT);
}

const char *
removal_name(enum removal r)
{
	return name_of(removals, (unsigned)r, REMOVAL_COUNT);
}

const char *
lock_cause_name(enum lock_cause c)
{
	return name_of(locks, (unsigned)c, LOCK_CAUSE_COUNT);
}

const char *
channel_name(enum channel c)
{
	return name_of(channels, (unsigned)c, CHANNEL_COUNT);
}

int
channel_is_user(enum channel c)
{
	return c == CHANNEL_USER || c == CHANNEL_SHARED_IPAD_USER ||
	       c == CHANNEL_USER_ENROLLMENT_USER;
}
