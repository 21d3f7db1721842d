/* migrate.c - enrollments of another server are brought over, and their devices come by themselves
 */
#include "mdm/migrate.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "mdm/checkin.h"
#include "mdm/foreign.h"
#include "mdm/party.h"
#include "mdm/promote.h"
#include "mdm/refresh.h"
#include "pki/cert.h"
#include "store/meta.h"
#include "store/origin.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- the window ---- */

bool
migrate_open(const struct mdm *m)
{
	return m->migration_until > mdm_now(m);
}

static void
close_window(struct mdm *m, const char *why)
{
	struct roster_counts n;

	if (!m->migration_until)
		return;
	m->migration_until = 0;
	roster_counts(m->roster, &n);
	log_event(EV_MIGRATION_CLOSED, FIELDS(F_ACTOR("cordond"), F_REASON(why)),
		"The window for the certificates of imported devices is closed: %s; %zu of %zu "
		"have not come",
		why, n.awaited, n.imported);
}

void
migrate_configure(struct mdm *m, const struct conf *before)
{
	int64_t wanted = m->conf->migration;
	char until[32];

	if (before && before->migration == wanted)
		return;
	if (wanted == 0) {
		close_window(m, "the configuration says so");
		return;
	}
	m->migration_until = mdm_now(m) + wanted;
	log_event(EV_MIGRATION_OPENED,
		FIELDS(F_ACTOR("cordond"), F_REASON("the configuration says so")),
		"The window `migration` is open until %s: imported devices may bind the "
		"certificates that they have",
		clock_iso(m->migration_until, until, sizeof(until)));
}

void
migrate_tick(struct mdm *m)
{
	if (m->migration_until && !migrate_open(m))
		close_window(m, "its time is over");
}

/* ---- what comes from the other server ---- */

struct taking {
	struct mdm *m;
	const struct message *msg;
	const char *origin, *actor;
	struct enrollment *e;	   /* the message's own; NULL: none yet */
	struct enrollment *device; /* of a user channel */
	unsigned char hash[SHA256_LEN];
	struct buf *why;
};

static int
refuse(struct taking *t, int rc, const char *sentence)
{
	buf_printf(t->why, "%s of %s: %s", message_kind_name(t->msg->kind), t->msg->id, sentence);
	return rc;
}

/* Its place in enrollment.imported, or -1. */
static int
kind_of(const struct message *msg)
{
	switch (msg->kind) {
	case MESSAGE_AUTHENTICATE:
		return 0;
	case MESSAGE_TOKEN_UPDATE:
		return 1;
	case MESSAGE_SET_BOOTSTRAP_TOKEN:
		return 2;
	default:
		return -1;
	}
}

static int
check_topic(struct taking *t)
{
	const struct certpair *push;

	if (t->msg->kind == MESSAGE_SET_BOOTSTRAP_TOKEN || mdm_topic_ours(t->m, t->msg->topic))
		return 0;
	push = mdm_push_pair(t->m);
	buf_printf(t->why,
		"%s of %s: its topic is %s, and this server's is %s: a device can never change its "
		"topic, so the push certificate of the earlier server must be here",
		message_kind_name(t->msg->kind), t->msg->id, t->msg->topic,
		push ? push->topic : "none, for want of a push certificate");
	return -EINVAL;
}

static int
load(struct mdm *m, const char *id, struct enrollment **ret)
{
	int rc = enrollment_load(m->store, id, ret);

	return rc == -ENOENT ? 0 : rc;
}

static bool
is_repeat(const struct taking *t)
{
	return t->e && t->e->imported_at &&
	       memcmp(t->e->imported[kind_of(t->msg)], t->hash, SHA256_LEN) == 0;
}

/* What an import must not overwrite. */
static int
check_present(struct taking *t)
{
	const struct enrollment *e = t->e, *d = t->device ? t->device : t->e;
	bool user = channel_is_user(t->msg->channel);

	if (user && !t->device)
		return refuse(t, -EINVAL, "its device is not here: import the device first");
	if (d && !d->imported_at)
		return refuse(t, -EEXIST,
			"it is enrolled here by a profile of this server, and is not overwritten; "
			"cordonctl forget it first if that is meant");
	if (e && e->channel != t->msg->channel)
		return refuse(t, -EEXIST, "this id is here as a channel of another kind");
	if (d && d->state == STATE_REMOVED)
		return refuse(t, -EEXIST,
			"it was removed after its import; cordonctl forget it first if it shall "
			"come back");
	if (d && d->current.set && e)
		return refuse(t, -EEXIST,
			"the device has come already with its certificate, and what it said since "
			"is newer: nothing is overwritten");
	return 0;
}

static int
check(struct taking *t)
{
	bool user = channel_is_user(t->msg->channel);

	if (kind_of(t->msg) < 0)
		return refuse(t, -EINVAL,
			"only Authenticate, TokenUpdate and SetBootstrapToken can be imported");
	if (user && t->msg->kind != MESSAGE_TOKEN_UPDATE)
		return refuse(t, -EINVAL, "of a user channel only TokenUpdate can be imported");
	return check_topic(t);
}

static struct enrollment *
begin(struct taking *t)
{
	struct enrollment *e = enrollment_new(t->msg->id, t->msg->channel);

	if (channel_is_user(t->msg->channel))
		e->parent = xstrdup(t->msg->device);
	e->state = STATE_PENDING;
	e->state_since = e->imported_at = mdm_now(t->m);
	snprintf(e->origin, sizeof(e->origin), "%s", t->origin);
	return e;
}

static void
make_enrolled(struct taking *t, struct enrollment *e)
{
	int64_t now = mdm_now(t->m);

	if (e->state == STATE_ENROLLED)
		return;
	e->state = STATE_ENROLLED;
	e->state_since = e->enrolled_at = e->first_enrolled_at = now;
	e->generation = 1;
	if (!channel_is_user(e->channel))
		promote_inherit_lock(t->m, e);
	log_event(EV_DEVICE_IMPORTED,
		FIELDS(F_ENROLLMENT(e->id), F_STATE(state_name(e->state)), F_TOPIC(t->msg->topic),
			F_SERIAL(e->facts.serial), F_ACTOR(t->actor)),
		"%s %s is imported from another server, by %s",
		channel_is_user(e->channel) ? "User channel" : "Device", e->id, t->actor);
}

static int
take_token(struct taking *t)
{
	struct enrollment *e = t->e;
	int rc = 0;

	make_enrolled(t, e);
	checkin_set_push(e, t->msg, mdm_now(t->m));
	e->awaiting_configuration = false; /* that was long ago */
	e->token_updates = 1;
	free(e->user_short);
	free(e->user_long);
	e->user_short = t->msg->user_short ? xstrdup(t->msg->user_short) : NULL;
	e->user_long = t->msg->user_long ? xstrdup(t->msg->user_long) : NULL;
	if (t->msg->unlock_token.len)
		rc = secret_put(t->m->store, e->id, e->generation, SECRET_UNLOCK_TOKEN,
			t->msg->unlock_token);
	return rc == 0 ? mdm_topic_accept(t->m, t->msg->topic) : rc;
}

static int
take_bootstrap(struct taking *t)
{
	struct enrollment *e = t->e;

	if (e->state != STATE_ENROLLED)
		return refuse(t, -EINVAL, "import its TokenUpdate first");
	if (t->msg->bootstrap_token.len == 0)
		return refuse(t, -EINVAL, "there is no BootstrapToken in it");
	return secret_put(
		t->m->store, e->id, e->generation, SECRET_BOOTSTRAP_TOKEN, t->msg->bootstrap_token);
}

static int
apply(struct taking *t)
{
	int rc = 0;

	if (!t->e)
		t->e = begin(t);
	if (*t->origin)
		snprintf(t->e->origin, sizeof(t->e->origin), "%s", t->origin);
	if (t->msg->kind == MESSAGE_AUTHENTICATE)
		device_facts_merge(&t->e->facts, &t->msg->facts);
	else if (t->msg->kind == MESSAGE_TOKEN_UPDATE)
		rc = take_token(t);
	else
		rc = take_bootstrap(t);
	if (rc < 0)
		return rc;
	memcpy(t->e->imported[kind_of(t->msg)], t->hash, SHA256_LEN);
	return enrollment_save(t->m->store, t->e);
}

int
migrate_take(struct mdm *m, const struct message *msg, const char *origin, const char *actor,
	bool *changed, struct buf *why)
{
	struct taking t = { .m = m, .msg = msg, .origin = origin, .actor = actor, .why = why };
	int rc = check(&t);

	*changed = false;
	digest_sha256(msg->body, t.hash);
	if (rc == 0)
		rc = load(m, msg->id, &t.e);
	if (rc == 0 && channel_is_user(msg->channel))
		rc = load(m, msg->device, &t.device);
	if (rc == 0 && !is_repeat(&t)) {
		rc = check_present(&t);
		if (rc == 0)
			rc = apply(&t);
		*changed = rc == 0;
	}
	if (rc < 0 && why->len == 0)
		refuse(&t, rc,
			rc == -ENOKEY ? "there is no store.key to seal its tokens with"
				      : "the store takes no changes now");
	enrollment_free(t.e);
	enrollment_free(t.device);
	return rc;
}

/* ---- the device comes ---- */

const char *
migrate_refusal(struct mdm *m, const struct enrollment *e, const struct speaker *who)
{
	const struct identity *i = who->identity;

	if (e->state == STATE_PENDING)
		return "Of this device an Authenticate was imported, and no TokenUpdate.";
	if (!migrate_open(m))
		return "This device is imported, and the window `migration` in which it may bind "
		       "its certificate is closed.";
	if (!who->foreign)
		return "This device is imported, and its certificate is not of the server that it "
		       "came from.";
	if (!foreign_any(m, e->origin))
		return "This device is imported, and no CA of its identities was named: cordonctl "
		       "import.";
	if (!foreign_of(m, e->origin, who->ca))
		return "This device is imported, and its certificate is of a CA that was not named "
		       "for it.";
	if (i && i->enrollment && strcmp(i->enrollment, e->id) != 0)
		return "This certificate belongs to another device.";
	if (who->revoked)
		return "This identity was revoked.";
	return NULL;
}

static int
load_origin(struct mdm *m, const struct enrollment *e, struct origin **ret)
{
	return e->origin[0] ? origin_load(m->store, e->origin, ret) : origin_current(m->store, ret);
}

/* The record that a renewal is made from, as if we had delivered the profile ourselves. */
static int
record_profile(struct mdm *m, struct enrollment *e)
{
	struct origin *o;
	struct delivery *d;
	int rc = load_origin(m, e, &o);

	if (rc < 0)
		return rc == -ENOENT ? 0 : rc;
	memcpy(e->origin, o->id, sizeof(e->origin));
	d = delivery_new();
	profile_facts_copy(&d->facts, &o->facts);
	random_bytes(d->challenge, sizeof(d->challenge)); /* nobody knows one for it */
	d->created = mdm_now(m);
	d->closed = true;
	d->enrollment = xstrdup(e->id);
	rc = delivery_save(m->store, d);
	if (rc == 0)
		memcpy(e->number, d->number, sizeof(e->number));
	delivery_free(d);
	origin_free(o);
	return rc;
}

/* The name in use is the one that devices know from now on. */
static int
record_name(struct mdm *m)
{
	char *recorded = NULL;
	int rc = meta_get_str(m->store, "server-name", &recorded);

	free(recorded);
	return rc == -ENOENT ? meta_put_str(m->store, "server-name", m->conf->server_name) : rc;
}

static void
tell_bound(const struct enrollment *e, const struct speaker *who)
{
	struct buf issuer = BUF_INIT, serial = BUF_INIT;

	cert_issuer(who->cert, &issuer);
	cert_serial(who->cert, &serial);
	log_event(EV_DEVICE_BOUND,
		FIELDS(F_ENROLLMENT(e->id), F_SERIAL(e->facts.serial), F_ACTOR("device"),
			F_REASON("the window migration is open")),
		"Imported device %s came with certificate %s of %s, which is its identity from now "
		"on",
		e->id, buf_str(&serial), buf_str(&issuer));
	buf_free(&issuer);
	buf_free(&serial);
}

int
migrate_bind(struct mdm *m, struct enrollment *e, const struct speaker *who)
{
	int rc = record_profile(m, e);

	if (rc == 0)
		rc = party_bind_first(m, e, who);
	if (rc == 0)
		rc = record_name(m);
	if (rc == 0)
		rc = refresh_after_enrollment(m, e);
	if (rc == 0)
		tell_bound(e, who);
	return rc;
}
