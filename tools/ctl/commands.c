/* commands.c - cordonctl send, push, queue, results: commands and what became of them */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "ctl/client.h"
#include "ctl/table.h"
#include "ctl/verbs.h"

#define COMMAND_FILE_MAX (16u << 20)
#define WAIT_STEP_US 100000

static int
missing(const char *verb, const char *what)
{
	fprintf(stderr, "cordonctl %s: %s is missing\n", verb, what);
	return EXIT_USAGE_FAULT;
}

static void
enrollment_path(struct buf *path, const char *id, const char *rest)
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
static int
wait_result(const char *id, const char *uuid, long seconds)
{
	int64_t end = clock_mono_ms() + seconds * 1000;
	struct buf path = BUF_INIT;
	json_t *r = NULL;
	int status;

	enrollment_path(&path, id, "/results");
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
	status = verdict(status, r);
	if (status == EXIT_FINE && verbs_json)
		print_json(r);
	else if (status == EXIT_FINE)
		print_result(r);
	if (status == EXIT_FINE && strcmp(member(r, "status"), "Acknowledged") != 0)
		status = EXIT_ATTENTION;
	json_decref(r);
	return status;
}

struct sending {
	const char *id, *type, *file;
	char **arguments;
	int count;
	long wait;
	bool no_push;
};

static int
parse_send(int argc, char **argv, struct sending *s)
{
	static const struct option options[] = { { "file", required_argument, NULL, 'f' },
		{ "wait", required_argument, NULL, 'w' }, { "no-push", no_argument, NULL, 'n' },
		{ 0 } };
	int c;

	optind = 0;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		char *end = NULL;

		if (c == '?')
			return EXIT_USAGE_FAULT;
		if (c == 'f')
			s->file = optarg;
		if (c == 'n')
			s->no_push = true;
		if (c == 'w') {
			s->wait = strtol(optarg, &end, 10);
			if (*end || s->wait < 1)
				return missing("send", "a number of seconds after --wait");
		}
	}
	if (optind == argc)
		return missing("send", "ID");
	s->id = argv[optind++];
	if (!s->file && optind == argc)
		return missing("send", "a command's name, or --file,");
	if (!s->file)
		s->type = argv[optind++];
	s->arguments = argv + optind;
	s->count = argc - optind;
	return 0;
}

static int
send_file(const struct sending *s, json_t **answer)
{
	struct buf content = BUF_INIT, path = BUF_INIT;
	int status, err = file_read(s->file, COMMAND_FILE_MAX, &content, NULL);

	if (err < 0) {
		fprintf(stderr, "cordonctl: %s: %s\n", s->file, strerror(-err));
		return EXIT_NO_INPUT;
	}
	buf_add_str(&path, "/v1/enqueue");
	client_add_segment(&path, s->id);
	if (s->no_push)
		buf_add_str(&path, "?nopush=1");
	status = client_request(
		"PUT", buf_str(&path), "application/xml", buf_bytes(&content), answer);
	buf_free(&content);
	buf_free(&path);
	return verdict(status, *answer);
}

static int
send_typed(const struct sending *s, json_t **answer)
{
	json_t *body = json_object(), *arguments = json_array();
	struct buf path = BUF_INIT;
	int status;

	json_object_set_new(body, "request_type", json_string(s->type));
	for (int i = 0; i < s->count; i++)
		json_array_append_new(arguments, json_string(s->arguments[i]));
	json_object_set_new(body, "arguments", arguments);
	json_object_set_new(body, "no_push", json_boolean(s->no_push));
	enrollment_path(&path, s->id, "/queue");
	status = client_send_json("POST", buf_str(&path), body, answer);
	buf_free(&path);
	return verdict(status, *answer);
}

int
verb_send(int argc, char **argv)
{
	struct sending s = { 0 };
	json_t *answer = NULL;
	int code = parse_send(argc, argv, &s);

	if (code)
		return code;
	code = s.file ? send_file(&s, &answer) : send_typed(&s, &answer);
	if (code == EXIT_FINE && s.wait)
		code = wait_result(s.id, member(answer, "command_uuid"), s.wait);
	else if (code == EXIT_FINE && verbs_json)
		print_json(answer);
	else if (code == EXIT_FINE)
		printf("%s %s queued\n", member(answer, "command_uuid"),
			member(answer, "request_type"));
	json_decref(answer);
	return code;
}

int
verb_push(int argc, char **argv)
{
	struct buf path = BUF_INIT;
	json_t *answer = NULL;
	int code;

	if (argc < 2)
		return missing("push", "ID");
	buf_add_str(&path, "/v1/push");
	for (int i = 1; i < argc; i++) {
		if (i == 1)
			buf_add_char(&path, '/');
		else
			buf_add_char(&path, ',');
		buf_add_str(&path, argv[i]);
	}
	code = verdict(client_get(buf_str(&path), &answer), answer);
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
		return missing("queue", "ID");
	enrollment_path(&path, argv[1], "/queue");
	code = verdict(client_get(buf_str(&path), &q), q);
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

	enrollment_path(&path, id, "/results");
	code = verdict(client_get(buf_str(&path), &list), list);
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
		return missing("results", "ID");
	if (argc < 3)
		return list_results(argv[1]);
	enrollment_path(&path, argv[1], "/results");
	client_add_segment(&path, argv[2]);
	code = verdict(client_get(buf_str(&path), &r), r);
	buf_free(&path);
	if (code == EXIT_FINE && verbs_json)
		print_json(r);
	else if (code == EXIT_FINE)
		print_result(r);
	json_decref(r);
	return code;
}
