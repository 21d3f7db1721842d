/* load.h - what the ways of bench-load share: options, the loop, what is counted */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include <stdbool.h>
#include <stddef.h>

#include "wire.h"

struct load_options {
	const char *way, *connect, *control, *wake, *speakers, *keys, *get, *command, *topic;
	long connections, requests, report_bytes, skip, take;
	double seconds, rate;
	bool fresh, resume, certificate, no_signature, odd, warm;
};

struct load {
	struct load_options o;
	struct speakers speakers;
	struct wires wires;
	int epoll;
	float *latency;
	size_t done, room;	/* answers that were 200 */
	size_t started, failed; /* other answers, broken connections */
	char first_failure[256];
	double start, end;
	bool over;
};

void load_count(struct load *l, double seconds);
void load_fail(struct load *l, int status, const char *body, size_t len);
/* Turns of the loop until l->over; `tick` (may be NULL) is called before each, and every
 * millisecond where it is wanted. */
void load_loop(struct load *l, void (*tick)(struct load *l));
/* Whether another request may begin. */
bool load_more(const struct load *l);

void load_poll(struct load *l);	   /* Idle, or GETs */
void load_cycle(struct load *l);   /* enqueue, Idle, report */
void load_checkin(struct load *l); /* Authenticate, TokenUpdate */
void load_wake(struct load *l);	   /* devices that come when they are pushed */

#endif
