/* table.h - rows and columns for people, as wide as the terminal; bold only there */
#ifndef CORDON_CTL_TABLE_H
#define CORDON_CTL_TABLE_H

#include <stdbool.h>
#include <stddef.h>

#define TABLE_COLUMNS_MAX 12

struct text_table;

/* `titles` ends with NULL; static strings. */
struct text_table *text_table_new(const char *const *titles);
/* As many cells as there are titles; NULL is "-".  Copied, control characters made visible. */
void text_table_add(struct text_table *t, const char *const *cells);
/*
 * This column holds ids that verbs take by any beginning that fits one alone: where a row does not
 * fit the terminal, they are cut to such beginnings, which can be typed, before anything else gives
 * way.
 */
void text_table_ids(struct text_table *t, size_t column);
/* Never cut: what it says would be wrong or not tell rows apart. */
void text_table_keep(struct text_table *t, size_t column);
/*
 * May be left out where rows do not fit the terminal even when all others have given way, in the
 * order of these calls; a line below the table names what was.  A column that says nothing in any
 * row goes before.
 */
void text_table_spare(struct text_table *t, size_t column);
/* Prints with the columns' own widths; on a terminal the widest column gives way so that a row fits
 * a line. */
void text_table_print(struct text_table *t);
void text_table_free(struct text_table *t);

bool terminal_is(void);		 /* stdout is one */
const char *terminal_bold(void); /* the escape, or "" (no terminal, NO_COLOR) */
const char *terminal_red(void);
const char *terminal_green(void);
const char *terminal_yellow(void);
const char *terminal_plain(void);
unsigned terminal_width(void); /* columns; 0: not a terminal */

#endif
