/* patrol.c - the round that is made every half minute: who must be asked, who is silent, what is
 * due */
#include "mdm/patrol.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/table.h"
#include "mdm/adopt.h"
#include "mdm/migrate.h"
#include "mdm/promote.h"
#include "mdm/push.h"
#include "mdm/refresh.h"
#include "mdm/renewal.h"
#include "mdm/service.h"
#include "mdm/silence.h"
#include "policy/lapse.h"
#include "policy/states.h"
#include "store/delivery.h"
#include "store/meta.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BREATH_MS 5	  /* between slices */
#define FIRST_MS 2000	  /* after the start */
#define SWEEP_EVERY 86400 /* seconds between two looks for deliveries that led nowhere */
#define SWEEP_FIRST 3600  /* after a start, when a walk has its own file again */
#define CLOCK_EVERY 64u	  /* lines between two looks at the clock, when nothing is to be done */
#define WINDOW "locked-by-inactivity" /* meta */

struct patrol {
	struct mdm *m;
	struct loop_timer *timer;
	struct table *candidates; /* id -> int64_t: since */
	struct lock_window window;
	int64_t sweep_at;
	unsigned unsettled; /* locks that wait for their commit */
	struct patrol_numbers numbers;

	/* the round that is made now */
	bool running, dry; /* dry: the store takes no changes, so nothing is begun */
	size_t at, over, no_address;
	int64_t used_us, turn_us;	/* turn: when the slice began that waits for its commit */
	bool alarmed;			/* the limit was reached, and said so */
	char *refresh_by, *lock_by;	/* a person's word, for this round ... */
	char *refresh_next, *lock_next; /* ... and for the next */
};

/* A lock that is told of when it is durable. */
struct notice {
	struct patrol *p;
	bool drawn; /* counts for lock-limit */
	char *id, *serial, *topic, *actor, *text;
};

/* ---- lock-limit ---- */

static void
load_window(struct patrol *p)
{
	char *text, *at, *end;
	size_t i;

	if (meta_get_str(p->m->store, WINDOW, &text) < 0)
		return;
	p->window.hour = strtoll(text, &end, 10);
	for (i = 0, at = end; i < LOCK_WINDOW_HOURS && *at; i++, at = end) {
		p->window.drawn[i] = (uint32_t)strtoul(at + 1, &end, 10);
		if (end == at + 1)
			break;
	}
	free(text);
}

static void
keep_window(struct patrol *p)
{
	struct buf text = BUF_INIT;
	size_t i;

	buf_printf(&text, "%" PRId64, p->window.hour);
	for (i = 0; i < LOCK_WINDOW_HOURS; i++)
		buf_printf(&text, " %" PRIu32, p->window.drawn[i]);
	if (meta_put_str(p->m->store, WINDOW, buf_str(&text)) < 0)
		log_debug("lock-limit is not noted: the store takes no changes");
	buf_free(&text);
}

static unsigned
devices(const struct patrol *p)
{
	struct roster_counts n;

	roster_counts(p->m->roster, &n);
	return (unsigned)(n.state[STATE_ENROLLED] + n.state[STATE_INACTIVE]);
}

static bool
within_limit(struct patrol *p)
{
	unsigned limit = lock_window_limit(devices(p), p->m->conf->lock_limit);

	p->numbers.limit = limit;
	p->numbers.drawn = lock_window_drawn(&p->window, service_run(p->m));
	return p->numbers.drawn + p->unsettled < limit;
}

/* One alarm for each time that it begins. */
static void
judge_limit(struct patrol *p)
{
	p->numbers.over_limit = p->over;
	if (p->over == 0)
		p->alarmed = false;
	if (p->over == 0 || p->alarmed)
		return;
	p->alarmed = true;
	log_event(EV_LOCK_LIMIT, NO_FIELDS,
		"%zu more devices are silent for lock-after, but only %u of %u may be locked in 24 "
		"hours (lock-limit): they are not locked. If something on this side keeps devices "
		"away, mend it; if they are really silent, say cordonctl lock --silent",
		p->over, p->numbers.limit, devices(p));
}

/* ---- one device ---- */

static void
notice_free(struct notice *n)
{
	free(n->id);
	free(n->serial);
	free(n->topic);
	free(n->actor);
	free(n->text);
	free(n);
}

static void
tell(void *arg, int err)
{
	struct notice *n = arg;
	struct patrol *p = n->p;

	if (n->drawn)
		p->unsettled--;
	if (err == 0) {
		p->numbers.locked++;
		log_event(EV_DEVICE_INACTIVE,
			FIELDS(F_ENROLLMENT(n->id), F_STATE(state_name(STATE_INACTIVE)),
				F_SERIAL(n->serial), F_TOPIC(n->topic),
				F_ACTOR(n->actor ? n->actor : "cordond"),
				F_REASON(lock_cause_name(LOCK_INACTIVE))),
			"%s", n->text);
	}
	if (err == 0 && n->drawn) {
		lock_window_draw(&p->window, service_run(p->m));
		keep_window(p);
	}
	notice_free(n);
}

static char *
copy(const char *s)
{
	return s ? xstrdup(s) : NULL;
}

/* The numbers that an administrator needs to judge it. */
static char *
lock_text(struct patrol *p, const struct enrollment *e, const struct service_clock *c)
{
	int64_t seen = roster_last_seen(p->m->roster, e->id);
	char date[32], silence[32], after[32];

	clock_iso(seen, date, sizeof(date));
	duration_words(inactivity_silence(c, e->unanswered_since), silence, sizeof(silence));
	duration_format(p->m->conf->lock_after, after, sizeof(after));
	return xasprintf("Device %s (%s) is inactive and its access is locked%s%s: last response "
			 "%s, %u asks unanswered, silent for %s by the service clock (%" PRId64
			 " since %" PRId64 "), lock-after %s",
		e->id, e->facts.serial ? e->facts.serial : "no serial number",
		p->lock_by ? " by " : "", p->lock_by ? p->lock_by : "", *date ? date : "never",
		e->unanswered, silence, c->seconds, e->unanswered_since, after);
}

static void
note_lock(struct patrol *p, const struct enrollment *e, const struct service_clock *c, bool drawn)
{
	struct notice *n = xcalloc(1, sizeof(*n));

	n->p = p;
	n->drawn = drawn;
	n->id = xstrdup(e->id);
	n->serial = copy(e->facts.serial);
	n->topic = copy(e->topic);
	n->actor = copy(p->lock_by);
	n->text = lock_text(p, e, c);
	p->unsettled += drawn;
	store_wait(p->m->store, tell, n);
}

/* Silent: Inactive, and locked unless it is locked already. */
static void
lock(struct patrol *p, const struct roster_line *line, const struct service_clock *c)
{
	struct enrollment *e;
	struct state_outcome o;
	bool draws;

	if (enrollment_load(p->m->store, line->id, &e) < 0)
		return;
	o = state_decide(e->state, e->removal, ON_SILENT);
	draws = !e->locked && !p->lock_by;
	if (o.action != ACT_LOCK)
		goto out;
	if (draws && !within_limit(p)) {
		p->over++;
		goto out;
	}
	e->state = o.next;
	e->state_since = mdm_now(p->m);
	if (!e->locked) {
		e->locked = true;
		e->lock_cause = LOCK_INACTIVE;
		e->locked_since = e->state_since;
		free(e->locked_by);
		e->locked_by = copy(p->lock_by);
	}
	if (enrollment_save(p->m->store, e) == 0)
		note_lock(p, e, c, draws);
out:
	enrollment_free(e);
}

/* It answered, but that could not be written down then. */
static void
reset(struct patrol *p, const struct roster_line *line)
{
	struct enrollment *e;

	if (enrollment_load(p->m->store, line->id, &e) < 0)
		return;
	if (silence_reset(e) && enrollment_save(p->m->store, e) < 0)
		log_debug("the answer of %s is not noted: the store takes no changes", e->id);
	enrollment_free(e);
}

static void
ask(struct patrol *p, const struct roster_line *line, int64_t now)
{
	roster_asked(p->m->roster, line->id, now);
	pusher_ask(p->m, line->id, true);
	p->numbers.asked++;
}

static void
refresh(struct patrol *p, const struct roster_line *line, uint64_t spread, int64_t now)
{
	int rc = p->refresh_by ? refresh_now(p->m, line->id, p->refresh_by, true)
			       : refresh_tick(p->m, line, spread, now);

	if (rc < 0 && rc != -EALREADY)
		log_debug("the questions for %s wait: %s", line->id, strerror(-rc));
	else if (p->refresh_by)
		p->numbers.refreshed++;
}

/* Nobody can ask it: it has another token than the backup, or none (mdm/push.c). */
static bool
has_no_address(const struct patrol *p, const struct roster_line *line)
{
	return p->m->restored_at && line->token_bad && line->unanswered_since == 0 &&
	       line->token_time <= p->m->restored_at;
}

static void
visit(struct patrol *p, const struct roster_line *line)
{
	const struct conf *conf = p->m->conf;
	const struct service_clock *c =
		service_clock_of(p->m, roster_topic(p->m->roster, line->topic));
	uint64_t spread = digest_spread(bytes_str(line->id));
	int64_t now = mdm_now(p->m);
	bool reachable = line->has_token && !line->token_bad && c && c->standing != STANDING_PUSH;

	p->no_address += has_no_address(p, line);
	/* It may still be with its earlier server: it is invited, and nothing is held against it.
	 */
	if (line->awaited) {
		if (reachable && migrate_open(p->m) &&
			inactivity_ask_due(now, line->asked, spread,
				inactivity_ask_interval(conf->lock_after)))
			ask(p, line, now);
		return;
	}
	if (line->heard && line->unanswered_since)
		reset(p, line);
	else if (line->state == STATE_ENROLLED && c && !line->paused &&
		 inactivity_silent(c, line->unanswered_since, conf->lock_after))
		lock(p, line, c);
	if (reachable && inactivity_ask_due(now, line->asked, spread,
				 inactivity_ask_interval(conf->lock_after)))
		ask(p, line, now);
	refresh(p, line, spread, now);
	renewal_visit(p->m, line, spread, now);
}

/* ---- candidates ---- */

static void
note_candidate(struct patrol *p, struct bytes id, int64_t since)
{
	int64_t *value = xmalloc(sizeof(*value));

	*value = since;
	table_put(p->candidates, id, value);
}

/* An Authenticate is a moment old when its record is committed. */
void
patrol_follow(struct mdm *m, struct bytes key, struct bytes value)
{
	struct bytes id;

	if (!m->patrol || key.len < 2 || key.data[0] != 'c')
		return;
	id = bytes_of(key.data + 1, key.len - 1);
	if (value.data)
		note_candidate(m->patrol, id, mdm_now(m));
	else
		table_delete(m->patrol->candidates, id);
}

struct names {
	char **items;
	size_t count;
};

static void
add_name(struct names *n, struct bytes key)
{
	n->items = xrealloc(n->items, (n->count + 1) * sizeof(*n->items));
	n->items[n->count++] = xstrndup((const char *)key.data, key.len);
}

static int
collect_candidate(void *arg, struct bytes key, struct bytes value)
{
	(void)value;
	add_name(arg, bytes_of(key.data + 1, key.len - 1));
	return 0;
}

struct lapsing {
	struct names names;
	int64_t now;
};

static int
collect_lapsed(void *arg, struct bytes key, void *value)
{
	struct lapsing *l = arg;

	if (lapse_due(*(const int64_t *)value, CANDIDATE_LIFETIME, l->now))
		add_name(&l->names, key);
	return 0;
}

static void
free_names(struct names *n)
{
	size_t i;

	for (i = 0; i < n->count; i++)
		free(n->items[i]);
	free(n->items);
}

static void
lapse_candidates(struct patrol *p)
{
	struct lapsing l = { .now = mdm_now(p->m) };
	size_t i;

	table_each(p->candidates, collect_lapsed, &l);
	for (i = 0; i < l.names.count; i++)
		if (promote_drop_candidate(
			    p->m, l.names.items[i], "no TokenUpdate came within an hour") == 0)
			p->numbers.lapsed++;
	free_names(&l.names);
}

static void
load_candidates(struct patrol *p)
{
	struct names n = { NULL, 0 };
	struct candidate *c;
	size_t i;

	store_each(p->m->store, bytes_str("c"), collect_candidate, &n);
	for (i = 0; i < n.count; i++) {
		if (candidate_load(p->m->store, n.items[i], &c) < 0)
			continue;
		note_candidate(p, bytes_str(c->id), c->since);
		candidate_free(c);
	}
	free_names(&n);
}

/* Links that were opened by who did not enroll: their profiles are of no use a day later. */
static void
sweep_deliveries(struct patrol *p)
{
	int64_t now = mdm_now(p->m);
	int swept;

	if (now < p->sweep_at)
		return;
	swept = delivery_sweep(p->m->store, now);
	if (swept != DELIVERY_SWEEP_MAX)
		p->sweep_at = now + SWEEP_EVERY;
	if (swept > 0)
		log_debug("%d profiles that were fetched and not used are forgotten", swept);
}

/* ---- the round ---- */

static void
move_word(char **from, char **to)
{
	free(*to);
	*to = *from;
	*from = NULL;
}

static void
begin(struct patrol *p)
{
	struct store_numbers n;

	service_tick(p->m);
	migrate_tick(p->m);
	adopt_tick(p->m);
	store_numbers(p->m->store, &n);
	p->dry = n.fault != 0;
	p->running = true;
	p->at = p->over = p->no_address = 0;
	p->used_us = 0;
	if (p->dry)
		return;
	move_word(&p->refresh_next, &p->refresh_by);
	move_word(&p->lock_next, &p->lock_by);
	within_limit(p);
	lapse_candidates(p);
	sweep_deliveries(p);
}

static void
end(struct patrol *p)
{
	p->running = false;
	p->numbers.rounds++;
	p->numbers.round_us = p->used_us;
	if (p->dry)
		return;
	judge_limit(p);
	p->numbers.no_address = p->no_address;
	free(p->refresh_by);
	free(p->lock_by);
	p->refresh_by = p->lock_by = NULL;
}

static bool
is_device(const struct roster_line *line)
{
	return !channel_is_user((enum channel)line->channel) &&
	       (line->state == STATE_ENROLLED || line->state == STATE_INACTIVE);
}

/* Lines until the time of a slice is over; false: that was the last one. */
static bool
slice(struct patrol *p)
{
	int64_t start = clock_mono_us(), cpu = clock_cpu_us(), used = 0;
	size_t count = p->dry ? 0 : roster_count(p->m->roster);
	unsigned lines = 0;

	for (; p->at < count && used < PATROL_SLICE_US; p->at++) {
		const struct roster_line *line = roster_at(p->m->roster, p->at);
		uint64_t changes = p->numbers.asked + store_pending_count(p->m->store);

		if (line && is_device(line))
			visit(p, line);
		if (++lines % CLOCK_EVERY == 0 ||
			changes != p->numbers.asked + store_pending_count(p->m->store))
			used = clock_mono_us() - start;
	}
	cpu = clock_cpu_us() - cpu;
	p->used_us += cpu;
	if (cpu > p->numbers.slice_us_max)
		p->numbers.slice_us_max = cpu;
	return p->at < count;
}

static void
on_committed(void *arg, int err)
{
	struct patrol *p = arg;
	int64_t used = clock_cpu_us() - p->turn_us;

	(void)err;
	if (used > p->numbers.turn_us_max)
		p->numbers.turn_us_max = used;
}

static void
on_timer(void *arg)
{
	struct patrol *p = arg;
	bool again, more;

	p->turn_us = clock_cpu_us();
	if (!p->running)
		begin(p);
	more = slice(p);
	store_wait(p->m->store, on_committed, p);
	if (more) {
		loop_timer_set(p->timer, BREATH_MS);
		return;
	}
	end(p);
	again = !p->dry && (p->refresh_next || p->lock_next);
	loop_timer_set(p->timer, again ? BREATH_MS : PATROL_MS);
}

void
patrol_round(struct mdm *m)
{
	struct patrol *p = m->patrol;

	if (p->running)
		return;
	begin(p);
	while (slice(p))
		;
	end(p);
}

void
patrol_soon(struct mdm *m)
{
	if (m->patrol && m->patrol->timer && !m->patrol->running)
		loop_timer_set(m->patrol->timer, BREATH_MS);
}

struct patrol *
patrol_new(struct mdm *m)
{
	struct patrol *p = xcalloc(1, sizeof(*p));

	p->m = m;
	p->candidates = table_new(free);
	m->patrol = p;
	load_window(p);
	p->sweep_at = mdm_now(p->m) + SWEEP_FIRST;
	load_candidates(p);
	if (m->loop) {
		p->timer = loop_timer_new(m->loop, on_timer, p);
		loop_timer_set(p->timer, FIRST_MS);
	}
	return p;
}

/* Locks that wait for a commit still tell of it: the last commit must be made before this. */
void
patrol_free(struct patrol *p)
{
	if (!p)
		return;
	loop_timer_free(p->timer);
	table_free(p->candidates);
	p->m->patrol = NULL;
	free(p->refresh_by);
	free(p->lock_by);
	free(p->refresh_next);
	free(p->lock_next);
	free(p);
}

/* ---- by a person's word ---- */

size_t
patrol_refresh_all(struct mdm *m, const char *actor)
{
	if (!m->patrol)
		return 0;
	free(m->patrol->refresh_next);
	m->patrol->refresh_next = xstrdup(actor);
	patrol_soon(m);
	return devices(m->patrol);
}

size_t
patrol_lock_silent(struct mdm *m, const char *actor)
{
	if (!m->patrol)
		return 0;
	free(m->patrol->lock_next);
	m->patrol->lock_next = xstrdup(actor);
	patrol_soon(m);
	return m->patrol->numbers.over_limit;
}

void
patrol_numbers(const struct mdm *m, struct patrol_numbers *ret)
{
	memset(ret, 0, sizeof(*ret));
	if (m->patrol)
		*ret = m->patrol->numbers;
}
