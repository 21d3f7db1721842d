/* Tests of renewals: when, how many, what of, and how they end */
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
#include "mdm/crl.h"
#include "mdm/enroll.h"
#include "mdm/party.h"
#include "mdm/renewal.h"
#include "mdm_kit.h"
#include "pki/ca.h"
#include "pki/cert.h"
#include "pki/cms.h"
#include "pki/key.h"
#include "policy/renewal.h"
#include "store/delivery.h"

#define DAY INT64_C(86400)
#define BEFORE (120 * DAY)

/* ---- policy ---- */

static void
due_in_the_first_half(void **ctx)
{
	uint64_t spread;

	(void)ctx;
	for (spread = 0; spread < 1000; spread++) {
		int64_t at = renewal_due_at(1000 * DAY, BEFORE, spread * 7919 * 86400);

		assert_true(at >= 880 * DAY && at < 940 * DAY);
	}
	assert_int_equal(renewal_due_at(100, 1, 5), 99);
	assert_true(renewal_worthwhile(0, 10 * DAY, 365 * DAY, 3650 * DAY));
	assert_false(renewal_worthwhile(0, 10 * DAY, 365 * DAY, 10 * DAY)); /* the CA ends too */
	assert_false(renewal_worthwhile(0, 365 * DAY, 365 * DAY, 3650 * DAY));
	assert_true(renewal_worthwhile(10, 10, 4, 3650 * DAY));
}

static void
so_many_a_day(void **ctx)
{
	struct renewal_pace p = { 0, 0 };
	size_t begun = 0, i;

	(void)ctx;
	assert_int_equal(renewal_limit(0), 20);
	assert_int_equal(renewal_limit(1000), 20);
	assert_int_equal(renewal_limit(5000), 100);
	assert_int_equal(renewal_limit(5099), 101);
	for (i = 0; i < 500; i++)
		begun += renewal_pace_take(&p, 10 * DAY + (int64_t)i, 5000);
	assert_int_equal(begun, 100);
	assert_true(renewal_pace_take(&p, 11 * DAY, 5000));
}

static void
three_of_twenty_halt(void **ctx)
{
	struct renewal_record r = { 0 };
	int i;

	(void)ctx;
	renewal_record_add(&r, true);
	renewal_record_add(&r, true);
	for (i = 0; i < 17; i++)
		renewal_record_add(&r, false);
	assert_false(renewal_record_halts(&r));
	renewal_record_add(&r, true);
	assert_true(renewal_record_halts(&r));
	renewal_record_add(&r, false); /* the first one is the twenty-first by now */
	assert_false(renewal_record_halts(&r));
	assert_int_equal(renewal_retry(1), DAY);
	assert_int_equal(renewal_retry(99), 14 * DAY);
}

/* ---- the verb ---- */

static int
setup(void **ctx)
{
	struct kit *k = kit_new();

	k->conf.enrollment.open = true;
	k->conf.identity.renew_before = BEFORE;
	*ctx = k;
	return 0;
}

static int
teardown(void **ctx)
{
	kit_free(*ctx);
	return 0;
}

/* The number of a profile that was delivered. */
static void
deliver(struct kit *k, char number[UUID_LEN + 1])
{
	struct reply out = REPLY_INIT;
	struct enroll_offer o;

	assert_true(enroll_offer(&k->m, NULL, &o, &out));
	assert_int_equal(delivery_save(k->m.store, o.delivery), 0);
	snprintf(number, UUID_LEN + 1, "%s", o.delivery->number);
	enroll_offer_free(&o);
	reply_free(&out);
}

static void
enroll(struct kit *k, struct kit_device *d, const char *id, int64_t lifetime)
{
	char number[UUID_LEN + 1];
	struct kit_issue issue = { .number = number, .lifetime = lifetime };
	struct queue *q;

	deliver(k, number);
	kit_device_init(d, k, id, "SERIAL", &issue);
	kit_enroll(d);
	assert_int_equal(queue_load(k->m.store, id, &q), 0); /* what is asked after an enrollment */
	while (q->count)
		queue_remove(q, &q->entries[0]);
	assert_int_equal(queue_save(k->m.store, q), 0);
	queue_free(q);
	assert_int_equal(store_commit(k->m.store), 0);
}

static void
visit(struct kit *k, const char *id)
{
	const struct roster_line *line = roster_find(k->m.roster, id);

	assert_non_null(line);
	renewal_visit(&k->m, line, 0, kit_now());
	assert_int_equal(store_commit(k->m.store), 0);
}

static void
wait_with(struct kit *k, const char *id, const char *uuid)
{
	struct queue_entry e = { .uuid = xstrdup(uuid),
		.type = xstrdup("SecurityInfo"),
		.family = FAMILY_QUERY,
		.queued_at = kit_now() };
	static const char body[] = "<plist><dict><key>CommandUUID</key><string>%s</string>"
				   "<key>Command</key><dict><key>RequestType</key>"
				   "<string>SecurityInfo</string></dict></dict></plist>";
	char *xml = xasprintf(body, uuid);
	struct queue *q;

	assert_int_equal(queue_load(k->m.store, id, &q), 0);
	queue_add(q, &e);
	assert_int_equal(queue_save(k->m.store, q), 0);
	assert_int_equal(queue_body_put(k->m.store, uuid, bytes_str(xml), 1), 0);
	assert_int_equal(store_commit(k->m.store), 0);
	queue_free(q);
	free(xml);
}

/* What an Idle is answered: the UUID, and the profile of a renewal (both the caller's, or NULL). */
static char *
next(const struct kit_device *d, plist_t *profile, X509 **signer)
{
	struct reply out = REPLY_INIT;
	plist_t root, payload;
	char *data = NULL, *uuid;
	uint64_t len = 0;
	struct buf content = BUF_INIT;

	assert_int_equal(kit_report(d, "Idle", NULL, NULL, &out), 200);
	uuid = kit_offered(&out);
	*profile = NULL;
	*signer = NULL;
	if (uuid && proplist_parse(buf_bytes(&out.body), &root) == 0) {
		payload = plist_dict_get_item(proplist_dict(root, "Command"), "Payload");
		if (payload)
			plist_get_data_val(payload, &data, &len);
		if (data) {
			assert_int_equal(
				cms_open_signed(bytes_of(data, len), signer, &content), CMS_OK);
			assert_int_equal(proplist_parse(buf_bytes(&content), profile), 0);
		}
		free(data);
		plist_free(root);
	}
	buf_free(&content);
	reply_free(&out);
	return uuid;
}

static plist_t
payload_of(plist_t profile, const char *type)
{
	plist_t list = proplist_array(profile, "PayloadContent");
	uint32_t i;

	for (i = 0; i < plist_array_get_size(list); i++) {
		plist_t p = plist_array_get_item(list, i);

		if (strcmp(proplist_str(p, "PayloadType"), type) == 0)
			return p;
	}
	fail_msg("no payload %s", type);
	return NULL;
}

/* The delivery that the profile's challenge belongs to; the caller's. */
static struct delivery *
delivery_of(struct kit *k, plist_t profile)
{
	plist_t scep =
		proplist_dict(payload_of(profile, "com.apple.security.scep"), "PayloadContent");
	struct delivery *d;

	assert_int_equal(
		delivery_by_challenge(k->m.store, bytes_str(proplist_str(scep, "Challenge")), &d),
		0);
	return d;
}

/* The identity that the device gets by the renewal's profile. */
static void
renewed(struct kit *k, struct kit_device *d, const char *id, plist_t profile)
{
	struct delivery *delivery = delivery_of(k, profile);
	struct kit_issue issue = { .renewal_of = id, .number = delivery->number };

	assert_string_equal(delivery->renewal_of, id);
	kit_device_init(d, k, id, "SERIAL", &issue);
	delivery_free(delivery);
}

static void
begun_in_time_and_once(void **ctx)
{
	struct kit *k = *ctx;
	struct kit_device d;

	enroll(k, &d, "AA", 0);
	kit_forward(244 * DAY);
	visit(k, "AA");
	assert_int_equal(kit_waiting(k, "AA"), 0);
	kit_forward(2 * DAY);
	visit(k, "AA");
	assert_int_equal(kit_waiting(k, "AA"), 1);
	kit_forward(2 * 3600);
	visit(k, "AA");
	assert_int_equal(kit_waiting(k, "AA"), 1);
	assert_int_equal(renewal_ask(&k->m, "AA", "eva"), -EALREADY);
	kit_device_free(&d);
}

/* Queue, generation and state outlive it; the profile is the recorded one, signed as recorded. */
static void
a_renewal_keeps_everything(void **ctx)
{
	struct kit *k = *ctx;
	struct kit_device old, new;
	struct enrollment *before, *after;
	plist_t profile, mdm, more;
	X509 *signer, *none;
	char *uuid, *second;
	uint64_t rights = 0;

	enroll(k, &old, "AA", 0);
	before = kit_load(k, "AA");
	assert_int_equal(renewal_ask(&k->m, "AA", "eva"), 0);
	wait_with(k, "AA", "later");
	free(k->conf.server_name);
	k->conf.server_name = xstrdup("elsewhere.example.org"); /* the record counts */
	k->conf.enrollment.access_rights = 8191 & ~8;
	uuid = next(&old, &profile, &signer);
	assert_non_null(profile);
	assert_int_equal(X509_cmp(signer, certpair_leaf(&k->certs.ssc)), 0);
	assert_string_equal(
		proplist_str(profile, "PayloadIdentifier"), "org.example.mdm.cordon.enroll");
	mdm = payload_of(profile, "com.apple.mdm");
	assert_string_equal(proplist_str(mdm, "ServerURL"), "https://mdm.example.org:8443/mdm");
	assert_string_equal(proplist_str(mdm, "Topic"), KIT_TOPIC);
	plist_get_uint_val(plist_dict_get_item(mdm, "AccessRights"), &rights);
	assert_int_equal(rights, 8191 & ~8);
	renewed(k, &new, "AA", profile);
	kit_enroll(&new);
	after = kit_load(k, "AA");
	assert_int_equal(after->generation, before->generation);
	assert_int_equal(after->enrolled_at, before->enrolled_at);
	assert_memory_equal(after->current.cert, new.sha256, SHA256_LEN);
	assert_memory_equal(after->previous.cert, old.sha256, SHA256_LEN);
	assert_int_equal(after->renewal_begun, 0);
	assert_int_equal(kit_report(&new, "Acknowledged", uuid, NULL, NULL), 200);
	second = next(&new, &more, &none);
	assert_string_equal(second, "later");
	assert_int_equal(kit_report(&old, "Idle", NULL, NULL, NULL), 200); /* both are accepted */
	kit_forward(31 * DAY);
	assert_int_equal(kit_report(&new, "Idle", NULL, NULL, NULL), 200);
	assert_int_equal(kit_report(&old, "Idle", NULL, NULL, NULL), 400); /* ... for 30 days */
	free(uuid);
	free(second);
	plist_free(profile);
	X509_free(signer);
	enrollment_free(before);
	enrollment_free(after);
	kit_device_free(&old);
	kit_device_free(&new);
}

static void
the_recorded_signer_signs(void **ctx)
{
	struct kit *k = *ctx;
	struct subject s = { .common_name = (char *)(uintptr_t) "New SSC" };
	struct certpair first = k->certs.ssc, second = first;
	struct kit_device d;
	plist_t profile;
	X509 *signer;
	char *uuid;

	enroll(k, &d, "AA", 0);
	second.key = key_new_rsa(2048);
	second.chain = sk_X509_new_null();
	sk_X509_push(second.chain, ca_new_ssc(second.key, &s, kit_now(), 3650 * DAY));
	cert_sha256(certpair_leaf(&second), second.sha256);
	k->certs.ssc = second;
	assert_int_equal(renewal_ask(&k->m, "AA", "eva"), -ENOKEY); /* dropped at once */
	k->certs.ssc_old = &first;
	k->certs.ssc_old_count = 1;
	assert_int_equal(renewal_ask(&k->m, "AA", "eva"), 0);
	uuid = next(&d, &profile, &signer);
	assert_non_null(profile);
	assert_int_equal(X509_cmp(signer, certpair_leaf(&first)), 0);
	assert_string_equal(proplist_str(profile, "PayloadDisplayName"), first.name);
	free(uuid);
	plist_free(profile);
	X509_free(signer);
	kit_device_free(&d);
	k->certs.ssc = first;
	k->certs.ssc_old = NULL;
	k->certs.ssc_old_count = 0;
	sk_X509_pop_free(second.chain, X509_free);
	EVP_PKEY_free(second.key);
}

/* Inside identity-grace it is offered its renewal and nothing else; all that it says counts. */
static void
an_expired_identity_gets_its_renewal_alone(void **ctx)
{
	struct kit *k = *ctx;
	struct kit_device old, new;
	plist_t profile;
	X509 *signer;
	char *uuid;

	enroll(k, &old, "AA", 10 * DAY);
	wait_with(k, "AA", "before");
	kit_forward(11 * DAY);
	uuid = next(&old, &profile, &signer);
	assert_non_null(profile);
	assert_int_equal(kit_report(&old, "NotNow", uuid, NULL, NULL), 200);
	assert_int_equal(kit_report(&old, "Acknowledged", "before", NULL, NULL), 200);
	assert_int_equal(kit_waiting(k, "AA"), 1);
	wait_with(k, "AA", "behind");
	renewed(k, &new, "AA", profile);
	kit_enroll(&new);
	free(uuid);
	plist_free(profile);
	X509_free(signer);
	uuid = next(&new, &profile, &signer);
	assert_string_equal(uuid, "behind"); /* the renewal is not wanted any more */
	assert_null(profile);
	free(uuid);
	kit_device_free(&old);
	kit_device_free(&new);
}

static void
beyond_the_grace_nothing(void **ctx)
{
	struct kit *k = *ctx;
	struct kit_device d;

	enroll(k, &d, "AA", 10 * DAY);
	kit_forward(10 * DAY + k->conf.identity_grace + 100);
	assert_int_equal(kit_report(&d, "Idle", NULL, NULL, NULL), 400);
	kit_device_free(&d);
}

static unsigned
failures(struct kit *k, const char *id)
{
	struct enrollment *e = kit_load(k, id);
	unsigned n = e->renewal_failures;

	assert_true(n == 0 || e->renewal_begun == 0);
	enrollment_free(e);
	return n;
}

static void
every_way_to_fail(void **ctx)
{
	struct kit *k = *ctx;
	struct kit_device d;
	plist_t profile;
	X509 *signer;
	char *uuid;
	int i;

	enroll(k, &d, "AA", 0);
	assert_int_equal(renewal_ask(&k->m, "AA", "eva"), 0);
	uuid = next(&d, &profile, &signer);
	assert_int_equal(kit_report(&d, "Error", uuid, NULL, NULL), 200);
	assert_int_equal(failures(k, "AA"), 1);
	free(uuid);
	plist_free(profile);
	X509_free(signer);

	/* handed out again and again, as when its size or a proxy stops it */
	assert_int_equal(renewal_ask(&k->m, "AA", "eva"), 0);
	for (i = 0; i < 5; i++) {
		uuid = next(&d, &profile, &signer);
		assert_non_null(profile);
		free(uuid);
		plist_free(profile);
		X509_free(signer);
	}
	assert_null(next(&d, &profile, &signer));
	assert_int_equal(failures(k, "AA"), 2);
	assert_int_equal(renewal_halted(&k->m), 0);

	/* taken, and no TokenUpdate for a day */
	kit_forward(300 * DAY);
	assert_int_equal(renewal_ask(&k->m, "AA", "eva"), 0);
	free(next(&d, &profile, &signer));
	plist_free(profile);
	X509_free(signer);
	kit_forward(DAY + 60);
	visit(k, "AA");
	assert_int_equal(failures(k, "AA"), 3);
	assert_true(renewal_halted(&k->m) != 0);
	assert_int_equal(renewal_resume(&k->m, "eva"), 0);

	/* the device falls out of management */
	assert_int_equal(renewal_ask(&k->m, "AA", "eva"), 0);
	free(next(&d, &profile, &signer));
	plist_free(profile);
	X509_free(signer);
	assert_int_equal(kit_checkin(&d, "CheckOut", NULL, NULL), 200);
	assert_int_equal(failures(k, "AA"), 4);
	assert_int_equal(kit_state(k, "AA"), STATE_REMOVED);
	kit_device_free(&d);
}

/* `count` devices whose identities all end on the same day. */
static void
fill(struct kit *k, size_t count)
{
	char id[32], number[UUID_LEN + 1];
	size_t i;

	deliver(k, number);
	for (i = 0; i < count; i++) {
		struct enrollment *e;

		snprintf(id, sizeof(id), "D%04zu", i);
		e = enrollment_new(id, CHANNEL_DEVICE);
		e->state = STATE_ENROLLED;
		e->current.set = true;
		e->current.not_after = kit_now() + 30 * DAY;
		memcpy(e->number, number, sizeof(e->number));
		assert_int_equal(enrollment_save(k->m.store, e), 0);
		enrollment_free(e);
	}
	assert_int_equal(store_commit(k->m.store), 0);
}

static size_t
begun_after_a_round(struct kit *k, size_t count)
{
	char id[32];
	size_t i, begun = 0;

	for (i = 0; i < count; i++) {
		snprintf(id, sizeof(id), "D%04zu", i);
		renewal_visit(&k->m, roster_find(k->m.roster, id), 0, kit_now());
	}
	assert_int_equal(store_commit(k->m.store), 0);
	for (i = 0; i < count; i++) {
		snprintf(id, sizeof(id), "D%04zu", i);
		begun += kit_waiting(k, id);
	}
	return begun;
}

static void
a_thousand_on_one_day(void **ctx)
{
	struct kit *k = *ctx;
	const size_t count = 1000;
	size_t i;
	char id[32];

	fill(k, count);
	assert_int_equal(begun_after_a_round(k, count), 20);
	assert_int_equal(begun_after_a_round(k, count), 20);
	kit_forward(DAY);
	assert_int_equal(begun_after_a_round(k, count), 40);
	for (i = 0; i < 3; i++) {
		struct enrollment *e;

		snprintf(id, sizeof(id), "D%04zu", i);
		e = kit_load(k, id);
		assert_true(e->renewal_begun != 0);
		renewal_failed(&k->m, e, "SCEP failed");
		assert_int_equal(enrollment_save(k->m.store, e), 0);
		enrollment_free(e);
	}
	kit_forward(DAY);
	assert_true(renewal_halted(&k->m) != 0);
	assert_int_equal(begun_after_a_round(k, count), 40);
	assert_int_equal(renewal_resume(&k->m, "eva"), 0);
	kit_forward(2 * 3600);
	assert_true(begun_after_a_round(k, count) > 40);
}

/* What was queued before the halt is not handed out; by a person's word it is. */
static void
a_halt_holds_what_waits(void **ctx)
{
	struct kit *k = *ctx;
	struct kit_device d;
	plist_t profile;
	X509 *signer;
	char *uuid;

	enroll(k, &d, "AA", 0);
	kit_forward(250 * DAY);
	visit(k, "AA");
	assert_int_equal(kit_waiting(k, "AA"), 1);
	renewal_halt(&k->m, "a test");
	assert_null(next(&d, &profile, &signer));
	assert_int_equal(kit_waiting(k, "AA"), 0);
	assert_int_equal(renewal_ask(&k->m, "AA", "eva"), 0);
	uuid = next(&d, &profile, &signer);
	assert_non_null(profile);
	free(uuid);
	plist_free(profile);
	X509_free(signer);
	kit_device_free(&d);
}

static void
a_wiped_device_is_no_renewal(void **ctx)
{
	struct kit *k = *ctx;
	struct kit_device old, lost, new;
	struct enrollment *e;
	plist_t profile;
	X509 *signer;
	char number[UUID_LEN + 1];
	struct kit_issue issue = { .number = number };

	enroll(k, &old, "AA", 0);
	assert_int_equal(renewal_ask(&k->m, "AA", "eva"), 0);
	free(next(&old, &profile, &signer));
	renewed(k, &lost, "AA", profile); /* wiped between SCEP and Authenticate */
	kit_forward(10);
	deliver(k, number);
	kit_device_init(&new, k, "AA", "SERIAL", &issue);
	kit_enroll(&new);
	e = kit_load(k, "AA");
	assert_int_equal(e->generation, 2);
	assert_int_equal(e->renewal_begun, 0);
	assert_memory_equal(e->current.cert, new.sha256, SHA256_LEN);
	enrollment_free(e);
	assert_int_equal(kit_authenticate(&lost), 400);
	assert_int_equal(kit_report(&lost, "Idle", NULL, NULL, NULL), 400);
	plist_free(profile);
	X509_free(signer);
	kit_device_free(&old);
	kit_device_free(&lost);
	kit_device_free(&new);
}

/* ---- the revocation list ---- */

/* 'h'old, 'r'evoked, '-' not listed. */
static char
listed(struct kit *k, const struct kit_device *d)
{
	const ASN1_INTEGER *n = X509_get0_serialNumber(d->cert);
	struct crl_entry *entries = NULL;
	size_t count = 0, i;
	char found = '-';

	assert_int_equal(crl_entries(&k->m, k->certs.ssc.sha256, &entries, &count), 0);
	for (i = 0; i < count; i++)
		if (entries[i].len == ASN1_STRING_length(n) &&
			memcmp(entries[i].serial, ASN1_STRING_get0_data(n), entries[i].len) == 0)
			found = entries[i].hold ? 'h' : 'r';
	free(entries);
	return found;
}

static void
set_locked(struct kit *k, const char *id, bool locked)
{
	struct enrollment *e = kit_load(k, id);

	e->locked = locked;
	assert_int_equal(enrollment_save(k->m.store, e), 0);
	assert_int_equal(store_commit(k->m.store), 0);
	enrollment_free(e);
}

static void
the_list_says_what_the_gate_says(void **ctx)
{
	struct kit *k = *ctx;
	struct kit_device d, fresh, new;
	struct enrollment *e;
	plist_t profile;
	X509 *signer;

	enroll(k, &d, "AA", 0);
	kit_device_init(&fresh, k, "BB", "SERIAL", &(struct kit_issue){ 0 });
	assert_int_equal(listed(k, &d), '-');
	assert_int_equal(listed(k, &fresh), 'h'); /* until its first TokenUpdate */
	set_locked(k, "AA", true);
	assert_int_equal(listed(k, &d), 'h');
	assert_int_equal(kit_report(&d, "Idle", NULL, NULL, NULL), 200); /* we do not look at it */
	set_locked(k, "AA", false);
	assert_int_equal(listed(k, &d), '-');
	assert_int_equal(renewal_ask(&k->m, "AA", "eva"), 0);
	free(next(&d, &profile, &signer));
	renewed(k, &new, "AA", profile);
	kit_enroll(&new);
	assert_int_equal(listed(k, &new), '-');
	kit_forward(29 * DAY);
	assert_int_equal(listed(k, &d), '-');
	kit_forward(2 * DAY);
	assert_int_equal(listed(k, &d), 'r');
	e = kit_load(k, "AA");
	assert_int_equal(party_remove(&k->m, e, REMOVAL_ADMIN, "eva"), 0);
	assert_int_equal(store_commit(k->m.store), 0);
	enrollment_free(e);
	assert_int_equal(listed(k, &new), 'r');
	assert_int_equal(kit_report(&new, "Idle", NULL, NULL, NULL), 400);
	kit_forward(400 * DAY);
	assert_int_equal(listed(k, &new), '-'); /* expired: nobody asks any more */
	plist_free(profile);
	X509_free(signer);
	kit_device_free(&d);
	kit_device_free(&fresh);
	kit_device_free(&new);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(due_in_the_first_half),
		cmocka_unit_test(so_many_a_day),
		cmocka_unit_test(three_of_twenty_halt),
		TEST(begun_in_time_and_once),
		TEST(a_renewal_keeps_everything),
		TEST(the_recorded_signer_signs),
		TEST(an_expired_identity_gets_its_renewal_alone),
		TEST(beyond_the_grace_nothing),
		TEST(every_way_to_fail),
		TEST(a_thousand_on_one_day),
		TEST(a_halt_holds_what_waits),
		TEST(a_wiped_device_is_no_renewal),
		TEST(the_list_says_what_the_gate_says),
	};

	return cmocka_run_group_tests_name("renewal", tests, NULL, NULL);
}
