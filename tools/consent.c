/* consent.c - a person's word before devices lose their server */
#include "consent.h"

#include <stdio.h>

#include "ask.h"
#include "fleet.h"

int
consent_get(const struct site *s, const struct tool_options *o, const char *consequence)
{
	fleet_say(o, s->certs, stderr);
	fprintf(stderr, "%s\n", consequence);
	if (o->yes)
		return EX_OK;
	if (!ask_possible())
		return tool_fail(EX_USAGE,
			"nothing was changed: this needs a word from a person. Run it on a "
			"terminal, or give --yes");
	if (!ask_yes())
		return tool_fail(EX_CANTCREAT, "nothing was changed");
	return EX_OK;
}
