/* command_help.h - how a command may be written: an example that can be sent as it is */
#ifndef CORDON_MDM_COMMAND_HELP_H
#define CORDON_MDM_COMMAND_HELP_H

#include "mdm/schema.h"

/*
 * Words for command_build, "key=value" each: what the schema and Apple's rules want, with `all`
 * also what they allow.  Appended; freed with schema_notes_free.
 */
void command_help_example(const struct schema_command *c, bool all, struct schema_notes *words);

#endif
