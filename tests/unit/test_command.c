/* Tests of daemon/mdm/command: what is built is what Apple's schema says */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/proplist.h"
#include "mdm/command.h"

/* One line of etc/apple-schema/commands.tsv. */
struct row {
	char *name, *direction, *path, *type, *presence;
};

static char *schema_text;
static struct row *schema;
static size_t schema_count_rows;
static struct schema *known;

static int
read_schema(void **ctx)
{
	const char *source = getenv("CORDON_SOURCE");
	char *path = xasprintf("%s/etc/apple-schema/commands.tsv", source ? source : ".");
	struct buf text = BUF_INIT;
	char *line, *rest, *why = NULL;

	(void)ctx;
	if (file_read(path, 1 << 20, &text, NULL) < 0)
		fail_msg("%s cannot be read", path);
	known = schema_load(path, &why);
	if (!known)
		fail_msg("%s", why);
	free(path);
	schema_text = buf_steal_str(&text);
	for (rest = schema_text; (line = strsep(&rest, "\n")) && *line;) {
		struct row r;

		r.name = strsep(&line, "\t");
		r.direction = strsep(&line, "\t");
		r.path = strsep(&line, "\t");
		r.type = strsep(&line, "\t");
		r.presence = strsep(&line, "\t");
		assert_non_null(r.presence);
		schema = xrealloc(schema, (schema_count_rows + 1) * sizeof(*schema));
		schema[schema_count_rows++] = r;
	}
	assert_true(schema_count_rows > 500);
	return 0;
}

static int
free_schema(void **ctx)
{
	(void)ctx;
	free(schema);
	free(schema_text);
	schema_free(known);
	return 0;
}

static const struct row *
lookup(const char *name, const char *path)
{
	size_t i;

	for (i = 0; i < schema_count_rows; i++)
		if (strcmp(schema[i].name, name) == 0 && strcmp(schema[i].direction, "req") == 0 &&
			schema[i].path && strcmp(schema[i].path, path) == 0)
			return &schema[i];
	return NULL;
}

static bool
is_command(const char *name)
{
	size_t i;

	for (i = 0; i < schema_count_rows; i++)
		if (strcmp(schema[i].name, name) == 0)
			return true;
	return false;
}

/* The inner dictionary of a built command; the caller frees *root. */
static plist_t
inner_of(const struct command *c, plist_t *root)
{
	assert_int_equal(proplist_parse(buf_bytes(&c->plist), root), 0);
	assert_string_equal(proplist_str(*root, "CommandUUID"), c->uuid);
	return proplist_dict(*root, "Command");
}

static const char *
schema_type(plist_t node)
{
	switch (plist_get_node_type(node)) {
	case PLIST_STRING:
		return "string";
	case PLIST_BOOLEAN:
		return "boolean";
	case PLIST_UINT:
		return "integer";
	case PLIST_DATA:
		return "data";
	case PLIST_ARRAY:
		return "array";
	case PLIST_DICT:
		return "dictionary";
	default:
		return "?";
	}
}

/* Every key is the schema's, of its type; what it requires is there. */
static void
fits_schema(const struct command *c)
{
	plist_t root, inner = inner_of(c, &root), value;
	plist_dict_iter it = NULL;
	char *key;
	size_t i;

	plist_dict_new_iter(inner, &it);
	for (plist_dict_next_item(inner, it, &key, &value); key;
		plist_dict_next_item(inner, it, &key, &value)) {
		const struct row *r = lookup(c->type, key);

		if (strcmp(key, "RequestType") == 0)
			assert_string_equal(proplist_str(inner, key), c->type);
		else if (!r)
			fail_msg("%s has no key %s", c->type, key);
		else
			assert_string_equal(schema_type(value), r->type);
		free(key);
	}
	free(it);
	for (i = 0; i < schema_count_rows; i++)
		if (strcmp(schema[i].name, c->type) == 0 &&
			strcmp(schema[i].direction, "req") == 0 && schema[i].path[0] &&
			!strpbrk(schema[i].path, ".[*") &&
			strcmp(schema[i].presence, "required") == 0 &&
			strcmp(schema[i].type, "none") != 0)
			assert_true(proplist_has(inner, schema[i].path));
	plist_free(root);
}

static int
try(struct command *c, const char *type, const char *const *words, size_t count, char **why)
{
	struct command_word list[8] = { 0 };
	size_t i;

	for (i = 0; i < count; i++)
		list[i].text = words[i];
	return command_build(known, type, list, count, c, why);
}

static void
build(struct command *c, const char *type, const char *const *words)
{
	char *why = NULL;
	size_t n = 0;

	while (words && words[n])
		n++;
	if (try(c, type, words, n, &why) < 0)
		fail_msg("%s: %s", type, why);
}

#define WORDS(...) ((const char *const[]){ __VA_ARGS__, NULL })

static void
our_questions_fit_the_schema(void **ctx)
{
	static const char *const types[] = { "DeviceInformation", "SecurityInfo", "ProfileList",
		"CertificateList", "InstalledApplicationList" };
	struct command c;
	size_t i;

	(void)ctx;
	for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		build(&c, types[i], NULL);
		assert_true(is_command(types[i]));
		fits_schema(&c);
		assert_int_equal(c.family, FAMILY_QUERY);
		assert_true(uuid_valid(c.uuid));
		command_free(&c);
	}
}

static void
default_queries_are_the_schemas(void **ctx)
{
	char path[128];
	size_t i;

	(void)ctx;
	for (i = 0; command_queries[i]; i++) {
		snprintf(path, sizeof(path), "Queries[].%s", command_queries[i]);
		if (!lookup("DeviceInformation", path))
			fail_msg("DeviceInformation has no query %s", command_queries[i]);
	}
	assert_true(i > 30);
}

static void
words_get_the_schemas_types(void **ctx)
{
	struct command c;
	plist_t root, inner, list;

	(void)ctx;
	build(&c, "DeviceLock", WORDS("PIN=000123", "Message=true", "PhoneNumber=+41 31"));
	fits_schema(&c);
	inner = inner_of(&c, &root);
	assert_string_equal(proplist_str(inner, "PIN"), "000123");
	assert_string_equal(proplist_str(inner, "Message"), "true");
	plist_free(root);
	assert_true(c.urgent);
	assert_false(c.expires);
	command_free(&c);

	build(&c, "InstalledApplicationList",
		WORDS("Identifiers=org.a,org.b", "Identifiers=org.c", "ManagedAppsOnly=true"));
	fits_schema(&c);
	inner = inner_of(&c, &root);
	list = proplist_array(inner, "Identifiers");
	assert_int_equal(plist_array_get_size(list), 3);
	assert_true(proplist_bool(inner, "ManagedAppsOnly", false));
	plist_free(root);
	command_free(&c);

	build(&c, "InstallApplication", WORDS("iTunesStoreID=361309726", "ManagementFlags=1"));
	fits_schema(&c);
	command_free(&c);

	build(&c, "DeviceInformation", WORDS("Queries=OSVersion,SerialNumber"));
	fits_schema(&c);
	inner = inner_of(&c, &root);
	assert_int_equal(plist_array_get_size(proplist_array(inner, "Queries")), 2);
	plist_free(root);
	command_free(&c);

	/* not in the schema: guessed */
	build(&c, "NewCommand", WORDS("A=true", "B=12", "C=text", "D=007x"));
	inner = inner_of(&c, &root);
	assert_true(proplist_bool(inner, "A", false));
	assert_int_equal(proplist_int(inner, "B", 0), 12);
	assert_string_equal(proplist_str(inner, "C"), "text");
	assert_string_equal(proplist_str(inner, "D"), "007x");
	plist_free(root);
	assert_int_equal(c.family, FAMILY_OTHER);
	assert_true(c.expires);
	command_free(&c);
}

static void
bad_words_are_refused(void **ctx)
{
	static const struct {
		const char *type, *word;
	} cases[] = {
		{ "Device Information", NULL },
		{ "", NULL },
		{ "DeviceLock", "PIN" },
		{ "DeviceLock", "=x" },
		{ "DeviceLock", "RequestType=EraseDevice" },
		{ "EraseDevice", "PreserveDataPlan=yes" },
		{ "InstallApplication", "iTunesStoreID=12a" },
		{ "InstallApplication", "iTunesStoreID=-1" },
		{ "InstallApplication", "Options=x" },
		{ "InstallProfile", "Payload=%%%" },
		{ "InstalledApplicationList", "Identifiers=a,,b" },
		{ "DeviceLock", "Message=\xff" },
	};
	struct command c;
	size_t i;

	(void)ctx;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char *why = NULL;

		if (try(&c, cases[i].type, &cases[i].word, cases[i].word ? 1 : 0, &why) != -EINVAL)
			fail_msg("%s %s is taken", cases[i].type, cases[i].word);
		assert_non_null(why);
		free(why);
	}
}

static void
same_key_twice_is_refused(void **ctx)
{
	struct command c;
	char *why = NULL;

	(void)ctx;
	assert_int_equal(try(&c, "DeviceLock", WORDS("PIN=1", "PIN=2"), 2, &why), -EINVAL);
	free(why);
}

static void
classes_are_the_designs(void **ctx)
{
	static const struct {
		const char *type;
		enum family family;
		bool urgent, keeps;
	} cases[] = {
		{ "EraseDevice", FAMILY_PASSCODE, true, true },
		{ "DeviceLock", FAMILY_PASSCODE, true, true },
		{ "EnableLostMode", FAMILY_LOST_MODE, false, true },
		{ "RemoveProfile", FAMILY_PROFILES, false, true },
		{ "ClearPasscode", FAMILY_PASSCODE, false, true },
		{ "InstallProfile", FAMILY_PROFILES, false, false },
		{ "InstallApplication", FAMILY_APPLICATIONS, false, false },
		{ "Settings", FAMILY_SETTINGS, false, false },
		{ "DeclarativeManagement", FAMILY_DECLARATIONS, false, false },
		{ "DeviceInformation", FAMILY_QUERY, false, false },
		{ "RestartDevice", FAMILY_OTHER, false, false },
	};
	size_t i;

	(void)ctx;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct command_class *k = command_class(cases[i].type);

		assert_int_equal(k->family, cases[i].family);
		assert_int_equal(k->urgent, cases[i].urgent);
		assert_int_equal(k->keeps, cases[i].keeps);
	}
}

#define FILE_OF(content) "<plist version=\"1.0\"><dict>" content "</dict></plist>"
#define INNER                                                                                  \
	"<key>RequestType</key><string>InstallProfile</string>"                                \
	"<key>Payload</key><data>"                                                             \
	"PHBsaXN0IHZlcnNpb249IjEuMCI+PGRpY3Q+PGtleT5QYXlsb2FkSWRlbnRpZmllcjwva2V5PjxzdHJpbmc+" \
	"b3JnLmV4YW1wbGUud2lmaTwvc3RyaW5nPjwvZGljdD48L3BsaXN0Pg==</data>"

static void
files_are_taken(void **ctx)
{
	struct command c;
	char *why = NULL;

	(void)ctx;
	assert_int_equal(command_from_plist(bytes_str(FILE_OF("<key>CommandUUID</key><string>0001"
							      "_Wifi</string><key>Command</key>"
							      "<dict>" INNER "</dict>")),
				 &c, &why),
		0);
	assert_string_equal(c.uuid, "0001_Wifi");
	assert_true(c.given_uuid);
	assert_string_equal(c.type, "InstallProfile");
	assert_string_equal(c.subject, "org.example.wifi");
	assert_int_equal(c.family, FAMILY_PROFILES);
	fits_schema(&c);
	command_free(&c);

	assert_int_equal(command_from_plist(bytes_str(FILE_OF(INNER)), &c, &why), 0);
	assert_true(uuid_valid(c.uuid));
	assert_false(c.given_uuid);
	fits_schema(&c);
	command_free(&c);
}

static void
bad_files_are_refused(void **ctx)
{
	static const char *const files[] = {
		"",
		"text",
		FILE_OF(""),
		FILE_OF("<key>Command</key><string>x</string>"),
		FILE_OF("<key>Command</key><dict></dict>"),
		FILE_OF("<key>Command</key><dict><key>RequestType</key><integer>1</integer></"
			"dict>"),
		FILE_OF("<key>Command</key><dict><key>RequestType</key><string>a "
			"b</string></dict>"),
		FILE_OF("<key>CommandUUID</key><string></string><key>Command</key><dict>" INNER
			"</dict>"),
		FILE_OF("<key>CommandUUID</key><string>a/b</string><key>Command</key><dict>" INNER
			"</dict>"),
		FILE_OF("<key>CommandUUID</key><integer>7</integer><key>Command</key><dict>" INNER
			"</dict>"),
	};
	struct command c;
	size_t i;

	(void)ctx;
	for (i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		char *why = NULL;

		if (command_from_plist(bytes_str(files[i]), &c, &why) != -EINVAL)
			fail_msg("taken: %s", files[i]);
		assert_non_null(why);
		free(why);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(our_questions_fit_the_schema),
		cmocka_unit_test(default_queries_are_the_schemas),
		cmocka_unit_test(words_get_the_schemas_types),
		cmocka_unit_test(bad_words_are_refused),
		cmocka_unit_test(same_key_twice_is_refused),
		cmocka_unit_test(classes_are_the_designs),
		cmocka_unit_test(files_are_taken),
		cmocka_unit_test(bad_files_are_refused),
	};

	return cmocka_run_group_tests_name("command", tests, read_schema, free_schema);
}
