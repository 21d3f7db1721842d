/* test_conf_faults.c - bad configurations, and what is said about them */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conf_place.h"

struct bad {
	const char *text;   /* after the line with the required keys, so it starts at line 2 */
	const char *wanted; /* beginning of the one fault */
};

static const struct bad bad_keys[] = {
	{ "lock-aftr = \"7d\";", "main.conf:2: lock-aftr: unknown key; did you mean lock-after?" },
	{ "\n\nlock_after = \"7d\";",
		"main.conf:4: lock_after: unknown key; did you mean lock-after?" },
	{ "Digests = \"any\";", "main.conf:2: Digests: unknown key; did you mean digests?" },
	{ "qeue: { limit = 5; };", "main.conf:2: qeue: unknown key; did you mean queue?" },
	{ "queue: {\n limt = 5;\n};",
		"main.conf:3: queue.limt: unknown key; did you mean queue.limit?" },
	{ "country = \"DE\";", "main.conf:2: country: unknown key; did you mean subject.country?" },
	{ "zzzzzzzzzz = 1;", "main.conf:2: zzzzzzzzzz: unknown key\n" },
	{ "queue: { limit: { a = 1; }; };",
		"main.conf:2: queue.limit: is a group, wanted an integer" },
	{ "queue = 5;", "main.conf:2: queue: is a group of keys: queue: { ... };" },
	{ "queue = ( 5 );", "main.conf:2: queue: is a group of keys" },
	{ "listen = ( { adress = \"*\"; } );",
		"main.conf:2: listen[0].adress: unknown key; did you mean address?" },
	{ "api: { keys = ( { role = \"read\"; file = \"/k\"; } ); };",
		"main.conf:2: api.keys[0]: needs name: " },
	{ "api: { keys = ( { name = \"a b\"; role = \"read\"; file = \"/k\"; } ); };",
		"main.conf:2: api.keys[0].name: \"a b\" may have letters" },
};

static const struct bad bad_types[] = {
	{ "queue: { limit = \"5\"; };",
		"main.conf:2: queue.limit: is a string, wanted an integer" },
	{ "queue: { limit = 5.0; };",
		"main.conf:2: queue.limit: is a number with a fraction, wanted" },
	{ "queue: { limit = true; };",
		"main.conf:2: queue.limit: is a boolean, wanted an integer" },
	{ "queue: { limit = 0; };", "main.conf:2: queue.limit: 0 is out of range: 1 to 10000" },
	{ "queue: { limit = 0x10000; };", "main.conf:2: queue.limit: 65536 is out of range" },
	{ "queue: { limit = -1; };", "main.conf:2: queue.limit: -1 is out of range" },
	{ "queue: { limit = 99999L; };", "main.conf:2: queue.limit: 99999 is out of range" },
	{ "allow-unenrolled = \"yes\";",
		"main.conf:2: allow-unenrolled: is a string, wanted true or false" },
	{ "allow-unenrolled = 1;",
		"main.conf:2: allow-unenrolled: is an integer, wanted true or false" },
	{ "identity-grace = 365;",
		"main.conf:2: identity-grace: is an integer, wanted a duration" },
	{ "identity-grace = \"365\";", "main.conf:2: identity-grace: \"365\" is no duration" },
	{ "identity-grace = \"never\";", "main.conf:2: identity-grace: \"never\" is no duration" },
	{ "identity-grace = \"3651d\";",
		"main.conf:2: identity-grace: \"3651d\" is out of range: 0s to 3650d" },
	{ "identity-grace = \"99999999999999999999d\";", "main.conf:2: identity-grace: " },
	{ "refresh: { profile-list = \"1s\"; };",
		"main.conf:2: refresh.profile-list: \"1s\" is out of range: 1m" },
	{ "lock-after = \"59m\";", "main.conf:2: lock-after: \"59m\" is out of range: 1h to" },
	{ "lock-after = \"Never\";",
		"main.conf:2: lock-after: \"Never\" is no duration: a number and one of "
		"s, m, h, d, w, such as \"7d\", or \"never\"" },
	{ "lock-limit = 20;", "main.conf:2: lock-limit: is an integer, wanted a percentage" },
	{ "lock-limit = \"101%\";", "main.conf:2: lock-limit: \"101%\" is no percentage" },
	{ "lock-limit = \"20 %\";", "main.conf:2: lock-limit: \"20 %\" is no percentage" },
	{ "lock-limit = \"%\";", "main.conf:2: lock-limit: \"%\" is no percentage" },
	{ "digests = \"sha1\";",
		"main.conf:2: digests: is \"sha1\", wanted \"any\" or \"sha256\"" },
	{ "device-authentication = \"none\";",
		"main.conf:2: device-authentication: is \"none\", wanted "
		"\"signature\", \"tls\", \"either\" or \"both\"" },
	{ "certificates = \"certs\";", "main.conf:2: certificates: \"certs\" must be a full path" },
	{ "certificates = \"\";", "main.conf:2: certificates: must not be empty" },
	{ "enrollment: { description = \"a\\nb\"; };",
		"main.conf:2: enrollment.description: has a line break" },
	{ "enrollment: { description = \"a\\xff\"; };",
		"main.conf:2: enrollment.description: is not UTF-8" },
	{ "enrollment: { install = \"/a\"; };",
		"main.conf:2: enrollment.install: is a string, wanted a list of" },
	{ "enrollment: { install = [ \"a\" ]; };",
		"main.conf:2: enrollment.install: \"a\" must be a full path" },
	{ "push: { warn-days = [ 7, 30 ]; };",
		"main.conf:2: push.warn-days: must descend, but 30 follows 7" },
	{ "push: { warn-days = [ 7, 7 ]; };", "main.conf:2: push.warn-days: must descend" },
	{ "push: { warn-days = [ 7, 0 ]; };", "main.conf:2: push.warn-days: 0 is out of range" },
	{ "push: { warn-days = []; };", "main.conf:2: push.warn-days: must not be empty" },
	{ "push: { warn-days = 7; };",
		"main.conf:2: push.warn-days: is an integer, wanted a list of integers" },
	{ "push: { warn-days = [ \"7\" ]; };", "main.conf:2: push.warn-days: is a string" },
	{ "push: { port = 65536; };", "main.conf:2: push.port: 65536 is out of range: 1 to 65535" },
	{ "push: { trust = \"sys\"; };",
		"main.conf:2: push.trust: \"sys\" is \"system\" or the full path" },
	{ "subject: { country = \"de\"; };",
		"main.conf:2: subject.country: \"de\" is no country code" },
	{ "subject: { email = \"me\"; };",
		"main.conf:2: subject.email: \"me\" is no mail address" },
	{ "proxy: { client-certificate-header = \"X Cert\"; };",
		"main.conf:2: proxy.client-certificate-header: \"X Cert\" has a ' '" },
};

static const struct bad bad_networks[] = {
	{ "listen = { address = \"*\"; port = 1; };",
		"main.conf:2: listen: is a group, wanted a list of groups in parentheses" },
	{ "listen = ( \"*\" );", "main.conf:2: listen[0]: is a string, wanted" },
	{ "listen = ();", "main.conf:2: listen: is empty" },
	{ "listen = ( { port = 0; } );",
		"main.conf:2: listen[0].port: 0 is out of range: 1 to 65535" },
	{ "listen = ( { address = \"localhost\"; } );",
		"main.conf:2: listen[0].address: \"localhost\" is no IPv4" },
	{ "listen = ( { address = \"[::1]\"; } );",
		"main.conf:2: listen[0].address: \"[::1]\" is written without" },
	{ "listen = ( { address = \"::1\"; port = 5; }, { port = 5; address = \"::1\"; } );",
		"main.conf:2: listen: has ::1 port 5 twice" },
	{ "gate: { listen = \"192.0.2.1:80\"; };",
		"main.conf:2: gate.listen: 192.0.2.1 is no loopback address" },
	{ "gate: { listen = \"*:80\"; };", "main.conf:2: gate.listen: * is no loopback address" },
	{ "gate: { listen = \"127.0.0.1\"; };",
		"main.conf:2: gate.listen: \"127.0.0.1\" needs an address and a port" },
	{ "gate: { listen = \"127.0.0.1:0\"; };",
		"main.conf:2: gate.listen: \"127.0.0.1:0\" needs" },
	{ "gate: { listen = \"127.0.0.1:99999\"; };",
		"main.conf:2: gate.listen: \"127.0.0.1:99999\" needs" },
	{ "gate: { listen = \"::1:80\"; };",
		"main.conf:2: gate.listen: \"::1:80\" needs brackets" },
	{ "api: { listen = \"192.0.2.1:80\"; keys = ( { name = \"a\"; role = \"read\"; file = "
	  "\"/k\"; } ); };",
		"main.conf:2: api.listen: 192.0.2.1 is no loopback address" },
	{ "api: { listen = \"[::1]:80\"; };", "main.conf:2: api.listen: needs api.keys" },
	{ "api: { keys = ( { name = \"a\"; role = \"read\"; file = \"/k\"; },\n"
	  "{ name = \"a\"; role = \"root\"; file = \"/k\"; } ); };",
		"main.conf:3: api.keys[1].role: is \"root\", wanted \"read\", \"operate\" or "
		"\"admin\"" },
	{ "api: { keys = ( { name = \"a\"; role = \"read\"; file = \"/k\"; },\n"
	  "{ name = \"a\"; role = \"read\"; file = \"/k\"; } ); };",
		"main.conf:2: api.keys: has the name \"a\" twice" },
	{ "gate: { listen = \"127.0.0.1:80\"; };\nmetrics: { listen = \"127.0.0.1:80\"; };",
		"main.conf:3: metrics.listen: is the address and port of gate.listen too" },
	{ "webhook: { url = \"http://example.com/\"; };",
		"main.conf:2: webhook.url: \"http://example.com/\" must be https" },
	{ "webhook: { url = \"http://127.0.0.1.example.com/\"; };", "main.conf:2: webhook.url: " },
	{ "webhook: { url = \"http://127.0.0.1@example.com/\"; };", "main.conf:2: webhook.url: " },
	{ "webhook: { url = \"ftp://example.com/\"; };",
		"main.conf:2: webhook.url: \"ftp://example.com/\" must start with" },
	{ "webhook: { url = \"https://u:p@example.com/\"; };", "main.conf:2: webhook.url: " },
	{ "webhook: { url = \"https:///x\"; };", "main.conf:2: webhook.url: " },
	{ "webhook: { url = \"https://example.com/a b\"; };", "main.conf:2: webhook.url: " },
	{ "webhook: { timeout = \"0s\"; };",
		"main.conf:2: webhook.timeout: \"0s\" is out of range: 1s" },
	{ "declarative: { timeout = \"46s\"; };",
		"main.conf:2: declarative.timeout: \"46s\" is out of range: 1s to 45s" },
	{ "declarative: { url = \"http://ddm.example.com/\"; };",
		"main.conf:2: declarative.url: \"http://ddm.example.com/\" must be https" },
	{ "declarative: { url = \"https://ddm.example.com/?a=b\"; };",
		"main.conf:2: declarative.url: \"https://ddm.example.com/?a=b\" must end with its "
		"path" },
	{ "declarative: { url = \"https://me:secret@ddm.example.com/\"; };",
		"main.conf:2: declarative.url: must not carry a user name or password" },
	{ "proxy: { trusted = [ \"10.0.0.0/33\" ]; };",
		"main.conf:2: proxy.trusted: \"10.0.0.0/33\" needs a prefix" },
	{ "proxy: { trusted = [ \"10.0.0.0/\" ]; };", "main.conf:2: proxy.trusted: " },
	{ "proxy: { trusted = [ \"2001:db8::/129\" ]; };", "main.conf:2: proxy.trusted: " },
	{ "proxy: { trusted = [ \"proxy.example.com\" ]; };", "main.conf:2: proxy.trusted: " },
};

static const struct bad bad_together[] = {
	{ "enrollment: { access-rights = 0; };",
		"main.conf:2: enrollment.access-rights: 0 gives no right" },
	{ "enrollment: { access-rights = 2; };",
		"main.conf:2: enrollment.access-rights: 2 (install profiles) needs 1" },
	{ "enrollment: { access-rights = 1; };",
		"main.conf:2: enrollment.access-rights: without 1 and 2" },
	{ "enrollment: { access-rights = 8188; };",
		"main.conf:2: enrollment.access-rights: without 1 and 2" },
	{ "enrollment: { access-rights = 131; };",
		"main.conf:2: enrollment.access-rights: 128 (install" },
	{ "enrollment: { access-rights = 8192; };",
		"main.conf:2: enrollment.access-rights: 8192 is out of range" },
	{ "identity: { lifetime = \"90d\"; };",
		"main.conf:2: identity.lifetime: identities are renewed 120d before" },
	{ "identity: { lifetime = \"90d\"; renew-before = \"90d\"; };",
		"main.conf:2: identity.renew-before: " },
	{ "device-authentication = \"tls\";",
		"main.conf:2: device-authentication: needs tls.request-client" },
	{ "device-authentication = \"both\";",
		"main.conf:2: device-authentication: needs tls.request-client" },
};

static const struct bad bad_text[] = {
	{ "queue: { limit = 4294967297; };", "main.conf:2: a number of 10 digits is out of range" },
	{ "queue: { limit = 0xffffffff; };", "main.conf:2: a number of 8 digits is out of range" },
	{ "push: { warn-days = [ 60,\n 5000000000 ]; };", "main.conf:3: a number of 10 digits" },
	{ "allow-unenrolled = true;\n/* the rest", "main.conf:3: a comment starts here with /*" },
	{ "digests = \"any;\n",
		"main.conf:2: a string starts here and its closing quote is missing" },
	{ "listen = [ { port = 5; } ];", "main.conf:2: groups stand in a list in parentheses" },
	{ "@include \"/etc/passwd\"\n", "main.conf:2: @include is not followed here" },
	{ "allow-unenrolled = yes;", "main.conf:2: syntax error here or on the line before" },
	{ "digests = \"any\"; digests = \"any\";",
		"main.conf:2: a key is set a second time in this file" },
	{ "push: { warn-days = [ 7, \"a\" ]; };",
		"main.conf:2: the elements of [ ] must all be of one type" },
	{ "queue: {", "main.conf:2: syntax error" },
};

static const struct bad bad_names[] = {
	{ "https://mdm.example.com", "is written without a scheme" },
	{ "mdm.example.com/", "is a name without a path" },
	{ "mdm.example.com:", "has a port that is none of" },
	{ "mdm.example.com:0", "has a port that is none of" },
	{ "mdm.example.com:65536", "has a port that is none of" },
	{ "mdm.example.com:44x", "has a port that is none of" },
	{ ":443", "needs a host name" },
	{ "mdm..example.com", "has an empty" },
	{ ".example.com", "has an empty" },
	{ "example.com.", "has an empty" },
	{ "mdm-.example.com", "has an empty, too long or badly ended" },
	{ "-mdm.example.com", "has a '-'" },
	{ "*.example.com", "has a '*'" },
	{ "mdm_1.example.com", "has a '_'" },
	{ "m\xc3\xbcller.example", "must be ASCII" },
	{ "::1", "needs brackets" },
	{ "[127.0.0.1]", "has no IPv6 address" },
	{ "[::1", "" },
	{ "a123456789a123456789a123456789a123456789a123456789a123456789a123.example",
		"has an empty, too long" },
};

static void
assert_said(const char *text, const char *wanted)
{
	struct conf_faults faults = { 0 };
	struct conf *c;
	char *lines;

	place_file("main.conf", text);
	c = conf_load(place_at("main.conf"), NULL, NULL, &faults);
	lines = place_lines(&faults);
	if (c || strncmp(lines, wanted, strlen(wanted)) != 0 || faults.count != 1)
		fail_msg("for %s\nwanted %s\nsaid %s", text, wanted, lines);
	free(lines);
	conf_faults_free(&faults);
}

static void
assert_all_said(const struct bad *cases, size_t count)
{
	struct buf text = BUF_INIT;
	size_t i;

	for (i = 0; i < count; i++) {
		buf_reset(&text);
		buf_printf(&text, "%s%s", REQUIRED, cases[i].text);
		assert_said(buf_str(&text), cases[i].wanted);
	}
	buf_free(&text);
}

#define ASSERT_ALL_SAID(cases) assert_all_said(cases, sizeof(cases) / sizeof((cases)[0]))

static void
keys_that_are_unknown(void **unused)
{
	(void)unused;
	ASSERT_ALL_SAID(bad_keys);
}

static void
values_of_wrong_type_or_range(void **unused)
{
	(void)unused;
	ASSERT_ALL_SAID(bad_types);
}

static void
addresses_and_urls(void **unused)
{
	(void)unused;
	ASSERT_ALL_SAID(bad_networks);
}

static void
keys_that_contradict(void **unused)
{
	(void)unused;
	ASSERT_ALL_SAID(bad_together);
}

static void
text_that_libconfig_would_take(void **unused)
{
	(void)unused;
	ASSERT_ALL_SAID(bad_text);
}

static void
names_of_servers(void **unused)
{
	struct buf text = BUF_INIT, wanted = BUF_INIT;
	size_t i;

	(void)unused;
	for (i = 0; i < sizeof(bad_names) / sizeof(bad_names[0]); i++) {
		buf_reset(&text);
		buf_reset(&wanted);
		buf_printf(
			&text, "organization = \"x\";\nserver-name = \"%s\";", bad_names[i].text);
		buf_printf(&wanted, "main.conf:2: server-name: \"%s\" %s", bad_names[i].text,
			bad_names[i].wanted);
		assert_said(buf_str(&text), buf_str(&wanted));
	}
	assert_said("organization = \"\"; server-name = \"a.example\";",
		"main.conf:1: organization: must not be empty");
	buf_free(&text);
	buf_free(&wanted);
}

static void
damaged_files(void **unused)
{
	static const char nul[] = "organization = \"a\";\n\0server-name = \"a\";";
	struct conf_faults faults = { 0 };
	struct buf big = BUF_INIT;
	char *lines;

	(void)unused;
	assert_said("\xef\xbb\xbf" REQUIRED, "main.conf:1: the file starts with a byte order mark");
	place_bytes("main.conf", bytes_of(nul, sizeof(nul) - 1));
	assert_null(conf_load(place_at("main.conf"), NULL, NULL, &faults));
	lines = place_lines(&faults);
	assert_string_equal(lines,
		"main.conf:2: there is a NUL byte here: the file is damaged or no text file\n");
	free(lines);
	conf_faults_free(&faults);
	while (big.len <= 1 << 20)
		buf_add_str(&big, "# comment\n");
	assert_said(buf_str(&big), "main.conf: is larger than 1024 KiB");
	buf_free(&big);
}

/* Everything at once, in the order of the files and lines. */
static void
all_are_said(void **unused)
{
	static const char wanted[] =
		"main.conf:1: server-name: \"http://a\" is written without a scheme, such as "
		"\"mdm.example.com\"\n"
		"main.conf:2: lock-afer: unknown key; did you mean lock-after?\n"
		"main.conf:3: queue.limit: is a string, wanted an integer\n"
		"main.conf:4: listen[0].port: 0 is out of range: 1 to 65535\n"
		"main.conf:5: listen[1].tsl: unknown key; did you mean tls?\n"
		"conf.d/10.conf:1: syntax error here or on the line before\n"
		"conf.d/20.conf:1: identity-grace: is an integer, wanted a duration in quotes such "
		"as "
		"\"7d\"\n"
		"conf.d/20.conf:2: lock-after: warning: is below 24h: devices that merely sleep "
		"over "
		"night will be locked\n";
	struct conf_faults faults = { 0 };
	char *lines;

	(void)unused;
	place_file("main.conf",
		"server-name = \"http://a\";\nlock-afer = \"7d\";\nqueue: { limit = \"5\"; };\n"
		"listen = ( { port = 0; },\n { tsl = true; } );\n");
	place_file("conf.d/10.conf", "organization = ;\n");
	place_file("conf.d/20.conf", "identity-grace = 5;\nlock-after = \"2h\";\n");
	assert_null(conf_load(place_at("main.conf"), NULL, NULL, &faults));
	assert_true(conf_faults_fatal(&faults));
	lines = place_lines(&faults);
	assert_string_equal(lines, wanted);
	free(lines);
	conf_faults_free(&faults);
	assert_false(conf_faults_fatal(&faults));
}

static void
missing_keys(void **unused)
{
	struct conf_faults faults = { 0 };
	char *lines;

	(void)unused;
	place_file("main.conf", "");
	assert_null(conf_load(place_at("main.conf"), NULL, NULL, &faults));
	lines = place_lines(&faults);
	assert_int_equal(faults.count, 2);
	assert_non_null(strstr(lines, "main.conf: organization: is missing: "));
	assert_non_null(strstr(lines, "main.conf: server-name: is missing: "));
	free(lines);
	conf_faults_free(&faults);
	assert_null(conf_load(place_at("none.conf"), NULL, NULL, &faults));
	lines = place_lines(&faults);
	assert_string_equal(lines,
		"none.conf: there is no such file: copy the sample there and set organization and "
		"server-name\n");
	free(lines);
	conf_faults_free(&faults);
}

static void
files_that_cannot_be_read(void **unused)
{
	static const char wanted[] =
		"conf.d/10.conf: is no regular file\n"
		"conf.d/20.conf: is no regular file\n"
		"conf.d/30.conf: is a symbolic link that leads nowhere\n"
		"conf.d/40.conf: cannot be read: Too many levels of symbolic links\n";
	struct conf_faults faults = { 0 };
	char *lines;

	(void)unused;
	place_file("main.conf", REQUIRED);
	assert_int_equal(mkfifo(place_at("conf.d/10.conf"), 0600), 0);
	assert_int_equal(mkdir(place_at("conf.d/20.conf"), 0700), 0);
	assert_int_equal(symlink("nowhere", place_at("conf.d/30.conf")), 0);
	assert_int_equal(symlink("40.conf", place_at("conf.d/40.conf")), 0);
	alarm(10);
	assert_null(conf_load(place_at("main.conf"), NULL, NULL, &faults));
	alarm(0);
	lines = place_lines(&faults);
	assert_string_equal(lines, wanted);
	free(lines);
	conf_faults_free(&faults);
}

/* Any cut of a good file: an answer, and never a snapshot without the required keys. */
static void
cut_files(void **unused)
{
	static const char text[] =
		"/* a */ queue: { limit = 5; }; # b\nlisten = ( { port = 5; } );\n"
		"organization = \"a\\\"b\"; server-name = \"x.example\"; // c";
	struct conf_faults faults = { 0 };
	struct conf *c;
	size_t i;

	(void)unused;
	for (i = 0; i < sizeof(text); i++) {
		place_bytes("main.conf", bytes_of(text, i));
		c = conf_load(place_at("main.conf"), NULL, NULL, &faults);
		assert_true(!c == conf_faults_fatal(&faults));
		if (c)
			assert_string_equal(c->organization, "a\"b");
		conf_unref(c);
		conf_faults_free(&faults);
	}
}

#define CLEARED(test) cmocka_unit_test_setup(test, place_clear)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CLEARED(keys_that_are_unknown),
		CLEARED(values_of_wrong_type_or_range),
		CLEARED(addresses_and_urls),
		CLEARED(keys_that_contradict),
		CLEARED(text_that_libconfig_would_take),
		CLEARED(names_of_servers),
		CLEARED(damaged_files),
		CLEARED(all_are_said),
		CLEARED(missing_keys),
		CLEARED(files_that_cannot_be_read),
		CLEARED(cut_files),
	};

	return cmocka_run_group_tests(tests, place_make, place_drop);
}
