/*
 * command.h - commands as property lists: built from words or taken from a file, and classified
 *
 * facts/protocol.md B.3, DESIGN "Queue".
 */
#ifndef CORDON_MDM_COMMAND_H
#define CORDON_MDM_COMMAND_H

#include "base/buf.h"
#include "store/queue.h"

#define COMMAND_MAX (768u << 10) /* bytes of the whole property list: it is one record */

struct command {
	char *uuid, *type;
	bool given_uuid; /* by the file, not by us: may have been used before */
	enum family family;
	bool urgent;	  /* EraseDevice, DeviceLock: first */
	bool expires;	  /* queue.lifetime holds for it */
	char *subject;	  /* PayloadIdentifier of InstallProfile and RemoveProfile; NULL */
	struct buf plist; /* {CommandUUID, Command}, XML; may hold secrets */
};

/*
 * `send ID TYPE key=value...`: values become what Apple's schema says of the key (command_keys.h);
 * of a key that is not in it, true, false and whole numbers are guessed.  Arrays: the key again, or
 * commas.  0, or -EINVAL with *why, a sentence for people (caller frees).
 */
int command_from_words(
	const char *type, const char *const *words, size_t count, struct command *ret, char **why);
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
