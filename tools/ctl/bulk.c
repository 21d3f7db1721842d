/* bulk.c - one action for all enrollments that a filter finds: asked for, watched, and told of */
#include "ctl/bulk.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "ctl/client.h"
#include "ctl/many.h"
#include "ctl/verbs.h"

#define POLL_US 200000

bool
bulk_filter_option(struct bulk_filter *f, int option)
{
	switch (option) {
	case 's':
		f->state = optarg;
		return true;
	case 'o':
		f->system = optarg;
		return true;
	case 'l':
		f->locked = true;
		return true;
	case 'u':
		f->users = true;
		return true;
	default:
		return false;
	}
}

bool
bulk_filter_narrows(const struct bulk_filter *f)
{
	return f->state || f->system || f->locked || f->users;
}

static json_t *
filter_json(const struct bulk_filter *f)
{
	json_t *filter = json_object();

	if (f->state)
		json_object_set_new(filter, "state", json_string(f->state));
	if (f->system)
		json_object_set_new(filter, "system", json_string(f->system));
	if (f->locked)
		json_object_set_new(filter, "locked", json_true());
	if (f->users)
		json_object_set_new(filter, "users", json_true());
	if (f->ids)
		json_object_set(filter, "ids", f->ids);
	return filter;
}

int
bulk_start(const struct bulk_filter *f, json_t *action, json_t **job)
{
	json_t *body = json_object();

	json_object_set_new(body, "filter", filter_json(f));
	json_object_set_new(body, "action", action);
	return verdict(client_send_json("POST", "/v1/bulk", body, job), job);
}

/* Until it is over: the job's last word in *job. */
static int
follow(json_t **job)
{
	struct buf path = BUF_INIT;
	int code = EXIT_FINE;

	buf_add_str(&path, "/v1/bulk");
	client_add_segment(&path, member(*job, "bulk"));
	while (code == EXIT_FINE && !member_true(*job, "done")) {
		many_bar((size_t)member_int(*job, "looked_at"), (size_t)member_int(*job, "total"));
		usleep(POLL_US);
		json_decref(*job);
		*job = NULL;
		code = verdict(client_get(buf_str(&path), job), job);
	}
	if (code == EXIT_FINE)
		many_bar((size_t)member_int(*job, "total"), (size_t)member_int(*job, "total"));
	buf_free(&path);
	return code;
}

static void
print_job(const json_t *job, const char *what, const char *done)
{
	const char *reason;
	json_t *count;

	printf("%s: %s for %" PRId64 " of %" PRId64 "\n", what, done, member_int(job, "queued"),
		member_int(job, "matched"));
	json_object_foreach(json_object_get(job, "failures"), reason, count)
	{
		printf("  %" PRId64 ": %s\n", (int64_t)json_integer_value(count), reason);
	}
}

int
bulk_finish(json_t **job, const char *what, const char *done)
{
	int code = follow(job);

	if (code == EXIT_FINE && verbs_json)
		print_json(*job);
	else if (code == EXIT_FINE)
		print_job(*job, what, done);
	if (code == EXIT_FINE && member_int(*job, "failed") > 0)
		code = EXIT_ATTENTION;
	return code;
}
