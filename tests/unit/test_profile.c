/* Tests of daemon/mdm/profile: types, required keys, escaping, identifiers */
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
#include "mdm/profile.h"
#include "pki/ca.h"
#include "pki/cert.h"
#include "pki/key.h"

#define TOPIC "com.apple.mgmt.External.11111111-2222-3333-4444-555555555555"
#define NUMBER "3f2b8c1a-0d5e-4c7b-9a61-5e8f7d2c4b10"
#define NAME "M\xc3\xbcller & S\xc3\xb6hne <MDM> \"1\""

static struct profile_facts facts;

static int
setup(void **ctx)
{
	(void)ctx;
	facts = (struct profile_facts){ .identifier = xstrdup("org.example.mdm.cordon.enroll"),
		.server_url = xstrdup("https://mdm.example.org:8443/mdm"),
		.checkin_url = xstrdup("https://mdm.example.org:8443/checkin"),
		.topic = xstrdup(TOPIC),
		.access_rights = 8191,
		.per_user = true,
		.server_name = xstrdup("mdm.example.org:8443") };
	return 0;
}

static int
teardown(void **ctx)
{
	(void)ctx;
	profile_facts_free(&facts);
	return 0;
}

static plist_t
build(const char *challenge, X509 *root)
{
	struct profile p = { .facts = &facts,
		.organization = "Example & Co",
		.name = NAME,
		.description = "a < b",
		.number = NUMBER,
		.challenge = challenge,
		.tls_root = root };
	struct buf xml = BUF_INIT;
	plist_t top;

	assert_int_equal(profile_build(&p, &xml), 0);
	assert_int_equal(proplist_parse(buf_bytes(&xml), &top), 0);
	buf_free(&xml);
	return top;
}

static plist_t
payload(plist_t top, const char *type)
{
	plist_t list = proplist_array(top, "PayloadContent");
	uint32_t i;

	for (i = 0; i < plist_array_get_size(list); i++) {
		plist_t p = plist_array_get_item(list, i);

		if (strcmp(proplist_str(p, "PayloadType"), type) == 0)
			return p;
	}
	return NULL;
}

static void
common_keys(plist_t p, const char *identifier)
{
	assert_string_equal(proplist_str(p, "PayloadIdentifier"), identifier);
	assert_int_equal(proplist_int(p, "PayloadVersion", 0), 1);
	assert_true(uuid_valid(proplist_str(p, "PayloadUUID")));
	assert_non_null(proplist_str(p, "PayloadDisplayName"));
	assert_string_equal(proplist_str(p, "PayloadOrganization"), "Example & Co");
}

static void
the_profile_itself(void **ctx)
{
	plist_t top = build("secret", NULL);

	(void)ctx;
	common_keys(top, "org.example.mdm.cordon.enroll");
	assert_string_equal(proplist_str(top, "PayloadType"), "Configuration");
	assert_string_equal(proplist_str(top, "PayloadDisplayName"), NAME);
	assert_string_equal(proplist_str(top, "PayloadDescription"), "a < b");
	assert_string_equal(proplist_str(top, "PayloadScope"), "System");
	assert_int_equal(plist_array_get_size(proplist_array(top, "PayloadContent")), 2);
	assert_null(payload(top, "com.apple.security.root"));
	plist_free(top);
}

static void
the_mdm_payload(void **ctx)
{
	plist_t top = build("secret", NULL), p = payload(top, "com.apple.mdm"), list;
	plist_t scep = payload(top, "com.apple.security.scep");
	char *word = NULL;

	(void)ctx;
	common_keys(p, "org.example.mdm.cordon.enroll.mdm");
	assert_string_equal(
		proplist_str(p, "IdentityCertificateUUID"), proplist_str(scep, "PayloadUUID"));
	assert_string_equal(proplist_str(p, "Topic"), TOPIC);
	assert_string_equal(proplist_str(p, "ServerURL"), "https://mdm.example.org:8443/mdm");
	assert_string_equal(proplist_str(p, "CheckInURL"), "https://mdm.example.org:8443/checkin");
	assert_true(proplist_bool(p, "SignMessage", false));
	assert_true(proplist_bool(p, "CheckOutWhenRemoved", false));
	assert_int_equal(proplist_int(p, "AccessRights", 0), 8191);
	list = proplist_array(p, "ServerCapabilities");
	assert_int_equal(plist_array_get_size(list), 3);
	plist_get_string_val(plist_array_get_item(list, 0), &word);
	assert_string_equal(word, "com.apple.mdm.per-user-connections");
	free(word);
	plist_free(top);
	facts.per_user = false;
	top = build("secret", NULL);
	list = proplist_array(payload(top, "com.apple.mdm"), "ServerCapabilities");
	assert_int_equal(plist_array_get_size(list), 2);
	plist_free(top);
}

static void
the_scep_payload(void **ctx)
{
	plist_t top = build("secret", NULL), p = payload(top, "com.apple.security.scep");
	plist_t c = proplist_dict(p, "PayloadContent"), rdn;
	char *word = NULL;

	(void)ctx;
	common_keys(p, "org.example.mdm.cordon.enroll.scep");
	assert_string_equal(proplist_str(c, "URL"), "https://mdm.example.org:8443/scep");
	assert_string_equal(proplist_str(c, "Challenge"), "secret");
	assert_string_equal(proplist_str(c, "Key Type"), "RSA");
	assert_int_equal(proplist_int(c, "Keysize", 0), 2048);
	assert_int_equal(proplist_int(c, "Key Usage", 0), 5);
	assert_true(proplist_has(c, "KeyIsExtractable"));
	assert_false(proplist_bool(c, "KeyIsExtractable", true));
	assert_true(proplist_has(c, "AllowAllAppsAccess"));
	assert_false(proplist_bool(c, "AllowAllAppsAccess", true));
	/* Subject: array of RDNs of arrays of [type, value] */
	rdn = plist_array_get_item(proplist_array(c, "Subject"), 1);
	assert_int_equal(plist_get_node_type(rdn), PLIST_ARRAY);
	plist_get_string_val(plist_array_get_item(plist_array_get_item(rdn, 0), 1), &word);
	assert_string_equal(word, "Cordon 3f2b8c1a");
	free(word);
	plist_free(top);
}

static void
the_tls_root_goes_first(void **ctx)
{
	EVP_PKEY *key = key_new_p256();
	X509 *root = ca_new_tls_root(key, "mdm.example.org", 1893456000, 86400);
	plist_t top = build("secret", root), p = payload(top, "com.apple.security.root");
	struct buf der = BUF_INIT;

	(void)ctx;
	common_keys(p, "org.example.mdm.cordon.enroll.tls-root");
	assert_int_equal(cert_to_der(root, &der), 0);
	assert_true(bytes_eq(proplist_data(p, "PayloadContent"), buf_bytes(&der)));
	assert_ptr_equal(plist_array_get_item(proplist_array(top, "PayloadContent"), 0), p);
	buf_free(&der);
	plist_free(top);
	X509_free(root);
	EVP_PKEY_free(key);
}

static void
every_delivery_has_its_own_uuids(void **ctx)
{
	plist_t a = build("one", NULL), b = build("two", NULL);

	(void)ctx;
	assert_string_not_equal(proplist_str(a, "PayloadUUID"), proplist_str(b, "PayloadUUID"));
	assert_string_not_equal(proplist_str(payload(a, "com.apple.mdm"), "PayloadUUID"),
		proplist_str(payload(b, "com.apple.mdm"), "PayloadUUID"));
	assert_string_equal(
		proplist_str(a, "PayloadIdentifier"), proplist_str(b, "PayloadIdentifier"));
	plist_free(a);
	plist_free(b);
}

static void
nameless_profiles_are_not_made(void **ctx)
{
	struct profile p = { .facts = &facts,
		.organization = "x",
		.name = "\xff",
		.number = NUMBER,
		.challenge = "c" };
	struct buf out = BUF_INIT;

	(void)ctx;
	assert_int_equal(profile_build(&p, &out), -EINVAL);
	p.name = "x";
	p.organization = NULL;
	assert_int_equal(profile_build(&p, &out), -EINVAL);
	assert_int_equal(out.len, 0);
}

static void
identifiers_are_the_name_reversed(void **ctx)
{
	static const char *const cases[][2] = {
		{ "mdm.example.org", "org.example.mdm.cordon.enroll" },
		{ "mdm.example.org:8443", "org.example.mdm.cordon.enroll" },
		{ "localhost", "localhost.cordon.enroll" },
		{ "192.0.2.7:443", "7.2.0.192.cordon.enroll" },
		{ "[2001:db8::1]:443", "2001-db8--1.cordon.enroll" },
	};
	size_t i;

	(void)ctx;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *id = profile_identifier(cases[i][0]);

		assert_string_equal(id, cases[i][1]);
		free(id);
	}
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_profile_itself),
		TEST(the_mdm_payload),
		TEST(the_scep_payload),
		TEST(the_tls_root_goes_first),
		TEST(every_delivery_has_its_own_uuids),
		TEST(nameless_profiles_are_not_made),
		TEST(identifiers_are_the_name_reversed),
	};

	return cmocka_run_group_tests_name("profile", tests, NULL, NULL);
}
