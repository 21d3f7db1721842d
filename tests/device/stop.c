/* stop.c - SIGTERM and SIGINT ask the program to end */
#include "stop.h"

#include <signal.h>
#include <stddef.h>

#include "util.h"

static volatile sig_atomic_t asked;

static void
on_signal(int sig)
{
	(void)sig;
	asked = 1;
}

void
stop_init(void)
{
	struct sigaction sa = { .sa_handler = on_signal };

	sigaction(SIGTERM, &sa, NULL);
	sigaction(SIGINT, &sa, NULL);
	signal(SIGPIPE, SIG_IGN);
}

bool
stop_asked(void)
{
	return asked != 0;
}

bool
stop_sleep(double seconds)
{
	double end = util_now() + seconds, left;

	while (!stop_asked() && (left = end - util_now()) > 0)
		util_sleep(left > 0.1 ? 0.1 : left);
	return stop_asked();
}
