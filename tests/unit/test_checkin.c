/* Tests of daemon/mdm check-in: candidates, promotion, renewal, removal, and who may speak */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/proplist.h"
#include "mdm/device.h"
#include "mdm/promote.h"
#include "mdm_kit.h"
#include "store/delivery.h"
#include "store/link.h"

static const struct kit_issue fresh;

static int
setup(void **ctx)
{
	*ctx = kit_new();
	return 0;
}

static int
teardown(void **ctx)
{
	kit_free(*ctx);
	return 0;
}

static bool
bound_to(struct kit *k, const char *id, const struct kit_device *d)
{
	struct enrollment *e = kit_load(k, id);
	bool same = e->current.set && memcmp(e->current.cert, d->sha256, SHA256_LEN) == 0;

	enrollment_free(e);
	return same;
}

static enum identity_status
status_of(struct kit *k, const struct kit_device *d)
{
	struct identity *i = NULL;
	enum identity_status s;

	assert_int_equal(identity_load(k->m.store, d->sha256, &i), 0);
	s = i->status;
	identity_free(i);
	return s;
}

static void
authenticate_then_token_update_enrolls(void **ctx)
{
	struct kit *k = *ctx;
	struct kit_device d;
	struct enrollment *e;
	struct candidate *c;

	kit_device_init(&d, k, "AA", "SER1", &fresh);
	assert_int_equal(kit_authenticate(&d), 200);
	assert_int_equal(kit_state(k, "AA"), STATE_PENDING);
	assert_int_equal(candidate_load(k->m.store, "AA", &c), 0);
	assert_memory_equal(c->cert, d.sha256, SHA256_LEN);
	assert_false(c->renewal);
	candidate_free(c);
	assert_int_equal(status_of(k, &d), IDENTITY_ISSUED);

	assert_int_equal(kit_token(&d, NULL), 200);
	assert_int_equal(candidate_load(k->m.store, "AA", &c), -ENOENT);
	e = kit_load(k, "AA");
	assert_int_equal(e->state, STATE_ENROLLED);
	assert_int_equal(e->generation, 1);
	assert_string_equal(e->facts.serial, "SER1");
	assert_string_equal(e->facts.os_version, "18.1");
	assert_string_equal(e->topic, KIT_TOPIC);
	assert_string_equal(e->magic, "magic");
	assert_int_equal(e->token.len, 4);
	assert_memory_equal(e->number, d.number, sizeof(d.number));
	assert_int_equal(e->enrolled_at, e->first_enrolled_at);
	enrollment_free(e);
	assert_true(bound_to(k, "AA", &d));
	assert_int_equal(status_of(k, &d), IDENTITY_ACTIVE);
	/* DeviceInformation is asked by itself */
	assert_int_equal(kit_waiting(k, "AA"), 1);
	kit_device_free(&d);
}

static void
a_candidate_alone_changes_nothing(void **ctx)
{
	struct kit *k = *ctx;
	struct kit_device old, new;

	kit_device_init(&old, k, "AA", "SER1", &fresh);
	kit_enroll(&old);
	kit_device_init(&new, k, "AA", "SER1", &fresh);
	assert_int_equal(kit_authenticate(&new), 200);

	assert_true(bound_to(k, "AA", &old));
	assert_int_equal(kit_waiting(k, "AA"), 1);
	assert_int_equal(kit_report(&old, "Idle", NULL, NULL, NULL), 200);
	assert_int_equal(kit_token(&old, NULL), 200);
	/* not yet the enrollment */
	assert_int_equal(kit_report(&new, "Idle", NULL, NULL, NULL), 400);
	assert_int_equal(kit_state(k, "AA"), STATE_ENROLLED);

	/* an hour later it is too late, and the old one works on */
	kit_forward(CANDIDATE_LIFETIME + 1);
	assert_int_equal(kit_token(&new, NULL), 400);
	assert_int_equal(promote_lapse(&k->m), 1);
	assert_int_equal(promote_lapse(&k->m), 0);
	assert_int_equal(status_of(k, &new), IDENTITY_REVOKED);
	assert_int_equal(kit_authenticate(&new), 400);
	assert_int_equal(kit_report(&old, "Idle", NULL, NULL, NULL), 200);
	kit_device_free(&old);
	kit_device_free(&new);
}

static void
a_pending_record_lapses_to_nothing(void **ctx)
{
	struct kit *k = *ctx;
	struct kit_device d;

	kit_device_init(&d, k, "AA", "SER1", &fresh);
	assert_int_equal(kit_authenticate(&d), 200);
	assert_int_equal(promote_lapse(&k->m), 0);
	kit_forward(CANDIDATE_LIFETIME + 1);
	assert_int_equal(promote_lapse(&k->m), 1);
	assert_int_equal(kit_state(k, "AA"), STATE_NONE);
	kit_device_free(&d);
}

static void
reenrollment_replaces_and_the_replaced_one_raises_the_alarm(void **ctx)
{
	struct kit *k = *ctx;
	struct kit_device old, new;
	struct enrollment *e;

	kit_device_init(&old, k, "AA", "SER1", &fresh);
	kit_enroll(&old);
	assert_int_equal(kit_waiting(k, "AA"), 1);
	assert_int_equal(
		kit_checkin(&(struct kit_device){ k, "AA:u1", NULL, old.key, old.cert, { 0 }, "" },
			"TokenUpdate",
			"<key>PushMagic</key><string>m</string><key>Token</key>"
			"<data>AQ==</data>",
			NULL),
		200);
	assert_int_equal(kit_state(k, "AA:u1"), STATE_ENROLLED);

	kit_device_init(&new, k, "AA", "SER1", &fresh);
	kit_enroll(&new);
	e = kit_load(k, "AA");
	assert_int_equal(e->generation, 2);
	assert_true(e->has_replaced);
	assert_memory_equal(e->replaced, old.sha256, SHA256_LEN);
	assert_false(e->previous.set);
	assert_false(e->locked);
	enrollment_free(e);
	assert_true(bound_to(k, "AA", &new));
	assert_int_equal(status_of(k, &old), IDENTITY_REVOKED);
	assert_int_equal(kit_state(k, "AA:u1"), STATE_NONE);
	/* only the new enrollment's own question waits */
	assert_int_equal(kit_waiting(k, "AA"), 1);

	/* leaving claims nothing */
	assert_int_equal(kit_checkin(&old, "CheckOut", NULL, NULL), 200);
	assert_int_equal(kit_state(k, "AA"), STATE_ENROLLED);
	e = kit_load(k, "AA");
	assert_false(e->locked);
	enrollment_free(e);

	assert_int_equal(kit_report(&old, "Idle", NULL, NULL, NULL), 400);
	e = kit_load(k, "AA");
	assert_true(e->locked);
	assert_int_equal(e->lock_cause, LOCK_CONFLICT);
	assert_int_equal(e->state, STATE_ENROLLED);
	enrollment_free(e);
	/* and the right one goes on */
	assert_int_equal(kit_report(&new, "Idle", NULL, NULL, NULL), 200);
	kit_device_free(&old);
	kit_device_free(&new);
}

static void
a_lock_outlives_reenrollment(void **ctx)
{
	struct kit *k = *ctx;
	struct kit_device old, new;
	struct enrollment *e;

	kit_device_init(&old, k, "AA", "SER1", &fresh);
	kit_enroll(&old);
	e = kit_load(k, "AA");
	e->locked = true;
	e->lock_cause = LOCK_ADMIN;
	assert_int_equal(enrollment_save(k->m.store, e), 0);
	enrollment_free(e);
	kit_device_init(&new, k, "AA", "SER1", &fresh);
	kit_enroll(&new);
	e = kit_load(k, "AA");
	assert_true(e->locked);
	assert_int_equal(e->lock_cause, LOCK_ADMIN);
	enrollment_free(e);
	kit_device_free(&old);
	kit_device_free(&new);
}

static void
a_serial_of_a_locked_one_starts_locked(void **ctx)
{
	struct kit *k = *ctx;
	struct kit_device a, b, c;
	struct enrollment *e;

	kit_device_init(&a, k, "AA", "SER1", &fresh);
	kit_enroll(&a);
	e = kit_load(k, "AA");
	e->locked = true;
	assert_int_equal(enrollment_save(k->m.store, e), 0);
	enrollment_free(e);
	kit_device_init(&b, k, "BB", "SER1", &fresh);
	kit_enroll(&b);
	e = kit_load(k, "BB");
	assert_true(e->locked);
	assert_int_equal(e->lock_cause, LOCK_INHERITED);
	enrollment_free(e);
	kit_device_init(&c, k, "CC", "SER2", &fresh);
	kit_enroll(&c);
	e = kit_load(k, "CC");
	assert_false(e->locked);
	enrollment_free(e);
	kit_device_free(&a);
	kit_device_free(&b);
	kit_device_free(&c);
}

static void
renewal_keeps_everything(void **ctx)
{
	struct kit *k = *ctx;
	struct kit_device old, new, third;
	struct enrollment *e;

	kit_device_init(&old, k, "AA", "SER1", &fresh);
	kit_enroll(&old);
	kit_device_init(&new, k, "AA", "SER1", &(struct kit_issue){ .renewal_of = "AA" });
	assert_int_equal(kit_authenticate(&new), 200);
	assert_true(bound_to(k, "AA", &old));
	assert_int_equal(kit_token(&new, NULL), 200);
	e = kit_load(k, "AA");
	assert_int_equal(e->generation, 1);
	assert_true(e->previous.set);
	assert_memory_equal(e->previous.cert, old.sha256, SHA256_LEN);
	assert_false(e->has_replaced);
	enrollment_free(e);
	assert_true(bound_to(k, "AA", &new));
	assert_int_equal(kit_waiting(k, "AA"), 1);
	/* both are accepted */
	assert_int_equal(kit_report(&old, "Idle", NULL, NULL, NULL), 200);
	assert_int_equal(kit_report(&new, "Idle", NULL, NULL, NULL), 200);
	assert_int_equal(status_of(k, &old), IDENTITY_ACTIVE);

	/* a renewal that comes without Authenticate binds itself; the one before the last goes */
	kit_device_init(&third, k, "AA", "SER1", &(struct kit_issue){ .renewal_of = "AA" });
	assert_int_equal(kit_report(&third, "Idle", NULL, NULL, NULL), 200);
	assert_true(bound_to(k, "AA", &third));
	assert_int_equal(status_of(k, &old), IDENTITY_REVOKED);
	assert_int_equal(kit_report(&old, "Idle", NULL, NULL, NULL), 400);
	assert_int_equal(kit_report(&new, "Idle", NULL, NULL, NULL), 200);
	e = kit_load(k, "AA");
	assert_false(e->locked);
	enrollment_free(e);
	kit_device_free(&old);
	kit_device_free(&new);
	kit_device_free(&third);
}

static void
renewal_of_another_or_of_nothing_is_refused(void **ctx)
{
	struct kit *k = *ctx;
	struct kit_device a, foreign, none, stale;

	kit_device_init(&a, k, "AA", "SER1", &fresh);
	kit_enroll(&a);
	kit_device_init(&foreign, k, "AA", "SER1", &(struct kit_issue){ .renewal_of = "BB" });
	assert_int_equal(kit_authenticate(&foreign), 400);
	assert_int_equal(kit_report(&foreign, "Idle", NULL, NULL, NULL), 400);
	kit_device_init(&none, k, "CC", "SER3", &(struct kit_issue){ .renewal_of = "CC" });
	assert_int_equal(kit_authenticate(&none), 400);
	assert_int_equal(kit_state(k, "CC"), STATE_NONE);

	/* made before the device enrolled anew: it belongs to the enrollment that was replaced */
	kit_device_init(&stale, k, "AA", "SER1", &(struct kit_issue){ .renewal_of = "AA" });
	kit_forward(10);
	kit_device_free(&a);
	kit_device_init(&a, k, "AA", "SER1", &fresh);
	kit_enroll(&a);
	assert_int_equal(kit_authenticate(&stale), 400);
	assert_int_equal(kit_report(&stale, "Idle", NULL, NULL, NULL), 400);

	assert_int_equal(kit_checkin(&a, "CheckOut", NULL, NULL), 200);
	kit_device_free(&stale);
	kit_device_init(&stale, k, "AA", "SER1", &(struct kit_issue){ .renewal_of = "AA" });
	assert_int_equal(kit_authenticate(&stale), 400);
	kit_device_free(&a);
	kit_device_free(&foreign);
	kit_device_free(&none);
	kit_device_free(&stale);
}

static void
checkout_removes(void **ctx)
{
	struct kit *k = *ctx;
	struct kit_device d, again;
	struct enrollment *e;

	kit_device_init(&d, k, "AA", "SER1", &fresh);
	assert_int_equal(kit_checkin(&d, "CheckOut", NULL, NULL), 200);
	assert_int_equal(kit_state(k, "AA"), STATE_NONE);
	kit_enroll(&d);
	assert_int_equal(kit_checkin(&d, "CheckOut", NULL, NULL), 200);
	e = kit_load(k, "AA");
	assert_int_equal(e->state, STATE_REMOVED);
	assert_int_equal(e->removal, REMOVAL_CHECKOUT);
	assert_int_equal(e->token.len, 0);
	assert_int_equal(e->refused, 0);
	enrollment_free(e);
	assert_int_equal(kit_waiting(k, "AA"), 0);
	assert_int_equal(status_of(k, &d), IDENTITY_REVOKED);
	assert_int_equal(kit_report(&d, "Idle", NULL, NULL, NULL), 400);
	e = kit_load(k, "AA");
	assert_int_equal(e->refused, 1);
	assert_non_null(e->refused_why);
	enrollment_free(e);
	/* chatter: the second within the minute is not written */
	assert_int_equal(kit_report(&d, "Idle", NULL, NULL, NULL), 400);
	e = kit_load(k, "AA");
	assert_int_equal(e->refused, 1);
	enrollment_free(e);
	assert_int_equal(kit_checkin(&d, "CheckOut", NULL, NULL), 200);

	kit_device_init(&again, k, "AA", "SER1", &fresh);
	kit_enroll(&again);
	assert_int_equal(kit_state(k, "AA"), STATE_ENROLLED);
	kit_device_free(&d);
	kit_device_free(&again);
}

static void
a_candidate_that_checks_out_rolls_back(void **ctx)
{
	struct kit *k = *ctx;
	struct kit_device old, new;

	kit_device_init(&old, k, "AA", "SER1", &fresh);
	kit_enroll(&old);
	kit_device_init(&new, k, "AA", "SER1", &fresh);
	assert_int_equal(kit_authenticate(&new), 200);
	assert_int_equal(kit_checkin(&new, "CheckOut", NULL, NULL), 200);
	assert_int_equal(kit_state(k, "AA"), STATE_ENROLLED);
	assert_int_equal(status_of(k, &new), IDENTITY_REVOKED);
	assert_int_equal(kit_report(&old, "Idle", NULL, NULL, NULL), 200);
	kit_device_free(&old);
	kit_device_free(&new);
}

static void
inactive_and_push_gone_come_back(void **ctx)
{
	struct kit *k = *ctx;
	struct kit_device d;
	struct enrollment *e;

	kit_device_init(&d, k, "AA", "SER1", &fresh);
	kit_enroll(&d);
	e = kit_load(k, "AA");
	e->state = STATE_INACTIVE;
	e->locked = true;
	e->lock_cause = LOCK_INACTIVE;
	e->unanswered_since = 7;
	assert_int_equal(enrollment_save(k->m.store, e), 0);
	enrollment_free(e);
	assert_int_equal(kit_report(&d, "Idle", NULL, NULL, NULL), 200);
	e = kit_load(k, "AA");
	assert_int_equal(e->state, STATE_ENROLLED);
	assert_true(e->locked);
	assert_int_equal(e->unanswered_since, 0);
	e->state = STATE_REMOVED;
	e->removal = REMOVAL_PUSH;
	assert_int_equal(enrollment_save(k->m.store, e), 0);
	enrollment_free(e);
	assert_int_equal(kit_token(&d, NULL), 200);
	e = kit_load(k, "AA");
	assert_int_equal(e->state, STATE_ENROLLED);
	assert_int_equal(e->removal, REMOVAL_NONE);
	enrollment_free(e);
	kit_device_free(&d);
}

static void
token_updates_replace_and_keep(void **ctx)
{
	struct kit *k = *ctx;
	struct kit_device d, again;
	struct enrollment *e;
	struct buf secret = BUF_INIT;

	kit_device_init(&d, k, "AA", "SER1", &fresh);
	assert_int_equal(kit_authenticate(&d), 200);
	assert_int_equal(kit_token(&d, "<key>UnlockToken</key><data>BQY=</data>"), 200);
	assert_int_equal(kit_checkin(&d, "TokenUpdate",
				 "<key>PushMagic</key><string>other</string>"
				 "<key>Token</key><data>CQk=</data>",
				 NULL),
		200);
	e = kit_load(k, "AA");
	assert_string_equal(e->magic, "other");
	assert_int_equal(e->token.len, 2);
	enrollment_free(e);
	assert_int_equal(secret_get(k->m.store, "AA", 1, SECRET_UNLOCK_TOKEN, &secret), 0);
	assert_true(bytes_eq_str(buf_bytes(&secret), "\5\6"));
	buf_wipe(&secret);
	assert_int_equal(kit_token(&d, "<key>UnlockToken</key><data>Bwc=</data>"), 200);
	assert_int_equal(secret_get(k->m.store, "AA", 1, SECRET_UNLOCK_TOKEN, &secret), 0);
	assert_true(bytes_eq_str(buf_bytes(&secret), "\7\7"));
	buf_wipe(&secret);

	/* the new enrollment is given none of it */
	kit_device_init(&again, k, "AA", "SER1", &fresh);
	kit_enroll(&again);
	assert_int_equal(secret_get(k->m.store, "AA", 2, SECRET_UNLOCK_TOKEN, &secret), -ENOENT);
	buf_wipe(&secret);
	kit_device_free(&d);
	kit_device_free(&again);
}

static void
foreign_topics_are_refused(void **ctx)
{
#define OTHER "<key>Topic</key><string>com.apple.mgmt.External.other</string>"
	struct kit *k = *ctx;
	struct kit_device d;

	kit_device_init(&d, k, "AA", "SER1", &fresh);
	assert_int_equal(kit_checkin(&d, "Authenticate", OTHER, NULL), 400);
	assert_int_equal(kit_state(k, "AA"), STATE_NONE);
	assert_int_equal(kit_authenticate(&d), 200);
	assert_int_equal(kit_token(&d, OTHER), 400);
	assert_int_equal(kit_state(k, "AA"), STATE_PENDING);
	assert_int_equal(kit_token(&d, NULL), 200);
	assert_int_equal(kit_token(&d, OTHER), 400);
	kit_device_free(&d);
}

static void
bootstrap_tokens_come_and_go(void **ctx)
{
#define TOKEN "<key>BootstrapToken</key><data>AQID</data>"
	struct kit *k = *ctx;
	struct kit_device d, again;
	struct reply out;
	plist_t root;

	kit_device_init(&d, k, "AA", "SER1", &fresh);
	assert_int_equal(kit_checkin(&d, "SetBootstrapToken", TOKEN, NULL), 400);
	kit_enroll(&d);
	assert_int_equal(kit_checkin(&d, "GetBootstrapToken", NULL, &out), 200);
	assert_int_equal(out.body.len, 0);
	reply_free(&out);
	assert_int_equal(kit_checkin(&d, "SetBootstrapToken", TOKEN, NULL), 200);
	assert_int_equal(kit_checkin(&d, "GetBootstrapToken", NULL, &out), 200);
	assert_int_equal(proplist_parse(buf_bytes(&out.body), &root), 0);
	assert_true(bytes_eq_str(proplist_data(root, "BootstrapToken"), "\1\2\3"));
	plist_free(root);
	reply_free(&out);

	kit_device_init(&again, k, "AA", "SER1", &fresh);
	kit_enroll(&again);
	assert_int_equal(kit_checkin(&again, "GetBootstrapToken", NULL, &out), 200);
	assert_int_equal(out.body.len, 0);
	reply_free(&out);

	assert_int_equal(kit_checkin(&again, "SetBootstrapToken", TOKEN, NULL), 200);
	assert_int_equal(kit_checkin(&again, "SetBootstrapToken", NULL, NULL), 200);
	assert_int_equal(kit_checkin(&again, "GetBootstrapToken", NULL, &out), 200);
	assert_int_equal(out.body.len, 0);
	reply_free(&out);
	kit_device_free(&d);
	kit_device_free(&again);
}

static void
user_authenticate_follows_the_configuration(void **ctx)
{
	struct kit *k = *ctx;
	struct kit_device d, u;
	struct reply out;

	kit_device_init(&d, k, "AA", "SER1", &fresh);
	kit_enroll(&d);
	u = d;
	u.id = "AA:u1";
	assert_int_equal(kit_checkin(&u, "UserAuthenticate", NULL, NULL), 410);
	k->conf.enrollment.user_authenticate_empty = true;
	assert_int_equal(kit_checkin(&u, "UserAuthenticate", NULL, &out), 200);
	assert_non_null(strstr(buf_str(&out.body), "DigestChallenge"));
	reply_free(&out);
	assert_int_equal(kit_checkin(&u, "UserAuthenticate",
				 "<key>DigestResponse</key><string>x</string>", &out),
		200);
	assert_int_equal(out.body.len, 0);
	reply_free(&out);
	kit_device_free(&d);
}

static void
small_verbs_answer(void **ctx)
{
	struct kit *k = *ctx;
	struct kit_device d;
	struct reply out = REPLY_INIT;

	kit_device_init(&d, k, "AA", "SER1", &fresh);
	kit_enroll(&d);
	assert_int_equal(
		kit_checkin(&d, "GetToken",
			"<key>TokenServiceType</key><string>com.apple.maid</string>", NULL),
		400);
	assert_int_equal(kit_checkin(&d, "DeclarativeManagement",
				 "<key>Endpoint</key><string>tokens</string>", NULL),
		404);
	assert_int_equal(kit_checkin(&d, "DeclarativeManagement",
				 "<key>Endpoint</key><string>status</string>", NULL),
		200);
	assert_int_equal(kit_checkin(&d, "NoSuchThing", NULL, NULL), 400);
	assert_int_equal(kit_checkin(&d, "ReturnToService", NULL, &out), 200);
	assert_non_null(strstr(buf_str(&out.body), "<key>Enabled</key>"));
	assert_non_null(strstr(buf_str(&out.body), "<false/>"));
	reply_free(&out);
	kit_device_free(&d);
}

/* What becomes a question for the external server, and what does not. */
static void
declarations_are_asked_elsewhere(void **ctx)
{
	static const char tokens[] = "<key>Endpoint</key><string>tokens</string>";
	static const char report[] = "<key>Endpoint</key><string>status</string>";
	static const char climb[] = "<key>Endpoint</key><string>declaration/asset/../x</string>";
	struct kit *k = *ctx;
	struct kit_device d, stranger, blank;
	struct reply out = REPLY_INIT;

	k->conf.declarative.url = (char *)(uintptr_t) "http://127.0.0.1:1/";
	kit_device_init(&d, k, "AA", "SER1", &fresh);
	kit_device_init(&stranger, k, "BB", "SER2", &fresh);
	kit_device_init(&blank, k, "AA ", "SER3", &fresh);
	kit_enroll(&d);
	kit_enroll(&blank);
	assert_int_equal(kit_checkin(&blank, "DeclarativeManagement", tokens, &out), 400);
	assert_null(out.ask);
	reply_free(&out);
	kit_checkin(&d, "DeclarativeManagement", tokens, &out);
	assert_non_null(out.ask);
	reply_free(&out);
	assert_null(out.ask);
	assert_int_equal(kit_checkin(&d, "DeclarativeManagement", climb, &out), 400);
	assert_null(out.ask);
	reply_free(&out);
	assert_int_equal(kit_checkin(&d, "DeclarativeManagement", report, &out), 400);
	assert_null(out.ask);
	reply_free(&out);
	assert_int_equal(kit_checkin(&stranger, "DeclarativeManagement", tokens, &out), 400);
	assert_null(out.ask);
	reply_free(&out);
	k->conf.declarative.url = NULL;
	kit_device_free(&d);
	kit_device_free(&stranger);
	kit_device_free(&blank);
}

static int
send(const struct kit_device *d, bool checkin, const char *ids, const char *more)
{
	char *xml = xasprintf("<plist version=\"1.0\"><dict>%s%s</dict></plist>", ids, more);
	int status = kit_send(d, checkin, xml, NULL);

	free(xml);
	return status;
}

#define TOPIC_OF_KIT "<key>Topic</key><string>" KIT_TOPIC "</string>"
#define OF_AUTHENTICATE "<key>MessageType</key><string>Authenticate</string>" TOPIC_OF_KIT
#define OF_TOKEN_UPDATE                                                   \
	"<key>MessageType</key><string>TokenUpdate</string>" TOPIC_OF_KIT \
	"<key>PushMagic</key><string>magic</string><key>Token</key><data>AQIDBA==</data>"
#define OF_CHECK_OUT "<key>MessageType</key><string>CheckOut</string>" TOPIC_OF_KIT
#define OF_IDLE "<key>Status</key><string>Idle</string>"

/* A user enrollment has no UDID; its user, and those of a Shared iPad, hang from their device. */
static void
every_kind_of_channel(void **ctx)
{
	static const char own[] = "<key>EnrollmentID</key><string>E1</string>";
	static const char own_user[] = "<key>EnrollmentID</key><string>E1</string>"
				       "<key>EnrollmentUserID</key><string>U1</string>";
	static const char shared[] = "<key>UDID</key><string>AA</string><key>UserID</key>"
				     "<string>FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF</string>"
				     "<key>UserShortName</key><string>eva@example.org</string>";
	struct kit *k = *ctx;
	struct kit_device byod, pad;
	struct enrollment *e;

	kit_device_init(&byod, k, "E1", NULL, &fresh);
	kit_device_init(&pad, k, "AA", "SER1", &fresh);
	assert_int_equal(send(&byod, true, own, OF_AUTHENTICATE), 200);
	assert_int_equal(send(&byod, true, own_user, OF_TOKEN_UPDATE), 400); /* its device first */
	assert_int_equal(send(&byod, true, own, OF_TOKEN_UPDATE), 200);
	e = kit_load(k, "E1");
	assert_int_equal(e->channel, CHANNEL_USER_ENROLLMENT);
	enrollment_free(e);
	assert_int_equal(send(&byod, false, own_user, OF_IDLE), 400);
	assert_int_equal(send(&byod, true, own_user, OF_TOKEN_UPDATE), 200);
	e = kit_load(k, "E1:U1");
	assert_int_equal(e->channel, CHANNEL_USER_ENROLLMENT_USER);
	assert_string_equal(e->parent, "E1");
	enrollment_free(e);
	assert_true(kit_waiting(k, "E1") > 0);
	assert_int_equal(kit_waiting(k, "E1:U1"), 0); /* queues of their own */
	assert_int_equal(send(&byod, false, own_user, OF_IDLE), 200);

	kit_enroll(&pad);
	assert_int_equal(
		send(&byod, true, shared, OF_TOKEN_UPDATE), 400); /* another's certificate */
	assert_int_equal(send(&pad, true, shared, OF_TOKEN_UPDATE), 200);
	e = kit_load(k, "AA:eva@example.org");
	assert_int_equal(e->channel, CHANNEL_SHARED_IPAD_USER);
	enrollment_free(e);
	assert_int_equal(send(&pad, false, shared, OF_IDLE), 200);

	assert_int_equal(
		send(&byod, true, own, OF_CHECK_OUT), 200); /* users fall with their device */
	assert_int_equal(kit_state(k, "E1:U1"), STATE_NONE);
	assert_int_equal(kit_state(k, "AA:eva@example.org"), STATE_ENROLLED);
	assert_int_equal(
		send(&pad, true, shared, OF_CHECK_OUT), 200); /* and not the other way round */
	assert_int_equal(kit_state(k, "AA:eva@example.org"), STATE_NONE);
	assert_int_equal(kit_state(k, "AA"), STATE_ENROLLED);
	kit_device_free(&byod);
	kit_device_free(&pad);
}

static void
certificates_speak_for_their_own_enrollment_only(void **ctx)
{
	struct kit *k = *ctx;
	struct kit_device a, b, liar;

	kit_device_init(&a, k, "AA", "SER1", &fresh);
	kit_device_init(&b, k, "BB", "SER2", &fresh);
	kit_enroll(&a);
	kit_enroll(&b);
	liar = b;
	liar.id = "AA";
	assert_int_equal(kit_report(&liar, "Idle", NULL, NULL, NULL), 400);
	assert_int_equal(kit_token(&liar, NULL), 400);
	assert_int_equal(kit_authenticate(&liar), 400);
	assert_int_equal(kit_checkin(&liar, "CheckOut", NULL, NULL), 400);
	assert_int_equal(kit_state(k, "AA"), STATE_ENROLLED);
	assert_true(bound_to(k, "AA", &a));
	kit_device_free(&a);
	kit_device_free(&b);
}

/* One message with credentials made by hand. */
static int
speak(struct kit *k, const char *signature, unsigned signatures, X509 *peer, const char *body)
{
	struct credentials c = { .signature = signature,
		.signatures = signatures,
		.peer = peer,
		.body = bytes_str(body) };
	struct reply out = REPLY_INIT;

	device_answer(&k->m, false, &c, &out);
	assert_int_equal(store_commit(k->m.store), 0);
	reply_free(&out);
	return out.status;
}

#define IDLE                                                              \
	"<plist version=\"1.0\"><dict><key>UDID</key><string>AA</string>" \
	"<key>Status</key><string>Idle</string></dict></plist>"

static void
bad_signatures_are_refused(void **ctx)
{
	struct kit *k = *ctx, *other = kit_new();
	struct kit_device d, foreign;
	char *good, *huge;

	kit_device_init(&d, k, "AA", "SER1", &fresh);
	kit_enroll(&d);
	good = kit_sign(&d, bytes_str(IDLE));
	assert_int_equal(speak(k, good, 1, NULL, IDLE), 200);
	assert_int_equal(speak(k, NULL, 0, NULL, IDLE), 400);
	assert_int_equal(speak(k, good, 2, NULL, IDLE), 400);
	assert_int_equal(speak(k, good, 1, NULL, IDLE "\n"), 400);
	assert_int_equal(speak(k, "", 1, NULL, IDLE), 400);
	assert_int_equal(speak(k, "AAAA", 1, NULL, IDLE), 400);
	huge = xmalloc(100001);
	memset(huge, 'A', 100000);
	huge[100000] = '\0';
	assert_int_equal(speak(k, huge, 1, NULL, IDLE), 400);
	free(huge);
	free(good);
	/* the same names and number, another CA */
	kit_device_init(&foreign, other, "AA", "SER1", &(struct kit_issue){ .number = d.number });
	good = kit_sign(&foreign, bytes_str(IDLE));
	assert_int_equal(speak(k, good, 1, NULL, IDLE), 400);
	free(good);
	assert_int_equal(kit_state(k, "AA"), STATE_ENROLLED);
	kit_device_free(&foreign);
	kit_free(other);
	kit_device_free(&d);
}

/* How many signatures took the fast path while this one was judged, which must give `status`. */
static uint64_t
fast_for(struct kit *k, const char *signature, const char *body, int status)
{
	uint64_t before = k->m.numbers.signatures_fast;

	assert_int_equal(speak(k, signature, 1, NULL, body), status);
	return k->m.numbers.signatures_fast - before;
}

/* A known certificate in its known form is recognised; all that is judged of it still is. */
static void
known_signatures_are_recognised(void **ctx)
{
	struct kit *k = *ctx;
	struct kit_device d, b;
	struct identity *i;
	static const struct kit_issue scep = { .rsa = true };
	char *good, *strange;

	kit_device_init(&d, k, "AA", "SER1", &scep);
	kit_enroll(&d);
	kit_device_init(&b, k, "BB", "SER2", &scep);
	kit_enroll(&b);
	good = kit_sign(&d, bytes_str(IDLE));
	strange = kit_sign(&b, bytes_str(IDLE)); /* B speaks for A */
	assert_int_equal(fast_for(k, good, IDLE, 200), 1);
	assert_int_equal(fast_for(k, good, IDLE "\n", 400), 0);
	assert_int_equal(fast_for(k, strange, IDLE, 400), 1);
	/* a record without a pin gets one by the whole path */
	assert_int_equal(identity_load(k->m.store, d.sha256, &i), 0);
	memset(i->pin, 0, sizeof(i->pin));
	assert_int_equal(identity_save(k->m.store, i), 0);
	assert_int_equal(store_commit(k->m.store), 0);
	assert_int_equal(fast_for(k, good, IDLE, 200), 0);
	assert_int_equal(fast_for(k, good, IDLE, 200), 1);
	/* a CA that is not ours any more, although the record is there */
	k->certs.ssc.sha256[0] ^= 1;
	assert_int_equal(fast_for(k, good, IDLE, 200), 0);
	k->certs.ssc.sha256[0] ^= 1;
	/* revoked */
	i->status = IDENTITY_REVOKED;
	assert_int_equal(identity_save(k->m.store, i), 0);
	assert_int_equal(fast_for(k, good, IDLE, 400), 0);
	i->status = IDENTITY_ACTIVE;
	assert_int_equal(identity_save(k->m.store, i), 0);
	/* expired: within the grace by the whole path, beyond it not at all */
	kit_forward(400 * 86400);
	assert_int_equal(
		fast_for(k, good, IDLE, k->conf.identity_grace > 40 * 86400 ? 200 : 400), 0);
	identity_free(i);
	free(good);
	free(strange);
	kit_device_free(&b);
	kit_device_free(&d);
}

static void
authentication_modes(void **ctx)
{
	struct kit *k = *ctx;
	struct kit_device d, b;
	char *good;

	kit_device_init(&d, k, "AA", "SER1", &fresh);
	kit_enroll(&d);
	kit_device_init(&b, k, "BB", "SER2", &fresh);
	good = kit_sign(&d, bytes_str(IDLE));
	assert_int_equal(speak(k, NULL, 0, d.cert, IDLE), 400);
	k->conf.device_authentication = AUTH_TLS;
	assert_int_equal(speak(k, NULL, 0, d.cert, IDLE), 200);
	assert_int_equal(speak(k, good, 1, NULL, IDLE), 400);
	assert_int_equal(speak(k, NULL, 0, b.cert, IDLE), 400);
	/* a signature that is there is checked, and must be by the same identity */
	assert_int_equal(speak(k, "AAAA", 1, d.cert, IDLE), 400);
	assert_int_equal(speak(k, good, 1, b.cert, IDLE), 400);
	k->conf.device_authentication = AUTH_EITHER;
	assert_int_equal(speak(k, NULL, 0, d.cert, IDLE), 200);
	assert_int_equal(speak(k, good, 1, NULL, IDLE), 200);
	assert_int_equal(speak(k, NULL, 0, NULL, IDLE), 400);
	k->conf.device_authentication = AUTH_BOTH;
	assert_int_equal(speak(k, good, 1, d.cert, IDLE), 200);
	assert_int_equal(speak(k, NULL, 0, d.cert, IDLE), 400);
	assert_int_equal(speak(k, good, 1, NULL, IDLE), 400);
	free(good);
	kit_device_free(&d);
	kit_device_free(&b);
}

static void
expired_identities_get_only_their_renewal(void **ctx)
{
	struct kit *k = *ctx;
	struct kit_device d;
	struct reply out;

	kit_device_init(&d, k, "AA", "SER1", &(struct kit_issue){ .lifetime = 86400 });
	kit_enroll(&d);
	kit_forward(2 * 86400);
	assert_int_equal(kit_report(&d, "Idle", NULL, NULL, &out), 200);
	assert_int_equal(out.body.len, 0);
	reply_free(&out);
	assert_int_equal(kit_waiting(k, "AA"), 1);
	kit_forward(k->conf.identity_grace);
	assert_int_equal(kit_report(&d, "Idle", NULL, NULL, NULL), 400);
	kit_device_free(&d);
}

static void
lost_records_are_taken_from_the_certificate(void **ctx)
{
	struct kit *k = *ctx;
	struct kit_device d, later, foreign;

	kit_device_init(&d, k, "AA", "SER1", &fresh);
	kit_enroll(&d);
	kit_forward(3600);
	kit_device_init(&later, k, "AA", "SER1",
		&(struct kit_issue){ .number = d.number, .unrecorded = true });
	kit_device_init(&foreign, k, "AA", "SER1", &(struct kit_issue){ .unrecorded = true });
	assert_int_equal(kit_report(&foreign, "Idle", NULL, NULL, NULL), 400);
	assert_int_equal(kit_report(&later, "Idle", NULL, NULL, NULL), 200);
	assert_true(bound_to(k, "AA", &later));
	assert_int_equal(status_of(k, &later), IDENTITY_ACTIVE);
	assert_int_equal(kit_report(&d, "Idle", NULL, NULL, NULL), 200);
	/* Authenticate without a record: nobody can say what it is */
	assert_int_equal(kit_authenticate(&foreign), 400);
	kit_device_free(&d);
	kit_device_free(&later);
	kit_device_free(&foreign);
}

static struct link *
make_link(struct kit *k, const char *token, uint32_t uses, const char *serial)
{
	struct link *l = link_new();

	link_hash(token, l->hash);
	l->created = kit_now();
	l->expires = kit_now() + 86400;
	l->uses_max = uses;
	l->serial = serial ? xstrdup(serial) : NULL;
	assert_int_equal(link_save(k->m.store, l), 0);
	return l;
}

static void
with_delivery(struct kit *k, const struct kit_device *d, const char *link)
{
	struct delivery *v = delivery_new();

	memcpy(v->number, d->number, sizeof(v->number));
	snprintf(v->link, sizeof(v->link), "%s", link);
	random_bytes(v->challenge, sizeof(v->challenge));
	v->created = kit_now();
	v->facts.server_name = xstrdup("mdm.example.org:8443");
	assert_int_equal(delivery_save(k->m.store, v), 0);
	delivery_free(v);
}

static void
a_link_is_used_at_token_update(void **ctx)
{
	struct kit *k = *ctx;
	struct link *l = make_link(k, "token", 1, NULL);
	struct kit_issue issue = { .link = l->hash };
	char hash[2 * SHA256_LEN + 1];
	struct kit_device a, b;

	kit_device_init(&a, k, "AA", "SER1", &issue);
	kit_device_init(&b, k, "BB", "SER2", &issue);
	with_delivery(k, &a, l->hash);
	with_delivery(k, &b, l->hash);
	link_free(l);
	/* both began; the first to finish has it */
	assert_int_equal(kit_authenticate(&a), 200);
	assert_int_equal(kit_authenticate(&b), 200);
	assert_int_equal(kit_token(&b, NULL), 200);
	assert_int_equal(kit_token(&a, NULL), 400);
	assert_int_equal(kit_state(k, "BB"), STATE_ENROLLED);
	assert_int_equal(kit_state(k, "AA"), STATE_PENDING);
	assert_int_equal(kit_authenticate(&a), 400);
	/* the same delivery again counts nothing again */
	assert_int_equal(kit_authenticate(&b), 200);
	assert_int_equal(kit_token(&b, NULL), 200);
	link_hash("token", hash);
	assert_int_equal(link_load(k->m.store, hash, &l), 0);
	assert_int_equal(l->uses, 1);
	link_free(l);
	kit_device_free(&a);
	kit_device_free(&b);
}

static void
links_bind_to_serial_numbers(void **ctx)
{
	struct kit *k = *ctx;
	struct link *l = make_link(k, "bound", 5, "SER1");
	struct kit_issue issue = { .link = l->hash };
	struct kit_device a, b, c;

	kit_device_init(&a, k, "AA", "SER1", &issue);
	kit_device_init(&b, k, "BB", "SER2", &issue);
	kit_device_init(&c, k, "CC", NULL, &issue);
	assert_int_equal(kit_authenticate(&b), 400);
	assert_int_equal(kit_authenticate(&c), 400);
	kit_enroll(&a);
	l->revoked = true;
	assert_int_equal(link_save(k->m.store, l), 0);
	kit_device_free(&a);
	kit_device_init(&a, k, "AA", "SER1", &issue);
	assert_int_equal(kit_authenticate(&a), 400);
	link_free(l);
	kit_device_free(&a);
	kit_device_free(&b);
	kit_device_free(&c);
}

static void
bound_reenrollment_needs_a_bound_link(void **ctx)
{
	struct kit *k = *ctx;
	struct link *l = make_link(k, "bound", 5, "SER1");
	struct kit_device old, new;

	k->conf.enrollment.re_enroll_bound = true;
	kit_device_init(&old, k, "AA", "SER1", &fresh);
	kit_enroll(&old);
	kit_device_init(&new, k, "AA", "SER1", &fresh);
	assert_int_equal(kit_authenticate(&new), 400);
	kit_forward(86401);
	assert_int_equal(kit_authenticate(&new), 200);
	kit_device_free(&new);
	assert_int_equal(kit_report(&old, "Idle", NULL, NULL, NULL), 200);
	kit_device_init(&new, k, "AA", "SER1", &(struct kit_issue){ .link = l->hash });
	kit_enroll(&new);
	link_free(l);
	kit_device_free(&old);
	kit_device_free(&new);
}

static void
user_channels_hang_from_their_device(void **ctx)
{
	struct kit *k = *ctx;
	struct kit_device d, u, b;
	struct enrollment *e;

	kit_device_init(&d, k, "AA", "SER1", &fresh);
	u = d;
	u.id = "AA:u1";
	assert_int_equal(kit_token(&u, NULL), 400);
	kit_enroll(&d);
	assert_int_equal(kit_report(&u, "Idle", NULL, NULL, NULL), 400);
	assert_int_equal(kit_authenticate(&u), 400);
	assert_int_equal(kit_token(&u, "<key>UserShortName</key><string>eva</string>"), 200);
	e = kit_load(k, "AA:u1");
	assert_string_equal(e->parent, "AA");
	assert_string_equal(e->user_short, "eva");
	assert_int_equal(e->channel, CHANNEL_USER);
	enrollment_free(e);
	assert_int_equal(kit_report(&u, "Idle", NULL, NULL, NULL), 200);
	assert_int_equal(kit_checkin(&u, "GetBootstrapToken", NULL, NULL), 400);
	/* another device's certificate speaks for no user of this one */
	kit_device_init(&b, k, "BB", "SER2", &fresh);
	kit_enroll(&b);
	b.id = "AA:u1";
	assert_int_equal(kit_report(&b, "Idle", NULL, NULL, NULL), 400);
	assert_int_equal(kit_checkin(&u, "CheckOut", NULL, NULL), 200);
	assert_int_equal(kit_state(k, "AA:u1"), STATE_NONE);
	assert_int_equal(kit_state(k, "AA"), STATE_ENROLLED);
	assert_int_equal(kit_token(&u, NULL), 200);
	assert_int_equal(kit_checkin(&d, "CheckOut", NULL, NULL), 200);
	assert_int_equal(kit_state(k, "AA:u1"), STATE_NONE);
	kit_device_free(&d);
	kit_device_free(&b);
}

static void
content_types_choose_the_channel(void **ctx)
{
	(void)ctx;
	assert_true(device_is_checkin("application/x-apple-aspen-mdm-checkin"));
	assert_true(device_is_checkin("Application/X-Apple-Aspen-MDM-CheckIn; charset=UTF-8"));
	assert_false(device_is_checkin("application/x-apple-aspen-mdm; charset=UTF-8"));
	assert_false(device_is_checkin("application/x-apple-aspen-mdm-checkinx"));
	assert_false(device_is_checkin("text/xml"));
	assert_false(device_is_checkin(NULL));
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(authenticate_then_token_update_enrolls),
		TEST(a_candidate_alone_changes_nothing),
		TEST(a_pending_record_lapses_to_nothing),
		TEST(reenrollment_replaces_and_the_replaced_one_raises_the_alarm),
		TEST(a_lock_outlives_reenrollment),
		TEST(a_serial_of_a_locked_one_starts_locked),
		TEST(renewal_keeps_everything),
		TEST(renewal_of_another_or_of_nothing_is_refused),
		TEST(checkout_removes),
		TEST(a_candidate_that_checks_out_rolls_back),
		TEST(inactive_and_push_gone_come_back),
		TEST(token_updates_replace_and_keep),
		TEST(foreign_topics_are_refused),
		TEST(bootstrap_tokens_come_and_go),
		TEST(user_authenticate_follows_the_configuration),
		TEST(small_verbs_answer),
		TEST(declarations_are_asked_elsewhere),
		TEST(every_kind_of_channel),
		TEST(certificates_speak_for_their_own_enrollment_only),
		TEST(bad_signatures_are_refused),
		TEST(known_signatures_are_recognised),
		TEST(authentication_modes),
		TEST(expired_identities_get_only_their_renewal),
		TEST(lost_records_are_taken_from_the_certificate),
		TEST(a_link_is_used_at_token_update),
		TEST(links_bind_to_serial_numbers),
		TEST(bound_reenrollment_needs_a_bound_link),
		TEST(user_channels_hang_from_their_device),
		TEST(content_types_choose_the_channel),
	};

	return cmocka_run_group_tests_name("checkin", tests, NULL, NULL);
}
