/* format.c - a snapshot as one file */
#include <string.h>

#include "conf/keys.h"

static const char heading[] =
	"# The last configuration that had no fault, as cordond wrote it.\n"
	"# It is read while the files in the configuration directory are faulty; edit those.\n";

/* Length of the group in a dotted name, 0 at the top. */
static size_t
group_length(const char *name)
{
	const char *dot = strchr(name, '.');

	return dot ? (size_t)(dot - name) : 0;
}

struct writer {
	struct buf *out;
	struct bytes group; /* that is open */
};

static void
enter(struct writer *w, struct bytes group)
{
	if (bytes_eq(w->group, group))
		return;
	if (w->group.len > 0)
		buf_add_str(w->out, "};\n");
	if (group.len > 0) {
		buf_add_bytes(w->out, group);
		buf_add_str(w->out, ": {\n");
	}
	w->group = group;
}

void
conf_format(const struct conf *c, struct buf *out)
{
	struct writer w = { out, { NULL, 0 } };
	struct buf value = BUF_INIT;
	const char *name;
	size_t len, i;

	buf_add_str(out, heading);
	/* the table keeps the keys of a group together */
	for (i = 0; i < keys_all.count; i++) {
		name = keys_all.rows[i].info.name;
		len = group_length(name);
		buf_reset(&value);
		if (!kind_write(&keys_all.rows[i], c, &value))
			continue;
		enter(&w, bytes_of(name, len));
		buf_printf(out, "%s%s = %s;\n", len ? "\t" : "", name + (len ? len + 1 : 0),
			buf_str(&value));
	}
	enter(&w, bytes_of(NULL, 0));
	buf_free(&value);
}
