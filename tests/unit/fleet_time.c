/* fleet_time.c - fake time: the clocks, what is to come, the loop's timers */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "fleet_time.h"

/* ---- clocks and disk ---- */

int64_t __wrap_clock_mono_ms(void);
int64_t __wrap_clock_wall(void);
int __wrap_fdatasync(int fd);

int64_t
__wrap_clock_mono_ms(void)
{
	return fleet.now + 1000 * SECOND;
}

int64_t
fleet_wall(void)
{
	return FLEET_EPOCH + fleet.now / 1000;
}

int64_t
fleet_time_wall(void)
{
	return fleet_wall() + fleet.world.wall_offset;
}

int64_t
__wrap_clock_wall(void)
{
	return fleet_time_wall();
}

/* Months pass here: what is durable is another test's matter. */
int
__wrap_fdatasync(int fd)
{
	(void)fd;
	if (!fleet.world.disk_full)
		return 0;
	errno = ENOSPC;
	return -1;
}

int64_t
fleet_chance(int64_t of)
{
	fleet.seed = fleet.seed * 6364136223846793005u + 1442695040888963407u;
	return (int64_t)((fleet.seed >> 20) % (uint64_t)of);
}

/* ---- what is to come: a heap by time, then by order ---- */

static struct coming *heap;
static size_t heap_count, heap_room;
static uint64_t heap_order;

static bool
sooner(const struct coming *a, const struct coming *b)
{
	return a->at != b->at ? a->at < b->at : a->order < b->order;
}

void
fleet_later(int64_t ms, void (*fn)(void *arg, uint64_t word), void *arg, uint64_t word)
{
	struct coming c = { fleet.now + (ms > 0 ? ms : 0), heap_order++, fn, arg, word };
	size_t i;

	if (heap_count == heap_room) {
		heap_room = heap_room ? heap_room * 2 : 1024;
		heap = xrealloc(heap, heap_room * sizeof(*heap));
	}
	for (i = heap_count++; i > 0 && sooner(&c, &heap[(i - 1) / 2]); i = (i - 1) / 2)
		heap[i] = heap[(i - 1) / 2];
	heap[i] = c;
}

static struct coming
first_coming(void)
{
	struct coming first = heap[0], last = heap[--heap_count];
	size_t i = 0, child;

	while ((child = 2 * i + 1) < heap_count) {
		if (child + 1 < heap_count && sooner(&heap[child + 1], &heap[child]))
			child++;
		if (!sooner(&heap[child], &last))
			break;
		heap[i] = heap[child];
		i = child;
	}
	heap[i] = last;
	return first;
}

/* ---- the loop's timers, in fake time ---- */

struct loop_timer {
	void (*fn)(void *arg);
	void *arg;
	uint64_t setting; /* of which only the last one counts */
	unsigned comings; /* that point here */
	bool gone;
};

struct loop_timer *__wrap_loop_timer_new(struct loop *l, void (*fn)(void *arg), void *arg);
void __wrap_loop_timer_set(struct loop_timer *t, int64_t ms);
void __wrap_loop_timer_stop(struct loop_timer *t);
void __wrap_loop_timer_free(struct loop_timer *t);

struct loop_timer *
__wrap_loop_timer_new(struct loop *l, void (*fn)(void *arg), void *arg)
{
	struct loop_timer *t = xcalloc(1, sizeof(*t));

	(void)l;
	t->fn = fn;
	t->arg = arg;
	return t;
}

static void
on_timer(void *arg, uint64_t setting)
{
	struct loop_timer *t = arg;

	t->comings--;
	if (t->gone && t->comings == 0)
		free(t);
	else if (!t->gone && t->setting == setting)
		t->fn(t->arg);
}

void
__wrap_loop_timer_set(struct loop_timer *t, int64_t ms)
{
	t->comings++;
	fleet_later(ms, on_timer, t, ++t->setting);
}

void
__wrap_loop_timer_stop(struct loop_timer *t)
{
	t->setting++;
}

void
__wrap_loop_timer_free(struct loop_timer *t)
{
	if (!t)
		return;
	t->gone = true;
	if (t->comings == 0)
		free(t);
}

/* ---- for the fleet ---- */

bool
fleet_time_next(int64_t before, struct coming *ret)
{
	if (heap_count == 0 || heap[0].at >= before)
		return false;
	*ret = first_coming();
	fleet.now = ret->at;
	return true;
}

void
fleet_time_end(void (*discard)(const struct coming *c))
{
	while (heap_count) {
		struct coming c = first_coming();

		if (c.fn == on_timer)
			on_timer(c.arg, 0);
		else
			discard(&c);
	}
	free(heap);
	heap = NULL;
	heap_room = 0;
}
