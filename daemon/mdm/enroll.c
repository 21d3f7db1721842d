/* enroll.c - /enroll: who gets an enrollment profile, and the links that say so */
#include "mdm/enroll.h"

#include "base/encode.h"
#include "base/log.h"
#include "base/mem.h"
#include "mdm/enroll_page.h"
#include "mdm/profile.h"
#include "mdm/source.h"
#include "pki/cms.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CHALLENGE_BYTES 32
#define TOKEN_TEXT_MAX 128u /* characters of a link's token that are looked at */
#define TYPE_PROFILE "application/x-apple-aspen-config"

static void
say_refused(struct mdm *m, const char *why)
{
	unsigned swallowed = 0;

	if (mdm_may_say(&m->strays, &swallowed))
		log_event(EV_LINK_REFUSED, FIELDS(F_REASON(why)),
			"Refused an enrollment profile: %s%s", why,
			swallowed ? " (there were more like it)" : "");
}

static bool
refuse(struct mdm *m, const char *why, struct reply *out)
{
	say_refused(m, why);
	reply_text(out, 403, why);
	return false;
}

/* The link's hash in hash[65]; "" where access is open and no link was given. */
static bool
check_link(struct mdm *m, const char *token, char *hash, struct reply *out)
{
	struct link *l;
	const char *why;
	int rc;

	hash[0] = '\0';
	if (!token || !*token)
		return m->conf->enrollment.open ||
		       refuse(m, "An enrollment link is needed; ask your administrator for one.",
			       out);
	if (strlen(token) > TOKEN_TEXT_MAX)
		return refuse(m, "This enrollment link is not known.", out);
	link_hash(token, hash);
	rc = link_load(m->store, hash, &l);
	if (rc == -ENOENT)
		return refuse(m, "This enrollment link is not known.", out);
	if (rc < 0) {
		reply_busy(out);
		return false;
	}
	why = l->challenge ? "This enrollment link is not known." : link_refusal(l, mdm_now(m));
	if (why)
		refuse(m, why, out);
	link_free(l);
	return why == NULL;
}

static int
build(struct mdm *m, struct enroll_offer *o, const char *challenge)
{
	struct profile p = { .facts = &o->delivery->facts,
		.organization = m->conf->organization,
		.name = m->certs->ssc.name,
		.description = m->conf->enrollment.description,
		.number = o->delivery->number,
		.challenge = challenge,
		.tls_root = m->certs->tls_root };
	int rc = profile_facts_fill(&o->delivery->facts, m->conf, mdm_push_pair(m), &m->certs->ssc);

	return rc < 0 ? rc : profile_build(&p, &o->profile);
}

void
enroll_challenge(struct delivery *d, struct buf *text)
{
	unsigned char raw[CHALLENGE_BYTES];

	random_bytes(raw, sizeof(raw));
	encode_base64url(text, bytes_of(raw, sizeof(raw)));
	digest_sha256(buf_bytes(text), d->challenge);
	explicit_bzero(raw, sizeof(raw));
}

static bool
configured(struct mdm *m, struct reply *out)
{
	struct buf text = BUF_INIT;

	if (!mdm_not_configured(m, &text))
		return true;
	reply_text(out, 503, buf_str(&text));
	buf_free(&text);
	return false;
}

static bool
offer_under(struct mdm *m, const char hash[2 * SHA256_LEN + 1], struct enroll_offer *ret,
	struct reply *out)
{
	struct buf text = BUF_INIT;
	int rc;

	ret->delivery = delivery_new();
	ret->delivery->created = mdm_now(m);
	memcpy(ret->delivery->link, hash, sizeof(ret->delivery->link));
	enroll_challenge(ret->delivery, &text);
	rc = build(m, ret, buf_str(&text));
	buf_wipe(&text);
	if (rc == 0)
		return true;
	log_error("the enrollment profile cannot be made: organization or the SSC's name is empty "
		  "or not UTF-8");
	reply_text(out, 500, "The enrollment profile cannot be made; see the journal.");
	enroll_offer_free(ret);
	return false;
}

bool
enroll_offer(struct mdm *m, const char *token, struct enroll_offer *ret, struct reply *out)
{
	char hash[2 * SHA256_LEN + 1];

	memset(ret, 0, sizeof(*ret));
	return configured(m, out) && check_link(m, token, hash, out) &&
	       offer_under(m, hash, ret, out);
}

/* The link that awaits this device. */
struct awaited {
	const struct machine *machine;
	int64_t now;
	char hash[2 * SHA256_LEN + 1];
};

static int
match_machine(void *arg, const struct link *l)
{
	struct awaited *a = arg;

	if (!l->serial || l->challenge || strcmp(l->serial, a->machine->serial) != 0 ||
		link_refusal(l, a->now))
		return 0;
	if (l->device && (!a->machine->udid || strcmp(l->device, a->machine->udid) != 0))
		return 0;
	memcpy(a->hash, l->hash, sizeof(a->hash));
	return 1;
}

bool
enroll_offer_machine(
	struct mdm *m, const struct machine *machine, struct enroll_offer *ret, struct reply *out)
{
	struct awaited a = { .machine = machine, .now = mdm_now(m) };

	memset(ret, 0, sizeof(*ret));
	if (!configured(m, out))
		return false;
	if (link_each(m->store, match_machine, &a) != 1)
		return refuse(m, "This serial number is not listed here.", out);
	return offer_under(m, a.hash, ret, out);
}

void
enroll_offer_free(struct enroll_offer *o)
{
	delivery_free(o->delivery);
	buf_wipe(&o->profile);
	memset(o, 0, sizeof(*o));
}

/* Signing is the worker's; it owns all that it needs. */
struct job {
	struct mdm *m;
	struct http_request *r;
	struct certdir *certs;
	struct enroll_offer offer;
	struct buf signed_profile;
	int rc;
};

static void
job_free(struct job *j)
{
	certdir_unref(j->certs);
	enroll_offer_free(&j->offer);
	buf_wipe(&j->signed_profile);
	free(j);
}

static void
work(void *arg)
{
	struct job *j = arg;

	j->rc = cms_sign(certpair_leaf(&j->certs->ssc), j->certs->ssc.key, NULL,
		buf_bytes(&j->offer.profile), &j->signed_profile);
}

static void
send_profile(struct job *j)
{
	j->m->numbers.profiles++;
	http_reply_header(j->r, "Cache-Control", "no-store");
	http_reply_header(
		j->r, "Content-Disposition", "attachment; filename=\"enroll.mobileconfig\"");
	http_reply(j->r, 200, TYPE_PROFILE, buf_bytes(&j->signed_profile));
}

static void
done(void *arg)
{
	struct job *j = arg;

	if (j->rc < 0) {
		log_error("the enrollment profile cannot be signed by the SSC");
		http_reply_text(j->r, 500, "The enrollment profile cannot be signed.");
	} else if (delivery_save(j->m->store, j->offer.delivery) < 0) {
		http_reply_text(j->r, 503, "The server cannot take changes now; try again later.");
	} else {
		send_profile(j);
	}
	job_free(j);
}

static void
reply(struct http_request *r, struct reply *out)
{
	http_reply_header(r, "Cache-Control", "no-store");
	http_reply(r, out->status, out->type, buf_bytes(&out->body));
	reply_free(out);
}

static void
submit(struct mdm *m, struct http_request *r, struct enroll_offer *offer)
{
	struct job *j = xcalloc(1, sizeof(*j));

	j->m = m;
	j->r = r;
	j->certs = certdir_ref(m->certs);
	j->offer = *offer;
	if (worker_submit(m->worker, WORKER_CRYPTO, work, done, j) == 0)
		return;
	http_reply_text(r, 503, "The server is busy; try again in a minute.");
	job_free(j);
}

/* Only strangers are counted: a valid link is never refused by rate. */
static bool
too_often(struct mdm *m, struct http_request *r, bool stranger)
{
	char source[INET6_ADDRSTRLEN];

	if (!stranger)
		return false;
	source_address(m, r, source);
	return !source_try(m, source);
}

static void
reply_page(struct http_request *r, const char *organization, struct reply *out)
{
	struct buf page = BUF_INIT;
	char *fault = out->status == 200 ? NULL : xstrndup(buf_str(&out->body), out->body.len);

	enroll_page_build(organization, fault, &page);
	free(fault);
	http_reply_header(r, "Cache-Control", "no-store");
	http_reply_header(r, "Content-Security-Policy", "default-src 'none'");
	http_reply(r, out->status, "text/html; charset=utf-8", buf_bytes(&page));
	buf_free(&page);
	reply_free(out);
}

static void
reply_refused(struct mdm *m, struct http_request *r, struct reply *out)
{
	if (too_often(m, r, out->status == 403)) {
		reply_free(out);
		source_refuse(r);
	} else if (enroll_page_wanted(http_header(r, "User-Agent"))) {
		reply_page(r, NULL, out);
	} else {
		reply(r, out);
	}
}

static void
reply_offer(struct mdm *m, struct http_request *r, struct enroll_offer *offer)
{
	bool linked = offer->delivery->link[0] != '\0';
	struct reply out = REPLY_INIT;

	if (too_often(m, r, !linked)) {
		enroll_offer_free(offer);
		source_refuse(r);
	} else if (enroll_page_wanted(http_header(r, "User-Agent"))) {
		/* Only looked at, and so is a HEAD: no delivery for it. */
		enroll_offer_free(offer);
		reply_page(r, linked ? m->conf->organization : NULL, &out);
	} else if (http_method(r) == HTTP_HEAD) {
		enroll_offer_free(offer);
		out.type = TYPE_PROFILE;
		reply(r, &out);
	} else {
		submit(m, r, offer);
	}
}

static void
by_link(struct mdm *m, struct http_request *r)
{
	struct reply out = REPLY_INIT;
	struct buf token = BUF_INIT;
	struct enroll_offer offer;
	int rc = http_query_get(r, "link", true, &token);

	if (rc == -EINVAL) {
		reply_text(&out, 400, "The address of this link is damaged.");
		reply(r, &out);
	} else if (!enroll_offer(m, rc == 0 ? buf_str(&token) : NULL, &offer, &out)) {
		reply_refused(m, r, &out);
	} else {
		reply_offer(m, r, &offer);
	}
	buf_wipe(&token);
}

/* A device that is set up asks by itself: for serial numbers that are listed, and for no others. */
static void
by_machine(struct mdm *m, struct http_request *r)
{
	struct reply out = REPLY_INIT;
	struct enroll_offer offer;
	struct machine machine = { NULL, NULL };
	const char *why = NULL;
	int rc;

	if (!m->conf->enrollment.ade_listed) {
		http_reply_header(r, "Allow", "GET, HEAD");
		http_reply_text(r, 405, "Devices are not enrolled by MachineInfo here.");
		return;
	}
	rc = machine_read(http_body(r), m->conf->enrollment.apple_ca, &machine, &why);
	if (rc == -ENOENT) {
		log_error("%s: the certificates of Apple's device CA cannot be read "
			  "(enrollment.apple-ca)",
			m->conf->enrollment.apple_ca ? m->conf->enrollment.apple_ca : "(none)");
		reply_text(&out, 503, "The server is not set up for this.");
		reply(r, &out);
	} else if (rc < 0) {
		refuse(m, why, &out);
		reply_refused(m, r, &out);
	} else if (!enroll_offer_machine(m, &machine, &offer, &out)) {
		reply_refused(m, r, &out);
	} else {
		submit(m, r, &offer);
	}
	machine_free(&machine);
}

void
enroll_handle(struct http_request *r, void *ctx)
{
	if (http_method(r) == HTTP_POST)
		by_machine(ctx, r);
	else
		by_link(ctx, r);
}

static struct link *
make_link(struct mdm *m, const struct enroll_link *o, const char *token)
{
	struct link *l = link_new();

	link_hash(token, l->hash);
	l->created = mdm_now(m);
	l->expires = l->created + (o->lifetime ? o->lifetime : m->conf->enrollment.link_lifetime);
	l->uses_max = o->uses ? o->uses : 1;
	l->serial = o->serial ? xstrdup(o->serial) : NULL;
	l->device = o->device ? xstrdup(o->device) : NULL;
	l->actor = o->actor ? xstrdup(o->actor) : NULL;
	l->note = o->note ? xstrdup(o->note) : NULL;
	l->challenge = o->challenge;
	return l;
}

static bool
link_sound(const struct enroll_link *o)
{
	return o->lifetime >= 0 && (!o->device || enrollment_id_valid(o->device)) &&
	       (!o->serial || enrollment_id_valid(o->serial));
}

int
enroll_link_new(struct mdm *m, const struct enroll_link *o, struct buf *url, struct link **ret)
{
	unsigned char raw[LINK_TOKEN_BYTES];
	struct buf token = BUF_INIT;
	struct link *l;
	int rc;

	if (!link_sound(o))
		return -EINVAL;
	random_bytes(raw, sizeof(raw));
	encode_base64url(&token, bytes_of(raw, sizeof(raw)));
	l = make_link(m, o, buf_str(&token));
	rc = link_save(m->store, l);
	if (rc == 0) {
		buf_printf(url, "https://%s/enroll?link=%s", m->conf->server_name, buf_str(&token));
		log_event(EV_LINK_MADE,
			FIELDS(F_ACTOR(o->actor), F_SERIAL(o->serial), F_ENROLLMENT(o->device)),
			"An enrollment link is made by %s", o->actor ? o->actor : "cordond");
	}
	explicit_bzero(raw, sizeof(raw));
	buf_wipe(&token);
	if (rc == 0 && ret)
		*ret = l;
	else
		link_free(l);
	return rc;
}

int
enroll_challenge_new(
	struct mdm *m, const struct enroll_link *o, struct buf *challenge, struct link **ret)
{
	struct delivery *d = NULL;
	struct buf url = BUF_INIT;
	struct link *l = NULL;
	struct enroll_link bare = *o;
	int rc;

	if (!mdm_push_pair(m) || !m->certs->ssc.key)
		return -ENODATA;
	bare.challenge = true;
	rc = enroll_link_new(m, &bare, &url, &l);
	buf_wipe(&url);
	if (rc < 0)
		return rc;
	d = delivery_new();
	d->created = mdm_now(m);
	memcpy(d->link, l->hash, sizeof(d->link));
	enroll_challenge(d, challenge);
	rc = profile_facts_fill(&d->facts, m->conf, mdm_push_pair(m), &m->certs->ssc);
	if (rc == 0)
		rc = delivery_save(m->store, d);
	delivery_free(d);
	if (rc == 0 && ret)
		*ret = l;
	else
		link_free(l);
	return rc;
}

int
enroll_link_revoke(struct mdm *m, const char *hash, const char *actor, struct link **ret)
{
	struct link *l;
	int rc = link_load(m->store, hash, &l);

	if (rc < 0)
		return rc;
	if (!l->revoked) {
		l->revoked = true;
		rc = link_save(m->store, l);
		if (rc == 0)
			log_event(EV_LINK_REVOKED, FIELDS(F_ACTOR(actor), F_SERIAL(l->serial)),
				"The enrollment link %.8s is revoked by %s", l->hash, actor);
	}
	if (rc == 0 && ret)
		*ret = l;
	else
		link_free(l);
	return rc;
}
