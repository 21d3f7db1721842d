/* accept.c - cordonctl accept-topic, accept-server-name: asks, with the number of devices that pay
 * for it */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ctl/client.h"
#include "ctl/table.h"
#include "ctl/verbs.h"

/* One of the two guards. */
struct guard {
	const char *verb, *path, *member; /* of the request's body */
	const char *what, *is, *devices;  /* "Topic", what it is, what becomes of devices */
};

static const struct guard topic_guard = { "accept-topic", "/v1/accept-topic", "topic", "Topic",
	"was never this server's",
	"devices are enrolled under another topic. No device can change its topic: they go on "
	"with\nthe certificate of theirs as long as it is renewed and kept here; without it they "
	"can only be met\nwhen they poll, and must be enrolled again. New enrollments get the new "
	"topic." };
static const struct guard name_guard = { "accept-server-name", "/v1/accept-server-name", "name",
	"Server name", "is not the one that devices know",
	"devices are enrolled under another name, which their profiles keep: it must go on leading "
	"to\nthis server, with a TLS certificate for both names, or they are lost. New enrollments "
	"get the new name." };

/* How many devices the daemon says would be cut off; -1: it does not wait for this word. */
static int64_t
devices_cut_off(const json_t *status, const struct guard *g, const char *what)
{
	const json_t *waits = json_object_get(status, "waits_for_word"), *item;
	size_t i;

	if (g == &name_guard) {
		item = json_object_get(waits, "server_name");
		return strcmp(member(item, "name"), what) == 0 ? member_int(item, "devices") : -1;
	}
	json_array_foreach(json_object_get(waits, "topics"), i, item)
	{
		if (strcmp(member(item, "topic"), what) == 0)
			return member_int(item, "devices");
	}
	return -1;
}

static bool
agreed(void)
{
	char line[16] = "";

	fputs("Type yes to accept it: ", stdout);
	fflush(stdout);
	return fgets(line, sizeof(line), stdin) && strcmp(line, "yes\n") == 0;
}

/* EXIT_FINE when it may be done. */
static int
confirm(const struct guard *g, const char *what, bool yes)
{
	json_t *status = NULL;
	int code = verdict(client_get("/v1/status", &status), &status);
	int64_t devices = devices_cut_off(status, g, what);

	json_decref(status);
	if (code != EXIT_FINE || devices < 0 || yes)
		return code; /* the daemon says it if there is nothing to accept */
	printf("%s %s %s.\n%" PRId64 " %s\n", g->what, what, g->is, devices, g->devices);
	if (!isatty(STDIN_FILENO)) {
		fprintf(stderr, "cordonctl: nobody is here to ask: say it with --yes\n");
		return EXIT_REFUSED;
	}
	if (agreed())
		return EXIT_FINE;
	puts("Nothing was changed.");
	return EXIT_REFUSED;
}

static int
accept_word(const struct guard *g, int argc, char **argv)
{
	const char *what = NULL;
	json_t *body, *answer = NULL;
	bool yes = false;
	int code;

	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--yes") == 0)
			yes = true;
		else if (argv[i][0] != '-' && !what)
			what = argv[i];
		else
			return fprintf(stderr, "cordonctl %s: what is %s?\n", g->verb, argv[i]),
			       EXIT_USAGE_FAULT;
	}
	if (!what)
		return fprintf(stderr, "cordonctl %s: the %s is missing\n", g->verb, g->member),
		       EXIT_USAGE_FAULT;
	code = confirm(g, what, yes);
	if (code != EXIT_FINE)
		return code;
	body = json_object();
	json_object_set_new(body, g->member, json_string(what));
	code = verdict(client_send_json("POST", g->path, body, &answer), &answer);
	if (code == EXIT_FINE && verbs_json)
		print_json(answer);
	else if (code == EXIT_FINE)
		printf("%s is accepted.\n", what);
	json_decref(answer);
	return code;
}

int
verb_accept_topic(int argc, char **argv)
{
	return accept_word(&topic_guard, argc, argv);
}

int
verb_accept_server_name(int argc, char **argv)
{
	return accept_word(&name_guard, argc, argv);
}
