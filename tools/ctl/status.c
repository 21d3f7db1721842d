/* status.c - cordonctl status, steps, reload: the server as a whole */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "ctl/client.h"
#include "ctl/table.h"
#include "ctl/verbs.h"
#include "ctl/wrap.h"

#define INDENT 15 /* of what is said of a title */

static const char *
state_color(const char *state)
{
	if (strcmp(state, "Connected") == 0)
		return terminal_green();
	return strcmp(state, "Connecting") == 0 ? terminal_yellow() : terminal_red();
}

/* "97 days left", "expired 3 days ago": the last second counts for as long as it runs. */
static void
add_left(struct buf *line, const json_t *certificate)
{
	int64_t days = member_int(certificate, "days_left");

	if (member_true(certificate, "expired"))
		buf_printf(line, "%.10s (%sexpired %" PRId64 " days ago%s)",
			member(certificate, "not_after"), terminal_red(), -days, terminal_plain());
	else
		buf_printf(line, "%.10s (%" PRId64 " days left)", member(certificate, "not_after"),
			days);
}

static void
add_key_match(struct buf *line, const json_t *certificate)
{
	if (member_true(certificate, "key_matches"))
		buf_add_str(line, member(certificate, "key_file"));
	else
		buf_printf(line, "%snone that can be used%s", terminal_red(), terminal_plain());
}

/* Prints the line; the buffer is free for the next one. */
static void
put(struct buf *line)
{
	wrap_line(INDENT, "%s", buf_str(line));
	buf_reset(line);
}

static void
print_push_certificate(const json_t *c)
{
	struct buf line = BUF_INIT;

	buf_printf(&line, "  certificate  %s, serial %s", member(c, "file"), member(c, "serial"));
	put(&line);
	buf_printf(&line, "  issuer       %s", member(c, "issuer"));
	put(&line);
	buf_add_str(&line, "  key          ");
	add_key_match(&line, c);
	put(&line);
	buf_add_str(&line, "  renew by     ");
	add_left(&line, c);
	put(&line);
	buf_free(&line);
}

static void
print_push(const json_t *push)
{
	const json_t *certificate = json_object_get(push, "certificate");
	const char *state = member(push, "state"), *words = member(push, "words"),
		   *since = member(push, "since");

	wrap_line(INDENT, "Apple MDM push notification status: %s%s%s%s%s%s%s%s",
		state_color(state), state, terminal_plain(), *words ? " (" : "", words,
		*words ? ")" : "", *since ? ", since " : "", since);
	if (!*member(push, "topic"))
		return;
	wrap_line(INDENT, "  topic        %s%s", member(push, "topic"),
		json_is_false(json_object_get(push, "current")) ? " (earlier devices only)" : "");
	wrap_line(INDENT, "  devices      %" PRId64, member_int(push, "devices"));
	if (json_is_object(certificate))
		print_push_certificate(certificate);
	else
		wrap_line(INDENT,
			"  certificate  %snone%s: these devices can only be met when they poll, "
			"and must be enrolled again",
			terminal_red(), terminal_plain());
}

static void
print_certificate(const char *title, const json_t *c)
{
	struct buf line = BUF_INIT;

	if (!json_is_object(c)) {
		wrap_line(INDENT, "%-14s none", title);
		return;
	}
	buf_printf(&line, "%-14s %s, %s, serial %s, until ", title, member(c, "name"),
		member(c, "file"), member(c, "serial"));
	add_left(&line, c);
	buf_add_str(&line, "; key ");
	add_key_match(&line, c);
	put(&line);
	buf_free(&line);
}

static void
print_configuration(const json_t *conf)
{
	const json_t *item;
	size_t i;

	wrap_line(INDENT, "%-14s %s%s", "configuration", member(conf, "file"),
		member_true(conf, "last_good") ? " has faults: the last good one is in use" : "");
	json_array_foreach(json_object_get(conf, "warnings"), i, item)
	{
		wrap_line(4, "  warning: %s", json_string_value(item));
	}
}

static void
print_devices(const json_t *d)
{
	wrap_line(INDENT,
		"%-14s %" PRId64 " enrolled, %" PRId64 " inactive, %" PRId64 " pending, %" PRId64
		" removed; %" PRId64 " locked; %" PRId64 " user channels",
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
		wrap_line(INDENT,
			"%-14s %" PRId64 " of %" PRId64
			" imported devices have come; the window is "
			"%s%s",
			"migration", imported - waiting, imported,
			member_true(m, "open") ? "open until " : "closed", member(m, "until"));
	if (member_true(adopt, "open"))
		wrap_line(INDENT,
			"%-14s %sunknown devices of our own CA are taken in until %s%s; %" PRId64
			" so far",
			"adopt", terminal_yellow(), member(adopt, "until"), terminal_plain(),
			member_int(adopt, "adopted"));
}

static void
print_inactivity(const json_t *inactivity)
{
	const json_t *clock;
	size_t i;

	wrap_line(INDENT,
		"%-14s lock-after %s; %" PRId64 " of at most %" PRId64 " locked in 24 hours",
		"silence", member(inactivity, "lock_after"),
		member_int(inactivity, "locked_last_day"), member_int(inactivity, "lock_limit"));
	json_array_foreach(json_object_get(inactivity, "clocks"), i, clock)
	{
		if (!member_true(clock, "runs"))
			wrap_line(4, "  does not count since %s for topic %s: %s",
				member(clock, "since"), member(clock, "topic"),
				member(clock, "words"));
	}
}

static void
print_webhook(const json_t *w)
{
	if (!json_is_object(w))
		return;
	wrap_line(INDENT,
		"%-14s %s; %" PRId64 " events wait, %" PRId64 " delivered and %" PRId64
		" dropped since the start",
		"webhook", member(w, "url"), member_int(w, "waiting"), member_int(w, "delivered"),
		member_int(w, "dropped"));
}

/* Faults come first: status begins with what needs a person. */
static void
print_problems(const json_t *problems)
{
	const json_t *item;
	size_t i;

	json_array_foreach(problems, i, item)
	{
		wrap_line(2, "%s%s%s", terminal_red(), json_string_value(item), terminal_plain());
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
			wrap_line(4, "  note: %s: %s", member(item, "file"), member(item, "text"));
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
	wrap_line(INDENT, "%-14s %s", "certificates", member(certificates, "directory"));
	print_remarks(json_object_get(certificates, "remarks"));
	print_configuration(json_object_get(s, "configuration"));
	print_webhook(json_object_get(s, "webhook"));
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
		wrap_line(10, "%s%s %-5s %s%s", next ? terminal_bold() : "", number, state,
			member(step, "title"), next ? terminal_plain() : "");
		if (*member(step, "text") && strcmp(state, "done") != 0)
			wrap_line(10, "          %s%s%s", next ? terminal_bold() : "",
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
	if (code == EXIT_FINE && verbs_json)
		print_json(s);
	json_decref(s);
	return code;
}
