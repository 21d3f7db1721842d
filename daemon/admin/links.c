/* links.c - enrollment links, and the small resources of the control API */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"

#include "admin/answer.h"
#include "admin/commands.h"
#include "admin/target.h"
#include "base/duration.h"
#include "mdm/enroll.h"

static const char *
text_of(const json_t *body, const char *name)
{
	return json_string_value(json_object_get(body, name));
}

/* NULL when all is well, else what is wrong. */
static const char *
read_link(const json_t *body, struct enroll_link *o)
{
	const json_t *uses = json_object_get(body, "uses");
	const char *lifetime = text_of(body, "lifetime");

	o->serial = text_of(body, "serial");
	o->device = text_of(body, "device");
	o->note = text_of(body, "note");
	if (json_is_string(uses) && strcmp(json_string_value(uses), "any") == 0)
		o->uses = LINK_ANY;
	else if (json_is_integer(uses) && json_integer_value(uses) > 0 &&
		 json_integer_value(uses) < LINK_ANY)
		o->uses = (uint32_t)json_integer_value(uses);
	else if (uses)
		return "uses is a number from 1, or \"any\"";
	if (lifetime && (duration_parse(lifetime, &o->lifetime) < 0 || o->lifetime <= 0))
		return "lifetime is a number with a unit: \"12h\", \"7d\"";
	return NULL;
}

void
links_handle(struct http_request *r, void *ctx)
{
	struct admin *a = ctx;
	struct enroll_link o = { 0 };
	struct buf actor = BUF_INIT, url = BUF_INIT;
	struct link *link = NULL;
	json_t *body = answer_body(r), *answer;
	const char *wrong;
	int err;

	if (!body)
		return;
	target_actor(r, &actor);
	o.actor = buf_str(&actor);
	wrong = read_link(body, &o);
	err = wrong ? -EINVAL : enroll_link_new(&a->mdm, &o, &url, &link);
	if (wrong || err == -EINVAL) {
		answer_error(r, 400, "%s",
			wrong ? wrong : "serial, device or note is too long or holds controls");
	} else if (err < 0) {
		answer_error(r, 503, "the store takes no changes now: %s", strerror(-err));
	} else {
		answer = json_object();
		json_object_set_new(answer, "url", json_text(buf_str(&url)));
		json_object_set_new(answer, "id", json_text(link->hash));
		json_object_set_new(answer, "expires", json_time(link->expires));
		json_object_set_new(answer, "uses",
			link->uses_max == LINK_ANY ? json_string("any")
						   : json_integer(link->uses_max));
		answer_json(r, 200, answer);
	}
	link_free(link);
	json_decref(body);
	buf_wipe(&url);
	buf_free(&actor);
}

void
version_handle(struct http_request *r, void *ctx)
{
	json_t *j;

	(void)ctx;
	/* Strangers learn the name and no number. */
	if (http_side(r) == HTTP_DEVICE) {
		http_reply_text(r, 200, "cordon");
		return;
	}
	j = json_object();
	json_object_set_new(j, "version", json_string(PACKAGE_VERSION));
	answer_json(r, 200, j);
}

void
reload_handle(struct http_request *r, void *ctx)
{
	struct admin *a = ctx;

	a->reload(a->reload_arg);
	answer_json(r, 202, json_object());
}
