/* devices.c - cordonctl devices, show, lock, unlock, access: who is under management
 */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "ctl/client.h"
#include "ctl/table.h"
#include "ctl/verbs.h"

static const char *const device_titles[] = { "ID", "SERIAL", "NAME", "MODEL", "OS", "STATE",
	"LAST SEEN", "LOCK", NULL };

static void
add_device(struct text_table *t, const json_t *d)
{
	const char *name = member(d, "name"), *user = member(d, "user");
	const char *cells[] = { member(d, "id"), member(d, "serial"), *user ? user : name,
		member(d, "model"), member(d, "os"), member(d, "state"),
		ago(member(d, "last_seen")), member_true(d, "locked") ? "locked" : "" };

	text_table_add(t, cells);
}

/* Pages through the list; each page's enrollments go to the table or, for JSON, to one array. */
static int
list(const char *filter, struct text_table *table, json_t *all)
{
	struct buf path = BUF_INIT;
	char *cursor = NULL;
	int code;

	do {
		json_t *page = NULL;
		const json_t *d;
		size_t i;

		buf_reset(&path);
		buf_printf(&path, "/v1/enrollments?%s%s%s", filter, cursor ? "&cursor=" : "",
			cursor ? cursor : "");
		free(cursor);
		cursor = NULL;
		code = verdict(client_get(buf_str(&path), &page), page);
		json_array_foreach(json_object_get(page, "enrollments"), i, d)
		{
			add_device(table, d);
			json_array_append(all, (json_t *)(uintptr_t)d);
		}
		if (code == EXIT_FINE && *member(page, "cursor"))
			cursor = strdup(member(page, "cursor"));
		json_decref(page);
	} while (cursor);
	buf_free(&path);
	return code;
}

int
verb_devices(int argc, char **argv)
{
	static const struct option options[] = { { "state", required_argument, NULL, 's' },
		{ "locked", no_argument, NULL, 'l' }, { "users", no_argument, NULL, 'u' }, { 0 } };
	struct buf filter = BUF_INIT;
	struct text_table *table = text_table_new(device_titles);
	json_t *all = json_array();
	int c, code = EXIT_USAGE_FAULT;

	buf_add_str(&filter, "limit=500");
	optind = 0;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == '?')
			goto out;
		if (c == 's')
			buf_printf(&filter, "&state=%s", optarg);
		else
			buf_add_str(&filter, c == 'l' ? "&locked=true" : "&users=true");
	}
	code = list(buf_str(&filter), table, all);
	if (code != EXIT_FINE)
		goto out;
	if (verbs_json)
		print_json(all);
	else if (json_array_size(all))
		text_table_print(table);
	else
		puts("No enrollments.");
out:
	buf_free(&filter);
	text_table_free(table);
	json_decref(all);
	return code;
}

static void
print_value(const json_t *v)
{
	char *text;

	if (json_is_string(v)) {
		printf("%s\n", json_string_value(v));
		return;
	}
	text = json_dumps(v, JSON_ENCODE_ANY);
	printf("%s\n", text ? text : "");
	free(text);
}

/* A page for people: members of the enrollment, then each section indented. */
static void
print_page(const json_t *e)
{
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)(uintptr_t)e, key, v)
	{
		const char *inner;
		json_t *w;

		if (json_is_null(v) || (json_is_string(v) && !*json_string_value(v)))
			continue;
		if (!json_is_object(v)) {
			printf("%-22s ", key);
			print_value(v);
			continue;
		}
		printf("%s%s%s\n", terminal_bold(), key, terminal_plain());
		json_object_foreach(v, inner, w)
		{
			printf("  %-30s ", inner);
			print_value(w);
		}
	}
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
	code = verdict(client_get(buf_str(&path), &e), e);
	if (code == EXIT_FINE && verbs_json)
		print_json(e);
	else if (code == EXIT_FINE)
		print_page(e);
	json_decref(e);
	buf_free(&path);
	return code;
}

int
verb_lock(int argc, char **argv)
{
	bool lock = strcmp(argv[0], "lock") == 0;
	int worst = one_argument(argc, argv, "ID");

	for (int i = 1; i < argc; i++) {
		struct buf path = BUF_INIT;
		json_t *answer = NULL;
		int code;

		buf_add_str(&path, "/v1/enrollments");
		client_add_segment(&path, argv[i]);
		client_add_segment(&path, argv[0]);
		code = verdict(client_request("POST", buf_str(&path), NULL, bytes_str(""), &answer),
			answer);
		if (code > worst)
			worst = code;
		if (code == EXIT_FINE && verbs_json)
			print_json(answer);
		else if (code == EXIT_FINE && lock)
			printf("%s: access is locked. The device itself is not: cordonctl send %s "
			       "DeviceLock "
			       "locks it, EraseDevice erases it.\n",
				argv[i], argv[i]);
		else if (code == EXIT_FINE)
			printf("%s: unlocked\n", argv[i]);
		json_decref(answer);
		buf_free(&path);
	}
	return worst;
}

int
verb_access(int argc, char **argv)
{
	struct buf path = BUF_INIT;
	json_t *answer = NULL;
	int status, code = one_argument(argc, argv, "ID");

	if (code)
		return code;
	buf_add_str(&path, "/access?id=");
	encode_percent(&path, bytes_str(argv[1]));
	status = client_get(buf_str(&path), &answer);
	buf_free(&path);
	if (status != 204 && status != 403)
		code = verdict(status, answer);
	else if (verbs_json)
		printf("{\"allowed\": %s, \"reason\": \"%s\"}\n", status == 204 ? "true" : "false",
			status == 204 ? "" : member(answer, "reason"));
	else
		printf("%s%s%s\n", status == 204 ? "allowed" : "denied", status == 204 ? "" : ": ",
			status == 204 ? "" : member(answer, "reason"));
	json_decref(answer);
	if (code == EXIT_FINE && status == 403)
		return EXIT_ATTENTION;
	return code;
}
