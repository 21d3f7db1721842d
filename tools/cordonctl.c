/* cordonctl.c - ask and tell the daemon: options and the table of verbs */
#include <curl/curl.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "config.h"

#include "base/clock.h"
#include "base/duration.h"
#include "ctl/client.h"
#include "ctl/table.h"
#include "ctl/verbs.h"
#include "ctl/wrap.h"

bool verbs_json;

#define MANY "--all [--state STATE] [--system macOS] [--locked] [--users] [--group-by COLUMN]"

static const struct verb verbs[] = {
	{ "status", "", "is everything well: push, devices, certificates, what needs a person",
		verb_status },
	{ "steps", "", "what brings a server up, the next step in bold", verb_steps },
	{ "devices",
		"[--state STATE] [--locked] [--users] [--awaited] [--inactive-for 14d] [--sort "
		"COLUMN] [--csv]",
		"list enrollments", verb_devices },
	{ "show", "ID", "everything that is known of one enrollment", verb_show },
	{ "access", "ID", "what the gate says of a device", verb_access },
	{ "lock", "ID... | " MANY " | --silent",
		"refuse access by hand, or to all that are silent for lock-after; the device "
		"itself "
		"is not locked",
		verb_lock },
	{ "unlock", "ID... | " MANY, "clear a lock", verb_lock },
	{ "pause", "[--end] ID... | " MANY, "let the silence of a device not count, or count again",
		verb_pause },
	{ "refresh", "ID... | --all | [--state STATE] [--system macOS] [--locked] [--users]",
		"ask devices for their information now", verb_refresh },
	{ "enroll-link",
		"[--uses N|any] [--serial S] [--device ID] [--lifetime 7d] [--note TEXT] [--qr] "
		"[--mail] | --challenge | --revoke ID",
		"make an address that enrolls a device, or a SCEP challenge; or withdraw one",
		verb_enroll_link },
	{ "links", "", "enrollment links, and what became of them", verb_links },
	{ "renew", "ID... | --resume",
		"renew identities of devices now, or go on with renewals after a halt",
		verb_renew },
	{ "send",
		"ID[,ID...] TYPE [KEY=VALUE|KEY=@FILE...] [--wait SECONDS] | ID --file "
		"COMMAND.plist "
		"| " MANY " TYPE [KEY=VALUE...]   [--strict] [--no-push] [--yes] | --help TYPE",
		"queue a command and push; --help TYPE explains its keys; asks before EraseDevice",
		verb_send },
	{ "push", "ID... | " MANY, "ask devices to connect", verb_push },
	{ "queue", "ID", "commands that wait", verb_queue },
	{ "cancel", "ID UUID...", "take commands out of the queue", verb_cancel },
	{ "results", "ID [UUID]", "what a device answered", verb_results },
	{ "secrets", "ID", "PINs and tokens of a device; the surveillance log has who read them",
		verb_secrets },
	{ "remove", "ID... | " MANY " [--yes]",
		"ask devices to drop their enrollment profile; asks first, with their number",
		verb_remove },
	{ "release", "[--undo] ID...",
		"tell an unknown or removed device to unenroll when it comes next", verb_release },
	{ "forget", "[--force] ID...", "delete the record and all that hangs from it",
		verb_forget },
	{ "accept-topic", "TOPIC [--yes]",
		"let a push certificate in whose topic was never ours; asks, with the number of "
		"devices that cannot follow",
		verb_accept_topic },
	{ "accept-server-name", "NAME [--yes]",
		"let the configuration change its server-name; asks, with the number of devices "
		"that keep the old one",
		verb_accept_server_name },
	{ "backup", "FILE", "write everything that the daemon keeps into one file, while it works",
		verb_backup },
	{ "export", "[--with-secrets]",
		"everything readable as JSON lines; secrets only when asked for", verb_export },
	{ "import", "[DIR] --profile FILE --identity-ca FILE [--resign]",
		"take enrollments of another server over, from files of its messages",
		verb_import },
	{ "adopt", "[--for 7d | --end]",
		"take unknown devices of our own CA in again, after a backup was restored",
		verb_adopt },
	{ "watch", "", "events as they happen; --json for a line of JSON each", verb_watch },
	{ "check", "[--config FILE] [--firewall]",
		"try the way to Apple and to our own name, certificates, directories, room; "
		"--firewall writes what is to be opened",
		verb_check },
	{ "reload", "", "look at configuration and certificates now", verb_reload },
};

/* On stdout broken between words at the terminal's width; what is for stderr is a fault's. */
static void
help_verb(const struct verb *v, FILE *to)
{
	if (to != stdout) {
		fprintf(to, "  %s %s\n        %s\n", v->name, v->arguments, v->text);
		return;
	}
	wrap_line(6, "  %s%s%s %s", terminal_bold(), v->name, terminal_plain(), v->arguments);
	wrap_line(8, "        %s", v->text);
}

static void
help(FILE *to)
{
	fprintf(to, "Usage: cordonctl [--socket PATH] [--json] VERB ...\n\n");
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		help_verb(&verbs[i], to);
	fprintf(to,
		"\nIDs are enrollment ids, serial numbers, or beginnings of ids that fit one "
		"alone.\nExit status: 0 fine, 1 something needs a person, 2 no daemon, 64 usage,\n"
		"65 refused, 66 no such file, 73 cannot be written, 78 faults in the "
		"configuration.\n");
}

void
print_json(const json_t *j)
{
	json_dumpf(j, stdout, JSON_INDENT(2) | JSON_ENCODE_ANY);
	putchar('\n');
}

const char *
member(const json_t *object, const char *name)
{
	const char *s = json_string_value(json_object_get(object, name));

	return s ? s : "";
}

int64_t
member_int(const json_t *object, const char *name)
{
	return json_integer_value(json_object_get(object, name));
}

bool
member_true(const json_t *object, const char *name)
{
	return json_is_true(json_object_get(object, name));
}

int
verdict(int status, json_t **answer)
{
	const char *error = member(*answer, "error");

	if (status < 0)
		return EXIT_NO_DAEMON;
	if (status < 300 && status != 207)
		return EXIT_FINE;
	fprintf(stderr, "cordonctl: %s\n", *error ? error : "the daemon refused this request");
	return status == 503 ? EXIT_ATTENTION : EXIT_REFUSED;
}

const char *
ago(const char *iso)
{
	static char text[48];
	char words[32];
	struct tm tm = { 0 };

	if (!strptime(iso, "%Y-%m-%dT%H:%M:%SZ", &tm))
		return "-";
	duration_words(clock_wall() - (int64_t)timegm(&tm), words, sizeof(words));
	if (strcmp(words, "just now") == 0)
		return "just now";
	snprintf(text, sizeof(text), "%s ago", words);
	return text;
}

static int
run_verb(int argc, char **argv)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++) {
		if (strcmp(argv[0], verbs[i].name) != 0)
			continue;
		if (argc > 1 && strcmp(argv[1], "--help") == 0 &&
			(argc == 2 || verbs[i].run != verb_send)) {
			wrap_line(8, "Usage: cordonctl %s %s", verbs[i].name, verbs[i].arguments);
			putchar('\n');
			wrap_line(0, "%s", verbs[i].text);
			return EXIT_FINE;
		}
		return verbs[i].run(argc, argv);
	}
	fprintf(stderr, "cordonctl: there is no verb \"%s\": cordonctl --help lists them\n",
		argv[0]);
	return EXIT_USAGE_FAULT;
}

/* --json may stand anywhere: it is taken out before a verb sees its arguments. */
static int
take_json(int argc, char **argv)
{
	int kept = 0;

	for (int i = 0; i < argc; i++) {
		if (strcmp(argv[i], "--json") == 0)
			verbs_json = true;
		else
			argv[kept++] = argv[i];
	}
	argv[kept] = NULL;
	return kept;
}

int
main(int argc, char **argv)
{
	static const struct option options[] = { { "socket", required_argument, NULL, 's' },
		{ "help", no_argument, NULL, 'h' }, { "version", no_argument, NULL, 'V' }, { 0 } };
	int c, status;

	argc = take_json(argc, argv);
	while ((c = getopt_long(argc, argv, "+s:hV", options, NULL)) != -1) {
		switch (c) {
		case 's':
			client_set_socket(optarg);
			break;
		case 'h':
			help(stdout);
			return EXIT_FINE;
		case 'V':
			puts("cordonctl " PACKAGE_VERSION);
			return EXIT_FINE;
		default:
			return EXIT_USAGE_FAULT;
		}
	}
	if (optind == argc) {
		help(stderr);
		return EXIT_USAGE_FAULT;
	}
	curl_global_init(CURL_GLOBAL_DEFAULT);
	status = run_verb(argc - optind, argv + optind);
	curl_global_cleanup();
	return status;
}
