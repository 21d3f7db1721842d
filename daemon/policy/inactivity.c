/* inactivity.c - when a device counts as silent */
#include "policy/inactivity.h"

#include "base/duration.h"

#include <string.h>

#define DAY INT64_C(86400)

const char *
standing_name(enum standing s)
{
	static const char *const names[STANDING_COUNT] = {
		[STANDING_NO] = "",
		[STANDING_STORE] = "store",
		[STANDING_PUSH] = "push",
		[STANDING_TLS] = "tls",
		[STANDING_UNHEARD] = "unheard",
	};

	return names[s];
}

void
service_clock_init(struct service_clock *c, int64_t seconds, int64_t resumed, bool outage)
{
	memset(c, 0, sizeof(*c));
	c->seconds = seconds > 0 ? seconds : 1;
	c->resumed = outage ? c->seconds : resumed;
	if (seconds <= 0)
		c->resumed = 0;
}

static enum standing
judge(const struct service_clock *c, const struct service_signs *s)
{
	if (!s->store_takes)
		return STANDING_STORE;
	if (!s->push_connected)
		return STANDING_PUSH;
	if (!s->tls_valid)
		return STANDING_TLS;
	return c->pending_ms > s->heard_ms ? STANDING_UNHEARD : STANDING_NO;
}

/* Time counts when our side was in order at both ends of it, over one and the same connection. */
static int64_t
counted_step(const struct service_clock *c, const struct service_signs *s, bool held)
{
	int64_t step = s->now_ms - c->last_ms;

	if (!held || !c->held || s->connection != c->last_connection || step < 0)
		return 0;
	return step <= INACTIVITY_STEP_MS ? step : 0;
}

static void
credit(struct service_clock *c)
{
	int64_t ms = c->rest_ms + c->pending_ms;

	c->seconds += ms / 1000;
	c->rest_ms = ms % 1000;
	c->pending_ms = 0;
}

/* A proof that is too long after the one before says nothing of the time between. */
static void
take_proof(struct service_clock *c, const struct service_signs *s)
{
	if (c->last_ms == 0 && s->proof_ms < s->now_ms) {
		c->last_proof_ms = s->now_ms; /* where the wait for the first one begins */
		return;
	}
	if (s->proof_ms <= c->last_proof_ms)
		return;
	if (c->last_proof_ms && s->proof_ms - c->last_proof_ms > s->heard_ms) {
		c->pending_ms = 0;
		c->resumed = c->seconds;
	}
	c->last_proof_ms = s->proof_ms;
	if (c->pending_ms <= s->heard_ms)
		credit(c);
	c->pending_ms = 0;
}

static void
note_standing(struct service_clock *c, enum standing now, int64_t step)
{
	if (now != STANDING_NO) {
		c->standing_ms = c->standing == STANDING_NO ? 0 : c->standing_ms + step;
	} else if (c->standing != STANDING_NO && c->standing_ms >= INACTIVITY_OUTAGE * 1000) {
		c->resumed = c->seconds;
	}
	c->standing = now;
}

bool
service_clock_tick(struct service_clock *c, const struct service_signs *s)
{
	enum standing before = c->standing, now;
	bool held = s->store_takes && s->push_connected && s->tls_valid;
	int64_t passed = c->last_ms ? s->now_ms - c->last_ms : 0;

	c->pending_ms += counted_step(c, s, held);
	if (c->pending_ms > s->heard_ms)
		c->pending_ms = s->heard_ms + 1;
	take_proof(c, s);
	/* An hour in which the process did not run is as good an outage as any other. */
	if (passed > INACTIVITY_OUTAGE * 1000)
		c->resumed = c->seconds;
	now = judge(c, s);
	note_standing(c, now, passed);
	c->last_ms = s->now_ms;
	c->last_connection = s->connection;
	c->held = held;
	return now != before;
}

int64_t
service_clock_ahead(const struct service_clock *c, int64_t now_ms)
{
	int64_t since = c->last_ms ? now_ms - c->last_ms : 0;

	/* The next tick may count the time since the last one: an ask was not sent before it. */
	if (since < 0 || since > INACTIVITY_STEP_MS)
		since = 0;
	return c->seconds + (c->rest_ms + c->pending_ms + since + 999) / 1000;
}

int64_t
inactivity_ask_interval(int64_t lock_after)
{
	int64_t interval = lock_after == DURATION_NEVER ? DAY : lock_after / 4;

	return interval > DAY ? DAY : interval < 1 ? 1 : interval;
}

int64_t
inactivity_heard(int64_t lock_after)
{
	return inactivity_ask_interval(lock_after) * 1000;
}

bool
inactivity_ask_due(int64_t now, int64_t last_ask, uint64_t spread, int64_t interval)
{
	int64_t phase = (int64_t)(spread % (uint64_t)interval);

	if (last_ask <= 0)
		return true;
	return (now - phase) / interval != (last_ask - phase) / interval;
}

int64_t
inactivity_silence(const struct service_clock *c, int64_t unanswered_since)
{
	int64_t silence = unanswered_since > 0 ? c->seconds - unanswered_since : 0;

	return silence > 0 ? silence : 0;
}

/*
 * After an outage the numbers are old, and in a store that came from a backup they may be wrong: a
 * device is judged when it was asked again and had time to answer.
 */
static bool
settled(const struct service_clock *c, int64_t lock_after)
{
	int64_t wait = inactivity_ask_interval(lock_after) + INACTIVITY_SETTLE;

	return c->resumed == 0 || c->seconds - c->resumed >= wait;
}

bool
inactivity_silent(const struct service_clock *c, int64_t unanswered_since, int64_t lock_after)
{
	if (lock_after == DURATION_NEVER || unanswered_since <= 0 || !settled(c, lock_after))
		return false;
	return inactivity_silence(c, unanswered_since) >= lock_after;
}

unsigned
lock_window_limit(unsigned devices, unsigned percent)
{
	uint64_t share = (uint64_t)devices * percent / 100;

	return share < INACTIVITY_FEW ? INACTIVITY_FEW : (unsigned)share;
}

static void
move_to(struct lock_window *w, int64_t hour)
{
	if (hour <= w->hour)
		return;
	if (hour - w->hour >= LOCK_WINDOW_HOURS)
		memset(w->drawn, 0, sizeof(w->drawn));
	else
		while (w->hour < hour)
			w->drawn[++w->hour % LOCK_WINDOW_HOURS] = 0;
	w->hour = hour;
}

unsigned
lock_window_drawn(struct lock_window *w, int64_t clock)
{
	unsigned sum = 0, i;

	move_to(w, clock / 3600);
	for (i = 0; i < LOCK_WINDOW_HOURS; i++)
		sum += w->drawn[i];
	return sum;
}

void
lock_window_draw(struct lock_window *w, int64_t clock)
{
	move_to(w, clock / 3600);
	w->drawn[w->hour % LOCK_WINDOW_HOURS]++;
}
