/* worker.h - the worker thread: jobs that own their data, a bounded queue, results back in the loop
 */
#ifndef CORDON_NET_WORKER_H
#define CORDON_NET_WORKER_H

#include <stddef.h>

struct loop;
struct worker;

/*
 * Urgent jobs (SCEP, signatures) go before slow ones (checkpoints, scans), and those before waits
 * for others (our own request to ourselves): each lane has a thread of its own.
 */
enum worker_lane { WORKER_CRYPTO, WORKER_SLOW, WORKER_OUTSIDE, WORKER_LANES };

#define WORKER_QUEUE_MAX 512 /* jobs waiting per lane; beyond it -EBUSY, the caller answers 503 */

struct worker *worker_new(struct loop *l);
/* Runs what is queued to its end, calls every `done`, joins. */
void worker_free(struct worker *w);
/* work(job) in the lane's thread, then done(job) in the loop.  0 or -EBUSY (nothing is called). */
int worker_submit(struct worker *w, enum worker_lane lane, void (*work)(void *job),
	void (*done)(void *job), void *job);
size_t worker_waiting(const struct worker *w, enum worker_lane lane);

#endif
