/* accept.c - a person's word for a topic or a server-name that devices do not know */
#include "admin/accept.h"

#include <string.h>

#include "admin/answer.h"
#include "admin/target.h"
#include "base/log.h"
#include "net/http.h"

/* The pair that status names for a topic; NULL when no certificate here has it. */
static const struct certpair *
pair_of(const struct admin *a, const char *topic)
{
	const struct certdir *d = a->mdm.certs;

	for (size_t i = 0; i < d->push_count; i++)
		if (strcmp(d->push[i].topic, topic) == 0)
			return &d->push[i]; /* best first */
	return NULL;
}

static json_t *
topics_json(const struct admin *a)
{
	const struct certdir *d = a->mdm.certs;
	json_t *list = json_array(), *j;

	for (size_t i = 0; i < d->push_count; i++) {
		const struct certpair *p = &d->push[i];

		if (p != pair_of(a, p->topic) || mdm_topic_allowed(&a->mdm, p->topic))
			continue;
		j = json_object();
		json_object_set_new(j, "topic", json_text(p->topic));
		json_object_set_new(j, "file", json_text(p->cert_file));
		json_object_set_new(j, "devices",
			json_integer((json_int_t)mdm_topic_others(&a->mdm, p->topic)));
		json_array_append_new(list, j);
	}
	return list;
}

json_t *
accept_json(const struct admin *a)
{
	json_t *j = json_object(), *name = json_null();

	if (a->refused_name) {
		name = json_object();
		json_object_set_new(name, "name", json_text(a->refused_name));
		json_object_set_new(
			name, "devices", json_integer((json_int_t)mdm_devices(&a->mdm)));
	}
	json_object_set_new(j, "topics", topics_json(a));
	json_object_set_new(j, "server_name", name);
	return j;
}

/* What was accepted comes into use once it is durable. */
static void
look_again(void *arg, int err)
{
	struct admin *a = arg;

	if (err == 0)
		a->reload(a->reload_arg);
}

static void
finish(struct admin *a, struct http_request *r, int err)
{
	if (err < 0) {
		answer_error(r, 503, "the store takes no changes now: %s", strerror(-err));
		return;
	}
	store_wait(a->mdm.store, look_again, a);
	answer_json(r, 200, json_object());
}

static void
accept_topic(struct admin *a, struct http_request *r, const char *topic)
{
	const struct certpair *p = pair_of(a, topic);
	size_t others = mdm_topic_others(&a->mdm, topic);
	struct buf actor = BUF_INIT;
	int err;

	if (!p) {
		answer_error(r, 404, "no push certificate with its key in %s has the topic %s",
			a->mdm.certs->directory, topic);
		return;
	}
	err = mdm_topic_choose(&a->mdm, topic);
	target_actor(r, &actor);
	if (err == 0)
		log_event(EV_TOPIC_ACCEPTED,
			FIELDS(F_TOPIC(topic), F_FILE(p->cert_file), F_ACTOR(buf_str(&actor))),
			"%s accepted topic %s: new enrollments get it; %zu devices stay enrolled "
			"under another",
			buf_str(&actor), topic, others);
	buf_free(&actor);
	finish(a, r, err);
}

void
accept_topic_handle(struct http_request *r, void *ctx)
{
	json_t *body = answer_body(r);
	const char *topic = json_string_value(json_object_get(body, "topic"));

	if (!body)
		return;
	if (!topic || strncmp(topic, "com.apple.mgmt.", 15) != 0)
		answer_error(r, 400, "topic is the one to accept: com.apple.mgmt....");
	else
		accept_topic(ctx, r, topic);
	json_decref(body);
}

static void
accept_name(struct admin *a, struct http_request *r, const char *name)
{
	struct buf actor = BUF_INIT;
	int err;

	if (strcmp(name, a->mdm.conf->server_name) != 0 &&
		(!a->refused_name || strcmp(name, a->refused_name) != 0)) {
		answer_error(r, 404,
			"the configuration does not ask for server-name %s: set it there first",
			name);
		return;
	}
	err = mdm_server_name_accept(&a->mdm, name);
	target_actor(r, &actor);
	if (err == 0)
		log_event(EV_SERVER_NAME_ACCEPTED, FIELDS(F_ACTOR(buf_str(&actor))),
			"%s accepted server-name %s: new enrollments get it; devices that are "
			"enrolled go on using the name in their profiles, which must lead here "
			"too",
			buf_str(&actor), name);
	buf_free(&actor);
	finish(a, r, err);
}

void
accept_name_handle(struct http_request *r, void *ctx)
{
	json_t *body = answer_body(r);
	const char *name = json_string_value(json_object_get(body, "name"));

	if (!body)
		return;
	if (!name || !*name)
		answer_error(r, 400, "name is the server-name to accept");
	else
		accept_name(ctx, r, name);
	json_decref(body);
}
