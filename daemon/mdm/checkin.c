/* checkin.c - the check-in verbs */
#include "mdm/checkin.h"

#include "base/log.h"
#include "base/mem.h"
#include "base/proplist.h"
#include "mdm/command_install.h"
#include "mdm/command_setup.h"
#include "mdm/declarative.h"
#include "mdm/promote.h"
#include "mdm/push.h"
#include "mdm/refresh.h"
#include "mdm/silence.h"
#include "policy/states.h"
#include "store/queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* One message on its way through a verb. */
struct visit {
	struct mdm *m;
	const struct message *msg;
	const struct speaker *who;
	struct party party;
	struct reply *out;
};

static void
refuse(struct visit *v, const char *why)
{
	party_refuse(v->m, &v->party, v->msg, why, v->out);
}

static void
reply_plist(struct reply *out, plist_t dict)
{
	proplist_to_xml(dict, &out->body);
	out->type = TYPE_PLIST;
	plist_free(dict);
}

static bool
topic_ours(struct visit *v)
{
	if (mdm_topic_ours(v->m, v->msg->topic))
		return true;
	log_event(EV_TOPIC_REFUSED, FIELDS(F_ENROLLMENT(v->msg->id), F_TOPIC(v->msg->topic)),
		"Refused %s of %s: its topic %s is none of this server's",
		message_kind_name(v->msg->kind), v->msg->id, v->msg->topic);
	refuse(v, "This topic is none of this server's.");
	return false;
}

/* Authenticate: what an identity may not do, whatever the state. */
static const char *
authenticate_fault(const struct visit *v)
{
	const struct identity *i = v->who->identity;
	const char *id = v->msg->id;

	if (channel_is_user(v->msg->channel))
		return "A user channel does not authenticate.";
	if (!i)
		return "There is no record of this certificate; install the profile anew.";
	if (v->who->revoked)
		return "This identity was revoked.";
	if (i->enrollment && strcmp(i->enrollment, id) != 0)
		return "This certificate belongs to another device.";
	if (i->renewal_of && strcmp(i->renewal_of, id) != 0)
		return "This certificate was issued to renew another device.";
	if (v->party.device && channel_is_user(v->party.device->channel))
		return "This id belongs to a user channel.";
	return NULL;
}

static int
save_candidate(struct visit *v, bool renewal)
{
	struct candidate *c = candidate_new(v->msg->id);
	struct identity *i = v->who->identity;
	int rc;

	memcpy(c->cert, v->who->sha256, SHA256_LEN);
	memcpy(c->number, i->number, sizeof(c->number));
	c->not_after = v->who->not_after;
	c->topic = xstrdup(v->msg->topic);
	c->since = mdm_now(v->m);
	c->renewal = renewal;
	device_facts_merge(&c->facts, &v->msg->facts);
	rc = candidate_save(v->m->store, c);
	candidate_free(c);
	if (rc < 0 || i->enrollment)
		return rc;
	i->enrollment = xstrdup(v->msg->id);
	return identity_save(v->m->store, i);
}

/* A candidate that another certificate's Authenticate takes the place of will never be promoted. */
static int
displace_candidate(struct visit *v)
{
	const struct candidate *c = v->party.candidate;
	const struct enrollment *e = v->party.device;

	if (!c || memcmp(c->cert, v->who->sha256, SHA256_LEN) == 0)
		return 0;
	if (e && e->current.set && memcmp(e->current.cert, c->cert, SHA256_LEN) == 0)
		return 0;
	return party_revoke(v->m, c->cert);
}

static int
save_pending(struct visit *v)
{
	struct enrollment *e = v->party.device;

	if (!e) {
		e = v->party.device = enrollment_new(v->msg->id, v->msg->channel);
		e->state = STATE_PENDING;
		e->state_since = mdm_now(v->m);
		log_event(EV_DEVICE_PENDING,
			FIELDS(F_ENROLLMENT(e->id), F_STATE(state_name(e->state)),
				F_TOPIC(v->msg->topic), F_SERIAL(v->msg->facts.serial)),
			"Device %s begins to enroll", e->id);
	}
	device_facts_merge(&e->facts, &v->msg->facts);
	return enrollment_save(v->m->store, e);
}

/* A renewal's Authenticate is an answer like any other. */
static void
renewal_seen(struct visit *v, const struct state_outcome *o)
{
	struct enrollment *e = v->party.device;

	silence_seen(v->m, e->id);
	if (e->state == o->next)
		return;
	e->state = o->next;
	e->removal = o->removal;
	e->state_since = mdm_now(v->m);
	v->party.dirty = true;
	log_event(EV_DEVICE_BACK,
		FIELDS(F_ENROLLMENT(e->id), F_STATE(state_name(e->state)),
			F_SERIAL(e->facts.serial), F_ACTOR("device"), F_REASON("renewal")),
		"Device %s answered again%s", e->id,
		e->locked ? "; its access is still locked" : "");
}

static int
authenticate(struct visit *v)
{
	struct enrollment *e = v->party.device;
	struct state_outcome o;
	const char *why;
	bool renewal;
	int rc;

	v->m->numbers.authenticate++;
	why = authenticate_fault(v);
	if (why) {
		refuse(v, why);
		return 0;
	}
	if (!topic_ours(v))
		return 0;
	renewal = v->who->identity->renewal_of != NULL;
	o = state_decide(e ? e->state : STATE_NONE, e ? e->removal : REMOVAL_NONE,
		renewal ? ON_RENEWAL : ON_AUTHENTICATE);
	why = renewal ? NULL : promote_link_refusal(v->m, v->who, v->msg->id, &v->msg->facts, e);
	if (o.action == ACT_REFUSE)
		why = "This certificate renews an enrollment that is there no more.";
	if (renewal && e && v->who->identity->issued_at < e->enrolled_at)
		why = "This certificate renews an enrollment that was replaced.";
	if (why) {
		refuse(v, why);
		return 0;
	}
	if (renewal)
		renewal_seen(v, &o);
	rc = displace_candidate(v);
	if (rc == 0)
		rc = save_candidate(v, renewal);
	if (rc == 0 && (!e || e->state == STATE_PENDING))
		rc = save_pending(v);
	return rc;
}

void
checkin_set_push(struct enrollment *e, const struct message *msg, int64_t now)
{
	buf_wipe(&e->token);
	buf_add_bytes(&e->token, msg->token);
	mem_wipe_str(e->magic);
	e->magic = xstrdup(msg->magic);
	free(e->topic);
	e->topic = xstrdup(msg->topic);
	e->token_time = now;
	e->token_bad = false;
	e->awaiting_configuration = msg->awaiting;
}

/* Absence keeps what is there: devices send it when it changes. */
static int
keep_unlock_token(struct visit *v, const struct enrollment *e)
{
	if (v->msg->unlock_token.len == 0)
		return 0;
	return secret_put(
		v->m->store, e->id, e->generation, SECRET_UNLOCK_TOKEN, v->msg->unlock_token);
}

static bool
has_queue(struct mdm *m, const char *id)
{
	struct queue *q;
	bool some;

	if (queue_load(m->store, id, &q) < 0)
		return false;
	some = q->count > 0;
	queue_free(q);
	return some;
}

static int
finish_token_update(struct visit *v, struct enrollment *e, bool fresh)
{
	int rc;

	checkin_set_push(e, v->msg, mdm_now(v->m));
	e->token_updates = fresh ? 1 : e->token_updates + 1;
	rc = keep_unlock_token(v, e);
	if (rc == 0)
		rc = enrollment_save(v->m->store, e);
	if (rc == 0 && fresh)
		rc = refresh_after_enrollment(v->m, e);
	else if (rc == 0 && has_queue(v->m, e->id))
		pusher_ask_after_commit(v->m, e->id, false);
	if (rc == 0 && fresh)
		rc = command_install_queue(v->m, e);
	if (rc == 0)
		command_setup_begin(v->m, e);
	return rc;
}

static int
token_candidate(struct visit *v)
{
	struct party *p = &v->party;
	struct state_outcome o = state_decide(p->device->state, p->device->removal,
		p->candidate->renewal ? ON_RENEWAL : ON_TOKEN_CANDIDATE);
	const char *why = NULL;
	int rc;

	if (o.action == ACT_REFUSE)
		why = "This certificate renews an enrollment that is there no more.";
	else if (v->who->revoked)
		why = "This identity was revoked.";
	else if (!v->who->identity)
		why = "There is no record of this certificate; install the profile anew.";
	else if (strcmp(v->msg->topic, p->candidate->topic) != 0)
		why = "The topic is not the one of Authenticate.";
	else if (o.action != ACT_KEEP)
		why = promote_link_refusal(
			v->m, v->who, v->msg->id, &p->candidate->facts, p->device);
	if (why) {
		refuse(v, why);
		return 0;
	}
	rc = promote_candidate(v->m, p, v->who, o.action);
	silence_seen(v->m, v->msg->id);
	return rc < 0 ? rc : finish_token_update(v, p->device, o.action != ACT_KEEP);
}

static int
token_user(struct visit *v)
{
	struct enrollment *u = v->party.user;

	if (u && u->channel != v->msg->channel) {
		refuse(v, "This id belongs to a channel of another kind.");
		return 0;
	}
	if (!u) {
		u = v->party.user = enrollment_new(v->msg->id, v->msg->channel);
		u->parent = xstrdup(v->msg->device);
		u->state = STATE_ENROLLED;
		u->generation = v->party.device->generation;
		u->enrolled_at = u->first_enrolled_at = u->state_since = mdm_now(v->m);
		log_info("user channel %s is there", u->id);
	}
	free(u->user_short);
	free(u->user_long);
	u->user_short = v->msg->user_short ? xstrdup(v->msg->user_short) : NULL;
	u->user_long = v->msg->user_long ? xstrdup(v->msg->user_long) : NULL;
	return finish_token_update(v, u, false);
}

static int
token_update(struct visit *v)
{
	bool user = channel_is_user(v->msg->channel);

	v->m->numbers.token_update++;
	if (!topic_ours(v))
		return 0;
	/* The same certificate may authenticate again: its TokenUpdate is the candidate's too. */
	if (!user && v->party.device && v->party.candidate &&
		memcmp(v->party.candidate->cert, v->who->sha256, SHA256_LEN) == 0)
		return token_candidate(v);
	if (!party_accept(v->m, &v->party, v->msg, v->who, v->out))
		return 0;
	return user ? token_user(v) : finish_token_update(v, v->party.device, false);
}

static int
checkout_user(struct visit *v)
{
	int rc;

	if (!v->party.user || v->party.user->channel != v->msg->channel)
		return 0;
	rc = queue_clear(v->m->store, v->msg->id, NULL);
	log_info("user channel %s is gone", v->msg->id);
	return rc < 0 ? rc : enrollment_forget(v->m->store, v->msg->id);
}

/*
 * 200 whatever happens to be there: the device leaves, and tries this once.  One that was replaced
 * claims nothing by leaving, and so raises no alarm; a candidate that leaves rolls back.
 */
static int
check_out(struct visit *v)
{
	struct party *p = &v->party;
	struct state_outcome o;

	v->m->numbers.checkout++;
	if (!p->device || p->binding == BINDING_REPLACED)
		return 0;
	if (p->binding == BINDING_NONE) {
		refuse(v, "This certificate is not the one of this enrollment.");
		return 0;
	}
	if (channel_is_user(v->msg->channel))
		return checkout_user(v);
	if (p->binding == BINDING_CANDIDATE)
		return promote_drop_candidate(v->m, v->msg->id, "the device gave up");
	o = state_decide(p->device->state, p->device->removal, ON_CHECKOUT);
	if (o.action != ACT_REMOVE)
		return 0;
	silence_seen(v->m, v->msg->id);
	return party_remove(v->m, p->device, o.removal, NULL);
}

static int
user_authenticate(struct visit *v)
{
	if (!v->m->conf->enrollment.user_authenticate_empty) {
		reply_text(v->out, 410, "User channels of network users are not managed.");
		return 0;
	}
	/* The empty challenge asks for no password: the second request has its answer already. */
	if (!v->msg->digest_response) {
		plist_t dict = plist_new_dict();

		plist_dict_set_item(dict, "DigestChallenge", plist_new_string(""));
		reply_plist(v->out, dict);
	}
	return 0;
}

static int
set_bootstrap_token(struct visit *v)
{
	const struct enrollment *e = v->party.device;
	int rc;

	if (v->msg->bootstrap_token.len == 0)
		rc = secret_delete(v->m->store, e->id, e->generation, SECRET_BOOTSTRAP_TOKEN);
	else
		rc = secret_put(v->m->store, e->id, e->generation, SECRET_BOOTSTRAP_TOKEN,
			v->msg->bootstrap_token);
	return rc == -ENOENT ? 0 : rc;
}

static int
get_bootstrap_token(struct visit *v)
{
	const struct enrollment *e = v->party.device;
	struct buf token = BUF_INIT;
	int rc = secret_get(v->m->store, e->id, e->generation, SECRET_BOOTSTRAP_TOKEN, &token);

	if (rc == 0 && token.len > 0) {
		plist_t dict = plist_new_dict();

		plist_dict_set_item(dict, "BootstrapToken",
			plist_new_data((const char *)token.data, token.len));
		reply_plist(v->out, dict);
	}
	buf_wipe(&token);
	return rc == -ENOENT ? 0 : rc;
}

/* No service that hands out tokens is configured here. */
static int
get_token(struct visit *v)
{
	refuse(v, "This token service is not offered here.");
	v->out->refused = false; /* the question is a device's own, and worth telling */
	return 0;
}

/*
 * No declarations are kept here: an external server has them, if any.  Without one, 404 leaves a
 * device with what it has; an empty manifest would take it away.
 */
static int
declarative(struct visit *v)
{
	const char *why;

	if (v->m->conf->declarative.url) {
		v->out->ask = declarative_ask_new(v->msg, &why);
		if (!v->out->ask)
			refuse(v, why);
	} else if (strcmp(v->msg->endpoint, "status") != 0) {
		reply_text(v->out, 404, "There are no declarations for this device.");
	}
	return 0;
}

/* Nobody asked for it here: the device goes its ordinary way. */
static int
return_to_service(struct visit *v)
{
	plist_t dict = plist_new_dict(), answer = plist_new_dict();

	plist_dict_set_item(answer, "Enabled", plist_new_bool(0));
	plist_dict_set_item(dict, "ReturnToService", answer);
	reply_plist(v->out, dict);
	return 0;
}

/* `accept`: party_accept comes first; the others ask for themselves. */
static const struct verb {
	int (*answer)(struct visit *v);
	bool accept, device_only;
} verbs[MESSAGE_KIND_COUNT] = {
	[MESSAGE_AUTHENTICATE] = { authenticate, false, false },
	[MESSAGE_TOKEN_UPDATE] = { token_update, false, false },
	[MESSAGE_CHECK_OUT] = { check_out, false, false },
	[MESSAGE_USER_AUTHENTICATE] = { user_authenticate, true, false },
	[MESSAGE_SET_BOOTSTRAP_TOKEN] = { set_bootstrap_token, true, true },
	[MESSAGE_GET_BOOTSTRAP_TOKEN] = { get_bootstrap_token, true, true },
	[MESSAGE_GET_TOKEN] = { get_token, true, false },
	[MESSAGE_DECLARATIVE] = { declarative, true, false },
	[MESSAGE_RETURN_TO_SERVICE] = { return_to_service, true, true },
};

static int
dispatch(struct visit *v)
{
	const struct verb *verb = &verbs[v->msg->kind];

	if (!verb->answer) {
		refuse(v, "This is no check-in message.");
		return 0;
	}
	if (verb->accept) {
		v->m->numbers.other_checkin++;
		if (!party_accept(v->m, &v->party, v->msg, v->who, v->out))
			return 0;
	}
	if (verb->device_only && channel_is_user(v->msg->channel)) {
		refuse(v, "This is for the device channel only.");
		return 0;
	}
	return verb->answer(v);
}

void
checkin_answer(
	struct mdm *m, const struct message *msg, const struct speaker *who, struct reply *out)
{
	struct visit v = { .m = m, .msg = msg, .who = who, .out = out };

	if (party_load(m, msg, who, &v.party) < 0) {
		reply_busy(out);
		return;
	}
	if (dispatch(&v) < 0 || party_save(m, &v.party) < 0)
		reply_busy(out);
	party_free(&v.party);
}
