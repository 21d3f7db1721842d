/* schema.c - Apple's command schema as a table */
#include "schema.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "prop.h"

#define FILE_MAX_BYTES (8u * 1024 * 1024)
#define COLUMNS 6

struct row {
	const char *command, *direction, *path, *type, *presence, *values;
};

static struct blob text;
static struct row *rows;
static size_t n_rows;

static bool
split(char *line, struct row *r)
{
	const char **columns[COLUMNS] = { &r->command, &r->direction, &r->path, &r->type,
		&r->presence, &r->values };

	for (size_t i = 0; i < COLUMNS; i++) {
		char *field = strsep(&line, "\t");

		if (field == NULL)
			return false;
		*columns[i] = field;
	}
	return true;
}

int
schema_init(const char *path)
{
	char *rest, *line;
	int rc = util_read(path, FILE_MAX_BYTES, &text);

	if (rc < 0)
		return rc;
	rest = (char *)text.data;
	while ((line = strsep(&rest, "\n")) != NULL) {
		if (*line == '\0')
			continue;
		rows = util_grow(rows, (n_rows + 1) * sizeof(*rows));
		if (!split(line, &rows[n_rows]))
			return -EINVAL;
		n_rows++;
	}
	return n_rows > 0 ? 0 : -EINVAL;
}

void
schema_fini(void)
{
	free(rows);
	rows = NULL;
	n_rows = 0;
	blob_free(&text);
}

bool
schema_loaded(void)
{
	return n_rows > 0;
}

bool
schema_knows(const char *request_type)
{
	for (size_t i = 0; i < n_rows; i++)
		if (strcmp(rows[i].command, request_type) == 0)
			return true;
	return n_rows == 0;
}

/* The dictionary that holds the last part of a path of dictionaries; NULL when a level is absent.
 */
static plist_t
descend(plist_t dict, const char *path, const char **ret_key)
{
	char part[128];
	const char *dot;

	while ((dot = strchr(path, '.')) != NULL && dict != NULL) {
		snprintf(part, sizeof(part), "%.*s", (int)(dot - path), path);
		dict = prop_node(dict, part, PLIST_DICT);
		path = dot + 1;
	}
	*ret_key = path;
	return dict;
}

bool
schema_accepts(const char *request_type, plist_t command, char *why, size_t why_len)
{
	for (size_t i = 0; i < n_rows; i++) {
		const struct row *r = &rows[i];
		const char *key;
		plist_t holder, n;

		if (strcmp(r->command, request_type) != 0 || strcmp(r->direction, "req") != 0 ||
			strcmp(r->type, "none") == 0 || strpbrk(r->path, "[*") != NULL)
			continue;
		holder = descend(command, r->path, &key);
		if (holder == NULL)
			continue;
		n = plist_dict_get_item(holder, key);
		if (n == NULL && strcmp(r->presence, "required") == 0) {
			snprintf(why, why_len, "the required key %s is missing", r->path);
			return false;
		}
		if (n != NULL && !prop_is(n, r->type)) {
			snprintf(why, why_len, "%s is no %s", r->path, r->type);
			return false;
		}
	}
	return true;
}

static plist_t
make_value(const struct row *r)
{
	char word[64];

	if (strcmp(r->type, "integer") == 0)
		return plist_new_uint((uint64_t)atoi(r->values));
	if (strcmp(r->type, "real") == 0)
		return plist_new_real(12.5);
	if (strcmp(r->type, "boolean") == 0)
		return plist_new_bool(1);
	if (strcmp(r->type, "data") == 0)
		return plist_new_data("\x30\x03\x02\x01\x01", 5);
	if (strcmp(r->type, "date") == 0)
		return plist_new_date(700000000, 0);
	if (strcmp(r->type, "array") == 0)
		return plist_new_array();
	if (strcmp(r->type, "dictionary") == 0)
		return plist_new_dict();
	snprintf(word, sizeof(word), "%.*s", (int)strcspn(r->values, "|"), r->values);
	return plist_new_string(word[0] != '\0' ? word : "Example");
}

/*
 * Put the value of a row at its path below `node`.  Rows come parents first; an array gets one
 * item, a "*" key the name "example".
 */
static void
place(plist_t node, const char *path, const struct row *r)
{
	char part[128];
	size_t n = strcspn(path, ".[");
	plist_t child;

	if (plist_get_node_type(node) == PLIST_ARRAY) { /* path begins with "[]" */
		const char *rest = path + 2;

		if (*rest == '\0') {
			if (plist_array_get_size(node) == 0)
				plist_array_append_item(node, make_value(r));
		} else if (plist_array_get_size(node) > 0) {
			place(plist_array_get_item(node, 0), *rest == '.' ? rest + 1 : rest, r);
		}
		return;
	}
	if (plist_get_node_type(node) != PLIST_DICT || n == 0)
		return;
	snprintf(part, sizeof(part), "%.*s", (int)n, path);
	if (strcmp(part, "*") == 0)
		snprintf(part, sizeof(part), "example");
	child = plist_dict_get_item(node, part);
	if (path[n] != '\0') {
		if (child != NULL)
			place(child, path[n] == '.' ? path + n + 1 : path + n, r);
	} else if (child == NULL) {
		plist_dict_set_item(node, part, make_value(r));
	}
}

void
schema_fill(const char *request_type, plist_t report)
{
	for (size_t i = 0; i < n_rows; i++)
		if (strcmp(rows[i].command, request_type) == 0 &&
			strcmp(rows[i].direction, "resp") == 0 && strcmp(rows[i].type, "none") != 0)
			place(report, rows[i].path, &rows[i]);
}
