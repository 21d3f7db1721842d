/* lapse.c - has a candidate waited too long for its TokenUpdate? */
#include "policy/lapse.h"

bool
lapse_due(int64_t since, int64_t lifetime, int64_t now)
{
	return now > since && now - since > lifetime;
}
