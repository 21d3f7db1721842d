/*
 * keys.h - the table of keys, and what can be done with a value of each kind
 *
 * A row names the field of a struct that a key fills: struct conf for the keys of a file, the
 * struct of one entry for the keys of `listen` and `api.keys`.  Reading, writing, comparing and
 * freeing follow the kind; nothing else in this folder knows a key by name but check.c.
 */
#ifndef CORDON_CONF_KEYS_H
#define CORDON_CONF_KEYS_H

#include <libconfig.h>

#include "conf/conf.h"
#include "conf/syntax.h"

enum kind {
	KIND_STRING,   /* char *; min and max are its length */
	KIND_PATH,     /* char *, absolute */
	KIND_DURATION, /* int64_t */
	KIND_SPAN,     /* int64_t, or "never" */
	KIND_UNSIGNED, /* unsigned */
	KIND_NUMBER,   /* int64_t */
	KIND_PERCENT,  /* unsigned, written "20%" */
	KIND_BOOL,     /* bool */
	KIND_EITHER,   /* bool, written as one of two words: false, true */
	KIND_CHOICE,   /* an enum, written as one of some words */
	KIND_STRINGS,  /* struct conf_strings */
	KIND_DAYS,     /* int * and a size_t: positive, descending */
	KIND_ENDPOINT, /* struct conf_endpoint */
	KIND_GROUPS,   /* an array of structs and a size_t */
	KIND_COUNT
};

struct keys;

struct key {
	struct conf_key_info info;
	enum kind kind;
	size_t offset;
	size_t count;		  /* KIND_DAYS, KIND_GROUPS: offset of the size_t */
	int64_t min, max;	  /* value; of text its length; 0 for max: no bound */
	const char *const *words; /* KIND_EITHER, KIND_CHOICE: ended by NULL */
	syntax_check *check;	  /* of text, of each item of KIND_STRINGS */
	bool required;
	const struct keys *entry; /* KIND_GROUPS */
};

struct keys {
	const struct key *rows;
	size_t count;
	size_t size; /* of the struct that they fill */
};

extern const struct keys keys_all; /* of a file, in the order of the sample */

/* Where a key was set last, so that what contradicts another key can be pointed at. */
struct origin {
	const char *file; /* NULL: the default stands */
	unsigned line;
	bool faulty; /* the value there could not be taken: conclusions from it are idle */
};

struct reader {
	const char *file;
	struct conf_faults *faults;
};

/*
 * Reads a setting into the field that `key` names in `base`, whose old value is freed.  `path` is
 * the dotted name for faults.  False when there was a fault; then the field is as it was.
 */
bool kind_read(const struct reader *r, const struct key *key, const config_setting_t *setting,
	void *base, const char *path);
/* Appends the value as libconfig reads it; false, and nothing appended, when there is none. */
bool kind_write(const struct key *key, const void *base, struct buf *out);
bool kind_equal(const struct key *key, const void *a, const void *b);
void kind_drop(const struct key *key, void *base);

/* Fills a zeroed struct with the defaults. */
void keys_defaults(const struct keys *keys, void *base);
void keys_drop(const struct keys *keys, void *base);

/*
 * Reads the settings of a group: `prefix` is "" or ends in a dot. `origins` (NULL: not wanted) has
 * an element for each row.  Unknown keys are faults.  False when there was a fault.
 */
bool keys_read(const struct reader *r, const struct keys *keys, const config_setting_t *group,
	const char *prefix, void *base, struct origin *origins);

#endif
