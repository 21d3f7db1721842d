/*
 * journal.h - carries log records to the journal, or to stderr where there is none, from a thread
 * of its own
 *
 * The native protocol blocks when journald does not read (facts/library-traps.md 7.2), so records
 * go into a bounded queue; what does not fit is dropped and counted, and the count is said when
 * there is room again.
 */
#ifndef CORDON_ADMIN_JOURNAL_H
#define CORDON_ADMIN_JOURNAL_H

#include <stdbool.h>
#include <stdint.h>

#define JOURNAL_QUEUE_MAX 4096 /* records that wait */

/*
 * Starts the thread and makes it the log's carrier.  `socket_path` NULL: journald's, if stderr is
 * connected to it
 * ($JOURNAL_STREAM), else stderr.  0 or -errno; on failure stderr stays the carrier.
 */
int journal_start(const char *socket_path);
/* Says what waits (at most two seconds), joins, gives the log back to stderr. */
void journal_stop(void);
uint64_t journal_dropped(void);

#endif
