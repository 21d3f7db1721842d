/* silence.c - cordonctl pause, refresh, lock --silent: what an administrator says about silence */
#include "ctl/silence.h"

#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "ctl/bulk.h"
#include "ctl/client.h"
#include "ctl/many.h"
#include "ctl/verbs.h"

static int
next_round(const char *filter, const char *action, json_t **answer)
{
	json_t *body = json_object(), *which = json_object();

	json_object_set_new(which, filter, json_true());
	json_object_set_new(body, "filter", which);
	json_object_set_new(body, "action", json_string(action));
	return verdict(client_send_json("POST", "/v1/bulk", body, answer), answer);
}

int
silence_lock_all(void)
{
	json_t *answer = NULL;
	int code = next_round("silent", "lock", &answer);

	if (code == EXIT_FINE && verbs_json)
		print_json(answer);
	else if (code == EXIT_FINE)
		printf("%" PRId64 " devices waited for lock-limit when they were counted last; all "
		       "that are silent for lock-after are being locked\n",
			member_int(answer, "devices"));
	json_decref(answer);
	return code;
}

static int
refresh_all(void)
{
	json_t *answer = NULL;
	int code = next_round("all", "refresh", &answer);

	if (code == EXIT_FINE && verbs_json)
		print_json(answer);
	else if (code == EXIT_FINE)
		printf("%" PRId64 " devices are being asked\n", member_int(answer, "devices"));
	json_decref(answer);
	return code;
}

/* POSTs {"end": true} or nothing to one enrollment's verb. */
static int
tell(const char *id, const char *verb, bool end, json_t **answer)
{
	struct buf path = BUF_INIT;
	json_t *body = json_object();
	int status;

	if (end)
		json_object_set_new(body, "end", json_true());
	buf_add_str(&path, "/v1/enrollments");
	client_add_segment(&path, id);
	client_add_segment(&path, verb);
	status = client_send_json("POST", buf_str(&path), body, answer);
	buf_free(&path);
	return verdict(status, answer);
}

static void
say_refreshed(const char *id, const json_t *answer)
{
	printf("%s: %s\n", id,
		member_true(answer, "queued") ? "asked" : "the questions wait already: pushed");
}

static int
refresh_some(const struct bulk_filter *filter)
{
	json_t *job = NULL;
	int code = bulk_start(filter, json_string("refresh"), &job);

	if (code == EXIT_FINE)
		code = bulk_finish(&job, "refresh", "asked");
	json_decref(job);
	return code;
}

static int
refresh_one(const char *id)
{
	json_t *answer = NULL;
	int code = tell(id, "refresh", false, &answer);

	if (code == EXIT_FINE && verbs_json)
		print_json(answer);
	else if (code == EXIT_FINE)
		say_refreshed(id, answer);
	json_decref(answer);
	return code;
}

static int
refresh_found(struct many *m)
{
	int code = many_find_groups(m, "refresh");

	if (code == EXIT_FINE)
		code = bulk_filter_narrows(&m->filter) ? refresh_some(&m->filter) : refresh_all();
	return code;
}

static int
refresh_named(char **ids, int count)
{
	int code, worst = EXIT_FINE;

	for (int i = 0; i < count; i++)
		if ((code = refresh_one(ids[i])) > worst)
			worst = code;
	return worst;
}

int
verb_refresh(int argc, char **argv)
{
	static const struct option options[] = { MANY_OPTIONS, { 0 } };
	struct many m = { 0 };
	int c, code;

	optind = 0;
	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1)
		if (!many_option(&m, c))
			return EXIT_USAGE_FAULT;
	if (optind == argc && (m.all || bulk_filter_narrows(&m.filter))) {
		code = refresh_found(&m);
	} else {
		code = many_choose(&m, "refresh", argv + optind, argc - optind);
		many_print_groups(&m);
		if (code == EXIT_FINE)
			code = refresh_named(argv + optind, argc - optind);
	}
	many_free(&m);
	return code;
}

struct pausing {
	const struct many *many;
	bool end;
};

static int
pause_one(void *arg, const char *id)
{
	const struct pausing *p = arg;
	json_t *answer = NULL;
	int code = tell(id, "pause", p->end, &answer);

	if (code == EXIT_FINE && verbs_json)
		print_json(answer);
	else if (code == EXIT_FINE && many_tells(p->many) && p->end)
		printf("%s: its silence counts again, from its next ask on\n", id);
	else if (code == EXIT_FINE && many_tells(p->many))
		printf("%s: its silence does not count until cordonctl pause --end %s\n", id, id);
	json_decref(answer);
	return code;
}

int
verb_pause(int argc, char **argv)
{
	struct many many = { 0 };
	struct pausing pausing = { &many, many_take_flag(&argc, argv, "--end") };
	int code = many_parse(&many, argc, argv);

	if (code == EXIT_FINE)
		code = many_each(&many, pause_one, &pausing);
	many_free(&many);
	return code;
}
