/* fault.c - faults of a configuration, collected */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/encode.h"
#include "base/mem.h"
#include "conf/fault.h"

__attribute__((format(printf, 6, 0))) static void
add(struct conf_faults *f, const char *file, unsigned line, const char *key, bool warning,
	const char *fmt, va_list ap)
{
	struct buf clean = BUF_INIT;
	char *text;

	if (vasprintf(&text, fmt, ap) < 0)
		text = xstrdup("a fault that could not be described");
	/* it may quote what stands in the file */
	encode_visible(&clean, bytes_str(text));
	free(text);
	if (f->count == f->cap) {
		f->cap = f->cap ? 2 * f->cap : 8;
		f->items = xrealloc(f->items, f->cap * sizeof(*f->items));
	}
	f->items[f->count++] = (struct conf_fault){
		.file = xstrdup(file),
		.line = line,
		.key = xstrdup(key ? key : ""),
		.text = buf_steal_str(&clean),
		.warning = warning,
	};
}

void
fault_add(struct conf_faults *f, const char *file, unsigned line, const char *key, const char *fmt,
	...)
{
	va_list ap;

	va_start(ap, fmt);
	add(f, file, line, key, false, fmt, ap);
	va_end(ap);
}

void
fault_warn(struct conf_faults *f, const char *file, unsigned line, const char *key, const char *fmt,
	...)
{
	va_list ap;

	va_start(ap, fmt);
	add(f, file, line, key, true, fmt, ap);
	va_end(ap);
}

void
conf_faults_free(struct conf_faults *f)
{
	size_t i;

	for (i = 0; i < f->count; i++) {
		free(f->items[i].file);
		free(f->items[i].key);
		free(f->items[i].text);
	}
	free(f->items);
	*f = (struct conf_faults){ 0 };
}

bool
conf_faults_fatal(const struct conf_faults *f)
{
	size_t i;

	for (i = 0; i < f->count; i++)
		if (!f->items[i].warning)
			return true;
	return false;
}

void
conf_fault_format(const struct conf_fault *f, struct buf *out)
{
	encode_visible(out, bytes_str(f->file));
	if (f->line > 0)
		buf_printf(out, ":%u", f->line);
	buf_add_str(out, ": ");
	if (f->key[0]) {
		encode_visible(out, bytes_str(f->key));
		buf_add_str(out, ": ");
	}
	if (f->warning)
		buf_add_str(out, "warning: ");
	buf_add_str(out, f->text);
}
