/* test_worker.c - jobs run apart, come back in the loop, and are bounded */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <unistd.h>

#include "net/loop.h"
#include "net/worker.h"

struct scene {
	struct loop *l;
	struct worker *w;
	pthread_t loop_thread;
	unsigned done, stop_at;
	int gate[2]; /* jobs that block read from it */
};

struct job {
	struct scene *s;
	unsigned number, worked_as;
	bool elsewhere, signals_blocked, done_in_loop;
	unsigned *order;
};

static int
set_up(void **state)
{
	static struct scene s;

	s = (struct scene){ .l = loop_new(), .loop_thread = pthread_self() };
	s.w = worker_new(s.l);
	*state = &s;
	return s.w && pipe(s.gate) == 0 ? 0 : -1;
}

static int
tear_down(void **state)
{
	struct scene *s = *state;

	worker_free(s->w);
	loop_free(s->l);
	close(s->gate[0]);
	close(s->gate[1]);
	return 0;
}

static void
work(void *arg)
{
	struct job *j = arg;
	sigset_t blocked;

	j->elsewhere = !pthread_equal(pthread_self(), j->s->loop_thread);
	pthread_sigmask(SIG_SETMASK, NULL, &blocked);
	j->signals_blocked = sigismember(&blocked, SIGTERM) && sigismember(&blocked, SIGHUP);
	if (j->order)
		j->worked_as = ++*j->order;
}

static void
wait_at_gate(void *arg)
{
	struct job *j = arg;
	char c;

	if (read(j->s->gate[0], &c, 1) != 1)
		return;
	work(arg);
}

static void
done(void *arg)
{
	struct job *j = arg;

	j->done_in_loop = pthread_equal(pthread_self(), j->s->loop_thread);
	if (++j->s->done == j->s->stop_at)
		loop_stop(j->s->l);
}

static void
runs_apart_and_comes_back(void **state)
{
	struct scene *s = *state;
	struct job jobs[100] = { 0 };
	unsigned order = 0, i;

	s->stop_at = 100;
	for (i = 0; i < 100; i++) {
		jobs[i] = (struct job){ .s = s, .number = i, .order = &order };
		assert_int_equal(worker_submit(s->w, WORKER_CRYPTO, work, done, &jobs[i]), 0);
	}
	assert_int_equal(loop_run(s->l), 0);
	for (i = 0; i < 100; i++) {
		assert_true(jobs[i].elsewhere && jobs[i].signals_blocked && jobs[i].done_in_loop);
		assert_int_equal(jobs[i].worked_as, i + 1);
	}
	assert_int_equal(worker_waiting(s->w, WORKER_CRYPTO), 0);
}

/* A checkpoint that takes long must not keep a device from its certificate. */
static void
lanes_do_not_wait_for_each_other(void **state)
{
	struct scene *s = *state;
	struct job slow = { .s = s }, quick = { .s = s };

	assert_int_equal(worker_submit(s->w, WORKER_SLOW, wait_at_gate, done, &slow), 0);
	assert_int_equal(worker_submit(s->w, WORKER_CRYPTO, work, done, &quick), 0);
	s->stop_at = 1;
	assert_int_equal(loop_run(s->l), 0);
	assert_true(quick.done_in_loop);
	assert_false(slow.done_in_loop);
	s->stop_at = 2;
	assert_int_equal(write(s->gate[1], "x", 1), 1);
	assert_int_equal(loop_run(s->l), 0);
	assert_true(slow.done_in_loop);
}

static void
queue_is_bounded(void **state)
{
	static struct job jobs[WORKER_QUEUE_MAX + 2];
	struct scene *s = *state;
	unsigned accepted = 0, i;

	for (i = 0; i < WORKER_QUEUE_MAX + 2; i++)
		jobs[i] = (struct job){ .s = s };
	assert_int_equal(worker_submit(s->w, WORKER_SLOW, wait_at_gate, done, &jobs[0]), 0);
	while (worker_waiting(s->w, WORKER_SLOW) > 0)
		usleep(1000);
	for (i = 1; i < WORKER_QUEUE_MAX + 2; i++) {
		if (worker_submit(s->w, WORKER_SLOW, work, done, &jobs[i]) == 0)
			accepted++;
	}
	assert_int_equal(accepted, WORKER_QUEUE_MAX);
	assert_int_equal(worker_waiting(s->w, WORKER_SLOW), WORKER_QUEUE_MAX);
	assert_int_equal(
		worker_submit(s->w, WORKER_SLOW, work, done, &jobs[WORKER_QUEUE_MAX + 1]), -EBUSY);
	assert_int_equal(write(s->gate[1], "x", 1), 1);
	s->stop_at = WORKER_QUEUE_MAX + 1;
	assert_int_equal(loop_run(s->l), 0);
	assert_false(jobs[WORKER_QUEUE_MAX + 1].done_in_loop);
}

static void
free_runs_what_is_queued(void **state)
{
	struct scene *s = *state;
	struct job jobs[20];
	unsigned i;

	for (i = 0; i < 20; i++) {
		jobs[i] = (struct job){ .s = s };
		assert_int_equal(worker_submit(s->w, i % 2 ? WORKER_SLOW : WORKER_CRYPTO, work,
					 done, &jobs[i]),
			0);
	}
	worker_free(s->w);
	s->w = NULL;
	assert_int_equal(s->done, 20);
	for (i = 0; i < 20; i++)
		assert_true(jobs[i].elsewhere && jobs[i].done_in_loop);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(runs_apart_and_comes_back, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			lanes_do_not_wait_for_each_other, set_up, tear_down),
		cmocka_unit_test_setup_teardown(queue_is_bounded, set_up, tear_down),
		cmocka_unit_test_setup_teardown(free_runs_what_is_queued, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
