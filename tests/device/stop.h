/* stop.h - SIGTERM and SIGINT ask the program to end */
#ifndef FAKE_STOP_H
#define FAKE_STOP_H

#include <stdbool.h>

void stop_init(void);
bool stop_asked(void);

/* Sleep, but not beyond a request to stop.  Returns stop_asked(). */
bool stop_sleep(double seconds);

#endif
