/* import.c - cordonctl import: enrollments of another server, from files; cordonctl adopt */
#include "ctl/import.h"

#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <pthread.h>
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
#define CREW 7u /* requests at a time beside the first */

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

/* Several at a time: each waits for the daemon's disk, which takes many by one write. */
struct crew {
	struct import *import;
	const struct import_files *files;
	json_t **lines; /* of the report, by file; each written by whoever has the file */
	size_t next, end;
	pthread_mutex_t lock; /* of `next`, and of the counts in `import` */
};

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

static json_t *
line_of(const struct import_file *f, const char *result, const json_t *answer, const char *why)
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
	return j;
}

/* NULL: the daemon is gone. */
static json_t *
send(const struct import *i, const struct import_file *f)
{
	struct buf content = BUF_INIT, path = BUF_INIT;
	json_t *answer = NULL, *line = NULL;
	int status, err = file_read(f->path, IMPORT_FILE_MAX, &content, NULL);

	if (err < 0)
		return line_of(f, "refused", NULL, strerror(-err));
	buf_printf(&path, "/migration?report=1&origin=%s", i->origin);
	status = client_request("PUT", buf_str(&path), "application/x-apple-aspen-mdm-checkin",
		buf_bytes(&content), &answer);
	if (status == 200)
		line = line_of(
			f, member_true(answer, "changed") ? "imported" : "unchanged", answer, NULL);
	else if (status >= 0)
		line = line_of(f, "refused", NULL,
			*member(answer, "error") ? member(answer, "error") : "the daemon refused");
	json_decref(answer);
	buf_wipe(&content);
	buf_free(&path);
	return line;
}

static json_t *
handle(const struct import *i, const struct import_file *f)
{
	if (f->kind == IMPORT_OTHER)
		return line_of(f, "skipped", NULL, "it is no property list");
	if (f->kind == IMPORT_FAULTY)
		return line_of(f, "refused", NULL, f->why);
	return send(i, f);
}

static void
count(struct import *i, const json_t *line)
{
	const char *result = member(line, "result");

	i->daemon_gone = i->daemon_gone || !line;
	i->imported += strcmp(result, "imported") == 0;
	i->unchanged += strcmp(result, "unchanged") == 0;
	i->refused += strcmp(result, "refused") == 0;
	i->skipped += strcmp(result, "skipped") == 0;
	i->sent++;
	if (i->sent % 16 == 0 || i->sent == i->total)
		show_progress(i);
}

static void *
work(void *arg)
{
	struct crew *c = arg;
	size_t k;

	pthread_mutex_lock(&c->lock);
	while (c->next < c->end && !c->import->daemon_gone) {
		k = c->next++;
		pthread_mutex_unlock(&c->lock);
		c->lines[k] = handle(c->import, &c->files->items[k]);
		pthread_mutex_lock(&c->lock);
		count(c->import, c->lines[k]);
	}
	pthread_mutex_unlock(&c->lock);
	return NULL;
}

/* Up to c->end, which the next kind waits for. */
static void
send_group(struct crew *c)
{
	pthread_t threads[CREW];
	size_t started = 0, wanted = c->end - c->next - 1;

	while (started < CREW && started < wanted &&
		pthread_create(&threads[started], NULL, work, c) == 0)
		started++;
	work(c);
	while (started)
		pthread_join(threads[--started], NULL);
}

static void
send_all(struct import *i, const struct import_files *files)
{
	struct crew c = { .import = i, .files = files, .lock = PTHREAD_MUTEX_INITIALIZER };

	i->total = files->count;
	c.lines = xcalloc(files->count + 1, sizeof(json_t *));
	while (c.end < files->count && !i->daemon_gone) {
		enum import_kind kind = files->items[c.end].kind;

		while (c.end < files->count && files->items[c.end].kind == kind)
			c.end++;
		send_group(&c);
	}
	for (size_t k = 0; k < files->count; k++)
		if (c.lines[k])
			json_array_append_new(i->report, c.lines[k]);
	free(c.lines);
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
