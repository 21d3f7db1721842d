/* silence.c - what an ask and an answer mean for a device's silence */
#include "mdm/silence.h"

#include "mdm/service.h"

static bool
was_heard(const struct mdm *m, const char *id)
{
	const struct roster_line *line = roster_find(m->roster, id);

	return line && line->heard;
}

void
silence_sending(struct mdm *m, const struct enrollment *e, struct silence_ask *ask)
{
	ask->sent = service_ahead(m, e->topic);
	ask->token_time = e->token_time;
	ask->heard_before = was_heard(m, e->id);
	roster_set_heard(m->roster, e->id, false);
}

bool
silence_reset(struct enrollment *e)
{
	bool changed = e->unanswered_since != 0 || e->unanswered != 0;

	e->unanswered_since = 0;
	e->unanswered = 0;
	return changed;
}

void
silence_asked(struct mdm *m, struct enrollment *e, const struct silence_ask *ask)
{
	/* A new token is an answer too, and its topic's clock may be another one. */
	bool answered = was_heard(m, e->id) || e->token_time != ask->token_time;

	if (answered || ask->heard_before)
		silence_reset(e);
	if (answered)
		return;
	e->unanswered++;
	if (!channel_is_user(e->channel) && !e->paused_since && e->unanswered_since == 0)
		e->unanswered_since = ask->sent;
}

void
silence_not_asked(struct mdm *m, const char *id, const struct silence_ask *ask)
{
	if (ask->heard_before)
		roster_set_heard(m->roster, id, true);
}

void
silence_seen(struct mdm *m, const char *id)
{
	roster_seen(m->roster, id, mdm_now(m));
	service_served(m);
}
