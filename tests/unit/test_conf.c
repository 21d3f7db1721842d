/* test_conf.c - layers, candidates, the written form, differences */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conf_place.h"

static struct conf *
load(const char *as, const char *candidate)
{
	struct conf_faults faults = { 0 };
	struct conf *c = conf_load(place_at("main.conf"), as, candidate, &faults);
	char *lines = place_lines(&faults);

	if (!c || faults.count > 0)
		fail_msg("%s", lines);
	free(lines);
	conf_faults_free(&faults);
	return c;
}

/* What is said instead of a snapshot, or with it. */
static void
assert_lines(const char *as, const char *candidate, const char *wanted, bool taken)
{
	struct conf_faults faults = { 0 };
	struct conf *c = conf_load(place_at("main.conf"), as, candidate, &faults);
	char *lines = place_lines(&faults);

	assert_string_equal(lines, wanted);
	assert_true((c != NULL) == taken);
	free(lines);
	conf_unref(c);
	conf_faults_free(&faults);
}

static void
defaults_stand(void **unused)
{
	static const int days[] = { 60, 30, 14, 7, 3, 1 };
	struct conf *c;

	(void)unused;
	place_file("main.conf", REQUIRED);
	c = load(NULL, NULL);
	assert_string_equal(c->file, place_at("main.conf"));
	assert_string_equal(c->organization, "Example");
	assert_int_equal(c->listen_count, 1);
	assert_string_equal(c->listen[0].address, "*");
	assert_int_equal(c->listen[0].port, 443);
	assert_true(c->listen[0].tls);
	assert_false(c->listen[0].behind_proxy);
	assert_int_equal(c->device_authentication, AUTH_SIGNATURE);
	assert_false(c->digests_sha256);
	assert_int_equal(c->identity_grace, 365 * 86400);
	assert_true(c->lock_after == DURATION_NEVER);
	assert_int_equal(c->lock_limit, 20);
	assert_false(c->allow_unenrolled);
	assert_int_equal(c->refresh.certificate_list, 7 * 86400);
	assert_true(c->refresh.installed_applications == DURATION_NEVER);
	assert_string_equal(c->push.host, "api.push.apple.com");
	assert_int_equal(c->push.port, 443);
	assert_int_equal(c->push.rate, 200);
	assert_int_equal(c->push.warn_days_count, 6);
	assert_memory_equal(c->push.warn_days, days, sizeof(days));
	assert_null(c->push.apple_account);
	assert_false(c->enrollment.open);
	assert_int_equal(c->enrollment.access_rights, 8191);
	assert_int_equal(c->enrollment.install.count, 0);
	assert_int_equal(c->identity.renew_before, 120 * 86400);
	assert_int_equal(c->queue.keep_results, 20);
	assert_null(c->gate_listen.address);
	assert_null(c->webhook.url);
	assert_int_equal(c->webhook.timeout, 30);
	assert_int_equal(c->migration, 0);
	conf_unref(c);
	conf_unref(NULL);
}

static void
later_files_win(void **unused)
{
	struct conf *c;

	(void)unused;
	place_file("main.conf", REQUIRED
		"queue: { limit = 5; lifetime = \"1d\"; };\npush: { apple-account = \"a\"; };\n"
		"enrollment: { install = [ \"/a\", \"/b\" ]; };\n"
		"gate: { listen = \"127.0.0.1:1\"; };\n"
		"listen = ( { port = 1; }, { port = 2; } );\nlock-after = \"30d\";\n");
	place_file("conf.d/20-b.conf", "queue: { limit = 7; };\nlisten = ( { port = 3; } );\n");
	place_file("conf.d/10-a.conf",
		"queue: { limit = 6; keep-results = 0; };\nenrollment: { install = ( \"/c\" ); };\n"
		"push: { apple-account = \"\"; };\ngate: { listen = \"\"; };\n"
		"lock-after = \"never\";\n");
	/* what editors, packages and people leave there */
	place_file("conf.d/.30.conf", "queue: { limit = 30; };");
	place_file("conf.d/#30.conf", "queue: { limit = 30; };");
	place_file("conf.d/30.conf~", "queue: { limit = 30; };");
	place_file("conf.d/30.conf.swp", "queue: { limit = 30; };");
	place_file("conf.d/30.conf.dpkg-new", "queue: { limit = 30; };");
	place_file("conf.d/README", "not a configuration");
	c = load(NULL, NULL);
	assert_int_equal(c->queue.limit, 7);
	assert_int_equal(c->queue.lifetime, 86400);
	assert_int_equal(c->queue.keep_results, 0);
	assert_int_equal(c->listen_count, 1);
	assert_int_equal(c->listen[0].port, 3);
	assert_int_equal(c->enrollment.install.count, 1);
	assert_string_equal(c->enrollment.install.items[0], "/c");
	assert_null(c->push.apple_account);
	assert_null(c->gate_listen.address);
	assert_true(c->lock_after == DURATION_NEVER);
	conf_unref(c);
}

static void
required_keys_may_come_later(void **unused)
{
	struct conf *c;

	(void)unused;
	place_file("main.conf", "");
	place_file("conf.d/a.conf", "organization = \"A\";\r\nserver-name = \"a.example\";\r\n");
	c = load(NULL, NULL);
	assert_string_equal(c->organization, "A");
	conf_unref(c);
	/* no conf.d at all */
	place_clear(NULL);
	place_file("main.conf", REQUIRED);
	assert_int_equal(rmdir(place_at("conf.d")), 0);
	c = load(NULL, NULL);
	conf_unref(c);
}

static void
text_that_is_fine(void **unused)
{
	struct conf *c;

	(void)unused;
	place_file("main.conf",
		"/* a comment with 12345678901 and \" and @ */ # 12345678901 /*\n"
		"organization: \"M\xc3\xbcller /* \\\"12345678901\\\" # @include [ { \" \"& Co\"\n"
		"server-name = \"[2001:db8::1]:8443\"; // \" /*\n"
		"listen = ( { address = \"fe80::1%eth0\"; }, { address = \"::1\"; port = 5; });\n"
		"queue = { limit = 010; };\n");
	c = load(NULL, NULL);
	assert_string_equal(
		c->organization, "M\xc3\xbcller /* \"12345678901\" # @include [ { & Co");
	assert_string_equal(c->listen[0].address, "fe80::1%eth0");
	assert_int_equal(c->queue.limit, 10);
	conf_unref(c);
}

static void
good_values(void **unused)
{
	static const char *const good[] = { "server-name = \"localhost:8443\";",
		"server-name = \"127.0.0.1\";", "server-name = \"[::1]\";",
		"server-name = \"xn--a.b-c.example\";", "lock-after = \"1d\";",
		"lock-limit = \"0%\";", "webhook: { url = \"http://127.0.0.1:9/x?y\"; };",
		"webhook: { url = \"http://[::1]/\"; };",
		"webhook: { url = \"http://localhost\"; };",
		"webhook: { url = \"https://example.com:8443/\"; };",
		"enrollment: { access-rights = 3; };", "enrollment: { access-rights = 195; };",
		"metrics: { listen = \"*:9464\"; };",
		"metrics: { listen = \"[2001:db8::1]:9464\"; };",
		"gate: { listen = \"[::1]:9464\"; };",
		"proxy: { trusted = [ \"10.0.0.0/8\", \"::1\", \"::/0\" ]; };",
		"proxy: { trusted = (); };",
		"device-authentication = \"tls\"; tls: { request-client-certificate = true; };",
		"device-authentication = \"both\"; proxy: { client-certificate-header = \"X\"; };",
		"push: { warn-days = ( 3, 1 ); };" };
	size_t i;

	(void)unused;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		place_file("main.conf", "organization = \"a\"; server-name = \"a\";");
		place_file("conf.d/a.conf", good[i]);
		conf_unref(load(NULL, NULL));
	}
}

static void
warnings_do_not_refuse(void **unused)
{
	(void)unused;
	place_file("main.conf", REQUIRED "lock-after = \"23h\";\nlisten = ( { tls = false; },\n"
					 "{ port = 8080; behind-proxy = true; } );\n"
					 "webhook: { hmac-key-file = \"/k\"; };");
	assert_lines(NULL, NULL,
		"main.conf:2: lock-after: warning: is below 24h: devices that merely sleep over "
		"night "
		"will be locked\n"
		"main.conf:3: listen: warning: * port 443 has neither tls nor behind-proxy: "
		"devices "
		"speak HTTPS only\n"
		"main.conf:3: listen: warning: * port 8080 is behind-proxy, but proxy.trusted "
		"names no "
		"proxy, so none is believed\n"
		"main.conf:5: webhook.hmac-key-file: warning: does nothing without webhook.url\n",
		true);
}

static void
tls_pair_follows_certificates(void **unused)
{
	struct conf *c;

	(void)unused;
	place_file("main.conf", REQUIRED "certificates = \"/srv/certs\"; tls: { key = \"/k\"; };");
	c = load(NULL, NULL);
	assert_string_equal(c->tls.certificate, "/srv/certs/server.crt");
	assert_string_equal(c->tls.key, "/k");
	conf_unref(c);
}

static void
candidates_are_judged_in_place(void **unused)
{
	struct conf *c;

	(void)unused;
	place_file("main.conf", REQUIRED "queue: { limit = 1; };");
	place_file("conf.d/50-x.conf", "queue: { limit = 50; keep-results = 5; };");
	place_file("conf.d/60-y.conf", "queue: { lifetime = \"60d\"; };");
	place_file("candidate", "queue: { limit = 2; lifetime = \"2d\"; };");
	/* in the place of a drop-in, of one that is new, of the main file */
	c = load(place_at("conf.d/50-x.conf"), place_at("candidate"));
	assert_int_equal(c->queue.limit, 2);
	assert_int_equal(c->queue.keep_results, 20);
	assert_int_equal(c->queue.lifetime, 60 * 86400);
	conf_unref(c);
	c = load(place_at("conf.d/70-z.conf"), place_at("candidate"));
	assert_int_equal(c->queue.limit, 2);
	assert_int_equal(c->queue.keep_results, 5);
	assert_int_equal(c->queue.lifetime, 2 * 86400);
	conf_unref(c);
	place_file("candidate", REQUIRED "queue: { limit = 3; };");
	c = load(place_at("conf.d/../main.conf"), place_at("candidate"));
	assert_int_equal(c->queue.limit, 50);
	conf_unref(c);
	place_file("candidate", "queue: { limit = 0; };");
	assert_lines(place_at("conf.d/50-x.conf"), place_at("candidate"),
		"candidate:1: queue.limit: 0 is out of range: 1 to 10000\n", false);
	assert_lines(place_at("conf.d/50-x.conf"), place_at("gone"),
		"gone: there is no such file: copy the sample there and set organization and "
		"server-name\n",
		false);
}

static void
candidates_where_nothing_is_read(void **unused)
{
	(void)unused;
	place_file("main.conf", REQUIRED);
	place_file("candidate", "");
	assert_lines(place_at("conf.d/50-x.cnf"), place_at("candidate"),
		"conf.d/50-x.cnf: nothing is read from there: files are main.conf and "
		"conf.d/*.conf\n",
		false);
	assert_lines(place_at("other.conf"), place_at("candidate"),
		"other.conf: nothing is read from there: files are main.conf and conf.d/*.conf\n",
		false);
	/* neither conf.d nor the main file need be there */
	place_clear(NULL);
	assert_int_equal(rmdir(place_at("conf.d")), 0);
	place_file("candidate", REQUIRED);
	conf_unref(load(place_at("main.conf"), place_at("candidate")));
	place_file("main.conf", "");
	conf_unref(load(place_at("conf.d/a.conf"), place_at("candidate")));
}

static const char everything[] =
	"organization = \"A \\\"quoted\\\\ name\\\" \xc3\xa4\"; server-name = \"[::1]:8443\";\n"
	"subject: { country = \"DE\"; state = \"s\"; locality = \"l\"; organization = \"o\"; unit "
	"= \"u\";\n"
	"  email = \"a@b\"; common-name = \"c\"; };\n"
	"listen = ( { address = \"::1\"; port = 1; }, { tls = false; behind-proxy = true; } );\n"
	"certificates = \"/c\"; state = \"/s\";\n"
	"tls: { certificate = \"/x\"; key = \"/y\"; request-client-certificate = true; };\n"
	"proxy: { trusted = [ \"10.0.0.0/8\", \"::1\" ]; client-certificate-header = \"X-C\";\n"
	"  forwarded-header = \"X-F\"; };\n"
	"device-authentication = \"both\"; digests = \"sha256\"; identity-grace = \"0s\";\n"
	"lock-after = \"36h\"; lock-limit = \"33%\"; allow-unenrolled = true;\n"
	"refresh: { device-information = \"never\"; security-info = \"90m\"; profile-list = "
	"\"2w\";\n"
	"  certificate-list = \"8d\"; installed-applications = \"1h\"; };\n"
	"push: { host = \"127.0.0.1\"; port = 2197; trust = \"/t\"; expiration = \"61s\"; rate = "
	"1;\n"
	"  warn-days = [ 9, 8 ]; apple-account = \"me\"; };\n"
	"enrollment: { access = \"open\"; link-lifetime = \"1h\"; access-rights = 3; re-enroll = "
	"\"bound\";\n"
	"  install = [ \"/p\", \"/q\" ]; ade = \"listed\"; apple-ca = \"/a\";\n"
	"  user-authenticate = \"empty-challenge\"; hold-setup = true; description = \"d\"; };\n"
	"identity: { lifetime = \"10d\"; renew-before = \"9d\"; };\n"
	"queue: { limit = 1; lifetime = \"2d\"; keep-results = 3; };\n"
	"gate: { listen = \"[::1]:4\"; }; metrics: { listen = \"*:5\"; };\n"
	"api: { listen = \"127.0.0.1:6\"; keys = ( { name = \"n\"; role = \"admin\"; file = "
	"\"/k\"; },\n"
	"  { name = \"m\"; role = \"read\"; file = \"/l\"; } ); };\n"
	"webhook: { url = \"https://h/\"; hmac-key-file = \"/h\"; timeout = \"5s\"; raw = "
	"\"full\"; limit = 11; };\n"
	"declarative: { url = \"https://d/\"; hmac-key-file = \"/i\"; timeout = \"7s\"; };\n"
	"migration = \"1h\"; mdmcert: { email = \"e@f\"; key-file = \"/m\"; };\n";

static void
assert_round_trip(const char *text)
{
	struct buf written = BUF_INIT, again = BUF_INIT, names = BUF_INIT;
	struct conf *c, *back;

	place_file("main.conf", text);
	c = load(NULL, NULL);
	conf_format(c, &written);
	place_file("main.conf", buf_str(&written));
	back = load(NULL, NULL);
	assert_int_equal(conf_changes(c, back, &names), 0);
	assert_string_equal(buf_str(&names), "");
	conf_format(back, &again);
	assert_string_equal(buf_str(&again), buf_str(&written));
	conf_unref(c);
	conf_unref(back);
	buf_free(&written);
	buf_free(&again);
	buf_free(&names);
}

static void
written_form_reads_back(void **unused)
{
	(void)unused;
	assert_round_trip(REQUIRED);
	assert_round_trip(everything);
}

/* `everything` differs from the defaults in each key, so comparing and writing miss none. */
static void
differences_are_named(void **unused)
{
	struct buf all = BUF_INIT, changed = BUF_INIT, restart = BUF_INIT,
		   restart_wanted = BUF_INIT;
	struct conf *plain, *full;
	size_t i, wanted = 0;

	(void)unused;
	place_file("main.conf", REQUIRED);
	plain = load(NULL, NULL);
	place_file("main.conf", everything);
	full = load(NULL, NULL);
	for (i = 0; i < conf_key_count(); i++) {
		buf_printf(&all, "%s%s", i ? ", " : "", conf_key_at(i)->name);
		if (!conf_key_at(i)->reloadable)
			buf_printf(&restart_wanted, "%s%s", wanted++ ? ", " : "",
				conf_key_at(i)->name);
	}
	assert_int_equal(conf_changes(plain, full, &changed), conf_key_count());
	assert_string_equal(buf_str(&changed), buf_str(&all));
	assert_int_equal(conf_needs_restart(plain, full, &restart), wanted);
	assert_string_equal(buf_str(&restart), buf_str(&restart_wanted));
	assert_non_null(strstr(buf_str(&restart), "listen"));
	assert_null(strstr(buf_str(&restart), "lock-after"));
	buf_reset(&changed);
	assert_int_equal(conf_changes(full, full, &changed), 0);
	conf_unref(plain);
	conf_unref(full);
	buf_free(&all);
	buf_free(&changed);
	buf_free(&restart);
	buf_free(&restart_wanted);
}

static void
hosts_and_references(void **unused)
{
	static const char *const names[][2] = { { "a.example", "a.example" },
		{ "a.example:8443", "a.example" }, { "[::1]:8443", "::1" }, { "[::1]", "::1" } };
	struct buf text = BUF_INIT;
	struct conf *c;
	char *host;
	size_t i;

	(void)unused;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		buf_reset(&text);
		buf_printf(&text, "organization = \"a\"; server-name = \"%s\";", names[i][0]);
		place_file("main.conf", buf_str(&text));
		c = load(NULL, NULL);
		assert_ptr_equal(conf_ref(c), c);
		conf_unref(c);
		host = conf_server_host(c);
		assert_string_equal(host, names[i][1]);
		free(host);
		conf_unref(c);
	}
	buf_free(&text);
}

#define CLEARED(test) cmocka_unit_test_setup(test, place_clear)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		CLEARED(defaults_stand),
		CLEARED(later_files_win),
		CLEARED(required_keys_may_come_later),
		CLEARED(text_that_is_fine),
		CLEARED(good_values),
		CLEARED(warnings_do_not_refuse),
		CLEARED(tls_pair_follows_certificates),
		CLEARED(candidates_are_judged_in_place),
		CLEARED(candidates_where_nothing_is_read),
		CLEARED(written_form_reads_back),
		CLEARED(differences_are_named),
		CLEARED(hosts_and_references),
	};

	return cmocka_run_group_tests(tests, place_make, place_drop);
}
