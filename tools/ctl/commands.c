/* commands.c - cordonctl push, queue, cancel, results: commands and what became of them */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "ctl/client.h"
#include "ctl/commands.h"
#include "ctl/table.h"
#include "ctl/verbs.h"

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

/* The answer's dictionary under the names that Apple gives, a line each; longer things as JSON. */
static void
print_answer(const json_t *answer)
{
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)(uintptr_t)answer, key, v)
	{
		const char *inner;
		json_t *w;

		if (json_is_object(v)) {
			printf("%s%s%s\n", terminal_bold(), key, terminal_plain());
			json_object_foreach(v, inner, w)
			{
				char *text = json_is_string(w) ? strdup(json_string_value(w))
							       : json_dumps(w, JSON_ENCODE_ANY);

				printf("  %-34s %s\n", inner, text ? text : "");
				free(text);
			}
			continue;
		}
		char *text = json_is_string(v) ? strdup(json_string_value(v))
					       : json_dumps(v, JSON_ENCODE_ANY);

		printf("%-36s %s\n", key, text ? text : "");
		free(text);
	}
}

static void
print_result(const json_t *r)
{
	printf("%s %s %s%s%s\n", member(r, "uuid"), member(r, "type"), terminal_bold(),
		member(r, "status"), terminal_plain());
	if (*member(r, "error_text"))
		printf("  %s\n", member(r, "error_text"));
	print_answer(json_object_get(r, "answer"));
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

int
verb_push(int argc, char **argv)
{
	struct buf path = BUF_INIT;
	json_t *answer = NULL;
	int status, code;

	if (argc < 2)
		return command_missing("push", "ID");
	buf_add_str(&path, "/v1/push");
	for (int i = 1; i < argc; i++) {
		buf_add_char(&path, i == 1 ? '/' : ',');
		buf_add_str(&path, argv[i]);
	}
	status = client_get(buf_str(&path), &answer);
	code = say_not_pushed(answer) ? EXIT_REFUSED : verdict(status, &answer);
	if (code == EXIT_FINE && verbs_json)
		print_json(answer);
	json_decref(answer);
	buf_free(&path);
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

int
verb_results(int argc, char **argv)
{
	struct buf path = BUF_INIT;
	json_t *r = NULL;
	int code;

	if (argc < 2)
		return command_missing("results", "ID");
	if (argc < 3)
		return list_results(argv[1]);
	command_path(&path, argv[1], "/results");
	client_add_segment(&path, argv[2]);
	code = verdict(client_get(buf_str(&path), &r), &r);
	buf_free(&path);
	if (code == EXIT_FINE && verbs_json)
		print_json(r);
	else if (code == EXIT_FINE)
		print_result(r);
	json_decref(r);
	return code;
}

int
verb_cancel(int argc, char **argv)
{
	int worst = argc < 3 ? command_missing("cancel", argc < 2 ? "ID" : "UUID") : EXIT_FINE;

	for (int i = 2; i < argc; i++) {
		struct buf path = BUF_INIT;
		json_t *answer = NULL;
		int code;

		command_path(&path, argv[1], "/queue");
		client_add_segment(&path, argv[i]);
		code = verdict(
			client_request("DELETE", buf_str(&path), NULL, bytes_of(NULL, 0), &answer),
			&answer);
		worst = code > worst ? code : worst;
		if (code == EXIT_FINE && verbs_json)
			print_json(answer);
		else if (code == EXIT_FINE)
			printf("%s cancelled%s\n", argv[i],
				member_true(answer, "handed_out")
					? "; it was handed out before: the device may carry it out"
					: "");
		json_decref(answer);
		buf_free(&path);
	}
	return worst;
}
