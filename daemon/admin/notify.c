/* notify.c - sd_notify, with the cares of facts/library-traps.md 7.5 */
#include "admin/notify.h"

#include <stdlib.h>
#include <string.h>
#include <systemd/sd-daemon.h>

#include "base/clock.h"
#include "base/mem.h"

static char *last_status; /* only this file writes it */

void
notify_ready(void)
{
	sd_notify(0, "READY=1");
}

void
notify_reloading(void)
{
	sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%lld", (long long)clock_mono_us());
}

void
notify_stopping(void)
{
	/* What was said of push and devices is not so of a service that has stopped. */
	sd_notify(0, "STOPPING=1\nSTATUS=");
	free(last_status);
	last_status = NULL;
}

void
notify_status(const char *text)
{
	char *line;

	if (last_status && strcmp(last_status, text) == 0)
		return;
	free(last_status);
	last_status = xstrdup(text);
	line = xstrdup(text);
	/* A newline would begin another assignment. */
	for (char *p = line; *p; p++)
		if (*p == '\n' || *p == '\r')
			*p = ' ';
	sd_notifyf(0, "STATUS=%s", line);
	free(line);
}

void
notify_watchdog(void)
{
	sd_notify(0, "WATCHDOG=1");
}

int64_t
notify_watchdog_ms(void)
{
	uint64_t usec = 0;

	if (sd_watchdog_enabled(0, &usec) <= 0)
		return 0;
	return (int64_t)(usec / 2000);
}
