/* fault.h - what is wrong with a configuration, collected: nothing here logs */
#ifndef CORDON_CONF_FAULT_H
#define CORDON_CONF_FAULT_H

#include "conf/conf.h"

/* Copies everything; `key` may be NULL. */
void fault_add(struct conf_faults *f, const char *file, unsigned line, const char *key,
	const char *fmt, ...) __attribute__((format(printf, 5, 6)));
void fault_warn(struct conf_faults *f, const char *file, unsigned line, const char *key,
	const char *fmt, ...) __attribute__((format(printf, 5, 6)));

#endif
