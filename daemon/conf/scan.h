/* scan.h - what libconfig lets through in silence, found in the text before it parses */
#ifndef CORDON_CONF_SCAN_H
#define CORDON_CONF_SCAN_H

#include "conf/conf.h"

/* False when there is a fault that makes parsing pointless; each is added with its line. */
bool scan_text(const char *file, struct bytes text, struct conf_faults *faults);

#endif
