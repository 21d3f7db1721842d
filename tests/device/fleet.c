/* fleet.c - many devices at once: the load generator
 *
 * A heap holds the devices that have something to do, by the time at which they may; threads take
 * the first and do one step with it (enroll, or one session).  A device is never with two threads.
 */
#include "fleet.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "enroll.h"
#include "keypool.h"
#include "session.h"
#include "step.h"
#include "stop.h"
#include "waker.h"

/* Failed steps in a row after which a device is given up. */
#define FAILURES_MAX 5
#define TOKEN_BYTES 32

struct member {
	struct device *d;
	double ready_at;
	int answered, rounds, failures;
	enum { RESTING, WAITING, WORKING } place;
	bool again; /* woken while a thread had it */
	bool done, failed;
	size_t heap_index;
	/* copies under the lock: the device's own change while a thread has it */
	uint8_t token[TOKEN_BYTES];
	char magic[UTIL_UUID_SIZE];
};

struct fleet {
	const struct options *o;
	struct member *members;
	size_t n, left; /* devices that are not done */
	struct member **heap;
	size_t heap_n;
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct meter total;
	double end;
	int waker;
};

static void
heap_swap(struct fleet *f, size_t a, size_t b)
{
	struct member *m = f->heap[a];

	f->heap[a] = f->heap[b];
	f->heap[b] = m;
	f->heap[a]->heap_index = a;
	f->heap[b]->heap_index = b;
}

static void
heap_up(struct fleet *f, size_t i)
{
	while (i > 0 && f->heap[i]->ready_at < f->heap[(i - 1) / 2]->ready_at) {
		heap_swap(f, i, (i - 1) / 2);
		i = (i - 1) / 2;
	}
}

static void
heap_down(struct fleet *f, size_t i)
{
	size_t child;

	while ((child = 2 * i + 1) < f->heap_n) {
		if (child + 1 < f->heap_n &&
			f->heap[child + 1]->ready_at < f->heap[child]->ready_at)
			child++;
		if (f->heap[i]->ready_at <= f->heap[child]->ready_at)
			break;
		heap_swap(f, i, child);
		i = child;
	}
}

/* With the lock held. */
static void
schedule(struct fleet *f, struct member *m, double at)
{
	m->ready_at = at;
	m->place = WAITING;
	m->heap_index = f->heap_n;
	f->heap[f->heap_n++] = m;
	heap_up(f, m->heap_index);
	pthread_cond_signal(&f->changed);
}

static struct member *
heap_pop(struct fleet *f)
{
	struct member *m = f->heap[0];

	heap_swap(f, 0, f->heap_n - 1);
	f->heap_n--;
	heap_down(f, 0);
	m->place = WORKING;
	return m;
}

static bool
over(const struct fleet *f)
{
	return f->left == 0 || stop_asked() || util_now() > f->end;
}

/* The next device that may act; NULL when the fleet is done or time is up. */
static struct member *
take(struct fleet *f)
{
	struct member *m = NULL;

	pthread_mutex_lock(&f->lock);
	while (!over(f) && m == NULL) {
		if (f->heap_n > 0 && f->heap[0]->ready_at <= util_now()) {
			m = heap_pop(f);
			break;
		}
		struct timespec ts;
		double wait = 0.1;

		if (f->heap_n > 0 && f->heap[0]->ready_at - util_now() < wait)
			wait = f->heap[0]->ready_at - util_now();
		clock_gettime(CLOCK_REALTIME, &ts);
		ts.tv_nsec += (long)((wait > 0 ? wait : 0.0001) * 1e9);
		if (ts.tv_nsec >= 1000000000) {
			ts.tv_sec++;
			ts.tv_nsec -= 1000000000;
		}
		pthread_cond_timedwait(&f->changed, &f->lock, &ts);
	}
	pthread_mutex_unlock(&f->lock);
	return m;
}

static bool
satisfied(const struct fleet *f, const struct member *m)
{
	const struct options *o = f->o;

	if (m->d->state != DEVICE_ENROLLED)
		return false;
	if (o->commands >= 0)
		return m->answered >= o->commands;
	return m->rounds >= o->idle_rounds;
}

static enum outcome
one_step(struct fleet *f, struct member *m)
{
	struct session_result r = { 0, false };
	int limit = f->o->commands < 0 ? -1 : f->o->commands - m->answered;
	enum outcome o;

	if (m->d->state != DEVICE_ENROLLED)
		return enroll_by_link(m->d);
	o = session_run(m->d, false, limit, &r);
	m->answered += r.commands;
	if (o == OUTCOME_OK)
		m->rounds++;
	return o;
}

static void
copy_token(struct member *m)
{
	const struct device *d = m->d;

	if (d->token.len != TOKEN_BYTES || d->magic == NULL)
		return;
	memcpy(m->token, d->token.data, TOKEN_BYTES);
	snprintf(m->magic, sizeof(m->magic), "%s", d->magic);
}

/* Put the device back with what comes next for it. */
static void
put_back(struct fleet *f, struct member *m, enum outcome o)
{
	bool left = m->d->state == DEVICE_UNENROLLED;
	double pause = f->o->poll_every / 1000.0;

	m->failures = o == OUTCOME_OK ? 0 : m->failures + 1;
	m->failed = left || m->failures >= FAILURES_MAX;
	m->done = m->failed || satisfied(f, m);
	if (m->done || !f->o->keep_alive)
		device_hang_up(m->d);
	pthread_mutex_lock(&f->lock);
	m->d->meter = NULL;
	m->place = RESTING;
	copy_token(m);
	if (m->done)
		f->left--;
	else if (o != OUTCOME_OK)
		schedule(f, m, util_now() + 0.1 * m->failures);
	else if (f->waker < 0 || m->again || (m->rounds == 0 && m->answered == 0))
		schedule(f, m, util_now() + (m->rounds > 0 ? pause : 0));
	m->again = false;
	if (f->left == 0)
		pthread_cond_broadcast(&f->changed);
	pthread_mutex_unlock(&f->lock);
}

static void *
work(void *arg)
{
	struct fleet *f = arg;
	struct meter meter = { 0 };
	struct member *m;

	while ((m = take(f)) != NULL) {
		enum outcome o;

		m->d->meter = &meter;
		o = one_step(f, m);
		if (o != OUTCOME_OK) {
			step_print(m->d->udid, "failed",
				json_pack("{s:s, s:s}", "outcome", outcome_words(o), "why",
					m->d->why));
			meter_fault(&meter, m->d->udid, m->d->why);
		}
		put_back(f, m, o);
	}
	pthread_mutex_lock(&f->lock);
	meter_merge(&f->total, &meter);
	pthread_mutex_unlock(&f->lock);
	meter_fini(&meter);
	return NULL;
}

/* A wake-up: its device acts now, or again if a thread has it. */
static void
wake(struct fleet *f, const struct wake *w)
{
	long len = 0;
	unsigned char *token = OPENSSL_hexstr2buf(w->token, &len);

	pthread_mutex_lock(&f->lock);
	for (size_t i = 0; token != NULL && len == TOKEN_BYTES && i < f->n; i++) {
		struct member *m = &f->members[i];

		if (memcmp(m->token, token, TOKEN_BYTES) != 0 || strcmp(m->magic, w->magic) != 0)
			continue;
		if (m->place == WORKING)
			m->again = true;
		else if (m->place == RESTING && !m->done)
			schedule(f, m, util_now());
		break;
	}
	pthread_mutex_unlock(&f->lock);
	OPENSSL_free(token);
}

static void
listen_for_wakes(struct fleet *f)
{
	struct wake w;
	bool go_on = true;

	while (go_on) {
		if (waker_wait(f->waker, 50, &w) == 1)
			wake(f, &w);
		pthread_mutex_lock(&f->lock);
		go_on = !over(f);
		pthread_mutex_unlock(&f->lock);
	}
}

static int
open_members(struct fleet *f)
{
	f->members = util_alloc(f->n * sizeof(*f->members));
	f->heap = util_alloc(f->n * sizeof(*f->heap));
	for (size_t i = 0; i < f->n; i++) {
		struct member *m = &f->members[i];
		unsigned number = (unsigned)(f->o->first + (int)i);
		char *dir =
			f->o->state != NULL ? util_printf("%s/%06u", f->o->state, number) : NULL;

		m->d = device_open(f->o, dir, number);
		free(dir);
		if (m->d == NULL)
			return -EIO;
		copy_token(m);
		schedule(f, m, 0);
	}
	f->left = f->n;
	return 0;
}

static void
run_threads(struct fleet *f)
{
	size_t n = (size_t)f->o->concurrency, started = 0;
	pthread_t *threads = util_alloc(n * sizeof(*threads));

	while (started < n && pthread_create(&threads[started], NULL, work, f) == 0)
		started++;
	if (started == 0)
		fputs("fake-device: no thread can be started\n", stderr);
	else if (f->waker >= 0)
		listen_for_wakes(f);
	for (size_t i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
	free(threads);
}

/* The summary on stdout; the exit code. */
static int
summarize(struct fleet *f, double seconds)
{
	json_int_t enrolled = 0, failed = 0, done = 0, answered = 0, unenrolled = 0;
	json_t *all;

	for (size_t i = 0; i < f->n; i++) {
		const struct member *m = &f->members[i];

		enrolled += m->d->state == DEVICE_ENROLLED;
		unenrolled += m->d->state == DEVICE_UNENROLLED;
		failed += m->failed;
		done += m->done && !m->failed;
		answered += m->answered;
	}
	all = json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "devices", (json_int_t)f->n, "enrolled",
		enrolled, "unenrolled", unenrolled, "done", done, "failed", failed, "answered",
		answered);
	json_object_update_new(all, meter_json(&f->total, seconds));
	json_dumpf(all, stdout, JSON_INDENT(1));
	putchar('\n');
	fflush(stdout);
	json_decref(all);
	if (failed > 0)
		return OUTCOME_FLEET;
	return done == (json_int_t)f->n ? OUTCOME_OK : OUTCOME_UNFINISHED;
}

static void
close_members(struct fleet *f)
{
	for (size_t i = 0; f->members != NULL && i < f->n; i++)
		device_close(f->members[i].d);
	free(f->members);
	free(f->heap);
	meter_fini(&f->total);
}

int
fleet_run(const struct options *o)
{
	struct fleet f = { .o = o,
		.n = (size_t)o->count,
		.lock = PTHREAD_MUTEX_INITIALIZER,
		.changed = PTHREAD_COND_INITIALIZER,
		.waker = -1 };
	int code = OUTCOME_LOCAL;
	double start;

	if (o->keys > 0 && keypool_init(o->keys, o->concurrency) < 0)
		goto end;
	if (o->wake != NULL && (f.waker = waker_open(o->wake)) < 0) {
		fprintf(stderr, "fake-device: %s: %s\n", o->wake, strerror(-f.waker));
		goto end;
	}
	if (open_members(&f) < 0)
		goto end;
	start = util_now();
	f.end = o->seconds > 0 ? start + o->seconds : 1e18;
	run_threads(&f);
	code = summarize(&f, util_now() - start);
end:
	waker_close(f.waker, o->wake);
	close_members(&f);
	keypool_fini();
	return code;
}
