/* cordon-ssc.c - the self-signed certificate (SSC) that issues device identities: its verbs */
#include "cordon-ssc.h"

static bool
is_due(const struct ssc_situation *c)
{
	return c->dir->ssc.not_after - c->now <= c->warn;
}

static int
new_applies(const void *situation)
{
	const struct ssc_situation *c = situation;

	if (!c->dir->ssc.chain)
		return c->file_count ? 0 : 1;
	return is_due(c) ? 1 : -1;
}

static int
tls_applies(const void *situation)
{
	const struct ssc_situation *c = situation;

	return c->dir->ssc.chain && !is_due(c) && !c->dir->tls.chain ? 1 : 0;
}

static int
show_applies(const void *situation)
{
	const struct ssc_situation *c = situation;

	return c->dir->ssc.chain && !is_due(c) && c->dir->tls.chain ? 1 : 0;
}

static int
delete_applies(const void *situation)
{
	const struct ssc_situation *c = situation;

	return c->file_count ? 0 : -1;
}

static const struct tool_verb verbs[] = {
	{ "new", NULL,
		"make the SSC, which devices know this MDM server by, and store.key; with "
		"--replace the next one",
		TOOL_SUBJECT | TOOL_BITS | TOOL_YEARS | TOOL_OWNER | TOOL_REPLACE |
			TOOL_COMPROMISED | TOOL_CONSENT,
		ssc_verb_new, new_applies },
	{ "show", NULL, "show the SSC and the TLS certificate, and what is wrong with the files",
		TOOL_JSON, ssc_verb_show, show_applies },
	{ "tls", "[NAME]",
		"make or renew server.crt for a host name or address, from a TLS root of its own",
		TOOL_OWNER | TOOL_REPLACE | TOOL_RENEW, ssc_verb_tls, tls_applies },
	{ "delete", NULL, "delete the SSC, its key and earlier ones", TOOL_CONSENT, ssc_verb_delete,
		delete_applies },
};

static const struct tool tool = { "cordon-ssc",
	"Makes and shows the self-signed certificate for Apple MDM (SSC), the CA of device "
	"identities.",
	verbs, sizeof(verbs) / sizeof(verbs[0]), ssc_overview };

int
main(int argc, char **argv)
{
	return tool_main(&tool, argc, argv);
}
