/* send_help.c - cordonctl send --help TYPE: what the keys of a command mean */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "ctl/client.h"
#include "ctl/send.h"
#include "ctl/table.h"
#include "ctl/verbs.h"
#include "ctl/wrap.h"

static void
print_fits(const json_t *fits)
{
	const char *os;
	json_t *one;

	json_object_foreach((json_t *)(uintptr_t)fits, os, one)
	{
		printf("  %s %s%s%s%s\n", os, member(one, "since"),
			member_true(one, "supervised") ? ", supervised devices only" : "",
			member_true(one, "automated") ? ", automated enrollment only" : "",
			member_true(one, "user_enrollment") ? "" : ", not in a user enrollment");
	}
}

static char *
since_words(const json_t *since)
{
	struct buf text = BUF_INIT;
	const char *os;
	json_t *version;

	json_object_foreach((json_t *)(uintptr_t)since, os, version)
	{
		buf_printf(&text, "%s%s %s", text.len ? ", " : "", os, json_string_value(version));
	}
	return buf_steal_str(&text);
}

static void
print_keys(const json_t *keys)
{
	static const char *const titles[] = { "KEY", "TYPE", "", "VALUES", "DEFAULT", "SINCE",
		NULL };
	struct text_table *t = text_table_new(titles);
	const json_t *k;
	size_t i;

	json_array_foreach(keys, i, k)
	{
		char *since = since_words(json_object_get(k, "since"));

		text_table_add(t, (const char *const[]){ member(k, "key"), member(k, "type"),
					  member_true(k, "required") ? "required" : "",
					  member(k, "values"), member(k, "default"), since });
		free(since);
	}
	text_table_print(t);
	text_table_free(t);
}

/* As one would type it. */
static void
print_example(const json_t *c)
{
	const json_t *word;
	size_t i;

	printf("For example: cordonctl send ID %s", member(c, "name"));
	json_array_foreach(json_object_get(c, "example"), i, word)
	{
		const char *text = json_string_value(word);
		bool quote = strpbrk(text, " {}[]\"$&;|<>*?()") != NULL;

		printf(" %s%s%s", quote ? "'" : "", text, quote ? "'" : "");
	}
	putchar('\n');
}

static int
look_up(const char *type, json_t **ret)
{
	struct buf path = BUF_INIT;
	int code;

	if (!client_there())
		return send_table(type, ret);
	buf_add_str(&path, "/v1/commands");
	client_add_segment(&path, type);
	code = verdict(client_get(buf_str(&path), ret), ret);
	buf_free(&path);
	return code;
}

static void
print_help(const json_t *c)
{
	printf("%s%s%s, by Apple's schema of %s (%s)\n", terminal_bold(), member(c, "name"),
		terminal_plain(), member(c, "schema_date"), member(c, "schema_release"));
	print_fits(json_object_get(c, "fits"));
	putchar('\n');
	if (json_array_size(json_object_get(c, "keys")))
		print_keys(json_object_get(c, "keys"));
	else
		puts("It takes no keys.");
	putchar('\n');
	if (json_object_get(c, "example"))
		print_example(c);
	wrap_line(0, "Inner keys are written KEY.INNER=value or KEY[0].INNER=value, or as JSON; "
		     "KEY=@FILE takes a file.");
}

int
send_explain(const char *type)
{
	json_t *c = NULL;
	int code = look_up(type, &c);

	if (code == EXIT_FINE && verbs_json)
		print_json(c);
	else if (code == EXIT_FINE)
		print_help(c);
	json_decref(c);
	return code;
}
