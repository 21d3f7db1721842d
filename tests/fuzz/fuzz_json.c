/* fuzz_json.c - JSON of the control API, and the commands that it describes, against the schema */
#include "admin/answer.h"
#include "admin/arguments.h"
#include "fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct admin admin;
	struct schema_notes warnings = { 0 };
	struct command command;
	char *why = NULL;
	json_t *body = answer_parse(bytes_of(data, size), &why);

	MUST(body || why);
	free(why);
	why = NULL;
	if (!body)
		return 0;
	if (!admin.schema)
		arguments_load_schema(&admin);
	MUST(arguments_command(&admin, body, &command, &warnings, &why) || why);
	free(why);
	command_free(&command);
	schema_notes_free(&warnings);
	json_decref(body);
	return 0;
}
