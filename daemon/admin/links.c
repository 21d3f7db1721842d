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

/* Used, over, withdrawn, or good. */
static const char *
link_state(const struct link *l, int64_t now)
{
	if (l->revoked)
		return "revoked";
	if (l->expires != 0 && now >= l->expires)
		return "expired";
	return link_refusal(l, now) ? "used" : "valid";
}

static json_t *
link_json(const struct link *l, int64_t now)
{
	json_t *j = json_object();

	json_object_set_new(j, "id", json_text(l->hash));
	json_object_set_new(j, "state", json_string(link_state(l, now)));
	json_object_set_new(j, "created", json_time(l->created));
	json_object_set_new(j, "expires", json_time(l->expires));
	json_object_set_new(j, "uses",
		l->uses_max == LINK_ANY ? json_string("any") : json_integer(l->uses_max));
	json_object_set_new(j, "used", json_integer(l->uses));
	json_object_set_new(j, "serial", json_text(l->serial));
	json_object_set_new(j, "device", json_text(l->device));
	json_object_set_new(j, "by", json_text(l->actor));
	json_object_set_new(j, "note", json_text(l->note));
	return j;
}

struct listing {
	json_t *list;
	int64_t now;
};

static int
add_link(void *arg, const struct link *l)
{
	const struct listing *listing = arg;

	json_array_append_new(listing->list, link_json(l, listing->now));
	return 0;
}

static void
list_links(struct admin *a, struct http_request *r)
{
	struct listing listing = { json_array(), mdm_now(&a->mdm) };
	json_t *answer;

	if (link_each(a->mdm.store, add_link, &listing) < 0) {
		json_decref(listing.list);
		answer_error(r, 500, "the store cannot be read");
		return;
	}
	answer = json_object();
	json_object_set_new(answer, "links", listing.list);
	answer_json(r, 200, answer);
}

/* With {"challenge": true} a SCEP challenge in place of an address, for clients that are no device.
 */
static int
make(struct admin *a, const json_t *body, const struct enroll_link *o, json_t *answer,
	struct link **link)
{
	struct buf secret = BUF_INIT, url = BUF_INIT;
	bool challenge = json_is_true(json_object_get(body, "challenge"));
	int err = challenge ? enroll_challenge_new(&a->mdm, o, &secret, link)
			    : enroll_link_new(&a->mdm, o, &url, link);

	if (err == 0 && challenge) {
		buf_printf(&url, "https://%s/scep", a->mdm.conf->server_name);
		json_object_set_new(answer, "challenge", json_text(buf_str(&secret)));
	}
	if (err == 0)
		json_object_set_new(answer, "url", json_text(buf_str(&url)));
	buf_wipe(&secret);
	buf_wipe(&url);
	return err;
}

static void
make_link(struct admin *a, struct http_request *r)
{
	struct enroll_link o = { 0 };
	struct buf actor = BUF_INIT;
	struct link *link = NULL;
	json_t *body = answer_body(r), *answer;
	const char *wrong;
	int err;

	if (!body)
		return;
	answer = json_object();
	target_actor(r, &actor);
	o.actor = buf_str(&actor);
	wrong = read_link(body, &o);
	err = wrong ? -EINVAL : make(a, body, &o, answer, &link);
	if (err == 0) {
		json_t *facts = link_json(link, mdm_now(&a->mdm));

		json_object_update(answer, facts);
		json_decref(facts);
		answer_json(r, 200, answer);
		answer = NULL;
	} else if (err == -EINVAL) {
		answer_error(r, 400, "%s",
			wrong ? wrong : "serial, device or note is too long or holds controls");
	} else if (err == -ENODATA) {
		answer_error(r, 409, "MDM is not configured yet: see cordonctl steps");
	} else {
		answer_error(r, 503, "the store takes no changes now: %s", strerror(-err));
	}
	link_free(link);
	json_decref(answer);
	json_decref(body);
	buf_free(&actor);
}

void
links_handle(struct http_request *r, void *ctx)
{
	if (http_method(r) == HTTP_POST)
		make_link(ctx, r);
	else
		list_links(ctx, r);
}

#define ID_MIN 8 /* characters of a beginning that names a link */

struct search {
	const char *beginning;
	struct buf hash;
	size_t found;
};

static int
match_link(void *arg, const struct link *l)
{
	struct search *s = arg;

	if (strncmp(l->hash, s->beginning, strlen(s->beginning)) != 0)
		return 0;
	s->found++;
	buf_reset(&s->hash);
	buf_add_str(&s->hash, l->hash);
	return 0;
}

static void
revoke(struct admin *a, struct http_request *r, const char *hash)
{
	struct buf actor = BUF_INIT;
	struct link *l = NULL;
	int err;

	target_actor(r, &actor);
	err = enroll_link_revoke(&a->mdm, hash, buf_str(&actor), &l);
	if (err == 0)
		answer_json(r, 200, link_json(l, mdm_now(&a->mdm)));
	else
		answer_error(r, 503, "the store takes no changes now: %s", strerror(-err));
	link_free(l);
	buf_free(&actor);
}

void
links_one(struct http_request *r, void *ctx)
{
	char *copy, *parts[1] = { NULL };
	size_t count = target_parts(http_path(r), "/v1/enroll-links/", &copy, parts, 1);
	struct admin *a = ctx;
	struct search s = { .beginning = parts[0] };

	if (count == 1 && strlen(parts[0]) >= ID_MIN)
		link_each(a->mdm.store, match_link, &s);
	if (s.found == 1)
		revoke(a, r, buf_str(&s.hash));
	else
		answer_error(r, s.found ? 409 : 404,
			s.found ? "several links begin so: write more of it"
				: "no link has this id: cordonctl links lists them");
	buf_free(&s.hash);
	free(copy);
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
