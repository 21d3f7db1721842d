/* daemon.h - the object graph: start order, reload, stop order */
#ifndef CORDON_DAEMON_H
#define CORDON_DAEMON_H

/* Runs until told to stop; the process's exit status. */
int daemon_run(const char *conf_file);

#endif
