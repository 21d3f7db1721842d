/*
 * tool.h - what cordon-ssc and cordon-csr have in common: verbs and options as tables, help, errors
 *
 * A tool is a table of verbs; each verb names the groups of options that it takes, so that an
 * option which a verb would ignore is a usage error instead.
 */
#ifndef CORDON_TOOLS_TOOL_H
#define CORDON_TOOLS_TOOL_H

#include <stdbool.h>
#include <sysexits.h>

#include "pki/csr.h"

enum tool_group {
	TOOL_COMMON = 1,	/* --config, --certs */
	TOOL_SUBJECT = 2,	/* --common-name and the others of a subject */
	TOOL_BITS = 4,		/* --bits */
	TOOL_YEARS = 8,		/* --years */
	TOOL_OWNER = 16,	/* --owner, --group */
	TOOL_JSON = 32,		/* --json */
	TOOL_AGAIN = 64,	/* --again */
	TOOL_REPLACE = 128,	/* --replace */
	TOOL_CONSENT = 256,	/* --yes, --socket */
	TOOL_ACCOUNT = 512,	/* --email, --api-key-file, --url, --trust */
	TOOL_PASSWORD = 1024,	/* --password-file */
	TOOL_OUTPUT = 2048,	/* --output */
	TOOL_RENEW = 4096,	/* --renew */
	TOOL_COMPROMISED = 8192 /* --compromised */
};

struct tool_options {
	const char *config; /* -c, or the usual place */
	bool config_given;
	const char *certs;	/* NULL: by configuration */
	struct subject subject; /* fields point into argv; NULL: not given */
	int bits, years;	/* 0: not given */
	const char *owner, *group;
	bool json, again, replace, yes, renew, compromised;
	const char *socket; /* NULL: the usual one */
	const char *api_key_file, *url, *trust;
	const char *password_file, *output;
	const char *argument; /* of verbs that take one; NULL: not given */
};

struct tool_verb {
	const char *name;
	const char *argument; /* "NAME", "[NAME]" where it may be missing, or NULL */
	const char *summary;
	unsigned groups;
	int (*run)(const struct tool_options *o); /* an exit status of <sysexits.h> */
	/*
	 * What the verb is in the situation that the overview passes on: >0 the next step, 0
	 * possible, <0 of no use.
	 */
	int (*applies)(const void *situation);
};

struct tool {
	const char *name;    /* "cordon-ssc" */
	const char *summary; /* one sentence */
	const struct tool_verb *verbs;
	size_t verb_count;
	/* Without a verb: says which situation this is, and what can be done in it. */
	int (*overview)(const struct tool *t, const struct tool_options *o);
};

/* Parses the command line and runs the verb; without one, the overview. */
int tool_main(const struct tool *t, int argc, char **argv);
/* The verbs that apply in `situation`, the next one in bold. */
void tool_list_verbs(const struct tool *t, const void *situation);

/* "cordon-ssc: text" on stderr; returns `status`. */
int tool_fail(int status, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void tool_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
