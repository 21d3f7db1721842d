/* fields.c - what `show` prints: labelled fields for people, the same as JSON for programs */
#include "fields.h"

#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "ctl/table.h"

#define LABEL_WIDTH 16

static void
add_json_string(struct buf *out, const char *text)
{
	struct buf clean = BUF_INIT;

	utf8_repair(&clean, bytes_str(text));
	buf_add_char(out, '"');
	for (size_t i = 0; i < clean.len; i++) {
		unsigned char c = clean.data[i];

		if (c == '"' || c == '\\')
			buf_add_char(out, '\\');
		if (c < 0x20)
			buf_printf(out, "\\u%04x", c);
		else
			buf_add_char(out, (char)c);
	}
	buf_add_char(out, '"');
	buf_free(&clean);
}

static void
begin_value(struct fields *f, const char *key)
{
	if (f->started)
		buf_add_char(&f->out, ',');
	if (f->depth > 0)
		buf_printf(&f->out, "\n%*s", (int)(2 * f->depth), "");
	f->started = true;
	if (key) {
		add_json_string(&f->out, key);
		buf_add_str(&f->out, ": ");
	}
}

void
fields_open(struct fields *f, const char *key, char bracket, const char *title)
{
	if (f->json) {
		begin_value(f, key);
		buf_add_char(&f->out, bracket);
		f->depth++;
		f->started = false;
	} else if (title) {
		buf_printf(&f->out, "%s%s%s%s\n", f->out.len ? "\n" : "", terminal_bold(), title,
			terminal_plain());
	}
}

void
fields_close(struct fields *f, char bracket)
{
	if (!f->json)
		return;
	f->depth--;
	if (f->started)
		buf_printf(&f->out, "\n%*s", (int)(2 * f->depth), "");
	buf_add_char(&f->out, bracket);
	f->started = true;
}

static void
add_row(struct fields *f, const char *label, const char *text)
{
	if (!label || !text)
		return;
	buf_printf(&f->out, "  %-*s ", LABEL_WIDTH, label);
	encode_visible(&f->out, bytes_str(text));
	buf_add_char(&f->out, '\n');
}

void
fields_text(struct fields *f, const char *key, const char *label, const char *text)
{
	if (!f->json) {
		add_row(f, label, text);
		return;
	}
	if (!text) {
		fields_null(f, key);
		return;
	}
	begin_value(f, key);
	add_json_string(&f->out, text);
}

void
fields_number(struct fields *f, const char *key, const char *label, int64_t n, const char *text)
{
	if (!f->json) {
		add_row(f, label, text);
		return;
	}
	begin_value(f, key);
	buf_printf(&f->out, "%lld", (long long)n);
}

void
fields_bool(struct fields *f, const char *key, const char *label, bool b, const char *text)
{
	if (!f->json) {
		add_row(f, label, text);
		return;
	}
	begin_value(f, key);
	buf_add_str(&f->out, b ? "true" : "false");
}

void
fields_null(struct fields *f, const char *key)
{
	if (!f->json)
		return;
	begin_value(f, key);
	buf_add_str(&f->out, "null");
}

void
fields_line(struct fields *f, const char *line)
{
	if (f->json)
		return;
	buf_add_str(&f->out, "  ");
	encode_visible(&f->out, bytes_str(line));
	buf_add_char(&f->out, '\n');
}

void
fields_print(struct fields *f)
{
	if (f->json)
		buf_add_char(&f->out, '\n');
	fputs(buf_str(&f->out), stdout);
	buf_free(&f->out);
}
