/* enroll.c - from a link to an enrolled device, renewals, and leaving */
#include "enroll.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "message.h"
#include "prop.h"
#include "request.h"
#include "scep.h"
#include "step.h"
#include "trust.h"

#define UNLOCK_BYTES 2048

/* What a failed installation is rolled back to. */
struct earlier {
	enum device_state state;
	struct profile *profile;
	struct identity id;
	X509 *ca;
	struct blob token, unlock;
	char *magic;
};

static const char *const models[][3] = {
	/* prefix of ProductName, ModelName, Model */
	{ "Mac", "MacBook Pro", "MacBookPro18,3" },
	{ "iPad", "iPad", "MP2G3LL" },
	{ "", "iPhone", "MQ0E3LL" },
};

static void
add_facts(const struct device *d, plist_t dict)
{
	size_t i = 0;

	while (strncmp(d->product, models[i][0], strlen(models[i][0])) != 0)
		i++;
	prop_set_string(dict, "DeviceName", d->name);
	prop_set_string(dict, "ModelName", models[i][1]);
	prop_set_string(dict, "Model", d->mac ? d->product : models[i][2]);
	if (!(d->profile->rights & 16)) /* device information */
		return;
	prop_set_string(dict, "OSVersion", d->os);
	prop_set_string(dict, "BuildVersion", d->build);
	prop_set_string(dict, "ProductName", d->product);
	prop_set_string(dict, "SerialNumber", d->serial);
	prop_set_string(dict, "IMEI", d->imei);
}

static enum outcome
send_checkin(struct device *d, enum meter_kind kind, plist_t dict, const char *what)
{
	struct http_reply r;
	enum outcome o = message_checkin(d, kind, dict, true, &r);

	if (o == OUTCOME_OK)
		step_acked(d->udid, what, NULL);
	http_reply_fini(&r);
	return o;
}

enum outcome
enroll_authenticate(struct device *d)
{
	plist_t dict = message_new(d, false);

	prop_set_string(dict, "MessageType", "Authenticate");
	prop_set_string(dict, "Topic", d->profile->topic);
	add_facts(d, dict);
	return send_checkin(d, METER_AUTHENTICATE, dict, "authenticate");
}

/* Seen only once in a device's life by many servers: kilobytes that ClearPasscode needs. */
static void
add_unlock_token(struct device *d, plist_t dict)
{
	uint8_t bytes[UNLOCK_BYTES];

	if (d->mac || d->o->no_unlock_token)
		return;
	if (d->unlock.len == 0) {
		util_random(bytes, sizeof(bytes));
		blob_free(&d->unlock); /* empty, but not without memory after a roll-back */
		d->unlock = blob_copy(bytes, sizeof(bytes));
	}
	prop_set_data(dict, "UnlockToken", d->unlock.data, d->unlock.len);
}

enum outcome
enroll_token_update(struct device *d, bool user)
{
	plist_t dict = message_new(d, user);

	if (d->token.len == 0)
		device_new_token(d);
	prop_set_string(dict, "MessageType", "TokenUpdate");
	prop_set_string(dict, "Topic", d->profile->topic);
	prop_set_data(dict, "Token", d->token.data, d->token.len);
	prop_set_string(dict, "PushMagic", d->magic);
	if (user)
		prop_set_bool(dict, "NotOnConsole", false);
	else
		add_unlock_token(d, dict);
	if (d->awaiting && !user)
		prop_set_bool(dict, "AwaitingConfiguration", true);
	return send_checkin(
		d, METER_TOKEN_UPDATE, dict, user ? "user-token-update" : "token-update");
}

enum outcome
enroll_checkout(struct device *d)
{
	plist_t dict = message_new(d, false);

	prop_set_string(dict, "MessageType", "CheckOut");
	prop_set_string(dict, "Topic", d->profile->topic);
	return send_checkin(d, METER_OTHER, dict, "checkout");
}

static bool
told_to_stop(const struct device *d, bool renewal, const char *after)
{
	const char *stage = renewal ? d->o->fail_renewal : d->o->stop_after;

	return stage != NULL && strcmp(stage, after) == 0;
}

/* The course of an installation once the profile is in place. */
static enum outcome
walk(struct device *d, bool renewal, const struct identity *old)
{
	struct identity id = { NULL, NULL };
	enum outcome o;

	if (told_to_stop(d, renewal, "profile"))
		return device_fault(d, OUTCOME_STOPPED, "stopped after the profile");
	o = scep_enroll(d, renewal && !d->o->renewal_self ? old : NULL, &id);
	if (o != OUTCOME_OK)
		return o;
	device_set_identity(d, &id);
	if (told_to_stop(d, renewal, "scep"))
		return device_fault(d, OUTCOME_STOPPED, "stopped after SCEP");
	o = enroll_authenticate(d);
	if (o == OUTCOME_OK && told_to_stop(d, renewal, "authenticate"))
		o = device_fault(d, OUTCOME_STOPPED, "stopped after Authenticate");
	return o == OUTCOME_OK ? enroll_token_update(d, false) : o;
}

/* Set the present enrollment aside.  The identity stays offered to TLS during a renewal. */
static void
set_aside(struct device *d, struct earlier *e, bool renewal)
{
	memset(e, 0, sizeof(*e));
	e->state = d->state;
	e->profile = d->profile;
	e->id = d->id;
	e->ca = d->ca;
	e->magic = util_dup(d->magic);
	e->token = blob_copy(d->token.data, d->token.len);
	e->unlock = blob_copy(d->unlock.data, d->unlock.len);
	d->ca = NULL;
	memset(&d->id, 0, sizeof(d->id));
	if (renewal && e->id.cert != NULL) {
		d->id = e->id;
		X509_up_ref(d->id.cert);
		EVP_PKEY_up_ref(d->id.key);
	}
}

static void
drop_earlier(struct earlier *e)
{
	profile_free(e->profile);
	device_free_identity(&e->id);
	X509_free(e->ca);
	blob_free(&e->token);
	blob_free(&e->unlock);
	free(e->magic);
}

static void
roll_back(struct device *d, struct earlier *e)
{
	struct identity id = e->id;

	profile_free(d->profile);
	X509_free(d->ca);
	blob_free(&d->token);
	blob_free(&d->unlock);
	free(d->magic);
	d->state = e->state;
	d->profile = e->profile;
	d->ca = e->ca;
	d->token = e->token;
	d->unlock = e->unlock;
	d->magic = e->magic;
	device_set_identity(d, &id);
}

static void
finish(struct device *d, bool renewal)
{
	d->state = DEVICE_ENROLLED;
	free(d->cause);
	d->cause = NULL;
	step_print(d->udid, renewal ? "renewed" : "enrolled",
		json_pack("{s:s, s:s, s:s, s:s}", "identifier", d->profile->identifier, "topic",
			d->profile->topic, "name", d->profile->name != NULL ? d->profile->name : "",
			"serial", d->serial));
}

/* A device enrolled by hand whose renewal failed may fall out of management (facts N). */
static void
renewal_failed(struct device *d, enum outcome o)
{
	char why[sizeof(d->why)];

	if (!d->o->renewal_unenrolls)
		return;
	memcpy(why, d->why, sizeof(why));
	if (d->profile->checkout_when_removed)
		enroll_checkout(d);
	memcpy(d->why, why, sizeof(why));
	step_print(d->udid, "unenrolled",
		json_pack("{s:s, s:s, s:s}", "cause", "renewal failed", "outcome", outcome_words(o),
			"why", why));
	device_forget(d, "renewal failed");
}

enum outcome
enroll_install(struct device *d, struct profile *p, bool renewal)
{
	bool was_enrolled = d->state == DEVICE_ENROLLED;
	struct earlier e;
	enum outcome o;

	if (was_enrolled && !profile_may_update(d->profile, p, d->why, sizeof(d->why))) {
		profile_free(p);
		return OUTCOME_PROFILE;
	}
	set_aside(d, &e, renewal);
	d->profile = p;
	device_hang_up(d);
	o = walk(d, renewal, &e.id);
	if (o == OUTCOME_OK) {
		drop_earlier(&e);
		finish(d, renewal);
		return device_save(d) == 0 ? OUTCOME_OK : OUTCOME_LOCAL;
	}
	if (o == OUTCOME_UNENROLLED) { /* the whole device left, as the server told it */
		drop_earlier(&e);
		return o;
	}
	roll_back(d, &e);
	step_print(d->udid, "rolled-back",
		json_pack("{s:s, s:s}", "outcome", outcome_words(o), "why", d->why));
	if (renewal && was_enrolled)
		renewal_failed(d, o);
	return o;
}

/* The first download happens in a browser: public roots only, or whatever the user clicked away. */
static struct http *
browser(struct device *d)
{
	const struct options *o = d->o;
	struct http_conf conf = {
		.connect = o->connect, .insecure = o->insecure_download, .timeout = o->timeout
	};

	conf.store = trust_store(o->public_roots, NULL, 0);
	return conf.store != NULL ? http_new(&conf) : NULL;
}

static enum outcome
download(struct device *d, struct profile **ret)
{
	static const char *const headers[] = {
		"User-Agent: Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) "
		"AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
		"Accept: text/html,application/xhtml+xml,*/*;q=0.8", NULL
	};
	struct http_reply r;
	char quote[161];
	enum outcome o;

	device_hang_up(d);
	d->http = browser(d);
	if (d->http == NULL)
		return device_fault(d, OUTCOME_LOCAL, "the public roots cannot be read");
	o = request_send(d, METER_PROFILE, "GET", d->o->link, headers, NULL, &r);
	device_hang_up(d);
	if (o == OUTCOME_OK && r.status != 200)
		o = device_fault(d, OUTCOME_REFUSED, "%s: HTTP %ld: %s", d->o->link, r.status,
			request_quote(&r, quote));
	else if (o == OUTCOME_OK && !request_is_type(&r, "application/x-apple-aspen-config"))
		o = device_fault(d, OUTCOME_PROFILE, "%s: content type \"%s\"", d->o->link, r.type);
	if (o == OUTCOME_OK) {
		*ret = profile_parse(r.body.data, r.body.len, d->why, sizeof(d->why));
		if (*ret == NULL)
			o = OUTCOME_PROFILE;
	}
	http_reply_fini(&r);
	return o;
}

static void
tell_profile(const struct device *d, const struct profile *p)
{
	char *signer = p->signer != NULL
			       ? X509_NAME_oneline(X509_get_subject_name(p->signer), NULL, 0)
			       : NULL;

	step_print(d->udid, "profile",
		json_pack("{s:s, s:s, s:s, s:s?, s:I, s:I, s:s}", "identifier", p->identifier,
			"name", p->name != NULL ? p->name : "", "topic", p->topic, "signer", signer,
			"rights", (json_int_t)p->rights, "roots", (json_int_t)p->n_roots, "server",
			p->server_url));
	OPENSSL_free(signer);
}

enum outcome
enroll_by_link(struct device *d)
{
	struct profile *p = NULL;
	enum outcome o;

	if (d->o->link == NULL)
		return device_fault(d, OUTCOME_LOCAL, "--link is needed to enroll");
	o = download(d, &p);
	if (o != OUTCOME_OK)
		return o;
	if (p->mdm == NULL) {
		profile_free(p);
		return device_fault(d, OUTCOME_PROFILE, "the profile has no com.apple.mdm payload");
	}
	tell_profile(d, p);
	return enroll_install(d, p, false);
}

enum outcome
enroll_renew_scep(struct device *d)
{
	struct identity id = { NULL, NULL };
	enum outcome o = scep_enroll(d, &d->id, &id);

	if (o != OUTCOME_OK)
		return o;
	device_set_identity(d, &id);
	return device_save(d) == 0 ? OUTCOME_OK : OUTCOME_LOCAL;
}
