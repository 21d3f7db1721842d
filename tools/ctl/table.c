/* table.c - text tables and what a terminal may show */
#include "ctl/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/mem.h"

#define NARROWEST 8

struct text_table {
	const char *const *titles;
	size_t columns;
	char ***rows;
	size_t count, cap;
	size_t ids; /* the column of ids; `columns`: none */
};

bool
terminal_is(void)
{
	return isatty(STDOUT_FILENO);
}

static const char *
escape(const char *code)
{
	const char *no = getenv("NO_COLOR");

	return terminal_is() && !(no && *no) ? code : "";
}

const char *
terminal_bold(void)
{
	return escape("\033[1m");
}

const char *
terminal_red(void)
{
	return escape("\033[31m");
}

const char *
terminal_green(void)
{
	return escape("\033[32m");
}

const char *
terminal_yellow(void)
{
	return escape("\033[33m");
}

const char *
terminal_plain(void)
{
	return escape("\033[0m");
}

unsigned
terminal_width(void)
{
	struct winsize size;

	if (!terminal_is())
		return 0;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col)
		return size.ws_col;
	return 80;
}

struct text_table *
text_table_new(const char *const *titles)
{
	struct text_table *t = xcalloc(1, sizeof(*t));

	t->titles = titles;
	while (titles[t->columns])
		t->columns++;
	t->ids = t->columns;
	return t;
}

void
text_table_add(struct text_table *t, const char *const *cells)
{
	char **row = xcalloc(t->columns, sizeof(*row));

	for (size_t c = 0; c < t->columns; c++)
		row[c] = xstrdup(cells[c] && *cells[c] ? cells[c] : "-");
	if (t->count == t->cap) {
		t->cap = t->cap ? 2 * t->cap : 16;
		t->rows = xrealloc(t->rows, t->cap * sizeof(*t->rows));
	}
	t->rows[t->count++] = row;
}

/* Code points, which is close enough to columns for names of people and devices. */
static size_t
width_of(const char *s)
{
	size_t n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static void
print_cell(const char *s, size_t width, bool last)
{
	size_t have = width_of(s), shown = 0;

	if (have <= width) {
		fputs(s, stdout);
		shown = have;
	} else {
		for (; *s; s++) {
			bool begins = ((unsigned char)*s & 0xc0) != 0x80;

			if (begins && shown + 1 == width)
				break;
			shown += begins;
			putchar(*s);
		}
		fputs("…", stdout);
		shown++;
	}
	if (last)
		return;
	for (; shown < width + 2; shown++)
		putchar(' ');
}

void
text_table_ids(struct text_table *t, size_t column)
{
	t->ids = column;
}

/* Do the first `len` characters of each id tell it from the others? */
static bool
tells_apart(const struct text_table *t, size_t len)
{
	for (size_t a = 0; a < t->count; a++)
		for (size_t b = 0; b < a; b++)
			if (strncmp(t->rows[a][t->ids], t->rows[b][t->ids], len) == 0 &&
				strcmp(t->rows[a][t->ids], t->rows[b][t->ids]) != 0)
				return false;
	return true;
}

static void
cut_ids(struct text_table *t)
{
	size_t len = NARROWEST;

	while (!tells_apart(t, len))
		len++;
	for (size_t r = 0; r < t->count; r++)
		if (strlen(t->rows[r][t->ids]) > len)
			t->rows[r][t->ids][len] = '\0';
}

/* The columns' own widths, and what a row of them takes. */
static size_t
measure(const struct text_table *t, size_t *width)
{
	size_t sum = 0;

	for (size_t c = 0; c < t->columns; c++) {
		width[c] = width_of(t->titles[c]);
		for (size_t r = 0; r < t->count; r++) {
			size_t w = width_of(t->rows[r][c]);

			if (w > width[c])
				width[c] = w;
		}
		sum += width[c] + (c ? 2 : 0);
	}
	return sum;
}

static void
fit(struct text_table *t, size_t *width)
{
	size_t room = terminal_width(), sum = measure(t, width);

	if (room && sum > room && t->ids < t->columns) {
		cut_ids(t);
		sum = measure(t, width);
	}
	while (room && sum > room) {
		size_t widest = 0;

		for (size_t c = 1; c < t->columns; c++)
			if (width[c] > width[widest])
				widest = c;
		if (width[widest] <= NARROWEST)
			return;
		width[widest]--;
		sum--;
	}
}

void
text_table_print(struct text_table *t)
{
	size_t width[TABLE_COLUMNS_MAX] = { 0 };

	fit(t, width);
	fputs(terminal_bold(), stdout);
	for (size_t c = 0; c < t->columns; c++)
		print_cell(t->titles[c], width[c], c + 1 == t->columns);
	printf("%s\n", terminal_plain());
	for (size_t r = 0; r < t->count; r++) {
		for (size_t c = 0; c < t->columns; c++)
			print_cell(t->rows[r][c], width[c], c + 1 == t->columns);
		putchar('\n');
	}
}

void
text_table_free(struct text_table *t)
{
	for (size_t r = 0; r < t->count; r++) {
		for (size_t c = 0; c < t->columns; c++)
			free(t->rows[r][c]);
		free(t->rows[r]);
	}
	free(t->rows);
	free(t);
}
