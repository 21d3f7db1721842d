/* site.h - the place a tool works on: configuration, certificate directory, owner of new files */
#ifndef CORDON_TOOLS_SITE_H
#define CORDON_TOOLS_SITE_H

#include <sys/stat.h>
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

struct site_file {
	const char *name;
	struct bytes content;
	enum site_kind kind;
	bool replace; /* else an existing one is left alone, and nothing is written */
};

/*
 * Writes files of the directory, each with its final mode and owner from the first byte: all of
 * them, or none.  They are staged under hidden names first, so that a full disk is met before
 * anything is replaced, and put in place in the order given.  Says what is wrong on stderr; an exit
 * status.
 */
int site_write(const struct site *s, const struct site_file *files, size_t count);
/* After keys were written: says that the daemon may not read them yet. */
void site_warn_group(const struct site *s);
/* An exit status; a file that is not there is removed already. */
int site_remove(const struct site *s, const char *name);
/*
 * Reads a file of at most `max` bytes (also outside the directory).  Says what is wrong on stderr;
 * an exit status.
 */
int site_read(const char *path, size_t max, struct buf *out, struct stat *st);

#endif
