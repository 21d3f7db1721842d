/* guard.c - changes that would cut off enrolled devices wait for a person's word */
#include "guard.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "conf/fault.h"

/* Where the list has it, or its count. */
static size_t
refused_at(const struct guard *r, const unsigned char sha256[SHA256_LEN])
{
	size_t i = 0;

	while (i < r->count && memcmp(r->certs[i], sha256, SHA256_LEN) != 0)
		i++;
	return i;
}

static void
forget(struct guard *r, size_t i)
{
	memmove(r->certs[i], r->certs[i + 1], (r->count - i - 1) * sizeof(*r->certs));
	r->count--;
}

bool
guard_push(struct graph *g, const struct certpair *p, bool *again)
{
	struct guard *r = &g->guard;
	size_t at = refused_at(r, p->sha256);

	*again = false;
	if (mdm_topic_allowed(&g->admin.mdm, p->topic)) {
		*again = at < r->count;
		if (*again)
			forget(r, at);
		return true;
	}
	if (at < r->count)
		return false;
	r->certs = xrealloc(r->certs, (r->count + 1) * sizeof(*r->certs));
	memcpy(r->certs[r->count++], p->sha256, SHA256_LEN);
	log_event(EV_TOPIC_REFUSED, FIELDS(F_FILE(p->cert_file), F_TOPIC(p->topic)),
		"%s: this push certificate is refused: its topic %s was never this server's, and "
		"%zu "
		"devices are enrolled under another, which no device can change. Renew the "
		"certificate of their topic instead; if the new topic is meant, say cordonctl "
		"accept-topic %s",
		p->cert_file, p->topic, mdm_topic_others(&g->admin.mdm, p->topic), p->topic);
	return false;
}

static bool
is_there(const struct certdir *d, const unsigned char sha256[SHA256_LEN])
{
	for (size_t i = 0; i < d->push_count; i++)
		if (memcmp(d->push[i].sha256, sha256, SHA256_LEN) == 0)
			return true;
	return false;
}

void
guard_push_sweep(struct graph *g, const struct certdir *now)
{
	struct guard *r = &g->guard;

	for (size_t i = r->count; i-- > 0;)
		if (!is_there(now, r->certs[i]))
			forget(r, i);
}

bool
guard_server_name(struct graph *g, const struct conf *c, struct conf_faults *faults)
{
	struct admin *a = &g->admin;
	const char *file = c->server_name_file ? c->server_name_file : c->file;

	if (mdm_server_name_allowed(&a->mdm, c->server_name)) {
		free(a->refused_name);
		a->refused_name = NULL;
		return true;
	}
	/* The count is the one of the first look, so that the journal has the fault once. */
	if (!a->refused_name || strcmp(a->refused_name, c->server_name) != 0) {
		free(a->refused_name);
		a->refused_name = xstrdup(c->server_name);
		a->refused_name_devices = mdm_devices(&a->mdm);
	}
	fault_add(faults, file, c->server_name_line, "server-name",
		"\"%s\" is refused: %zu devices are enrolled under another name, and their "
		"profiles cannot be changed to it. Put the old name back; if the new one is meant "
		"for new devices, say cordonctl accept-server-name %s",
		c->server_name, a->refused_name_devices, c->server_name);
	return false;
}

void
guard_free(struct graph *g)
{
	free(g->guard.certs);
	free(g->admin.refused_name);
}
