/*
 * Tests of the queue over time: a month with devices that say NotNow, err, repeat, stay silent and
 * come back; malformed reports between good ones; an erase that waits for two months
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "base/proplist.h"
#include "base/table.h"
#include "mdm/command_end.h"
#include "mdm/connect.h"
#include "mdm/enqueue.h"
#include "mdm_kit.h"
#include "store/result.h"

#define DEVICES 500
#define DAYS 31
#define DAY 86400
#define BODY_MAX (1u << 20)
#define BAD_REPORTS 300

/* The same run at every call: a failure can be looked at again. */
static uint64_t seed;

static unsigned
chance(unsigned of)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(seed >> 33) % of;
}

/* ---- devices whose signature was checked once ---- */

struct member {
	struct kit_device d;
	struct speaker who;
	char id[32], serial[32];
	int installed[4]; /* version of each profile that was carried out last */
	bool away, gone;  /* silent for now; erased */
	char *last_uuid;  /* of the report before: may be repeated */
	char last_status[24];
};

static void
join(struct member *v, struct kit *k, unsigned n)
{
	static const struct kit_issue fresh;
	const char *why = NULL;

	memset(v, 0, sizeof(*v));
	snprintf(v->id, sizeof(v->id), "DEV-%04u", n);
	snprintf(v->serial, sizeof(v->serial), "SER-%04u", n);
	kit_device_init(&v->d, k, v->id, v->serial, &fresh);
	kit_enroll(&v->d);
	assert_int_equal(queue_clear(k->m.store, v->id, NULL), 0);
	assert_int_equal(auth_certificate(&k->m, v->d.cert, &v->who, &why), 0);
}

static void
leave(struct member *v)
{
	free(v->last_uuid);
	auth_speaker_free(&v->who);
	kit_device_free(&v->d);
}

/* As kit_report, without making and checking a signature. */
static void
report(struct member *v, const char *status, const char *uuid, struct reply *out)
{
	struct message *msg;
	const char *why = NULL;
	char *xml = xasprintf("<plist version=\"1.0\"><dict><key>UDID</key><string>%s</string>"
			      "<key>Status</key><string>%s</string>%s%s%s</dict></plist>",
		v->id, status, uuid ? "<key>CommandUUID</key><string>" : "", uuid ? uuid : "",
		uuid ? "</string>" : "");

	*out = (struct reply)REPLY_INIT;
	assert_int_equal(message_parse_report(bytes_str(xml), &msg, &why), 0);
	connect_answer(&v->d.kit->m, msg, &v->who, out);
	assert_int_equal(out->status, 200);
	message_free(msg);
	free(xml);
}

/* ---- what was sent, and what became of it ---- */

struct sent {
	char *uuid;
	unsigned device;
	struct sent *next;
};

static struct sent *all_sent;
static size_t sent_count;

static void
note(const char *uuid, unsigned device)
{
	struct sent *s = xmalloc(sizeof(*s));

	s->uuid = xstrdup(uuid);
	s->device = device;
	s->next = all_sent;
	all_sent = s;
	sent_count++;
}

/* A profile of one of four identifiers, with its version inside. */
static char *
profile_word(unsigned which, int version)
{
	struct buf text = BUF_INIT;
	char *xml =
		xasprintf("<plist version=\"1.0\"><dict><key>PayloadIdentifier</key><string>"
			  "org.example.p%u</string><key>Version</key><integer>%d</integer></dict>"
			  "</plist>",
			which, version);

	buf_add_str(&text, "Payload=");
	encode_base64(&text, bytes_str(xml), 0);
	free(xml);
	return buf_steal_str(&text);
}

static bool
send_word(struct member *v, unsigned n, const char *type, const char *word)
{
	const struct enqueue_options o = { .actor = "eva", .by_person = true };
	const struct command_word w = { word, { NULL, 0 } };
	const char *id = v->id;
	struct command c;
	char *why = NULL;
	int fault = 0;

	/* The schema is not needed: Payload is given as bytes. */
	if (word && strncmp(word, "Payload=", 8) == 0) {
		struct buf raw = BUF_INIT;
		struct command_word bytes = { "Payload", { NULL, 0 } };

		assert_int_equal(decode_base64(&raw, bytes_str(word + 8)), 0);
		bytes.content = buf_bytes(&raw);
		assert_int_equal(command_build(NULL, type, &bytes, 1, &c, &why), 0);
		buf_free(&raw);
	} else {
		assert_int_equal(command_build(NULL, type, &w, word ? 1 : 0, &c, &why), 0);
	}
	mdm_enqueue(&v->d.kit->m, &id, 1, &c, &o, &fault);
	assert_true(fault == 0 || fault == -EDQUOT || fault == -ESTALE);
	if (fault == 0)
		note(c.uuid, n);
	command_free(&c);
	return fault == 0;
}

static int version_of_day;

static void
send_something(struct member *v, unsigned n)
{
	static const char *const plain[] = { "ProfileList", "SecurityInfo", "RestartDevice",
		"InstalledApplicationList", "DeviceLock", "ClearActivationLockBypassCode" };
	unsigned kind = chance(3);
	char *word;

	if (kind == 0) {
		send_word(v, n, plain[chance(6)], NULL);
		return;
	}
	word = profile_word(chance(4), ++version_of_day);
	send_word(v, n, "InstallProfile", word);
	free(word);
}

/* ---- a device's session ---- */

/* Carries a command out: an older profile must never come after a newer one. */
static void
carry_out(struct member *v, const struct reply *out)
{
	plist_t root, inner, profile;
	struct bytes payload;
	unsigned which;
	int version;

	assert_int_equal(proplist_parse(buf_bytes(&out->body), &root), 0);
	inner = proplist_dict(root, "Command");
	if (strcmp(proplist_str(inner, "RequestType"), "InstallProfile") == 0) {
		payload = proplist_data(inner, "Payload");
		assert_int_equal(proplist_parse(payload, &profile), 0);
		which = (unsigned)(proplist_str(profile, "PayloadIdentifier")[13] - '0');
		version = (int)proplist_int(profile, "Version", 0);
		if (version < v->installed[which])
			fail_msg("%s: version %d of profile %u comes after %d", v->id, version,
				which, v->installed[which]);
		v->installed[which] = version;
		plist_free(profile);
	}
	plist_free(root);
}

static const char *
mood(struct member *v, const struct reply *out)
{
	switch (chance(10)) {
	case 0:
	case 1:
	case 2:
		return "NotNow";
	case 3:
		return "Error";
	case 4:
		return "CommandFormatError";
	default:
		carry_out(v, out);
		return "Acknowledged";
	}
}

static void
repeat_last(struct member *v)
{
	struct reply out;

	if (!v->last_uuid)
		return;
	report(v, v->last_status, v->last_uuid, &out);
	reply_free(&out);
}

static void
session(struct member *v)
{
	unsigned steps = 0;
	struct reply out;
	const char *status;
	char *uuid;

	if (chance(8) == 0)
		repeat_last(v);
	report(v, "Idle", NULL, &out);
	while ((uuid = kit_offered(&out)) != NULL) {
		assert_true(steps++ < 100); /* it ends */
		status = mood(v, &out);
		reply_free(&out);
		if (chance(12) == 0) { /* the connection breaks before the report is sent */
			free(uuid);
			return;
		}
		report(v, status, uuid, &out);
		free(v->last_uuid);
		v->last_uuid = uuid;
		snprintf(v->last_status, sizeof(v->last_status), "%s", status);
	}
	reply_free(&out);
}

static void
live_a_day(struct member *v, unsigned n, int day)
{
	if (v->away ? chance(9) == 0 : chance(30) == 0)
		v->away = !v->away;
	if (n % 10 == 9) /* some never come again after a while */
		v->away = v->away || day > 3;
	if (chance(4) == 0)
		send_something(v, n);
	if (!v->away && chance(2) == 0)
		session(v);
}

/* ---- the reckoning ---- */

struct tally {
	size_t done, failed, superseded, expired, cancelled, other;
};

static void
tally(struct tally *t, const char *status)
{
	if (strcmp(status, "Acknowledged") == 0)
		t->done++;
	else if (strcmp(status, "Error") == 0 || strcmp(status, "CommandFormatError") == 0)
		t->failed++;
	else if (strcmp(status, "Superseded") == 0)
		t->superseded++;
	else if (strcmp(status, "Expired") == 0)
		t->expired++;
	else if (strcmp(status, "Cancelled") == 0)
		t->cancelled++;
	else
		t->other++;
}

/* Every UUID that this device was sent -> how many ends it has. */
static void
count_ends(struct kit *k, const struct member *v, struct table *ends, struct tally *t)
{
	struct result_list list = { 0 };
	size_t i;

	assert_int_equal(result_list_load(k->m.store, v->id, &list), 0);
	for (i = 0; i < list.count; i++) {
		int *n = table_get(ends, bytes_str(list.items[i].uuid));

		assert_non_null(n);
		(*n)++;
		tally(t, list.items[i].status);
	}
	result_list_free(&list);
}

static void
reckon(struct kit *k, struct member *all, struct tally *t)
{
	struct table *ends = table_new(free);
	struct sent *s;
	unsigned i;

	for (s = all_sent; s; s = s->next)
		table_put(ends, bytes_str(s->uuid), xcalloc(1, sizeof(int)));
	assert_int_equal(table_count(ends), sent_count);
	for (i = 0; i < DEVICES; i++) {
		assert_int_equal(kit_waiting(k, all[i].id), 0);
		count_ends(k, &all[i], ends, t);
	}
	for (s = all_sent; s; s = s->next) {
		const int *n = table_get(ends, bytes_str(s->uuid));

		if (*n != 1)
			fail_msg("command %s of device %u has %d ends", s->uuid, s->device, *n);
	}
	table_free(ends);
}

static void
cancel_rest(struct kit *k, const struct member *v)
{
	struct queue *q;
	bool offered;

	for (;;) {
		assert_int_equal(queue_load(k->m.store, v->id, &q), 0);
		if (q->count == 0)
			break;
		assert_int_equal(mdm_cancel(&k->m, v->id, q->entries[0].uuid, "eva", &offered), 0);
		queue_free(q);
	}
	queue_free(q);
}

static void
sweep_all(struct kit *k)
{
	size_t i;

	for (i = 0; i <= DEVICES / COMMAND_SWEEP + 1; i++)
		command_sweep(&k->m);
}

static void
a_month_of_moods(void **ctx)
{
	struct kit *k = *ctx;
	struct member *all = xcalloc(DEVICES, sizeof(*all));
	struct tally t = { 0 };
	struct sent *s;
	unsigned i;
	int day;

	seed = 20261124;
	k->conf.queue.limit = 200;
	k->conf.queue.keep_results = 1000;
	k->conf.queue.lifetime = 7 * DAY;
	for (i = 0; i < DEVICES; i++)
		join(&all[i], k, i);
	for (day = 0; day < DAYS; day++) {
		for (i = 0; i < DEVICES; i++)
			live_a_day(&all[i], i, day);
		sweep_all(k);
		assert_int_equal(store_commit(k->m.store), 0);
		kit_forward(DAY);
	}
	/* What never expires is taken back by a person; the rest runs out. */
	kit_forward(8 * DAY);
	sweep_all(k);
	for (i = 0; i < DEVICES; i++)
		cancel_rest(k, &all[i]);
	assert_int_equal(store_commit(k->m.store), 0);
	reckon(k, all, &t);
	print_message("# %zu commands: %zu done, %zu failed, %zu superseded, %zu expired, %zu "
		      "cancelled\n",
		sent_count, t.done, t.failed, t.superseded, t.expired, t.cancelled);
	assert_int_equal(t.done + t.failed + t.superseded + t.expired + t.cancelled, sent_count);
	assert_int_equal(t.other, 0);
	assert_true(t.done && t.failed && t.superseded && t.expired && t.cancelled);
	assert_int_equal(k->m.numbers.expired, t.expired);
	assert_int_equal(k->m.numbers.superseded, t.superseded);
	assert_int_equal(k->m.numbers.cancelled, t.cancelled);
	while ((s = all_sent) != NULL) {
		all_sent = s->next;
		free(s->uuid);
		free(s);
	}
	sent_count = 0;
	for (i = 0; i < DEVICES; i++)
		leave(&all[i]);
	free(all);
}

/* ---- an erase waits ---- */

static void
erase_reaches_who_returns_after_60_days(void **ctx)
{
	static const struct kit_issue fresh = { .lifetime = 400 * (int64_t)DAY };
	struct kit *k = *ctx;
	const struct enqueue_options o = { .actor = "eva", .by_person = true };
	const char *id = "LOST";
	struct kit_device d;
	struct command erase, list;
	struct reply out;
	char *why = NULL, *offered;
	int fault = 0, day;

	kit_device_init(&d, k, id, "SERL", &fresh);
	kit_enroll(&d);
	assert_int_equal(queue_clear(k->m.store, id, NULL), 0);
	assert_int_equal(command_from_words("ProfileList", NULL, 0, &list, &why), 0);
	assert_int_equal(mdm_enqueue(&k->m, &id, 1, &list, &o, &fault), 1);
	assert_int_equal(command_from_words("EraseDevice", NULL, 0, &erase, &why), 0);
	assert_int_equal(mdm_enqueue(&k->m, &id, 1, &erase, &o, &fault), 1);
	for (day = 0; day < 60; day++) {
		kit_forward(DAY);
		sweep_all(k);
		assert_int_equal(store_commit(k->m.store), 0);
	}
	assert_int_equal(kit_waiting(k, id), 1); /* the list has expired */
	assert_int_equal(kit_report(&d, "Idle", NULL, NULL, &out), 200);
	offered = kit_offered(&out);
	assert_string_equal(offered, erase.uuid);
	free(offered);
	reply_free(&out);
	assert_int_equal(kit_report(&d, "Acknowledged", erase.uuid, NULL, NULL), 200);
	assert_int_equal(kit_state(k, id), STATE_REMOVED);
	command_free(&erase);
	command_free(&list);
	kit_device_free(&d);
}

/* ---- reports that are none ---- */

/* Cuts, flips, doubles or swaps a piece of a real report. */
static char *
mutate(const char *real)
{
	static const char *const instead[] = { "<array>", "</dict>", "<integer>x</integer>", "\xff",
		"<string>", "", "<dict><key>", "&#0;", "<true/>", "]]>" };
	size_t len = strlen(real), at = chance((unsigned)len), cut = 1 + chance(40);
	char *copy;

	if (cut > len - at)
		cut = len - at;
	switch (chance(4)) {
	case 0:
		return xstrndup(real, at);
	case 1:
		copy = xstrdup(real);
		copy[at] = (char)(1 + chance(126));
		return copy;
	case 2:
		return xasprintf("%.*s%s%s", (int)at, real, instead[chance(10)], real + at + cut);
	default:
		return xasprintf("%.*s%.*s%s", (int)at, real, (int)cut, real + at, real + at);
	}
}

static void
malformed_reports_wedge_nothing(void **ctx)
{
	static const struct kit_issue fresh;
	struct kit *k = *ctx;
	const struct enqueue_options o = { .actor = "eva", .by_person = true };
	const char *id = "AA";
	struct result_list kept = { 0 };
	struct kit_device d;
	unsigned i, refused = 0;

	seed = 7;
	k->conf.queue.keep_results = 1000;
	kit_device_init(&d, k, id, "SER1", &fresh);
	kit_enroll(&d);
	assert_int_equal(queue_clear(k->m.store, id, NULL), 0);
	for (i = 0; i < BAD_REPORTS; i++) {
		struct command c;
		char *why = NULL, *offered, *real, *bad;
		struct reply out;
		int fault = 0, status;

		assert_int_equal(command_from_words("ProfileList", NULL, 0, &c, &why), 0);
		assert_int_equal(mdm_enqueue(&k->m, &id, 1, &c, &o, &fault), 1);
		assert_int_equal(kit_report(&d, "Idle", NULL, NULL, &out), 200);
		offered = kit_offered(&out);
		assert_string_equal(offered, c.uuid);
		reply_free(&out);
		real = xasprintf(
			"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<plist version=\"1.0\">"
			"<dict><key>UDID</key><string>AA</string><key>Status</key><string>"
			"Acknowledged</string><key>CommandUUID</key><string>%s</string><key>"
			"ProfileList</key><array><dict><key>PayloadIdentifier</key><string>a"
			"</string></dict></array></dict></plist>\n",
			c.uuid);
		bad = mutate(real);
		status = kit_send(&d, false, bad, NULL);
		assert_true(status == 200 || status == 400);
		refused += status == 400;
		/* The good one gets through: now, or its mutation was good enough before. */
		assert_int_equal(kit_send(&d, false, real, NULL), 200);
		assert_int_equal(kit_waiting(k, id), 0);
		free(bad);
		free(real);
		free(offered);
		command_free(&c);
	}
	assert_true(refused > BAD_REPORTS / 4);
	assert_int_equal(result_list_load(k->m.store, id, &kept), 0);
	assert_int_equal(kept.count, BAD_REPORTS);
	result_list_free(&kept);
	assert_int_equal(kit_state(k, id), STATE_ENROLLED);
	kit_device_free(&d);
}

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

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(erase_reaches_who_returns_after_60_days),
		TEST(malformed_reports_wedge_nothing),
		TEST(a_month_of_moods),
	};

	return cmocka_run_group_tests_name("month", tests, NULL, NULL);
}
