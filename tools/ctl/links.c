/* links.c - cordonctl enroll-link, links, renew: how devices come in, and stay */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/client.h"
#include "ctl/qr.h"
#include "ctl/table.h"
#include "ctl/verbs.h"

struct wanted {
	json_t *body;
	const char *revoke;
	bool challenge, qr, mail;
};

/* 0, or -1 after saying what is wrong. */
static int
set_uses(json_t *body, const char *text)
{
	char *end = NULL;
	long uses = strtol(text, &end, 10);

	if (strcmp(text, "any") == 0)
		return json_object_set_new(body, "uses", json_string("any"));
	if (!*end && uses >= 1 && uses <= 1000000)
		return json_object_set_new(body, "uses", json_integer(uses));
	fprintf(stderr, "cordonctl enroll-link: --uses takes a number from 1 or \"any\"\n");
	return -1;
}

static int
read_options(int argc, char **argv, struct wanted *w)
{
	static const struct option options[] = { { "uses", required_argument, NULL, 'u' },
		{ "serial", required_argument, NULL, 's' },
		{ "device", required_argument, NULL, 'd' },
		{ "lifetime", required_argument, NULL, 'l' },
		{ "note", required_argument, NULL, 'n' },
		{ "revoke", required_argument, NULL, 'r' }, { "challenge", no_argument, NULL, 'c' },
		{ "qr", no_argument, NULL, 'q' }, { "mail", no_argument, NULL, 'm' }, { 0 } };
	static const struct {
		int option;
		const char *member;
	} texts[] = { { 's', "serial" }, { 'd', "device" }, { 'l', "lifetime" }, { 'n', "note" } };
	int c;

	optind = 0;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (c == '?' || (c == 'u' && set_uses(w->body, optarg) < 0))
			return -1;
		for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
			if (c == texts[i].option)
				json_object_set_new(w->body, texts[i].member, json_string(optarg));
		if (c == 'r')
			w->revoke = optarg;
		w->challenge = w->challenge || c == 'c';
		w->qr = w->qr || c == 'q';
		w->mail = w->mail || c == 'm';
	}
	if (w->challenge)
		json_object_set_new(w->body, "challenge", json_true());
	return 0;
}

static int
revoke(const char *id)
{
	struct buf path = BUF_INIT;
	json_t *answer = NULL;
	int code;

	buf_add_str(&path, "/v1/enroll-links");
	client_add_segment(&path, id);
	code = verdict(
		client_request("DELETE", buf_str(&path), NULL, bytes_str(""), &answer), &answer);
	if (code == EXIT_FINE && verbs_json)
		print_json(answer);
	else if (code == EXIT_FINE)
		printf("%.8s: revoked\n", member(answer, "id"));
	json_decref(answer);
	buf_free(&path);
	return code;
}

/* What an administrator sends to the person with the device. */
static void
print_mail(const json_t *a)
{
	printf("Subject: Management of your device\n\n"
	       "Please put your device under management:\n\n"
	       "1. Open this address on the device itself, in Safari:\n\n   %s\n\n"
	       "2. Allow the download of the profile.\n"
	       "3. iPhone and iPad: open Settings, tap \"Profile Downloaded\", then Install.\n"
	       "   Mac: open System Settings, General, Device Management (or Profiles), and "
	       "install "
	       "it there.\n\n"
	       "The address is for you alone%s%s and is valid until %s.\n",
		member(a, "url"),
		*member(a, "serial") ? " and the device with the serial number " : "",
		member(a, "serial"), member(a, "expires"));
}

static void
print_link(const struct wanted *w, const json_t *a)
{
	if (w->challenge) {
		printf("%s\n", member(a, "challenge"));
		if (terminal_is())
			printf("A SCEP challenge for one certificate from %s, within 24 hours.\n",
				member(a, "url"));
		return;
	}
	if (w->mail) {
		print_mail(a);
		return;
	}
	puts(member(a, "url"));
	if (w->qr || terminal_is())
		qr_print(member(a, "url"), w->qr);
	if (terminal_is())
		printf("Open this address on the device, in Safari. It is valid until %s.\n",
			member(a, "expires"));
}

int
verb_enroll_link(int argc, char **argv)
{
	struct wanted w = { .body = json_object() };
	json_t *answer = NULL;
	int code;

	if (read_options(argc, argv, &w) < 0) {
		json_decref(w.body);
		return EXIT_USAGE_FAULT;
	}
	if (w.revoke) {
		json_decref(w.body);
		return revoke(w.revoke);
	}
	code = verdict(client_send_json("POST", "/v1/enroll-links", w.body, &answer), &answer);
	if (code == EXIT_FINE && verbs_json)
		print_json(answer);
	else if (code == EXIT_FINE)
		print_link(&w, answer);
	json_decref(answer);
	return code;
}

static void
add_row(struct text_table *t, const json_t *l)
{
	static const char *const titles[] = { "serial ", "device " };
	const json_t *max = json_object_get(l, "uses");
	const char *serial = member(l, "serial"), *device = member(l, "device");
	char id[9], uses[48], bound[300];
	const char *cells[] = { id, member(l, "state"), uses, member(l, "expires"), bound,
		member(l, "by"), member(l, "note") };

	snprintf(id, sizeof(id), "%.8s", member(l, "id"));
	if (json_is_string(max))
		snprintf(uses, sizeof(uses), "%lld of any", (long long)member_int(l, "used"));
	else
		snprintf(uses, sizeof(uses), "%lld of %lld", (long long)member_int(l, "used"),
			(long long)json_integer_value(max));
	snprintf(bound, sizeof(bound), "%s%s%s%s", *serial ? titles[0] : "", serial,
		*device ? titles[1] : "", device);
	text_table_add(t, cells);
}

int
verb_links(int argc, char **argv)
{
	static const char *const titles[] = { "ID", "STATE", "USES", "EXPIRES", "FOR", "BY", "NOTE",
		NULL };
	struct text_table *t;
	json_t *answer = NULL;
	const json_t *l, *list;
	int code;
	size_t i;

	(void)argv;
	if (argc > 1) {
		fprintf(stderr, "cordonctl links takes no argument\n");
		return EXIT_USAGE_FAULT;
	}
	code = verdict(client_get("/v1/enroll-links", &answer), &answer);
	list = json_object_get(answer, "links");
	if (code == EXIT_FINE && verbs_json) {
		print_json(list);
	} else if (code == EXIT_FINE && json_array_size(list) == 0) {
		puts("No enrollment links.");
	} else if (code == EXIT_FINE) {
		t = text_table_new(titles);
		json_array_foreach(list, i, l)
		{
			add_row(t, l);
		}
		text_table_print(t);
		text_table_free(t);
	}
	json_decref(answer);
	return code;
}

static int
renew_one(const char *id)
{
	struct buf path = BUF_INIT;
	json_t *answer = NULL;
	int code;

	buf_add_str(&path, "/v1/enrollments");
	client_add_segment(&path, id);
	client_add_segment(&path, "renew");
	code = verdict(
		client_request("POST", buf_str(&path), NULL, bytes_str(""), &answer), &answer);
	if (code == EXIT_FINE && verbs_json)
		print_json(answer);
	else if (code == EXIT_FINE)
		printf("%s: the renewal of its identity is queued\n", member(answer, "id"));
	json_decref(answer);
	buf_free(&path);
	return code;
}

int
verb_renew(int argc, char **argv)
{
	json_t *answer = NULL;
	int worst = EXIT_FINE;

	if (argc < 2) {
		fprintf(stderr, "cordonctl renew: ID or --resume is missing\n");
		return EXIT_USAGE_FAULT;
	}
	if (strcmp(argv[1], "--resume") == 0) {
		worst = verdict(
			client_request("POST", "/v1/renewals/resume", NULL, bytes_str(""), &answer),
			&answer);
		if (worst == EXIT_FINE && verbs_json)
			print_json(answer);
		else if (worst == EXIT_FINE)
			puts("Renewals go on.");
		json_decref(answer);
		return worst;
	}
	for (int i = 1; i < argc; i++) {
		int code = renew_one(argv[i]);

		if (code > worst)
			worst = code;
	}
	return worst;
}
