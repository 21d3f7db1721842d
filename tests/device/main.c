/* main.c - fake-device: the verbs */
#include <curl/curl.h>
#include <errno.h>
#include <jansson.h>
#include <openssl/crypto.h>
#include <openssl/provider.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "ddm.h"
#include "device.h"
#include "enroll.h"
#include "fleet.h"
#include "message.h"
#include "prop.h"
#include "run.h"
#include "schema.h"
#include "session.h"
#include "step.h"
#include "stop.h"
#include "trust.h"

#define BOOTSTRAP_BYTES 64

static enum outcome
verb_poll(struct device *d)
{
	struct session_result r;
	enum outcome o = session_run(d, false, d->o->commands, &r);

	step_print(d->udid, "session", json_pack("{s:i}", "commands", r.commands));
	return o;
}

static enum outcome
verb_user_poll(struct device *d)
{
	struct session_result r;
	enum outcome o = session_run(d, true, d->o->commands, &r);

	step_print(d->udid, "session", json_pack("{s:i, s:b}", "commands", r.commands, "user", 1));
	return o;
}

static enum outcome
verb_token_update(struct device *d)
{
	if (d->o->new_token)
		device_new_token(d);
	return enroll_token_update(d, false);
}

static enum outcome
verb_user_token_update(struct device *d)
{
	return enroll_token_update(d, true);
}

static enum outcome
verb_checkout(struct device *d)
{
	enum outcome o = enroll_checkout(d);

	/* Tried once: whatever came of it, the profile is gone. */
	if (d->state == DEVICE_ENROLLED)
		device_forget(d, "checkout");
	return o;
}

static enum outcome
checkin_verb(struct device *d, plist_t dict, const char *type, bool empty, struct http_reply *r)
{
	prop_set_string(dict, "MessageType", type);
	return message_checkin(d, METER_OTHER, dict, empty, r);
}

static enum outcome
verb_set_bootstrap(struct device *d)
{
	uint8_t random[BOOTSTRAP_BYTES];
	const char *hex = d->o->argument;
	plist_t dict = message_new(d, false);
	struct http_reply r;
	unsigned char *bytes;
	long len = 0;
	enum outcome o;

	blob_free(&d->bootstrap);
	if (hex == NULL) {
		util_random(random, sizeof(random));
		d->bootstrap = blob_copy(random, sizeof(random));
	} else if (*hex != '\0' && (bytes = OPENSSL_hexstr2buf(hex, &len)) != NULL) {
		d->bootstrap = blob_copy(bytes, (size_t)len);
		OPENSSL_free(bytes);
	}
	if (d->bootstrap.len > 0)
		prop_set_data(dict, "BootstrapToken", d->bootstrap.data, d->bootstrap.len);
	o = checkin_verb(d, dict, "SetBootstrapToken", true, &r);
	http_reply_fini(&r);
	if (o == OUTCOME_OK)
		step_acked(d->udid, "set-bootstrap",
			json_pack("{s:I}", "length", (json_int_t)d->bootstrap.len));
	return o;
}

static enum outcome
verb_get_bootstrap(struct device *d)
{
	struct http_reply r;
	enum outcome o = checkin_verb(d, message_new(d, false), "GetBootstrapToken", false, &r);
	plist_t dict = NULL, node;
	uint64_t len = 0;
	const char *data = NULL;
	bool same;

	if (o == OUTCOME_OK && r.body.len > 0) {
		dict = prop_parse(r.body.data, r.body.len);
		if (dict == NULL)
			o = device_fault(
				d, OUTCOME_MALFORMED, "no property list with a dictionary");
	}
	http_reply_fini(&r);
	if (o != OUTCOME_OK)
		return o;
	node = prop_node(dict, "BootstrapToken", PLIST_DATA);
	if (node != NULL)
		data = plist_get_data_ptr(node, &len);
	same = len == d->bootstrap.len && (len == 0 || memcmp(data, d->bootstrap.data, len) == 0);
	step_print(d->udid, "get-bootstrap",
		json_pack("{s:I, s:b}", "length", (json_int_t)len, "same", same));
	if (dict != NULL)
		plist_free(dict);
	return OUTCOME_OK;
}

/* The string `key` of an answer's dictionary is a step; absence is "". */
static enum outcome
tell_answer(struct device *d, enum outcome o, struct http_reply *r, const char *what)
{
	bool answered = r->status != 0;
	plist_t dict = o == OUTCOME_OK ? prop_parse(r->body.data, r->body.len) : NULL;
	const char *challenge = prop_string(dict, "DigestChallenge");
	plist_t token = prop_node(dict, "TokenData", PLIST_DATA);
	uint64_t len = 0;

	if (token != NULL)
		plist_get_data_ptr(token, &len);
	if (answered)
		step_print(d->udid, what,
			json_pack("{s:I, s:I, s:s?, s:I}", "status", (json_int_t)r->status,
				"length", (json_int_t)r->body.len, "challenge", challenge, "token",
				(json_int_t)len));
	if (dict != NULL)
		plist_free(dict);
	http_reply_fini(r);
	return o;
}

static enum outcome
verb_user_authenticate(struct device *d)
{
	struct http_reply r;
	enum outcome o = checkin_verb(d, message_new(d, true), "UserAuthenticate", false, &r);

	return tell_answer(d, o, &r, "user-authenticate");
}

static enum outcome
verb_get_token(struct device *d)
{
	plist_t dict = message_new(d, false);
	struct http_reply r;

	prop_set_string(dict, "TokenServiceType",
		d->o->argument != NULL ? d->o->argument : "com.apple.maid");
	return tell_answer(d, checkin_verb(d, dict, "GetToken", false, &r), &r, "get-token");
}

static enum outcome
verb_declarative(struct device *d)
{
	return d->o->argument != NULL ? ddm_ask(d, d->o->argument) : ddm_sync(d);
}

static enum outcome
verb_wipe(struct device *d)
{
	device_forget(d, "wiped");
	step_print(d->udid, "wiped", NULL);
	return OUTCOME_OK;
}

static enum outcome
verb_show(struct device *d)
{
	static const char *const states[] = { "new", "enrolled", "unenrolled" };
	char *token = util_hex(d->token.data, d->token.len), *serial = NULL;

	if (d->id.cert != NULL)
		serial = i2s_ASN1_INTEGER(NULL, X509_get0_serialNumber(d->id.cert));
	step_print(d->udid, "show",
		json_pack("{s:s, s:s?, s:s, s:s, s:s, s:s?, s:s?, s:s, s:s?, s:b, s:i, s:O}",
			"state", states[d->state], "cause", d->cause, "serial", d->serial,
			"product", d->product, "os", d->os, "topic",
			d->profile != NULL ? d->profile->topic : NULL, "certificate", serial,
			"token", token, "magic", d->magic, "pending", d->pending.len > 0,
			"declarations", (int)json_object_size(d->declarations), "profiles",
			d->installed));
	OPENSSL_free(serial);
	free(token);
	return OUTCOME_OK;
}

static const struct verb {
	const char *name;
	enum outcome (*run)(struct device *);
	bool enrolled, user;
} verbs[] = {
	{ "enroll", enroll_by_link, false, false },
	{ "poll", verb_poll, true, false },
	{ "idle-once", session_peek, true, false },
	{ "run", run_device, false, false },
	{ "authenticate", enroll_authenticate, true, false },
	{ "token-update", verb_token_update, true, false },
	{ "checkout", verb_checkout, true, false },
	{ "renew-scep", enroll_renew_scep, true, false },
	{ "raw", message_raw, true, false },
	{ "set-bootstrap", verb_set_bootstrap, true, false },
	{ "get-bootstrap", verb_get_bootstrap, true, false },
	{ "user-authenticate", verb_user_authenticate, true, true },
	{ "user-token-update", verb_user_token_update, true, true },
	{ "user-poll", verb_user_poll, true, true },
	{ "get-token", verb_get_token, true, false },
	{ "declarative", verb_declarative, true, false },
	{ "wipe", verb_wipe, false, false },
	{ "show", verb_show, false, false },
};

static const struct verb *
find_verb(const char *name)
{
	for (size_t i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

static enum outcome
run_verb(struct device *d, const struct verb *v)
{
	enum outcome o;

	if (v->enrolled && d->state != DEVICE_ENROLLED)
		o = device_fault(
			d, OUTCOME_NOT_ENROLLED, "%s: the device is not enrolled", v->name);
	else if (v->user && d->o->user_id == NULL)
		o = device_fault(d, OUTCOME_LOCAL, "%s needs --user-id", v->name);
	else
		o = v->run(d);
	if (device_save(d) < 0 && o == OUTCOME_OK)
		o = OUTCOME_LOCAL;
	if (o != OUTCOME_OK)
		step_print(d->udid, "failed",
			json_pack("{s:s, s:s, s:i, s:s}", "verb", v->name, "outcome",
				outcome_words(o), "code", (int)o, "why", d->why));
	return o;
}

static int
one_device(const struct options *o)
{
	const struct verb *v = find_verb(o->verb);
	struct device *d;
	int code;

	if (v == NULL) {
		fprintf(stderr, "fake-device: %s: no such verb (--help shows them)\n", o->verb);
		return EX_USAGE;
	}
	if (strcmp(o->verb, "raw") == 0 && o->raw == NULL) {
		fputs("fake-device: raw needs --raw FILE\n", stderr);
		return EX_USAGE;
	}
	d = device_open(o, o->state, 0);
	if (d == NULL)
		return OUTCOME_LOCAL;
	code = (int)run_verb(d, v);
	device_close(d);
	return code;
}

static OSSL_PROVIDER *providers[2];

/* Single DES lives in the legacy provider; loading one unloads the implicit default. */
static int
load_providers(const struct options *o)
{
	if (o->cipher == NULL || strcmp(o->cipher, "des") != 0)
		return 0;
	providers[0] = OSSL_PROVIDER_load(NULL, "default");
	providers[1] = OSSL_PROVIDER_load(NULL, "legacy");
	if (providers[0] != NULL && providers[1] != NULL)
		return 0;
	fputs("fake-device: single DES needs OpenSSL's legacy provider "
	      "(Debian 13: apt-get install openssl-provider-legacy)\n",
		stderr);
	return -ENOENT;
}

static void
unload_providers(void)
{
	for (size_t i = 0; i < 2; i++)
		if (providers[i] != NULL)
			OSSL_PROVIDER_unload(providers[i]);
}

static int
start(const struct options *o, bool quiet)
{
	int rc;

	stop_init();
	curl_global_init(CURL_GLOBAL_DEFAULT);
	if (load_providers(o) < 0)
		return -ENOENT;
	if (o->schema != NULL && (rc = schema_init(o->schema)) < 0) {
		fprintf(stderr, "fake-device: %s: %s\n", o->schema, strerror(-rc));
		return rc;
	}
	if ((rc = step_init(o->journal, quiet)) < 0)
		fprintf(stderr, "fake-device: %s: %s\n", o->journal, strerror(-rc));
	return rc;
}

int
main(int argc, char **argv)
{
	struct options o;
	bool fleet;
	int code = options_parse(&o, argc, argv);

	if (code >= 0)
		return code;
	fleet = strcmp(o.verb, "fleet") == 0;
	if (start(&o, fleet) < 0)
		code = OUTCOME_LOCAL;
	else
		code = fleet ? fleet_run(&o) : one_device(&o);
	step_fini();
	schema_fini();
	trust_fini();
	curl_global_cleanup();
	unload_providers();
	return code;
}
