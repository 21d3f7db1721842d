/*
 * command_value.h - "key=value" as a value of a property list: typed by Apple's schema where it
 * knows the key, guessed where it does not
 */
#ifndef CORDON_MDM_COMMAND_VALUE_H
#define CORDON_MDM_COMMAND_VALUE_H

#include "mdm/schema.h"

#define COMMAND_JSON_DEPTH 32u
#define COMMAND_INDEX_MAX 1000u

/*
 * key: dotted for a dictionary's inner keys, KEY[0].INNER for elements of a list.  value: text,
 * true or false, a number, base64, a date, JSON; a list takes JSON, its elements with commas, or
 * the key again.  `content` (data not NULL) is a file's, in the place of "=value": bytes for data,
 * text, JSON or a property list for the others.
 */
struct command_word {
	const char *text; /* "key=value"; "key" when `content` is the value */
	struct bytes content;
};

/*
 * Into `command`, the inner dictionary.  `c` NULL: all types are guessed.  0, or -EINVAL with *why
 * (caller frees).
 */
int command_value_put(
	plist_t command, const struct schema_command *c, const struct command_word *w, char **why);

#endif
