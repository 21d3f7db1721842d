/* run.c - a device that lives: enrolls, waits for wake-ups or polls */
#include "run.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "enroll.h"
#include "session.h"
#include "step.h"
#include "stop.h"
#include "waker.h"

#define POLL_STEP 100 /* milliseconds between looks at the clock and for a signal */

/* Whether a push is for this device; a wrong magic is ignored, as devices do. */
static bool
is_mine(const struct device *d, const struct wake *w)
{
	char *token = util_hex(d->token.data, d->token.len);
	bool mine = strcasecmp(token, w->token) == 0, right = false;

	free(token);
	if (mine && d->magic != NULL)
		right = strcmp(d->magic, w->magic) == 0;
	if (mine)
		step_print(d->udid, right ? "woken" : "wake-ignored", NULL);
	return right;
}

/* Wait for a reason to connect.  false: time is up. */
static bool
wait_for_reason(const struct device *d, int waker, bool again_soon, double end)
{
	double poll_at = d->o->poll_every > 0 ? util_now() + d->o->poll_every / 1000.0 : end;
	struct wake w;

	if (again_soon && d->o->poll_every <= 0)
		poll_at = util_now() + 1; /* NotNow was the last word: the device comes by itself */
	while (!stop_asked() && util_now() < end) {
		if (util_now() >= poll_at)
			return true;
		if (waker < 0)
			stop_sleep(POLL_STEP / 1000.0 < poll_at - util_now()
					   ? POLL_STEP / 1000.0
					   : poll_at - util_now());
		else if (waker_wait(waker, POLL_STEP, &w) == 1 && is_mine(d, &w))
			return true;
	}
	return false;
}

static enum outcome
live(struct device *d, int waker)
{
	double end = d->o->seconds > 0 ? util_now() + d->o->seconds : 1e18;
	struct session_result r = { 0, false };
	int answered = 0, left = d->o->commands;
	enum outcome o = OUTCOME_OK;

	if (d->state != DEVICE_ENROLLED)
		o = enroll_by_link(d);
	if (o != OUTCOME_OK)
		return o;
	do {
		o = session_run(d, false, left < 0 ? -1 : left - answered, &r);
		answered += r.commands;
		if (o == OUTCOME_REFUSED || o == OUTCOME_UNREACHABLE || o == OUTCOME_MALFORMED)
			step_print(d->udid, "later",
				json_pack(
					"{s:s, s:s}", "outcome", outcome_words(o), "why", d->why));
		device_hang_up(d);
		if (d->state != DEVICE_ENROLLED)
			return o;
		if (left >= 0 && answered >= left)
			return o;
	} while (wait_for_reason(d, waker, r.not_now_last, end));
	if (left >= 0 && !stop_asked())
		return device_fault(d, OUTCOME_UNFINISHED,
			"%d of %d commands were answered in time", answered, left);
	return OUTCOME_OK;
}

enum outcome
run_device(struct device *d)
{
	const char *path = d->o->wake;
	int waker = path != NULL ? waker_open(path) : -1;
	enum outcome o;

	if (path != NULL && waker < 0)
		return device_fault(d, OUTCOME_LOCAL, "%s: %s", path, strerror(-waker));
	o = live(d, waker);
	waker_close(waker, path);
	return o;
}
