/* promote.c - a candidate becomes the enrollment, or lapses */
#include "mdm/promote.h"

#include "base/log.h"
#include "base/mem.h"
#include "mdm/command_end.h"
#include "policy/lapse.h"
#include "store/delivery.h"
#include "store/link.h"
#include "store/meta.h"
#include "store/queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define ANSWERED_LATELY 86400 /* re-enroll "bound": seconds */

/* Another enrollment with the same serial number that is locked. */
struct lock_search {
	struct store *store;
	const char *self;
	bool found;
};

static int
look_for_lock(void *arg, const char *id)
{
	struct lock_search *search = arg;
	struct enrollment *other;

	if (strcmp(id, search->self) == 0 || enrollment_load(search->store, id, &other) < 0)
		return 0;
	search->found = other->locked;
	enrollment_free(other);
	return search->found;
}

void
promote_inherit_lock(struct mdm *m, struct enrollment *e)
{
	struct lock_search search = { m->store, e->id, false };

	if (e->locked || !e->facts.serial)
		return;
	enrollment_by_serial(m->store, e->facts.serial, look_for_lock, &search);
	if (!search.found)
		return;
	e->locked = true;
	e->lock_cause = LOCK_INHERITED;
	e->locked_since = mdm_now(m);
	log_event(EV_DEVICE_LOCKED,
		FIELDS(F_ENROLLMENT(e->id), F_SERIAL(e->facts.serial),
			F_REASON(lock_cause_name(LOCK_INHERITED))),
		"Access of device %s starts locked: another enrollment with its serial number %s "
		"is "
		"locked",
		e->id, e->facts.serial);
}

/* The earlier identity is revoked and remembered: if it speaks again, two devices claim one id. */
static int
replace_identity(struct mdm *m, struct enrollment *e, const unsigned char cert[SHA256_LEN])
{
	int rc = 0;

	if (e->current.set && memcmp(e->current.cert, cert, SHA256_LEN) != 0) {
		memcpy(e->replaced, e->current.cert, SHA256_LEN);
		e->has_replaced = true;
		rc = party_revoke(m, e->current.cert);
	}
	if (rc == 0 && e->previous.set && memcmp(e->previous.cert, cert, SHA256_LEN) != 0)
		rc = party_revoke(m, e->previous.cert);
	memset(&e->current, 0, sizeof(e->current));
	memset(&e->previous, 0, sizeof(e->previous));
	return rc;
}

/* Queue, user channels and the old identity go; results, history and the lock stay. */
static int
leave_behind(struct mdm *m, struct enrollment *e, const unsigned char cert[SHA256_LEN])
{
	const struct command_verdict ended = { .how = END_CANCELLED,
		.generation = e->generation,
		.why = "the device enrolled again" };
	size_t dropped = 0;
	int rc = command_end_all(m, e->id, &ended, &dropped);

	if (rc == 0)
		rc = party_drop_users(m, e->id);
	if (rc == 0)
		rc = replace_identity(m, e, cert);
	if (dropped)
		log_info("%zu commands that waited for %s are dropped: it enrolled again", dropped,
			e->id);
	e->supervised = false;
	return rc;
}

/* "link 1a2b3c4d of ann"; "no link" where enrollment is open, or the link is gone. */
static void
link_words(struct mdm *m, const struct speaker *who, struct buf *out)
{
	const char *hash = who->identity ? who->identity->link : "";
	struct link *l = NULL;

	if (!*hash || link_load(m->store, hash, &l) < 0) {
		buf_add_str(out, "no link");
		return;
	}
	buf_printf(out, "link %.12s", hash);
	if (l->actor)
		buf_printf(out, " of %s", l->actor);
	link_free(l);
}

/* Who began to be managed, and by whose leave. */
static void
tell_begun(struct mdm *m, const struct party *p, const struct speaker *who, bool again)
{
	const struct enrollment *e = p->device;
	struct buf by = BUF_INIT;

	link_words(m, who, &by);
	log_event(again ? EV_DEVICE_REENROLLED : EV_DEVICE_ENROLLED,
		FIELDS(F_ENROLLMENT(e->id), F_STATE(state_name(e->state)),
			F_TOPIC(p->candidate->topic), F_SERIAL(e->facts.serial), F_ACTOR("device"),
			F_REASON(buf_str(&by))),
		"Device %s %s%s%s, by %s%s", e->id, again ? "enrolled again" : "enrolled",
		e->facts.serial ? ", serial number " : "", e->facts.serial ? e->facts.serial : "",
		buf_str(&by), e->locked ? "; its access is locked" : "");
	buf_free(&by);
}

static int
begin(struct mdm *m, struct party *p, const struct speaker *who, bool again)
{
	struct enrollment *e = p->device;
	struct candidate *c = p->candidate;
	int64_t now = mdm_now(m);
	int rc = again ? leave_behind(m, e, who->sha256) : 0;

	device_facts_merge(&e->facts, &c->facts);
	memcpy(e->number, c->number, sizeof(e->number));
	e->state = STATE_ENROLLED;
	e->removal = REMOVAL_NONE;
	e->state_since = e->enrolled_at = now;
	if (!e->first_enrolled_at)
		e->first_enrolled_at = now;
	e->generation++;
	e->renewal_begun = e->renewal_offered = e->renewal_failed_at = 0;
	e->renewal_offers = e->renewal_failures = 0;
	e->unanswered = 0;
	e->unanswered_since = 0;
	e->imported_at = e->adopted_at = 0;
	e->origin[0] = '\0';
	promote_inherit_lock(m, e);
	if (rc == 0)
		rc = party_bind_first(m, e, who);
	tell_begun(m, p, who, again);
	return rc;
}

static int
renew(struct mdm *m, struct party *p, const struct speaker *who)
{
	struct enrollment *e = p->device;

	device_facts_merge(&e->facts, &p->candidate->facts);
	memcpy(e->number, p->candidate->number, sizeof(e->number));
	e->state = STATE_ENROLLED;
	e->removal = REMOVAL_NONE;
	return party_bind_renewal(m, e, who);
}

static int
count_use(struct mdm *m, const char *hash)
{
	struct link *l;
	int rc;

	if (!hash[0])
		return 0;
	rc = link_load(m->store, hash, &l);
	if (rc < 0)
		return rc == -ENOENT ? 0 : rc;
	l->uses++;
	rc = link_save(m->store, l);
	link_free(l);
	return rc;
}

/* The first TokenUpdate under a delivery closes it and counts its link; a later one changes
 * nothing. */
static int
close_delivery(struct mdm *m, const struct enrollment *e)
{
	struct delivery *d;
	char *recorded = NULL;
	int rc = delivery_load(m->store, e->number, &d);

	if (rc < 0)
		return rc == -ENOENT ? 0 : rc;
	if (!d->closed) {
		d->closed = true;
		free(d->enrollment);
		d->enrollment = xstrdup(e->id);
		rc = delivery_save(m->store, d);
		if (rc == 0)
			rc = count_use(m, d->link);
	}
	if (rc == 0 && d->facts.server_name && meta_get_str(m->store, "server-name", &recorded) < 0)
		rc = meta_put_str(m->store, "server-name", d->facts.server_name);
	free(recorded);
	delivery_free(d);
	return rc;
}

int
promote_candidate(
	struct mdm *m, struct party *p, const struct speaker *who, enum state_action action)
{
	struct enrollment *e = p->device;
	int rc = action == ACT_KEEP ? renew(m, p, who) : begin(m, p, who, action == ACT_REENROLL);

	p->dirty = true;
	if (rc == 0)
		rc = mdm_topic_accept(m, p->candidate->topic);
	if (rc == 0)
		rc = close_delivery(m, e);
	if (rc == 0)
		rc = candidate_delete(m->store, e->id);
	return rc;
}

static const char *
binding_refusal(const struct link *l, const char *id, const struct device_facts *facts)
{
	if (l->device && strcmp(l->device, id) != 0)
		return "The enrollment link is for another device.";
	if (l->serial && (!facts->serial || strcmp(l->serial, facts->serial) != 0))
		return "The enrollment link is for another serial number.";
	return NULL;
}

/* To the enrollment as it is known: what the newcomer says of itself proves nothing. */
static bool
bound_to(const struct link *l, const struct enrollment *e)
{
	return (l->device && strcmp(l->device, e->id) == 0) ||
	       (l->serial && e->facts.serial && strcmp(l->serial, e->facts.serial) == 0);
}

/* re-enroll "bound": a device that answers is not replaced by whoever has some link. */
static const char *
replace_refusal(struct mdm *m, const struct link *l, const struct enrollment *e)
{
	int64_t seen;

	if (!m->conf->enrollment.re_enroll_bound || !e)
		return NULL;
	if (e->state != STATE_ENROLLED && e->state != STATE_INACTIVE)
		return NULL;
	seen = roster_last_seen(m->roster, e->id);
	if (seen < e->last_seen)
		seen = e->last_seen;
	if (mdm_now(m) - seen > ANSWERED_LATELY || (l && bound_to(l, e)))
		return NULL;
	log_event(EV_TAKEOVER_REFUSED, FIELDS(F_ENROLLMENT(e->id), F_SERIAL(e->facts.serial)),
		"Somebody tried to enroll as device %s, which answered within the last day, with a "
		"link that is not bound to it",
		e->id);
	return "This device answered within the last day: only a link bound to it may enroll it "
	       "again.";
}

/* A delivery that was closed has counted its use already: its certificate may come again. */
static bool
used_up(struct mdm *m, const struct link *l, const char *number)
{
	struct delivery *d;
	bool closed = false;

	if (l->uses_max == LINK_ANY || l->uses < l->uses_max)
		return false;
	if (delivery_load(m->store, number, &d) == 0) {
		closed = d->closed;
		delivery_free(d);
	}
	return !closed;
}

const char *
promote_link_refusal(struct mdm *m, const struct speaker *who, const char *id,
	const struct device_facts *facts, const struct enrollment *existing)
{
	struct link *l = NULL;
	const char *why = NULL;

	if (who->identity->link[0] && link_load(m->store, who->identity->link, &l) < 0)
		return "The enrollment link is not known any more.";
	if (l && l->revoked)
		why = "The enrollment link was withdrawn.";
	else if (l && used_up(m, l, who->identity->number))
		why = "The enrollment link was used already.";
	else if (l)
		why = binding_refusal(l, id, facts);
	if (!why)
		why = replace_refusal(m, l, existing);
	link_free(l);
	return why;
}

int
promote_drop_candidate(struct mdm *m, const char *id, const char *why)
{
	struct enrollment *e = NULL;
	struct candidate *c;
	int rc = candidate_load(m->store, id, &c);

	if (rc < 0)
		return rc == -ENOENT ? 0 : rc;
	rc = candidate_delete(m->store, id);
	if (enrollment_load(m->store, id, &e) < 0)
		e = NULL;
	if (rc == 0 && !(e && e->current.set && memcmp(e->current.cert, c->cert, SHA256_LEN) == 0))
		rc = party_revoke(m, c->cert);
	if (rc == 0 && e && e->state == STATE_PENDING)
		rc = enrollment_forget(m->store, id);
	log_event(EV_CANDIDATE_LAPSED,
		FIELDS(F_ENROLLMENT(id), F_SERIAL(c->facts.serial), F_REASON(why)),
		"The enrollment that device %s began was not finished: %s", id, why);
	enrollment_free(e);
	candidate_free(c);
	return rc;
}

struct lapsed {
	char **ids;
	size_t count;
};

static int
collect(void *arg, struct bytes key, struct bytes value)
{
	struct lapsed *l = arg;

	(void)value;
	l->ids = xrealloc(l->ids, (l->count + 1) * sizeof(*l->ids));
	l->ids[l->count++] = xstrndup((const char *)key.data + 1, key.len - 1);
	return 0;
}

int
promote_lapse(struct mdm *m)
{
	struct lapsed all = { NULL, 0 };
	struct candidate *c;
	int rc = store_each(m->store, bytes_str("c"), collect, &all), lapsed = 0;
	bool due;
	size_t i;

	for (i = 0; i < all.count; i++) {
		due = false;
		if (rc == 0 && candidate_load(m->store, all.ids[i], &c) == 0) {
			due = lapse_due(c->since, CANDIDATE_LIFETIME, mdm_now(m));
			candidate_free(c);
		}
		if (due)
			rc = promote_drop_candidate(
				m, all.ids[i], "no TokenUpdate came within an hour");
		if (due && rc == 0)
			lapsed++;
		free(all.ids[i]);
	}
	free(all.ids);
	return rc < 0 ? rc : lapsed;
}
