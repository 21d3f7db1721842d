/* import.c - cordonctl import: enrollments of another server, from files; cordonctl adopt */
#include "ctl/import.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/file.h"
#include "base/mem.h"
#include "ctl/client.h"
#include "ctl/table.h"
#include "ctl/verbs.h"

#define PROFILE_MAX (256u << 10)
#define CA_MAX (64u << 10)
#define BAR 40u /* characters */

struct import {
	const char *directory, *profile, *identity_ca;
	bool resign;
	char origin[65];
	size_t imported, unchanged, refused, skipped, sent, total;
	json_t *report; /* an object for each file */
	bool progress, daemon_gone;
};

static int
usage(const char *verb, const char *what)
{
	fprintf(stderr, "cordonctl %s: %s\n", verb, what);
	return EXIT_USAGE_FAULT;
}

static int
parse(int argc, char **argv, struct import *i)
{
	static const struct option options[] = { { "profile", required_argument, NULL, 'p' },
		{ "identity-ca", required_argument, NULL, 'c' },
		{ "resign", no_argument, NULL, 'r' }, { 0 } };
	int c;

	optind = 0;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'p')
			i->profile = optarg;
		else if (c == 'c')
			i->identity_ca = optarg;
		else if (c == 'r')
			i->resign = true;
		else
			return EXIT_USAGE_FAULT;
	}
	if (optind < argc)
		i->directory = argv[optind++];
	if (optind < argc)
		return usage("import", "one directory at a time");
	if (!i->profile || !i->identity_ca)
		return usage("import",
			"say --profile FILE, the enrollment profile that the devices have, and "
			"--identity-ca FILE, the CA that issued their identities");
	return EXIT_FINE;
}

static int
read_input(const char *path, size_t max, struct buf *out)
{
	int err = file_read(path, max, out, NULL);

	if (err < 0)
		fprintf(stderr, "cordonctl: %s: %s\n", path, strerror(-err));
	return err < 0 ? EXIT_NO_INPUT : EXIT_FINE;
}

/* ---- where they come from ---- */

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

static int
name_origin(struct import *i, json_t **answer)
{
	struct buf profile = BUF_INIT, cas = BUF_INIT, text = BUF_INIT;
	json_t *body = json_object(), *pem;
	int code = read_input(i->profile, PROFILE_MAX, &profile);

	if (code == EXIT_FINE)
		code = read_input(i->identity_ca, CA_MAX, &cas);
	pem = json_stringn((const char *)cas.data, cas.len);
	if (code == EXIT_FINE && !pem) {
		fprintf(stderr, "cordonctl: %s: this is no PEM\n", i->identity_ca);
		code = EXIT_REFUSED;
	}
	encode_base64(&text, buf_bytes(&profile), 0);
	json_object_set_new(body, "profile", json_string(buf_str(&text)));
	json_object_set_new(body, "identity_ca", pem ? pem : json_null());
	json_object_set_new(body, "resign", json_boolean(i->resign));
	if (code == EXIT_FINE)
		code = verdict(client_send_json("POST", "/v1/migration", body, answer), answer);
	else
		json_decref(body);
	snprintf(i->origin, sizeof(i->origin), "%s", member(*answer, "origin"));
	buf_wipe(&profile);
	buf_wipe(&text);
	buf_free(&cas);
	return code;
}

/* ---- the files ---- */

static void
show_progress(const struct import *i)
{
	unsigned done = i->total ? (unsigned)(BAR * i->sent / i->total) : BAR;
	char bar[BAR + 1];

	if (!i->progress)
		return;
	memset(bar, ' ', BAR);
	memset(bar, '#', done);
	bar[BAR] = '\0';
	fprintf(stderr, "\r[%s] %zu of %zu%s", bar, i->sent, i->total,
		i->sent == i->total ? "\n" : "");
	fflush(stderr);
}

static void
note(struct import *i, const struct import_file *f, const char *result, const json_t *answer,
	const char *why)
{
	json_t *j = json_object();

	json_object_set_new(j, "file", json_string(f->path));
	json_object_set_new(j, "result", json_string(result));
	if (*member(answer, "id"))
		json_object_set_new(j, "id", json_string(member(answer, "id")));
	if (*member(answer, "kind"))
		json_object_set_new(j, "kind", json_string(member(answer, "kind")));
	if (why)
		json_object_set_new(j, "why", json_string(why));
	json_array_append_new(i->report, j);
}

static void
refuse(struct import *i, const struct import_file *f, const char *why)
{
	i->refused++;
	note(i, f, "refused", NULL, why);
}

static void
send(struct import *i, const struct import_file *f)
{
	struct buf content = BUF_INIT, path = BUF_INIT;
	json_t *answer = NULL;
	bool changed;
	int status, err = file_read(f->path, IMPORT_FILE_MAX, &content, NULL);

	if (err < 0) {
		refuse(i, f, strerror(-err));
		return;
	}
	buf_printf(&path, "/migration?report=1&origin=%s", i->origin);
	status = client_request("PUT", buf_str(&path), "application/x-apple-aspen-mdm-checkin",
		buf_bytes(&content), &answer);
	if (status < 0)
		i->daemon_gone = true;
	if (status == 200) {
		changed = member_true(answer, "changed");
		*(changed ? &i->imported : &i->unchanged) += 1;
		note(i, f, changed ? "imported" : "unchanged", answer, NULL);
	} else if (status >= 0) {
		refuse(i, f,
			*member(answer, "error") ? member(answer, "error") : "the daemon refused");
	}
	json_decref(answer);
	buf_wipe(&content);
	buf_free(&path);
}

static void
send_all(struct import *i, const struct import_files *files)
{
	i->total = files->count;
	for (size_t k = 0; k < files->count && !i->daemon_gone; k++) {
		const struct import_file *f = &files->items[k];

		if (f->kind == IMPORT_OTHER) {
			i->skipped++;
			note(i, f, "skipped", NULL, "it is no property list");
		} else if (f->kind == IMPORT_FAULTY) {
			refuse(i, f, f->why);
		} else {
			send(i, f);
		}
		i->sent++;
		if (i->sent % 16 == 0 || i->sent == i->total)
			show_progress(i);
	}
}

static json_t *
summary(const struct import *i, json_t *origin)
{
	json_t *j = json_object();

	json_object_set(j, "origin", origin);
	json_object_set_new(j, "imported", json_integer((json_int_t)i->imported));
	json_object_set_new(j, "unchanged", json_integer((json_int_t)i->unchanged));
	json_object_set_new(j, "refused", json_integer((json_int_t)i->refused));
	json_object_set_new(j, "skipped", json_integer((json_int_t)i->skipped));
	json_object_set(j, "files", i->report);
	return j;
}

static void
print_report(const struct import *i, const json_t *origin)
{
	const json_t *f;
	size_t k;

	printf("Profile %s, %s\n", member(origin, "identifier"), member(origin, "server_url"));
	json_array_foreach(i->report, k, f)
	{
		if (strcmp(member(f, "result"), "refused") == 0)
			printf("%s: refused: %s\n", member(f, "file"), member(f, "why"));
	}
	if (i->directory)
		printf("%zu messages imported, %zu were here already, %zu refused, %zu other files "
		       "left alone\n",
			i->imported, i->unchanged, i->refused, i->skipped);
	else
		puts("It counts for what comes by PUT /migration and for what is here already.");
}

static int
import_directory(struct import *i)
{
	struct import_files files;
	int err = import_find(i->directory, &files);

	if (err < 0)
		fprintf(stderr, "cordonctl: %s: %s\n", i->directory, strerror(-err));
	else
		send_all(i, &files);
	import_files_free(&files);
	return err < 0 ? EXIT_NO_INPUT : EXIT_FINE;
}

/* 0 when each message of the directory is here now. */
static int
outcome(const struct import *i)
{
	if (i->daemon_gone)
		return EXIT_NO_DAEMON;
	if (i->refused)
		return EXIT_REFUSED;
	if (i->directory && i->imported + i->unchanged == 0) {
		fprintf(stderr, "cordonctl: %s: there is no message in it\n", i->directory);
		return EXIT_NO_INPUT;
	}
	return EXIT_FINE;
}

int
verb_import(int argc, char **argv)
{
	struct import i = { .progress = false };
	json_t *origin = NULL, *all;
	int code = parse(argc, argv, &i);

	if (code != EXIT_FINE)
		return code;
	i.progress = !verbs_json && isatty(STDERR_FILENO);
	i.report = json_array();
	code = name_origin(&i, &origin);
	if (code == EXIT_FINE)
		print_warnings(origin);
	if (code == EXIT_FINE && i.directory)
		code = import_directory(&i);
	if (code == EXIT_FINE) {
		code = outcome(&i);
		if (verbs_json) {
			all = summary(&i, origin);
			print_json(all);
			json_decref(all);
		} else {
			print_report(&i, origin);
		}
	}
	json_decref(i.report);
	json_decref(origin);
	return code;
}

/* ---- adopt ---- */

static int
print_window(const json_t *w)
{
	if (verbs_json)
		print_json(w);
	else if (member_true(w, "open"))
		printf("Open until %s: unknown devices with an identity of this server are taken "
		       "in; %" PRId64 " so far.\n",
			member(w, "until"), member_int(w, "adopted"));
	else
		printf("Closed: unknown devices are refused; %" PRId64 " were taken in.\n",
			member_int(w, "adopted"));
	return EXIT_FINE;
}

static int
adopt(const char *span, bool end)
{
	json_t *answer = NULL;
	int status, code;

	if (end)
		status = client_request("DELETE", "/v1/adopt", NULL, bytes_of(NULL, 0), &answer);
	else if (span)
		status = client_send_json(
			"POST", "/v1/adopt", json_pack("{s:s}", "for", span), &answer);
	else
		status = client_get("/v1/adopt", &answer);
	code = verdict(status, &answer);
	if (code == EXIT_FINE)
		code = print_window(answer);
	json_decref(answer);
	return code;
}

int
verb_adopt(int argc, char **argv)
{
	static const struct option options[] = { { "for", required_argument, NULL, 'f' },
		{ "end", no_argument, NULL, 'e' }, { 0 } };
	const char *span = NULL;
	bool end = false;
	int c;

	optind = 0;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == 'f')
			span = optarg;
		else if (c == 'e')
			end = true;
		else
			return EXIT_USAGE_FAULT;
	}
	if (optind < argc || (span && end))
		return usage("adopt", "say --for 7d, --end, or nothing to see how it stands");
	return adopt(span, end);
}
