/* inactivity.c - what administrators see of silence, and what they say about it */
#include "admin/inactivity.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "admin/answer.h"
#include "admin/target.h"
#include "base/clock.h"
#include "base/log.h"
#include "mdm/enqueue.h"
#include "mdm/patrol.h"
#include "mdm/push.h"
#include "mdm/refresh.h"
#include "mdm/service.h"
#include "mdm/silence.h"
#include "net/http.h"

/* ---- one enrollment ---- */

static int
set_pause(struct admin *a, struct enrollment *e, bool pause, const char *actor)
{
	int err;

	if ((e->paused_since != 0) == pause)
		return 0;
	e->paused_since = pause ? mdm_now(&a->mdm) : 0;
	/* Silence so far is forgotten: it counts anew from the next ask. */
	silence_reset(e);
	err = enrollment_save(a->mdm.store, e);
	if (err == 0)
		log_event(EV_DEVICE_PAUSED,
			FIELDS(F_ENROLLMENT(e->id), F_SERIAL(e->facts.serial), F_ACTOR(actor)),
			"%s (%s): silence %s, by %s", e->id,
			e->facts.serial ? e->facts.serial : "no serial number",
			pause ? "does not count until it is said again" : "counts again", actor);
	return err;
}

static void
answer_pause(struct http_request *r, const struct enrollment *e)
{
	json_t *j = json_object();

	json_object_set_new(j, "id", json_text(e->id));
	json_object_set_new(j, "paused_since", json_time(e->paused_since));
	answer_json(r, 200, j);
}

void
inactivity_pause(struct admin *a, struct http_request *r, const char *id, const char *rest)
{
	json_t *body = answer_body(r);
	struct enrollment *e = NULL;
	struct buf actor = BUF_INIT;
	int err;

	(void)rest;
	if (!body)
		return;
	target_actor(r, &actor);
	err = enrollment_load(a->mdm.store, id, &e);
	if (err == 0 && channel_is_user(e->channel))
		answer_error(r, 400,
			"%s: a user channel has no silence of its own: pause its device", id);
	else if (err == 0 && (err = set_pause(a, e, !json_is_true(json_object_get(body, "end")),
				      buf_str(&actor))) == 0)
		answer_pause(r, e);
	else
		answer_error(r, 503, "%s: the store takes no changes now: %s", id, strerror(-err));
	enrollment_free(e);
	buf_free(&actor);
	json_decref(body);
}

/* Why a device is not asked, for people. */
static void
refuse_refresh(struct admin *a, struct http_request *r, const char *id, int err)
{
	struct buf text = BUF_INIT;

	enqueue_fault_text(&a->mdm, id, err, &text);
	answer_error(r, err == -ESTALE || err == -EDQUOT ? 409 : 503, "%s: %s", id, buf_str(&text));
	buf_free(&text);
}

void
inactivity_refresh(struct admin *a, struct http_request *r, const char *id, const char *rest)
{
	struct buf actor = BUF_INIT;
	json_t *j;
	int err;

	(void)rest;
	target_actor(r, &actor);
	err = refresh_now(&a->mdm, id, buf_str(&actor), false);
	if (err == -EALREADY)
		pusher_ask(&a->mdm, id, false);
	if (err < 0 && err != -EALREADY) {
		refuse_refresh(a, r, id, err);
	} else {
		j = json_object();
		json_object_set_new(j, "id", json_text(id));
		json_object_set_new(j, "queued", json_boolean(err == 0));
		answer_json(r, 200, j);
	}
	buf_free(&actor);
}

/* ---- all of them ---- */

static const struct {
	const char *filter, *action;
	size_t (*run)(struct mdm *m, const char *actor);
} bulk[] = {
	{ "all", "refresh", patrol_refresh_all },
	{ "silent", "lock", patrol_lock_silent },
};
#define BULK (sizeof(bulk) / sizeof(bulk[0]))

bool
inactivity_bulk(struct admin *a, struct http_request *r, const json_t *body)
{
	const char *action = json_string_value(json_object_get(body, "action"));
	const json_t *filter = json_object_get(body, "filter");
	struct buf actor = BUF_INIT;
	json_t *j;
	size_t i = 0;

	while (i < BULK && (!action || strcmp(bulk[i].action, action) != 0 ||
				   !json_is_true(json_object_get(filter, bulk[i].filter))))
		i++;
	if (i == BULK)
		return false;
	target_actor(r, &actor);
	j = json_object();
	json_object_set_new(
		j, "devices", json_integer((json_int_t)bulk[i].run(&a->mdm, buf_str(&actor))));
	answer_json(r, 202, j);
	buf_free(&actor);
	return true;
}

/* ---- what is seen ---- */

static int
add_clock(void *arg, const struct service_line *line)
{
	json_t *j = json_object();

	json_object_set_new(j, "topic", json_text(line->topic));
	json_object_set_new(j, "seconds", json_integer((json_int_t)line->seconds));
	json_object_set_new(j, "runs", json_boolean(line->standing == STANDING_NO));
	if (line->standing != STANDING_NO) {
		json_object_set_new(j, "cause", json_string(standing_name(line->standing)));
		json_object_set_new(j, "since", json_time(line->since));
		json_object_set_new(j, "words", json_text(line->words));
	}
	json_array_append_new(arg, j);
	return 0;
}

json_t *
inactivity_json(struct admin *a)
{
	json_t *j = json_object(), *clocks = json_array();
	struct patrol_numbers n;
	const char *unreached;
	char after[32];

	patrol_numbers(&a->mdm, &n);
	service_each(&a->mdm, add_clock, clocks);
	duration_format(a->mdm.conf->lock_after, after, sizeof(after));
	json_object_set_new(j, "lock_after", json_string(after));
	json_object_set_new(j, "clocks", clocks);
	json_object_set_new(j, "heard_at", json_time(service_heard(&a->mdm, &unreached)));
	json_object_set_new(j, "unreached", json_text(unreached));
	json_object_set_new(j, "locked_last_day", json_integer(n.drawn));
	json_object_set_new(j, "lock_limit", json_integer(n.limit));
	json_object_set_new(j, "over_limit", json_integer((json_int_t)n.over_limit));
	json_object_set_new(j, "no_address", json_integer((json_int_t)n.no_address));
	json_object_set_new(j, "rounds", json_integer((json_int_t)n.rounds));
	json_object_set_new(j, "slice_us_max", json_integer((json_int_t)n.slice_us_max));
	json_object_set_new(j, "turn_us_max", json_integer((json_int_t)n.turn_us_max));
	json_object_set_new(j, "round_us", json_integer((json_int_t)n.round_us));
	return j;
}

struct problems {
	void (*add)(void *arg, struct buf *text);
	void *arg;
};

/* A store or a connection that fails is a problem of its own, and said there. */
static int
clock_problem(void *arg, const struct service_line *line)
{
	struct problems *p = arg;
	struct buf text = BUF_INIT;
	char date[32];

	if (line->standing != STANDING_TLS && line->standing != STANDING_UNHEARD)
		return 0;
	buf_printf(&text, "Silence of devices does not count since %s (topic %s): %s.",
		clock_iso(line->since, date, sizeof(date)), line->topic, line->words);
	p->add(p->arg, &text);
	buf_free(&text);
	return 0;
}

void
inactivity_problems(struct admin *a, void (*add)(void *arg, struct buf *text), void *arg)
{
	struct problems p = { add, arg };
	struct patrol_numbers n;
	struct buf text = BUF_INIT;

	service_each(&a->mdm, clock_problem, &p);
	patrol_numbers(&a->mdm, &n);
	if (n.over_limit) {
		buf_printf(&text,
			"%zu devices are silent for lock-after and not locked, because lock-limit "
			"allows %u in 24 hours: find out why so many are silent; cordonctl lock "
			"--silent locks them.",
			n.over_limit, n.limit);
		add(arg, &text);
	}
	if (n.no_address) {
		buf_printf(&text,
			"%zu devices cannot be asked: the push tokens that the restored backup has "
			"of them are no longer valid. Their silence does not count; each is served "
			"again when it comes by itself, as after a restart, and gives its token "
			"when it is enrolled again (cordonctl devices).",
			n.no_address);
		add(arg, &text);
	}
	buf_free(&text);
}
