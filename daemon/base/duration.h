/* duration.h - spans of time as people write them: "90s", "15m", "24h", "7d" */
#ifndef CORDON_BASE_DURATION_H
#define CORDON_BASE_DURATION_H

#include <stddef.h>
#include <stdint.h>

#define DURATION_NEVER INT64_C(-1)

/* One number and one unit of s, m, h, d, w; no blanks, no sign.  Seconds in *ret.  0 or -EINVAL. */
int duration_parse(const char *text, int64_t *ret);
/* "7d", "36h", "90s": the largest unit that divides; "never" for DURATION_NEVER.  Returns out. */
char *duration_format(int64_t seconds, char *out, size_t size);
/* For people: "3 days", "5 hours", "just now". Returns out. */
char *duration_words(int64_t seconds, char *out, size_t size);

#endif
