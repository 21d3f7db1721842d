/* prop.c - property lists: typed look-ups that say no to a wrong type */
#include "prop.h"

#include <stdlib.h>
#include <string.h>

/* Depth of XML elements without parsing; a rough but safe upper bound. */
static bool
shallow(const char *s, size_t len)
{
	int depth = 0;

	for (size_t i = 0; i + 1 < len; i++) {
		if (s[i] != '<' || s[i + 1] == '?' || s[i + 1] == '!')
			continue;
		const char *end = memchr(s + i, '>', len - i);

		if (end == NULL)
			return false;
		if (s[i + 1] == '/')
			depth--;
		else if (end[-1] != '/' && ++depth > PROP_DEPTH_MAX)
			return false;
		i = (size_t)(end - s);
	}
	return true;
}

plist_t
prop_parse(const void *data, size_t len)
{
	plist_t root = NULL;

	if (len < 8 || len > UINT32_MAX)
		return NULL;
	if (memcmp(data, "bplist00", 8) == 0)
		plist_from_bin(data, (uint32_t)len, &root);
	else if (shallow(data, len))
		plist_from_xml(data, (uint32_t)len, &root);
	if (root != NULL && plist_get_node_type(root) != PLIST_DICT) {
		plist_free(root);
		root = NULL;
	}
	return root;
}

struct blob
prop_xml(plist_t node)
{
	struct blob b;
	uint32_t len = 0;
	char *xml = NULL;

	plist_to_xml(node, &xml, &len);
	b = blob_copy(xml, len);
	free(xml);
	return b;
}

const char *
prop_text(plist_t node)
{
	return plist_get_node_type(node) == PLIST_STRING ? plist_get_string_ptr(node, NULL) : NULL;
}

plist_t
prop_node(plist_t dict, const char *key, plist_type type)
{
	plist_t n = dict != NULL ? plist_dict_get_item(dict, key) : NULL;

	return n != NULL && plist_get_node_type(n) == type ? n : NULL;
}

const char *
prop_string(plist_t dict, const char *key)
{
	plist_t n = prop_node(dict, key, PLIST_STRING);

	return n != NULL ? prop_text(n) : NULL;
}

int64_t
prop_int(plist_t dict, const char *key, int64_t otherwise)
{
	plist_t n = prop_node(dict, key, PLIST_UINT);
	uint64_t v;

	if (n == NULL)
		return otherwise;
	plist_get_uint_val(n, &v);
	return (int64_t)v;
}

bool
prop_bool(plist_t dict, const char *key, bool otherwise)
{
	plist_t n = prop_node(dict, key, PLIST_BOOLEAN);
	uint8_t v;

	if (n == NULL)
		return otherwise;
	plist_get_bool_val(n, &v);
	return v != 0;
}

void
prop_set_string(plist_t dict, const char *key, const char *value)
{
	if (value != NULL)
		plist_dict_set_item(dict, key, plist_new_string(value));
}

void
prop_set_int(plist_t dict, const char *key, int64_t value)
{
	plist_dict_set_item(dict, key, plist_new_uint((uint64_t)value));
}

void
prop_set_bool(plist_t dict, const char *key, bool value)
{
	plist_dict_set_item(dict, key, plist_new_bool(value));
}

void
prop_set_data(plist_t dict, const char *key, const void *data, size_t len)
{
	plist_dict_set_item(dict, key, plist_new_data(data, len));
}

bool
prop_is(plist_t node, const char *type)
{
	static const struct {
		const char *word;
		plist_type type;
	} types[] = {
		{ "string", PLIST_STRING },
		{ "integer", PLIST_UINT },
		{ "real", PLIST_REAL },
		{ "boolean", PLIST_BOOLEAN },
		{ "date", PLIST_DATE },
		{ "data", PLIST_DATA },
		{ "array", PLIST_ARRAY },
		{ "dictionary", PLIST_DICT },
	};
	plist_type have = plist_get_node_type(node);

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
		if (strcmp(types[i].word, type) == 0)
			/* Apple takes a whole number where it wants a real one. */
			return have == types[i].type ||
			       (types[i].type == PLIST_REAL && have == PLIST_UINT);
	return true; /* "any" */
}
