/* cordon-csr-delete.c - push certificate, CSR and private key: gone, file by file */
#include <stdio.h>
#include <string.h>

#include "consent.h"
#include "cordon-csr.h"

static const char *const kinds[] = {
	[CSR_CERTIFICATE] = "push certificate",
	[CSR_REQUEST] = "CSR",
	[CSR_KEY] = "private key",
	[CSR_SIGNED_REQUEST] = "signed CSR",
	[CSR_TRANSPORT] = "transport key of mdmcert.download",
};

/* The certificate goes first: a key without certificate is no harm, the reverse is a fault. */
int
csr_remove_files(const struct site *s, const struct csr_situation *c, const char *keep)
{
	int status = EX_OK, r;

	for (size_t i = 0; i < c->file_count; i++) {
		const struct csr_file *f = &c->files[i];

		if (keep && strcmp(keep, f->name) == 0)
			continue;
		r = site_remove(s, f->name);
		if (r != EX_OK) {
			status = r;
			continue;
		}
		printf("deleted %s/%s (%s)\n", s->certs, f->name, kinds[f->kind]);
		if (f->target)
			tool_warn("%s/%s was a link: %s, to which it led, is still there", s->certs,
				f->name, f->target);
	}
	return status;
}

static int
delete_files(const struct site *s, const struct tool_options *o, const struct csr_situation *c)
{
	int r;

	if (c->file_count == 0)
		return tool_fail(EX_NOINPUT,
			"%s: there is no push certificate, no CSR and no key of one", s->certs);
	fprintf(stderr, "To be deleted from %s:\n", s->certs);
	for (size_t i = 0; i < c->file_count; i++)
		fprintf(stderr, "  %-34s %s\n", c->files[i].name, kinds[c->files[i].kind]);
	r = consent_get(s, o,
		"Without them no device can be called. A certificate of another topic does not "
		"help the devices\nthat are enrolled: all devices must then re-enroll. To go on "
		"with them, use cordon-csr renew instead.");
	if (r == EX_OK)
		r = csr_remove_files(s, c, NULL);
	if (r == EX_OK)
		printf("\nThe server is not configured for MDM any more. The row in Apple's portal "
		       "is still there;\nrevoking it is final. To begin anew: cordon-csr new\n");
	return r;
}

int
csr_verb_delete(const struct tool_options *o)
{
	struct csr_situation c;
	struct site site;
	int r = site_open(&site, o);

	if (r != EX_OK)
		return r;
	csr_situation_read(&c, &site);
	r = delete_files(&site, o, &c);
	csr_situation_fini(&c);
	site_close(&site);
	return r;
}
