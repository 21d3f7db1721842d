/* conf.c - the life of a snapshot, and what differs between two */
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "conf/keys.h"

/* The worker threads hold snapshots too, so the count is atomic. */
struct conf *
conf_ref(struct conf *c)
{
	__atomic_add_fetch(&c->refs, 1, __ATOMIC_RELAXED);
	return c;
}

void
conf_unref(struct conf *c)
{
	if (!c || __atomic_sub_fetch(&c->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	keys_drop(&keys_all, c);
	free(c->file);
	free(c->server_name_file);
	free(c);
}

char *
conf_server_host(const struct conf *c)
{
	size_t len = syntax_host_length(c->server_name);

	/* names in certificates and addresses for sockets have no brackets */
	if (len >= 2 && c->server_name[0] == '[')
		return xstrndup(c->server_name + 1, len - 2);
	return xstrndup(c->server_name, len);
}

static size_t
list_changes(const struct conf *old, const struct conf *new, bool restart_only, struct buf *out)
{
	const struct key *key;
	size_t count = 0, i;

	for (i = 0; i < keys_all.count; i++) {
		key = &keys_all.rows[i];
		if ((restart_only && key->info.reloadable) || kind_equal(key, old, new))
			continue;
		buf_printf(out, "%s%s", count++ ? ", " : "", key->info.name);
	}
	return count;
}

size_t
conf_changes(const struct conf *old, const struct conf *new, struct buf *out)
{
	return list_changes(old, new, false, out);
}

size_t
conf_needs_restart(const struct conf *old, const struct conf *new, struct buf *out)
{
	return list_changes(old, new, true, out);
}
