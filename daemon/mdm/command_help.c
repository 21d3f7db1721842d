/* command_help.c - how a command may be written: an example that can be sent as it is */
#include "mdm/command_help.h"

#include "base/mem.h"
#include "mdm/command.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* What Apple's text wants although the schema calls it optional, and what excludes it. */
static const struct choice {
	const char *type, *key;
	bool wanted; /* false: never together with the wanted one */
} choices[] = {
	{ "EnableLostMode", "Message", true },
	{ "InstallApplication", "Identifier", true },
	{ "InstallApplication", "iTunesStoreID", false },
	{ "InstallApplication", "ManifestURL", false },
	{ "InstallEnterpriseApplication", "ManifestURL", true },
	{ "InstallEnterpriseApplication", "Manifest", false },
	{ "RotateFileVaultKey", "Password", true },
};

/* Values of a form that the schema does not tell. */
static const struct form {
	const char *part, *value;
} forms[] = {
	{ "PIN", "123456" },
	{ "URL", "https://example.org/manifest.plist" },
	{ "Identifier", "org.example.app" },
	{ "TimeZone", "Europe/Zurich" },
};

struct example {
	const char *type;
	bool all;
};

static bool
included(const struct example *x, const struct schema_node *n)
{
	size_t i;

	if (n->type == SCHEMA_NONE || strcmp(n->key, "*") == 0)
		return false;
	for (i = 0; i < sizeof(choices) / sizeof(choices[0]); i++)
		if (strcmp(choices[i].type, x->type) == 0 && strcmp(choices[i].key, n->key) == 0)
			return choices[i].wanted;
	if (command_fills(x->type, n->key))
		return false;
	return n->required || x->all;
}

static const char *
text_for(const struct schema_node *n, char **owned)
{
	size_t i;

	*owned = NULL;
	if (*n->values)
		return *owned = xstrndup(n->values, strcspn(n->values, "|"));
	if (n->count)
		return n->children[0].key;
	for (i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
		if (strstr(n->key, forms[i].part))
			return forms[i].value;
	return "text";
}

static json_t *value_for(const struct example *x, const struct schema_node *n);

static json_t *
dict_for(const struct example *x, const struct schema_node *n)
{
	json_t *j = json_object();
	size_t i;

	for (i = 0; i < n->count; i++)
		if (included(x, &n->children[i]))
			json_object_set_new(j, n->children[i].key, value_for(x, &n->children[i]));
	return j;
}

/* Every alternative has its element when all is asked for, else the first one alone. */
static json_t *
list_for(const struct example *x, const struct schema_node *n)
{
	json_t *j = json_array();
	size_t i;

	for (i = 0; i < n->count && (i == 0 || x->all); i++)
		json_array_append_new(j, value_for(x, &n->children[i]));
	return j;
}

static json_t *
value_for(const struct example *x, const struct schema_node *n)
{
	char *owned;
	json_t *j;

	switch (n->type) {
	case SCHEMA_BOOLEAN:
		return json_true();
	case SCHEMA_INTEGER:
		return json_integer(*n->values ? atoll(n->values) : 1);
	case SCHEMA_REAL:
		return json_real(n->has_range ? (n->min + n->max) / 2 : 1.5);
	case SCHEMA_DATA:
		return json_string("RXhhbXBsZQ==");
	case SCHEMA_DATE:
		return json_string("2026-11-24T06:00:00Z");
	case SCHEMA_DICT:
		return dict_for(x, n);
	case SCHEMA_ARRAY:
		return list_for(x, n);
	default:
		j = json_string(text_for(n, &owned));
		free(owned);
		return j;
	}
}

static char *
word_for(const struct schema_node *n, json_t *value)
{
	char *text, *word;

	if (json_is_string(value))
		return xasprintf("%s=%s", n->key, json_string_value(value));
	text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_PRESERVE_ORDER);
	word = xasprintf("%s=%s", n->key, text ? text : "");
	free(text);
	return word;
}

void
command_help_example(const struct schema_command *c, bool all, struct schema_notes *words)
{
	struct example x = { c->name, all };
	size_t i;

	for (i = 0; i < c->request.count; i++) {
		const struct schema_node *n = &c->request.children[i];
		json_t *value;

		if (!included(&x, n))
			continue;
		value = value_for(&x, n);
		schema_note(words, word_for(n, value));
		json_decref(value);
	}
}
