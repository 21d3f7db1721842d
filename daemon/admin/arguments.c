/* arguments.c - a command as the control API takes it, and the table of commands */
#include "admin/arguments.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "admin/answer.h"
#include "base/encode.h"
#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "mdm/command_help.h"

#define WORDS_MAX 256u

struct arguments {
	struct command_word words[WORDS_MAX];
	struct buf contents[WORDS_MAX];
	size_t count;
};

static bool
read_one(struct arguments *list, const json_t *item)
{
	const char *content = json_string_value(json_object_get(item, "content"));
	struct command_word *w = &list->words[list->count];
	struct buf *raw = &list->contents[list->count];

	if (json_is_string(item)) {
		w->text = json_string_value(item);
	} else {
		w->text = json_string_value(json_object_get(item, "key"));
		if (!w->text || !content || decode_base64(raw, bytes_str(content)) < 0)
			return false;
		buf_str(raw); /* data is there even when the file is empty */
		w->content = buf_bytes(raw);
	}
	list->count++;
	return true;
}

static bool
read_all(struct arguments *list, const json_t *items)
{
	const json_t *item;
	size_t i;

	if ((items && !json_is_array(items)) || json_array_size(items) > WORDS_MAX)
		return false;
	json_array_foreach(items, i, item)
	{
		if (!read_one(list, item))
			return false;
	}
	return true;
}

static void
arguments_free(struct arguments *list)
{
	size_t i;

	for (i = 0; i < WORDS_MAX; i++)
		buf_wipe(&list->contents[i]);
	free(list);
}

bool
arguments_command(struct admin *a, const json_t *body, struct command *ret,
	struct schema_notes *warnings, char **why)
{
	const char *type = json_string_value(json_object_get(body, "request_type"));
	struct arguments *list = xcalloc(1, sizeof(*list));
	const struct schema *s = a->mdm.schema;
	bool strict = json_is_true(json_object_get(body, "strict")), good = false;

	memset(ret, 0, sizeof(*ret));
	if (!type || !read_all(list, json_object_get(body, "arguments")))
		*why = xasprintf(
			"request_type, and at most %u arguments \"key=value\" or {\"key\", "
			"\"content\"}, are wanted",
			WORDS_MAX);
	else if (command_build(s, type, list->words, list->count, ret, why) == 0)
		good = command_check(s, ret, strict, warnings, why) == 0;
	arguments_free(list);
	return good;
}

void
arguments_warnings(json_t *body, const struct schema_notes *warnings)
{
	json_t *list;
	size_t i;

	if (warnings->count == 0)
		return;
	list = json_array();
	for (i = 0; i < warnings->count; i++)
		json_array_append_new(list, json_text(warnings->items[i]));
	json_object_set_new(body, "warnings", list);
}

/* ---- the table ---- */

static const char *
schema_path(void)
{
	static const char own[] = CORDON_SYSCONFDIR "/cordon/commands.tsv";
	const char *told = getenv("CORDON_SCHEMA");

	if (told && *told)
		return told;
	return file_exists(own) ? own : CORDON_DATADIR "/commands.tsv";
}

/* Path, size and times of the file as one text, to see whether it is another now. */
static char *
appearance(const char *path)
{
	struct stat st;

	if (stat(path, &st) < 0)
		return xasprintf("%s: %s", path, strerror(errno));
	return xasprintf("%s %llu %lld %lld.%09ld", path, (unsigned long long)st.st_ino,
		(long long)st.st_size, (long long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}

void
arguments_load_schema(struct admin *a)
{
	char *seen = appearance(schema_path()), *why = NULL;
	struct schema *s;

	if (a->schema_seen && strcmp(a->schema_seen, seen) == 0) {
		free(seen);
		return;
	}
	free(a->schema_seen);
	a->schema_seen = seen;
	s = schema_load(schema_path(), &why);
	free(a->schema_fault);
	a->schema_fault = why;
	if (!s) {
		log_error("The table of commands cannot be read: %s. Commands are %s", why,
			a->schema ? "checked by the one before" : "taken unchecked");
		return;
	}
	schema_free(a->schema);
	a->mdm.schema = a->schema = s;
	log_info("commands are checked by Apple's schema of %s (%s)", schema_date(s),
		schema_release(s));
}

void
arguments_free_schema(struct admin *a)
{
	a->mdm.schema = NULL;
	schema_free(a->schema);
	a->schema = NULL;
	free(a->schema_fault);
	free(a->schema_seen);
	a->schema_fault = a->schema_seen = NULL;
}

static json_t *
since_json(const char *const *since)
{
	json_t *j = json_object();
	size_t i;

	for (i = 0; i < OS_COUNT; i++)
		if (since[i] && strcmp(since[i], "n/a") != 0)
			json_object_set_new(
				j, schema_os_name((enum schema_os)i), json_text(since[i]));
	return j;
}

static void
add_keys(json_t *list, const struct schema_node *n, const char *prefix)
{
	size_t i;

	for (i = 0; i < n->count; i++) {
		const struct schema_node *c = &n->children[i];
		bool element = strcmp(c->key, "[]") == 0;
		char *path = xasprintf("%s%s%s", prefix, *prefix && !element ? "." : "", c->key);
		json_t *j = json_object();

		json_object_set_new(j, "key", json_text(path));
		json_object_set_new(j, "type", json_string(schema_type_name(c->type)));
		json_object_set_new(j, "required", json_boolean(c->required));
		json_object_set_new(j, "values", json_text(c->values));
		json_object_set_new(j, "default", json_text(c->standard));
		json_object_set_new(j, "since", since_json(c->since));
		json_array_append_new(list, j);
		add_keys(list, c, path);
		free(path);
	}
}

static json_t *
fit_json(const struct schema_fit *f)
{
	json_t *j = since_json(f->since), *one;
	size_t i;

	for (i = 0; i < OS_COUNT; i++) {
		if (strcmp(f->since[i], "n/a") == 0)
			continue;
		one = json_object();
		json_object_set_new(one, "since", json_text(f->since[i]));
		json_object_set_new(one, "supervised", json_boolean(f->supervised[i]));
		json_object_set_new(one, "automated", json_boolean(f->automated[i]));
		json_object_set_new(
			one, "user_enrollment", json_boolean(!f->no_user_enrollment[i]));
		json_object_set_new(j, schema_os_name((enum schema_os)i), one);
	}
	return j;
}

static json_t *
example_json(const struct schema_command *c)
{
	struct schema_notes words = { 0 };
	json_t *list = json_array();
	size_t i;

	command_help_example(c, false, &words);
	for (i = 0; i < words.count; i++)
		json_array_append_new(list, json_text(words.items[i]));
	schema_notes_free(&words);
	return list;
}

void
arguments_list_handle(struct http_request *r, void *ctx)
{
	const struct admin *a = ctx;
	json_t *body = json_object(), *list = json_array();
	size_t i;

	for (i = 0; i < schema_count(a->schema); i++)
		json_array_append_new(list, json_text(schema_at(a->schema, i)->name));
	json_object_set_new(
		body, "schema_date", a->schema ? json_text(schema_date(a->schema)) : json_null());
	json_object_set_new(body, "commands", list);
	answer_json(r, 200, body);
}

void
arguments_one_handle(struct http_request *r, void *ctx)
{
	const struct admin *a = ctx;
	const char *name = http_path(r) + strlen("/v1/commands/");
	const struct schema_command *c = schema_find(a->schema, name);
	json_t *body, *keys;

	if (!c) {
		answer_error(r, 404, "%s: %s", name,
			a->schema ? "the table of commands does not have it"
				  : "there is no table of commands");
		return;
	}
	body = json_object();
	keys = json_array();
	add_keys(keys, &c->request, "");
	json_object_set_new(body, "name", json_text(c->name));
	json_object_set_new(body, "schema_date", json_text(schema_date(a->schema)));
	json_object_set_new(body, "schema_release", json_text(schema_release(a->schema)));
	json_object_set_new(body, "fits", c->has_fit ? fit_json(&c->fit) : json_null());
	json_object_set_new(body, "keys", keys);
	json_object_set_new(body, "example", example_json(c));
	answer_json(r, 200, body);
}
