/* commands.c - cordonctl push, queue, cancel, results: commands and what became of them */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/mem.h"
#include "ctl/bulk.h"
#include "ctl/client.h"
#include "ctl/commands.h"
#include "ctl/many.h"
#include "ctl/page.h"
#include "ctl/table.h"
#include "ctl/verbs.h"
#include "ctl/wrap.h"

#define WAIT_STEP_US 100000

int
command_missing(const char *verb, const char *what)
{
	fprintf(stderr, "cordonctl %s: %s is missing\n", verb, what);
	return EXIT_USAGE_FAULT;
}

void
command_path(struct buf *path, const char *id, const char *rest)
{
	buf_reset(path);
	buf_add_str(path, "/v1/enrollments");
	client_add_segment(path, id);
	buf_add_str(path, rest);
}

static void
print_result(const json_t *r)
{
	printf("%s %s %s%s%s\n", member(r, "uuid"), member(r, "type"), terminal_bold(),
		member(r, "status"), terminal_plain());
	if (*member(r, "error_text"))
		wrap_line(2, "  %s", member(r, "error_text"));
	page_print(json_object_get(r, "answer"));
}

/* Asks for the result until it is there or the time is over. */
int
command_wait(const char *id, const char *uuid, long seconds)
{
	int64_t end = clock_mono_ms() + seconds * 1000;
	struct buf path = BUF_INIT;
	json_t *r = NULL;
	int status;

	command_path(&path, id, "/results");
	client_add_segment(&path, uuid);
	for (;;) {
		status = client_get(buf_str(&path), &r);
		if (status != 404 || clock_mono_ms() >= end)
			break;
		json_decref(r);
		r = NULL;
		usleep(WAIT_STEP_US);
	}
	buf_free(&path);
	if (status == 404) {
		fprintf(stderr,
			"cordonctl: no answer within %ld s: the command waits for the device "
			"(cordonctl queue %s)\n",
			seconds, id);
		json_decref(r);
		return EXIT_ATTENTION;
	}
	status = verdict(status, &r);
	if (status == EXIT_FINE && verbs_json)
		print_json(r);
	else if (status == EXIT_FINE)
		print_result(r);
	if (status == EXIT_FINE && strcmp(member(r, "status"), "Acknowledged") != 0)
		status = EXIT_ATTENTION;
	json_decref(r);
	return status;
}

/* Each id that cannot be pushed to, with the reason.  How many. */
static unsigned
say_not_pushed(const json_t *answer)
{
	unsigned count = 0;
	const char *id;
	json_t *one;

	json_object_foreach(json_object_get(answer, "status"), id, one)
	{
		if (!*member(one, "push_error"))
			continue;
		fprintf(stderr, "cordonctl: %s: %s\n", id, member(one, "push_error"));
		count++;
	}
	return count;
}

/* The only one of the list that begins so, or is exactly that; NULL: none.  *fits: how many do. */
static const char *
find_uuid(const json_t *list, const char *typed, size_t *fits)
{
	const char *found = NULL;
	const json_t *e;
	size_t i;

	*fits = 0;
	json_array_foreach(list, i, e)
	{
		const char *one = member(e, "uuid");

		if (strcmp(one, typed) == 0) {
			*fits = 1;
			return one;
		}
		if (strncasecmp(one, typed, strlen(typed)) == 0) {
			found = one;
			++*fits;
		}
	}
	return found;
}

/*
 * What somebody typed of a UUID, in full.  When none begins so it stays as it is, and the daemon
 * says that there is no such command.  NULL after saying that several do; the caller frees it.
 */
static char *
whole_uuid(const char *id, const char *list, const char *typed)
{
	char *rest = xasprintf("/%s", list), *uuid = NULL;
	struct buf path = BUF_INIT;
	json_t *answer = NULL;
	const char *found;
	size_t fits;

	command_path(&path, id, rest);
	client_get(buf_str(&path), &answer);
	found = find_uuid(json_object_get(answer, list), typed, &fits);
	if (fits > 1)
		fprintf(stderr, "cordonctl: %zu UUIDs begin with %s: type more of it\n", fits,
			typed);
	else
		uuid = xstrdup(found ? found : typed);
	json_decref(answer);
	buf_free(&path);
	free(rest);
	return uuid;
}

static int
push_named(char **ids, int count)
{
	struct buf path = BUF_INIT;
	json_t *answer = NULL;
	int status, code;

	buf_add_str(&path, "/v1/push");
	for (int i = 0; i < count; i++) {
		buf_add_char(&path, i == 0 ? '/' : ',');
		encode_percent(&path, bytes_str(ids[i]));
	}
	status = client_get(buf_str(&path), &answer);
	code = say_not_pushed(answer) ? EXIT_REFUSED : verdict(status, &answer);
	if (code == EXIT_FINE && verbs_json)
		print_json(answer);
	json_decref(answer);
	buf_free(&path);
	return code;
}

static int
push_found(struct many *m)
{
	json_t *job = NULL;
	int code = many_find_groups(m, "push");

	if (code == EXIT_FINE)
		code = bulk_start(&m->filter, json_string("push"), &job);
	if (code == EXIT_FINE)
		code = bulk_finish(&job, "push", "asked");
	json_decref(job);
	return code;
}

int
verb_push(int argc, char **argv)
{
	static const struct option options[] = { MANY_OPTIONS, { 0 } };
	struct many m = { 0 };
	int c, code;

	optind = 0;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
		if (!many_option(&m, c))
			return EXIT_USAGE_FAULT;
	if (optind < argc && !m.all && !bulk_filter_narrows(&m.filter))
		return push_named(argv + optind, argc - optind);
	if (optind < argc || (!m.all && !bulk_filter_narrows(&m.filter)))
		return command_missing("push", "either ID, or --all,");
	code = push_found(&m);
	many_free(&m);
	return code;
}

int
verb_queue(int argc, char **argv)
{
	static const char *const titles[] = { "UUID", "COMMAND", "QUEUED", "OFFERED", "NOT NOW",
		"BY", NULL };
	struct text_table *t;
	struct buf path = BUF_INIT;
	json_t *q = NULL;
	const json_t *e;
	size_t i;
	int code;

	if (argc < 2)
		return command_missing("queue", "ID");
	command_path(&path, argv[1], "/queue");
	code = verdict(client_get(buf_str(&path), &q), &q);
	buf_free(&path);
	t = text_table_new(titles);
	text_table_ids(t, 0);
	json_array_foreach(json_object_get(q, "queue"), i, e)
	{
		char not_now[24], queued[48];
		const char *offered;

		snprintf(not_now, sizeof(not_now), "%" PRId64, member_int(e, "not_now"));
		snprintf(queued, sizeof(queued), "%s", ago(member(e, "queued_at")));
		offered = ago(member(e, "offered_at"));
		text_table_add(t, (const char *const[]){ member(e, "uuid"), member(e, "type"),
					  queued, offered, not_now, member(e, "actor") });
	}
	if (code == EXIT_FINE && verbs_json)
		print_json(json_object_get(q, "queue"));
	else if (code == EXIT_FINE && json_array_size(json_object_get(q, "queue")))
		text_table_print(t);
	else if (code == EXIT_FINE)
		puts("No command waits.");
	text_table_free(t);
	json_decref(q);
	return code;
}

static int
list_results(const char *id)
{
	static const char *const titles[] = { "UUID", "COMMAND", "STATUS", "ANSWERED", "ERROR",
		NULL };
	struct text_table *t;
	struct buf path = BUF_INIT;
	json_t *list = NULL;
	const json_t *r;
	size_t i;
	int code;

	command_path(&path, id, "/results");
	code = verdict(client_get(buf_str(&path), &list), &list);
	buf_free(&path);
	t = text_table_new(titles);
	text_table_ids(t, 0);
	json_array_foreach(json_object_get(list, "results"), i, r)
	{
		text_table_add(t, (const char *const[]){ member(r, "uuid"), member(r, "type"),
					  member(r, "status"), ago(member(r, "at")),
					  member(r, "error_text") });
	}
	if (code == EXIT_FINE && verbs_json)
		print_json(json_object_get(list, "results"));
	else if (code == EXIT_FINE && json_array_size(json_object_get(list, "results")))
		text_table_print(t);
	else if (code == EXIT_FINE)
		puts("No answers yet.");
	text_table_free(t);
	json_decref(list);
	return code;
}

static int
show_result(const char *id, const char *typed)
{
	char *uuid = whole_uuid(id, "results", typed);
	struct buf path = BUF_INIT;
	json_t *r = NULL;
	int code;

	if (!uuid)
		return EXIT_REFUSED;
	command_path(&path, id, "/results");
	client_add_segment(&path, uuid);
	code = verdict(client_get(buf_str(&path), &r), &r);
	if (code == EXIT_FINE && verbs_json)
		print_json(r);
	else if (code == EXIT_FINE)
		print_result(r);
	json_decref(r);
	buf_free(&path);
	free(uuid);
	return code;
}

int
verb_results(int argc, char **argv)
{
	if (argc < 2)
		return command_missing("results", "ID");
	return argc < 3 ? list_results(argv[1]) : show_result(argv[1], argv[2]);
}

static int
cancel_one(const char *id, const char *typed)
{
	char *uuid = whole_uuid(id, "queue", typed);
	struct buf path = BUF_INIT;
	json_t *answer = NULL;
	int code;

	if (!uuid)
		return EXIT_REFUSED;
	command_path(&path, id, "/queue");
	client_add_segment(&path, uuid);
	code = verdict(client_request("DELETE", buf_str(&path), NULL, bytes_of(NULL, 0), &answer),
		&answer);
	if (code == EXIT_FINE && verbs_json)
		print_json(answer);
	else if (code == EXIT_FINE)
		printf("%s cancelled%s\n", uuid,
			member_true(answer, "handed_out")
				? "; it was handed out before: the device may carry it out"
				: "");
	json_decref(answer);
	buf_free(&path);
	free(uuid);
	return code;
}

int
verb_cancel(int argc, char **argv)
{
	int worst = argc < 3 ? command_missing("cancel", argc < 2 ? "ID" : "UUID") : EXIT_FINE;

	for (int i = 2; i < argc; i++) {
		int code = cancel_one(argv[1], argv[i]);

		worst = code > worst ? code : worst;
	}
	return worst;
}
