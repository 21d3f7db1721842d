/* migration.c - devices that come from elsewhere: imports from another server, and adoption after a
 * restore */
#include "admin/migration.h"

#include <openssl/x509v3.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "admin/answer.h"
#include "admin/target.h"
#include "base/duration.h"
#include "base/encode.h"
#include "base/log.h"
#include "base/mem.h"
#include "mdm/adopt.h"
#include "mdm/foreign.h"
#include "mdm/migrate.h"
#include "mdm/profile_keep.h"
#include "net/http.h"
#include "pki/cert.h"
#include "store/origin.h"

/* ---- PUT /migration ---- */

static int
status_of(int rc)
{
	return rc == -EINVAL ? 400 : rc == -EEXIST ? 409 : 503;
}

static void
report_taken(struct http_request *r, const struct message *msg, bool changed)
{
	json_t *j = json_object();

	json_object_set_new(j, "id", json_text(msg->id));
	json_object_set_new(j, "kind", json_string(message_kind_name(msg->kind)));
	json_object_set_new(j, "changed", json_boolean(changed));
	answer_json(r, 200, j);
}

/* "" when there is none; false when it names no origin that is here. */
static bool
read_origin(struct admin *a, struct http_request *r, char id[ORIGIN_ID_SIZE])
{
	struct buf text = BUF_INIT;
	struct origin *o = NULL;
	int rc = http_query_get(r, "origin", false, &text);
	bool known = rc == -ENOENT;

	id[0] = '\0';
	if (rc == 0 && text.len == ORIGIN_ID_SIZE - 1 &&
		origin_load(a->mdm.store, buf_str(&text), &o) == 0) {
		memcpy(id, o->id, ORIGIN_ID_SIZE);
		known = true;
	}
	origin_free(o);
	buf_free(&text);
	return known;
}

static void
take(struct admin *a, struct http_request *r, const struct message *msg)
{
	struct buf why = BUF_INIT, actor = BUF_INIT, report = BUF_INIT;
	char origin[ORIGIN_ID_SIZE];
	bool changed = false;
	int rc;

	if (!read_origin(a, r, origin)) {
		answer_error(r, 404, "there is no such origin: GET /v1/migration lists them");
		return;
	}
	target_actor(r, &actor);
	rc = migrate_take(&a->mdm, msg, origin, buf_str(&actor), &changed, &why);
	if (rc < 0)
		answer_error(r, status_of(rc), "%s", buf_str(&why));
	else if (http_query_get(r, "report", false, &report) == 0)
		report_taken(r, msg, changed);
	else
		http_reply(r, 200, NULL, bytes_of(NULL, 0));
	buf_free(&report);
	buf_free(&actor);
	buf_free(&why);
}

void
migration_take_handle(struct http_request *r, void *ctx)
{
	struct message *msg;
	const char *why;

	if (message_parse_checkin(http_body(r), &msg, &why) < 0) {
		answer_error(r, 400, "%s", why);
		return;
	}
	take(ctx, r, msg);
	message_free(msg);
}

/* ---- where they come from ---- */

json_t *
migration_json(struct admin *a)
{
	struct roster_counts n;
	json_t *j = json_object();

	roster_counts(a->mdm.roster, &n);
	json_object_set_new(j, "open", json_boolean(migrate_open(&a->mdm)));
	json_object_set_new(
		j, "until", json_time(migrate_open(&a->mdm) ? a->mdm.migration_until : 0));
	json_object_set_new(j, "imported", json_integer((json_int_t)n.imported));
	json_object_set_new(j, "waiting", json_integer((json_int_t)n.awaited));
	return j;
}

static json_t *
cas_json(const struct origin *o)
{
	STACK_OF(X509) *cas = cert_parse(buf_bytes(&o->cas), NULL);
	json_t *list = json_array(), *j;
	struct buf name = BUF_INIT;
	int i;

	for (i = 0; cas && i < sk_X509_num(cas); i++) {
		buf_reset(&name);
		cert_subject(sk_X509_value(cas, i), &name);
		j = json_object();
		json_object_set_new(j, "subject", json_text(buf_str(&name)));
		json_object_set_new(
			j, "not_after", json_time(cert_not_after(sk_X509_value(cas, i))));
		json_array_append_new(list, j);
	}
	sk_X509_pop_free(cas, X509_free);
	buf_free(&name);
	return list;
}

static json_t *
origin_json(const struct origin *o)
{
	json_t *j = json_object();

	json_object_set_new(j, "origin", json_text(o->id));
	json_object_set_new(j, "created", json_time(o->created));
	json_object_set_new(j, "by", json_text(o->actor));
	json_object_set_new(j, "identifier", json_text(o->facts.identifier));
	json_object_set_new(j, "server_url", json_text(o->facts.server_url));
	json_object_set_new(j, "checkin_url", json_text(o->facts.checkin_url));
	json_object_set_new(j, "topic", json_text(o->facts.topic));
	json_object_set_new(j, "access_rights", json_integer(o->facts.access_rights));
	json_object_set_new(j, "identity_cas", cas_json(o));
	return j;
}

static int
add_origin(void *arg, const struct origin *o)
{
	json_array_append_new(arg, origin_json(o));
	return 0;
}

static void
list_origins(struct admin *a, struct http_request *r)
{
	json_t *j = migration_json(a), *list = json_array();

	if (origin_each(a->mdm.store, add_origin, list) < 0) {
		json_decref(list);
		json_decref(j);
		answer_error(r, 500, "the store cannot be read");
		return;
	}
	json_object_set_new(j, "origins", list);
	answer_json(r, 200, j);
}

/* ---- a new origin ---- */

struct naming {
	struct admin *a;
	struct buf file, cas, why;
	struct profile_kept kept;
	bool resign;
	const char *actor;
};

/* Certificates of CAs, and nothing else. */
static bool
cas_fit(struct naming *n)
{
	STACK_OF(X509) *cas = NULL;
	const char *why = "is missing";
	bool fit = true;
	int i;

	if (n->cas.len > 0)
		cas = cert_parse(buf_bytes(&n->cas), &why);
	for (i = 0; cas && fit && i < sk_X509_num(cas); i++)
		if (X509_check_ca(sk_X509_value(cas, i)) == 0)
			fit = false, why = "holds a certificate that is no CA's";
	if (cas && fit && auth_is_ours(n->a->mdm.certs, sk_X509_value(cas, 0), NULL))
		fit = false, why = "is this server's own";
	if (!cas || !fit)
		buf_printf(&n->why, "identity_ca %s", why);
	sk_X509_pop_free(cas, X509_free);
	return cas && fit;
}

static bool
read_naming(const json_t *body, struct naming *n)
{
	const json_t *profile = json_object_get(body, "profile"),
		     *cas = json_object_get(body, "identity_ca");
	const char *why = NULL;

	n->resign = json_is_true(json_object_get(body, "resign"));
	if (!json_is_string(profile) ||
		decode_base64_loose(&n->file,
			bytes_of(json_string_value(profile), json_string_length(profile))) < 0)
		buf_add_str(&n->why, "profile is the .mobileconfig of the devices, in base64");
	else if (n->file.len > ORIGIN_PROFILE_MAX || json_string_length(cas) > ORIGIN_CA_MAX)
		buf_add_str(&n->why, "profile or identity_ca is too large");
	else if (profile_keep_read(buf_bytes(&n->file), &n->kept, &why) < 0)
		buf_printf(&n->why, "the profile cannot be used. %s", why);
	else if (!mdm_topic_ours(&n->a->mdm, n->kept.facts.topic))
		buf_printf(&n->why,
			"the profile's topic is %s, which is none of this server's: the push "
			"certificate of the earlier server must be here",
			n->kept.facts.topic);
	if (n->why.len)
		return false;
	if (json_is_string(cas))
		buf_add(&n->cas, json_string_value(cas), json_string_length(cas));
	return cas_fit(n);
}

/* The same profile and CAs are the same origin, whenever they are given. */
static void
name_of(const struct naming *n, char id[ORIGIN_ID_SIZE])
{
	struct buf both = BUF_INIT;

	buf_add_bytes(&both, buf_bytes(&n->file));
	buf_add_u8(&both, 0);
	buf_add_bytes(&both, buf_bytes(&n->cas));
	digest_sha256_hex(buf_bytes(&both), id);
	buf_wipe(&both);
}

static struct origin *
make_origin(const struct naming *n)
{
	const struct mdm *m = &n->a->mdm;
	struct origin *o = origin_new();

	name_of(n, o->id);
	o->created = mdm_now(m);
	o->actor = xstrdup(n->actor);
	profile_facts_copy(&o->facts, &n->kept.facts);
	if (n->resign)
		memcpy(o->facts.signer, m->certs->ssc.sha256, SHA256_LEN);
	free(o->facts.origin);
	o->facts.origin = xstrdup(o->id);
	buf_add_bytes(&o->cas, buf_bytes(&n->cas));
	buf_add_bytes(&o->profile, buf_bytes(&n->kept.profile));
	return o;
}

static bool
signer_is_here(const struct naming *n)
{
	const struct certdir *d = n->a->mdm.certs;
	bool here = n->resign || !n->kept.signer ||
		    memcmp(d->ssc.sha256, n->kept.facts.signer, SHA256_LEN) == 0;

	for (size_t i = 0; i < d->ssc_old_count; i++)
		here = here || memcmp(d->ssc_old[i].sha256, n->kept.facts.signer, SHA256_LEN) == 0;
	return here;
}

static void
add_warnings(const struct naming *n, json_t *list)
{
	const struct conf *c = n->a->mdm.conf;

	for (size_t i = 0; i < n->kept.warning_count; i++)
		json_array_append_new(list, json_string(n->kept.warnings[i]));
	if (strcasecmp(n->kept.facts.server_name, c->server_name) != 0)
		json_array_append_new(list,
			json_sprintf("devices call %s, and server-name is %s: that name must lead "
				     "here, and the TLS certificate must have it",
				n->kept.facts.server_name, c->server_name));
	if (!signer_is_here(n))
		json_array_append_new(list,
			json_sprintf("the profile is signed by %s, whose key is not here: renewals "
				     "cannot be made until you decide that the SSC signs them "
				     "(--resign)",
				n->kept.signer));
	if (!migrate_open(&n->a->mdm))
		json_array_append_new(
			list, json_string("the window `migration` is closed: devices that come are "
					  "refused until it is set"));
}

static void
answer_origin(const struct naming *n, struct http_request *r, const struct origin *o)
{
	json_t *j = origin_json(o), *warnings = json_array();

	add_warnings(n, warnings);
	json_object_set_new(j, "warnings", warnings);
	answer_json(r, 200, j);
}

static void
name_origin(struct naming *n, struct http_request *r)
{
	struct mdm *m = &n->a->mdm;
	struct origin *o = make_origin(n);
	int rc = origin_save(m->store, o);

	foreign_forget(m);
	if (rc == 0)
		log_event(EV_ORIGIN_NAMED, FIELDS(F_ACTOR(n->actor), F_TOPIC(o->facts.topic)),
			"Identities of %s's former CA speak for imported enrollments, by %s",
			o->facts.server_name, n->actor);
	if (rc == 0)
		answer_origin(n, r, o);
	else if (rc == -ENOSPC)
		answer_error(r, 409, "there are %u origins already", ORIGIN_MAX);
	else if (rc == -ENOKEY)
		answer_error(r, 503, "there is no store.key to seal the profile with");
	else
		answer_error(r, 503, "the store takes no changes now: %s", strerror(-rc));
	origin_free(o);
}

static void
post_origin(struct admin *a, struct http_request *r)
{
	struct naming n = { .a = a };
	struct buf actor = BUF_INIT;
	json_t *body = answer_body(r);

	if (!body)
		return;
	target_actor(r, &actor);
	n.actor = buf_str(&actor);
	if (read_naming(body, &n))
		name_origin(&n, r);
	else
		answer_error(r, 400, "%s", buf_str(&n.why));
	json_decref(body);
	profile_kept_free(&n.kept);
	buf_wipe(&n.file);
	buf_free(&n.cas);
	buf_free(&n.why);
	buf_free(&actor);
}

void
migration_handle(struct http_request *r, void *ctx)
{
	if (http_method(r) == HTTP_POST)
		post_origin(ctx, r);
	else
		list_origins(ctx, r);
}

/* ---- adoption ---- */

json_t *
adopt_json(struct admin *a)
{
	int64_t until = adopt_until(&a->mdm);
	json_t *j = json_object();

	json_object_set_new(j, "open", json_boolean(until != 0));
	json_object_set_new(j, "until", json_time(until));
	json_object_set_new(j, "adopted", json_integer((json_int_t)adopt_count(&a->mdm)));
	return j;
}

static void
change_window(struct admin *a, struct http_request *r, int64_t seconds)
{
	struct buf actor = BUF_INIT;
	int rc;

	target_actor(r, &actor);
	rc = seconds ? adopt_open(&a->mdm, seconds, buf_str(&actor))
		     : adopt_close(&a->mdm, buf_str(&actor));
	buf_free(&actor);
	if (rc == -ENOENT)
		answer_error(r, 404, "the window is closed");
	else if (rc < 0)
		answer_error(r, 503, "the store takes no changes now: %s", strerror(-rc));
	else
		answer_json(r, 200, adopt_json(a));
}

static void
open_window(struct admin *a, struct http_request *r)
{
	json_t *body = answer_body(r);
	const char *text = json_string_value(json_object_get(body, "for"));
	int64_t seconds = 0;

	if (!body)
		return;
	if (!text || duration_parse(text, &seconds) < 0 || seconds < 60 || seconds > ADOPT_MAX)
		answer_error(r, 400, "for is how long, from \"60s\" to \"90d\"");
	else
		change_window(a, r, seconds);
	json_decref(body);
}

void
adopt_handle(struct http_request *r, void *ctx)
{
	if (http_method(r) == HTTP_POST)
		open_window(ctx, r);
	else if (http_method(r) == HTTP_DELETE)
		change_window(ctx, r, 0);
	else
		answer_json(r, 200, adopt_json(ctx));
}
