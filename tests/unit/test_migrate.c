/* Tests of daemon/mdm/migrate, profile_keep, foreign and adopt, and of store/origin: who may speak
 * for an enrollment that came from elsewhere */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "base/proplist.h"
#include "mdm/adopt.h"
#include "mdm/foreign.h"
#include "mdm/migrate.h"
#include "mdm/profile_keep.h"
#include "mdm/renewal.h"
#include "mdm_kit.h"
#include "pki/cert.h"
#include "pki/cms.h"
#include "store/origin.h"

#define HOUR 3600
#define PROFILE                                                                                    \
	"<plist version=\"1.0\"><dict><key>PayloadType</key><string>Configuration</string>"        \
	"<key>PayloadIdentifier</key><string>org.old.enroll</string>"                              \
	"<key>PayloadUUID</key><string>A</string><key>Odd</key><string>kept</string>"              \
	"<key>PayloadContent</key><array>"                                                         \
	"<dict><key>PayloadType</key><string>com.apple.security.acme</string>"                     \
	"<key>PayloadIdentifier</key><string>org.old.id</string><key>PayloadUUID</key><string>b-1" \
	"</string><key>DirectoryURL</key><string>https://ca</string>"                              \
	"<key>ClientIdentifier</key><string>secret-of-old</string></dict>"                         \
	"<dict><key>PayloadType</key><string>com.apple.mdm</string>"                               \
	"<key>PayloadIdentifier</key><string>org.old.mdm</string><key>PayloadUUID</key><string>C"  \
	"</string><key>IdentityCertificateUUID</key><string>B-1</string>"                          \
	"<key>Topic</key><string>" KIT_TOPIC "</string>"                                           \
	"<key>ServerURL</key><string>https://old.example.org:8443/mdm?x=1</string>"                \
	"<key>SignMessage</key><true/><key>AccessRights</key><integer>8191</integer>"              \
	"</dict></array></dict></plist>"

static struct kit *kit, *old; /* this server, and the one before */

static int
setup(void **ctx)
{
	(void)ctx;
	old = kit_new();
	kit = kit_new();
	return 0;
}

static int
teardown(void **ctx)
{
	(void)ctx;
	kit_free(kit);
	kit_free(old);
	return 0;
}

static void
commit(void)
{
	assert_int_equal(store_commit(kit->m.store), 0);
}

/* ---- helpers ---- */

static void
open_window(int64_t seconds)
{
	struct conf before = kit->conf;

	kit->conf.migration = seconds;
	migrate_configure(&kit->m, &before);
}

/* The old server's profile and the CA of `from`; "" signs nothing. */
static void
name_origin(const struct kit *from, const char *id)
{
	struct profile_kept kept;
	struct origin *o = origin_new();
	const char *why;

	assert_int_equal(profile_keep_read(bytes_str(PROFILE), &kept, &why), 0);
	memset(o->id, *id, sizeof(o->id) - 1);
	profile_facts_copy(&o->facts, &kept.facts);
	o->facts.origin = xstrdup(o->id);
	buf_add_bytes(&o->profile, buf_bytes(&kept.profile));
	assert_int_equal(cert_to_pem(certpair_leaf(&from->certs.ssc), &o->cas), 0);
	assert_int_equal(origin_save(kit->m.store, o), 0);
	foreign_forget(&kit->m);
	commit();
	origin_free(o);
	profile_kept_free(&kept);
}

static int
import(const char *id, const char *type, const char *more)
{
	char *xml = xasprintf("<plist version=\"1.0\"><dict><key>MessageType</key><string>%s"
			      "</string><key>UDID</key><string>%s</string><key>Topic</key>"
			      "<string>" KIT_TOPIC "</string>%s</dict></plist>",
		type, id, more);
	struct buf words = BUF_INIT;
	struct message *msg;
	const char *why;
	bool changed;
	int rc;

	assert_int_equal(message_parse_checkin(bytes_str(xml), &msg, &why), 0);
	rc = migrate_take(&kit->m, msg, "", "tester", &changed, &words);
	assert_int_equal(rc == 0, words.len == 0);
	commit();
	message_free(msg);
	buf_free(&words);
	free(xml);
	return rc == 0 && !changed ? 1 : rc;
}

#define TOKEN "<key>Token</key><data>dG9rZW4=</data><key>PushMagic</key><string>magic</string>"

static void
import_device(const char *id)
{
	assert_int_equal(
		import(id, "Authenticate", "<key>SerialNumber</key><string>S</string>"), 0);
	assert_int_equal(import(id, "TokenUpdate", TOKEN), 0);
}

/* A device with an identity that `ca` issued, which speaks to this server. */
static void
device_of(struct kit_device *d, struct kit *ca, const char *id, const char *number)
{
	kit_device_init(
		d, ca, id, "S", &(struct kit_issue){ .number = number, .unrecorded = true });
	d->kit = kit;
}

static int
poll(const struct kit_device *d)
{
	return kit_report(d, "Idle", NULL, NULL, NULL);
}

/* Until nothing is offered any more. */
static void
work_off(const struct kit_device *d)
{
	struct reply r = REPLY_INIT;
	char *uuid;

	assert_int_equal(kit_report(d, "Idle", NULL, NULL, &r), 200);
	while ((uuid = kit_offered(&r))) {
		reply_free(&r);
		assert_int_equal(kit_report(d, "Acknowledged", uuid, NULL, &r), 200);
		free(uuid);
	}
	reply_free(&r);
}

static bool
refused_for(const char *id, const char *words)
{
	struct enrollment *e = kit_load(kit, id);
	bool so = e->refused_why && strstr(e->refused_why, words);

	enrollment_free(e);
	return so;
}

/* ---- the window and the first certificate ---- */

static void
first_certificate_is_bound(void **ctx)
{
	struct kit_device d, second;
	struct enrollment *e;

	(void)ctx;
	import_device("AA");
	device_of(&d, old, "AA", NULL);
	device_of(&second, old, "AA", NULL);
	assert_int_equal(poll(&d), 400); /* nobody named its CA */
	name_origin(old, "a");
	kit_forward(61);
	assert_int_equal(poll(&d), 400);
	assert_true(refused_for("AA", "closed"));
	open_window(HOUR);
	assert_int_equal(poll(&d), 200);
	e = kit_load(kit, "AA");
	assert_true(e->current.set);
	assert_memory_equal(e->current.cert, d.sha256, SHA256_LEN);
	assert_int_equal(e->state, STATE_ENROLLED);
	assert_true(e->number[0]);
	assert_string_equal(e->topic, KIT_TOPIC);
	enrollment_free(e);
	assert_int_equal(poll(&second), 400);
	assert_int_equal(poll(&d), 200); /* by its record now */
	foreign_forget(&kit->m);	 /* as after a restart */
	open_window(0);
	assert_int_equal(poll(&d), 200);
	assert_int_equal(kit_token(&d, ""), 200);
	assert_int_equal(import("AA", "TokenUpdate", TOKEN), 1);
	assert_int_equal(import("AA", "TokenUpdate", TOKEN "<key>x</key><true/>"), -EEXIST);
	kit_device_free(&d);
	kit_device_free(&second);
}

static void
window_closes_by_itself(void **ctx)
{
	struct kit_device d;

	(void)ctx;
	import_device("AA");
	name_origin(old, "a");
	device_of(&d, old, "AA", NULL);
	open_window(HOUR);
	assert_true(migrate_open(&kit->m));
	kit_forward(HOUR);
	assert_false(migrate_open(&kit->m)); /* before any tick */
	assert_int_equal(poll(&d), 400);
	migrate_tick(&kit->m);
	assert_int_equal(kit->m.migration_until, 0);
	kit_device_free(&d);
}

/* The CA of others writes into its certificates what it likes, also our enrollment's number. */
static void
foreign_number_counts_nothing(void **ctx)
{
	struct kit_device own, thief;
	struct enrollment *e;
	char number[UUID_LEN + 1];

	(void)ctx;
	kit_device_init(&own, kit, "OWN", "S", &(struct kit_issue){ 0 });
	kit_enroll(&own);
	e = kit_load(kit, "OWN");
	memcpy(number, e->number, sizeof(number));
	enrollment_free(e);
	name_origin(old, "a");
	open_window(HOUR);
	kit_forward(HOUR / 2);
	device_of(&thief, old, "OWN", number);
	assert_int_equal(poll(&thief), 400);
	assert_true(refused_for("OWN", "imported enrollments only"));
	assert_int_equal(kit_authenticate(&thief), 400);
	assert_int_equal(kit_token(&thief, ""), 400);
	adopt_open(&kit->m, HOUR, "tester");
	thief.id = "NEW";
	assert_int_equal(poll(&thief), 400);
	assert_int_equal(poll(&own), 200);
	kit_device_free(&own);
	kit_device_free(&thief);
}

/* One certificate, one device. */
static void
bound_certificate_binds_nothing_else(void **ctx)
{
	struct kit_device d;

	(void)ctx;
	import_device("AA");
	import_device("BB");
	name_origin(old, "a");
	open_window(HOUR);
	device_of(&d, old, "AA", NULL);
	assert_int_equal(poll(&d), 200);
	d.id = "BB";
	assert_int_equal(poll(&d), 400);
	assert_true(refused_for("BB", "belongs to another device"));
	kit_device_free(&d);
}

static void
other_origin_does_not_speak(void **ctx)
{
	struct kit *third = kit_new();
	struct kit_device d;

	(void)ctx;
	import_device("AA"); /* of no origin: the one given last */
	name_origin(old, "a");
	name_origin(third, "b");
	open_window(HOUR);
	device_of(&d, old, "AA", NULL);
	assert_int_equal(poll(&d), 400);
	assert_true(refused_for("AA", "not named for it"));
	name_origin(old, "a"); /* given once more: the last one again */
	assert_int_equal(poll(&d), 200);
	kit_device_free(&d);
	kit_free(third);
}

/* Authenticate by the old identity once more: an enrollment like any, whose renewal keeps the
 * profile. */
static void
authenticates_again(void **ctx)
{
	struct kit_device d;
	struct enrollment *e;

	(void)ctx;
	import_device("AA");
	name_origin(old, "a");
	open_window(HOUR);
	device_of(&d, old, "AA", NULL);
	assert_int_equal(kit_authenticate(&d), 400); /* not as its first word */
	assert_int_equal(poll(&d), 200);
	assert_int_equal(kit_authenticate(&d), 200);
	assert_int_equal(kit_token(&d, ""), 200);
	e = kit_load(kit, "AA");
	assert_int_equal(e->generation, 2);
	assert_int_equal(e->imported_at, 0);
	enrollment_free(e);
	assert_int_equal(renewal_ask(&kit->m, "AA", "tester"), 0);
	assert_int_equal(import("AA", "TokenUpdate", TOKEN), -EEXIST);
	kit_device_free(&d);
}

static void
without_profile_no_renewal(void **ctx)
{
	struct kit_device d;
	struct buf key = BUF_INIT;
	struct enrollment *e;

	(void)ctx;
	import_device("AA");
	name_origin(old, "a");
	open_window(HOUR);
	device_of(&d, old, "AA", NULL);
	assert_int_equal(poll(&d), 200);
	assert_int_equal(renewal_ask(&kit->m, "AA", "tester"), 0);
	buf_add_char(&key, 'o');
	e = kit_load(kit, "AA");
	buf_add_str(&key, e->origin);
	enrollment_free(e);
	assert_int_equal(store_delete(kit->m.store, buf_bytes(&key)), 0);
	commit();
	work_off(&d); /* the renewal is given up, and wedges nothing */
	assert_int_equal(renewal_ask(&kit->m, "AA", "tester"), -ENODATA);
	buf_free(&key);
	kit_device_free(&d);
}

/* ---- adopt ---- */

static void
unknown_device_is_adopted(void **ctx)
{
	struct kit_device d, bare;
	struct enrollment *e;

	(void)ctx;
	device_of(&d, kit, "DD", NULL);
	assert_int_equal(poll(&d), 400);
	assert_int_equal(adopt_open(&kit->m, HOUR, "tester"), 0);
	assert_int_equal(poll(&d), 200);
	e = kit_load(kit, "DD");
	assert_int_equal(e->state, STATE_ENROLLED);
	assert_string_equal(e->number, d.number);
	assert_true(e->renewal_begun != 0);
	enrollment_free(e);
	assert_int_equal(adopt_count(&kit->m), 1);
	device_of(&bare, kit, "EE", NULL);
	bare.id = "EE:user"; /* a user comes after its device */
	assert_int_equal(poll(&bare), 400);
	kit_forward(HOUR);
	bare.id = "EE";
	assert_int_equal(poll(&bare), 400);
	assert_int_equal(poll(&d), 200);
	adopt_tick(&kit->m);
	assert_int_equal(adopt_close(&kit->m, "tester"), -ENOENT);
	kit_device_free(&d);
	kit_device_free(&bare);
}

/* Records that say otherwise: revoked, another's, renewing another, forgotten by a person. */
static void
records_forbid_adoption(void **ctx)
{
	struct kit_device d, renewing, gone;
	struct identity *i;

	(void)ctx;
	assert_int_equal(adopt_open(&kit->m, HOUR, "tester"), 0);
	kit_device_init(&d, kit, "DD", "S", &(struct kit_issue){ 0 });
	assert_int_equal(identity_load(kit->m.store, d.sha256, &i), 0);
	i->status = IDENTITY_REVOKED;
	assert_int_equal(identity_save(kit->m.store, i), 0);
	commit();
	assert_int_equal(poll(&d), 400);
	i->status = IDENTITY_ISSUED;
	i->enrollment = xstrdup("XX");
	assert_int_equal(identity_save(kit->m.store, i), 0);
	commit();
	assert_int_equal(poll(&d), 400);
	free(i->enrollment);
	i->enrollment = NULL;
	assert_int_equal(identity_save(kit->m.store, i), 0);
	commit();
	assert_int_equal(poll(&d), 200); /* issued before the backup, enrolled after it */
	identity_free(i);
	kit_device_init(&renewing, kit, "RR", "S", &(struct kit_issue){ .renewal_of = "YY" });
	assert_int_equal(poll(&renewing), 400);
	kit_device_init(&gone, kit, "GG", "S", &(struct kit_issue){ 0 });
	kit_enroll(&gone);
	assert_int_equal(enrollment_forget(kit->m.store, "GG"), 0);
	commit();
	assert_int_equal(poll(&gone), 400);
	kit_device_free(&d);
	kit_device_free(&renewing);
	kit_device_free(&gone);
}

/* ---- the profile ---- */

static char *
replaced(const char *from, const char *to)
{
	const char *at = strstr(PROFILE, from);

	assert_non_null(at);
	return xasprintf("%.*s%s%s", (int)(at - PROFILE), PROFILE, to, at + strlen(from));
}

static void
profile_is_read(void **ctx)
{
	struct profile_kept k;
	const char *why;

	(void)ctx;
	assert_int_equal(profile_keep_read(bytes_str(PROFILE), &k, &why), 0);
	assert_string_equal(k.facts.identifier, "org.old.enroll");
	assert_string_equal(k.facts.server_name, "old.example.org:8443");
	assert_string_equal(k.facts.checkin_url, k.facts.server_url);
	assert_int_equal(k.facts.access_rights, 8191);
	assert_false(k.facts.per_user);
	assert_null(k.signer);
	assert_int_equal(k.warning_count, 0);
	assert_null(memmem(k.profile.data, k.profile.len, "secret-of-old", 13));
	profile_kept_free(&k);
}

static void
profile_faults_are_named(void **ctx)
{
	static const struct {
		const char *from, *to, *words;
	} rows[] = {
		{ "Configuration", "x", "configuration profile" },
		{ "PayloadIdentifier</key><string>org.old.enroll", "x</key><string>y",
			"PayloadIdentifier" },
		{ "com.apple.mdm<", "com.apple.x<", "MDM payload" },
		{ "com.apple.security.acme", "com.apple.mdm", "MDM payload" },
		{ "<string>b-1", "<string>b-2", "IdentityCertificateUUID" },
		{ "com.apple.security.acme", "com.apple.wifi", "IdentityCertificateUUID" },
		{ "com.apple.mgmt.", "com.apple.x.", "Topic" },
		{ "https://old.example.org:8443/", "http://x/", "ServerURL" },
		{ "https://old.example.org:8443/", "https://u@x/", "ServerURL" },
		{ "<integer>8191", "<integer>0", "AccessRights" },
		{ "<integer>8191", "<integer>-1", "AccessRights" },
		{ "<key>SignMessage", "<key>CheckInURL</key><string>x</string><key>SignMessage",
			"CheckInURL" },
		{ "<key>SignMessage",
			"<key>EnrollmentMode</key><string>BYOD</string><key>SignMessage",
			"account-driven" },
		{ "</plist>", "", "property list" },
	};
	struct profile_kept k;
	const char *why;
	size_t i;

	(void)ctx;
	for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char *text = replaced(rows[i].from, rows[i].to);
		int rc = profile_keep_read(bytes_str(text), &k, &why);

		if (rc == 0)
			profile_kept_free(&k); /* libplist forgives a missing end */
		else if (!strstr(why, rows[i].words))
			fail_msg("%s: %s", rows[i].to, why);
		assert_true(rc < 0 || !*rows[i].to);
		free(text);
	}
	assert_int_equal(profile_keep_read(bytes_of(NULL, 0), &k, &why), -EINVAL);
	assert_int_equal(profile_keep_read(bytes_str("0"), &k, &why), -EINVAL);
}

/* Every beginning, and every byte another: refused or read, and nothing worse. */
static void
damaged_profiles_do_no_harm(void **ctx)
{
	struct buf whole = BUF_INIT, cms = BUF_INIT;
	const struct certpair *ssc = &old->certs.ssc;
	struct profile_kept k;
	const char *why;
	size_t i, pass;

	(void)ctx;
	buf_add_str(&whole, PROFILE);
	assert_int_equal(cms_sign(certpair_leaf(ssc), ssc->key, NULL, buf_bytes(&whole), &cms), 0);
	assert_int_equal(profile_keep_read(buf_bytes(&cms), &k, &why), 0);
	assert_memory_equal(k.facts.signer, ssc->sha256, SHA256_LEN);
	assert_non_null(k.signer);
	profile_kept_free(&k);
	for (pass = 0; pass < 2; pass++) {
		struct buf *b = pass ? &cms : &whole;

		for (i = 0; i < b->len; i += pass ? 7 : 1) {
			unsigned char was = b->data[i];

			if (profile_keep_read(bytes_of(b->data, i), &k, &why) == 0)
				profile_kept_free(&k);
			b->data[i] = (unsigned char)(was ^ 0x41);
			if (profile_keep_read(buf_bytes(b), &k, &why) == 0)
				profile_kept_free(&k);
			b->data[i] = was;
		}
	}
	buf_free(&whole);
	buf_free(&cms);
}

static const char *
inner(plist_t top, uint32_t index, const char *key)
{
	return proplist_str(
		plist_array_get_item(proplist_array(top, "PayloadContent"), index), key);
}

static void
renewal_changes_the_identity_alone(void **ctx)
{
	struct profile_kept k;
	struct profile p = { .facts = &k.facts,
		.organization = "Example",
		.name = "Example MDM",
		.number = "3f2b8c1a-0d5e-4c7b-9a61-5e8f7d2c4b10",
		.challenge = "fresh" };
	struct buf xml = BUF_INIT;
	const char *why;
	plist_t top;

	(void)ctx;
	assert_int_equal(profile_keep_read(bytes_str(PROFILE), &k, &why), 0);
	k.facts.access_rights = 19;
	assert_int_equal(profile_keep_build(&p, buf_bytes(&k.profile), &xml), 0);
	assert_int_equal(proplist_parse(buf_bytes(&xml), &top), 0);
	assert_string_equal(proplist_str(top, "Odd"), "kept");
	assert_string_equal(proplist_str(top, "PayloadIdentifier"), "org.old.enroll");
	assert_string_not_equal(proplist_str(top, "PayloadUUID"), "A");
	assert_string_equal(inner(top, 0, "PayloadType"), "com.apple.security.scep");
	assert_string_equal(inner(top, 0, "PayloadIdentifier"), "org.old.id");
	assert_null(inner(top, 0, "DirectoryURL"));
	assert_string_equal(inner(top, 1, "IdentityCertificateUUID"), inner(top, 0, "PayloadUUID"));
	assert_string_equal(inner(top, 1, "ServerURL"), "https://old.example.org:8443/mdm?x=1");
	assert_non_null(strstr(buf_str(&xml), "<integer>19</integer>"));
	assert_non_null(strstr(buf_str(&xml), "https://old.example.org:8443/scep"));
	assert_non_null(strstr(buf_str(&xml), "<string>fresh</string>"));
	assert_int_equal(profile_keep_build(&p, bytes_str("x"), &xml), -EINVAL);
	plist_free(top);
	buf_free(&xml);
	profile_kept_free(&k);
}

/* ---- the record ---- */

static void
origins_are_kept(void **ctx)
{
	struct origin *o, *back;
	char name[2] = "a";

	(void)ctx;
	assert_int_equal(origin_current(kit->m.store, &o), -ENOENT);
	for (; name[0] < 'a' + (int)ORIGIN_MAX; name[0]++)
		name_origin(old, name);
	assert_int_equal(origin_current(kit->m.store, &o), 0);
	assert_int_equal(o->id[0], 'a' + ORIGIN_MAX - 1);
	assert_true(o->profile.len > 0 && o->sealed.len == 0);
	assert_string_equal(o->facts.identifier, "org.old.enroll");
	o->id[1] = 'X';
	assert_int_equal(origin_save(kit->m.store, o), -ENOSPC);
	o->id[1] = o->id[0];
	store_set_seal(kit->m.store, NULL);
	assert_int_equal(origin_save(kit->m.store, o), -ENOKEY);
	assert_int_equal(origin_load(kit->m.store, o->id, &back), 0);
	assert_int_equal(back->profile.len, 0); /* sealed, and it stays so when it is saved */
	assert_int_equal(origin_save(kit->m.store, back), 0);
	origin_free(back);
	store_set_seal(kit->m.store, kit->seal);
	assert_int_equal(origin_load(kit->m.store, o->id, &back), 0);
	assert_int_equal(back->profile.len, o->profile.len);
	origin_free(back);
	origin_free(o);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(first_certificate_is_bound),
		TEST(window_closes_by_itself),
		TEST(foreign_number_counts_nothing),
		TEST(bound_certificate_binds_nothing_else),
		TEST(other_origin_does_not_speak),
		TEST(authenticates_again),
		TEST(without_profile_no_renewal),
		TEST(unknown_device_is_adopted),
		TEST(records_forbid_adoption),
		TEST(profile_is_read),
		TEST(profile_faults_are_named),
		TEST(damaged_profiles_do_no_harm),
		TEST(renewal_changes_the_identity_alone),
		TEST(origins_are_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
