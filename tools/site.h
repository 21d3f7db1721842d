/* site.h - the place a tool works on: configuration, certificate directory, owner of new files */
#ifndef CORDON_TOOLS_SITE_H
#define CORDON_TOOLS_SITE_H

#include <sys/types.h>

#include "conf/conf.h"
#include "pki/certdir.h"
#include "pki/csr.h"
#include "tool.h"

struct site {
	struct conf *conf; /* NULL: there is none, and flags say enough */
	char *certs;
	char *tls_certificate, *tls_key;
	uid_t uid;
	gid_t gid, root_gid;
	bool no_group; /* the daemon's group does not exist yet, so keys are for root alone */
};

/* Says what is wrong on stderr; an exit status. */
int site_open(struct site *s, const struct tool_options *o);
void site_close(struct site *s);

struct certdir *site_scan(const struct site *s, bool check_modes);
char *site_path(const struct site *s, const char *name); /* caller frees */
bool site_has(const struct site *s, const char *name);	 /* a dangling link counts */

/* Flags before the configuration; all fields are copies: subject_free. */
void site_subject(const struct site *s, const struct tool_options *o, struct subject *ret);

enum site_kind {
	SITE_CERTIFICATE, /* 0644 */
	SITE_KEY,	  /* 0640, for the daemon's group */
	SITE_ROOT_KEY	  /* 0600, for root alone */
};

/*
 * Writes a file of the directory with its final mode and owner from the first byte, whole or not at
 * all.  Without `replace` an existing one is left alone (EX_CANTCREAT).  Says what is wrong on
 * stderr; an exit status.
 */
int site_write(const struct site *s, const char *name, struct bytes content, enum site_kind kind,
	bool replace);
/* After keys were written: says that the daemon may not read them yet. */
void site_warn_group(const struct site *s);
void site_remove(const struct site *s, const char *name);

#endif
