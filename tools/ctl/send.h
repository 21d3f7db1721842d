/* send.h - what the keys of a command mean */
#ifndef CORDON_CTL_SEND_H
#define CORDON_CTL_SEND_H

#include <jansson.h>

/* Explains a command from the daemon's table, or, where none answers, from the installed one. */
int send_explain(const char *type);

/*
 * send_table.c: the same answer as GET /v1/commands/{type}, but for the example, from the table
 * that the daemon would read.  The exit status.
 */
int send_table(const char *type, json_t **ret);

#endif
