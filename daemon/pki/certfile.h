/*
 * certfile.h - one file of the certificate directory: what is in it, remembered while unchanged
 *
 * Recognised by content alone.  Anything may lie in that directory, so a file is opened without
 * blocking, and read beyond its first 64 KiB only when those look like PEM or DER.
 */
#ifndef CORDON_PKI_CERTFILE_H
#define CORDON_PKI_CERTFILE_H

#include <openssl/x509.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/digest.h"

#define CERTFILE_HEAD 65536u  /* where "-----BEGIN " must begin */
#define CERTFILE_MAX 1048576u /* longer files are no certificates */

struct certfile {
	int refs;
	struct stat st; /* of what was read */
	bool fresh;	/* changed so lately that the times cannot tell a further change */
	unsigned round; /* of the cache, when last asked for */

	STACK_OF(X509) * certs; /* in file order; NULL: none */
	EVP_PKEY *key;		/* NULL: none */
	unsigned char key_spki[SHA256_LEN];
	bool has_csr;
	unsigned char csr_spki[SHA256_LEN];

	char *fault; /* it is, or holds, a certificate or key that cannot be read: a sentence */
	const char *blank; /* neither certificate nor key: worth saying only if its name promises
			      one; static, NULL when there is something in it */
};

struct certfile_cache;
struct certfile_cache *certfile_cache_new(void);
void certfile_cache_free(struct certfile_cache *c); /* NULL allowed */
/* Opens a round of certfile_get; certfile_cache_sweep forgets what the round did not ask for. */
void certfile_cache_begin(struct certfile_cache *c);
void certfile_cache_sweep(struct certfile_cache *c);

/*
 * The content of a regular file, from the cache (NULL: none) when device, inode, size and both
 * times are as they were.  NULL with *err: -errno of stat or open, -EINVAL for what is no regular
 * file.  Caller unrefs.  Not for several threads at once.
 */
struct certfile *certfile_get(struct certfile_cache *c, const char *path, int *err);
void certfile_unref(struct certfile *f); /* NULL allowed */

/* True for names that announce a certificate or key: .pem .crt .cer .der .key .p12 .pfx .p7b */
bool certfile_name_promises(const char *name);

#endif
