/* table.c - text tables and what a terminal may show */
#include "ctl/table.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/mem.h"

#define NARROWEST 8

struct text_table {
	const char *const *titles;
	size_t columns;
	char ***rows;
	size_t count, cap;
	size_t ids; /* the column of ids; `columns`: none */
	bool keep[TABLE_COLUMNS_MAX], out[TABLE_COLUMNS_MAX];
	size_t spare[TABLE_COLUMNS_MAX], spares; /* columns in the order in which they may go */
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

	for (size_t c = 0; c < t->columns; c++) {
		struct buf text = BUF_INIT;

		encode_visible(&text, bytes_str(cells[c] && *cells[c] ? cells[c] : "-"));
		row[c] = buf_steal_str(&text);
	}
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

void
text_table_keep(struct text_table *t, size_t column)
{
	t->keep[column] = true;
}

void
text_table_spare(struct text_table *t, size_t column)
{
	t->spare[t->spares++] = column;
}

/* The columns' own widths, and what a row of them takes. */
static size_t
measure(const struct text_table *t, size_t *width)
{
	size_t sum = 0, shown = 0;

	for (size_t c = 0; c < t->columns; c++) {
		width[c] = width_of(t->titles[c]);
		for (size_t r = 0; r < t->count; r++) {
			size_t w = width_of(t->rows[r][c]);

			if (w > width[c])
				width[c] = w;
		}
		if (!t->out[c])
			sum += width[c] + (shown++ ? 2 : 0);
	}
	return sum;
}

/* Takes from the widest column that may be cut until a row fits; what a row takes then. */
static size_t
shrink(const struct text_table *t, size_t *width, size_t sum, size_t room)
{
	while (sum > room) {
		size_t widest = t->columns;

		for (size_t c = 0; c < t->columns; c++)
			if (!t->keep[c] && !t->out[c] &&
				(widest == t->columns || width[c] > width[widest]))
				widest = c;
		if (widest == t->columns || width[widest] <= NARROWEST)
			break;
		width[widest]--;
		sum--;
	}
	return sum;
}

static bool
says_nothing(const struct text_table *t, size_t column)
{
	for (size_t r = 0; r < t->count; r++)
		if (strcmp(t->rows[r][column], "-") != 0)
			return false;
	return true;
}

static void
leave_out_empty(struct text_table *t)
{
	for (size_t c = 0; c < t->columns && t->count; c++)
		t->out[c] = says_nothing(t, c);
}

/* The room that the last one to go left may do for one that went before. */
static size_t
bring_back(struct text_table *t, size_t *width, size_t room)
{
	for (size_t i = t->spares; i-- > 0;) {
		size_t c = t->spare[i];

		if (!t->out[c] || says_nothing(t, c))
			continue;
		t->out[c] = false;
		t->out[c] = shrink(t, width, measure(t, width), room) > room;
	}
	return shrink(t, width, measure(t, width), room);
}

static void
fit(struct text_table *t, size_t *width)
{
	size_t room = terminal_width(), sum = measure(t, width);

	if (!room || sum <= room)
		return;
	if (t->ids < t->columns)
		cut_ids(t);
	leave_out_empty(t);
	sum = shrink(t, width, measure(t, width), room);
	for (size_t i = 0; i < t->spares && sum > room; i++) {
		t->out[t->spare[i]] = true;
		sum = shrink(t, width, measure(t, width), room);
		if (sum <= room)
			sum = bring_back(t, width, room);
	}
}

static void
print_row(const struct text_table *t, const char *const *cells, const size_t *width)
{
	size_t last = t->columns;

	for (size_t c = 0; c < t->columns; c++)
		if (!t->out[c])
			last = c;
	for (size_t c = 0; c < t->columns; c++)
		if (!t->out[c])
			print_cell(cells[c], width[c], c == last);
}

static void
name_left_out(const struct text_table *t)
{
	const char *begin = "Left out here, and in --json: ";

	for (size_t c = 0; c < t->columns; c++) {
		if (!t->out[c] || says_nothing(t, c))
			continue;
		printf("%s%s", begin, t->titles[c]);
		begin = ", ";
	}
	if (*begin == ',')
		putchar('\n');
}

void
text_table_print(struct text_table *t)
{
	size_t width[TABLE_COLUMNS_MAX] = { 0 };

	fit(t, width);
	fputs(terminal_bold(), stdout);
	print_row(t, t->titles, width);
	printf("%s\n", terminal_plain());
	for (size_t r = 0; r < t->count; r++) {
		print_row(t, (const char *const *)t->rows[r], width);
		putchar('\n');
	}
	name_left_out(t);
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
