/* Tests of daemon/mdm/change: what a newer answer tells, of real sizes and of hostile shapes */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/proplist.h"
#include "mdm/change.h"
#include "mdm/enqueue.h"
#include "mdm/refresh.h"
#include "mdm_kit.h"
#include "store/result.h"

#define EVENTS 16
#define MANY 40000u /* by index, a binary list of so many takes 18 s */
#define PATIENCE_MS 10000

/* A kit with one enrolled device, AA, whose queue is empty; and the events since the last look. */
struct scene {
	struct kit *k;
	struct kit_device d;
	struct enrollment *e;
	enum event events[EVENTS];
	char *texts[EVENTS];
	size_t count;
};

static void
on_event(void *arg, const struct log_record *record)
{
	struct scene *s = arg;

	assert_true(s->count < EVENTS);
	s->texts[s->count] = xstrdup(record->message);
	s->events[s->count++] = record->event;
}

static void
forget_events(struct scene *s)
{
	while (s->count)
		free(s->texts[--s->count]);
}

static int
setup(void **ctx)
{
	static const struct kit_issue fresh;
	struct scene *s = xcalloc(1, sizeof(*s));

	s->k = kit_new();
	kit_device_init(&s->d, s->k, "AA", "SER1", &fresh);
	kit_enroll(&s->d);
	assert_int_equal(queue_clear(s->k->m.store, "AA", NULL), 0);
	assert_int_equal(store_commit(s->k->m.store), 0);
	s->e = kit_load(s->k, "AA");
	log_set_observer(on_event, s);
	*ctx = s;
	return 0;
}

static int
teardown(void **ctx)
{
	struct scene *s = *ctx;

	log_set_observer(NULL, NULL);
	forget_events(s);
	enrollment_free(s->e);
	kit_device_free(&s->d);
	kit_free(s->k);
	free(s);
	return 0;
}

/* One event was told, and it says so; none when `ev` is EV_NONE. */
static void
told(struct scene *s, enum event ev, const char *text)
{
	for (size_t i = 0; i < s->count; i++)
		if (ev == EV_NONE || s->events[i] != ev)
			fail_msg("%s: %s", event_name(s->events[i]), s->texts[i]);
	assert_int_equal(s->count, ev == EV_NONE ? 0 : 1);
	if (ev != EV_NONE && !strstr(s->texts[0], text))
		fail_msg("\"%s\" is not in: %s", text, s->texts[0]);
	forget_events(s);
}

/* An answer as a plist, to a question of the schedule. */
static void
keep(struct scene *s, const char *type, plist_t root, bool binary)
{
	struct queue_entry asked = {
		.uuid = (char *)(uintptr_t) "u", .type = (char *)(uintptr_t)type, .refresh = true
	};
	struct buf body = BUF_INIT;

	if (binary)
		proplist_to_binary(root, &body);
	else
		proplist_to_xml(root, &body);
	plist_free(root);
	assert_int_equal(proplist_parse(buf_bytes(&body), &root), 0);
	kit_forward(60);
	assert_int_equal(change_keep(&s->k->m, s->e, &asked, root, buf_bytes(&body)), 0);
	assert_int_equal(store_commit(s->k->m.store), 0);
	plist_free(root);
	buf_free(&body);
}

/* The same of its XML. */
static void
keep_xml(struct scene *s, const char *type, const char *inner)
{
	struct buf xml = BUF_INIT;
	plist_t root = NULL;

	buf_printf(&xml, "<plist version=\"1.0\"><dict>%s</dict></plist>", inner);
	assert_int_equal(proplist_parse(buf_bytes(&xml), &root), 0);
	keep(s, type, root, false);
	buf_free(&xml);
}

#define INFORMATION(version, build)                                                         \
	"<key>QueryResponses</key><dict><key>OSVersion</key><string>" version "</string>"   \
	"<key>BuildVersion</key><string>" build "</string><key>BatteryLevel</key><real>0.5" \
	"</real></dict>"

static void
another_version(void **ctx)
{
	struct scene *s = *ctx;

	keep_xml(s, "DeviceInformation", INFORMATION("18.0", "22A3354"));
	told(s, EV_NONE, NULL);
	keep_xml(s, "DeviceInformation", INFORMATION("18.1", "22B83"));
	told(s, EV_OS_CHANGED, "AA (SER1): OS version changed from 18.0 (22A3354) to 18.1 (22B83)");
	keep_xml(s, "DeviceInformation", INFORMATION("18.1", "22B83"));
	told(s, EV_NONE, NULL);
	keep_xml(s, "DeviceInformation", INFORMATION("18.1", "22B91"));
	told(s, EV_OS_CHANGED, "from 18.1 (22B83) to 18.1 (22B91)");
	/* another life of the device */
	s->e->enrolled_at = kit_now() + 30;
	keep_xml(s, "DeviceInformation", INFORMATION("17.0", "21A1"));
	told(s, EV_NONE, NULL);
	keep_xml(s, "DeviceInformation", INFORMATION("17.1", "21B1"));
	told(s, EV_OS_CHANGED, "from 17.0");
}

#define SECURITY(more) "<key>SecurityInfo</key><dict>" more "</dict>"
#define PASSCODE(value) SECURITY("<key>PasscodePresent</key><" value "/>")

static void
a_passcode_that_is_gone(void **ctx)
{
	static const struct {
		const char *answer;
		enum event ev;
	} steps[] = {
		{ PASSCODE("false"), EV_NONE }, /* the first */
		{ PASSCODE("true"), EV_NONE },
		{ PASSCODE("true"), EV_NONE },
		{ PASSCODE("false"), EV_PASSCODE_REMOVED },
		{ PASSCODE("false"), EV_NONE },
		{ PASSCODE("true"), EV_NONE },
		{ SECURITY(""), EV_NONE }, /* it does not say */
		{ PASSCODE("false"), EV_NONE },
	};
	struct scene *s = *ctx;

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		keep_xml(s, "SecurityInfo", steps[i].answer);
		told(s, steps[i].ev, "the passcode was removed");
	}
}

#define PROFILE(id, name)                                           \
	"<dict><key>PayloadIdentifier</key><string>" id "</string>" \
	"<key>PayloadDisplayName</key><string>" name "</string></dict>"
#define MDM_PROFILE                                                                   \
	"<dict><key>PayloadIdentifier</key><string>org.example.enroll</string>"       \
	"<key>PayloadContent</key><array><dict><key>PayloadType</key><string>"        \
	"com.apple.security.scep</string></dict><dict><key>PayloadType</key><string>" \
	"com.apple.mdm</string></dict></array></dict>"
#define PROFILES(list) "<key>ProfileList</key><array>" list "</array>"

/* A command of ours that the device carried out. */
static void
carried_out(struct scene *s, const char *type, const char *subject)
{
	struct result r = { .uuid = (char *)(uintptr_t)subject,
		.type = (char *)(uintptr_t)type,
		.status = (char *)(uintptr_t) "Acknowledged",
		.subject = (char *)(uintptr_t)subject,
		.at = kit_now() };

	assert_int_equal(result_add(s->k->m.store, "AA", &r, bytes_str("<x/>"), 20), 0);
}

static void
profiles_that_are_gone(void **ctx)
{
	struct scene *s = *ctx;

	keep_xml(s, "ProfileList",
		PROFILES(PROFILE("a.wifi", "Wi-Fi") PROFILE("a.mail", "Mail")
				PROFILE("a.vpn", "VPN") MDM_PROFILE));
	keep_xml(s, "ProfileList",
		PROFILES(PROFILE("a.wifi", "Wi-Fi") PROFILE("a.mail", "Mail")
				MDM_PROFILE PROFILE("a.new", "New")));
	told(s, EV_PROFILE_REMOVED,
		"AA (SER1): removed from the device, and not by a command of ours: VPN (a.vpn)");
	/* by a command, and not by one for another */
	kit_forward(60);
	carried_out(s, "RemoveProfile", "a.mail");
	keep_xml(s, "ProfileList", PROFILES(PROFILE("a.wifi", "Wi-Fi") MDM_PROFILE));
	told(s, EV_PROFILE_REMOVED, "command of ours: New (a.new)");
	kit_forward(60);
	carried_out(s, "InstallProfile", "a.wifi");
	keep_xml(s, "ProfileList", PROFILES(""));
	told(s, EV_PROFILE_REMOVED,
		"Wi-Fi (a.wifi), org.example.enroll; the MDM profile is among them");
	/* one that was removed by command before is not excused for ever */
	keep_xml(s, "ProfileList", PROFILES(PROFILE("a.mail", "Mail")));
	told(s, EV_NONE, NULL);
	keep_xml(s, "ProfileList", PROFILES(""));
	told(s, EV_PROFILE_REMOVED, "Mail (a.mail)");
}

/* An application as a Mac or an iPhone tells of it. */
static plist_t
application(unsigned n)
{
	plist_t app = plist_new_dict();
	char text[64];

	snprintf(text, sizeof(text), "org.example.app.number-%06u", n);
	plist_dict_set_item(app, "Identifier", plist_new_string(text));
	snprintf(text, sizeof(text), "Application %u", n);
	plist_dict_set_item(app, "Name", plist_new_string(text));
	plist_dict_set_item(app, "Version", plist_new_string("1"));
	return app;
}

static plist_t
applications(unsigned from, unsigned to)
{
	plist_t root = plist_new_dict(), list = plist_new_array();

	for (; from < to; from++)
		plist_array_append_item(list, application(from));
	plist_dict_set_item(root, "InstalledApplicationList", list);
	return root;
}

static void
applications_that_came_or_went(void **ctx)
{
	struct scene *s = *ctx;
	plist_t twice = applications(1, 40), list;

	keep(s, "InstalledApplicationList", applications(0, 40), false);
	told(s, EV_NONE, NULL);
	keep(s, "InstalledApplicationList", applications(1, 41), false);
	told(s, EV_APPS_CHANGED,
		"AA (SER1): applications added: Application 40 (org.example.app.number-000040); "
		"removed: Application 0 (org.example.app.number-000000)");
	/* Macs have the same application in several places: it is one */
	list = plist_dict_get_item(twice, "InstalledApplicationList");
	plist_array_append_item(list, application(40));
	plist_array_append_item(list, application(40));
	keep(s, "InstalledApplicationList", twice, false);
	told(s, EV_NONE, NULL);
	keep(s, "InstalledApplicationList", applications(1, 100), false);
	told(s, EV_APPS_CHANGED, "Application 50 (org.example.app.number-000050) and 49 more");
	keep(s, "InstalledApplicationList", applications(0, 0), false);
	told(s, EV_APPS_CHANGED, "Application 10 (org.example.app.number-000010) and 89 more");
}

/* Real fleets have a few hundred; a device that wants to hurt has as many as fit. */
static void
many_applications_in_time(void **ctx)
{
	struct scene *s = *ctx;
	int64_t began;

	keep(s, "InstalledApplicationList", applications(0, MANY), true);
	began = clock_mono_ms();
	keep(s, "InstalledApplicationList", applications(1, MANY + 1), true);
	assert_true(clock_mono_ms() - began < PATIENCE_MS);
	told(s, EV_APPS_CHANGED, "added: Application 40000");
	keep(s, "InstalledApplicationList", applications(0, 10000), false);
	told(s, EV_APPS_CHANGED, " and 29991 more");
}

#define APPS(list) "<key>InstalledApplicationList</key><array>" list "</array>"
#define APP(name) "<dict><key>Name</key><string>" name "</string></dict>"

static void
hostile_answers(void **ctx)
{
	static const struct {
		const char *type, *answer;
		enum event ev;
		const char *text;
	} steps[] = {
		{ "InstalledApplicationList", APPS(APP("Good") APP("Bad")), EV_NONE, NULL },
		/* no list: nothing to compare, neither with it nor after it */
		{ "InstalledApplicationList",
			"<key>InstalledApplicationList</key><string>all</string>", EV_NONE, NULL },
		{ "InstalledApplicationList", "", EV_NONE, NULL },
		{ "InstalledApplicationList", APPS(APP("Good")), EV_NONE, NULL },
		/* entries that are none */
		{ "InstalledApplicationList",
			APPS("<integer>1</integer><array/><dict/><dict><key>Identifier</key><true/>"
			     "</dict><dict><key>Name</key><data>AAAA</data></dict>" APP("Good")),
			EV_NONE, NULL },
		{ "InstalledApplicationList", APPS(APP("Good") APP("A&#10;cordond: B")),
			EV_APPS_CHANGED, "A\\x0acordond: B" },
		{ "InstalledApplicationList", APPS(APP("Good") APP("")), EV_APPS_CHANGED,
			"removed" },
		{ "ProfileList", PROFILES(PROFILE("a", "A")), EV_NONE, NULL },
		{ "ProfileList", "<key>ProfileList</key><dict/>", EV_NONE, NULL },
		{ "ProfileList",
			PROFILES("<dict><key>PayloadIdentifier</key><integer>7</integer>"
				 "<key>PayloadContent</key><string>x</string></dict>"),
			EV_NONE, NULL },
		{ "ProfileList",
			PROFILES("<dict><key>PayloadIdentifier</key><string>b</string><key>"
				 "PayloadDisplayName</key><array/><key>PayloadContent</key><array>"
				 "<string>com.apple.mdm</string><dict><key>PayloadType</key>"
				 "<integer>1</integer></dict></array></dict>"),
			EV_NONE, NULL },
		{ "ProfileList", PROFILES(""), EV_PROFILE_REMOVED, "command of ours: b" },
		{ "SecurityInfo", PASSCODE("true"), EV_NONE, NULL },
		{ "SecurityInfo", SECURITY("<key>PasscodePresent</key><string>no</string>"),
			EV_NONE, NULL },
		{ "SecurityInfo", "<key>SecurityInfo</key><array/>", EV_NONE, NULL },
		{ "DeviceInformation", INFORMATION("1", "1"), EV_NONE, NULL },
		{ "DeviceInformation", "<key>QueryResponses</key><array/>", EV_NONE, NULL },
		{ "DeviceInformation",
			"<key>QueryResponses</key><dict><key>OSVersion</key><integer>9</integer></"
			"dict>",
			EV_NONE, NULL },
		/* kinds without anything of interest */
		{ "CertificateList", "<key>CertificateList</key><array/>", EV_NONE, NULL },
		{ "CertificateList", "<key>CertificateList</key><dict/>", EV_NONE, NULL },
	};
	struct scene *s = *ctx;

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		keep_xml(s, steps[i].type, steps[i].answer);
		told(s, steps[i].ev, steps[i].text);
	}
}

static void
long_names_are_cut(void **ctx)
{
	struct scene *s = *ctx;
	struct buf answer = BUF_INIT;

	keep_xml(s, "InstalledApplicationList", APPS(""));
	buf_add_str(&answer,
		"<key>InstalledApplicationList</key><array><dict><key>Name</key><string>x");
	for (int i = 0; i < 5000; i++)
		buf_add_str(&answer, "\xc3\xa4"); /* two bytes: the cut is within one */
	buf_add_str(&answer, "</string></dict></array>");
	keep_xml(s, "InstalledApplicationList", buf_str(&answer));
	assert_int_equal(s->count, 1);
	assert_true(strlen(s->texts[0]) < 2 * CHANGE_NAME_MAX);
	told(s, EV_APPS_CHANGED, "\xc3\xa4...");
	buf_free(&answer);
}

/* What is too large, or damaged, is kept and not compared. */
static void
what_cannot_be_compared(void **ctx)
{
	struct scene *s = *ctx;
	plist_t large = applications(0, 1);
	char *filler = xcalloc(1, CHANGE_BODY_MAX + 2);
	struct buf kept = BUF_INIT;
	int64_t at = 0;

	memset(filler, 'x', CHANGE_BODY_MAX + 1);
	plist_dict_set_item(large, "Filler", plist_new_string(filler));
	keep(s, "InstalledApplicationList", applications(5, 6), false);
	keep(s, "InstalledApplicationList", large, false);
	told(s, EV_NONE, NULL);
	assert_int_equal(result_latest_get(s->k->m.store, "AA", "InstalledApplicationList",
				 2 * CHANGE_BODY_MAX, &at, &kept),
		0);
	assert_int_equal(at, kit_now());
	keep(s, "InstalledApplicationList", applications(7, 8), false);
	told(s, EV_NONE, NULL);
	assert_int_equal(result_latest_put(s->k->m.store, "AA", "InstalledApplicationList",
				 kit_now(), bytes_str("damaged")),
		0);
	keep(s, "InstalledApplicationList", applications(8, 9), false);
	told(s, EV_NONE, NULL);
	keep(s, "InstalledApplicationList", applications(8, 10), false);
	told(s, EV_APPS_CHANGED, "added: Application 9");
	buf_free(&kept);
	free(filler);
}

/* ---- through the command channel ---- */

/* The device fetches what waits and answers it. */
static void
answer(struct scene *s, const char *status, const char *more)
{
	struct reply out;
	char *uuid;

	assert_int_equal(kit_report(&s->d, "Idle", NULL, NULL, &out), 200);
	uuid = kit_offered(&out);
	assert_non_null(uuid);
	reply_free(&out);
	assert_int_equal(kit_report(&s->d, status, uuid, more, NULL), 200);
	free(uuid);
}

static void
send(struct scene *s, const char *type, const char *word)
{
	struct enqueue_options o = { .actor = "eva", .by_person = true };
	const char *id = "AA";
	struct command c;
	char *why = NULL;
	int fault = 0;

	assert_int_equal(command_from_words(type, &word, word ? 1 : 0, &c, &why), 0);
	assert_int_equal(mdm_enqueue(&s->k->m, &id, 1, &c, &o, &fault), 1);
	assert_int_equal(store_commit(s->k->m.store), 0);
	command_free(&c);
	forget_events(s);
}

static void
ask(struct scene *s, const char *type)
{
	assert_int_equal(refresh_ask(&s->k->m, "AA", type, NULL), 0);
	assert_int_equal(store_commit(s->k->m.store), 0);
}

/* Answers to the schedule are no events; those to a person are, and so is what changed. */
static void
only_people_wait_for_answers(void **ctx)
{
	struct scene *s = *ctx;

	ask(s, "InstalledApplicationList");
	answer(s, "Acknowledged", APPS(APP("A")));
	told(s, EV_NONE, NULL);
	ask(s, "InstalledApplicationList");
	answer(s, "Acknowledged", APPS(APP("B")));
	told(s, EV_APPS_CHANGED, "added: B; removed: A");
	ask(s, "InstalledApplicationList");
	answer(s, "Error", NULL);
	told(s, EV_NONE, NULL);
	assert_int_equal(s->k->m.numbers.error, 1);
	ask(s, "SecurityInfo");
	answer(s, "CommandFormatError", NULL);
	told(s, EV_COMMAND_FORMAT, "SecurityInfo");
	send(s, "ProfileList", NULL);
	answer(s, "Acknowledged", PROFILES(""));
	told(s, EV_COMMAND_DONE, "AA carried out ProfileList");
	send(s, "ProfileList", NULL);
	answer(s, "Error", NULL);
	told(s, EV_COMMAND_FAILED, "AA could not carry out ProfileList");
}

static void
a_part_is_not_the_whole(void **ctx)
{
	struct scene *s = *ctx;

	ask(s, "InstalledApplicationList");
	answer(s, "Acknowledged", APPS(APP("A") APP("B")));
	send(s, "InstalledApplicationList", "ManagedAppsOnly=true");
	answer(s, "Acknowledged", APPS(APP("B")));
	told(s, EV_COMMAND_DONE, "InstalledApplicationList");
	ask(s, "InstalledApplicationList");
	answer(s, "Acknowledged", APPS(APP("A") APP("B")));
	told(s, EV_NONE, NULL);
	/* a person's question for all is as good as the schedule's */
	send(s, "InstalledApplicationList", "ManagedAppsOnly=false");
	answer(s, "Acknowledged", APPS(APP("A")));
	assert_int_equal(s->count, 2);
	assert_int_equal(s->events[0], EV_APPS_CHANGED);
	forget_events(s);
	ask(s, "DeviceInformation");
	answer(s, "Acknowledged", INFORMATION("1", "1"));
	send(s, "DeviceInformation", NULL);
	answer(s, "Acknowledged", "<key>QueryResponses</key><dict/>");
	forget_events(s);
	ask(s, "DeviceInformation");
	answer(s, "Acknowledged", INFORMATION("2", "2"));
	told(s, EV_OS_CHANGED, "from 1 (1) to 2 (2)");
}

/* What RemoveProfile was for is kept with its answer. */
static void
our_own_removal_is_no_news(void **ctx)
{
	struct scene *s = *ctx;

	ask(s, "ProfileList");
	answer(s, "Acknowledged", PROFILES(PROFILE("a", "A") PROFILE("b", "B")));
	send(s, "RemoveProfile", "Identifier=a");
	answer(s, "Acknowledged", NULL);
	told(s, EV_COMMAND_DONE, "RemoveProfile");
	ask(s, "ProfileList");
	answer(s, "Acknowledged", PROFILES(""));
	told(s, EV_PROFILE_REMOVED, "command of ours: B (b)");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(another_version),
		TEST(a_passcode_that_is_gone),
		TEST(profiles_that_are_gone),
		TEST(applications_that_came_or_went),
		TEST(many_applications_in_time),
		TEST(hostile_answers),
		TEST(long_names_are_cut),
		TEST(what_cannot_be_compared),
		TEST(only_people_wait_for_answers),
		TEST(a_part_is_not_the_whole),
		TEST(our_own_removal_is_no_news),
	};

	return cmocka_run_group_tests_name("change", tests, NULL, NULL);
}
