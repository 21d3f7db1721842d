/* task.c - a job for another thread that its owner can wait for, or leave behind */
#include "store/task.h"

void
task_init(struct task *t, void (*work)(struct task *t), void (*done)(struct task *t, void *owner),
	void *owner)
{
	t->work = work;
	t->done = done;
	t->owner = owner;
	t->finished = false;
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->ended, NULL);
}

void
task_fini(struct task *t)
{
	pthread_cond_destroy(&t->ended);
	pthread_mutex_destroy(&t->lock);
}

static void
run(void *job)
{
	struct task *t = job;

	t->work(t);
	pthread_mutex_lock(&t->lock);
	t->finished = true;
	pthread_cond_broadcast(&t->ended);
	pthread_mutex_unlock(&t->lock);
}

static void
ended(void *job)
{
	struct task *t = job;

	/* The worker may not have left the lock yet when the loop hears of it. */
	pthread_mutex_lock(&t->lock);
	pthread_mutex_unlock(&t->lock);
	t->done(t, t->owner);
}

int
task_start(struct task *t, const struct store_options *options, bool here)
{
	if (options->submit && !here)
		return options->submit(options->arg, run, ended, t);
	run(t);
	ended(t);
	return 0;
}

void
task_wait(struct task *t)
{
	pthread_mutex_lock(&t->lock);
	while (!t->finished)
		pthread_cond_wait(&t->ended, &t->lock);
	pthread_mutex_unlock(&t->lock);
}
