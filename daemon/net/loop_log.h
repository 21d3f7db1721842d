/*
 * loop_log.h - libevent's own words, carried to our log
 *
 * A file of its own because `struct event` of libevent and `enum event` of base/event.h cannot be
 * seen by one and the same file: event2/event.h is included by loop.c and nobody else.
 */
#ifndef CORDON_NET_LOOP_LOG_H
#define CORDON_NET_LOOP_LOG_H

enum loop_log_level { LOOP_LOG_DEBUG, LOOP_LOG_WARN, LOOP_LOG_ERROR };
void loop_log(enum loop_log_level level, const char *text);

#endif
