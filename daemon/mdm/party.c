/* party.c - on whose behalf a message speaks, and what a known device is refused for */
#include "mdm/party.h"

#include "base/log.h"
#include "base/mem.h"
#include "mdm/adopt.h"
#include "mdm/command_end.h"
#include "mdm/migrate.h"
#include "mdm/renewal.h"
#include "mdm/silence.h"
#include "pki/cert.h"
#include "policy/lapse.h"
#include "policy/states.h"
#include "store/queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BACKDATED 600	 /* seconds by which ca_issue_identity sets notBefore back */
#define REFUSAL_QUIET 60 /* seconds in which a device's further refusals are not written down */

static bool
is_bound(const struct identity_ref *ref, const unsigned char cert[SHA256_LEN])
{
	return ref->set && memcmp(ref->cert, cert, SHA256_LEN) == 0;
}

/* When the bound identity was issued; 0: its record is lost too. */
static int64_t
issued_at(struct mdm *m, const struct identity_ref *ref)
{
	struct identity *i;
	int64_t at;

	if (!ref->set || identity_load(m->store, ref->cert, &i) < 0)
		return 0;
	at = i->issued_at;
	identity_free(i);
	return at;
}

/*
 * Records are lost (DESIGN "Issuance records"): a certificate of ours with the enrollment's number
 * that is newer than the bound one.  Where the bound one's record is lost too, the later end of
 * life tells.
 */
static bool
is_later(struct mdm *m, const struct enrollment *e, const struct speaker *who)
{
	int64_t bound = issued_at(m, &e->current);

	if (who->identity || who->foreign || !e->number[0] || strcmp(who->number, e->number) != 0)
		return false;
	return bound ? who->not_before + BACKDATED > bound : who->not_after > e->current.not_after;
}

/* A renewal made before the device was enrolled anew belongs to the enrollment that was replaced.
 */
static bool
is_renewal(const struct enrollment *e, const struct speaker *who)
{
	const struct identity *i = who->identity;

	return i && i->renewal_of && strcmp(i->renewal_of, e->id) == 0 &&
	       i->issued_at >= e->enrolled_at;
}

static enum binding
bind_to(struct mdm *m, const struct party *p, const struct message *msg, const struct speaker *who)
{
	const struct enrollment *e = p->device;

	if (e && is_bound(&e->current, who->sha256))
		return BINDING_CURRENT;
	if (e && is_bound(&e->previous, who->sha256))
		return BINDING_PREVIOUS;
	if (e && e->has_replaced && memcmp(e->replaced, who->sha256, SHA256_LEN) == 0)
		return BINDING_REPLACED;
	if (p->candidate && memcmp(p->candidate->cert, who->sha256, SHA256_LEN) == 0)
		return BINDING_CANDIDATE;
	if (e && is_renewal(e, who))
		return BINDING_RENEWAL;
	if (e && is_later(m, e, who))
		return BINDING_LATER;
	if (e && enrollment_awaited(e) && !migrate_refusal(m, e, who))
		return BINDING_IMPORT;
	return adopt_may(m, e, msg, who) ? BINDING_ADOPT : BINDING_NONE;
}

static int
load(struct store *s, const char *id, struct enrollment **ret)
{
	int rc = enrollment_load(s, id, ret);

	return rc == -ENOENT ? 0 : rc;
}

int
party_load(struct mdm *m, const struct message *msg, const struct speaker *who, struct party *ret)
{
	int rc;

	memset(ret, 0, sizeof(*ret));
	if (load(m->store, msg->device, &ret->device) < 0)
		goto err;
	if (channel_is_user(msg->channel) && load(m->store, msg->id, &ret->user) < 0)
		goto err;
	rc = candidate_load(m->store, msg->device, &ret->candidate);
	if (rc < 0 && rc != -ENOENT)
		goto err;
	if (ret->candidate && lapse_due(ret->candidate->since, CANDIDATE_LIFETIME, mdm_now(m))) {
		candidate_free(ret->candidate);
		ret->candidate = NULL;
	}
	ret->binding = bind_to(m, ret, msg, who);
	return 0;

err:
	party_heard(m, msg->device, who);
	party_free(ret);
	return -EIO;
}

void
party_heard(struct mdm *m, const char *device, const struct speaker *who)
{
	const struct identity *i = who->identity;

	if (!i || i->status != IDENTITY_ACTIVE || !i->enrollment || who->revoked)
		return;
	if (!device || strcmp(i->enrollment, device) == 0)
		silence_seen(m, i->enrollment);
}

void
party_free(struct party *p)
{
	enrollment_free(p->device);
	enrollment_free(p->user);
	candidate_free(p->candidate);
	memset(p, 0, sizeof(*p));
}

int
party_save(struct mdm *m, struct party *p)
{
	if (!p->dirty || !p->device)
		return 0;
	p->dirty = false;
	return enrollment_save(m->store, p->device);
}

static void
log_refusal(struct mdm *m, const char *id, const char *serial, const char *why)
{
	unsigned swallowed = 0;

	if (!mdm_may_say(&m->chatter, &swallowed))
		return;
	log_event(EV_DEVICE_REFUSED, FIELDS(F_ENROLLMENT(id), F_SERIAL(serial), F_REASON(why)),
		"Refused a message of device %s: %s%s", id, why,
		swallowed ? " (there were more like it)" : "");
}

/* The record is written at most once a minute, so that knocking costs no disk. */
static void
note_refusal(struct mdm *m, struct enrollment *e, const char *why)
{
	int64_t now = mdm_now(m);

	if (e->refused > 0 && now >= e->refused_at && now - e->refused_at < REFUSAL_QUIET)
		return;
	e->refused++;
	e->refused_at = now;
	free(e->refused_why);
	e->refused_why = xstrdup(why);
	if (enrollment_save(m->store, e) < 0)
		log_debug("the refusal of %s is not noted: the store takes no changes", e->id);
	log_refusal(m, e->id, e->facts.serial, why);
}

void
party_refuse(struct mdm *m, struct party *p, const struct message *msg, const char *why,
	struct reply *out)
{
	m->numbers.refused++;
	reply_text(out, 400, why);
	out->refused = true;
	if (p->device)
		note_refusal(m, p->device, why);
	else
		log_debug("refused %s of %s: %s", message_kind_name(msg->kind), msg->id, why);
}

void
party_refuse_id(struct mdm *m, const char *id, const char *why, struct reply *out)
{
	struct enrollment *e = NULL;

	m->numbers.refused++;
	reply_text(out, 400, why);
	out->refused = true;
	if (!id || !roster_find(m->roster, id) || enrollment_load(m->store, id, &e) < 0)
		return;
	note_refusal(m, e, why);
	enrollment_free(e);
}

int
party_revoke(struct mdm *m, const unsigned char cert[SHA256_LEN])
{
	struct identity *i;
	int rc = identity_load(m->store, cert, &i);

	if (rc == -ENOENT)
		return 0;
	if (rc < 0)
		return rc;
	if (i->status != IDENTITY_REVOKED) {
		i->status = IDENTITY_REVOKED;
		i->revoked_at = mdm_now(m);
		rc = identity_save(m->store, i);
	}
	identity_free(i);
	return rc;
}

/* A record for a certificate whose record was lost: what the certificate itself says. */
static int
restore_identity(const struct speaker *who, struct identity **ret)
{
	struct identity *i = identity_new();
	const ASN1_INTEGER *serial = X509_get0_serialNumber(who->cert);

	memcpy(i->cert, who->sha256, SHA256_LEN);
	memcpy(i->number, who->number, sizeof(i->number));
	i->issued_at = who->not_before;
	i->not_after = who->not_after;
	buf_add(&i->serial, ASN1_STRING_get0_data(serial), (size_t)ASN1_STRING_length(serial));
	memcpy(i->ca, who->ca, SHA256_LEN);
	if (cert_to_der(who->cert, &i->der) < 0 || cert_spki_sha256(who->cert, i->spki) < 0) {
		identity_free(i);
		return -EIO;
	}
	*ret = i;
	return 0;
}

static int
activate(struct mdm *m, const struct speaker *who, const struct enrollment *e)
{
	struct identity *i = NULL;
	int rc = identity_load(m->store, who->sha256, &i);

	if (rc == -ENOENT)
		rc = restore_identity(who, &i);
	if (rc < 0)
		return rc;
	i->status = IDENTITY_ACTIVE;
	free(i->enrollment);
	i->enrollment = xstrdup(e->id);
	if (!i->number[0]) /* it is not of our CA, which writes one into each */
		memcpy(i->number, e->number, sizeof(i->number));
	rc = identity_save(m->store, i);
	identity_free(i);
	return rc;
}

static void
make_current(struct mdm *m, struct enrollment *e, const struct speaker *who)
{
	memcpy(e->current.cert, who->sha256, SHA256_LEN);
	e->current.set = true;
	e->current.not_after = who->not_after;
	e->current.since = mdm_now(m);
}

int
party_bind_first(struct mdm *m, struct enrollment *e, const struct speaker *who)
{
	int rc = activate(m, who, e);

	make_current(m, e, who);
	return rc;
}

static int
note_superseded(struct mdm *m, const unsigned char cert[SHA256_LEN])
{
	struct identity *i;
	int rc = identity_load(m->store, cert, &i);

	if (rc < 0)
		return rc == -ENOENT ? 0 : rc;
	i->superseded_at = mdm_now(m);
	rc = identity_save(m->store, i);
	identity_free(i);
	return rc;
}

int
party_bind_renewal(struct mdm *m, struct enrollment *e, const struct speaker *who)
{
	int rc = activate(m, who, e);

	if (rc < 0 || is_bound(&e->current, who->sha256))
		return rc;
	if (e->previous.set && !is_bound(&e->previous, who->sha256))
		rc = party_revoke(m, e->previous.cert);
	if (rc == 0 && e->current.set)
		rc = note_superseded(m, e->current.cert);
	e->previous = e->current;
	make_current(m, e, who);
	renewal_succeeded(m, e);
	log_event(EV_DEVICE_RENEWED, FIELDS(F_ENROLLMENT(e->id), F_SERIAL(e->facts.serial)),
		"Device %s has a renewed identity", e->id);
	return rc;
}

/* Two devices claim one id: nobody but a person can tell which is the right one. */
static void
raise_conflict(struct mdm *m, struct party *p, const struct message *msg, struct reply *out)
{
	struct enrollment *e = p->device;

	if (!e->locked) {
		e->locked = true;
		e->lock_cause = LOCK_CONFLICT;
		e->locked_since = mdm_now(m);
		free(e->locked_by);
		e->locked_by = NULL;
		log_event(EV_DEVICE_CONFLICT,
			FIELDS(F_ENROLLMENT(e->id), F_SERIAL(e->facts.serial)),
			"Two devices claim to be %s: an identity that was replaced when it "
			"enrolled "
			"again has spoken. Its access is locked; find out which device is the "
			"right one, then unlock it",
			e->id);
		log_event(EV_DEVICE_LOCKED,
			FIELDS(F_ENROLLMENT(e->id), F_SERIAL(e->facts.serial),
				F_REASON(lock_cause_name(LOCK_CONFLICT))),
			"Locked access of device %s: two devices claim its id", e->id);
		p->dirty = true;
	}
	party_refuse(m, p, msg, "This identity was replaced when the device enrolled again.", out);
	if (party_save(m, p) < 0)
		reply_busy(out);
}

static bool
refuse(struct mdm *m, struct party *p, const struct message *msg, const char *why,
	struct reply *out)
{
	party_refuse(m, p, msg, why, out);
	return false;
}

static void
come_back(struct mdm *m, struct party *p, const struct state_outcome *o)
{
	struct enrollment *e = p->device;

	e->state = o->next;
	e->removal = o->removal;
	e->state_since = mdm_now(m);
	p->dirty = true;
	log_event(EV_DEVICE_BACK,
		FIELDS(F_ENROLLMENT(e->id), F_STATE(state_name(e->state)),
			F_SERIAL(e->facts.serial), F_ACTOR("device"), F_REASON("answered")),
		"Device %s answered again%s", e->id,
		e->locked ? "; its access is still locked" : "");
}

/* It answered: whatever it was asked before is no silence any more. */
static void
note_seen(struct mdm *m, struct party *p, const struct message *msg)
{
	silence_seen(m, p->device->id);
	if (strcmp(msg->id, msg->device) != 0)
		silence_seen(m, msg->id);
	if (silence_reset(p->device))
		p->dirty = true;
}

/* Why this certificate does not speak for it, for people too. */
static const char *
stranger_words(struct mdm *m, const struct enrollment *e, const struct speaker *who)
{
	const char *why = e && enrollment_awaited(e) ? migrate_refusal(m, e, who) : NULL;

	if (why)
		return why;
	if (who->foreign)
		return "Identities of the earlier server speak for imported enrollments only.";
	return e ? "This certificate is not the one of this enrollment."
		 : "No such device is enrolled here.";
}

/* The certificate becomes one of the enrollment's by this message. */
static bool
bind_now(struct mdm *m, struct party *p, const struct speaker *who, struct reply *out)
{
	int rc = p->binding == BINDING_IMPORT ? migrate_bind(m, p->device, who)
					      : party_bind_renewal(m, p->device, who);

	p->dirty = true;
	if (rc < 0)
		reply_busy(out);
	return rc == 0;
}

bool
party_accept(struct mdm *m, struct party *p, const struct message *msg, const struct speaker *who,
	struct reply *out)
{
	bool bind = p->binding == BINDING_RENEWAL || p->binding == BINDING_LATER ||
		    p->binding == BINDING_IMPORT;
	struct enrollment *e;
	struct state_outcome o;

	if (p->binding == BINDING_REPLACED) {
		raise_conflict(m, p, msg, out);
		return false;
	}
	if (p->binding == BINDING_ADOPT && adopt_take(m, p, msg, who) < 0) {
		reply_busy(out);
		return false;
	}
	e = p->device;
	if (!e || p->binding == BINDING_NONE || p->binding == BINDING_CANDIDATE)
		return refuse(m, p, msg, stranger_words(m, e, who), out);
	if (channel_is_user(e->channel))
		return refuse(m, p, msg, "This id belongs to a user channel.", out);
	o = state_decide(
		e->state, e->removal, p->binding == BINDING_RENEWAL ? ON_RENEWAL : ON_MESSAGE);
	if (o.action == ACT_REFUSE)
		return refuse(m, p, msg, "This device is not enrolled any more.", out);
	if (who->revoked)
		return refuse(m, p, msg, "This identity was revoked.", out);
	note_seen(m, p, msg);
	if (o.next != e->state)
		come_back(m, p, &o);
	return !bind || bind_now(m, p, who, out);
}

struct forgetting {
	char **ids;
	size_t count;
};

static int
collect(void *arg, const char *id)
{
	struct forgetting *f = arg;

	f->ids = xrealloc(f->ids, (f->count + 1) * sizeof(*f->ids));
	f->ids[f->count++] = xstrdup(id);
	return 0;
}

int
party_drop_users(struct mdm *m, const char *device)
{
	struct forgetting f = { NULL, 0 };
	int rc = enrollment_users(m->store, device, collect, &f);
	size_t i;

	for (i = 0; i < f.count; i++) {
		if (rc == 0)
			rc = queue_clear(m->store, f.ids[i], NULL);
		if (rc == 0)
			rc = enrollment_forget(m->store, f.ids[i]);
		free(f.ids[i]);
	}
	free(f.ids);
	return rc;
}

static int
revoke_all(struct mdm *m, const struct enrollment *e)
{
	int rc = 0;

	if (e->current.set)
		rc = party_revoke(m, e->current.cert);
	if (rc == 0 && e->previous.set)
		rc = party_revoke(m, e->previous.cert);
	return rc;
}

/* Whose doing it is, where no person's. */
static const char *
remover(enum removal cause, const char *actor)
{
	if (actor)
		return actor;
	return cause == REMOVAL_PUSH ? "Apple" : "device";
}

int
party_remove(struct mdm *m, struct enrollment *e, enum removal cause, const char *actor)
{
	const struct command_verdict ended = { .how = END_CANCELLED,
		.generation = e->generation,
		.actor = actor,
		.why = "the enrollment ended" };
	int rc = 0;

	/* A device enrolled by hand whose renewal failed may fall out of management. */
	if (e->renewal_offered && (cause == REMOVAL_CHECKOUT || cause == REMOVAL_PUSH))
		renewal_failed(m, e, "the device left while it was under way");
	e->state = STATE_REMOVED;
	e->removal = cause;
	e->state_since = mdm_now(m);
	log_event(EV_DEVICE_REMOVED,
		FIELDS(F_ENROLLMENT(e->id), F_STATE(state_name(e->state)),
			F_REASON(removal_name(cause)), F_ACTOR(remover(cause, actor)),
			F_SERIAL(e->facts.serial)),
		"Device %s is removed (%s)", e->id, removal_name(cause));
	if (cause != REMOVAL_PUSH) {
		buf_wipe(&e->token);
		mem_wipe_str(e->magic);
		e->magic = NULL;
		rc = revoke_all(m, e);
		if (rc == 0)
			rc = command_end_all(m, e->id, &ended, NULL);
		if (rc == 0)
			rc = party_drop_users(m, e->id);
	}
	return rc < 0 ? rc : enrollment_save(m->store, e);
}

int
party_set_lock(struct mdm *m, struct enrollment *e, bool lock, const char *actor)
{
	int rc;

	if (e->locked == lock)
		return 0;
	e->locked = lock;
	e->lock_cause = lock ? LOCK_ADMIN : LOCK_NONE;
	e->locked_since = lock ? mdm_now(m) : 0;
	free(e->locked_by);
	e->locked_by = lock ? xstrdup(actor) : NULL;
	rc = enrollment_save(m->store, e);
	if (rc == 0)
		log_event(lock ? EV_DEVICE_LOCKED : EV_DEVICE_UNLOCKED,
			FIELDS(F_ENROLLMENT(e->id), F_SERIAL(e->facts.serial), F_ACTOR(actor)),
			"%s (%s): access %s by %s", e->id,
			e->facts.serial ? e->facts.serial : "no serial",
			lock ? "locked" : "unlocked", actor);
	return rc;
}
