/* schema.c - Apple's schema of commands, read from its table */
#include "mdm/schema.h"

#include "base/encode.h"
#include "base/file.h"
#include "base/mem.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COLUMNS 10
#define COMMANDS_MAX 1024u
#define NODES_MAX 65536u /* rows of a table */

enum column {
	COL_NAME,
	COL_KIND,
	COL_PATH,
	COL_TYPE,
	COL_PRESENCE,
	COL_VALUES,
	COL_RANGE,
	COL_STANDARD,
	COL_FORMAT,
	COL_SINCE
};

struct schema {
	char *text; /* what all strings point into */
	const char *date, *release;
	struct schema_command **commands;
	size_t count;
};

static const struct {
	const char *name, *words;
} types[SCHEMA_TYPE_COUNT] = {
	[SCHEMA_NONE] = { "none", "nothing" },
	[SCHEMA_ANY] = { "any", "any value" },
	[SCHEMA_STRING] = { "string", "text" },
	[SCHEMA_BOOLEAN] = { "boolean", "true or false" },
	[SCHEMA_INTEGER] = { "integer", "a whole number" },
	[SCHEMA_REAL] = { "real", "a number" },
	[SCHEMA_DATA] = { "data", "base64, or @FILE" },
	[SCHEMA_DATE] = { "date", "a date like 2026-11-24T06:00:00Z" },
	[SCHEMA_ARRAY] = { "array", "a list" },
	[SCHEMA_DICT] = { "dictionary", "a dictionary as JSON, or @FILE" },
};

const char *
schema_type_words(enum schema_type t)
{
	return types[t].words;
}

const char *
schema_type_name(enum schema_type t)
{
	return types[t].name;
}

const char *
schema_os_name(enum schema_os os)
{
	static const char *const names[] = { "iOS", "macOS", "tvOS", "visionOS", "watchOS",
		"an unknown system" };

	return names[os];
}

/* ---- reading ---- */

static int
split(char *line, char *sep, char **columns, size_t max)
{
	size_t n = 0;
	char *part;

	while ((part = strsep(&line, sep)) != NULL) {
		if (n == max)
			return -EINVAL;
		columns[n++] = part;
	}
	return n == max ? 0 : -EINVAL;
}

static int
type_of(const char *name, enum schema_type *ret)
{
	size_t i;

	for (i = 0; i < SCHEMA_TYPE_COUNT; i++)
		if (strcmp(types[i].name, name) == 0) {
			*ret = (enum schema_type)i;
			return 0;
		}
	return -EINVAL;
}

static struct schema_node *
add_child(struct schema_node *n, const char *key)
{
	struct schema_node *child;

	if (n->count == n->cap) {
		n->cap = n->cap ? 2 * n->cap : 4;
		n->children = xrealloc(n->children, n->cap * sizeof(*n->children));
	}
	child = &n->children[n->count++];
	memset(child, 0, sizeof(*child));
	child->key = key;
	child->type = SCHEMA_ANY;
	child->values = child->standard = "";
	return child;
}

/* The last one of this key: of alternatives the one that is being described. */
static struct schema_node *
last_child(struct schema_node *n, const char *key)
{
	size_t i;

	for (i = n->count; i-- > 0;)
		if (strcmp(n->children[i].key, key) == 0)
			return &n->children[i];
	return NULL;
}

/* "A[].B" -> "A", "[]", "B"; the parts point into `path`, which is cut. */
static int
path_parts(char *path, const char **parts, size_t *count)
{
	char *part, *bracket;

	*count = 0;
	while ((part = strsep(&path, ".")) != NULL) {
		size_t elements = 0;

		while ((bracket = strrchr(part, '[')) != NULL && strcmp(bracket, "[]") == 0) {
			*bracket = '\0';
			elements++;
		}
		if (*part == '\0' || *count + 1 + elements > SCHEMA_DEPTH_MAX)
			return -EINVAL;
		parts[(*count)++] = part;
		while (elements-- > 0)
			parts[(*count)++] = "[]";
	}
	return 0;
}

/* Parents come before their children; one that was left out is made. */
static struct schema_node *
node_for(struct schema_node *root, const char *const *parts, size_t count)
{
	struct schema_node *n = root, *child;
	size_t i;

	for (i = 0; i + 1 < count; i++) {
		child = last_child(n, parts[i]);
		n = child ? child : add_child(n, parts[i]);
	}
	child = strcmp(parts[count - 1], "[]") == 0 ? NULL : last_child(n, parts[count - 1]);
	return child ? child : add_child(n, parts[count - 1]);
}

static int
read_node(struct schema_node *root, char **col)
{
	const char *parts[SCHEMA_DEPTH_MAX];
	struct schema_node *n;
	char *since[OS_COUNT];
	size_t count, i;

	if (split(col[COL_SINCE], (char *)(uintptr_t) "|", since, OS_COUNT) < 0)
		return -EINVAL;
	if (*col[COL_PATH] == '\0') {
		for (i = 0; i < OS_COUNT; i++)
			root->since[i] = since[i];
		return 0;
	}
	if (path_parts(col[COL_PATH], parts, &count) < 0)
		return -EINVAL;
	n = node_for(root, parts, count);
	if (type_of(col[COL_TYPE], &n->type) < 0)
		return -EINVAL;
	n->required = strcmp(col[COL_PRESENCE], "required") == 0;
	n->values = col[COL_VALUES];
	n->standard = col[COL_STANDARD];
	n->has_range = sscanf(col[COL_RANGE], "%lf..%lf", &n->min, &n->max) == 2;
	for (i = 0; i < OS_COUNT; i++)
		n->since[i] = since[i];
	return 0;
}

static int
read_fit(struct schema_fit *f, char **col)
{
	char *cells[OS_COUNT], *letters;
	size_t i;

	if (split(col[COL_SINCE], (char *)(uintptr_t) "|", cells, OS_COUNT) < 0)
		return -EINVAL;
	for (i = 0; i < OS_COUNT; i++) {
		letters = cells[i];
		f->since[i] = strsep(&letters, " ");
		if (!letters)
			continue;
		f->supervised[i] = strchr(letters, 's') != NULL;
		f->automated[i] = strchr(letters, 'd') != NULL;
		f->no_user_enrollment[i] = strchr(letters, 'u') != NULL;
		f->device_channel = f->device_channel || strchr(letters, 'D') != NULL;
		f->user_channel = f->user_channel || strchr(letters, 'U') != NULL;
	}
	return 0;
}

static struct schema_command *
command_for(struct schema *s, const char *name)
{
	struct schema_command *c = (struct schema_command *)(uintptr_t)schema_find(s, name);

	if (c || s->count == COMMANDS_MAX)
		return c;
	s->commands = xrealloc(s->commands, (s->count + 1) * sizeof(struct schema_command *));
	c = s->commands[s->count++] = xcalloc(1, sizeof(*c));
	c->name = name;
	c->request.type = c->response.type = SCHEMA_DICT;
	c->request.key = c->response.key = "";
	return c;
}

static int
read_row(struct schema *s, char *line)
{
	struct schema_command *c;
	char *col[COLUMNS];

	if (split(line, (char *)(uintptr_t) "\t", col, COLUMNS) < 0)
		return -EINVAL;
	if (strcmp(col[COL_NAME], "#schema") == 0) {
		s->date = col[COL_PATH];
		s->release = col[COL_FORMAT];
		return 0;
	}
	c = *col[COL_NAME] ? command_for(s, col[COL_NAME]) : NULL;
	if (!c)
		return -EINVAL;
	if (strcmp(col[COL_KIND], "req") == 0)
		return read_node(&c->request, col);
	if (strcmp(col[COL_KIND], "resp") == 0)
		return read_node(&c->response, col);
	c->has_fit = true;
	return strcmp(col[COL_KIND], "fit") == 0 ? read_fit(&c->fit, col) : -EINVAL;
}

struct schema *
schema_parse(struct bytes text, char **why)
{
	struct schema *s = xcalloc(1, sizeof(*s));
	char *rest, *line;
	unsigned number = 0;

	s->date = "an unknown day";
	s->release = "";
	s->text = xstrndup((const char *)text.data, text.len);
	for (rest = s->text; (line = strsep(&rest, "\n")) != NULL;) {
		number++;
		if (*line == '\0')
			continue;
		if (!utf8_valid(bytes_str(line)) || number > NODES_MAX || read_row(s, line) < 0) {
			*why = xasprintf("line %u is not one of a table of commands", number);
			schema_free(s);
			return NULL;
		}
	}
	if (s->count > 0)
		return s;
	*why = xstrdup("there is no command in it");
	schema_free(s);
	return NULL;
}

struct schema *
schema_load(const char *path, char **why)
{
	struct buf text = BUF_INIT;
	struct schema *s = NULL;
	char *reason = NULL;
	int rc = file_read(path, SCHEMA_FILE_MAX, &text, NULL);

	if (rc < 0)
		*why = xasprintf("%s: %s", path, strerror(-rc));
	else if (!(s = schema_parse(buf_bytes(&text), &reason)))
		*why = xasprintf("%s: %s", path, reason);
	free(reason);
	buf_free(&text);
	return s;
}

static void
node_fini(struct schema_node *n)
{
	size_t i;

	for (i = 0; i < n->count; i++)
		node_fini(&n->children[i]);
	free(n->children);
}

void
schema_free(struct schema *s)
{
	size_t i;

	if (!s)
		return;
	for (i = 0; i < s->count; i++) {
		node_fini(&s->commands[i]->request);
		node_fini(&s->commands[i]->response);
		free(s->commands[i]);
	}
	free(s->commands);
	free(s->text);
	free(s);
}

/* ---- asking ---- */

const char *
schema_date(const struct schema *s)
{
	return s->date;
}

const char *
schema_release(const struct schema *s)
{
	return s->release;
}

size_t
schema_count(const struct schema *s)
{
	return s ? s->count : 0;
}

const struct schema_command *
schema_at(const struct schema *s, size_t index)
{
	return index < s->count ? s->commands[index] : NULL;
}

const struct schema_command *
schema_find(const struct schema *s, const char *command)
{
	size_t i;

	for (i = 0; s && i < s->count; i++)
		if (strcmp(s->commands[i]->name, command) == 0)
			return s->commands[i];
	return NULL;
}

const struct schema_node *
schema_child(const struct schema_node *dict, const char *key)
{
	const struct schema_node *any = NULL;
	size_t i;

	for (i = 0; i < dict->count; i++) {
		if (strcmp(dict->children[i].key, key) == 0)
			return &dict->children[i];
		if (strcmp(dict->children[i].key, "*") == 0)
			any = &dict->children[i];
	}
	return any;
}

/* Does a list "a|b|c" have it? */
static bool
listed(const char *values, const char *word)
{
	size_t len = strlen(word);
	const char *end;

	for (;; values = end + 1) {
		end = strchrnul(values, '|');
		if ((size_t)(end - values) == len && memcmp(values, word, len) == 0)
			return true;
		if (*end == '\0')
			return false;
	}
}

static char *
text_of(plist_t node)
{
	char *text = NULL, *copy;
	uint64_t n = 0;

	if (plist_get_node_type(node) == PLIST_UINT) {
		plist_get_uint_val(node, &n);
		return xasprintf("%llu", (unsigned long long)n);
	}
	if (plist_get_node_type(node) != PLIST_STRING)
		return NULL;
	plist_get_string_val(node, &text);
	copy = xstrdup(text ? text : "");
	free(text);
	return copy;
}

/* The one value that tells alternatives apart is a required text like Item. */
static bool
discriminates(const struct schema_node *n)
{
	return n->required && n->type == SCHEMA_STRING && *n->values && !strchr(n->values, '|');
}

static bool
alternative_fits(const struct schema_node *alternative, plist_t element)
{
	size_t i;

	for (i = 0; i < alternative->count; i++) {
		const struct schema_node *n = &alternative->children[i];
		plist_t value;
		char *text;
		bool same;

		if (!discriminates(n))
			continue;
		value = plist_get_node_type(element) == PLIST_DICT
				? plist_dict_get_item(element, n->key)
				: NULL;
		text = value ? text_of(value) : NULL;
		same = text && strcmp(text, n->values) == 0;
		free(text);
		if (!same)
			return false;
	}
	return true;
}

const struct schema_node *
schema_element(const struct schema_node *array, plist_t element)
{
	size_t i;

	if (array->count == 1)
		return &array->children[0];
	for (i = 0; i < array->count; i++)
		if (alternative_fits(&array->children[i], element))
			return &array->children[i];
	return NULL;
}

const struct schema_node *
schema_element_for(const struct schema_node *array, plist_t element, const char *key)
{
	size_t i;

	for (i = 0; i < array->count; i++)
		if (alternative_fits(&array->children[i], element) &&
			schema_child(&array->children[i], key))
			return &array->children[i];
	for (i = 0; i < array->count; i++)
		if (schema_child(&array->children[i], key))
			return &array->children[i];
	return array->count == 1 ? &array->children[0] : NULL;
}

/* ---- checking ---- */

void
schema_note(struct schema_notes *n, char *sentence)
{
	size_t i;

	for (i = 0; i < n->count; i++)
		if (strcmp(n->items[i], sentence) == 0)
			break;
	if (i < n->count || n->count == SCHEMA_NOTES_MAX) {
		free(sentence);
		return;
	}
	n->items = xrealloc(n->items, (n->count + 1) * sizeof(char *));
	n->items[n->count++] = sentence;
}

void
schema_notes_free(struct schema_notes *n)
{
	size_t i;

	for (i = 0; i < n->count; i++)
		free(n->items[i]);
	free(n->items);
	memset(n, 0, sizeof(*n));
}

char *
schema_notes_join(const struct schema_notes *n)
{
	struct buf all = BUF_INIT;
	size_t i;

	for (i = 0; i < n->count; i++) {
		if (i)
			buf_add_str(&all, "; ");
		buf_add_str(&all, n->items[i]);
	}
	return buf_steal_str(&all);
}

struct check {
	const struct schema *schema;
	struct schema_notes *faults, *warnings;
};

static bool
type_fits(enum schema_type t, plist_t value)
{
	plist_type p = plist_get_node_type(value);

	switch (t) {
	case SCHEMA_ANY:
		return true;
	case SCHEMA_STRING:
		return p == PLIST_STRING;
	case SCHEMA_BOOLEAN:
		return p == PLIST_BOOLEAN;
	case SCHEMA_INTEGER:
		return p == PLIST_UINT;
	case SCHEMA_REAL:
		return p == PLIST_REAL || p == PLIST_UINT;
	case SCHEMA_DATA:
		return p == PLIST_DATA;
	case SCHEMA_DATE:
		return p == PLIST_DATE;
	case SCHEMA_ARRAY:
		return p == PLIST_ARRAY;
	case SCHEMA_DICT:
		return p == PLIST_DICT;
	default:
		return false;
	}
}

static void
check_values(struct check *k, const struct schema_node *n, plist_t value, const char *path)
{
	char *text = *n->values ? text_of(value) : NULL;
	double number = 0;
	uint64_t whole = 0;

	if (text && !listed(n->values, text))
		schema_note(k->faults,
			xasprintf("%s is one of %s, and not '%s'", path, n->values, text));
	/* Texts with children are lists that grow from year to year (DeviceInformation's Queries).
	 */
	free(text);
	text = n->type == SCHEMA_STRING && n->count ? text_of(value) : NULL;
	if (text && !schema_child(n, text))
		schema_note(k->warnings, xasprintf("%s: the schema of %s does not know '%s'", path,
						 schema_date(k->schema), text));
	free(text);
	if (!n->has_range)
		return;
	if (plist_get_node_type(value) == PLIST_REAL) {
		plist_get_real_val(value, &number);
	} else if (plist_get_node_type(value) == PLIST_UINT) {
		plist_get_uint_val(value, &whole);
		number = (double)whole;
	}
	if (number < n->min || number > n->max)
		schema_note(k->faults, xasprintf("%s is between %g and %g", path, n->min, n->max));
}

static void check_node(
	struct check *k, const struct schema_node *n, plist_t value, const char *path);

static void
check_array(struct check *k, const struct schema_node *n, plist_t value, const char *path)
{
	uint32_t i, count = plist_array_get_size(value);

	for (i = 0; i < count && n->count; i++) {
		plist_t element = plist_array_get_item(value, i);
		const struct schema_node *which = schema_element(n, element);
		char *inner = xasprintf("%s[%u]", path, (unsigned)i);

		if (which)
			check_node(k, which, element, inner);
		else
			schema_note(k->warnings, xasprintf("%s is none that the schema of %s knows",
							 inner, schema_date(k->schema)));
		free(inner);
	}
}

/* A key that no system has any more may be "required" all the same. */
static bool
wanted(const struct schema_node *n)
{
	size_t i;

	if (!n->required || strcmp(n->key, "*") == 0 || n->type == SCHEMA_NONE)
		return false;
	for (i = 0; i < OS_COUNT; i++)
		if (!n->since[i] || strcmp(n->since[i], "n/a") != 0)
			return true;
	return false;
}

static void
check_dict(struct check *k, const struct schema_node *n, plist_t value, const char *path)
{
	const char *dot = *path ? "." : "";
	plist_dict_iter it = NULL;
	const struct schema_node *child;
	plist_t inner;
	char *key, *where;
	size_t i;

	for (i = 0; i < n->count; i++)
		if (wanted(&n->children[i]) && !plist_dict_get_item(value, n->children[i].key))
			schema_note(k->faults,
				xasprintf("%s%s%s is missing", path, dot, n->children[i].key));
	plist_dict_new_iter(value, &it);
	for (plist_dict_next_item(value, it, &key, &inner); key;
		plist_dict_next_item(value, it, &key, &inner)) {
		child = schema_child(n, key);
		where = xasprintf("%s%s%s", path, dot, key);
		if (child)
			check_node(k, child, inner, where);
		else if (*path || strcmp(key, "RequestType") != 0)
			schema_note(k->warnings, xasprintf("%s is not in the schema of %s", where,
							 schema_date(k->schema)));
		free(where);
		free(key);
	}
	free(it);
}

static void
check_node(struct check *k, const struct schema_node *n, plist_t value, const char *path)
{
	if (!type_fits(n->type, value)) {
		schema_note(k->faults, xasprintf("%s takes %s", path, schema_type_words(n->type)));
		return;
	}
	if (n->type == SCHEMA_ARRAY)
		check_array(k, n, value, path);
	else if (n->type == SCHEMA_DICT && (n->count || !*path))
		check_dict(k, n, value, path);
	else if (n->type != SCHEMA_DICT)
		check_values(k, n, value, path);
}

void
schema_check(const struct schema *s, const struct schema_command *c, plist_t command,
	struct schema_notes *faults, struct schema_notes *warnings)
{
	struct check k = { s, faults, warnings };

	check_node(&k, &c->request, command, "");
}

/* ---- whom it fits ---- */

enum schema_os
schema_os_of(const struct device_facts *f)
{
	static const struct {
		const char *part;
		enum schema_os os;
	} parts[] = { { "iPhone", OS_IOS }, { "iPad", OS_IOS }, { "iPod", OS_IOS },
		{ "Mac", OS_MACOS }, { "AppleTV", OS_TVOS }, { "Apple TV", OS_TVOS },
		{ "RealityDevice", OS_VISIONOS }, { "Vision", OS_VISIONOS },
		{ "Watch", OS_WATCHOS } };
	const char *const names[] = { f->product, f->model_name, f->model };
	size_t i, j;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		for (j = 0; names[i] && j < sizeof(parts) / sizeof(parts[0]); j++)
			if (strstr(names[i], parts[j].part))
				return parts[j].os;
	return OS_UNKNOWN;
}

static int
compare_versions(const char *a, const char *b)
{
	char *enda, *endb;

	for (;;) {
		long x = strtol(a, &enda, 10), y = strtol(b, &endb, 10);

		if (x != y)
			return x < y ? -1 : 1;
		if (*enda != '.' && *endb != '.')
			return 0;
		a = *enda == '.' ? enda + 1 : enda;
		b = *endb == '.' ? endb + 1 : endb;
	}
}

static void
check_channel(const struct schema_command *c, const struct enrollment *e, enum schema_os os,
	struct schema_notes *w)
{
	const struct schema_fit *f = &c->fit;
	bool user = channel_is_user(e->channel);

	if ((e->channel == CHANNEL_USER_ENROLLMENT || e->channel == CHANNEL_USER_ENROLLMENT_USER) &&
		f->no_user_enrollment[os])
		schema_note(w, xasprintf("%s is not carried out in a user enrollment", c->name));
	if (os != OS_MACOS || (!f->device_channel && !f->user_channel))
		return;
	if (user && !f->user_channel)
		schema_note(w, xasprintf("%s is for the device, not for a user channel", c->name));
	if (!user && !f->device_channel)
		schema_note(w, xasprintf("%s is for a user channel, not for the device", c->name));
}

/* A user channel has no facts of its own: `e` has those of its device then. */
void
schema_check_fit(
	const struct schema_command *c, const struct enrollment *e, struct schema_notes *warnings)
{
	enum schema_os os = schema_os_of(&e->facts);
	const struct schema_fit *f = &c->fit;

	if (!c->has_fit || os == OS_UNKNOWN)
		return;
	if (strcmp(f->since[os], "n/a") == 0) {
		schema_note(
			warnings, xasprintf("there is no %s on %s", c->name, schema_os_name(os)));
		return;
	}
	if (e->facts.os_version && compare_versions(e->facts.os_version, f->since[os]) < 0)
		schema_note(
			warnings, xasprintf("%s needs %s %s; the device has %s", c->name,
					  schema_os_name(os), f->since[os], e->facts.os_version));
	/* Whether it is supervised is learnt with the first DeviceInformation. */
	if (f->supervised[os] && !e->supervised)
		schema_note(warnings,
			xasprintf(
				"%s works on supervised devices only; this one is not known to be",
				c->name));
	check_channel(c, e, os, warnings);
}
