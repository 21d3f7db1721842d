/* renewals.c - renewals of device identities by a person's word */
#include "admin/renewals.h"

#include <errno.h>
#include <string.h>

#include "admin/answer.h"
#include "admin/target.h"
#include "mdm/renewal.h"

static int
status_of(int fault)
{
	switch (fault) {
	case -ENOENT:
		return 404;
	case -EALREADY:
	case -ESTALE:
	case -ENODATA:
	case -ENOKEY:
		return 409;
	default:
		return 503;
	}
}

void
renewals_one(struct admin *a, struct http_request *r, const char *id, const char *rest)
{
	struct buf actor = BUF_INIT;
	json_t *answer;
	int rc;

	(void)rest;
	target_actor(r, &actor);
	rc = renewal_ask(&a->mdm, id, buf_str(&actor));
	if (rc < 0) {
		answer_error(r, status_of(rc), "%s: %s", id, renewal_fault_words(rc));
	} else {
		answer = json_object();
		json_object_set_new(answer, "id", json_text(id));
		json_object_set_new(answer, "halted", json_time(renewal_halted(&a->mdm)));
		answer_json(r, 200, answer);
	}
	buf_free(&actor);
}

void
renewals_resume_handle(struct http_request *r, void *ctx)
{
	struct admin *a = ctx;
	struct buf actor = BUF_INIT;
	int rc;

	target_actor(r, &actor);
	rc = renewal_resume(&a->mdm, buf_str(&actor));
	if (rc < 0)
		answer_error(r, 503, "the store takes no changes now: %s", strerror(-rc));
	else
		answer_json(r, 200, json_object());
	buf_free(&actor);
}
