/* command_setup.c - a device that waits in its setup assistant is let go */
#include "mdm/command_setup.h"

#include "base/log.h"
#include "mdm/enqueue.h"
#include "mdm/push.h"

#include <stdlib.h>
#include <string.h>

static const char *
release_type(const struct enrollment *e)
{
	return channel_is_user(e->channel) ? "UserConfigured" : "DeviceConfigured";
}

void
command_setup_begin(struct mdm *m, const struct enrollment *e)
{
	if (e->awaiting_configuration && !m->conf->enrollment.hold_setup)
		pusher_ask_later(m, e->id, COMMAND_SETUP_WAIT);
}

static bool
waits(const struct queue *q, const char *type)
{
	size_t i;

	for (i = 0; i < q->count; i++)
		if (strcmp(q->entries[i].type, type) == 0)
			return true;
	return false;
}

int
command_setup_offer(struct mdm *m, const struct enrollment *e, struct queue *q)
{
	const struct enqueue_options o = { .no_push = true };
	struct command c;
	char *why = NULL;
	int rc;

	if (!e->awaiting_configuration || m->conf->enrollment.hold_setup ||
		waits(q, release_type(e)))
		return 0;
	if (q->count > 0 && mdm_now(m) - e->token_time < COMMAND_SETUP_WAIT)
		return 0;
	if (command_from_words(release_type(e), NULL, 0, &c, &why) < 0) {
		log_error("%s cannot be made: %s", release_type(e), why);
		free(why);
		return 0;
	}
	c.urgent = true;
	rc = enqueue_into(m, q, &c, &o);
	command_free(&c);
	return rc < 0 ? rc : 1;
}

bool
command_setup_answered(struct enrollment *e, const char *type)
{
	if (!e->awaiting_configuration || strcmp(type, release_type(e)) != 0)
		return false;
	e->awaiting_configuration = false;
	return true;
}
