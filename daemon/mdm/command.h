/*
 * command.h - commands as property lists: built from words or taken from a file, and classified
 *
 * facts/protocol.md B.3, DESIGN "Queue".
 */
#ifndef CORDON_MDM_COMMAND_H
#define CORDON_MDM_COMMAND_H

#include "base/buf.h"
#include "mdm/command_value.h"
#include "mdm/schema.h"
#include "store/queue.h"

#define COMMAND_MAX (768u << 10) /* bytes of the whole property list: it is one record */

struct command {
	char *uuid, *type;
	bool given_uuid; /* by the file, not by us: may have been used before */
	enum family family;
	bool urgent;	  /* EraseDevice, DeviceLock: first */
	bool expires;	  /* queue.lifetime holds for it */
	char *subject;	  /* PayloadIdentifier of InstallProfile and RemoveProfile; NULL */
	char *pin;	  /* that DeviceLock or EraseDevice carries; NULL */
	bool fills;	  /* something must be filled in for each device (command_fill.h) */
	struct buf plist; /* {CommandUUID, Command}, XML; may hold secrets */
};

/*
 * `send ID TYPE key=value...`: values become what the schema says of the key (command_value.h).
 * What it wants besides is command_check's.  0, or -EINVAL with *why, a sentence for people (caller
 * frees).
 */
int command_build(const struct schema *s, const char *type, const struct command_word *words,
	size_t count, struct command *ret, char **why);
/* The same without a schema, for commands of our own. */
int command_from_words(
	const char *type, const char *const *words, size_t count, struct command *ret, char **why);
/*
 * Holds a command against the schema (NULL: nothing to hold it against) and against what Apple says
 * besides: a PIN has six digits, a manifest comes by https, and the like.  0, or -EINVAL with *why;
 * `warnings` are of keys and values that the schema does not know.
 */
int command_check(const struct schema *s, const struct command *c, bool strict,
	struct schema_notes *warnings, char **why);
/* Keys that are not asked for, because they are filled in for each device (command_fill.h). */
bool command_fills(const char *type, const char *key);
bool command_takes_pin(const char *type);

/*
 * A whole property list: {CommandUUID, Command {RequestType, ...}}, or the inner dictionary alone.
 * A CommandUUID is taken, or added.  As command_from_words.
 */
int command_from_plist(struct bytes file, struct command *ret, char **why);
void command_free(struct command *c);

/* What DESIGN "Queue" says of a RequestType; types we do not know have FAMILY_OTHER and expire. */
struct command_class {
	const char *type;
	enum family family;
	bool urgent, keeps; /* keeps: never expires */
};
const struct command_class *command_class(const char *type);

/* The queries that a DeviceInformation without Queries asks; NULL-terminated. */
extern const char *const command_queries[];

#endif
