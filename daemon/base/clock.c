/* clock.c - the two clocks */
#include "base/clock.h"

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

/* Times that the calendar cannot hold (a damaged record) give "", like 0. */
__attribute__((format(strftime, 2, 0))) static char *
format_utc(int64_t wall, const char *format, char *out, size_t size)
{
	time_t t = (time_t)wall;
	struct tm tm;

	if (size == 0)
		return out;
	if (wall == 0 || !gmtime_r(&t, &tm) || strftime(out, size, format, &tm) == 0)
		out[0] = '\0';
	return out;
}

char *
clock_iso(int64_t wall, char *out, size_t size)
{
	return format_utc(wall, "%Y-%m-%dT%H:%M:%SZ", out, size);
}

char *
clock_local(int64_t wall, char *out, size_t size)
{
	time_t t = (time_t)wall;
	struct tm tm;

	if (size == 0)
		return out;
	if (wall == 0 || !localtime_r(&t, &tm) || strftime(out, size, "%Y-%m-%d %H:%M", &tm) == 0)
		out[0] = '\0';
	return out;
}

char *
clock_date(int64_t wall, char *out, size_t size)
{
	return format_utc(wall, "%Y-%m-%d", out, size);
}
