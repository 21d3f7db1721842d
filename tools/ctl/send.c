/* send.c - cordonctl send: a command for one device, or for many; what its keys mean */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/file.h"
#include "base/mem.h"
#include "ctl/bulk.h"
#include "ctl/client.h"
#include "ctl/commands.h"
#include "ctl/table.h"
#include "ctl/verbs.h"

#define COMMAND_FILE_MAX (16u << 20)

struct sending {
	const char *id, *type, *file;
	struct bulk_filter filter;
	char **arguments;
	int count;
	long wait;
	bool all, no_push, strict, yes;
};

static const struct option options[] = { { "file", required_argument, NULL, 'f' },
	{ "wait", required_argument, NULL, 'w' }, { "no-push", no_argument, NULL, 'n' },
	{ "strict", no_argument, NULL, 'S' }, { "all", no_argument, NULL, 'a' },
	BULK_FILTER_OPTIONS, { "yes", no_argument, NULL, 'y' }, { 0 } };

static int
take_option(struct sending *s, int c)
{
	char *end = NULL;

	switch (c) {
	case 'f':
		s->file = optarg;
		return 0;
	case 'w':
		s->wait = strtol(optarg, &end, 10);
		if (*end || s->wait < 1)
			return command_missing("send", "a number of seconds after --wait");
		return 0;
	default:
		break;
	}
	if (bulk_filter_option(&s->filter, c))
		return 0;
	s->no_push = s->no_push || c == 'n';
	s->strict = s->strict || c == 'S';
	s->all = s->all || c == 'a';
	s->yes = s->yes || c == 'y';
	return c == '?' ? EXIT_USAGE_FAULT : 0;
}

static int
parse(int argc, char **argv, struct sending *s)
{
	int c, code;

	optind = 0;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
		if ((code = take_option(s, c)) != 0)
			return code;
	if (!s->all && bulk_filter_narrows(&s->filter))
		return command_missing("send", "--all, which --state, --system, --locked and "
					       "--users narrow,");
	if (s->all && (s->file || s->wait))
		return command_missing("send", "an ID, without --all: --file and --wait need one;"
					       " it");
	if (!s->all && optind == argc)
		return command_missing("send", "ID, or --all,");
	if (!s->all)
		s->id = argv[optind++];
	if (!s->file && optind == argc)
		return command_missing("send", "a command's name, or --file,");
	if (!s->file)
		s->type = argv[optind++];
	s->arguments = argv + optind;
	s->count = argc - optind;
	return 0;
}

/* ---- KEY=VALUE, KEY=@FILE ---- */

/* NULL after saying why.  "@@" is an "@" that begins a text. */
static json_t *
argument(const char *word)
{
	const char *equals = strchr(word, '=');
	struct buf content = BUF_INIT, text = BUF_INIT;
	json_t *j = NULL;
	int err;

	if (!equals || equals[1] != '@')
		return json_string(word);
	if (equals[2] == '@') {
		buf_add(&text, word, (size_t)(equals + 1 - word));
		buf_add_str(&text, equals + 2);
		j = json_string(buf_str(&text));
		buf_wipe(&text);
		return j;
	}
	err = file_read(equals + 2, COMMAND_FILE_MAX, &content, NULL);
	if (err < 0) {
		fprintf(stderr, "cordonctl: %s: %s\n", equals + 2, strerror(-err));
	} else {
		char *key = xstrndup(word, (size_t)(equals - word));

		encode_base64(&text, buf_bytes(&content), 0);
		j = json_object();
		json_object_set_new(j, "key", json_string(key));
		json_object_set_new(j, "content", json_string(buf_str(&text)));
		free(key);
	}
	buf_wipe(&content);
	buf_wipe(&text);
	return j;
}

/* 0, or the exit status. */
static int
request_body(const struct sending *s, json_t **ret)
{
	json_t *body = json_object(), *list = json_array(), *one;
	int i;

	for (i = 0; i < s->count; i++) {
		one = argument(s->arguments[i]);
		if (!one) {
			json_decref(list);
			json_decref(body);
			return strchr(s->arguments[i], '@') ? EXIT_NO_INPUT
							    : command_missing("send", "valid text");
		}
		json_array_append_new(list, one);
	}
	json_object_set_new(body, "request_type", json_string(s->type));
	json_object_set_new(body, "arguments", list);
	json_object_set_new(body, "no_push", json_boolean(s->no_push));
	json_object_set_new(body, "strict", json_boolean(s->strict));
	*ret = body;
	return 0;
}

static void
print_warnings(const json_t *answer)
{
	const json_t *w;
	size_t i;

	json_array_foreach(json_object_get(answer, "warnings"), i, w)
	{
		fprintf(stderr, "cordonctl: warning: %s\n", json_string_value(w));
	}
}

/* ---- to one ---- */

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
	buf_printf(
		&path, "?check=1%s%s", s->no_push ? "&nopush=1" : "", s->strict ? "&strict=1" : "");
	status = client_request(
		"PUT", buf_str(&path), "application/xml", buf_bytes(&content), answer);
	buf_wipe(&content);
	buf_free(&path);
	return verdict(status, answer);
}

static int
send_typed(const struct sending *s, json_t **answer)
{
	struct buf path = BUF_INIT;
	json_t *body;
	int status, code = request_body(s, &body);

	if (code)
		return code;
	command_path(&path, s->id, "/queue");
	status = client_send_json("POST", buf_str(&path), body, answer);
	buf_free(&path);
	return verdict(status, answer);
}

static int
send_one(const struct sending *s)
{
	json_t *answer = NULL;
	int code = s->file ? send_file(s, &answer) : send_typed(s, &answer);

	print_warnings(answer);
	if (code == EXIT_FINE && s->wait)
		code = command_wait(s->id, member(answer, "command_uuid"), s->wait);
	else if (code == EXIT_FINE && verbs_json)
		print_json(answer);
	else if (code == EXIT_FINE)
		printf("%s %s queued\n", member(answer, "command_uuid"),
			member(answer, "request_type"));
	json_decref(answer);
	return code;
}

/* ---- to many ---- */

/* What cannot be taken back is not sent to all by a slip. */
static bool
is_dangerous(const char *type)
{
	static const char *const types[] = { "EraseDevice", "DeviceLock", "ClearPasscode",
		"RemoveProfile", "EnableLostMode", "SetRecoveryLock", "SetFirmwarePassword",
		"RestartDevice", "ShutDownDevice", "DeleteUser" };
	size_t i;

	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(types[i], type) == 0)
			return true;
	return false;
}

static int
send_all(const struct sending *s)
{
	json_t *send, *job = NULL, *action;
	int code;

	if (is_dangerous(s->type) && !s->yes) {
		fprintf(stderr,
			"cordonctl send: %s for all that fit is not sent without --yes: it cannot "
			"be "
			"taken back\n",
			s->type);
		return EXIT_USAGE_FAULT;
	}
	code = request_body(s, &send);
	if (code)
		return code;
	action = json_object();
	json_object_set_new(action, "send", send);
	code = bulk_start(&s->filter, action, &job);
	print_warnings(job);
	if (code == EXIT_FINE)
		code = bulk_finish(&job, s->type, "queued");
	json_decref(job);
	return code;
}

/* ---- help ---- */

static void
print_fits(const json_t *fits)
{
	const char *os;
	json_t *one;

	json_object_foreach((json_t *)(uintptr_t)fits, os, one)
	{
		printf("  %s %s%s%s%s\n", os, member(one, "since"),
			member_true(one, "supervised") ? ", supervised devices only" : "",
			member_true(one, "automated") ? ", automated enrollment only" : "",
			member_true(one, "user_enrollment") ? "" : ", not in a user enrollment");
	}
}

static char *
since_words(const json_t *since)
{
	struct buf text = BUF_INIT;
	const char *os;
	json_t *version;

	json_object_foreach((json_t *)(uintptr_t)since, os, version)
	{
		buf_printf(&text, "%s%s %s", text.len ? ", " : "", os, json_string_value(version));
	}
	return buf_steal_str(&text);
}

static void
print_keys(const json_t *keys)
{
	static const char *const titles[] = { "KEY", "TYPE", "", "VALUES", "DEFAULT", "SINCE",
		NULL };
	struct text_table *t = text_table_new(titles);
	const json_t *k;
	size_t i;

	json_array_foreach(keys, i, k)
	{
		char *since = since_words(json_object_get(k, "since"));

		text_table_add(t, (const char *const[]){ member(k, "key"), member(k, "type"),
					  member_true(k, "required") ? "required" : "",
					  member(k, "values"), member(k, "default"), since });
		free(since);
	}
	text_table_print(t);
	text_table_free(t);
}

/* As one would type it. */
static void
print_example(const json_t *c)
{
	const json_t *word;
	size_t i;

	printf("\nFor example: cordonctl send ID %s", member(c, "name"));
	json_array_foreach(json_object_get(c, "example"), i, word)
	{
		const char *text = json_string_value(word);
		bool quote = strpbrk(text, " {}[]\"$&;|<>*?()") != NULL;

		printf(" %s%s%s", quote ? "'" : "", text, quote ? "'" : "");
	}
	putchar('\n');
}

static int
explain(const char *type)
{
	struct buf path = BUF_INIT;
	json_t *c = NULL;
	int code;

	buf_add_str(&path, "/v1/commands");
	client_add_segment(&path, type);
	code = verdict(client_get(buf_str(&path), &c), &c);
	buf_free(&path);
	if (code == EXIT_FINE && verbs_json) {
		print_json(c);
	} else if (code == EXIT_FINE) {
		printf("%s%s%s, by Apple's schema of %s (%s)\n", terminal_bold(), member(c, "name"),
			terminal_plain(), member(c, "schema_date"), member(c, "schema_release"));
		print_fits(json_object_get(c, "fits"));
		putchar('\n');
		if (json_array_size(json_object_get(c, "keys")))
			print_keys(json_object_get(c, "keys"));
		else
			puts("It takes no keys.");
		print_example(c);
		puts("Inner keys are written KEY.INNER=value or KEY[0].INNER=value, or as JSON; "
		     "KEY=@FILE takes a file.");
	}
	json_decref(c);
	return code;
}

int
verb_send(int argc, char **argv)
{
	struct sending s = { 0 };
	int code;

	if (argc == 3 && strcmp(argv[1], "--help") == 0)
		return explain(argv[2]);
	code = parse(argc, argv, &s);
	if (code)
		return code;
	return s.all ? send_all(&s) : send_one(&s);
}
