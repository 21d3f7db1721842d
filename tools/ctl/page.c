/* page.c - a JSON object as a page for people */
#include "ctl/page.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "ctl/table.h"
#include "ctl/wrap.h"

#define KEY_MAX 32    /* columns for names; a longer one pushes its value */
#define STEP 2	      /* columns for each level */
#define REAL_DIGITS 6 /* of a number such as a battery's level */

/* Where a line begins; the first one of a list's item has a dash. */
struct place {
	unsigned indent;
	bool dash;
};

static void print_members(const json_t *object, struct place *p);

static bool
is_empty(const json_t *v)
{
	return json_is_null(v) || (json_is_string(v) && json_string_length(v) == 0) ||
	       (json_is_array(v) && json_array_size(v) == 0) ||
	       (json_is_object(v) && json_object_size(v) == 0);
}

static void
add_single(struct buf *out, const json_t *v)
{
	char *text;

	if (json_is_string(v)) {
		encode_visible(out, bytes_of(json_string_value(v), json_string_length(v)));
	} else if (json_is_boolean(v)) {
		buf_add_str(out, json_is_true(v) ? "yes" : "no");
	} else {
		text = json_dumps(v, JSON_ENCODE_ANY | JSON_REAL_PRECISION(REAL_DIGITS));
		buf_add_str(out, text ? text : "");
		free(text);
	}
}

/* A single value, or a list of such, as text.  False: it holds more. */
static bool
as_text(struct buf *out, const json_t *v)
{
	const json_t *item;
	size_t i;

	if (json_is_object(v))
		return false;
	json_array_foreach(v, i, item)
	{
		if (json_is_object(item) || json_is_array(item))
			return false;
	}
	json_array_foreach(v, i, item)
	{
		buf_add_str(out, i ? ", " : "");
		add_single(out, item);
	}
	if (!json_is_array(v))
		add_single(out, v);
	return true;
}

static const char *
lead(struct place *p)
{
	bool dash = p->dash;

	p->dash = false;
	return dash ? "- " : "";
}

static void
print_text(struct place *p, int width, const char *key, const char *text)
{
	const char *dash = lead(p);

	wrap_line(p->indent + 2 * STEP, "%*s%s%-*s  %s", (int)(p->indent - strlen(dash)), "", dash,
		width, key, text);
}

static void
print_items(const json_t *list, unsigned indent)
{
	const json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
	{
		struct place p = { indent + STEP, true };
		struct buf text = BUF_INIT;

		if (json_is_object(item))
			print_members(item, &p);
		else if (as_text(&text, item))
			wrap_line(p.indent, "%*s- %s", (int)indent, "", buf_str(&text));
		else
			print_items(item, p.indent);
		buf_free(&text);
	}
}

static void
print_nested(struct place *p, const char *key, const json_t *v)
{
	const char *dash = lead(p);
	struct place inner = { p->indent + STEP, false };

	printf("%*s%s%s%s%s\n", (int)(p->indent - strlen(dash)), "", dash, terminal_bold(), key,
		terminal_plain());
	if (json_is_object(v))
		print_members(v, &inner);
	else
		print_items(v, inner.indent);
}

static void
each_member(const json_t *object, struct place *p, bool nested, int width)
{
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)(uintptr_t)object, key, v)
	{
		struct buf name = BUF_INIT, text = BUF_INIT;

		encode_visible(&name, bytes_str(key));
		if (is_empty(v))
			;
		else if (!as_text(&text, v) && nested)
			print_nested(p, buf_str(&name), v);
		else if (text.len && !nested)
			print_text(p, width, buf_str(&name), buf_str(&text));
		buf_free(&name);
		buf_free(&text);
	}
}

/* As wide as the longest name of a single value. */
static int
key_width(const json_t *object)
{
	size_t width = 0, len;
	const char *key;
	json_t *v;

	json_object_foreach((json_t *)(uintptr_t)object, key, v)
	{
		len = strlen(key);
		if (!json_is_object(v) && !is_empty(v) && len > width && len <= KEY_MAX)
			width = len;
	}
	return (int)width;
}

static void
print_members(const json_t *object, struct place *p)
{
	each_member(object, p, false, key_width(object));
	each_member(object, p, true, 0);
}

void
page_print(const json_t *object)
{
	struct place p = { 0, false };

	print_members(object, &p);
}
