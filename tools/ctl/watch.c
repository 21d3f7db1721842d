/* watch.c - cordonctl watch, export: events as they happen; everything readable as JSON lines */
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/encode.h"
#include "ctl/client.h"
#include "ctl/table.h"
#include "ctl/verbs.h"
#include "ctl/wrap.h"

#define WAIT_S 25

static void
print_line(const json_t *j)
{
	json_dumpf(j, stdout, JSON_COMPACT);
	putchar('\n');
}

static void
print_event(const json_t *e)
{
	bool grave = member_int(e, "priority") <= 4;

	if (verbs_json) {
		print_line(e);
		return;
	}
	wrap_line(22, "%s  %s%s%s", member(e, "at"), grave ? terminal_bold() : "",
		member(e, "message"), grave ? terminal_plain() : "");
}

static void
print_events(const json_t *answer)
{
	const json_t *e;
	size_t i;

	if (member_int(answer, "missed"))
		fprintf(stderr, "cordonctl: %" PRId64 " events were missed; the journal has them\n",
			member_int(answer, "missed"));
	json_array_foreach(json_object_get(answer, "events"), i, e)
	{
		print_event(e);
	}
	fflush(stdout);
}

int
verb_watch(int argc, char **argv)
{
	json_t *answer = NULL;
	int code;

	if (argc != 1)
		return fprintf(stderr, "cordonctl watch: what is %s?\n", argv[1]), EXIT_USAGE_FAULT;
	code = verdict(client_get("/v1/events", &answer), &answer);
	while (code == EXIT_FINE && !ferror(stdout)) {
		struct buf path = BUF_INIT;

		buf_printf(&path, "/v1/events?after=%" PRId64 "&wait=%d",
			member_int(answer, "next"), WAIT_S);
		json_decref(answer);
		answer = NULL;
		code = verdict(client_get(buf_str(&path), &answer), &answer);
		buf_free(&path);
		if (code == EXIT_FINE)
			print_events(answer);
	}
	json_decref(answer);
	return code;
}

/* ---- export ---- */

/* {"kind": kind, "id": id, ...what `path` answers}; what is not there is left out. */
static int
export_one(const char *kind, const char *id, const char *rest)
{
	struct buf path = BUF_INIT;
	json_t *answer = NULL, *line = json_object();
	int status, code = EXIT_FINE;

	buf_add_str(&path, "/v1/enrollments");
	client_add_segment(&path, id);
	buf_add_str(&path, rest);
	status = client_get(buf_str(&path), &answer);
	json_object_set_new(line, "kind", json_string(kind));
	json_object_set_new(line, "id", json_string(id));
	if (status == 200 && answer) {
		json_object_update_missing(line, answer);
		print_line(line);
	} else if (status != 404) {
		code = verdict(status, &answer);
	}
	json_decref(line);
	json_decref(answer);
	buf_free(&path);
	return code;
}

static int
export_enrollment(const char *id, bool secrets)
{
	static const struct {
		const char *kind, *rest;
		bool secret;
	} parts[] = { { "enrollment", "", false }, { "queue", "/queue", false },
		{ "results", "/results", false }, { "secrets", "/secrets", true } };
	int code = EXIT_FINE;

	for (size_t i = 0; code == EXIT_FINE && i < sizeof(parts) / sizeof(parts[0]); i++)
		if (!parts[i].secret || secrets)
			code = export_one(parts[i].kind, id, parts[i].rest);
	return code;
}

/* One page; *cursor is replaced, empty at the end. */
static int
export_page(struct buf *cursor, bool secrets)
{
	struct buf path = BUF_INIT;
	json_t *page = NULL;
	const json_t *e;
	size_t i;
	int code;

	buf_add_str(&path, "/v1/enrollments?users=true&limit=500");
	if (cursor->len)
		buf_printf(&path, "&cursor=%s", buf_str(cursor));
	code = verdict(client_get(buf_str(&path), &page), &page);
	buf_reset(cursor);
	if (code == EXIT_FINE)
		buf_add_str(cursor, member(page, "cursor"));
	json_array_foreach(json_object_get(page, "enrollments"), i, e)
	{
		if (code == EXIT_FINE)
			code = export_enrollment(member(e, "id"), secrets);
	}
	json_decref(page);
	buf_free(&path);
	return code;
}

static int
export_links(void)
{
	json_t *answer = NULL;
	const json_t *l;
	size_t i;
	int code = verdict(client_get("/v1/enroll-links", &answer), &answer);

	json_array_foreach(json_object_get(answer, "links"), i, l)
	{
		json_t *line = json_object();

		json_object_set_new(line, "kind", json_string("link"));
		json_object_update_missing(line, (json_t *)(uintptr_t)l);
		print_line(line);
		json_decref(line);
	}
	json_decref(answer);
	return code;
}

int
verb_export(int argc, char **argv)
{
	bool secrets = argc == 2 && strcmp(argv[1], "--with-secrets") == 0;
	struct buf cursor = BUF_INIT;
	int code;

	if (argc > 1 && !secrets)
		return fprintf(stderr, "cordonctl export: what is %s?\n", argv[1]),
		       EXIT_USAGE_FAULT;
	if (secrets)
		fputs("cordonctl: this export holds PINs, unlock and bootstrap tokens in plain "
		      "text; "
		      "the surveillance log says that you read them\n",
			stderr);
	code = export_links();
	while (code == EXIT_FINE) {
		code = export_page(&cursor, secrets);
		if (cursor.len == 0)
			break;
	}
	buf_free(&cursor);
	return code == EXIT_FINE && (fflush(stdout) != 0 || ferror(stdout)) ? 73 : code;
}
