/* duration.c - spans of time as people write them */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>

#include "base/duration.h"

static const struct {
	char letter;
	int64_t seconds;
	const char *word;
} units[] = {
	{ 'w', 604800, NULL }, /* read, but never written: people count in days here */
	{ 'd', 86400, "day" },
	{ 'h', 3600, "hour" },
	{ 'm', 60, "minute" },
	{ 's', 1, NULL },
};

#define UNITS (sizeof(units) / sizeof(units[0]))

int
duration_parse(const char *text, int64_t *ret)
{
	int64_t number = 0, product;
	size_t i;

	if (!text || *text < '0' || *text > '9')
		return -EINVAL;
	for (; *text >= '0' && *text <= '9'; text++)
		if (__builtin_mul_overflow(number, INT64_C(10), &number) ||
			__builtin_add_overflow(number, (int64_t)(*text - '0'), &number))
			return -EINVAL;
	if (text[0] == '\0' || text[1] != '\0')
		return -EINVAL;
	for (i = 0; i < UNITS; i++) {
		if (units[i].letter != text[0])
			continue;
		if (__builtin_mul_overflow(number, units[i].seconds, &product))
			return -EINVAL;
		*ret = product;
		return 0;
	}
	return -EINVAL;
}

char *
duration_format(int64_t seconds, char *out, size_t size)
{
	size_t i = 1;

	if (seconds < 0) {
		snprintf(out, size, "never");
		return out;
	}
	if (seconds == 0)
		i = UNITS - 1;
	while (seconds % units[i].seconds != 0)
		i++;
	snprintf(out, size, "%" PRId64 "%c", seconds / units[i].seconds, units[i].letter);
	return out;
}

char *
duration_words(int64_t seconds, char *out, size_t size)
{
	int64_t n;
	size_t i;

	if (seconds == DURATION_NEVER) {
		snprintf(out, size, "never");
		return out;
	}
	for (i = 0; i < UNITS; i++) {
		if (!units[i].word || seconds < units[i].seconds)
			continue;
		n = seconds / units[i].seconds;
		snprintf(out, size, "%" PRId64 " %s%s", n, units[i].word, n == 1 ? "" : "s");
		return out;
	}
	snprintf(out, size, "just now");
	return out;
}
