/*
 * test_apns_burst.c - Apple's server leaves in the middle of a burst of 10,000 pushes
 *
 * Each push that was not answered is sent again, none more than twice, and nothing is left behind:
 * open files and memory are what they were.  The other misbehaviours: test_apns.c, whose head has
 * the list.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

#include "apns_client.h"

#define BURST 10000u
#define STREAMS 100u
/* What may differ between two moments of rest: buffers of the connection, grown or not. */
#define SLACK 32768

/* Sanitizers have an allocator of their own. */
__attribute__((weak)) size_t __sanitizer_get_current_allocated_bytes(void);

static size_t
memory(void)
{
	if (__sanitizer_get_current_allocated_bytes)
		return __sanitizer_get_current_allocated_bytes();
	return mallinfo2().uordblks;
}

static unsigned
open_files(void)
{
	DIR *d = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static struct client *
few_streams(struct server *s)
{
	char text[32];

	*s = fake();
	snprintf(text, sizeof(text), "max-streams %u", STREAMS);
	command(s, text);
	return connected(s);
}

/* All went well, and the connections before the last one are gone. */
static void
settled(struct client *c, const struct server *s, unsigned count)
{
	AWAIT(c, answers(c) == count);
	assert_int_equal(c->accepted, count);
	each_answered_once(c, count);
	AWAIT(c, apns_state(c->apns) == APNS_CONNECTED);
	AWAIT_SERVER(c, fake_stat(s, "open") == 1);
	assert_int_equal(apns_waiting(c->apns), 0);
	assert_int_equal(apns_in_flight(c->apns), 0);
	assert_in_range(fake_stat(s, "streams_seen"), 2, STREAMS);
}

static void
goaway_loses_and_doubles_none(void **state)
{
	struct server s;
	struct client *c = few_streams(&s);

	(void)state;
	command(&s, "goaway Shutdown 3333");
	push_many(c, 0, BURST, 1);
	settled(c, &s, BURST);
	/* What is beyond the last id was not processed; what is not was answered first. */
	assert_int_equal(each_arrived(&s, BURST, 1), 0);
	assert_int_equal(fake_stat(&s, "connections"), 2);
	finish(c, &s);
}

/* Its answers do not come: the last id says that it took them, and then the connection is gone. */
static void
goaway_that_breaks_its_promise(void **state)
{
	struct server s;
	struct client *c = few_streams(&s);
	unsigned twice;

	(void)state;
	push_many(c, 0, BURST, 1);
	AWAIT(c, answers(c) >= 3000);
	command(&s, "silent on");
	AWAIT_SERVER(c, fake_stat(&s, "unanswered") == STREAMS);
	command(&s, "goaway Shutdown");
	AWAIT(c, apns_state(c->apns) != APNS_CONNECTED);
	command(&s, "silent off");
	command(&s, "reset");
	settled(c, &s, BURST);
	/* exactly those that had no answer */
	twice = each_arrived(&s, BURST, 2);
	assert_int_equal(twice, STREAMS);
	finish(c, &s);
}

/* GOAWAY, a reset, streams refused, GOAWAY again, each in the middle of pushes. */
static void
rough_burst(struct client *c, const struct server *s)
{
	unsigned start = answers(c);

	command(s, "goaway Shutdown 2000");
	push_many(c, start, BURST / 2, 1);
	AWAIT(c, answers(c) >= start + BURST / 4);
	command(s, "reset 100");
	push_many(c, start + BURST / 2, BURST / 2, 0);
	AWAIT(c, answers(c) >= start + 3 * BURST / 4);
	command(s, "refuse-streams 5");
	AWAIT(c, answers(c) == start + BURST);
	command(s, "goaway");
	AWAIT(c, apns_state(c->apns) != APNS_CONNECTED);
	settled(c, s, start + BURST);
}

static void
nothing_is_left_behind(void **state)
{
	struct server s;
	struct client *c = few_streams(&s);
	unsigned files;
	size_t bytes;

	(void)state;
	rough_burst(c, &s); /* now everything that is made once is made */
	files = open_files();
	bytes = memory();
	rough_burst(c, &s);
	print_message("# open files %u and %u, memory %zu and %zu\n", files, open_files(), bytes,
		memory());
	assert_int_equal(open_files(), files);
	assert_in_range(memory(), 0, bytes + SLACK);
	each_arrived(&s, 2 * BURST, 2);
	finish(c, &s);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(goaway_loses_and_doubles_none),
		cmocka_unit_test(goaway_that_breaks_its_promise),
		cmocka_unit_test(nothing_is_left_behind),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests_name("apns_burst", tests, setup, teardown);
}
