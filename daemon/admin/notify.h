/* notify.h - what the service manager hears: READY, RELOADING, STATUS, STOPPING, WATCHDOG */
#ifndef CORDON_ADMIN_NOTIFY_H
#define CORDON_ADMIN_NOTIFY_H

#include <stdint.h>

void notify_ready(void);
void notify_reloading(void); /* followed by notify_ready when it is done */
void notify_stopping(void);
void notify_status(
	const char *text); /* one line; newlines become blanks; said only when it changed */
void notify_watchdog(void);
int64_t notify_watchdog_ms(
	void); /* how often notify_watchdog is due (half the limit); 0: no watchdog */

#endif
