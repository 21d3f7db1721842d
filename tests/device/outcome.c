/* outcome.c - words for the outcomes of steps */
#include "outcome.h"

#include <stddef.h>

static const struct {
	enum outcome outcome;
	const char *words;
} names[] = {
	{ OUTCOME_OK, "ok" },
	{ OUTCOME_LOCAL, "local fault" },
	{ OUTCOME_UNREACHABLE, "unreachable" },
	{ OUTCOME_TLS, "tls refused" },
	{ OUTCOME_PROFILE, "profile refused" },
	{ OUTCOME_SCEP, "scep failed" },
	{ OUTCOME_REFUSED, "refused by server" },
	{ OUTCOME_UNENROLLED, "unenrolled by server" },
	{ OUTCOME_NOT_ENROLLED, "not enrolled" },
	{ OUTCOME_MALFORMED, "malformed answer" },
	{ OUTCOME_UNFINISHED, "unfinished" },
	{ OUTCOME_FLEET, "fleet had failures" },
	{ OUTCOME_STOPPED, "stopped as told" },
};

const char *
outcome_words(enum outcome o)
{
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].outcome == o)
			return names[i].words;
	return "unknown";
}
