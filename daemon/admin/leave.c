/* leave.c - the ways in which a device goes, and what it leaves behind */
#include "admin/leave.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "admin/answer.h"
#include "admin/target.h"
#include "base/encode.h"
#include "base/log.h"
#include "base/mem.h"
#include "mdm/command_pin.h"
#include "mdm/enqueue.h"
#include "mdm/party.h"
#include "mdm/profile.h"
#include "mdm/release.h"
#include "store/delivery.h"

static bool
load(struct admin *a, struct http_request *r, const char *id, struct enrollment **e)
{
	int err = enrollment_load(a->mdm.store, id, e);

	if (err < 0)
		answer_error(r, err == -ENOENT ? 404 : 500, "%s: %s", id,
			err == -ENOENT ? "no such enrollment" : "the record cannot be read");
	return err == 0;
}

/* ---- remove ---- */

/* What was recorded at delivery; without that record, what the configuration would make. */
static char *
recorded_identifier(struct admin *a, const struct enrollment *e)
{
	struct delivery *d;
	char *identifier = NULL;

	if (delivery_load(a->mdm.store, e->number, &d) == 0) {
		identifier = d->facts.identifier ? xstrdup(d->facts.identifier) : NULL;
		delivery_free(d);
	}
	return identifier ? identifier : profile_identifier(a->mdm.conf->server_name);
}

static int
queue_removal(struct admin *a, const struct enrollment *e, const char *actor, char **uuid)
{
	const struct enqueue_options o = { .actor = actor, .by_person = true };
	char *identifier = recorded_identifier(a, e), *why = NULL,
	     *word = xasprintf("Identifier=%s", identifier);
	struct command c = { 0 };
	int fault = 0,
	    rc = command_from_words("RemoveProfile", (const char *const *)&word, 1, &c, &why);

	if (rc == 0)
		rc = mdm_enqueue(&a->mdm, (const char *const *)&e->id, 1, &c, &o, &fault);
	*uuid = c.uuid ? xstrdup(c.uuid) : NULL;
	command_free(&c);
	free(why);
	free(word);
	free(identifier);
	return rc < 0 ? rc : fault;
}

void
leave_remove(struct admin *a, struct http_request *r, const char *id, const char *rest)
{
	struct buf actor = BUF_INIT, text = BUF_INIT;
	struct enrollment *e;
	char *uuid = NULL;
	json_t *body;
	int fault;

	(void)rest;
	if (!load(a, r, id, &e))
		return;
	if (channel_is_user(e->channel)) {
		answer_error(r, 409, "%s: a user channel goes with its device", id);
		enrollment_free(e);
		return;
	}
	target_actor(r, &actor);
	fault = queue_removal(a, e, buf_str(&actor), &uuid);
	if (fault) {
		enqueue_fault_text(&a->mdm, id, fault, &text);
		answer_error(r, fault == -ESTALE ? 409 : 500, "%s: %s", id, buf_str(&text));
	} else {
		body = json_object();
		json_object_set_new(body, "command_uuid", json_text(uuid));
		json_object_set_new(body, "request_type", json_string("RemoveProfile"));
		answer_json(r, 200, body);
	}
	free(uuid);
	buf_free(&text);
	buf_free(&actor);
	enrollment_free(e);
}

/* ---- forget ---- */

static bool
forced(struct http_request *r)
{
	struct buf text = BUF_INIT;
	bool is = http_query_get(r, "force", false, &text) == 0 &&
		  bytes_eq_str(buf_bytes(&text), "true");

	buf_free(&text);
	return is;
}

/* Its identities must not bind themselves to a record that is made later. */
static int
forget(struct admin *a, const struct enrollment *e)
{
	int rc = 0;

	if (e->current.set)
		rc = party_revoke(&a->mdm, e->current.cert);
	if (rc == 0 && e->previous.set)
		rc = party_revoke(&a->mdm, e->previous.cert);
	return rc < 0 ? rc : enrollment_forget(a->mdm.store, e->id);
}

void
leave_forget(struct admin *a, struct http_request *r, const char *id, const char *rest)
{
	struct buf actor = BUF_INIT;
	struct enrollment *e;
	int rc;

	(void)rest;
	if (!load(a, r, id, &e))
		return;
	if ((e->state == STATE_ENROLLED || e->state == STATE_INACTIVE) && !forced(r)) {
		answer_error(r, 409,
			"%s is %s: remove it first (cordonctl remove), or forget it with --force; "
			"it "
			"keeps its profile then, and cannot be met any more",
			id, state_name(e->state));
		enrollment_free(e);
		return;
	}
	target_actor(r, &actor);
	rc = forget(a, e);
	if (rc < 0) {
		answer_error(r, 503, "%s: the store takes no changes now: %s", id, strerror(-rc));
	} else {
		log_event(EV_DEVICE_FORGOTTEN,
			FIELDS(F_ENROLLMENT(id), F_SERIAL(e->facts.serial),
				F_ACTOR(buf_str(&actor))),
			"Device %s is forgotten, by %s", id, buf_str(&actor));
		answer_json(r, 200, json_object());
	}
	buf_free(&actor);
	enrollment_free(e);
}

/* ---- secrets ---- */

static void
add_pin(void *arg, const struct command_pin *pin)
{
	json_t *j = json_object();

	json_object_set_new(j, "pin", json_text(pin->pin));
	json_object_set_new(j, "request_type", json_text(pin->type));
	json_object_set_new(j, "command_uuid", json_text(pin->uuid));
	json_object_set_new(j, "at", json_time(pin->at));
	json_array_append_new(arg, j);
}

static void
add_secret(struct admin *a, json_t *j, const char *id, unsigned generation, enum secret kind,
	const char *name)
{
	struct buf value = BUF_INIT, text = BUF_INIT;

	if (secret_get(a->mdm.store, id, generation, kind, &value) == 0) {
		encode_base64(&text, buf_bytes(&value), 0);
		json_object_set_new(j, name, json_text(buf_str(&text)));
	}
	buf_wipe(&value);
	buf_wipe(&text);
}

/* One enrollment of the device; NULL when there is nothing of it. */
static json_t *
generation_json(struct admin *a, const char *id, unsigned generation)
{
	json_t *j = json_object(), *pins = json_array();

	command_pin_each(&a->mdm, id, generation, add_pin, pins);
	if (json_array_size(pins))
		json_object_set(j, "pins", pins);
	json_decref(pins);
	add_secret(a, j, id, generation, SECRET_UNLOCK_TOKEN, "unlock_token");
	add_secret(a, j, id, generation, SECRET_BOOTSTRAP_TOKEN, "bootstrap_token");
	add_secret(a, j, id, generation, SECRET_RECOVERY_KEY, "recovery_key");
	if (json_object_size(j)) {
		json_object_set_new(j, "generation", json_integer(generation));
		return j;
	}
	json_decref(j);
	return NULL;
}

void
leave_secrets(struct admin *a, struct http_request *r, const char *id, const char *rest)
{
	struct buf actor = BUF_INIT;
	struct enrollment *e;
	json_t *body, *list, *one;
	unsigned i;

	(void)rest;
	if (!load(a, r, id, &e))
		return;
	list = json_array();
	for (i = 0; i < SECRET_GENERATIONS && i <= e->generation; i++) {
		one = generation_json(a, id, e->generation - i);
		if (!one)
			continue;
		json_object_set_new(one, "current", json_boolean(i == 0));
		json_array_append_new(list, one);
	}
	target_actor(r, &actor);
	log_event(EV_SECRETS_READ,
		FIELDS(F_ENROLLMENT(id), F_SERIAL(e->facts.serial), F_ACTOR(buf_str(&actor))),
		"Secrets of device %s were read by %s", id, buf_str(&actor));
	body = json_object();
	json_object_set_new(body, "secrets", list);
	answer_json(r, 200, body);
	buf_free(&actor);
	enrollment_free(e);
}

/* ---- release ---- */

void
leave_release_handle(struct http_request *r, void *ctx)
{
	struct admin *a = ctx;
	const char *id = http_path(r) + strlen("/v1/release/");
	bool undo = http_method(r) == HTTP_DELETE;
	struct buf actor = BUF_INIT;
	int rc;

	target_actor(r, &actor);
	rc = undo ? release_clear(&a->mdm, id) : release_set(&a->mdm, id, buf_str(&actor));
	if (rc == -EBUSY)
		answer_error(r, 409, "%s is enrolled here: cordonctl remove asks it to go", id);
	else if (rc == -EINVAL)
		answer_error(r, 400, "this is not the id of an enrollment");
	else if (rc == -ENOENT)
		answer_error(r, 404, "%s was not released", id);
	else if (rc < 0)
		answer_error(r, 503, "%s: the store takes no changes now: %s", id, strerror(-rc));
	else
		answer_json(r, 200, json_object());
	buf_free(&actor);
}
