/* daemon.c - one run of the daemon from start to stop */
#include "daemon.h"

#include <malloc.h>
#include <stdlib.h>
#include <sysexits.h>

#include "graph.h"

#include "admin/journal.h"
#include "base/log.h"
#include "base/mem.h"

/*
 * The worker frees tables of hundreds of thousands of records.  As fast bins they would be put
 * together in one go by whoever asks for a large piece next, and that is the loop: 24 ms were
 * measured.  Without fast bins each is joined to its neighbours as it is freed.
 */
static void
set_allocator(void)
{
#ifdef M_MXFAST
	(void)mallopt(M_MXFAST, 0);
#endif
}

int
daemon_run(const char *conf_file)
{
	struct graph *g = xcalloc(1, sizeof(*g));
	int status;

	set_allocator();
	if (journal_start(NULL) < 0)
		log_warn("the journal's thread cannot be started: lines go to stderr");
	g->conf_file = conf_file;
	status = graph_start(g);
	if (status == 0 && loop_run(g->loop) < 0)
		status = EX_OSERR;
	graph_stop(g);
	if (status == 0)
		log_event(EV_STOPPED, NO_FIELDS, "stopped");
	journal_stop();
	free(g);
	return status;
}
