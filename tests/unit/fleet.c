/* fleet.c - a fleet of devices in fake time */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fleet.h"
#include "fleet_time.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/log.h"
#include "base/mem.h"
#include "mdm/connect.h"
#include "mdm/patrol.h"
#include "mdm/push.h"
#include "mdm/service.h"
#include "net/reach.h"
#include "store/meta.h"

struct fleet fleet;

static struct apns *push_line;
static unsigned push_number;
static int64_t certs_seen; /* when the certificates were judged last */

/* A commit that fails tells those who wait for it; the next one is tried at the next change. */
static void
commit(void)
{
	int err = fleet.kit->m.store ? store_commit(fleet.kit->m.store) : 0;

	assert_true(err == 0 || fleet.world.disk_full);
}

void
fleet_run(int64_t ms)
{
	struct coming c;

	while (fleet_time_next(ms, &c)) {
		c.fn(c.arg, c.word);
		if (fleet.world.running && store_pending(fleet.kit->m.store))
			commit();
	}
	fleet.now = ms;
}

/* ---- what happened ---- */

static void
note(const char *what, const struct fleet_device *v)
{
	if (fleet.event)
		fleet.event(what, v, NULL, NULL);
}

void
fleet_look(struct fleet_device *v)
{
	const struct roster_line *line =
		fleet.world.running ? roster_find(fleet.kit->m.roster, v->id) : NULL;

	if (!line || (line->state == v->state && line->locked == v->locked))
		return;
	v->state = line->state;
	v->locked = line->locked;
	if (fleet.changed)
		fleet.changed(v);
}

/* ---- devices ---- */

bool
fleet_reachable(void)
{
	const struct certpair *tls = &fleet.kit->certs.tls;

	if (!fleet.world.running || !fleet.world.path)
		return false;
	/* devices know what time it is */
	return !tls->chain || (tls->not_before <= fleet_wall() && fleet_wall() < tls->not_after);
}

/* It says 503, and devices come again. */
static bool
refusing(void)
{
	struct store_numbers n;

	store_numbers(fleet.kit->m.store, &n);
	return n.fault != 0;
}

static void
recognise(struct fleet_device *v)
{
	const char *why = NULL;

	auth_speaker_free(&v->who);
	if (auth_certificate(&fleet.kit->m, v->d.cert, &v->who, &why) < 0)
		fail_msg("%s: %s", v->id, why);
}

static void
report(struct fleet_device *v, const char *status, const char *uuid, struct reply *out)
{
	const char *user = v->has_user ? "<key>UserID</key><string>USER</string>" : "";
	struct message *msg;
	const char *why = NULL;
	char *xml = xasprintf("<plist version=\"1.0\"><dict><key>UDID</key><string>%s</string>%s"
			      "<key>Status</key><string>%s</string>%s%s%s</dict></plist>",
		v->id, user, status, uuid ? "<key>CommandUUID</key><string>" : "", uuid ? uuid : "",
		uuid ? "</string>" : "");

	*out = (struct reply)REPLY_INIT;
	assert_int_equal(message_parse_report(bytes_str(xml), &msg, &why), 0);
	if (fleet.strict)
		recognise(v);
	note("heard", v);
	connect_answer(&fleet.kit->m, msg, &v->who, out);
	commit();
	if (out->status != 200 && !refusing())
		fail_msg("%s: status %d", v->id, out->status);
	fleet_look(v);
	message_free(msg);
	free(xml);
}

static char *
type_of(const struct reply *out)
{
	const char *at = strstr((const char *)out->body.data, "<key>RequestType</key>"), *end;

	at = at ? strstr(at, "<string>") : NULL;
	end = at ? strstr(at, "</string>") : NULL;
	assert_non_null(end);
	return xstrndup(at + strlen("<string>"), (size_t)(end - at) - strlen("<string>"));
}

void
fleet_session(struct fleet_device *v)
{
	unsigned steps = 0;
	struct reply out;
	char *uuid, *type;

	report(v, "Idle", NULL, &out);
	while (out.status == 200 && (uuid = kit_offered(&out)) != NULL) {
		assert_true(steps++ < 50);
		type = type_of(&out);
		reply_free(&out);
		report(v, fleet.status ? fleet.status(v, type) : "Acknowledged", uuid, &out);
		free(type);
		free(uuid);
	}
	reply_free(&out);
}

static void
come(void *arg, uint64_t word)
{
	struct fleet_device *v = arg;
	int64_t at = fleet.awake_at(v);

	(void)word;
	if (at == fleet.now) {
		v->coming = false;
		if (fleet_reachable())
			fleet_session(v); /* else it gives up: there was one push, and it failed */
	} else if (at != NEVER_AWAKE) {
		fleet_later(at - fleet.now + fleet_chance(HOUR), come, v, 0);
	} else {
		v->coming = false;
	}
}

/* A push reached it, or waits at Apple until it wakes. */
static void
called(struct fleet_device *v)
{
	int64_t at = fleet.awake_at(v), now = fleet.now;

	if (v->coming || at == NEVER_AWAKE)
		return;
	v->coming = true;
	fleet_later(at == now ? SECOND + fleet_chance(15 * SECOND) : at - now + fleet_chance(HOUR),
		come, v, 0);
}

static bool
tell_token(struct fleet_device *v, const struct kit_device *as)
{
	unsigned i = (unsigned)(v - fleet.devices);
	unsigned char token[4] = { (unsigned char)(i >> 8), (unsigned char)i,
		(unsigned char)(v->generation >> 8), (unsigned char)v->generation };
	struct buf text = BUF_INIT;
	char *more;
	int status;

	encode_base64(&text, bytes_of(token, sizeof(token)), 0);
	more = xasprintf(
		"<key>PushMagic</key><string>magic</string><key>Token</key><data>%s</data>",
		buf_str(&text));
	note("token", v);
	status = kit_checkin(as, "TokenUpdate", more, NULL);
	if (status != 200 && !refusing())
		fail_msg("%s: TokenUpdate: status %d", v->id, status);
	buf_free(&text);
	free(more);
	fleet_look(v);
	return status == 200;
}

void
fleet_send_token(void *arg, uint64_t word)
{
	struct fleet_device *v = arg;

	(void)word;
	if (!fleet_reachable() || !tell_token(v, &v->d))
		fleet_later(HOUR, fleet_send_token, v, 0);
}

void
fleet_renew_token(void *arg, uint64_t word)
{
	struct fleet_device *v = arg;

	(void)word;
	v->generation++;
	v->changed = fleet.now;
}

void
fleet_check_out(void *arg, uint64_t word)
{
	struct fleet_device *v = arg;

	(void)word;
	if (!fleet_reachable() || refusing() || fleet.world.disk_full)
		return; /* it is said once, and nobody hears it */
	note("checkout", v);
	assert_int_equal(kit_checkin(&v->d, "CheckOut", NULL, NULL), 200);
	fleet_look(v);
}

void
fleet_enroll(void *arg, uint64_t word)
{
	static const struct kit_issue issue = { .lifetime = 3 * 365 * INT64_C(86400) };
	struct fleet_device *v = arg;
	struct kit_device user;

	(void)word;
	kit_device_init(&v->d, fleet.kit, v->id, v->serial, &issue);
	v->enrolled = true;
	note("enroll", v);
	assert_int_equal(kit_authenticate(&v->d), 200);
	tell_token(v, &v->d);
	recognise(v);
	if (v->has_user) {
		user = v->d;
		user.id = v->user;
		tell_token(v, &user);
	}
}

void
fleet_renew_identity(struct fleet_device *v)
{
	struct kit_device renewed;
	struct kit_issue issue = {
		.lifetime = 3 * 365 * INT64_C(86400), .number = v->d.number, .renewal_of = v->id
	};

	kit_device_init(&renewed, fleet.kit, v->id, v->serial, &issue);
	kit_device_free(&v->d);
	v->d = renewed;
	assert_int_equal(kit_authenticate(&v->d), 200);
	tell_token(v, &v->d);
	recognise(v);
}

/* ---- Apple ---- */

struct apns {
	struct apns_callbacks cb;
	enum apns_state state;
	bool identity;
	int64_t since;
	char *words;
};

struct apns *
apns_new(struct loop *l, const struct apns_options *o, const struct apns_callbacks *cb)
{
	struct apns *a = xcalloc(1, sizeof(*a));

	(void)l;
	(void)o;
	assert_null(push_line);
	a->cb = *cb;
	a->words = xstrdup("");
	push_line = a;
	return a;
}

static void
settle_state(void *arg, uint64_t word)
{
	struct apns *a = push_line;
	bool up = a && a->identity && fleet.world.push;

	(void)arg;
	(void)word;
	if (!a || up == (a->state == APNS_CONNECTED))
		return;
	note(up ? "up" : "down", NULL);
	a->state = up ? APNS_CONNECTED : APNS_DISCONNECTED;
	a->since = fleet_time_wall();
	a->cb.state(a->cb.arg, a, a->state, a->words);
}

void
fleet_set_push(bool up)
{
	fleet.world.push = up;
	settle_state(NULL, 0);
}

void
apns_set_identity(struct apns *a, STACK_OF(X509) * chain, EVP_PKEY *key, const char *why)
{
	(void)key;
	free(a->words);
	a->words = xstrdup(chain || !why ? "" : why);
	a->identity = chain != NULL;
	fleet_later(0, settle_state, NULL, 0);
}

static void
answer(const struct fleet_flight *f, const struct fleet_verdict *said)
{
	struct apns_answer a = { said->status == 200 ? APNS_ACCEPTED : APNS_REJECTED, said->status,
		said->reason, said->status == 410 ? FLEET_EPOCH + said->gone / 1000 : 0,
		FLEET_EPOCH + f->sent / 1000 };
	const char *what = said->status == 200				    ? "taken"
			   : said->status == 410			    ? "gone"
			   : said->status / 100 == 4 && said->status != 429 ? "bad"
									    : "refused";

	if (fleet.event)
		fleet.event(what, f->dev, f, said);
	push_line->cb.answer(push_line->cb.arg, push_line, f->tag, &a);
}

static void
on_flight(void *arg, uint64_t word)
{
	struct fleet_flight *f = arg;
	struct fleet_verdict said = { .status = 200, .reason = "" };

	(void)word;
	if (f->line != push_line) { /* that daemon is gone */
		free(f);
		return;
	}
	if (!push_line->identity) {
		struct apns_answer unsent = { .result = APNS_UNSENT, .reason = "" };

		if (fleet.event)
			fleet.event("unsent", f->dev, f, NULL);
		push_line->cb.answer(push_line->cb.arg, push_line, f->tag, &unsent);
		free(f);
		return;
	}
	if (push_line->state != APNS_CONNECTED) {
		fleet_later(60 * SECOND + fleet_chance(SECOND), on_flight, f, 0);
		return;
	}
	fleet.judge(f, &said);
	if (said.early && fleet_reachable())
		fleet_session(f->dev);
	answer(f, &said);
	if (said.status == 200 && !said.early)
		called(f->dev);
	commit();
	fleet_look(f->dev);
	free(f);
}

int
apns_push(struct apns *a, struct bytes token, const char *magic, int64_t expiration, int bulk,
	void *tag)
{
	struct fleet_flight *f = xcalloc(1, sizeof(*f));

	(void)magic;
	(void)expiration;
	(void)bulk;
	assert_int_equal(token.len, 4);
	f->dev = &fleet.devices[token.data[0] << 8 | token.data[1]];
	f->generation = (unsigned)(token.data[2] << 8 | token.data[3]);
	f->tag = tag;
	f->line = a;
	f->number = ++push_number;
	f->sent = fleet.now;
	if (fleet.event)
		fleet.event("sent", f->dev, f, NULL);
	fleet_later(50 + fleet_chance(800), on_flight, f, 0);
	return 0;
}

const char *
apns_state_name(enum apns_state s)
{
	return s == APNS_CONNECTED ? "Connected" : "Disconnected";
}

enum apns_state
apns_state(const struct apns *a)
{
	return a->state;
}

const char *
apns_words(const struct apns *a)
{
	return a->words;
}

int64_t
apns_since(const struct apns *a)
{
	return a->since;
}

size_t
apns_waiting(const struct apns *a)
{
	(void)a;
	return 0;
}

size_t
apns_in_flight(const struct apns *a)
{
	(void)a;
	return 0;
}

/* What is in the air comes down on nobody. */
void
apns_free(struct apns *a)
{
	free(a->words);
	free(a);
	push_line = NULL;
}

/* ---- the way to ourselves ---- */

struct asked {
	void (*done)(void *arg, const char *why);
	void *arg;
};

int __wrap_reach_ask(struct worker *w, const char *url, X509 *root,
	void (*done)(void *arg, const char *why), void *arg);
void __wrap_reach_stop(void);

static void
on_reach(void *arg, uint64_t word)
{
	struct asked *a = arg;

	(void)word;
	if (fleet.world.running) {
		if (!fleet.world.own_path)
			note("proof", NULL);
		a->done(a->arg, fleet.world.own_path);
	}
	free(a);
}

int
__wrap_reach_ask(struct worker *w, const char *url, X509 *root,
	void (*done)(void *arg, const char *why), void *arg)
{
	struct asked *a = xmalloc(sizeof(*a));

	(void)w;
	(void)root;
	assert_string_equal(url, "https://mdm.example.org:8443/version");
	*a = (struct asked){ done, arg };
	fleet_later(100, on_reach, a, 0);
	return 0;
}

void
__wrap_reach_stop(void)
{
}

/* ---- the daemon ---- */

/* As the object graph does it: rounds, store, what was seen, certificates once an hour. */
static void
on_round(void *arg, uint64_t word)
{
	struct mdm *m = &fleet.kit->m;
	unsigned i;

	(void)arg;
	(void)word;
	fleet_later(FLEET_ROUND, on_round, NULL, 0);
	if (!fleet.world.running)
		return;
	note("tick", NULL);
	patrol_round(m);
	commit();
	store_tick(m->store, mdm_mono_ms(m));
	roster_flush(m->roster, m->store);
	commit();
	if (fleet.now - certs_seen >= HOUR) {
		certs_seen = fleet.now;
		pusher_certs_changed(m);
	}
	for (i = 0; i < fleet.count; i++)
		fleet_look(&fleet.devices[i]);
}

void
fleet_start(void)
{
	struct mdm *m = &fleet.kit->m;
	unsigned i;

	if (!m->store)
		kit_open(fleet.kit);
	if (meta_get_int(m->store, "restored-at", &m->restored_at) < 0)
		m->restored_at = 0;
	m->started_at = fleet_time_wall();
	fleet.world.running = true;
	note("start", NULL);
	m->loop = (struct loop *)&fleet; /* whose timers are ours */
	m->worker = (struct worker *)&fleet;
	pusher_new(m);
	pusher_resume(m);
	service_new(m);
	m->loop = NULL; /* rounds are made here */
	patrol_new(m);
	m->loop = (struct loop *)&fleet;
	for (i = 0; i < fleet.count; i++)
		if (fleet.devices[i].enrolled)
			recognise(&fleet.devices[i]);
}

void
fleet_stop(void)
{
	struct mdm *m = &fleet.kit->m;

	note("stop", NULL);
	pusher_free(m->pusher);
	m->pusher = NULL;
	while (roster_flush(m->roster, m->store) == 1)
		commit();
	commit();
	patrol_free(m->patrol);
	service_free(m->service);
	commit();
	kit_close(fleet.kit);
	fleet.world.running = false;
}

static void
sink(const struct log_record *r)
{
	(void)r;
}

static int64_t
always_awake(const struct fleet_device *v)
{
	(void)v;
	return fleet.now;
}

static void
always_taken(const struct fleet_flight *f, struct fleet_verdict *ret)
{
	(void)f;
	(void)ret;
}

void
fleet_init(unsigned count, uint64_t seed)
{
	unsigned i;

	memset(&fleet, 0, sizeof(fleet));
	push_number = 0;
	certs_seen = 0;
	fleet.kit = kit_new();
	fleet.seed = seed;
	fleet.count = count;
	fleet.world.push = fleet.world.path = true;
	fleet.awake_at = always_awake;
	fleet.judge = always_taken;
	fleet.devices = xcalloc(count, sizeof(*fleet.devices));
	for (i = 0; i < count; i++) {
		struct fleet_device *v = &fleet.devices[i];

		snprintf(v->id, sizeof(v->id), "D%u", i);
		snprintf(v->serial, sizeof(v->serial), "S%u", i);
		snprintf(v->user, sizeof(v->user), "D%u:USER", i);
	}
	fleet.kit->conf.push.rate = 1000;
	fleet.kit->conf.lock_limit = 100;
	fleet.kit->conf.queue.limit = 50;
	log_set_sink(sink);
	fleet_later(SECOND, on_round, NULL, 0);
}

static void
discard(const struct coming *c)
{
	if (c->fn == on_flight || c->fn == on_reach)
		free(c->arg);
}

void
fleet_fini(void)
{
	unsigned i;

	fleet.event = NULL;
	fleet.world.disk_full = false;
	if (fleet.world.running)
		fleet_stop();
	fleet_time_end(discard);
	for (i = 0; i < fleet.count; i++) {
		auth_speaker_free(&fleet.devices[i].who);
		if (fleet.devices[i].enrolled)
			kit_device_free(&fleet.devices[i].d);
	}
	log_set_sink(NULL);
	fleet.kit->m.loop = NULL;
	fleet.kit->m.worker = NULL;
	kit_free(fleet.kit);
	free(fleet.devices);
	memset(&fleet, 0, sizeof(fleet));
}
