/*
 * Tests of daemon/mdm/schema and what works by it: examples that build, faults that are refused,
 * whom a command fits, and answers of every kind that are taken, kept and shown
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

#include "admin/answer.h"
#include "base/encode.h"
#include "base/mem.h"
#include "base/proplist.h"
#include "mdm/command_help.h"
#include "mdm/command_pin.h"
#include "mdm/enqueue.h"
#include "mdm_kit.h"
#include "store/result.h"

#define ROUNDS 5 /* random answers to each command */

static struct schema *known;

static int
read_schema(void **ctx)
{
	const char *source = getenv("CORDON_SOURCE");
	char *path = xasprintf("%s/etc/apple-schema/commands.tsv", source ? source : "."),
	     *why = NULL;

	(void)ctx;
	known = schema_load(path, &why);
	if (!known)
		fail_msg("%s", why);
	free(path);
	return 0;
}

static int
free_schema(void **ctx)
{
	(void)ctx;
	schema_free(known);
	return 0;
}

/* ---- building ---- */

/* Builds and checks; -EINVAL gives the reason in *why (the caller's). */
static int
make(const char *type, const char *const *words, size_t count, bool strict, struct command *c,
	struct schema_notes *warnings, char **why)
{
	struct command_word list[SCHEMA_NOTES_MAX] = { 0 };
	size_t i;
	int rc;

	*why = NULL;
	for (i = 0; i < count; i++)
		list[i].text = words[i];
	rc = command_build(known, type, list, count, c, why);
	if (rc == 0 && (rc = command_check(known, c, strict, warnings, why)) < 0)
		command_free(c);
	return rc;
}

static void
example_builds(const struct schema_command *s, bool all)
{
	struct schema_notes words = { 0 }, warnings = { 0 };
	struct command c;
	char *why;

	command_help_example(s, all, &words);
	if (make(s->name, (const char *const *)words.items, words.count, true, &c, &warnings,
		    &why) < 0)
		fail_msg("%s: %s", s->name, why);
	assert_string_equal(c.type, s->name);
	command_free(&c);
	schema_notes_free(&words);
	schema_notes_free(&warnings);
}

static void
every_command_has_an_example_that_builds(void **ctx)
{
	size_t i;

	(void)ctx;
	assert_true(schema_count(known) >= 66);
	for (i = 0; i < schema_count(known); i++) {
		example_builds(schema_at(known, i), false);
		example_builds(schema_at(known, i), true);
		assert_true(schema_at(known, i)->has_fit);
	}
	assert_string_equal(schema_date(known), "2024-10-21");
}

static void
faults_are_refused(void **ctx)
{
	static const struct {
		const char *type, *word, *more, *reason;
	} cases[] = {
		{ "EraseDevice", "PreserveDataPlan=1", NULL, "true or false" },
		{ "EraseDevice", "PIN=12345", NULL, "six digits" },
		{ "EraseDevice", "ObliterationBehavior=Never", NULL, "one of Default|" },
		{ "EraseDevice", "ReturnToService.WiFiProfileData=AQID", NULL,
			"ReturnToService.Enabled is missing" },
		{ "EraseDevice", "ReturnToService=true", NULL, "dictionary" },
		{ "EraseDevice", "PIN.Inner=1", NULL, "must be a dictionary" },
		{ "EraseDevice", "PIN[0]=1", NULL, "must be a list" },
		{ "RemoveProfile", "Other=x", NULL, "Identifier is missing" },
		{ "InstallProfile", "Payload=?", NULL, "base64" },
		{ "EnableLostMode", "Footnote=x", NULL, "Message or PhoneNumber" },
		{ "InstallApplication", "iTunesStoreID=-5", NULL, "whole number" },
		{ "InstallApplication", "iTunesStoreID=99999999999999999999", NULL,
			"whole number" },
		{ "InstallApplication", "Identifier=a", "ManagementFlags=3", "one of 1|4|5" },
		{ "InstallApplication", "ManifestURL=http://x", NULL, "https://" },
		{ "ScheduleOSUpdate", "Updates[0].InstallAction=Soon", NULL, "one of Default|" },
		{ "ScheduleOSUpdate", "Updates[1].InstallAction=Default", NULL, "without gaps" },
		{ "ScheduleOSUpdate", "Updates=[{\"InstallAction\":1}]", NULL, "another type" },
		{ "ScheduleOSUpdate", "Updates=[{\"InstallAction\"", NULL, "JSON has a fault" },
		{ "Settings", "Settings[0].Item=Bluetooth", NULL, "Enabled is missing" },
		{ "Settings", "Settings[0].Item=Bluetooth", "Settings[0].Enabled=yes",
			"true or false" },
		{ "Settings", "Settings[].Item=Bluetooth", NULL, "a key is NAME" },
		{ "Settings", "Settings[0.Item=Bluetooth", NULL, "a key is NAME" },
		{ "Settings", ".Item=Bluetooth", NULL, "a key is NAME" },
		{ "Settings", "A.B.C.D.E.F.G.H.I.J.K.L.M.N.O.P.Q.R=1", NULL, "a key is NAME" },
	};
	struct schema_notes warnings = { 0 };
	struct command c;
	size_t i;

	(void)ctx;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *words[] = { cases[i].word, cases[i].more };
		char *why;

		if (make(cases[i].type, words, cases[i].more ? 2 : 1, false, &c, &warnings, &why) ==
			0)
			fail_msg("%s %s is taken", cases[i].type, cases[i].word);
		if (!strstr(why, cases[i].reason))
			fail_msg("%s %s: %s", cases[i].type, cases[i].word, why);
		free(why);
		schema_notes_free(&warnings);
	}
}

static void
what_is_not_known_is_a_warning(void **ctx)
{
	static const struct {
		const char *type, *word;
	} cases[] = {
		{ "DeviceLock", "Shout=x" },
		{ "DeviceInformation", "Queries=OSVersion,QueryOfNextYear" },
		{ "Settings", "Settings=[{\"Item\":\"SettingOfNextYear\"}]" },
		{ "CommandOfNextYear", "Key.Inner=1" },
		{ "EraseDevice", "ReturnToService={\"Enabled\":true,\"Later\":{\"a\":[1,2.5]}}" },
	};
	struct schema_notes warnings = { 0 };
	struct command c;
	size_t i;
	char *why;

	(void)ctx;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		if (make(cases[i].type, &cases[i].word, 1, false, &c, &warnings, &why) < 0)
			fail_msg("%s %s: %s", cases[i].type, cases[i].word, why);
		assert_int_equal(warnings.count, 1);
		assert_non_null(strstr(warnings.items[0], "2024-10-21"));
		command_free(&c);
		schema_notes_free(&warnings);
		assert_int_equal(
			make(cases[i].type, &cases[i].word, 1, true, &c, &warnings, &why), -EINVAL);
		free(why);
		schema_notes_free(&warnings);
	}
}

static void
nested_words_become_nested_values(void **ctx)
{
	const char *const words[] = { "Settings[0].Item=Wallpaper", "Settings[0].Where=2",
		"Settings[0].Image=AQID", "Settings={\"Item\":\"DeviceName\",\"DeviceName\":\"5\"}",
		"Settings[2].Item=ApplicationConfiguration", "Settings[2].Identifier=org.a",
		"Settings[2].Configuration={\"n\":5,\"t\":\"5\",\"b\":false,\"l\":[1]}" };
	struct schema_notes warnings = { 0 };
	plist_t root, list, item;
	struct command c;
	char *why;

	(void)ctx;
	if (make("Settings", words, 7, true, &c, &warnings, &why) < 0)
		fail_msg("%s", why);
	assert_int_equal(proplist_parse(buf_bytes(&c.plist), &root), 0);
	list = proplist_array(proplist_dict(root, "Command"), "Settings");
	assert_int_equal(plist_array_get_size(list), 3);
	item = plist_array_get_item(list, 0);
	assert_int_equal(proplist_int(item, "Where", 0), 2);
	assert_int_equal(proplist_data(item, "Image").len, 3);
	assert_string_equal(proplist_str(plist_array_get_item(list, 1), "DeviceName"), "5");
	item = proplist_dict(plist_array_get_item(list, 2), "Configuration");
	assert_int_equal(proplist_int(item, "n", 0), 5);
	assert_string_equal(proplist_str(item, "t"), "5");
	assert_false(proplist_bool(item, "b", true));
	assert_int_equal(plist_array_get_size(proplist_array(item, "l")), 1);
	plist_free(root);
	command_free(&c);
	schema_notes_free(&warnings);
}

static void
files_are_typed_too(void **ctx)
{
	static const char dict[] = "<plist version=\"1.0\"><dict><key>Enabled</key><true/></dict>"
				   "</plist>";
	const struct command_word words[] = { { "ReturnToService", { NULL, 0 } },
		{ "ReturnToService", { (const unsigned char *)dict, sizeof(dict) - 1 } },
		{ "InstallProfile", { (const unsigned char *)"\0\1", 2 } },
		{ "Message", { (const unsigned char *)"Call us\n", 8 } },
		{ "Message", { (const unsigned char *)"\xff", 1 } },
		{ "ManifestURLPinningCerts", { (const unsigned char *)"\0\1", 2 } } };
	struct command_word pair[] = { words[5], words[5] };
	plist_t root;
	struct command c;
	char *why = NULL;

	(void)ctx;
	assert_int_equal(command_build(known, "EraseDevice", &words[1], 1, &c, &why), 0);
	assert_int_equal(proplist_parse(buf_bytes(&c.plist), &root), 0);
	assert_true(proplist_bool(proplist_dict(proplist_dict(root, "Command"), "ReturnToService"),
		"Enabled", false));
	plist_free(root);
	command_free(&c);
	assert_int_equal(command_build(known, "DeviceLock", &words[3], 1, &c, &why), 0);
	assert_int_equal(proplist_parse(buf_bytes(&c.plist), &root), 0);
	assert_string_equal(proplist_str(proplist_dict(root, "Command"), "Message"), "Call us");
	plist_free(root);
	command_free(&c);
	assert_int_equal(command_build(known, "DeviceLock", &words[4], 1, &c, &why), -EINVAL);
	free(why);
	assert_int_equal(
		command_build(known, "InstallEnterpriseApplication", pair, 2, &c, &why), 0);
	assert_int_equal(proplist_parse(buf_bytes(&c.plist), &root), 0);
	assert_int_equal(plist_array_get_size(proplist_array(
				 proplist_dict(root, "Command"), "ManifestURLPinningCerts")),
		2);
	plist_free(root);
	command_free(&c);
}

/* ---- whom it fits ---- */

static void
warnings_say_whom_it_does_not_fit(void **ctx)
{
	static const struct {
		const char *type, *product, *os;
		enum channel channel;
		bool supervised;
		const char *part; /* NULL: it fits */
	} cases[] = {
		{ "UnlockUserAccount", "iPhone15,2", "18.1", CHANNEL_DEVICE, true, "no Unlock" },
		{ "UnlockUserAccount", "Mac14,2", "15.1", CHANNEL_DEVICE, false, NULL },
		{ "UnlockUserAccount", "Mac14,2", "15.1", CHANNEL_USER, false, "not for a user" },
		{ "ActiveNSExtensions", "Mac14,2", "15.1", CHANNEL_DEVICE, false, "user channel" },
		{ "SetRecoveryLock", "iMac21,1", "11.4", CHANNEL_DEVICE, false,
			"needs macOS 11.5" },
		{ "SetRecoveryLock", "iMac21,1", "11.10", CHANNEL_DEVICE, false, NULL },
		{ "EnableLostMode", "iPad14,1", "18.1", CHANNEL_DEVICE, false, "supervised" },
		{ "EnableLostMode", "iPad14,1", "18.1", CHANNEL_DEVICE, true, NULL },
		{ "EraseDevice", "iPad14,1", "18.1", CHANNEL_USER_ENROLLMENT, true, "user enroll" },
		{ "RestartDevice", "AppleTV14,1", "18.1", CHANNEL_DEVICE, true, NULL },
		{ "DeviceLock", "AppleTV14,1", "18.1", CHANNEL_DEVICE, true,
			"no DeviceLock on tv" },
		{ "DeviceLock", NULL, NULL, CHANNEL_DEVICE, false, NULL },
	};
	size_t i;

	(void)ctx;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct enrollment *e = enrollment_new("X", cases[i].channel);
		struct schema_notes warnings = { 0 };

		e->facts.product = cases[i].product ? xstrdup(cases[i].product) : NULL;
		e->facts.os_version = cases[i].os ? xstrdup(cases[i].os) : NULL;
		e->supervised = cases[i].supervised;
		schema_check_fit(schema_find(known, cases[i].type), e, &warnings);
		assert_int_equal(warnings.count, cases[i].part ? 1 : 0);
		if (cases[i].part && !strstr(warnings.items[0], cases[i].part))
			fail_msg("%s: %s", cases[i].type, warnings.items[0]);
		schema_notes_free(&warnings);
		enrollment_free(e);
	}
}

/* ---- the table itself ---- */

static void
faulty_tables_are_refused(void **ctx)
{
	static const char *const tables[] = { "", "\n", "a\tb\n",
		"A\treq\tK\tstring\toptional\t\t\t\t\n",
		"A\treq\tK\tstrin\toptional\t\t\t\t\t1|1|1|1|1\n",
		"A\treq\tK\tstring\toptional\t\t\t\t\t1|1|1|1\n",
		"A\tother\tK\tstring\toptional\t\t\t\t\t1|1|1|1|1\n",
		"\treq\tK\tstring\toptional\t\t\t\t\t1|1|1|1|1\n",
		"A\treq\t.K\tstring\toptional\t\t\t\t\t1|1|1|1|1\n",
		"A\treq\ta.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p.q\tstring\toptional\t\t\t\t\t1|1|1|1|1\n",
		"A\treq\tK\xff\tstring\toptional\t\t\t\t\t1|1|1|1|1\n" };
	size_t i;

	(void)ctx;
	for (i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		char *why = NULL;
		struct schema *s = schema_parse(bytes_str(tables[i]), &why);

		if (s)
			fail_msg("table %zu is taken", i);
		assert_non_null(why);
		free(why);
	}
}

/* ---- answers ---- */

static uint64_t seed = 4;

static unsigned
chance(unsigned of)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned)(seed >> 33) % of;
}

static plist_t
random_text(const struct schema_node *n)
{
	static const char *const texts[] = { "", "text", "Zürich \xf0\x9f\x8d\x8f", "a&b<c>\"d'",
		"0", "true" };
	char *one;
	plist_t node;

	if (!*n->values)
		return plist_new_string(texts[chance(6)]);
	one = xstrndup(n->values, strcspn(n->values, "|"));
	node = plist_new_string(one);
	free(one);
	return node;
}

static plist_t random_value(const struct schema_node *n);

static void
random_members(const struct schema_node *n, plist_t dict)
{
	size_t i;

	for (i = 0; i < n->count; i++) {
		const struct schema_node *c = &n->children[i];

		if (c->type == SCHEMA_NONE || (!c->required && chance(3) == 0))
			continue;
		plist_dict_set_item(dict, strcmp(c->key, "*") == 0 ? "org.example.any" : c->key,
			random_value(c));
	}
}

static plist_t
random_list(const struct schema_node *n)
{
	plist_t list = plist_new_array();
	unsigned i, count = chance(4);

	for (i = 0; i < count && n->count; i++)
		plist_array_append_item(
			list, random_value(&n->children[chance((unsigned)n->count)]));
	return list;
}

static plist_t
random_value(const struct schema_node *n)
{
	plist_t dict;

	switch (n->type) {
	case SCHEMA_BOOLEAN:
		return plist_new_bool((uint8_t)chance(2));
	case SCHEMA_INTEGER:
		return plist_new_uint(chance(1000000));
	case SCHEMA_REAL:
		return plist_new_real((double)chance(1000) / 7);
	case SCHEMA_DATA:
		return plist_new_data("\0\1\xff", chance(4));
	case SCHEMA_DATE:
		return plist_new_date((int32_t)chance(800000000), 0);
	case SCHEMA_ARRAY:
		return random_list(n);
	case SCHEMA_DICT:
		dict = plist_new_dict();
		random_members(n, dict);
		return dict;
	default:
		return random_text(n);
	}
}

/* The report that answers `uuid`, as a device writes it. */
static char *
random_report(const struct schema_command *s, const char *uuid)
{
	struct buf xml = BUF_INIT;
	plist_t root = plist_new_dict();

	random_members(&s->response, root);
	plist_dict_set_item(root, "UDID", plist_new_string("AA"));
	plist_dict_set_item(root, "Status", plist_new_string("Acknowledged"));
	plist_dict_set_item(root, "CommandUUID", plist_new_string(uuid));
	proplist_to_xml(root, &xml);
	plist_free(root);
	return buf_steal_str(&xml);
}

/* What is kept is what was sent, and the control API has every key of it. */
static void
is_kept_and_shown(struct kit *k, const char *uuid, const char *report)
{
	struct buf body = BUF_INIT;
	plist_dict_iter it = NULL;
	plist_t root, value;
	json_t *j;
	char *key;

	assert_int_equal(result_body(k->m.store, "AA", uuid, 1 << 20, &body), 0);
	assert_true(bytes_eq_str(buf_bytes(&body), report));
	assert_int_equal(proplist_parse(buf_bytes(&body), &root), 0);
	j = json_from_plist(root);
	assert_true(json_is_object(j));
	plist_dict_new_iter(root, &it);
	for (plist_dict_next_item(root, it, &key, &value); key;
		plist_dict_next_item(root, it, &key, &value)) {
		assert_non_null(json_object_get(j, key));
		free(key);
	}
	free(it);
	json_decref(j);
	plist_free(root);
	buf_free(&body);
}

static void
answer_one(struct kit *k, const struct kit_device *d, const struct schema_command *s)
{
	const struct enqueue_options o = { .actor = "eva", .by_person = true };
	struct schema_notes words = { 0 }, warnings = { 0 };
	const char *id = "AA";
	struct command c;
	char *why = NULL, *report, *offered;
	struct reply out;
	int fault = 0;

	command_help_example(s, false, &words);
	assert_int_equal(make(s->name, (const char *const *)words.items, words.count, false, &c,
				 &warnings, &why),
		0);
	assert_int_equal(mdm_enqueue(&k->m, &id, 1, &c, &o, &fault), 1);
	assert_int_equal(kit_report(d, "Idle", NULL, NULL, &out), 200);
	offered = kit_offered(&out);
	assert_string_equal(offered, c.uuid);
	report = random_report(s, c.uuid);
	reply_free(&out);
	assert_int_equal(kit_send(d, false, report, NULL), 200);
	is_kept_and_shown(k, c.uuid, report);
	assert_int_equal(kit_waiting(k, "AA"), 0);
	free(report);
	free(offered);
	command_free(&c);
	schema_notes_free(&words);
	schema_notes_free(&warnings);
}

static void
every_answer_is_taken_kept_and_shown(void **ctx)
{
	static const struct kit_issue fresh;
	struct kit *k = *ctx;
	struct enrollment *e;
	struct kit_device d;
	size_t i;
	int round;

	k->conf.queue.limit = 200;
	kit_device_init(&d, k, "AA", "SER1", &fresh);
	kit_enroll(&d);
	e = kit_load(k, "AA");
	assert_int_equal(secret_put(k->m.store, "AA", e->generation, SECRET_UNLOCK_TOKEN,
				 bytes_str("token")),
		0);
	enrollment_free(e);
	assert_int_equal(queue_clear(k->m.store, "AA", NULL), 0);
	for (i = 0; i < schema_count(known); i++) {
		const struct schema_command *s = schema_at(known, i);

		/* An erased device is gone: it is the last one. */
		for (round = 0; round < ROUNDS && strcmp(s->name, "EraseDevice") != 0; round++)
			answer_one(k, &d, s);
	}
	answer_one(k, &d, schema_find(known, "EraseDevice"));
	assert_int_equal(kit_state(k, "AA"), STATE_REMOVED);
	kit_device_free(&d);
}

/* ---- what is filled in ---- */

static void
take_pin(void *arg, const struct command_pin *pin)
{
	snprintf(arg, COMMAND_PIN_LEN + 1, "%s", pin->pin);
}

static void
becomes(struct kit *k, const char *id, const char *product)
{
	struct enrollment *e = kit_load(k, id);

	free(e->facts.product);
	e->facts.product = xstrdup(product);
	assert_int_equal(enrollment_save(k->m.store, e), 0);
	enrollment_free(e);
}

/* The PIN of the command that is offered; "" when it has none. */
static void
offered_pin(const struct kit_device *d, char pin[COMMAND_PIN_LEN + 1])
{
	const char *text;
	struct reply out;
	plist_t root;

	assert_int_equal(kit_report(d, "Idle", NULL, NULL, &out), 200);
	assert_int_equal(proplist_parse(buf_bytes(&out.body), &root), 0);
	text = proplist_str(proplist_dict(root, "Command"), "PIN");
	snprintf(pin, COMMAND_PIN_LEN + 1, "%s", text ? text : "");
	plist_free(root);
	reply_free(&out);
}

static void
macs_get_a_pin_of_their_own(void **ctx)
{
	static const struct kit_issue fresh;
	static const char *const ids[] = { "AA", "BB", "CC" };
	const struct enqueue_options o = { .actor = "eva", .by_person = true };
	char kept[COMMAND_PIN_LEN + 1] = "", pins[3][COMMAND_PIN_LEN + 1];
	struct kit *k = *ctx;
	struct kit_device d[3];
	struct command c;
	char *why = NULL, again[COMMAND_PIN_LEN + 1];
	int fault[3], i;

	for (i = 0; i < 3; i++) {
		kit_device_init(&d[i], k, ids[i], ids[i], &fresh);
		kit_enroll(&d[i]);
		assert_int_equal(queue_clear(k->m.store, ids[i], NULL), 0);
	}
	becomes(k, "AA", "Mac14,2");
	becomes(k, "CC", "iPhone15,2");
	assert_int_equal(command_from_words("DeviceLock", NULL, 0, &c, &why), 0);
	assert_int_equal(mdm_enqueue(&k->m, ids, 3, &c, &o, fault), 3);
	/* kept before it is handed out */
	assert_int_equal(command_pin_each(&k->m, "AA", 1, take_pin, kept), 0);
	assert_int_equal(strlen(kept), COMMAND_PIN_LEN);
	becomes(k, "BB", "iMac20,1"); /* known only now */
	for (i = 0; i < 3; i++)
		offered_pin(&d[i], pins[i]);
	assert_string_equal(pins[0], kept);
	assert_int_equal(strlen(pins[1]), COMMAND_PIN_LEN);
	assert_string_not_equal(pins[0], pins[1]);
	assert_string_equal(pins[2], "");
	offered_pin(&d[1], again); /* the reply was lost: the same one */
	assert_string_equal(again, pins[1]);
	assert_int_equal(command_pin_each(&k->m, "BB", 1, take_pin, kept), 0);
	assert_string_equal(kept, pins[1]);
	command_free(&c);

	/* one that is given, for whatever it is */
	assert_int_equal(
		command_from_words("EraseDevice", (const char *const[]){ "PIN=x" }, 1, &c, &why),
		0);
	assert_int_equal(mdm_enqueue(&k->m, ids, 1, &c, &o, fault), 0);
	assert_int_equal(fault[0], -EINVAL);
	command_free(&c);
	for (i = 0; i < 3; i++)
		kit_device_free(&d[i]);
}

static void
a_passcode_is_cleared_by_the_kept_token(void **ctx)
{
	static const struct kit_issue fresh;
	const struct enqueue_options o = { .actor = "eva", .by_person = true };
	struct kit *k = *ctx;
	const char *id = "AA";
	struct kit_device d;
	struct command c;
	struct reply out;
	char *why = NULL;
	plist_t root;
	int fault = 0;

	kit_device_init(&d, k, id, "S", &fresh);
	kit_enroll(&d);
	assert_int_equal(queue_clear(k->m.store, id, NULL), 0);
	assert_int_equal(command_build(known, "ClearPasscode", NULL, 0, &c, &why), 0);
	assert_int_equal(mdm_enqueue(&k->m, &id, 1, &c, &o, &fault), 0);
	assert_int_equal(fault, -ENODATA);
	assert_int_equal(secret_put(k->m.store, id, 1, SECRET_UNLOCK_TOKEN, bytes_str("token")), 0);
	assert_int_equal(mdm_enqueue(&k->m, &id, 1, &c, &o, &fault), 1);
	assert_int_equal(kit_report(&d, "Idle", NULL, NULL, &out), 200);
	assert_int_equal(proplist_parse(buf_bytes(&out.body), &root), 0);
	assert_true(bytes_eq_str(
		proplist_data(proplist_dict(root, "Command"), "UnlockToken"), "token"));
	plist_free(root);
	reply_free(&out);
	command_free(&c);
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

#define KIT(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_command_has_an_example_that_builds),
		cmocka_unit_test(faults_are_refused),
		cmocka_unit_test(what_is_not_known_is_a_warning),
		cmocka_unit_test(nested_words_become_nested_values),
		cmocka_unit_test(files_are_typed_too),
		cmocka_unit_test(warnings_say_whom_it_does_not_fit),
		cmocka_unit_test(faulty_tables_are_refused),
		KIT(every_answer_is_taken_kept_and_shown),
		KIT(macs_get_a_pin_of_their_own),
		KIT(a_passcode_is_cleared_by_the_kept_token),
	};

	return cmocka_run_group_tests_name("schema", tests, read_schema, free_schema);
}
