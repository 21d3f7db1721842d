/* access.c - which enrollments a question means, and what the gate's table says of them */
#include "admin/access.h"

#include <errno.h>
#include <string.h>

#include "admin/admin.h"
#include "admin/answer.h"
#include "policy/gate.h"

/* What the enrollments that were found come to: denied if one is locked, else the newest decides.
 */
struct finding {
	struct admin *admin;
	bool found, locked;
	enum state newest;
	int64_t newest_at;
};

static int
add_finding(void *arg, const char *id)
{
	struct finding *f = arg;
	const struct roster_line *line = roster_find(f->admin->mdm.roster, id);

	/* only Pending and never enrolled: as if it were not there */
	if (!line || line->state == STATE_PENDING)
		return 0;
	if (!f->found || line->enrolled_at >= f->newest_at) {
		f->newest = (enum state)line->state;
		f->newest_at = line->enrolled_at;
	}
	f->locked = f->locked || line->locked;
	f->found = true;
	return 0;
}

static int
look_up(struct finding *f, const char *kind, const char *value)
{
	struct store *store = f->admin->mdm.store;

	if (strcmp(kind, "serial") == 0)
		return enrollment_by_serial(store, value, add_finding, f);
	if (strcmp(kind, "eas") == 0)
		return enrollment_by_eas(store, value, add_finding, f);
	return add_finding(f, value);
}

static void
reply(struct admin *a, struct http_request *r, struct gate_answer gate)
{
	json_t *body;

	metrics_gate(&a->metrics, gate.allowed, gate.reason);

	if (gate.allowed) {
		http_reply_header(r, "Cache-Control", "no-store");
		http_reply(r, 204, NULL, bytes_of(NULL, 0));
		return;
	}
	body = json_object();
	json_object_set_new(body, "allowed", json_false());
	json_object_set_new(body, "reason", json_string(gate.reason));
	answer_json(r, 403, body);
}

void
access_handle(struct http_request *r, void *ctx)
{
	static const char *const kinds[] = { "id", "serial", "eas" };
	struct admin *a = ctx;
	struct finding f = { .admin = a, .newest = STATE_NONE };
	int asked = 0, err = 0;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct buf value = BUF_INIT;
		int got = http_query_get(r, kinds[i], false, &value);

		if (got == 0 && value.len) {
			asked++;
			err = look_up(&f, kinds[i], buf_str(&value));
		} else if (got == -EINVAL) {
			asked = 2;
		}
		buf_free(&value);
	}
	if (asked != 1)
		answer_error(r, 400, "one of id=, serial= or eas= is wanted");
	else if (err < 0 && err != -ENOENT)
		answer_error(r, 503, "the store cannot be read");
	else
		reply(a, r, gate_decide(f.newest, f.locked, a->mdm.conf->allow_unenrolled));
}
