/*
 * command_pin.h - the PINs that DeviceLock and EraseDevice leave on a Mac
 *
 * Without the PIN nobody gets into such a Mac again: it is made unless a person gave one, is in the
 * store, sealed, before the command leaves, and stays there after it was carried out.  The last
 * COMMAND_PINS of an enrollment are kept, each with the command that it belongs to.
 */
#ifndef CORDON_MDM_COMMAND_PIN_H
#define CORDON_MDM_COMMAND_PIN_H

#include "mdm/mdm.h"
#include "store/enrollment.h"

#define COMMAND_PIN_LEN 6u
#define COMMAND_PINS 64u

/* DeviceLock of a Mac, EraseDevice of one that is not known to have Apple silicon. */
bool command_pin_needed(struct mdm *m, const struct enrollment *e, const char *type);
/*
 * Sees to it that the command's PIN is kept: `given`, or one that is made.  Nothing happens where
 * there is one already, or none is needed and none given.  0 or -errno.
 */
int command_pin_keep(struct mdm *m, const struct enrollment *e, const char *type, const char *uuid,
	const char *given);
/* 0 and the PIN of one command, -ENOENT, -errno. */
int command_pin_get(
	struct mdm *m, const struct enrollment *e, const char *uuid, char pin[COMMAND_PIN_LEN + 1]);
/* Oldest first; strings are the walk's. */
struct command_pin {
	const char *uuid, *type, *pin;
	int64_t at;
};
int command_pin_each(struct mdm *m, const char *id, unsigned generation,
	void (*each)(void *arg, const struct command_pin *pin), void *arg);

#endif
