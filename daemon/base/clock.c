/* clock.c - the two clocks */
#include "base/clock.h"

#include <sys/timex.h>
#include <unistd.h>

/* What timedatectl goes by, too: STA_UNSYNC alone may only protect the hardware clock. */
#define ERROR_MAX_US 16000000

#define TIMESYNC "/run/systemd/timesync"

static struct timespec
read_clock(clockid_t id)
{
	struct timespec now = { 0, 0 };

	clock_gettime(id, &now);
	return now;
}

int64_t
clock_wall(void)
{
	return read_clock(CLOCK_REALTIME).tv_sec;
}

int64_t
clock_wall_ms(void)
{
	struct timespec now = read_clock(CLOCK_REALTIME);

	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t
clock_mono_ms(void)
{
	struct timespec now = read_clock(CLOCK_MONOTONIC);

	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t
clock_mono_us(void)
{
	struct timespec now = read_clock(CLOCK_MONOTONIC);

	return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

int64_t
clock_cpu_us(void)
{
	struct timespec used = read_clock(CLOCK_THREAD_CPUTIME_ID);

	return (int64_t)used.tv_sec * 1000000 + used.tv_nsec / 1000;
}

bool
clock_synchronised(void)
{
	struct timex kernel = { .modes = 0 };

	if (adjtimex(&kernel) >= 0)
		return kernel.maxerror < ERROR_MAX_US;
	/* ProtectClock= takes even the question away.  The file appears with the first answer of a
	 * time server. */
	return access(TIMESYNC, F_OK) < 0 || access(TIMESYNC "/synchronized", F_OK) == 0;
}

/* False for 0 and for times that the calendar cannot hold (a damaged record): they give "". */
static bool
split(int64_t wall, bool utc, struct tm *tm)
{
	time_t t = (time_t)wall;

	return wall != 0 && (utc ? gmtime_r(&t, tm) : localtime_r(&t, tm));
}

char *
clock_iso(int64_t wall, char *out, size_t size)
{
	struct tm tm;

	if (!split(wall, true, &tm) || strftime(out, size, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
		out[0] = '\0';
	return out;
}

char *
clock_local(int64_t wall, char *out, size_t size)
{
	struct tm tm;

	if (!split(wall, false, &tm) || strftime(out, size, "%Y-%m-%d %H:%M", &tm) == 0)
		out[0] = '\0';
	return out;
}

char *
clock_date(int64_t wall, char *out, size_t size)
{
	struct tm tm;

	if (!split(wall, true, &tm) || strftime(out, size, "%Y-%m-%d", &tm) == 0)
		out[0] = '\0';
	return out;
}
