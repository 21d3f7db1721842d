/* command_check.c - a command held against the schema, and against what Apple says in words only */
#include "mdm/command.h"

#include "base/mem.h"
#include "base/proplist.h"

#include <errno.h>
#include <string.h>

#define PIN_DIGITS 6u

static const struct filled {
	const char *type, *key;
} filled[] = {
	{ "ClearPasscode", "UnlockToken" },
};

bool
command_fills(const char *type, const char *key)
{
	size_t i;

	for (i = 0; i < sizeof(filled) / sizeof(filled[0]); i++)
		if (strcmp(filled[i].type, type) == 0 && strcmp(filled[i].key, key) == 0)
			return true;
	return false;
}

static const char *
pin_rule(plist_t c)
{
	const char *pin = proplist_str(c, "PIN");

	if (!proplist_has(c, "PIN") ||
		(pin && strlen(pin) == PIN_DIGITS && strspn(pin, "0123456789") == PIN_DIGITS))
		return NULL;
	return "PIN has exactly six digits";
}

static const char *
lost_mode_rule(plist_t c)
{
	if (proplist_has(c, "Message") || proplist_has(c, "PhoneNumber"))
		return NULL;
	return "Message or PhoneNumber is wanted";
}

static const char *
https_rule(plist_t c)
{
	const char *url = proplist_str(c, "ManifestURL");

	return !url || strncmp(url, "https://", 8) == 0 ? NULL : "ManifestURL begins with https://";
}

static const char *
application_rule(plist_t c)
{
	if (proplist_has(c, "iTunesStoreID") + proplist_has(c, "Identifier") +
			proplist_has(c, "ManifestURL") !=
		1)
		return "exactly one of iTunesStoreID, Identifier and ManifestURL is wanted";
	return https_rule(c);
}

static const char *
enterprise_rule(plist_t c)
{
	if (proplist_has(c, "Manifest") + proplist_has(c, "ManifestURL") != 1)
		return "exactly one of Manifest and ManifestURL is wanted";
	return https_rule(c);
}

static const char *
vault_rule(plist_t c)
{
	plist_t unlock = proplist_dict(c, "FileVaultUnlock");

	if (!unlock || proplist_has(unlock, "Password") || proplist_has(unlock, "PrivateKeyExport"))
		return NULL;
	return "FileVaultUnlock has a Password, or a PrivateKeyExport";
}

static const struct rule {
	const char *type;
	const char *(*fault)(plist_t command);
} rules[] = {
	{ "DeviceLock", pin_rule },
	{ "EraseDevice", pin_rule },
	{ "EnableLostMode", lost_mode_rule },
	{ "InstallApplication", application_rule },
	{ "InstallEnterpriseApplication", enterprise_rule },
	{ "RotateFileVaultKey", vault_rule },
};

static void
check_rules(const char *type, plist_t inner, struct schema_notes *faults)
{
	const char *fault;
	size_t i;

	for (i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		fault = strcmp(rules[i].type, type) == 0 ? rules[i].fault(inner) : NULL;
		if (fault)
			schema_note(faults, xstrdup(fault));
	}
}

/* What is filled in later counts as there. */
static void
check_schema(const struct schema *s, const struct command *c, plist_t inner,
	struct schema_notes *faults, struct schema_notes *warnings)
{
	const struct schema_command *known = schema_find(s, c->type);
	size_t i;

	if (!s)
		return;
	if (!known) {
		schema_note(warnings,
			xasprintf("%s is not in the schema of %s", c->type, schema_date(s)));
		return;
	}
	for (i = 0; i < sizeof(filled) / sizeof(filled[0]); i++)
		if (strcmp(filled[i].type, c->type) == 0 && !proplist_has(inner, filled[i].key))
			plist_dict_set_item(inner, filled[i].key, plist_new_data("", 0));
	schema_check(s, known, inner, faults, warnings);
}

int
command_check(const struct schema *s, const struct command *c, bool strict,
	struct schema_notes *warnings, char **why)
{
	struct schema_notes faults = { 0 };
	plist_t root = NULL, inner;
	int rc = 0;

	if (proplist_parse(buf_bytes(&c->plist), &root) < 0) {
		*why = xstrdup("the command is not a property list");
		return -EINVAL;
	}
	inner = proplist_dict(root, "Command");
	check_schema(s, c, inner, &faults, warnings);
	check_rules(c->type, inner, &faults);
	plist_free(root);
	if (faults.count > 0 || (strict && warnings->count > 0)) {
		*why = schema_notes_join(faults.count ? &faults : warnings);
		rc = -EINVAL;
	}
	if (strcmp(c->type, "InstallProfile") == 0 && !c->subject)
		schema_note(warnings,
			xstrdup("Payload is no profile that could be read: later ones of the same "
				"identifier will not take its place"));
	schema_notes_free(&faults);
	return rc;
}
