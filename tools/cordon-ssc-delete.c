/* cordon-ssc-delete.c - the SSC gone, with those before it */
#include <stdio.h>
#include <string.h>

#include "consent.h"
#include "cordon-ssc.h"

int
ssc_remove_files(const struct site *s, const struct ssc_situation *c, bool old_only)
{
	int status = EX_OK, r;

	for (size_t i = 0; i < c->file_count; i++) {
		if (old_only && strncmp(c->files[i], "ssc-old-", 8) != 0)
			continue;
		r = site_remove(s, c->files[i]);
		if (r == EX_OK)
			printf("deleted %s/%s\n", s->certs, c->files[i]);
		else
			status = r;
	}
	return status;
}

static int
delete_files(const struct site *s, const struct tool_options *o, const struct ssc_situation *c)
{
	int r;

	if (c->file_count == 0)
		return tool_fail(EX_NOINPUT, "%s: there is no SSC", s->certs);
	fprintf(stderr, "To be deleted from %s:\n", s->certs);
	for (size_t i = 0; i < c->file_count; i++)
		fprintf(stderr, "  %s\n", c->files[i]);
	r = consent_get(s, o,
		"Without the SSC no device can enroll, and the identities that it issued are "
		"refused: all devices must\nthen re-enroll. To exchange it and keep them, use "
		"cordon-ssc new --replace instead.");
	if (r == EX_OK)
		r = ssc_remove_files(s, c, false);
	if (r == EX_OK)
		printf("\nThe server is not configured for MDM any more. store.key stays: secrets "
		       "in the state directory are\nsealed with it. To begin anew: cordon-ssc "
		       "new\n");
	return r;
}

int
ssc_verb_delete(const struct tool_options *o)
{
	struct ssc_situation c;
	struct site site;
	int r = site_open(&site, o);

	if (r != EX_OK)
		return r;
	ssc_situation_read(&c, &site);
	r = delete_files(&site, o, &c);
	ssc_situation_fini(&c);
	site_close(&site);
	return r;
}
