/* wrap.c - breaks lines between words */
#include "ctl/wrap.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/table.h"

/* Columns of the first `len` bytes: code points, and no escapes. */
static size_t
columns(const char *s, size_t len)
{
	size_t n = 0, i;

	for (i = 0; i < len; i++) {
		if (s[i] == '\033')
			i += strcspn(s + i, "m");
		else
			n += ((unsigned char)s[i] & 0xc0) != 0x80;
	}
	return n;
}

static void
break_line(unsigned indent)
{
	printf("\n%*s", (int)indent, "");
}

/* Spaces within a line stay as they are; those at a break go. */
static void
wrap(const char *s, size_t width, unsigned indent)
{
	size_t at = 0; /* columns that are filled */

	while (*s) {
		size_t space = strspn(s, " "), len = strcspn(s + space, " ");
		size_t word = columns(s + space, len);

		if (at > indent && at + space + word > width) {
			break_line(indent);
			at = indent;
			s += space;
			space = 0;
		}
		fwrite(s, 1, space + len, stdout);
		at += space + word;
		s += space + len;
	}
	putchar('\n');
}

void
wrap_line(unsigned indent, const char *fmt, ...)
{
	size_t width = terminal_width();
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		abort();
	va_end(ap);
	if (width > indent + 8)
		wrap(text, width, indent);
	else
		puts(text);
	free(text);
}
