/* Tests of daemon/mdm enroll: what is missing, links, and the offer of a profile */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/proplist.h"
#include "mdm/enroll.h"
#include "mdm_kit.h"

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

/* The token of a new link. */
static char *
new_link(struct kit *k, struct enroll_link o)
{
	struct buf url = BUF_INIT;
	char *token;

	assert_int_equal(enroll_link_new(&k->m, &o, &url, NULL), 0);
	assert_int_equal(
		strncmp(buf_str(&url), "https://mdm.example.org:8443/enroll?link=", 41), 0);
	token = xstrdup(buf_str(&url) + 41);
	buf_free(&url);
	return token;
}

static void
refused(struct kit *k, const char *token, int status, const char *part)
{
	struct reply out = REPLY_INIT;
	struct enroll_offer o;

	assert_false(enroll_offer(&k->m, token, &o, &out));
	assert_int_equal(out.status, status);
	if (!strstr(buf_str(&out.body), part))
		fail_msg("'%s' is not in: %s", part, buf_str(&out.body));
	reply_free(&out);
}

static void
what_is_missing_is_named(void **ctx)
{
	struct kit *k = *ctx;
	struct certpair ssc = k->certs.ssc;

	k->certs.push_count = 0;
	refused(k, NULL, 503, "MDM not configured: there is no push certificate");
	k->certs.has_csr = true;
	refused(k, NULL, 503, "MDM not configured: there is no push certificate; have");
	memset(&k->certs.ssc, 0, sizeof(ssc));
	refused(k, NULL, 503, "MDM not configured: there is no SSC and no push certificate");
	k->certs.push_count = 1;
	refused(k, NULL, 503, "MDM not configured: there is no SSC;");
	k->certs.ssc = ssc;
	kit_forward(400 * 86400);
	refused(k, NULL, 503, "expired on");
	kit_forward(11 * 365 * 86400);
	refused(k, NULL, 503, "the SSC expired");
}

static void
a_link_gives_a_profile(void **ctx)
{
	struct kit *k = *ctx;
	char *token = new_link(k, (struct enroll_link){ .actor = "eva" });
	struct reply out = REPLY_INIT;
	struct enroll_offer o;
	struct delivery *d;
	struct bytes challenge;
	plist_t top, scep;

	assert_true(enroll_offer(&k->m, token, &o, &out));
	assert_int_equal(proplist_parse(buf_bytes(&o.profile), &top), 0);
	assert_string_equal(proplist_str(top, "PayloadDisplayName"), k->certs.ssc.name);
	scep = plist_array_get_item(proplist_array(top, "PayloadContent"), 0);
	challenge = bytes_str(proplist_str(proplist_dict(scep, "PayloadContent"), "Challenge"));
	assert_true(challenge.len >= 43);
	assert_int_equal(delivery_save(k->m.store, o.delivery), 0);
	assert_int_equal(delivery_by_challenge(k->m.store, challenge, &d), 0);
	assert_string_equal(d->number, o.delivery->number);
	assert_string_equal(d->facts.topic, KIT_TOPIC);
	assert_string_equal(d->facts.identifier, "org.example.mdm.cordon.enroll");
	assert_int_equal(d->facts.access_rights, 8191);
	assert_memory_equal(d->facts.signer, k->certs.ssc.sha256, SHA256_LEN);
	assert_int_equal(strlen(d->link), 64);
	delivery_free(d);
	plist_free(top);
	enroll_offer_free(&o);
	reply_free(&out);
	free(token);
}

static void
links_are_needed_unless_access_is_open(void **ctx)
{
	struct kit *k = *ctx;
	struct reply out = REPLY_INIT;
	struct enroll_offer o;
	char *longtoken = xmalloc(1001);

	refused(k, NULL, 403, "link is needed");
	refused(k, "", 403, "link is needed");
	refused(k, "wrong", 403, "not known");
	memset(longtoken, 'x', 1000);
	longtoken[1000] = '\0';
	refused(k, longtoken, 403, "not known");
	free(longtoken);
	k->conf.enrollment.open = true;
	assert_true(enroll_offer(&k->m, NULL, &o, &out));
	assert_string_equal(o.delivery->link, "");
	enroll_offer_free(&o);
	refused(k, "wrong", 403, "not known");
	reply_free(&out);
}

static void
links_end(void **ctx)
{
	struct kit *k = *ctx;
	char *token = new_link(k, (struct enroll_link){ .lifetime = 60 });
	char hash[2 * SHA256_LEN + 1];
	struct link *l;
	struct reply out = REPLY_INIT;
	struct enroll_offer o;

	/* fetching does not use it up: previews fetch too */
	assert_true(enroll_offer(&k->m, token, &o, &out));
	enroll_offer_free(&o);
	assert_true(enroll_offer(&k->m, token, &o, &out));
	enroll_offer_free(&o);
	link_hash(token, hash);
	assert_int_equal(link_load(k->m.store, hash, &l), 0);
	l->uses = 1;
	assert_int_equal(link_save(k->m.store, l), 0);
	refused(k, token, 403, "");
	l->uses = 0;
	assert_int_equal(link_save(k->m.store, l), 0);
	assert_true(enroll_offer(&k->m, token, &o, &out));
	enroll_offer_free(&o);
	kit_forward(61);
	refused(k, token, 403, "");
	link_free(l);
	free(token);
	reply_free(&out);
}

static void
senseless_links_are_not_made(void **ctx)
{
	struct kit *k = *ctx;
	struct buf url = BUF_INIT;

	assert_int_equal(
		enroll_link_new(&k->m, &(struct enroll_link){ .lifetime = -1 }, &url, NULL),
		-EINVAL);
	assert_int_equal(
		enroll_link_new(&k->m, &(struct enroll_link){ .device = "a/b" }, &url, NULL),
		-EINVAL);
	assert_int_equal(url.len, 0);
}

static void
a_foreign_topic_is_guarded(void **ctx)
{
	static const struct kit_issue fresh;
	static char other[] = "com.apple.mgmt.External.other", *ours;
	struct kit *k = *ctx;
	struct kit_device d;

	k->conf.enrollment.open = true;
	assert_true(mdm_topic_allowed(&k->m, other));
	kit_device_init(&d, k, "AA", "SER1", &fresh);
	kit_enroll(&d);
	assert_false(mdm_topic_allowed(&k->m, other));
	assert_true(mdm_topic_allowed(&k->m, KIT_TOPIC));
	ours = k->push.topic;
	k->push.topic = other;
	assert_null(mdm_push_pair(&k->m));
	refused(k, NULL, 503, "accept-topic");
	assert_int_equal(mdm_topic_accept(&k->m, other), 0);
	assert_non_null(mdm_push_pair(&k->m));
	k->push.topic = ours;
	/* ours for ever, with or without a certificate */
	assert_true(mdm_topic_ours(&k->m, KIT_TOPIC));
	k->certs.push_count = 0;
	assert_true(mdm_topic_ours(&k->m, KIT_TOPIC));
	assert_false(mdm_topic_ours(&k->m, "com.apple.mgmt.External.third"));
	k->certs.push_count = 1;
	kit_device_free(&d);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_is_missing_is_named),
		TEST(a_link_gives_a_profile),
		TEST(links_are_needed_unless_access_is_open),
		TEST(links_end),
		TEST(senseless_links_are_not_made),
		TEST(a_foreign_topic_is_guarded),
	};

	return cmocka_run_group_tests_name("enroll", tests, NULL, NULL);
}
