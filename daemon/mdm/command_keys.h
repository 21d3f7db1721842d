/*
 * command_keys.h - what type Apple's schema gives to the keys of commands
 *
 * From etc/apple-schema/commands.tsv (Apple's notice beside it); a test holds one against the
 * other.
 */
#ifndef CORDON_MDM_COMMAND_KEYS_H
#define CORDON_MDM_COMMAND_KEYS_H

#include <stddef.h>

enum command_key_type {
	KEY_UNKNOWN,
	KEY_STRING,
	KEY_BOOLEAN,
	KEY_INTEGER,
	KEY_DATA,
	KEY_STRINGS, /* array of strings */
	KEY_NESTED   /* dictionaries and arrays of them: from a file only */
};

struct command_key {
	const char *request, *key;
	enum command_key_type type;
};

enum command_key_type command_key_type(const char *request, const char *key);
size_t command_key_count(void);
const struct command_key *command_key_at(size_t index);

#endif
