/* send_table.c - a command in Apple's table (commands.tsv), read without the daemon */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/file.h"
#include "ctl/send.h"
#include "ctl/verbs.h"

#define TABLE_MAX (8u << 20)
#define COLUMNS 10
#define SYSTEMS 5

enum column {
	COL_NAME,
	COL_KIND,
	COL_PATH,
	COL_TYPE,
	COL_PRESENCE,
	COL_VALUES,
	COL_RANGE,
	COL_DEFAULT,
	COL_FORMAT,
	COL_SINCE
};

static const char *const systems[SYSTEMS] = { "iOS", "macOS", "tvOS", "visionOS", "watchOS" };

/* Where the daemon looks (admin/arguments.c). */
static const char *
table_path(void)
{
	static const char own[] = CORDON_SYSCONFDIR "/cordon/commands.tsv";
	const char *told = getenv("CORDON_SCHEMA");

	if (told && *told)
		return told;
	return file_exists(own) ? own : CORDON_DATADIR "/commands.tsv";
}

/* The parts of a line; those that are missing are empty. */
static void
split(char *line, const char *at, char **parts, size_t count)
{
	static char none[] = "";
	size_t i;

	for (i = 0; i < count; i++) {
		parts[i] = line ? strsep(&line, at) : none;
		if (!parts[i])
			parts[i] = none;
	}
}

static json_t *
since_json(char *column)
{
	json_t *j = json_object();
	char *versions[SYSTEMS];

	split(column, "|", versions, SYSTEMS);
	for (size_t i = 0; i < SYSTEMS; i++)
		if (*versions[i] && strcmp(versions[i], "n/a") != 0)
			json_object_set_new(j, systems[i], json_string(versions[i]));
	return j;
}

/* "10.7 u D": the version, then letters for what it needs. */
static json_t *
fits_json(char *column)
{
	json_t *j = json_object();
	char *versions[SYSTEMS];

	split(column, "|", versions, SYSTEMS);
	for (size_t i = 0; i < SYSTEMS; i++) {
		char *letters = versions[i], *version = strsep(&letters, " ");
		json_t *one;

		if (!*version || strcmp(version, "n/a") == 0)
			continue;
		one = json_object();
		json_object_set_new(one, "since", json_string(version));
		json_object_set_new(
			one, "supervised", json_boolean(letters && strchr(letters, 's')));
		json_object_set_new(
			one, "automated", json_boolean(letters && strchr(letters, 'd')));
		json_object_set_new(
			one, "user_enrollment", json_boolean(!(letters && strchr(letters, 'u'))));
		json_object_set_new(j, systems[i], one);
	}
	return j;
}

static json_t *
key_json(char **c)
{
	json_t *j = json_object();

	json_object_set_new(j, "key", json_string(c[COL_PATH]));
	json_object_set_new(j, "type", json_string(c[COL_TYPE]));
	json_object_set_new(j, "required", json_boolean(strcmp(c[COL_PRESENCE], "required") == 0));
	json_object_set_new(j, "values", json_string(c[COL_VALUES]));
	json_object_set_new(j, "default", json_string(c[COL_DEFAULT]));
	json_object_set_new(j, "since", since_json(c[COL_SINCE]));
	return j;
}

static void
take_row(char **c, const char *type, json_t *command)
{
	if (strcmp(c[COL_NAME], "#schema") == 0 && strcmp(c[COL_KIND], "date") == 0) {
		json_object_set_new(command, "schema_date", json_string(c[COL_PATH]));
		json_object_set_new(command, "schema_release", json_string(c[COL_FORMAT]));
	} else if (strcmp(c[COL_NAME], type) != 0) {
		return;
	} else {
		json_object_set_new(command, "name", json_string(type));
		if (strcmp(c[COL_KIND], "fit") == 0)
			json_object_set_new(command, "fits", fits_json(c[COL_SINCE]));
		else if (strcmp(c[COL_KIND], "req") == 0 && *c[COL_PATH])
			json_array_append_new(json_object_get(command, "keys"), key_json(c));
	}
}

int
send_table(const char *type, json_t **ret)
{
	struct buf text = BUF_INIT;
	int err = file_read(table_path(), TABLE_MAX, &text, NULL);
	char *all = buf_steal_str(&text), *rest = all, *line, *c[COLUMNS];
	json_t *command = json_object();

	json_object_set_new(command, "keys", json_array());
	while (err == 0 && (line = strsep(&rest, "\n")) != NULL) {
		split(line, "\t", c, COLUMNS);
		take_row(c, type, command);
	}
	free(all);
	if (err == 0 && json_object_get(command, "name")) {
		*ret = command;
		return EXIT_FINE;
	}
	json_decref(command);
	if (err < 0)
		fprintf(stderr, "cordonctl: %s: %s\n", table_path(), strerror(-err));
	else
		fprintf(stderr, "cordonctl: %s: the table of commands does not have it\n", type);
	return err < 0 ? EXIT_NO_INPUT : EXIT_REFUSED;
}
