/* leave.c - cordonctl remove, release, forget, secrets: devices that go, and what they leave */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/client.h"
#include "ctl/commands.h"
#include "ctl/many.h"
#include "ctl/table.h"
#include "ctl/verbs.h"

static int
request(const char *method, struct buf *path, json_t **answer)
{
	struct bytes body = strcmp(method, "POST") == 0 ? bytes_str("") : bytes_of(NULL, 0);

	return verdict(client_request(method, buf_str(path), NULL, body, answer), answer);
}

static int
remove_one(void *arg, const char *id)
{
	const struct many *many = arg;
	struct buf path = BUF_INIT;
	json_t *answer = NULL;
	int code;

	command_path(&path, id, "/remove");
	code = request("POST", &path, &answer);
	if (code == EXIT_FINE && verbs_json)
		print_json(answer);
	else if (code == EXIT_FINE && many_tells(many))
		printf("%s: asked to drop its profile; it is Removed when it has left "
		       "(cordonctl show %s)\n",
			id, id);
	json_decref(answer);
	buf_free(&path);
	return code;
}

int
verb_remove(int argc, char **argv)
{
	struct many many = { 0 };
	int code = many_parse(&many, argc, argv);

	if (code == EXIT_FINE)
		code = many_consent(&many, "remove ends the management of");
	if (code == EXIT_FINE)
		code = many_each(&many, remove_one, &many);
	many_free(&many);
	return code;
}

int
verb_release(int argc, char **argv)
{
	bool undo = many_take_flag(&argc, argv, "--undo");
	int worst = argc < 2 ? command_missing("release", "ID") : EXIT_FINE;

	for (int i = 1; i < argc; i++) {
		struct buf path = BUF_INIT;
		json_t *answer = NULL;
		int code;

		buf_add_str(&path, "/v1/release");
		client_add_segment(&path, argv[i]);
		code = request(undo ? "DELETE" : "POST", &path, &answer);
		worst = code > worst ? code : worst;
		if (code == EXIT_FINE && verbs_json)
			print_json(answer);
		else if (code == EXIT_FINE)
			printf("%s: %s\n", argv[i],
				undo ? "not told to unenroll any more"
				     : "is told to unenroll when it comes next and is refused");
		json_decref(answer);
		buf_free(&path);
	}
	return worst;
}

int
verb_forget(int argc, char **argv)
{
	bool force = many_take_flag(&argc, argv, "--force");
	int worst = argc < 2 ? command_missing("forget", "ID") : EXIT_FINE;

	for (int i = 1; i < argc; i++) {
		struct buf path = BUF_INIT;
		json_t *answer = NULL;
		int code;

		command_path(&path, argv[i], force ? "?force=true" : "");
		code = request("DELETE", &path, &answer);
		worst = code > worst ? code : worst;
		if (code == EXIT_FINE && verbs_json)
			print_json(answer);
		else if (code == EXIT_FINE)
			printf("%s: forgotten\n", argv[i]);
		json_decref(answer);
		buf_free(&path);
	}
	return worst;
}

static void
print_pins(const json_t *pins)
{
	const json_t *pin;
	size_t i;

	json_array_foreach(pins, i, pin)
	{
		printf("  PIN %s%s%s for %s, %s (command %s)\n", terminal_bold(),
			member(pin, "pin"), terminal_plain(), member(pin, "request_type"),
			ago(member(pin, "at")), member(pin, "command_uuid"));
	}
}

static void
print_secrets(const json_t *list)
{
	static const struct {
		const char *name, *words;
	} others[] = { { "unlock_token", "unlock token" }, { "bootstrap_token", "bootstrap token" },
		{ "recovery_key", "recovery key" } };
	const json_t *g;
	size_t i, k;

	if (json_array_size(list) == 0)
		puts("No secrets are kept.");
	json_array_foreach(list, i, g)
	{
		printf("%s\n",
			member_true(g, "current") ? "This enrollment:" : "An earlier enrollment:");
		print_pins(json_object_get(g, "pins"));
		for (k = 0; k < sizeof(others) / sizeof(others[0]); k++)
			if (*member(g, others[k].name))
				printf("  %s %s\n", others[k].words, member(g, others[k].name));
	}
}

int
verb_secrets(int argc, char **argv)
{
	struct buf path = BUF_INIT;
	json_t *answer = NULL;
	int code;

	if (argc < 2)
		return command_missing("secrets", "ID");
	command_path(&path, argv[1], "/secrets");
	code = request("GET", &path, &answer);
	buf_free(&path);
	if (code == EXIT_FINE && verbs_json)
		print_json(json_object_get(answer, "secrets"));
	else if (code == EXIT_FINE)
		print_secrets(json_object_get(answer, "secrets"));
	json_decref(answer);
	return code;
}
