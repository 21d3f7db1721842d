/* Tests of daemon/mdm/message: who speaks, what is read, what is refused */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "mdm/message.h"

#define HEAD "<?xml version=\"1.0\" encoding=\"UTF-8\"?><plist version=\"1.0\"><dict>"
#define TAIL "</dict></plist>"
#define STR(key, value) "<key>" key "</key><string>" value "</string>"
#define IDLE STR("Status", "Idle")

static struct message *
report(const char *xml)
{
	struct message *m = NULL;
	const char *why = NULL;

	assert_int_equal(message_parse_report(bytes_str(xml), &m, &why), 0);
	assert_null(why);
	return m;
}

static struct message *
checkin(const char *xml)
{
	struct message *m = NULL;
	const char *why = NULL;

	assert_int_equal(message_parse_checkin(bytes_str(xml), &m, &why), 0);
	return m;
}

static void
refused(int (*parse)(struct bytes, struct message **, const char **), struct bytes body)
{
	struct message *m = NULL;
	const char *why = NULL;

	if (parse(body, &m, &why) != -EINVAL)
		fail_msg("taken: %.200s", (const char *)body.data);
	assert_null(m);
	assert_non_null(why);
}

static void
ids_follow_the_rule(void **ctx)
{
	static const struct {
		const char *keys, *id, *device;
		enum channel channel;
	} cases[] = {
		{ STR("UDID", "00008020-000915083C80012E"), "00008020-000915083C80012E",
			"00008020-000915083C80012E", CHANNEL_DEVICE },
		{ STR("UDID", "AA") STR("UserID", "U1"), "AA:U1", "AA", CHANNEL_USER },
		{ STR("UDID", "AA") STR("UserID", ""), "AA", "AA", CHANNEL_DEVICE },
		{ STR("UDID", "AA") STR("UserID", "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF")
				STR("UserShortName", "eva@example.org"),
			"AA:eva@example.org", "AA", CHANNEL_SHARED_IPAD_USER },
		{ STR("EnrollmentID", "E1"), "E1", "E1", CHANNEL_USER_ENROLLMENT },
		{ STR("EnrollmentID", "E1") STR("EnrollmentUserID", "U2"), "E1:U2", "E1",
			CHANNEL_USER_ENROLLMENT_USER },
		/* UDID comes first, whatever else is there */
		{ STR("EnrollmentID", "E1") STR("UDID", "AA"), "AA", "AA", CHANNEL_DEVICE },
	};
	size_t i;

	(void)ctx;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *xml = xasprintf(HEAD IDLE "%s" TAIL, cases[i].keys);
		struct message *m = report(xml);

		assert_string_equal(m->id, cases[i].id);
		assert_string_equal(m->device, cases[i].device);
		assert_int_equal(m->channel, cases[i].channel);
		message_free(m);
		free(xml);
	}
}

static void
impossible_ids_are_refused(void **ctx)
{
	static const char *const keys[] = {
		"",
		STR("UDID", ""),
		STR("UDID", "a/b"),
		STR("UDID", "a:b"),
		STR("UDID", "a\tb"),
		STR("UDID", "AA") STR("UserID", "a/b"),
		STR("UDID", "AA") STR("UserID", "FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF"),
		STR("EnrollmentID", "x:y"),
		"<key>UDID</key><integer>5</integer>",
		"<key>UDID</key><array><string>AA</string></array>",
	};
	char *longid = xmalloc(300), *xml;
	size_t i;

	(void)ctx;
	for (i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		xml = xasprintf(HEAD IDLE "%s" TAIL, keys[i]);
		refused(message_parse_report, bytes_str(xml));
		free(xml);
	}
	memset(longid, 'A', 299);
	longid[299] = '\0';
	xml = xasprintf(HEAD IDLE STR("UDID", "%s") TAIL, longid);
	refused(message_parse_report, bytes_str(xml));
	free(xml);
	free(longid);
}

static void
hostile_lists_are_refused(void **ctx)
{
	static const char *const bodies[] = {
		"",
		"garbage",
		"{\"Status\":\"Idle\"}",
		"bplist00",
		"bplist00\xff\xff\xff\xff\xff\xff",
		HEAD IDLE STR("UDID", "AA"),
		"<plist version=\"1.0\"><array/></plist>",
		"<plist version=\"1.0\"><string>Idle</string></plist>",
		HEAD IDLE STR("UDID", "A\xc3\x28") TAIL,
		HEAD STR("UDID", "AA") TAIL,
		HEAD STR("Status", "Sleeping") STR("UDID", "AA") TAIL,
	};
	struct buf deep = BUF_INIT;
	size_t i;

	(void)ctx;
	for (i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
		refused(message_parse_report, bytes_str(bodies[i]));
	buf_add_str(&deep, HEAD IDLE STR("UDID", "AA") "<key>X</key>");
	for (i = 0; i < 70; i++)
		buf_add_str(&deep, "<array>");
	for (i = 0; i < 70; i++)
		buf_add_str(&deep, "</array>");
	buf_add_str(&deep, TAIL);
	refused(message_parse_report, buf_bytes(&deep));
	buf_reset(&deep);
	for (i = 0; i < 300000; i++)
		buf_add_str(&deep, "<array>");
	refused(message_parse_report, buf_bytes(&deep));
	buf_free(&deep);
}

static void
authenticate_is_read(void **ctx)
{
	struct message *m = checkin(HEAD STR("MessageType", "Authenticate") STR(
		"Topic", "com.apple.mgmt.External.x") STR("UDID", "AA") STR("SerialNumber",
		"C8TEST") STR("ProductName", "iPhone12,1") STR("OSVersion", "18.1")
			STR("BuildVersion", "22B83") STR("DeviceName", "Eva &amp; Zo\xc3\xab") STR(
				"Unknown", "ignored") "<key>Challenge</key><data>AAAA</data>" TAIL);

	(void)ctx;
	assert_int_equal(m->kind, MESSAGE_AUTHENTICATE);
	assert_string_equal(m->topic, "com.apple.mgmt.External.x");
	assert_string_equal(m->facts.serial, "C8TEST");
	assert_string_equal(m->facts.product, "iPhone12,1");
	assert_string_equal(m->facts.os_version, "18.1");
	assert_string_equal(m->facts.device_name, "Eva & Zo\xc3\xab");
	assert_null(m->facts.imei);
	message_free(m);
}

static void
facts_that_fit_no_record_are_left_out(void **ctx)
{
	struct buf xml = BUF_INIT;
	struct message *m;
	size_t i;

	(void)ctx;
	buf_add_str(&xml, HEAD STR("MessageType", "Authenticate") STR("Topic", "t")
				  STR("UDID", "AA") STR("SerialNumber", "a\nb"));
	buf_add_str(&xml, "<key>DeviceName</key><string>");
	for (i = 0; i < 5000; i++)
		buf_add_char(&xml, 'x');
	buf_add_str(&xml, "</string>" TAIL);
	m = checkin(buf_str(&xml));
	assert_null(m->facts.serial);
	assert_null(m->facts.device_name);
	message_free(m);
	buf_free(&xml);
}

static void
token_update_is_read(void **ctx)
{
	struct message *m = checkin(
		HEAD STR("MessageType", "TokenUpdate") STR("Topic", "t") STR("UDID", "AA")
			STR("PushMagic", "magic") "<key>Token</key><data>AQIDBA==</data>"
						  "<key>UnlockToken</key><data>BQY=</data>"
						  "<key>AwaitingConfiguration</key><true/>" TAIL);

	(void)ctx;
	assert_int_equal(m->kind, MESSAGE_TOKEN_UPDATE);
	assert_int_equal(m->token.len, 4);
	assert_memory_equal(m->token.data, "\1\2\3\4", 4);
	assert_int_equal(m->unlock_token.len, 2);
	assert_string_equal(m->magic, "magic");
	assert_true(m->awaiting);
	message_free(m);
}

static void
incomplete_checkins_are_refused(void **ctx)
{
#define TOKEN STR("MessageType", "TokenUpdate")
	static const char *const bodies[] = {
		HEAD STR("UDID", "AA") TAIL,
		HEAD STR("MessageType", "Unknown") STR("UDID", "AA") TAIL,
		HEAD STR("MessageType", "report") STR("UDID", "AA") TAIL,
		HEAD STR("MessageType", "Authenticate") STR("UDID", "AA") TAIL,
		HEAD TOKEN STR("UDID", "AA") STR("Topic", "t") STR("PushMagic", "m") TAIL,
		HEAD TOKEN STR("UDID", "AA")
			STR("Topic", "t") "<key>Token</key><data>AQ==</data>" TAIL,
		HEAD TOKEN STR("UDID", "AA")
			STR("PushMagic", "m") "<key>Token</key><data>AQ==</data>" TAIL,
		HEAD TOKEN STR("UDID", "AA") STR("Topic", "t") STR("PushMagic", "m")
			STR("Token", "not data") TAIL,
		HEAD STR("MessageType", "GetToken") STR("UDID", "AA") TAIL,
		HEAD STR("MessageType", "DeclarativeManagement") STR("UDID", "AA") TAIL,
		HEAD STR("MessageType", "UserAuthenticate") STR("UDID", "AA") TAIL,
	};
	size_t i;

	(void)ctx;
	for (i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++)
		refused(message_parse_checkin, bytes_str(bodies[i]));
}

static void
error_chain_is_read(void **ctx)
{
	struct message *m = report(HEAD STR("Status", "Error") STR("UDID", "AA") STR("CommandUUID",
		"c1") "<key>ErrorChain</key><array><dict>"
		      "<key>ErrorCode</key><integer>12021</integer>" STR(
			      "ErrorDomain", "MCMDMErrorDomain")
			      STR("LocalizedDescription", "no such thing") "</dict></array>" TAIL);

	(void)ctx;
	assert_int_equal(m->status, REPORT_ERROR);
	assert_string_equal(m->uuid, "c1");
	assert_string_equal(m->error, "no such thing");
	assert_int_equal(m->error_code, 12021);
	message_free(m);

	/* lenient about what is malformed inside */
	m = report(HEAD STR("Status", "Error") STR(
		"UDID", "AA") "<key>ErrorChain</key><array><string>x</string></array>" TAIL);
	assert_null(m->uuid);
	assert_null(m->error);
	message_free(m);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ids_follow_the_rule),
		cmocka_unit_test(impossible_ids_are_refused),
		cmocka_unit_test(hostile_lists_are_refused),
		cmocka_unit_test(authenticate_is_read),
		cmocka_unit_test(facts_that_fit_no_record_are_left_out),
		cmocka_unit_test(token_update_is_read),
		cmocka_unit_test(incomplete_checkins_are_refused),
		cmocka_unit_test(error_chain_is_read),
	};

	return cmocka_run_group_tests_name("message", tests, NULL, NULL);
}
