/* adopt.c - devices of our own CA that a restored backup does not know are taken in again */
#include "mdm/adopt.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "mdm/profile.h"
#include "mdm/promote.h"
#include "mdm/refresh.h"
#include "mdm/renewal.h"
#include "store/delivery.h"
#include "store/meta.h"
#include "store/queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define UNTIL "adopt-until" /* meta */
#define COUNT "adopt-count"

/* ---- the window ---- */

static int64_t
kept(struct mdm *m, const char *name)
{
	int64_t value = 0;

	return meta_get_int(m->store, name, &value) < 0 ? 0 : value;
}

int64_t
adopt_until(struct mdm *m)
{
	int64_t until = kept(m, UNTIL);

	return until > mdm_now(m) ? until : 0;
}

size_t
adopt_count(struct mdm *m)
{
	return (size_t)kept(m, COUNT);
}

int
adopt_open(struct mdm *m, int64_t seconds, const char *actor)
{
	bool again = adopt_until(m) != 0;
	int64_t until = mdm_now(m) + seconds;
	int rc = meta_put_int(m->store, UNTIL, until);
	char date[32];

	if (rc == 0 && !again)
		rc = meta_put_int(m->store, COUNT, 0);
	if (rc < 0)
		return rc;
	log_event(EV_ADOPT_OPENED, FIELDS(F_ACTOR(actor)),
		"Until %s unknown devices with an identity of this server are taken in, by %s",
		clock_iso(until, date, sizeof(date)), actor);
	return 0;
}

static int
close_window(struct mdm *m, const char *actor, const char *why)
{
	int rc = meta_put_int(m->store, UNTIL, 0);

	if (rc < 0)
		return rc;
	log_event(EV_ADOPT_CLOSED, FIELDS(F_ACTOR(actor ? actor : "cordond"), F_REASON(why)),
		"Unknown devices are taken in no more: %s; %zu were", why, adopt_count(m));
	return 0;
}

int
adopt_close(struct mdm *m, const char *actor)
{
	char *why;
	int rc;

	if (!adopt_until(m))
		return -ENOENT;
	why = xasprintf("ended by %s", actor);
	rc = close_window(m, actor, why);
	free(why);
	return rc;
}

void
adopt_tick(struct mdm *m)
{
	int64_t until = kept(m, UNTIL);

	if (until && until <= mdm_now(m))
		close_window(m, NULL, "the time is over");
}

/* ---- a device ---- */

bool
adopt_may(struct mdm *m, const struct enrollment *e, const struct message *msg,
	const struct speaker *who)
{
	const struct identity *i = who->identity;

	if ((e && e->state != STATE_PENDING) || channel_is_user(msg->channel) || who->foreign ||
		who->revoked || !who->cert || !who->number[0])
		return false;
	if (i && i->status == IDENTITY_ACTIVE) /* it was known here, and a person forgot it */
		return false;
	if (i && i->enrollment && strcmp(i->enrollment, msg->device) != 0)
		return false;
	if (i && i->renewal_of && strcmp(i->renewal_of, msg->device) != 0)
		return false;
	return adopt_until(m) != 0;
}

static const struct certpair *
issuer_of(const struct mdm *m, const struct speaker *who)
{
	const struct certdir *d = m->certs;
	size_t i;

	for (i = 0; i < d->ssc_old_count; i++)
		if (memcmp(d->ssc_old[i].sha256, who->ca, SHA256_LEN) == 0)
			return &d->ssc_old[i];
	return &d->ssc;
}

/* What was delivered is lost with the rest: as this server writes it, signed by who issued. */
static int
make_delivery(
	struct mdm *m, const struct enrollment *e, const struct speaker *who, struct delivery **ret)
{
	struct delivery *d = delivery_new();

	memcpy(d->number, who->number, sizeof(d->number));
	random_bytes(d->challenge, sizeof(d->challenge));
	d->created = e->adopted_at;
	if (profile_facts_fill(&d->facts, m->conf, mdm_push_pair(m), issuer_of(m, who)) < 0) {
		delivery_free(d);
		return -ENODATA;
	}
	*ret = d;
	return 0;
}

static int
record_profile(struct mdm *m, struct enrollment *e, const struct speaker *who)
{
	struct delivery *d;
	int rc = delivery_load(m->store, who->number, &d);

	if (rc == -ENOENT)
		rc = make_delivery(m, e, who, &d);
	if (rc < 0)
		return rc;
	d->closed = true;
	free(d->enrollment);
	d->enrollment = xstrdup(e->id);
	rc = delivery_save(m->store, d);
	memcpy(e->number, d->number, sizeof(e->number));
	free(e->topic);
	e->topic = xstrdup(d->facts.topic);
	delivery_free(d);
	return rc;
}

/* The profile once more: then it authenticates, and tells its token. */
static int
ask_all_again(struct mdm *m, struct enrollment *e)
{
	struct queue *q;
	int rc = queue_load(m->store, e->id, &q);

	if (rc < 0)
		return rc;
	if (renewal_rescue(m, e, q))
		rc = queue_save(m->store, q);
	queue_free(q);
	return rc;
}

static int
settle(struct mdm *m, struct enrollment *e, const struct message *msg, const struct speaker *who)
{
	int rc = record_profile(m, e, who);

	if (rc == 0)
		rc = party_bind_first(m, e, who);
	if (rc == 0)
		rc = enrollment_save(m->store, e);
	if (rc == 0)
		rc = refresh_after_enrollment(m, e);
	if (rc == 0 && msg->kind != MESSAGE_TOKEN_UPDATE)
		rc = ask_all_again(m, e);
	return rc == 0 ? meta_put_int(m->store, COUNT, kept(m, COUNT) + 1) : rc;
}

int
adopt_take(struct mdm *m, struct party *p, const struct message *msg, const struct speaker *who)
{
	struct enrollment *e = p->device;
	int rc;

	if (!e)
		e = p->device = enrollment_new(msg->device, msg->channel);
	e->state = STATE_ENROLLED;
	e->state_since = e->enrolled_at = e->first_enrolled_at = e->adopted_at = mdm_now(m);
	e->generation = 1;
	promote_inherit_lock(m, e);
	rc = settle(m, e, msg, who);
	p->dirty = rc == 0;
	if (rc == 0)
		log_event(EV_DEVICE_ADOPTED,
			FIELDS(F_ENROLLMENT(e->id), F_STATE(state_name(e->state)),
				F_ACTOR("device"),
				F_REASON("the window of cordonctl adopt is open")),
			"Device %s is taken in again: nothing was known of it here, and it has an "
			"identity of this server, number %s",
			e->id, e->number);
	return rc;
}
