/* events.c - the last events in a ring, and who waits for the next one */
#include "admin/events.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "admin/admin.h"
#include "admin/answer.h"
#include "admin/webhook.h"
#include "base/clock.h"
#include "base/mem.h"

struct follower {
	struct http_request *request;
	uint64_t after;
	int64_t until_ms;
};

struct events {
	struct admin *a;
	json_t *ring[EVENTS_KEPT]; /* event n at n % EVENTS_KEPT */
	uint64_t last;		   /* number of the newest; 0: none yet */
	struct follower followers[EVENTS_FOLLOWERS];
	size_t count;
	struct loop_timer *timer;
};

static json_t *
since(const struct events *v, uint64_t after)
{
	uint64_t first = v->last > EVENTS_KEPT ? v->last - EVENTS_KEPT + 1 : 1;
	uint64_t missed = after + 1 < first ? first - after - 1 : 0;
	json_t *j = json_object(), *list = json_array();

	for (uint64_t n = after + 1 + missed; n <= v->last; n++)
		json_array_append(list, v->ring[n % EVENTS_KEPT]);
	json_object_set_new(j, "events", list);
	json_object_set_new(j, "missed", json_integer((json_int_t)missed));
	json_object_set_new(j, "next", json_integer((json_int_t)v->last));
	return j;
}

/* Answers those for whom something came, who went, or whose time is over (now < 0: all). */
static void
serve(struct events *v, int64_t now)
{
	int64_t soonest = -1;
	size_t kept = 0;

	for (size_t i = 0; i < v->count; i++) {
		struct follower f = v->followers[i];

		if (now < 0 || v->last > f.after || f.until_ms <= now || http_gone(f.request)) {
			answer_json(f.request, 200, since(v, f.after));
			continue;
		}
		if (soonest < 0 || f.until_ms - now < soonest)
			soonest = f.until_ms - now;
		v->followers[kept++] = f;
	}
	v->count = kept;
	if (soonest >= 0)
		loop_timer_set(v->timer, soonest);
}

static void
on_timer(void *arg)
{
	serve(arg, clock_mono_ms());
}

struct events *
events_new(struct admin *a)
{
	struct events *v = xcalloc(1, sizeof(*v));

	v->a = a;
	v->timer = loop_timer_new(a->mdm.loop, on_timer, v);
	return v;
}

void
events_free(struct events *v)
{
	if (!v)
		return;
	for (size_t i = 0; i < EVENTS_KEPT; i++)
		json_decref(v->ring[i]);
	loop_timer_free(v->timer);
	free(v);
}

void
events_add(struct events *v, const struct log_record *record)
{
	json_t **place = &v->ring[(v->last + 1) % EVENTS_KEPT], *j = json_object(),
	       *own = webhook_own_json(record), *inner = json_object_get(own, "cordon_event");

	json_object_set_new(j, "number", json_integer((json_int_t)(v->last + 1)));
	json_object_set_new(j, "at", json_time(clock_wall()));
	json_object_set_new(j, "event", json_text(event_name(record->event)));
	json_object_set_new(j, "surveillance", json_boolean(event_surveillance(record->event)));
	json_object_update(j, inner);
	json_decref(own);
	json_decref(*place);
	*place = j;
	v->last++;
	/* Later: who logs is in the middle of something. */
	if (v->count)
		loop_timer_set(v->timer, 0);
}

void
events_release(struct events *v)
{
	if (v)
		serve(v, -1);
}

/* 1 and the number, 0 when it is missing, -1 when it is none. */
static int
number_of(struct http_request *r, const char *name, uint64_t *ret)
{
	struct buf text = BUF_INIT;
	int err = http_query_get(r, name, false, &text), found = err == -ENOENT ? 0 : -1;

	if (err == 0 && text.len && text.len <= 18 &&
		strspn(buf_str(&text), "0123456789") == text.len) {
		*ret = strtoull(buf_str(&text), NULL, 10);
		found = 1;
	}
	buf_free(&text);
	return found;
}

void
events_handle(struct http_request *r, void *ctx)
{
	struct events *v = ((struct admin *)ctx)->events;
	uint64_t after = v->last, wait = 0;
	int has_after = number_of(r, "after", &after);

	if (has_after < 0 || number_of(r, "wait", &wait) < 0 || wait > EVENTS_WAIT_MAX) {
		answer_error(r, 400, "after is a number of an event, wait one of seconds up to %d",
			EVENTS_WAIT_MAX);
		return;
	}
	/* A number from before a restart: the follower goes on with what there is. */
	if (after > v->last)
		after = 0;
	if (!has_after || wait == 0 || v->last > after) {
		answer_json(r, 200, since(v, after));
		return;
	}
	if (v->count == EVENTS_FOLLOWERS)
		serve(v, clock_mono_ms());
	if (v->count == EVENTS_FOLLOWERS) {
		answer_error(r, 503, "too many follow the events already");
		return;
	}
	v->followers[v->count++] =
		(struct follower){ r, after, clock_mono_ms() + (int64_t)wait * 1000 };
	loop_timer_set(v->timer, 0);
}
