/* fields.h - what `show` prints: labelled fields for people, the same as JSON for programs */
#ifndef CORDON_TOOLS_FIELDS_H
#define CORDON_TOOLS_FIELDS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

struct fields {
	bool json;
	struct buf out;
	unsigned depth;
	bool started; /* something stands before the next value at this depth */
};

/* An object or array; `key` is NULL inside an array.  `title` heads it for people; NULL: nothing.
 */
void fields_open(struct fields *f, const char *key, char bracket, const char *title);
void fields_close(struct fields *f, char bracket);
/* `label` NULL: in JSON only.  A text of NULL is null there, and left out for people. */
void fields_text(struct fields *f, const char *key, const char *label, const char *text);
void fields_number(
	struct fields *f, const char *key, const char *label, int64_t n, const char *text);
void fields_bool(struct fields *f, const char *key, const char *label, bool b, const char *text);
void fields_null(struct fields *f, const char *key);
/* A line for people alone. */
void fields_line(struct fields *f, const char *line);
/* Prints and frees. */
void fields_print(struct fields *f);

#endif
