/* test_loop.c - timers, signals, and when the commit comes */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <signal.h>
#include <stdbool.h>
#include <unistd.h>

#include "base/clock.h"
#include "net/loop.h"

struct scene {
	struct loop *l;
	struct loop_timer *timer, *again;
	unsigned fired, commits, requests, requests_at_commit;
	int64_t committed_us;
	int signo;
};

static int
set_up(void **state)
{
	static struct scene s;

	s = (struct scene){ .l = loop_new() };
	*state = &s;
	return s.l ? 0 : -1;
}

static int
tear_down(void **state)
{
	struct scene *s = *state;

	loop_timer_free(s->timer);
	loop_timer_free(s->again);
	loop_free(s->l);
	return 0;
}

static void
stop(void *arg)
{
	struct scene *s = arg;

	s->fired++;
	loop_stop(s->l);
}

static void
timer_fires_once_at_the_last_setting(void **state)
{
	struct scene *s = *state;
	int64_t begin = clock_mono_ms();

	s->timer = loop_timer_new(s->l, stop, s);
	loop_timer_set(s->timer, 5000);
	loop_timer_set(s->timer, 20);
	assert_int_equal(loop_run(s->l), 0);
	assert_in_range(clock_mono_ms() - begin, 19, 2000);
	assert_int_equal(s->fired, 1);
	s->again = loop_timer_new(s->l, stop, s);
	loop_timer_set(s->again, 40);
	assert_int_equal(loop_run(s->l), 0);
	assert_int_equal(s->fired, 2);
}

static void
free_own_timer(void *arg)
{
	struct scene *s = arg;

	loop_timer_free(s->timer);
	s->timer = NULL;
	loop_stop(s->l);
}

static void
timer_may_free_itself(void **state)
{
	struct scene *s = *state;

	s->timer = loop_timer_new(s->l, free_own_timer, s);
	loop_timer_set(s->timer, 0);
	assert_int_equal(loop_run(s->l), 0);
	assert_null(s->timer);
}

static void
stop_before_run_counts(void **state)
{
	struct scene *s = *state;

	loop_stop(s->l);
	assert_int_equal(loop_run(s->l), 0);
}

static void
on_signal(void *arg, int signo)
{
	struct scene *s = arg;

	s->signo = signo;
	loop_stop(s->l);
}

static void
signals_are_events(void **state)
{
	struct scene *s = *state;

	assert_int_equal(loop_signal(s->l, SIGUSR1, on_signal, s), 0);
	kill(getpid(), SIGUSR1);
	assert_int_equal(loop_run(s->l), 0);
	assert_int_equal(s->signo, SIGUSR1);
}

static void
on_commit(void *arg)
{
	struct scene *s = arg;

	s->commits++;
	s->requests_at_commit = s->requests;
	s->committed_us = clock_mono_us();
	loop_stop(s->l);
}

static void
on_request(void *arg, int fd)
{
	struct scene *s = arg;
	char c;

	assert_int_equal(read(fd, &c, 1), 1);
	s->requests++;
	loop_commit_soon(s->l);
}

/* All that a turn finds is served before the one commit for all of it. */
static void
commit_comes_after_all_work(void **state)
{
	struct scene *s = *state;
	struct loop_fd *readable[10];
	int fds[10][2], i;

	loop_set_commit(s->l, on_commit, s);
	for (i = 0; i < 10; i++) {
		assert_int_equal(pipe(fds[i]), 0);
		readable[i] = loop_fd_new(s->l, fds[i][0], on_request, s);
		assert_non_null(readable[i]);
		assert_int_equal(write(fds[i][1], "ab", 2), 2);
	}
	assert_int_equal(loop_run(s->l), 0);
	assert_int_equal(s->commits, 1);
	assert_int_equal(s->requests_at_commit, 20);
	for (i = 0; i < 10; i++) {
		loop_fd_free(readable[i]);
		close(fds[i][0]);
		close(fds[i][1]);
	}
}

static void
busy(void *arg, int fd)
{
	struct scene *s = arg;

	(void)fd;
	s->requests++;
}

/* A descriptor that is readable for ever: the low priority never comes, the fallback does. */
static void
commit_is_not_starved(void **state)
{
	struct scene *s = *state;
	struct loop_fd *readable;
	int fds[2];
	int64_t begin;

	assert_int_equal(pipe(fds), 0);
	assert_int_equal(write(fds[1], "x", 1), 1);
	readable = loop_fd_new(s->l, fds[0], busy, s);
	loop_set_commit(s->l, on_commit, s);
	loop_commit_soon(s->l);
	loop_commit_soon(s->l);
	begin = clock_mono_us();
	assert_int_equal(loop_run(s->l), 0);
	assert_int_equal(s->commits, 1);
	assert_true(s->requests_at_commit > 10);
	assert_in_range(s->committed_us - begin, 3000, 500000);
	loop_fd_free(readable);
	close(fds[0]);
	close(fds[1]);
}

static void
commit_may_be_asked_for_again(void **state)
{
	struct scene *s = *state;

	loop_set_commit(s->l, on_commit, s);
	loop_commit_soon(s->l);
	assert_int_equal(loop_run(s->l), 0);
	loop_commit_soon(s->l);
	assert_int_equal(loop_run(s->l), 0);
	assert_int_equal(s->commits, 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			timer_fires_once_at_the_last_setting, set_up, tear_down),
		cmocka_unit_test_setup_teardown(timer_may_free_itself, set_up, tear_down),
		cmocka_unit_test_setup_teardown(stop_before_run_counts, set_up, tear_down),
		cmocka_unit_test_setup_teardown(signals_are_events, set_up, tear_down),
		cmocka_unit_test_setup_teardown(commit_comes_after_all_work, set_up, tear_down),
		cmocka_unit_test_setup_teardown(commit_is_not_starved, set_up, tear_down),
		cmocka_unit_test_setup_teardown(commit_may_be_asked_for_again, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
