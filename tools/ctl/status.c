/* status.c - cordonctl status, steps, reload: the server as a whole */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ctl/client.h"
#include "ctl/table.h"
#include "ctl/verbs.h"

static const char *
state_color(const char *state)
{
	if (strcmp(state, "Connected") == 0)
		return terminal_green();
	return strcmp(state, "Connecting") == 0 ? terminal_yellow() : terminal_red();
}

/* "97 days left", "expired 3 days ago": the last second counts for as long as it runs. */
static void
print_left(const json_t *certificate)
{
	int64_t days = member_int(certificate, "days_left");

	if (member_true(certificate, "expired"))
		printf("%.10s (%sexpired %" PRId64 " days ago%s)", member(certificate, "not_after"),
			terminal_red(), -days, terminal_plain());
	else
		printf("%.10s (%" PRId64 " days left)", member(certificate, "not_after"), days);
}

static void
print_key_match(const json_t *certificate)
{
	if (member_true(certificate, "key_matches"))
		printf("%s", member(certificate, "key_file"));
	else
		printf("%snone that can be used%s", terminal_red(), terminal_plain());
}

static void
print_push_certificate(const json_t *c)
{
	printf("  certificate  %s, serial %s\n", member(c, "file"), member(c, "serial"));
	printf("  issuer       %s\n", member(c, "issuer"));
	printf("  key          ");
	print_key_match(c);
	printf("\n  renew by     ");
	print_left(c);
	putchar('\n');
}

static void
print_push(const json_t *push)
{
	const json_t *certificate = json_object_get(push, "certificate");
	const char *state = member(push, "state");

	printf("Apple MDM push notification status: %s%s%s", state_color(state), state,
		terminal_plain());
	if (*member(push, "words"))
		printf(" (%s)", member(push, "words"));
	if (*member(push, "since"))
		printf(", since %s", member(push, "since"));
	putchar('\n');
	if (!*member(push, "topic"))
		return;
	printf("  topic        %s%s\n", member(push, "topic"),
		json_is_false(json_object_get(push, "current")) ? " (earlier devices only)" : "");
	printf("  devices      %" PRId64 "\n", member_int(push, "devices"));
	if (json_is_object(certificate))
		print_push_certificate(certificate);
	else
		printf("  certificate  %snone%s: these devices can only be met when they poll, and "
		       "must be enrolled again\n",
			terminal_red(), terminal_plain());
}

static void
print_certificate(const char *title, const json_t *c)
{
	if (!json_is_object(c)) {
		printf("%-14s none\n", title);
		return;
	}
	printf("%-14s %s, %s, serial %s, until ", title, member(c, "name"), member(c, "file"),
		member(c, "serial"));
	print_left(c);
	printf("; key ");
	print_key_match(c);
	putchar('\n');
}

static void
print_configuration(const json_t *conf)
{
	const json_t *item;
	size_t i;

	printf("%-14s %s%s\n", "configuration", member(conf, "file"),
		member_true(conf, "last_good") ? " has faults: the last good one is in use" : "");
	json_array_foreach(json_object_get(conf, "warnings"), i, item)
	{
		printf("  warning: %s\n", json_string_value(item));
	}
}

static void
print_devices(const json_t *d)
{
	printf("%-14s %" PRId64 " enrolled, %" PRId64 " inactive, %" PRId64 " pending, %" PRId64
	       " removed; %" PRId64 " locked; %" PRId64 " user channels\n",
		"devices", member_int(d, "enrolled"), member_int(d, "inactive"),
		member_int(d, "pending"), member_int(d, "removed"), member_int(d, "locked"),
		member_int(d, "users"));
}

/* Only while there is something to say: an import under way, a window that stands open. */
static void
print_windows(const json_t *s)
{
	const json_t *m = json_object_get(s, "migration"), *adopt = json_object_get(s, "adopt");
	int64_t imported = member_int(m, "imported"), waiting = member_int(m, "waiting");

	if (waiting || member_true(m, "open"))
		printf("%-14s %" PRId64 " of %" PRId64 " imported devices have come; the window is "
		       "%s%s\n",
			"migration", imported - waiting, imported,
			member_true(m, "open") ? "open until " : "closed", member(m, "until"));
	if (member_true(adopt, "open"))
		printf("%-14s %sunknown devices of our own CA are taken in until %s%s; %" PRId64
		       " so far\n",
			"adopt", terminal_yellow(), member(adopt, "until"), terminal_plain(),
			member_int(adopt, "adopted"));
}

static void
print_inactivity(const json_t *inactivity)
{
	const json_t *clock;
	size_t i;

	printf("%-14s lock-after %s; %" PRId64 " of at most %" PRId64 " locked in 24 hours\n",
		"silence", member(inactivity, "lock_after"),
		member_int(inactivity, "locked_last_day"), member_int(inactivity, "lock_limit"));
	json_array_foreach(json_object_get(inactivity, "clocks"), i, clock)
	{
		if (!member_true(clock, "runs"))
			printf("  does not count since %s for topic %s: %s\n",
				member(clock, "since"), member(clock, "topic"),
				member(clock, "words"));
	}
}

/* Faults come first: status begins with what needs a person. */
static void
print_problems(const json_t *problems)
{
	const json_t *item;
	size_t i;

	json_array_foreach(problems, i, item)
	{
		printf("%s%s%s\n", terminal_red(), json_string_value(item), terminal_plain());
	}
	if (json_array_size(problems))
		putchar('\n');
}

static void
print_remarks(const json_t *remarks)
{
	const json_t *item;
	size_t i;

	json_array_foreach(remarks, i, item)
	{
		if (!member_true(item, "problem"))
			printf("  note: %s: %s\n", member(item, "file"), member(item, "text"));
	}
}

static void
print_status(const json_t *s)
{
	const json_t *certificates = json_object_get(s, "certificates"), *push;
	size_t i;

	print_problems(json_object_get(s, "problems"));
	json_array_foreach(json_object_get(s, "push"), i, push)
	{
		print_push(push);
	}
	print_devices(json_object_get(s, "devices"));
	print_windows(s);
	print_inactivity(json_object_get(s, "inactivity"));
	print_certificate("SSC", json_object_get(certificates, "ssc"));
	print_certificate("TLS", json_object_get(certificates, "tls"));
	printf("%-14s %s\n", "certificates", member(certificates, "directory"));
	print_remarks(json_object_get(certificates, "remarks"));
	print_configuration(json_object_get(s, "configuration"));
}

int
verb_status(int argc, char **argv)
{
	json_t *s = NULL;
	int status = client_get("/v1/status", &s), code = verdict(status, &s);

	(void)argc;
	(void)argv;
	if (code == EXIT_FINE) {
		if (verbs_json)
			print_json(s);
		else
			print_status(s);
		if (json_array_size(json_object_get(s, "problems")))
			code = EXIT_ATTENTION;
	}
	json_decref(s);
	return code;
}

int
verb_steps(int argc, char **argv)
{
	json_t *s = NULL;
	const json_t *step;
	char number[8];
	size_t i;
	int status = client_get("/v1/steps", &s), code = verdict(status, &s);

	(void)argc;
	(void)argv;
	if (code == EXIT_FINE && verbs_json)
		print_json(s);
	json_array_foreach(json_object_get(s, "steps"), i, step)
	{
		const char *state = member(step, "state");
		bool next = strcmp(state, "next") == 0;

		if (verbs_json || code != EXIT_FINE)
			break;
		if (member_int(step, "number"))
			snprintf(number, sizeof(number), "%2" PRId64 ".",
				member_int(step, "number"));
		else
			snprintf(number, sizeof(number), " ! ");
		printf("%s%s %-5s %s%s\n", next ? terminal_bold() : "", number, state,
			member(step, "title"), next ? terminal_plain() : "");
		if (*member(step, "text") && strcmp(state, "done") != 0)
			printf("          %s%s%s\n", next ? terminal_bold() : "",
				member(step, "text"), next ? terminal_plain() : "");
	}
	json_decref(s);
	return code;
}

int
verb_reload(int argc, char **argv)
{
	json_t *s = NULL;
	int code = verdict(client_request("POST", "/v1/reload", NULL, bytes_str(""), &s), &s);

	(void)argc;
	(void)argv;
	json_decref(s);
	return code;
}
