/* Tests of daemon/mdm connect and enqueue: the command channel */
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
#include "mdm/command_end.h"
#include "mdm/command_setup.h"
#include "mdm/enqueue.h"
#include "mdm/party.h"
#include "mdm/refresh.h"
#include "mdm_kit.h"
#include "store/result.h"

/* A kit with one enrolled device, AA, whose queue is empty. */
struct scene {
	struct kit *k;
	struct kit_device d;
};

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
	*ctx = s;
	return 0;
}

static int
teardown(void **ctx)
{
	struct scene *s = *ctx;

	kit_device_free(&s->d);
	kit_free(s->k);
	free(s);
	return 0;
}

/* Queues one command for `id`; the fault.  `uuid` (may be NULL) is the caller's. */
static int
queue_one(struct scene *s, const char *id, const char *type, const char *word, char **uuid)
{
	struct enqueue_options o = { .actor = "eva", .by_person = true };
	struct command c;
	char *why = NULL;
	int fault = 0, n;

	assert_int_equal(command_from_words(type, &word, word ? 1 : 0, &c, &why), 0);
	n = mdm_enqueue(&s->k->m, &id, 1, &c, &o, &fault);
	assert_int_equal(n, fault == 0 ? 1 : 0);
	assert_int_equal(store_commit(s->k->m.store), 0);
	if (uuid)
		*uuid = xstrdup(c.uuid);
	command_free(&c);
	return fault;
}

/* Sends a report and expects `uuid` as the next command (NULL: the empty body). */
static void
expect(struct scene *s, const char *status, const char *reported, const char *uuid)
{
	struct reply out;
	char *offered;

	assert_int_equal(kit_report(&s->d, status, reported, NULL, &out), 200);
	offered = kit_offered(&out);
	if (uuid) {
		assert_non_null(offered);
		assert_string_equal(offered, uuid);
		assert_string_equal(out.type, TYPE_PLIST);
	} else {
		assert_null(offered);
		assert_int_equal(out.body.len, 0);
	}
	free(offered);
	reply_free(&out);
}

static void
result_is(struct scene *s, const char *uuid, const char *status, const char *error)
{
	struct result_list list = { 0 };
	size_t i, found = 0;

	assert_int_equal(result_list_load(s->k->m.store, "AA", &list), 0);
	for (i = 0; i < list.count; i++) {
		if (strcmp(list.items[i].uuid, uuid) != 0)
			continue;
		found++;
		assert_string_equal(list.items[i].status, status);
		if (error)
			assert_string_equal(list.items[i].error, error);
		else
			assert_null(list.items[i].error);
	}
	assert_int_equal(found, 1);
	result_list_free(&list);
}

static void
idle_command_acknowledged_empty(void **ctx)
{
	struct scene *s = *ctx;
	struct buf body = BUF_INIT;
	char *one, *two;

	expect(s, "Idle", NULL, NULL);
	assert_int_equal(queue_one(s, "AA", "ProfileList", NULL, &one), 0);
	assert_int_equal(queue_one(s, "AA", "SecurityInfo", NULL, &two), 0);
	expect(s, "Idle", NULL, one);
	/* not answered: offered again */
	expect(s, "Idle", NULL, one);
	expect(s, "Acknowledged", one, two);
	result_is(s, one, "Acknowledged", NULL);
	assert_int_equal(result_body(s->k->m.store, "AA", one, 1 << 20, &body), 0);
	assert_non_null(strstr(buf_str(&body), "Acknowledged"));
	buf_free(&body);
	expect(s, "Acknowledged", two, NULL);
	assert_int_equal(kit_waiting(s->k, "AA"), 0);
	/* the report again: once is enough */
	expect(s, "Acknowledged", two, NULL);
	result_is(s, two, "Acknowledged", NULL);
	free(one);
	free(two);
}

static void
errors_are_results(void **ctx)
{
#define CHAIN                                                                            \
	"<key>ErrorChain</key><array><dict><key>ErrorCode</key><integer>12021</integer>" \
	"<key>LocalizedDescription</key><string>Unknown command</string></dict></array>"
	struct scene *s = *ctx;
	char *one, *two;

	assert_int_equal(queue_one(s, "AA", "ProfileList", NULL, &one), 0);
	assert_int_equal(queue_one(s, "AA", "SecurityInfo", NULL, &two), 0);
	expect(s, "Idle", NULL, one);
	assert_int_equal(kit_report(&s->d, "Error", one, CHAIN, NULL), 200);
	result_is(s, one, "Error", "Unknown command");
	expect(s, "CommandFormatError", two, NULL);
	result_is(s, two, "CommandFormatError", NULL);
	assert_int_equal(s->k->m.numbers.format_error, 1);
	free(one);
	free(two);
}

static void
not_now_steps_aside_until_the_next_idle(void **ctx)
{
	struct scene *s = *ctx;
	struct queue *q;
	char *one, *two;

	assert_int_equal(queue_one(s, "AA", "SecurityInfo", NULL, &one), 0);
	assert_int_equal(queue_one(s, "AA", "RestartDevice", NULL, &two), 0);
	expect(s, "Idle", NULL, one);
	expect(s, "NotNow", one, two);
	expect(s, "Acknowledged", two, NULL);
	assert_int_equal(queue_load(s->k->m.store, "AA", &q), 0);
	assert_int_equal(q->count, 1);
	assert_int_equal(q->entries[0].not_now, 1);
	assert_true(q->entries[0].retry_at >= kit_now() + 890);
	queue_free(q);
	/* at once, within the same second */
	expect(s, "Idle", NULL, one);
	expect(s, "NotNow", one, NULL);
	expect(s, "Idle", NULL, one);
	expect(s, "Acknowledged", one, NULL);
	assert_int_equal(kit_waiting(s->k, "AA"), 0);
	free(one);
	free(two);
}

static void
a_family_keeps_its_order(void **ctx)
{
	struct scene *s = *ctx;
	char *install, *remove, *other;

	assert_int_equal(queue_one(s, "AA", "RemoveProfile", "Identifier=org.a", &install), 0);
	assert_int_equal(queue_one(s, "AA", "RemoveProfile", "Identifier=org.b", &remove), 0);
	assert_int_equal(queue_one(s, "AA", "ProfileList", NULL, &other), 0);
	expect(s, "Idle", NULL, install);
	expect(s, "NotNow", install, other);
	expect(s, "Acknowledged", other, NULL);
	expect(s, "Idle", NULL, install);
	expect(s, "Acknowledged", install, remove);
	free(install);
	free(remove);
	free(other);
}

static void
unknown_and_foreign_uuids_are_tolerated(void **ctx)
{
	static const struct kit_issue fresh;
	struct scene *s = *ctx;
	struct kit_device b;
	struct result_list list = { 0 };
	char *one, *theirs;

	kit_device_init(&b, s->k, "BB", "SER2", &fresh);
	kit_enroll(&b);
	assert_int_equal(queue_clear(s->k->m.store, "BB", NULL), 0);
	assert_int_equal(queue_one(s, "AA", "ProfileList", NULL, &one), 0);
	assert_int_equal(queue_one(s, "BB", "ProfileList", NULL, &theirs), 0);
	expect(s, "Acknowledged", "no-such-uuid", one);
	expect(s, "Acknowledged", theirs, one);
	expect(s, "Acknowledged", NULL, one);
	expect(s, "NotNow", theirs, one);
	assert_int_equal(s->k->m.numbers.unknown_uuid, 4);
	assert_int_equal(kit_waiting(s->k, "BB"), 1);
	assert_int_equal(result_list_load(s->k->m.store, "AA", &list), 0);
	assert_int_equal(list.count, 0);
	result_list_free(&list);
	kit_device_free(&b);
	free(one);
	free(theirs);
}

static void
device_information_teaches(void **ctx)
{
#define ANSWERS                                               \
	"<key>QueryResponses</key><dict>"                     \
	"<key>OSVersion</key><string>18.2</string>"           \
	"<key>ModelName</key><string>iPhone</string>"         \
	"<key>EASDeviceIdentifier</key><string>EAS1</string>" \
	"<key>IsSupervised</key><true/></dict>"
	struct scene *s = *ctx;
	struct enrollment *e;
	struct buf latest = BUF_INIT;
	int64_t at = 0;
	char *one;

	assert_int_equal(queue_one(s, "AA", "DeviceInformation", NULL, &one), 0);
	expect(s, "Idle", NULL, one);
	assert_int_equal(kit_report(&s->d, "Acknowledged", one, ANSWERS, NULL), 200);
	e = kit_load(s->k, "AA");
	assert_string_equal(e->facts.os_version, "18.2");
	assert_string_equal(e->facts.model_name, "iPhone");
	assert_string_equal(e->facts.eas_id, "EAS1");
	assert_string_equal(e->facts.serial, "SER1");
	assert_true(e->supervised);
	enrollment_free(e);
	assert_int_equal(
		result_latest_get(s->k->m.store, "AA", "DeviceInformation", 1 << 20, &at, &latest),
		0);
	assert_true(at > 0);
	assert_non_null(strstr(buf_str(&latest), "EAS1"));
	buf_free(&latest);
	free(one);
}

static void
erase_comes_first_and_removes(void **ctx)
{
	struct scene *s = *ctx;
	struct enrollment *e;
	char *list, *erase;

	assert_int_equal(queue_one(s, "AA", "ProfileList", NULL, &list), 0);
	assert_int_equal(queue_one(s, "AA", "EraseDevice", NULL, &erase), 0);
	expect(s, "Idle", NULL, erase);
	/* a refusal removes nothing */
	expect(s, "Error", erase, list);
	assert_int_equal(kit_state(s->k, "AA"), STATE_ENROLLED);
	free(erase);
	assert_int_equal(queue_one(s, "AA", "EraseDevice", NULL, &erase), 0);
	expect(s, "Idle", NULL, erase);
	expect(s, "Acknowledged", erase, NULL);
	e = kit_load(s->k, "AA");
	assert_int_equal(e->state, STATE_REMOVED);
	assert_int_equal(e->removal, REMOVAL_ERASED);
	enrollment_free(e);
	assert_int_equal(kit_waiting(s->k, "AA"), 0);
	result_is(s, erase, "Acknowledged", NULL);
	assert_int_equal(queue_one(s, "AA", "ProfileList", NULL, NULL), -ESTALE);
	free(list);
	free(erase);
}

static void
commands_expire_but_not_all(void **ctx)
{
	struct scene *s = *ctx;
	char *list, *lock;

	assert_int_equal(queue_one(s, "AA", "ProfileList", NULL, &list), 0);
	assert_int_equal(queue_one(s, "AA", "DeviceLock", NULL, &lock), 0);
	kit_forward(s->k->conf.queue.lifetime + 1);
	expect(s, "Idle", NULL, lock);
	expect(s, "Acknowledged", lock, NULL);
	assert_int_equal(kit_waiting(s->k, "AA"), 0);
	free(list);
	free(lock);
}

static void
a_lost_body_wedges_nothing(void **ctx)
{
	struct scene *s = *ctx;
	char *one, *two;

	assert_int_equal(queue_one(s, "AA", "ProfileList", NULL, &one), 0);
	assert_int_equal(queue_one(s, "AA", "SecurityInfo", NULL, &two), 0);
	assert_int_equal(queue_body_drop(s->k->m.store, one), 0);
	expect(s, "Idle", NULL, two);
	assert_int_equal(kit_waiting(s->k, "AA"), 1);
	free(one);
	free(two);
}

static void
user_queues_are_their_own(void **ctx)
{
	struct scene *s = *ctx;
	struct kit_device u = s->d;
	struct reply out;
	char *one, *offered;

	u.id = "AA:u1";
	assert_int_equal(queue_one(s, "AA:u1", "ProfileList", NULL, NULL), -ENOENT);
	assert_int_equal(kit_token(&u, NULL), 200);
	assert_int_equal(queue_one(s, "AA:u1", "ProfileList", NULL, &one), 0);
	expect(s, "Idle", NULL, NULL);
	assert_int_equal(kit_report(&u, "Idle", NULL, NULL, &out), 200);
	offered = kit_offered(&out);
	assert_string_equal(offered, one);
	free(offered);
	reply_free(&out);
	/* the device cannot answer for its user */
	expect(s, "Acknowledged", one, NULL);
	assert_int_equal(kit_waiting(s->k, "AA:u1"), 1);
	assert_int_equal(kit_report(&u, "Acknowledged", one, NULL, NULL), 200);
	assert_int_equal(kit_waiting(s->k, "AA:u1"), 0);
	free(one);
}

static void
queues_are_bounded(void **ctx)
{
	struct scene *s = *ctx;
	unsigned i;

	for (i = 0; i < s->k->conf.queue.limit; i++)
		assert_int_equal(queue_one(s, "AA", "ProfileList", NULL, NULL), 0);
	assert_int_equal(queue_one(s, "AA", "ProfileList", NULL, NULL), -EDQUOT);
	assert_int_equal(kit_waiting(s->k, "AA"), s->k->conf.queue.limit);
	assert_int_equal(queue_one(s, "ZZ", "ProfileList", NULL, NULL), -ENOENT);
	assert_string_equal(enqueue_fault_words(-EDQUOT), "its queue is full");
	/* A full disk is not a full queue. */
	assert_non_null(strstr(enqueue_fault_words(-ENOSPC), "takes no changes"));
}

static int
ask_one(struct scene *s, const char *type)
{
	const struct enqueue_options o = { .refresh = true };
	const char *id = "AA";
	struct command c;
	char *why = NULL;
	int fault = 0, queued;

	assert_int_equal(command_from_words(type, NULL, 0, &c, &why), 0);
	queued = mdm_enqueue(&s->k->m, &id, 1, &c, &o, &fault);
	assert_int_equal(queued, fault == 0);
	command_free(&c);
	return fault;
}

static void
a_question_waits_once(void **ctx)
{
	struct scene *s = *ctx;

	assert_int_equal(ask_one(s, "SecurityInfo"), 0);
	assert_int_equal(ask_one(s, "SecurityInfo"), -EALREADY);
	assert_int_equal(ask_one(s, "ProfileList"), 0);
	assert_int_equal(kit_waiting(s->k, "AA"), 2);
	assert_true(refresh_is_kind("ProfileList"));
	assert_false(refresh_is_kind("EraseDevice"));
}

static void
later_profile_commands_supersede(void **ctx)
{
	struct scene *s = *ctx;
	char *first, *second, *third;

	assert_int_equal(queue_one(s, "AA", "RemoveProfile", "Identifier=org.a", &first), 0);
	assert_int_equal(queue_one(s, "AA", "RemoveProfile", "Identifier=org.a", &second), 0);
	assert_int_equal(kit_waiting(s->k, "AA"), 1);
	expect(s, "Idle", NULL, second);
	/* it may be at work on it: a later one waits behind */
	assert_int_equal(queue_one(s, "AA", "RemoveProfile", "Identifier=org.a", &third), 0);
	assert_int_equal(kit_waiting(s->k, "AA"), 2);
	expect(s, "Acknowledged", second, third);
	free(first);
	free(second);
	free(third);
}

static void
one_body_for_many(void **ctx)
{
	static const struct kit_issue fresh;
	struct scene *s = *ctx;
	const char *ids[] = { "AA", "BB", "ZZ", "AA" };
	struct enqueue_options o = { .actor = "eva", .by_person = true };
	struct kit_device b;
	struct command c;
	struct buf body = BUF_INIT;
	char *why = NULL;
	int fault[4];

	kit_device_init(&b, s->k, "BB", "SER2", &fresh);
	kit_enroll(&b);
	assert_int_equal(queue_clear(s->k->m.store, "BB", NULL), 0);
	assert_int_equal(command_from_words("ProfileList", NULL, 0, &c, &why), 0);
	assert_int_equal(mdm_enqueue(&s->k->m, ids, 4, &c, &o, fault), 2);
	assert_int_equal(fault[0], 0);
	assert_int_equal(fault[1], 0);
	assert_int_equal(fault[2], -ENOENT);
	assert_int_equal(fault[3], -EEXIST);
	expect(s, "Idle", NULL, c.uuid);
	expect(s, "Acknowledged", c.uuid, NULL);
	assert_int_equal(queue_body_get(s->k->m.store, c.uuid, &body), 0);
	buf_wipe(&body);
	assert_int_equal(kit_report(&b, "Acknowledged", c.uuid, NULL, NULL), 200);
	assert_int_equal(queue_body_get(s->k->m.store, c.uuid, &body), -ENOENT);

	/* a file's UUID that was answered before */
	c.given_uuid = true;
	assert_int_equal(mdm_enqueue(&s->k->m, ids, 1, &c, &o, fault), 0);
	assert_int_equal(fault[0], -EEXIST);
	command_free(&c);
	kit_device_free(&b);
}

static void
a_cancelled_command_is_not_offered(void **ctx)
{
	struct scene *s = *ctx;
	bool offered = true;
	char *one, *erase;

	assert_int_equal(queue_one(s, "AA", "ProfileList", NULL, &one), 0);
	assert_int_equal(mdm_cancel(&s->k->m, "AA", "nothing", "eva", &offered), -ENOENT);
	assert_int_equal(mdm_cancel(&s->k->m, "AA", one, "eva", &offered), 0);
	assert_false(offered);
	expect(s, "Idle", NULL, NULL);
	result_is(s, one, "Cancelled", NULL);
	/* it was handed out before: carried out all the same, an erase is an erase */
	assert_int_equal(queue_one(s, "AA", "EraseDevice", NULL, &erase), 0);
	expect(s, "Idle", NULL, erase);
	assert_int_equal(mdm_cancel(&s->k->m, "AA", erase, "eva", &offered), 0);
	assert_true(offered);
	expect(s, "Acknowledged", erase, NULL);
	assert_int_equal(kit_state(s->k, "AA"), STATE_REMOVED);
	free(one);
	free(erase);
}

static void
a_later_profile_comes_after_one_in_work(void **ctx)
{
	struct scene *s = *ctx;
	char *first, *second, *third;

	assert_int_equal(queue_one(s, "AA", "RemoveProfile", "Identifier=a", &first), 0);
	expect(s, "Idle", NULL, first);
	assert_int_equal(queue_one(s, "AA", "RemoveProfile", "Identifier=a", &second), 0);
	assert_int_equal(kit_waiting(s->k, "AA"), 2); /* it may be at work on the first */
	expect(s, "NotNow", first, NULL);
	assert_int_equal(queue_one(s, "AA", "RemoveProfile", "Identifier=a", &third), 0);
	assert_int_equal(kit_waiting(s->k, "AA"), 1); /* NotNow: it is not */
	result_is(s, first, "Superseded", "a later command is for the same profile");
	result_is(s, second, "Superseded", "a later command is for the same profile");
	expect(s, "Idle", NULL, third);
	free(first);
	free(second);
	free(third);
}

static void
not_now_is_asked_for_later_and_later(void **ctx)
{
	static const int64_t delays[] = { 900, 3600, 14400, 86400, 86400 };
	struct scene *s = *ctx;
	struct queue *q;
	char *one;
	size_t i;

	assert_int_equal(queue_one(s, "AA", "SecurityInfo", NULL, &one), 0);
	for (i = 0; i < sizeof(delays) / sizeof(delays[0]); i++) {
		expect(s, "Idle", NULL, one);
		expect(s, "NotNow", one, NULL);
		assert_int_equal(queue_load(s->k->m.store, "AA", &q), 0);
		assert_in_range(q->entries[0].retry_at - kit_now(), delays[i] - 5, delays[i]);
		queue_free(q);
		kit_forward(delays[i]);
	}
	free(one);
}

static void
nothing_holds_an_erase(void **ctx)
{
	struct scene *s = *ctx;
	char *lock, *erase;
	unsigned i;

	assert_int_equal(queue_one(s, "AA", "DeviceLock", NULL, &lock), 0);
	expect(s, "Idle", NULL, lock);
	expect(s, "NotNow", lock, NULL);
	for (i = 1; i < s->k->conf.queue.limit; i++)
		assert_int_equal(queue_one(s, "AA", "ProfileList", NULL, NULL), 0);
	assert_int_equal(queue_one(s, "AA", "ProfileList", NULL, NULL), -EDQUOT);
	assert_int_equal(queue_one(s, "AA", "EraseDevice", NULL, &erase), 0);
	expect(s, "Acknowledged", "other", erase);
	free(lock);
	free(erase);
}

static void
removed_devices_are_sent_nothing(void **ctx)
{
	struct scene *s = *ctx;
	struct buf text = BUF_INIT;
	char *one;

	assert_int_equal(queue_one(s, "AA", "ProfileList", NULL, &one), 0);
	assert_int_equal(kit_checkin(&s->d, "CheckOut", NULL, NULL), 200);
	result_is(s, one, "Cancelled", "the enrollment ended");
	assert_int_equal(queue_one(s, "AA", "ProfileList", NULL, NULL), -ESTALE);
	enqueue_fault_text(&s->k->m, "AA", -ESTALE, &text);
	assert_non_null(strstr(buf_str(&text), "removed on 20"));
	assert_non_null(strstr(buf_str(&text), "it must be enrolled again"));
	buf_free(&text);
	free(one);
}

/* The roster follows commits: what this turn changed is asked of the record. */
static void
a_removal_counts_before_it_is_committed(void **ctx)
{
	struct enqueue_options o = { .actor = "eva", .by_person = true, .bulk = true };
	struct scene *s = *ctx;
	const char *id = "AA";
	struct enrollment *e;
	struct command c;
	char *why = NULL;
	int fault = 0;

	assert_int_equal(queue_clear(s->k->m.store, id, NULL), 0);
	assert_int_equal(enrollment_load(s->k->m.store, id, &e), 0);
	assert_int_equal(party_remove(&s->k->m, e, REMOVAL_ADMIN, "eva"), 0);
	enrollment_free(e);
	assert_int_equal(roster_find(s->k->m.roster, id)->state, STATE_ENROLLED);
	assert_int_equal(command_from_words("ProfileList", NULL, 0, &c, &why), 0);
	assert_int_equal(mdm_enqueue(&s->k->m, &id, 1, &c, &o, &fault), 0);
	assert_int_equal(fault, -ESTALE);
	command_free(&c);
}

static void
a_silent_device_s_commands_expire(void **ctx)
{
	struct scene *s = *ctx;
	char *list, *erase;

	assert_int_equal(queue_one(s, "AA", "ProfileList", NULL, &list), 0);
	assert_int_equal(queue_one(s, "AA", "EraseDevice", NULL, &erase), 0);
	kit_forward(s->k->conf.queue.lifetime - 1);
	command_sweep(&s->k->m);
	assert_int_equal(kit_waiting(s->k, "AA"), 2);
	kit_forward(1);
	command_sweep(&s->k->m); /* the end of the round before */
	command_sweep(&s->k->m);
	assert_int_equal(kit_waiting(s->k, "AA"), 1);
	result_is(s, list, "Expired", NULL);
	free(list);
	free(erase);
}

/* The type of the next command; "" for none. */
static char *
next_type(struct scene *s, const char *status, const char *uuid, char **offered)
{
	struct reply out;
	plist_t root;
	char *type;

	assert_int_equal(kit_report(&s->d, status, uuid, NULL, &out), 200);
	*offered = NULL;
	if (out.body.len == 0)
		return xstrdup("");
	assert_int_equal(proplist_parse(buf_bytes(&out.body), &root), 0);
	type = xstrdup(proplist_str(proplist_dict(root, "Command"), "RequestType"));
	*offered = xstrdup(proplist_str(root, "CommandUUID"));
	plist_free(root);
	reply_free(&out);
	return type;
}

static void
expect_type(struct scene *s, const char *status, const char *uuid, const char *wanted, char **next)
{
	char *type = next_type(s, status, uuid, next);

	assert_string_equal(type, wanted);
	free(type);
}

#define AWAITING "<key>AwaitingConfiguration</key><true/>"

static void
a_waiting_assistant_is_let_go(void **ctx)
{
	struct scene *s = *ctx;
	char *list, *configured, *none;

	assert_int_equal(kit_token(&s->d, AWAITING), 200);
	assert_int_equal(queue_one(s, "AA", "ProfileList", NULL, &list), 0);
	expect(s, "Idle", NULL, list);
	expect_type(s, "Acknowledged", list, "DeviceConfigured", &configured);
	expect_type(s, "Acknowledged", configured, "", &none);
	expect_type(s, "Idle", NULL, "", &none);
	free(list);
	free(configured);
	/* ten minutes are enough, whatever waits */
	assert_int_equal(kit_token(&s->d, AWAITING), 200);
	assert_int_equal(queue_one(s, "AA", "ProfileList", NULL, &list), 0);
	expect(s, "Idle", NULL, list);
	kit_forward(COMMAND_SETUP_WAIT);
	expect_type(s, "Idle", NULL, "DeviceConfigured", &configured);
	expect(s, "Error", configured, list); /* it would not: once is enough */
	free(configured);
	expect(s, "Acknowledged", list, NULL);
	free(list);
	/* held */
	s->k->conf.enrollment.hold_setup = true;
	assert_int_equal(kit_token(&s->d, AWAITING), 200);
	expect(s, "Idle", NULL, NULL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(idle_command_acknowledged_empty),
		TEST(errors_are_results),
		TEST(not_now_steps_aside_until_the_next_idle),
		TEST(a_family_keeps_its_order),
		TEST(unknown_and_foreign_uuids_are_tolerated),
		TEST(device_information_teaches),
		TEST(erase_comes_first_and_removes),
		TEST(commands_expire_but_not_all),
		TEST(a_lost_body_wedges_nothing),
		TEST(user_queues_are_their_own),
		TEST(queues_are_bounded),
		TEST(a_question_waits_once),
		TEST(later_profile_commands_supersede),
		TEST(one_body_for_many),
		TEST(a_cancelled_command_is_not_offered),
		TEST(a_later_profile_comes_after_one_in_work),
		TEST(not_now_is_asked_for_later_and_later),
		TEST(nothing_holds_an_erase),
		TEST(removed_devices_are_sent_nothing),
		TEST(a_removal_counts_before_it_is_committed),
		TEST(a_silent_device_s_commands_expire),
		TEST(a_waiting_assistant_is_let_go),
	};

	return cmocka_run_group_tests_name("connect", tests, NULL, NULL);
}
