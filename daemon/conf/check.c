/* check.c - what keys say together */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "conf/check.h"
#include "conf/fault.h"

#define SHORT_LOCK INT64_C(86400)

/* Access rights (facts/protocol.md F.3) */
#define INSPECT_PROFILES 1
#define INSTALL_PROFILES 2
#define INSPECT_PROVISIONING 64
#define INSTALL_PROVISIONING 128

struct check {
	const struct conf *c;
	const struct origin *origins;
	const char *file;
	struct conf_faults *faults;
};

static const struct origin *
origin(const struct check *k, const char *name)
{
	size_t i;

	for (i = 0; i < keys_all.count; i++)
		if (strcmp(keys_all.rows[i].info.name, name) == 0)
			return &k->origins[i];
	abort(); /* a name of ours that is not in the table */
}

/* Nothing is concluded from a key whose own value was faulty. */
static bool
usable(const struct check *k, const char *name)
{
	return !origin(k, name)->faulty;
}

static const char *
place(const struct check *k, const char *name, unsigned *line)
{
	const struct origin *at = origin(k, name);

	*line = at->line;
	return at->file ? at->file : k->file;
}

__attribute__((format(printf, 4, 5))) static void
say(const struct check *k, bool warning, const char *name, const char *fmt, ...)
{
	unsigned line;
	const char *file = place(k, name, &line);
	char text[300];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	(warning ? fault_warn : fault_add)(k->faults, file, line, name, "%s", text);
}

#define WRONG(k, name, ...) say(k, false, name, __VA_ARGS__)
#define DOUBTFUL(k, name, ...) say(k, true, name, __VA_ARGS__)

static void
access_rights(const struct check *k)
{
	static const char name[] = "enrollment.access-rights";
	int64_t rights = k->c->enrollment.access_rights;
	bool inspect = rights & INSPECT_PROFILES, install = rights & INSTALL_PROFILES;

	if (!usable(k, name))
		return;
	if (rights == 0)
		WRONG(k, name, "0 gives no right at all; 8191 is all of them");
	else if (install && !inspect)
		WRONG(k, name, "2 (install profiles) needs 1 (inspect profiles)");
	else if (!install)
		WRONG(k, name,
			"without 1 and 2 (inspect and install profiles) no device could be managed "
			"or "
			"its identity renewed");
	if ((rights & INSTALL_PROVISIONING) && !(rights & INSPECT_PROVISIONING))
		WRONG(k, name,
			"128 (install provisioning profiles) needs 64 (inspect provisioning "
			"profiles)");
}

static void
lock_after(const struct check *k)
{
	int64_t after = k->c->lock_after;

	if (usable(k, "lock-after") && after != DURATION_NEVER && after < SHORT_LOCK)
		DOUBTFUL(k, "lock-after",
			"is below 24h: devices that merely sleep over night will be locked");
}

static void
renewal(const struct check *k)
{
	static const char name[] = "identity.renew-before", other[] = "identity.lifetime";
	char before[24], lifetime[24];

	if (!usable(k, name) || !usable(k, other) ||
		k->c->identity.renew_before < k->c->identity.lifetime)
		return;
	WRONG(k, origin(k, name)->file ? name : other,
		"identities are renewed %s before their end, so they must live longer than %s",
		duration_format(k->c->identity.renew_before, before, sizeof(before)),
		duration_format(k->c->identity.lifetime, lifetime, sizeof(lifetime)));
}

static bool
same_listener(const struct conf_listen *a, const struct conf_listen *b)
{
	return a->port == b->port && strcmp(a->address, b->address) == 0;
}

static void
listeners(const struct check *k)
{
	const struct conf_listen *l = k->c->listen;
	size_t count = k->c->listen_count, i, j;

	if (!usable(k, "listen"))
		return;
	if (count == 0)
		WRONG(k, "listen", "is empty: without a listener no device can be served");
	for (i = 0; i < count; i++) {
		for (j = 0; j < i; j++)
			if (same_listener(&l[i], &l[j]))
				WRONG(k, "listen", "has %s port %u twice", l[i].address, l[i].port);
		if (!l[i].tls && !l[i].behind_proxy)
			DOUBTFUL(k, "listen",
				"%s port %u has neither tls nor behind-proxy: devices speak HTTPS "
				"only",
				l[i].address, l[i].port);
		if (l[i].behind_proxy && k->c->proxy.trusted.count == 0 &&
			usable(k, "proxy.trusted"))
			DOUBTFUL(k, "listen",
				"%s port %u is behind-proxy, but proxy.trusted names no proxy, so "
				"none is believed",
				l[i].address, l[i].port);
	}
}

static void
loopback_only(
	const struct check *k, const char *name, const struct conf_endpoint *e, const char *remedy)
{
	if (e->address && usable(k, name) && !syntax_is_loopback(e->address))
		WRONG(k, name, "%s is no loopback address: %s", e->address, remedy);
}

static void
local_endpoints(const struct check *k)
{
	const struct conf *c = k->c;
	const struct {
		const char *name;
		const struct conf_endpoint *at;
	} all[] = { { "gate.listen", &c->gate_listen }, { "api.listen", &c->api_listen },
		{ "metrics.listen", &c->metrics_listen } };
	size_t count = sizeof(all) / sizeof(all[0]), i, j;

	loopback_only(k, "gate.listen", &c->gate_listen,
		"the gate answers whoever asks, so only programs on this host may");
	loopback_only(k, "api.listen", &c->api_listen,
		"there is no TLS here; let a proxy with TLS forward to 127.0.0.1");
	for (i = 0; i < count; i++)
		for (j = 0; j < i; j++)
			if (all[i].at->address && all[j].at->address &&
				all[i].at->port == all[j].at->port &&
				strcmp(all[i].at->address, all[j].at->address) == 0)
				WRONG(k, all[i].name, "is the address and port of %s too",
					all[j].name);
}

static void
api_keys(const struct check *k)
{
	const struct conf *c = k->c;
	size_t i, j;

	if (!usable(k, "api.keys"))
		return;
	if (c->api_listen.address && c->api_key_count == 0)
		WRONG(k, "api.listen", "needs api.keys: without a key nobody can use it");
	for (i = 0; i < c->api_key_count; i++)
		for (j = 0; j < i; j++)
			if (strcmp(c->api_keys[i].name, c->api_keys[j].name) == 0)
				WRONG(k, "api.keys", "has the name \"%s\" twice",
					c->api_keys[i].name);
}

/* By TLS alone a device is known only if somebody asks for its certificate. */
static void
device_authentication(const struct check *k)
{
	static const char name[] = "device-authentication";
	enum conf_authentication by = k->c->device_authentication;

	if (!usable(k, name) || (by != AUTH_TLS && by != AUTH_BOTH) ||
		!usable(k, "tls.request-client-certificate") ||
		!usable(k, "proxy.client-certificate-header"))
		return;
	if (!k->c->tls.request_client_certificate && !k->c->proxy.client_certificate_header)
		WRONG(k, name,
			"needs tls.request-client-certificate = true, or a proxy that passes the "
			"certificate in proxy.client-certificate-header");
}

static void
keys_without_url(const struct check *k)
{
	const struct conf *c = k->c;

	if (c->webhook.hmac_key_file && !c->webhook.url && usable(k, "webhook.url"))
		DOUBTFUL(k, "webhook.hmac-key-file", "does nothing without webhook.url");
	if (c->declarative.hmac_key_file && !c->declarative.url && usable(k, "declarative.url"))
		DOUBTFUL(k, "declarative.hmac-key-file", "does nothing without declarative.url");
}

void
check_conf(const struct conf *c, const struct origin *origins, const char *file,
	struct conf_faults *faults)
{
	static void (*const rules[])(const struct check *) = { access_rights, lock_after, renewal,
		listeners, local_endpoints, api_keys, device_authentication, keys_without_url };
	struct check k = { c, origins, file, faults };
	size_t i;

	for (i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		rules[i](&k);
}

void
check_required(const struct origin *origins, const char *file, struct conf_faults *faults)
{
	const struct key *key;
	size_t i;

	for (i = 0; i < keys_all.count; i++) {
		key = &keys_all.rows[i];
		if (key->required && !origins[i].file)
			fault_add(
				faults, file, 0, key->info.name, "is missing: %s", key->info.text);
	}
}
