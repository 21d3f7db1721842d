/*
 * schema.h - Apple's schema of commands: which there are, what keys they take, whom they fit
 *
 * Read at run time from commands.tsv (a table with tabs; Apple's notice lies beside it), so that a
 * newer one can take its place.  Columns: command, "req" | "resp" | "fit", path, type, presence,
 * values, range, default, format, introduced (iOS|macOS|tvOS|visionOS|watchOS).  In a path "[]" is
 * an element of an array (several of them are alternatives) and "*" any key.  "fit" rows have the
 * access right in the path's place, and behind each version letters: s supervised only, d automated
 * enrollment only, u not in user enrollment, D, U, DU on macOS the channels.  The row "#schema
 * date" says in the path's place of what day it is, and in the format's of which systems.
 */
#ifndef CORDON_MDM_SCHEMA_H
#define CORDON_MDM_SCHEMA_H

#include <plist/plist.h>

#include "base/buf.h"
#include "store/enrollment.h"

#define SCHEMA_FILE_MAX (8u << 20)
#define SCHEMA_DEPTH_MAX 16u /* parts of a path */
#define SCHEMA_NOTES_MAX 32u

enum schema_type {
	SCHEMA_NONE,
	SCHEMA_ANY,
	SCHEMA_STRING,
	SCHEMA_BOOLEAN,
	SCHEMA_INTEGER,
	SCHEMA_REAL,
	SCHEMA_DATA,
	SCHEMA_DATE,
	SCHEMA_ARRAY,
	SCHEMA_DICT,
	SCHEMA_TYPE_COUNT
};
/* "text", "true or false", ... */
const char *schema_type_words(enum schema_type t);
/* "string", "boolean", ... as in the table */
const char *schema_type_name(enum schema_type t);

enum schema_os {
	OS_IOS,
	OS_MACOS,
	OS_TVOS,
	OS_VISIONOS,
	OS_WATCHOS,
	OS_COUNT,
	OS_UNKNOWN = OS_COUNT
};
const char *schema_os_name(enum schema_os os);

struct schema_node {
	const char *key; /* "[]" an element, "*" any key */
	enum schema_type type;
	bool required;
	const char *values; /* allowed ones between '|'; "" */
	bool has_range;
	double min, max;
	const char *standard;	     /* default, "" */
	const char *since[OS_COUNT]; /* "7.0", or "n/a" */
	struct schema_node *children;
	size_t count, cap;
};

struct schema_fit {
	const char *since[OS_COUNT]; /* "n/a": not there */
	bool supervised[OS_COUNT], automated[OS_COUNT], no_user_enrollment[OS_COUNT];
	bool device_channel, user_channel; /* macOS; both false: not said */
};

struct schema_command {
	const char *name;
	struct schema_node request, response; /* dictionaries */
	bool has_fit;
	struct schema_fit fit;
};

struct schema;

/* NULL after *why, a sentence for people (caller frees). */
struct schema *schema_load(const char *path, char **why);
struct schema *schema_parse(struct bytes text, char **why);
void schema_free(struct schema *s);		    /* NULL allowed */
const char *schema_date(const struct schema *s);    /* "2024-10-21"; "an unknown day" */
const char *schema_release(const struct schema *s); /* "iOS 18.1, macOS 15.1"; "" */
size_t schema_count(const struct schema *s);
const struct schema_command *schema_at(const struct schema *s, size_t index);
/* NULL also when `s` is NULL. */
const struct schema_command *schema_find(const struct schema *s, const char *command);

/* The child that a key means, "*" included; NULL. */
const struct schema_node *schema_child(const struct schema_node *dict, const char *key);
/*
 * The alternative of an array's elements that `element` is meant for: by the keys that allow one
 * value only.  NULL: none fits.
 */
const struct schema_node *schema_element(const struct schema_node *array, plist_t element);

/* The same for one that is being built: rather one that has `key`. */
const struct schema_node *schema_element_for(
	const struct schema_node *array, plist_t element, const char *key);

/* Sentences for people, each once. */
struct schema_notes {
	char **items;
	size_t count;
};
void schema_note(struct schema_notes *n, char *sentence); /* takes it */
void schema_notes_free(struct schema_notes *n);
char *schema_notes_join(const struct schema_notes *n); /* "A; B"; the caller's */

/* Types, values, ranges and what is required: `faults`.  Keys that are not there: `warnings`. */
void schema_check(const struct schema *s, const struct schema_command *c, plist_t command,
	struct schema_notes *faults, struct schema_notes *warnings);
/* Does it suit this device?  What is not known of it is not spoken of. */
void schema_check_fit(
	const struct schema_command *c, const struct enrollment *e, struct schema_notes *warnings);

/* What a device is, from its facts. */
enum schema_os schema_os_of(const struct device_facts *f);

#endif
