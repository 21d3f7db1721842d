/* nanomdm.c - what NanoMDM's clients ask for beside pushes and commands, in its shapes */
#include "admin/nanomdm.h"

#include <stdlib.h>
#include <string.h>

#include "admin/admin.h"
#include "admin/answer.h"
#include "admin/target.h"
#include "base/encode.h"
#include "base/mem.h"
#include "net/relay.h"

#define ESCROW_URL "https://deviceservices-external.apple.com/deviceservicesworkers/escrowKeyUnlock"

/* The pair in use for a topic, also one that expired: its end is what is asked for. */
static const struct certpair *
pair_of(const struct admin *a, const char *topic)
{
	const struct certdir *d = a->mdm.certs;
	const struct certpair *valid = certdir_push_for(d, topic, mdm_now(&a->mdm));

	for (size_t i = 0; !valid && i < d->push_count; i++)
		if (strcmp(d->push[i].topic, topic) == 0)
			valid = &d->push[i];
	return valid;
}

static void
tell_pushcert(struct admin *a, struct http_request *r)
{
	struct buf topic = BUF_INIT;
	const struct certpair *p;
	json_t *body;

	if (http_query_get(r, "topic", false, &topic) != 0 || topic.len == 0) {
		answer_error(r, 400, "topic is missing: /v1/pushcert?topic=com.apple.mgmt....");
	} else if (!(p = pair_of(a, buf_str(&topic)))) {
		answer_error(r, 500, "no push certificate with its key in %s has the topic %s",
			a->mdm.certs->directory, buf_str(&topic));
	} else {
		body = json_object();
		json_object_set_new(body, "topic", json_text(p->topic));
		json_object_set_new(body, "not_after", json_time(p->not_after));
		answer_json(r, 200, body);
	}
	buf_free(&topic);
}

void
nanomdm_pushcert_handle(struct http_request *r, void *ctx)
{
	struct admin *a = ctx;

	if (http_method(r) != HTTP_PUT) {
		tell_pushcert(a, r);
		return;
	}
	http_reply_header(r, "Allow", "GET, HEAD");
	answer_error(r, 405,
		"certificates come by the directory: put the file from Apple's portal into %s; "
		"cordon-csr makes the key and the request, and the daemon takes the certificate "
		"into use as soon as it is there",
		a->mdm.certs->directory);
}

/* ---- escrow key unlock ---- */

enum place { IN_NOTHING, IN_QUERY, IN_FORM };

static const struct parameter {
	const char *name;
	enum place place;
	bool required;
} parameters[] = {
	{ "topic", IN_NOTHING, true },
	{ "serial", IN_QUERY, true },
	{ "productType", IN_QUERY, true },
	{ "imei", IN_QUERY, false },
	{ "imei2", IN_QUERY, false },
	{ "meid", IN_QUERY, false },
	{ "escrowKey", IN_FORM, true },
	{ "orgName", IN_FORM, true },
	{ "guid", IN_FORM, true },
};
#define PARAMETERS (sizeof(parameters) / sizeof(parameters[0]))

struct unlock {
	struct http_request *request;
	struct buf values[PARAMETERS];
	char *actor;
};

static void
unlock_free(struct unlock *u)
{
	for (size_t i = 0; i < PARAMETERS; i++)
		buf_wipe(&u->values[i]);
	free(u->actor);
	free(u);
}

/* One "name=value" of the form. */
static bool
take_field(struct unlock *u, struct bytes field)
{
	const unsigned char *equals = memchr(field.data, '=', field.len);
	size_t len = equals ? (size_t)(equals - field.data) : field.len;
	struct buf name = BUF_INIT;
	bool fine = decode_percent(&name, bytes_of(field.data, len), true) == 0;

	for (size_t i = 0; fine && equals && i < PARAMETERS; i++) {
		if (!bytes_eq_str(buf_bytes(&name), parameters[i].name))
			continue;
		fine = u->values[i].len == 0 &&
		       decode_percent(
			       &u->values[i], bytes_of(equals + 1, field.len - len - 1), true) == 0;
	}
	buf_free(&name);
	return fine;
}

static bool
read_form(struct unlock *u, struct bytes form)
{
	while (form.len) {
		const unsigned char *end = memchr(form.data, '&', form.len);
		size_t len = end ? (size_t)(end - form.data) : form.len, step = len + (end != NULL);

		if (!take_field(u, bytes_of(form.data, len)))
			return false;
		form = bytes_of(form.data + step, form.len - step);
	}
	return true;
}

static const char *
missing(const struct unlock *u)
{
	for (size_t i = 0; i < PARAMETERS; i++)
		if (parameters[i].required && u->values[i].len == 0)
			return parameters[i].name;
	return NULL;
}

static void
write_place(const struct unlock *u, enum place place, struct buf *out)
{
	bool first = true;

	for (size_t i = 0; i < PARAMETERS; i++) {
		if (parameters[i].place != place || u->values[i].len == 0)
			continue;
		buf_printf(out, "%s%s=", first ? "" : "&", parameters[i].name);
		encode_percent(out, buf_bytes(&u->values[i]));
		first = false;
	}
}

static void
relayed(void *arg, const struct relay_answer *a)
{
	struct unlock *u = arg;
	const char *serial = buf_str(&u->values[1]);

	log_event(EV_ESCROW_UNLOCK, FIELDS(F_SERIAL(serial), F_ACTOR(u->actor)),
		"%s asked Apple to unlock %s by its escrow key: %s", u->actor, serial,
		a->status == 0	   ? a->why
		: a->status == 200 ? "done"
				   : "refused");
	if (a->status)
		http_reply(u->request, (int)a->status, a->type, a->body);
	else
		answer_error(u->request, 502, "Apple's server did not answer: %s", a->why);
	unlock_free(u);
}

static void
start_unlock(struct admin *a, struct unlock *u, const struct certpair *p)
{
	struct buf url = BUF_INIT, form = BUF_INIT;
	struct relay_post post = {
		.chain = p->chain, .key = p->key, .trust = a->mdm.conf->push.trust
	};

	buf_add_str(&url, ESCROW_URL "?");
	write_place(u, IN_QUERY, &url);
	write_place(u, IN_FORM, &form);
	post.url = buf_str(&url);
	post.form = buf_bytes(&form);
	if (relay_start(a->mdm.worker, &post, relayed, u) < 0) {
		answer_error(u->request, 503, "too many requests wait for Apple's servers");
		unlock_free(u);
	}
	buf_free(&url);
	buf_wipe(&form);
}

void
nanomdm_escrow_handle(struct http_request *r, void *ctx)
{
	struct admin *a = ctx;
	struct unlock *u = xcalloc(1, sizeof(*u));
	struct buf actor = BUF_INIT;
	const struct certpair *p = NULL;
	const char *lacks = NULL;
	bool fine = read_form(u, http_body(r));

	u->request = r;
	target_actor(r, &actor);
	u->actor = buf_steal_str(&actor);
	if (fine)
		lacks = missing(u);
	if (fine && !lacks)
		p = certdir_push_for(a->mdm.certs, buf_str(&u->values[0]), mdm_now(&a->mdm));
	if (p) {
		start_unlock(a, u, p);
		return;
	}
	if (!fine || lacks)
		answer_error(r, 400, "%s%s", lacks ? lacks : "this is not a form",
			lacks ? " is missing" : "");
	else
		answer_error(r, 500, "there is no valid push certificate for the topic %s",
			buf_str(&u->values[0]));
	unlock_free(u);
}
