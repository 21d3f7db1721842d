/* session.h - one connection to the command channel: Idle, commands, reports, until nothing is left
 */
#ifndef FAKE_SESSION_H
#define FAKE_SESSION_H

#include "device.h"

struct session_result {
	int commands; /* reports that the server answered with 200 */
	bool not_now_last;
};

/*
 * Send a report that is still owed, or Idle; carry out what comes until the server has nothing
 * left or `limit` commands (-1: no limit) are answered.  `user`: the user channel.
 */
enum outcome session_run(struct device *d, bool user, int limit, struct session_result *ret);

/* One Idle; says what the server offers and does nothing about it. */
enum outcome session_peek(struct device *d);

#endif
