/* step.h - what the fake device says: a JSON line per step, and the journal of acknowledged things
 *
 * Every line has "step" and "udid".  Lines of the journal (--journal) are written only after the
 * server's 200 arrived: what is there, the server must never lose.
 */
#ifndef FAKE_STEP_H
#define FAKE_STEP_H

#include <jansson.h>
#include <stdbool.h>

/* Open the journal (NULL: none); quiet: nothing on stdout (the fleet).  0 or -errno. */
int step_init(const char *journal, bool quiet);
void step_fini(void);

/* One line on stdout.  Takes `more` (an object or NULL). */
void step_print(const char *udid, const char *what, json_t *more);

/* The same, and into the journal. */
void step_acked(const char *udid, const char *what, json_t *more);

#endif
