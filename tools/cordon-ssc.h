/* cordon-ssc.h - the verb of cordon-ssc that has a file of its own */
#ifndef CORDON_TOOLS_CORDON_SSC_H
#define CORDON_TOOLS_CORDON_SSC_H

#include "tool.h"

int ssc_tls(const struct tool_options *o);

#endif
