/* consent.h - a person's word before devices lose their server */
#ifndef CORDON_TOOLS_CONSENT_H
#define CORDON_TOOLS_CONSENT_H

#include "site.h"

/*
 * Says how many devices are enrolled, as far as the daemon answers, and then `consequence` (whole
 * sentences); asks on a terminal unless --yes is given.  EX_OK, EX_CANTCREAT for any answer but
 * yes, EX_USAGE when there is nobody to ask.
 */
int consent_get(const struct site *s, const struct tool_options *o, const char *consequence);

#endif
