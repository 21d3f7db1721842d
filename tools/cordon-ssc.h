/* cordon-ssc.h - what the files of cordon-ssc share: the situation and the verbs */
#ifndef CORDON_TOOLS_CORDON_SSC_H
#define CORDON_TOOLS_CORDON_SSC_H

#include "site.h"

struct ssc_situation {
	int64_t now, warn;	/* warn: seconds before the end from which it counts as expiring */
	struct certdir *dir;	/* badly kept keys count */
	struct certdir *strict; /* they do not: what the daemon sees */
	char **files;		/* ssc.crt, ssc.key, ssc-old-*: those that are there, by name */
	size_t file_count;
};

void ssc_situation_read(struct ssc_situation *c, const struct site *s);
void ssc_situation_fini(struct ssc_situation *c);
int ssc_overview(const struct tool *t, const struct tool_options *o);

/* Removes the files of the situation (`old_only`: ssc-old-* alone), says each; an exit status. */
int ssc_remove_files(const struct site *s, const struct ssc_situation *c, bool old_only);

/* The verbs; an exit status each. */
int ssc_verb_new(const struct tool_options *o);
int ssc_verb_show(const struct tool_options *o);
int ssc_verb_delete(const struct tool_options *o);
int ssc_verb_tls(const struct tool_options *o);

#endif
