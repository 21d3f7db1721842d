/*
 * scan.c - faults of the raw text
 *
 * libconfig 1.5 ends the text at a NUL, takes the rest of the file for a comment that is not
 * closed, and wraps integers that do not fit (facts/library-traps.md 3).  It would also read what
 * @include names before anybody has looked at it, from the working directory.
 */
#include <string.h>

#include "conf/fault.h"
#include "conf/scan.h"

/* Every number of so many digits fits into 32 bits, and no key needs a longer one. */
#define DECIMAL_DIGITS 9
#define HEX_DIGITS 7

struct scan {
	const char *file;
	const char *at, *end;
	unsigned line;
	bool after_bracket; /* the last thing that counts was '[' */
	struct conf_faults *faults;
	bool fine;
};

#define FAULT(s, ...)                                                            \
	do {                                                                     \
		fault_add((s)->faults, (s)->file, (s)->line, NULL, __VA_ARGS__); \
		(s)->fine = false;                                               \
	} while (0)

static char
peek(const struct scan *s, size_t ahead)
{
	return (size_t)(s->end - s->at) > ahead ? s->at[ahead] : '\0';
}

static void
step(struct scan *s)
{
	if (*s->at == '\n')
		s->line++;
	s->at++;
}

static void
skip_line_comment(struct scan *s)
{
	while (s->at < s->end && *s->at != '\n')
		s->at++;
}

static void
skip_block_comment(struct scan *s)
{
	unsigned line = s->line;

	for (s->at += 2; s->at < s->end; step(s))
		if (peek(s, 0) == '*' && peek(s, 1) == '/') {
			s->at += 2;
			return;
		}
	s->line = line;
	FAULT(s, "a comment starts here with /* and is never closed");
}

static void
skip_string(struct scan *s)
{
	unsigned line = s->line;

	for (s->at++; s->at < s->end; step(s)) {
		if (*s->at == '"') {
			s->at++;
			return;
		}
		if (*s->at == '\\' && s->at + 1 < s->end)
			step(s);
	}
	s->line = line;
	FAULT(s, "a string starts here and its closing quote is missing");
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool
is_word(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
	       c == '_' || c == '*';
}

static void
skip_number(struct scan *s)
{
	bool hex = peek(s, 0) == '0' && (peek(s, 1) == 'x' || peek(s, 1) == 'X');
	size_t digits = 0;

	s->at += hex ? 2 : 0;
	for (; s->at < s->end && (hex ? is_hex(*s->at) : is_digit(*s->at)); s->at++)
		digits++;
	if (digits > (hex ? HEX_DIGITS : DECIMAL_DIGITS))
		FAULT(s, "a number of %zu digits is out of range for every key", digits);
}

/* A name may have digits in it, which are no number. */
static void
skip_word(struct scan *s)
{
	while (s->at < s->end && is_word(*s->at))
		s->at++;
}

static void
scan_token(struct scan *s)
{
	char c = *s->at;

	if (c == '{' && s->after_bracket)
		FAULT(s, "groups stand in a list in parentheses, ( { ... } ), not in brackets");
	s->after_bracket = c == '[';
	if (c == '"')
		skip_string(s);
	else if (is_digit(c))
		skip_number(s);
	else if (is_word(c) && c != '-')
		skip_word(s);
	else
		s->at++;
	if (c == '@') {
		FAULT(s, "@include is not followed here: put the file into conf.d");
		skip_line_comment(s);
	}
}

static void
scan_next(struct scan *s)
{
	char c = *s->at;

	if (c == '#' || (c == '/' && peek(s, 1) == '/'))
		skip_line_comment(s);
	else if (c == '/' && peek(s, 1) == '*')
		skip_block_comment(s);
	else if (c == ' ' || c == '\t' || c == '\r' || c == '\n')
		step(s);
	else
		scan_token(s);
}

static unsigned
line_of(const char *from, const char *to)
{
	unsigned line = 1;

	for (; from < to; from++)
		line += *from == '\n';
	return line;
}

bool
scan_text(const char *file, struct bytes text, struct conf_faults *faults)
{
	const char *start = (const char *)text.data, *nul;
	struct scan s = { file, start, start + text.len, 1, false, faults, true };

	if (text.len == 0)
		return true;
	nul = memchr(start, 0, text.len);
	if (nul) {
		s.line = line_of(start, nul);
		FAULT(&s, "there is a NUL byte here: the file is damaged or no text file");
		return false;
	}
	if (text.len >= 3 && memcmp(start, "\xef\xbb\xbf", 3) == 0) {
		FAULT(&s, "the file starts with a byte order mark: save it as UTF-8 without one");
		s.at += 3;
	}
	while (s.at < s.end)
		scan_next(&s);
	return s.fine;
}
