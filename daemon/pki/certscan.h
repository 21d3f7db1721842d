/* certscan.h - one scan of the certificate directory while it runs: the files and what is said of
 * them */
#ifndef CORDON_PKI_CERTSCAN_H
#define CORDON_PKI_CERTSCAN_H

#include "pki/certdir.h"
#include "pki/certfile.h"

/* Directory entries looked at; a directory with more is somebody's mistake, and is told. */
#define CERTSCAN_ENTRIES_MAX 50000u

struct certscan_entry {
	char *name; /* as remarks call it: base name, or the path of a file outside */
	char *path;
	struct certfile *file; /* NULL: it could not be read, which was said if need be */
	bool outside;	       /* not in the directory */
	bool settled;	       /* in use, or spoken of: nothing more to say */
	bool key_refused;      /* others could read or change its key */
};

struct certscan {
	const struct certdir_options *o;
	struct certdir *d; /* being filled */
	struct certfile_cache *cache;
	struct certscan_entry *entries; /* by name */
	size_t count, cap;
};

/* Lists, reads and judges each file by itself. */
void certscan_list(struct certscan *s);
void certscan_fini(struct certscan *s);

struct certscan_entry *certscan_find(struct certscan *s, const char *name);
/*
 * The entry that is the file at `path`, whatever its name here; a file outside the directory is
 * added.  NULL when it is not there or cannot be read (then *missing says which).  Pointers to
 * entries do not survive this.
 */
struct certscan_entry *certscan_at_path(struct certscan *s, const char *path, bool *missing);
/* The private key of this public key, one that may be used before one that was refused; or NULL. */
struct certscan_entry *certscan_key_of(struct certscan *s, const unsigned char spki[SHA256_LEN]);
/* Is there a certificate of this public key in any file? */
bool certscan_has_cert_of(const struct certscan *s, const unsigned char spki[SHA256_LEN]);
/* Its private key, unless there is none or it was refused. */
EVP_PKEY *certscan_key(const struct certscan_entry *e);

void certscan_remark(struct certscan *s, enum certdir_weight weight, const char *file,
	const char *fmt, ...) __attribute__((format(printf, 4, 5)));
/* A moment at which the certificate becomes valid or expires counts for next_change. */
void certscan_expect(struct certscan *s, X509 *c);

#endif
