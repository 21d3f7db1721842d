/* check.h - what keys say together: missing ones, and those that contradict each other */
#ifndef CORDON_CONF_CHECK_H
#define CORDON_CONF_CHECK_H

#include "conf/keys.h"

/*
 * `origins` has an element for each row of keys_all; `file` is named for keys that are nowhere.
 * What is missing can be said only when every file was parsed, so it is asked apart.
 */
void check_required(const struct origin *origins, const char *file, struct conf_faults *faults);
void check_conf(const struct conf *c, const struct origin *origins, const char *file,
	struct conf_faults *faults);

#endif
