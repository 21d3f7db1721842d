/* step.c - what the fake device says: a JSON line per step, and the journal */
#include "step.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <time.h>

static FILE *journal_file;
static bool silent;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

int
step_init(const char *journal, bool quiet)
{
	silent = quiet;
	if (journal == NULL)
		return 0;
	journal_file = fopen(journal, "ae");
	return journal_file != NULL ? 0 : -errno;
}

void
step_fini(void)
{
	if (journal_file != NULL)
		fclose(journal_file);
	journal_file = NULL;
}

/* One write per line, so that a reader never sees half of one. */
static void
put_line(FILE *f, const json_t *line)
{
	json_dumpf(line, f, JSON_COMPACT);
	fputc('\n', f);
	fflush(f);
}

static void
say(const char *udid, const char *what, json_t *more, bool acked)
{
	struct timespec ts;
	json_t *line;

	clock_gettime(CLOCK_REALTIME, &ts);
	line = json_pack("{s:s, s:s, s:f}", "step", what, "udid", udid, "time",
		(double)ts.tv_sec + (double)ts.tv_nsec / 1e9);
	if (line != NULL && more != NULL)
		json_object_update(line, more);
	json_decref(more);
	pthread_mutex_lock(&lock);
	if (line != NULL && !silent)
		put_line(stdout, line);
	if (line != NULL && acked && journal_file != NULL)
		put_line(journal_file, line);
	pthread_mutex_unlock(&lock);
	json_decref(line);
}

void
step_print(const char *udid, const char *what, json_t *more)
{
	say(udid, what, more, false);
}

void
step_acked(const char *udid, const char *what, json_t *more)
{
	say(udid, what, more, true);
}
