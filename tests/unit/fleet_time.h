/* fleet_time.h - fake time, for fleet.c alone: clocks and timers of the daemon are wrapped by it */
#ifndef CORDON_TESTS_FLEET_TIME_H
#define CORDON_TESTS_FLEET_TIME_H

#include "fleet.h"

#define FLEET_EPOCH INT64_C(1790000000)

struct coming {
	int64_t at;
	uint64_t order;
	void (*fn)(void *arg, uint64_t word);
	void *arg;
	uint64_t word;
};

/* The next that comes before that time, which it is then; false: nothing does. */
bool fleet_time_next(int64_t before, struct coming *ret);
/* Nothing comes any more; `discard` frees what belongs to others than timers. */
void fleet_time_end(void (*discard)(const struct coming *c));
int64_t fleet_time_wall(void); /* seconds as the daemon sees them */

#endif
