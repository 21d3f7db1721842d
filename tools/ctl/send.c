/* send.c - cordonctl send: a command for one device, or for many; what its keys mean */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/proplist.h"
#include "ctl/bulk.h"
#include "ctl/client.h"
#include "ctl/commands.h"
#include "ctl/many.h"
#include "ctl/send.h"
#include "ctl/verbs.h"

#define COMMAND_FILE_MAX (16u << 20)
#define ERASE "EraseDevice"
#define GROUP_NONE "" /* looked up, and not grouped */

struct sending {
	const char *id, *type, *file;
	struct many many;
	char **arguments;
	int count;
	long wait;
	bool no_push, strict;
};

static const struct option options[] = { { "file", required_argument, NULL, 'f' },
	{ "wait", required_argument, NULL, 'w' }, { "no-push", no_argument, NULL, 'n' },
	{ "strict", no_argument, NULL, 'S' }, MANY_OPTIONS, { 0 } };

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
	if (many_option(&s->many, c))
		return 0;
	s->no_push = s->no_push || c == 'n';
	s->strict = s->strict || c == 'S';
	return c == '?' ? EXIT_USAGE_FAULT : 0;
}

/* --all, or ids between commas as in the API's paths. */
static bool
is_many(const struct sending *s)
{
	return s->many.all || strchr(s->id, ',');
}

static int
parse(int argc, char **argv, struct sending *s)
{
	int c, code;

	optind = 0;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
		if ((code = take_option(s, c)) != 0)
			return code;
	if (!s->many.all && bulk_filter_narrows(&s->many.filter))
		return command_missing("send", "--all, which --state, --system, --locked and "
					       "--users narrow,");
	if (!s->many.all && optind == argc)
		return command_missing("send", "ID, or --all,");
	if (!s->many.all)
		s->id = argv[optind++];
	if (is_many(s) && (s->file || s->wait))
		return command_missing("send", "one ID: --file and --wait need one; it");
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
send_file(const struct sending *s, struct bytes content, json_t **answer)
{
	struct buf path = BUF_INIT;
	int status;

	buf_add_str(&path, "/v1/enqueue");
	client_add_segment(&path, s->id);
	buf_printf(
		&path, "?check=1%s%s", s->no_push ? "&nopush=1" : "", s->strict ? "&strict=1" : "");
	status = client_request("PUT", buf_str(&path), "application/xml", content, answer);
	buf_free(&path);
	return verdict(status, answer);
}

/* Is this property list the command that cannot be taken back?  What is none is for the daemon. */
static bool
erases(struct bytes content)
{
	plist_t root = NULL, command;
	const char *type = NULL;
	bool it;

	if (proplist_parse(content, &root) == 0) {
		command = plist_dict_get_item(root, "Command");
		if (command && plist_get_node_type(command) == PLIST_DICT)
			type = proplist_str(command, "RequestType");
	}
	it = type && strcmp(type, ERASE) == 0;
	plist_free(root);
	return it;
}

static int
consent_one(struct sending *s, bool needed)
{
	int code = EXIT_FINE;

	if (needed)
		code = many_choose(&s->many, "send", (char **)(uintptr_t)&s->id, 1);
	if (needed && code == EXIT_FINE)
		code = many_consent(&s->many, ERASE " for");
	return code;
}

static int
read_and_send_file(struct sending *s, json_t **answer)
{
	struct buf content = BUF_INIT;
	int err = file_read(s->file, COMMAND_FILE_MAX, &content, NULL), code;

	if (err < 0) {
		fprintf(stderr, "cordonctl: %s: %s\n", s->file, strerror(-err));
		return EXIT_NO_INPUT;
	}
	code = consent_one(s, erases(buf_bytes(&content)));
	if (code == EXIT_FINE)
		code = send_file(s, buf_bytes(&content), answer);
	buf_wipe(&content);
	return code;
}

static int
send_typed(struct sending *s, json_t **answer)
{
	struct buf path = BUF_INIT;
	json_t *body;
	int status, code = request_body(s, &body);

	if (code)
		return code;
	code = consent_one(s, strcmp(s->type, ERASE) == 0);
	if (code) {
		json_decref(body);
		return code;
	}
	command_path(&path, s->id, "/queue");
	status = client_send_json("POST", buf_str(&path), body, answer);
	buf_free(&path);
	return verdict(status, answer);
}

static int
send_one(struct sending *s)
{
	json_t *answer = NULL;
	int code = s->file ? read_and_send_file(s, &answer) : send_typed(s, &answer);

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
	static const char *const types[] = { ERASE, "DeviceLock", "ClearPasscode", "RemoveProfile",
		"EnableLostMode", "SetRecoveryLock", "SetFirmwarePassword", "RestartDevice",
		"ShutDownDevice", "DeleteUser" };
	size_t i;

	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(types[i], type) == 0)
			return true;
	return false;
}

/* Ids between commas, as a JSON array. */
static json_t *
split_ids(const char *ids)
{
	json_t *list = json_array();

	while (*ids) {
		size_t len = strcspn(ids, ",");

		if (len)
			json_array_append_new(list, json_stringn(ids, len));
		ids += len + (ids[len] == ',');
	}
	return list;
}

/* Named ones are looked up, so that none is left out in silence. */
static int
choose(struct sending *s)
{
	json_t *ids = s->id ? split_ids(s->id) : NULL;
	size_t count = json_array_size(ids), i;
	char **names = xcalloc(count + 1, sizeof(*names));
	int code;

	for (i = 0; i < count; i++)
		names[i] = (char *)(uintptr_t)json_string_value(json_array_get(ids, i));
	if (s->id && !s->many.group_by)
		s->many.group_by = GROUP_NONE;
	code = many_choose(&s->many, "send", names, (int)count);
	s->many.filter.ids = ids;
	free(names);
	return code;
}

static int
consent_many(struct sending *s)
{
	char *what = xasprintf("%s for", s->type);
	int code = EXIT_FINE;

	many_print_groups(&s->many);
	if (is_dangerous(s->type))
		code = many_consent(&s->many, what);
	free(what);
	return code;
}

static int
send_many(struct sending *s)
{
	json_t *send = NULL, *job = NULL, *action;
	int code = request_body(s, &send);

	if (code)
		return code;
	if (s->id || s->many.group_by || is_dangerous(s->type))
		code = choose(s);
	if (code == EXIT_FINE)
		code = consent_many(s);
	if (code == EXIT_FINE) {
		action = json_object();
		json_object_set(action, "send", send);
		code = bulk_start(&s->many.filter, action, &job);
		print_warnings(job);
	}
	if (code == EXIT_FINE)
		code = bulk_finish(&job, s->type, "queued");
	json_decref(s->many.filter.ids);
	json_decref(send);
	json_decref(job);
	return code;
}

int
verb_send(int argc, char **argv)
{
	struct sending s = { 0 };
	int code;

	if (argc == 3 && strcmp(argv[1], "--help") == 0)
		return send_explain(argv[2]);
	code = parse(argc, argv, &s);
	if (code == EXIT_FINE)
		code = is_many(&s) ? send_many(&s) : send_one(&s);
	many_free(&s.many);
	return code;
}
