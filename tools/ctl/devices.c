/* devices.c - cordonctl devices, show, access: who is under management
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "base/table.h"
#include "ctl/client.h"
#include "ctl/page.h"
#include "ctl/table.h"
#include "ctl/verbs.h"

enum { ID, SERIAL, NAME, USER, MODEL, OS, STATE, LAST_RESPONSE, LOCK, COLUMNS };

/* A column of the list: its title, its name for --sort, and what it shows. */
struct column {
	const char *title, *name;
	const char *member; /* of the enrollment's JSON */
};

static const struct column columns[] = {
	[ID] = { "ID", "id", "id" },
	[SERIAL] = { "SERIAL", "serial", "serial" },
	[NAME] = { "NAME", "name", "name" },
	[USER] = { "USER", "user", "user" },
	[MODEL] = { "MODEL", "model", "model" },
	[OS] = { "OS", "os", "os" },
	[STATE] = { "STATE", "state", "state" },
	[LAST_RESPONSE] = { "LAST RESPONSE", "last-response", "last_seen" },
	[LOCK] = { "LOCK", "lock", "locked" },
};

/* What a column says; JSON's true is "locked", the only flag that is shown. */
static const char *
cell(const json_t *d, const struct column *c)
{
	return json_is_true(json_object_get(d, c->member)) ? "locked" : member(d, c->member);
}

static const struct column *sorted_by; /* qsort has no argument for it */

/* Versions sort by their numbers ("9.1" before "18.0"), everything else as text; empty ones last.
 */
static int
compare(const void *a, const void *b)
{
	const char *x = cell(*(json_t *const *)a, sorted_by),
		   *y = cell(*(json_t *const *)b, sorted_by);

	if (!*x || !*y)
		return (*x == 0) - (*y == 0);
	return strverscmp(x, y);
}

static json_t *
sorted(json_t *all)
{
	size_t count = json_array_size(all), i;
	json_t **items = xcalloc(count + 1, sizeof(*items)), *result = json_array();

	for (i = 0; i < count; i++)
		items[i] = json_array_get(all, i);
	if (sorted_by)
		qsort(items, count, sizeof(*items), compare);
	for (i = 0; i < count; i++)
		json_array_append(result, items[i]);
	free(items);
	json_decref(all);
	return result;
}

/* RFC 4180: quoted where it must be; what a spreadsheet would take for a formula is quoted as text.
 */
static void
print_csv_cell(const char *s, bool last)
{
	bool formula = *s && strchr("=+-@\t\r", *s) != NULL;

	if (!formula && !strpbrk(s, ",\"\r\n")) {
		fputs(s, stdout);
	} else {
		putchar('"');
		if (formula)
			putchar('\'');
		for (; *s; s++) {
			if (*s == '"')
				putchar('"');
			putchar(*s);
		}
		putchar('"');
	}
	fputs(last ? "\r\n" : ",", stdout);
}

static void
print_csv(const json_t *all)
{
	const json_t *d;
	size_t i, c;

	for (c = 0; c < COLUMNS; c++)
		print_csv_cell(columns[c].name, c + 1 == COLUMNS);
	json_array_foreach(all, i, d)
	{
		for (c = 0; c < COLUMNS; c++)
			print_csv_cell(cell(d, &columns[c]), c + 1 == COLUMNS);
	}
}

/* Does each of them have a serial number that no other has? */
static bool
serials_tell_apart(const json_t *all)
{
	struct table *seen = table_new(NULL);
	const json_t *d;
	size_t i, fine = 0;

	json_array_foreach(all, i, d)
	{
		struct bytes serial = bytes_str(member(d, "serial"));

		if (!serial.len || table_get(seen, serial))
			break;
		table_put(seen, serial, seen);
		fine++;
	}
	table_free(seen);
	return fine == json_array_size(all);
}

/*
 * What is cut or left out on a narrow terminal: never so that two devices look the same.  Every
 * verb takes a serial number in the place of an id.
 */
static void
set_up(struct text_table *table, const json_t *all)
{
	static const size_t whole[] = { ID, SERIAL, OS, STATE, LAST_RESPONSE, LOCK };
	static const size_t spare[] = { MODEL, USER, OS, NAME };

	for (size_t i = 0; i < sizeof(whole) / sizeof(whole[0]); i++)
		text_table_keep(table, whole[i]);
	if (serials_tell_apart(all))
		text_table_spare(table, ID);
	for (size_t i = 0; i < sizeof(spare) / sizeof(spare[0]); i++)
		text_table_spare(table, spare[i]);
}

static void
print_devices(const json_t *all)
{
	const char *titles[COLUMNS + 1] = { NULL }, *cells[COLUMNS];
	struct text_table *table;
	const json_t *d;
	size_t i, c;

	for (c = 0; c < COLUMNS; c++)
		titles[c] = columns[c].title;
	table = text_table_new(titles);
	set_up(table, all);
	json_array_foreach(all, i, d)
	{
		for (c = 0; c < COLUMNS; c++)
			cells[c] = strcmp(columns[c].member, "last_seen") == 0
					   ? ago(member(d, "last_seen"))
					   : cell(d, &columns[c]);
		text_table_add(table, cells);
	}
	text_table_print(table);
	text_table_free(table);
}

/* Pages through the list; every page's enrollments go to one array. */
static int
list(const char *filter, json_t *all)
{
	struct buf path = BUF_INIT;
	char *cursor = NULL;
	int code;

	do {
		json_t *page = NULL;

		buf_reset(&path);
		buf_printf(&path, "/v1/enrollments?%s%s%s", filter, cursor ? "&cursor=" : "",
			cursor ? cursor : "");
		free(cursor);
		cursor = NULL;
		code = verdict(client_get(buf_str(&path), &page), &page);
		json_array_extend(all, json_object_get(page, "enrollments"));
		if (code == EXIT_FINE && *member(page, "cursor"))
			cursor = strdup(member(page, "cursor"));
		json_decref(page);
	} while (cursor);
	buf_free(&path);
	return code;
}

static bool
set_sort(const char *name)
{
	for (size_t c = 0; c < COLUMNS; c++)
		if (strcmp(columns[c].name, name) == 0)
			sorted_by = &columns[c];
	if (sorted_by)
		return true;
	fprintf(stderr, "cordonctl devices: --sort takes one of");
	for (size_t c = 0; c < COLUMNS; c++)
		fprintf(stderr, " %s", columns[c].name);
	fputc('\n', stderr);
	return false;
}

static void
add_filter(struct buf *filter, const char *name, const char *value)
{
	buf_printf(filter, "&%s=", name);
	encode_percent(filter, bytes_str(value));
}

static int
devices_options(int argc, char **argv, struct buf *filter, bool *csv)
{
	static const struct option options[] = { { "state", required_argument, NULL, 's' },
		{ "locked", no_argument, NULL, 'l' }, { "users", no_argument, NULL, 'u' },
		{ "awaited", no_argument, NULL, 'a' },
		{ "inactive-for", required_argument, NULL, 'i' },
		{ "sort", required_argument, NULL, 'o' }, { "csv", no_argument, NULL, 'c' },
		{ 0 } };
	int c;

	optind = 0;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == '?' || (c == 'o' && !set_sort(optarg)))
			return EXIT_USAGE_FAULT;
		if (c == 's')
			add_filter(filter, "state", optarg);
		else if (c == 'i')
			add_filter(filter, "inactive_for", optarg);
		else if (c == 'a')
			add_filter(filter, "awaited", "true");
		else if (c == 'l' || c == 'u')
			add_filter(filter, c == 'l' ? "locked" : "users", "true");
		*csv = *csv || c == 'c';
	}
	return EXIT_FINE;
}

int
verb_devices(int argc, char **argv)
{
	struct buf filter = BUF_INIT;
	json_t *all = json_array();
	bool csv = false;
	int code;

	buf_add_str(&filter, "limit=500");
	code = devices_options(argc, argv, &filter, &csv);
	if (code == EXIT_FINE)
		code = list(buf_str(&filter), all);
	all = sorted(all);
	if (code != EXIT_FINE)
		goto out;
	if (verbs_json)
		print_json(all);
	else if (csv)
		print_csv(all);
	else if (json_array_size(all))
		print_devices(all);
	else
		puts("No enrollments.");
out:
	buf_free(&filter);
	json_decref(all);
	return code;
}

static int
one_argument(int argc, char **argv, const char *what)
{
	if (argc >= 2)
		return 0;
	fprintf(stderr, "cordonctl %s: %s is missing\n", argv[0], what);
	return EXIT_USAGE_FAULT;
}

int
verb_show(int argc, char **argv)
{
	struct buf path = BUF_INIT;
	json_t *e = NULL;
	int code = one_argument(argc, argv, "ID");

	if (code)
		return code;
	buf_add_str(&path, "/v1/enrollments");
	client_add_segment(&path, argv[1]);
	code = verdict(client_get(buf_str(&path), &e), &e);
	if (code == EXIT_FINE && verbs_json)
		print_json(e);
	else if (code == EXIT_FINE)
		page_print(e);
	json_decref(e);
	buf_free(&path);
	return code;
}

static void
print_access(bool allowed, const char *reason)
{
	json_t *j = json_object();

	json_object_set_new(j, "allowed", json_boolean(allowed));
	json_object_set_new(j, "reason", json_string(reason));
	print_json(j);
	json_decref(j);
}

/*
 * Appends the address of the question about whom `text` means; an id that no enrollment has is
 * asked about as it is.  The exit status, after saying that several are meant.
 */
static int
access_path(const char *text, struct buf *path)
{
	struct buf show = BUF_INIT;
	int status, code = EXIT_FINE;
	json_t *e = NULL;

	buf_add_str(&show, "/v1/enrollments");
	client_add_segment(&show, text);
	status = client_get(buf_str(&show), &e);
	if (status != 404)
		code = verdict(status, &e);
	buf_add_str(path, "/access?id=");
	encode_percent(path, bytes_str(*member(e, "id") ? member(e, "id") : text));
	json_decref(e);
	buf_free(&show);
	return code;
}

int
verb_access(int argc, char **argv)
{
	struct buf path = BUF_INIT;
	json_t *answer = NULL;
	int status, code = one_argument(argc, argv, "ID");

	if (code == EXIT_FINE)
		code = access_path(argv[1], &path);
	if (code) {
		buf_free(&path);
		return code;
	}
	status = client_get(buf_str(&path), &answer);
	buf_free(&path);
	if (status != 204 && status != 403)
		code = verdict(status, &answer);
	else if (verbs_json)
		print_access(status == 204, status == 204 ? "" : member(answer, "reason"));
	else
		printf("%s%s%s\n", status == 204 ? "allowed" : "denied", status == 204 ? "" : ": ",
			status == 204 ? "" : member(answer, "reason"));
	json_decref(answer);
	if (code == EXIT_FINE && status == 403)
		return EXIT_ATTENTION;
	return code;
}
