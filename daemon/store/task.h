/*
 * task.h - a job for another thread that its owner can wait for, or leave behind
 *
 * work() touches only what the task owns.  done() runs in the owner's thread.
 */
#ifndef CORDON_STORE_TASK_H
#define CORDON_STORE_TASK_H

#include <pthread.h>
#include <stdbool.h>

#include "store/store.h"

struct task {
	void (*work)(struct task *t);
	void (*done)(struct task *t, void *owner); /* owner NULL: it has gone, only free */
	void *owner;
	pthread_mutex_t lock;
	pthread_cond_t ended;
	bool finished;
};

void task_init(struct task *t, void (*work)(struct task *t),
	void (*done)(struct task *t, void *owner), void *owner);
void task_fini(struct task *t);
/* As store_options.submit; without one, or with `here`, runs it at once.  0 or -EBUSY. */
int task_start(struct task *t, const struct store_options *options, bool here);
/* Until work() has returned. */
void task_wait(struct task *t);

#endif
