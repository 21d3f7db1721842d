/* renewal.c - new identities for enrolled devices: begun in time, paced, halted when they fail */
#include "mdm/renewal.h"

#include "base/encode.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/proplist.h"
#include "base/table.h"
#include "mdm/enroll.h"
#include "mdm/profile.h"
#include "mdm/profile_keep.h"
#include "mdm/push.h"
#include "pki/cms.h"
#include "policy/renewal.h"
#include "store/meta.h"
#include "store/origin.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_AGAIN 3600	    /* seconds until a device that waits for something is looked at again */
#define ANSWER_TIME 86400   /* seconds from the hand-out to the TokenUpdate, then it failed */
#define OFFERS_MAX 5u	    /* hand-outs without any answer, then it failed */
#define BY_DAEMON "cordond" /* actor */

/* ---- what is kept ---- */

static int64_t
kept(const struct mdm *m, const char *name)
{
	int64_t value = 0;

	if (meta_get_int(m->store, name, &value) < 0)
		return 0;
	return value;
}

static void
keep(struct mdm *m, const char *name, int64_t value)
{
	if (meta_put_int(m->store, name, value) < 0)
		log_debug("%s is not noted: the store takes no changes", name);
}

int64_t
renewal_halted(const struct mdm *m)
{
	return kept(m, "renewal-halted");
}

void
renewal_halt(struct mdm *m, const char *why)
{
	if (renewal_halted(m))
		return;
	keep(m, "renewal-halted", mdm_now(m));
	log_event(EV_RENEWAL_HALTED, FIELDS(F_REASON(why)),
		"Renewals of device identities are halted: %s. See why (journalctl "
		"CORDON_LOG=surveillance), try one by cordonctl renew ID, then say cordonctl renew "
		"--resume",
		why);
}

int
renewal_resume(struct mdm *m, const char *actor)
{
	int rc = meta_put_int(m->store, "renewal-halted", 0);

	if (rc == 0)
		rc = meta_put_int(m->store, "renewal-record", 0);
	if (rc < 0)
		return rc;
	table_free(m->renewal_looks);
	m->renewal_looks = NULL;
	log_event(EV_RENEWAL_RESUMED, FIELDS(F_ACTOR(actor)),
		"Renewals of device identities go on, by %s", actor);
	return 0;
}

static void
note_outcome(struct mdm *m, bool failed)
{
	struct renewal_record r = { (uint32_t)kept(m, "renewal-record") };

	renewal_record_add(&r, failed);
	keep(m, "renewal-record", r.failed);
	if (failed && renewal_record_halts(&r))
		renewal_halt(m, "3 of the last 20 failed");
}

static bool
within_pace(struct mdm *m, int64_t now)
{
	struct renewal_pace p = { kept(m, "renewal-day"), kept(m, "renewal-begun") };

	if (!renewal_pace_take(&p, now, mdm_devices(m)))
		return false;
	keep(m, "renewal-day", p.day);
	keep(m, "renewal-begun", p.begun);
	return true;
}

/* ---- the facts ---- */

static const struct certpair *
signer_of(const struct mdm *m, const struct profile_facts *f)
{
	const struct certdir *d = m->certs;
	size_t i;

	if (d->ssc.chain && memcmp(d->ssc.sha256, f->signer, SHA256_LEN) == 0)
		return &d->ssc;
	for (i = 0; i < d->ssc_old_count; i++)
		if (memcmp(d->ssc_old[i].sha256, f->signer, SHA256_LEN) == 0)
			return &d->ssc_old[i];
	return NULL;
}

/*
 * Who signs the renewal of another server's profile: nobody (NULL) where nobody signed that.  As it
 * is said today, not when the device came: a person may have decided.
 */
static int
origin_signer(const struct mdm *m, const struct profile_facts *f, const struct certpair **signer)
{
	static const unsigned char nobody[SHA256_LEN];
	struct origin *o;
	int rc = origin_load(m->store, f->origin, &o);

	if (rc < 0)
		return rc == -ENOENT ? -ENODATA : rc;
	*signer = signer_of(m, &o->facts);
	if (o->profile.len == 0)
		rc = -ENODATA;
	else if (memcmp(o->facts.signer, nobody, SHA256_LEN) != 0 && !(*signer && (*signer)->key))
		rc = -ENOKEY;
	origin_free(o);
	return rc;
}

/*
 * What was recorded with the enrollment, and who signed its profile.  0; -ENODATA nothing is
 * recorded; -ENOKEY the signer is not there any more: Apple lets no other take its place.
 */
static int
facts_of(const struct mdm *m, const struct enrollment *e, struct profile_facts *f,
	const struct certpair **signer)
{
	struct delivery *d;
	int rc = delivery_load(m->store, e->number, &d);

	if (rc < 0)
		return rc == -ENOENT ? -ENODATA : rc;
	*signer = signer_of(m, &d->facts);
	if (!d->facts.identifier || !d->facts.topic || !d->facts.server_name)
		rc = -ENODATA;
	else if (d->facts.origin)
		rc = origin_signer(m, &d->facts, signer);
	else if (!*signer || !(*signer)->key)
		rc = -ENOKEY;
	if (rc == 0)
		profile_facts_copy(f, &d->facts);
	delivery_free(d);
	return rc;
}

const char *
renewal_fault_words(int fault)
{
	switch (fault) {
	case -ENOENT:
		return "there is no such enrollment";
	case -ESTALE:
		return "it is not enrolled";
	case -EALREADY:
		return "its renewal waits already";
	case -ENODATA:
		return "nothing is recorded of its enrollment profile; it must enroll again";
	case -ENOKEY:
		return "who signed its enrollment profile cannot sign here; it must enroll again";
	case -EROFS:
		return "the store takes no changes now";
	default:
		return "the store cannot do it";
	}
}

/* ---- beginning ---- */

static struct queue_entry *
find_entry(struct queue *q)
{
	size_t i;

	for (i = 0; i < q->count; i++)
		if (q->entries[i].renewal)
			return &q->entries[i];
	return NULL;
}

static void
add_entry(struct mdm *m, struct queue *q, const struct profile_facts *f, const char *actor)
{
	char uuid[UUID_LEN + 1];
	struct queue_entry entry = { .type = xstrdup("InstallProfile"),
		.family = FAMILY_PROFILES,
		.by_person = actor != NULL,
		.renewal = true,
		.subject = xstrdup(f->identifier),
		.actor = xstrdup(actor ? actor : BY_DAEMON),
		.queued_at = mdm_now(m) };

	uuid_new(uuid);
	entry.uuid = xstrdup(uuid);
	queue_add(q, &entry);
}

/* Changes both; saves neither. */
static int
begin(struct mdm *m, struct enrollment *e, struct queue *q, const char *actor)
{
	const struct certpair *signer;
	struct profile_facts f = { 0 };
	int rc = facts_of(m, e, &f, &signer);

	if (rc < 0)
		return rc;
	if (!find_entry(q))
		add_entry(m, q, &f, actor);
	e->renewal_begun = mdm_now(m);
	e->renewal_offered = 0;
	e->renewal_offers = 0;
	profile_facts_free(&f);
	return 0;
}

static int
begin_and_save(struct mdm *m, struct enrollment *e, const char *actor)
{
	struct queue *q;
	int rc = queue_load(m->store, e->id, &q);

	if (rc < 0)
		return rc;
	rc = begin(m, e, q, actor);
	if (rc == 0)
		rc = queue_save(m->store, q);
	if (rc == 0)
		rc = enrollment_save(m->store, e);
	queue_free(q);
	if (rc == 0)
		pusher_ask_after_commit(m, e->id, actor == NULL);
	return rc;
}

static bool
waits(struct mdm *m, const char *id)
{
	struct queue *q;
	bool there;

	if (queue_load(m->store, id, &q) < 0)
		return true; /* cannot be told now */
	there = find_entry(q) != NULL;
	queue_free(q);
	return there;
}

int
renewal_ask(struct mdm *m, const char *id, const char *actor)
{
	struct enrollment *e;
	int rc = enrollment_load(m->store, id, &e);

	if (rc < 0)
		return rc;
	if (channel_is_user(e->channel) ||
		(e->state != STATE_ENROLLED && e->state != STATE_INACTIVE))
		rc = -ESTALE;
	else if (e->renewal_begun && waits(m, id))
		rc = -EALREADY;
	else
		rc = begin_and_save(m, e, actor);
	if (rc == 0)
		log_event(EV_COMMAND_QUEUED, FIELDS(F_ENROLLMENT(id), F_ACTOR(actor)),
			"The renewal of the identity of %s is queued, by %s", id, actor);
	enrollment_free(e);
	return rc;
}

bool
renewal_rescue(struct mdm *m, struct enrollment *e, struct queue *q)
{
	if (find_entry(q))
		return false;
	return begin(m, e, q, NULL) == 0;
}

/* ---- looking ---- */

static void
give_up_silent(struct mdm *m, struct enrollment *e, int64_t now)
{
	if (e->renewal_offered && now - e->renewal_offered > ANSWER_TIME)
		renewal_failed(m, e, "no TokenUpdate came within a day");
	else if (!waits(m, e->id)) /* somebody took it out of the queue */
		e->renewal_begun = 0;
	else
		return;
	if (!e->renewal_failed_at || now - e->renewal_failed_at > LOOK_AGAIN)
		e->renewal_failed_at = now;
	if (enrollment_save(m->store, e) < 0)
		log_debug("the renewal of %s is not noted: the store takes no changes", e->id);
}

/* When it is to be looked at again. */
static int64_t
look(struct mdm *m, struct enrollment *e, int64_t now)
{
	const struct conf *c = m->conf;
	int64_t again =
		e->renewal_failed_at + renewal_retry(e->renewal_failures ? e->renewal_failures : 1);
	int rc;

	if (e->renewal_begun) {
		give_up_silent(m, e, now);
		return now + LOOK_AGAIN;
	}
	if (e->renewal_failed_at && again > now)
		return again;
	if (!renewal_worthwhile(
		    now, e->current.not_after, c->identity.lifetime, m->certs->ssc.not_after))
		return now + ANSWER_TIME;
	if (renewal_halted(m) || !m->certs->ssc.key || !within_pace(m, now))
		return now + LOOK_AGAIN;
	rc = begin_and_save(m, e, NULL);
	if (rc < 0)
		log_warn("the identity of device %s cannot be renewed: %s", e->id,
			renewal_fault_words(rc));
	return rc < 0 ? now + ANSWER_TIME : now + LOOK_AGAIN;
}

static void
note_look(struct mdm *m, const char *id, int64_t when)
{
	int64_t *value = xmalloc(sizeof(*value));

	*value = when;
	if (!m->renewal_looks)
		m->renewal_looks = table_new(free);
	table_put(m->renewal_looks, bytes_str(id), value);
}

void
renewal_visit(struct mdm *m, const struct roster_line *line, uint64_t spread, int64_t now)
{
	const int64_t *next;
	struct enrollment *e;
	char *id;

	if (!line->identity_not_after || now < renewal_due_at(line->identity_not_after,
						       m->conf->identity.renew_before, spread))
		return;
	next = m->renewal_looks ? table_get(m->renewal_looks, bytes_str(line->id)) : NULL;
	if ((next && now < *next) || enrollment_load(m->store, line->id, &e) < 0)
		return;
	id = xstrdup(line->id);
	note_look(m, id, look(m, e, now));
	enrollment_free(e);
	free(id);
}

/* ---- handing out ---- */

/* Rights can be dropped and not added; a mask that leaves nothing sensible is not applied. */
static void
limit_rights(struct profile_facts *f, int64_t configured)
{
	int64_t both = f->access_rights & configured;

	if (both == 0 || !(both & 1) || !(both & 2))
		return;
	if ((both & 128) && !(both & 64))
		both &= ~INT64_C(128);
	f->access_rights = both;
}

static int
build(struct mdm *m, const struct profile *p, struct buf *out)
{
	struct origin *o;
	int rc;

	if (!p->facts->origin)
		return profile_build(p, out);
	rc = origin_load(m->store, p->facts->origin, &o);
	if (rc < 0)
		return rc;
	rc = profile_keep_build(p, buf_bytes(&o->profile), out);
	origin_free(o);
	return rc;
}

static int
sign_profile(struct mdm *m, const struct delivery *d, const struct certpair *signer,
	const char *challenge, struct buf *out)
{
	struct profile p = { .facts = &d->facts,
		.organization = m->conf->organization,
		.name = signer ? signer->name : m->certs->ssc.name,
		.description = m->conf->enrollment.description,
		.number = d->number,
		.challenge = challenge,
		.tls_root = m->certs->tls_root };
	struct buf xml = BUF_INIT;
	int rc = build(m, &p, &xml);

	if (rc == 0 && !signer)
		buf_add_bytes(out, buf_bytes(&xml));
	else if (rc == 0)
		rc = cms_sign(certpair_leaf(signer), signer->key, NULL, buf_bytes(&xml), out);
	buf_wipe(&xml);
	return rc;
}

static void
command_plist(const char *uuid, struct bytes profile, struct buf *out)
{
	plist_t top = plist_new_dict(), command = plist_new_dict();

	plist_dict_set_item(command, "RequestType", plist_new_string("InstallProfile"));
	plist_dict_set_item(
		command, "Payload", plist_new_data((const char *)profile.data, profile.len));
	plist_dict_set_item(top, "Command", command);
	plist_dict_set_item(top, "CommandUUID", plist_new_string(uuid));
	proplist_to_xml(top, out);
	plist_free(top);
}

static int
make_profile(struct mdm *m, struct enrollment *e, const char *uuid, struct buf *out)
{
	const struct certpair *signer = NULL;
	struct buf challenge = BUF_INIT, profile = BUF_INIT;
	struct delivery *d = delivery_new();
	int rc = facts_of(m, e, &d->facts, &signer);

	if (rc == 0) {
		d->created = mdm_now(m);
		d->renewal_of = xstrdup(e->id);
		limit_rights(&d->facts, m->conf->enrollment.access_rights);
		enroll_challenge(d, &challenge);
		rc = sign_profile(m, d, signer, buf_str(&challenge), &profile);
	}
	if (rc == 0)
		rc = delivery_save(m->store, d);
	if (rc == 0)
		command_plist(uuid, buf_bytes(&profile), out);
	buf_wipe(&challenge);
	buf_wipe(&profile);
	delivery_free(d);
	return rc;
}

int
renewal_body(struct mdm *m, struct enrollment *e, const struct queue_entry *entry, struct buf *out)
{
	int rc;

	if (!e->renewal_begun)
		return -ESTALE;
	if (renewal_halted(m) && !entry->by_person) {
		e->renewal_begun = 0;
		return -ESTALE;
	}
	if (e->renewal_offers >= OFFERS_MAX) {
		renewal_failed(m, e, "it was handed out again and again, and never answered");
		return -ESTALE;
	}
	rc = make_profile(m, e, entry->uuid, out);
	if (rc == -ENODATA || rc == -ENOKEY || rc == -EINVAL) {
		log_warn("the identity of device %s cannot be renewed: %s", e->id,
			renewal_fault_words(rc));
		e->renewal_begun = 0;
		return -ESTALE;
	}
	if (rc < 0)
		return rc;
	e->renewal_offered = mdm_now(m);
	e->renewal_offers++;
	return 0;
}

/* ---- how it ended ---- */

void
renewal_put_off(struct enrollment *e)
{
	e->renewal_offered = 0;
	e->renewal_offers = 0;
}

void
renewal_failed(struct mdm *m, struct enrollment *e, const char *why)
{
	if (!e->renewal_begun)
		return;
	e->renewal_begun = e->renewal_offered = 0;
	e->renewal_offers = 0;
	e->renewal_failures++;
	e->renewal_failed_at = mdm_now(m);
	log_event(EV_RENEWAL_FAILED,
		FIELDS(F_ENROLLMENT(e->id), F_SERIAL(e->facts.serial), F_REASON(why)),
		"The renewal of the identity of device %s failed: %s", e->id, why);
	note_outcome(m, true);
}

void
renewal_succeeded(struct mdm *m, struct enrollment *e)
{
	if (e->renewal_begun)
		note_outcome(m, false);
	e->renewal_begun = e->renewal_offered = e->renewal_failed_at = 0;
	e->renewal_offers = e->renewal_failures = 0;
}
