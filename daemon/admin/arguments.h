/* arguments.h - a command as the control API takes it: name, words, files; and the table of
 * commands */
#ifndef CORDON_ADMIN_ARGUMENTS_H
#define CORDON_ADMIN_ARGUMENTS_H

#include <jansson.h>

#include "admin/admin.h"
#include "mdm/command.h"

/*
 * {"request_type", "arguments": ["key=value" | {"key", "content": base64}], "strict"}, built and
 * held against the schema.  False: *why is the sentence for the 400 (caller frees).
 */
bool arguments_command(struct admin *a, const json_t *body, struct command *ret,
	struct schema_notes *warnings, char **why);
/* Adds "warnings" when there are any. */
void arguments_warnings(json_t *body, const struct schema_notes *warnings);

/*
 * Reads the table of commands, and again when it changed: $CORDON_SCHEMA,
 * /etc/cordon/commands.tsv, or the installed one.  One that is faulty leaves the earlier in use.
 */
void arguments_load_schema(struct admin *a);
void arguments_free_schema(struct admin *a);
/* GET /v1/commands, GET /v1/commands/{type} */
void arguments_list_handle(struct http_request *r, void *ctx);
void arguments_one_handle(struct http_request *r, void *ctx);

#endif
