/*
 * certdir.h - the watched certificate directory as one immutable, counted snapshot
 *
 * Files are recognised by content, paired by public key, and every file that looks like a
 * certificate or key and is not used has its reason and its remedy in words (DESIGN "Reload").  A
 * fault in one file blocks no other.
 */
#ifndef CORDON_PKI_CERTDIR_H
#define CORDON_PKI_CERTDIR_H

#include <openssl/x509.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/digest.h"

/* A certificate with its key, ready for use; without it (key and key_file NULL) only for show. */
struct certpair {
	STACK_OF(X509) * chain; /* leaf first */
	EVP_PKEY *key;
	char *cert_file, *key_file;	  /* base names */
	char *topic;			  /* push certificates */
	unsigned char sha256[SHA256_LEN]; /* of the leaf */
	int64_t not_before, not_after;
	char *name; /* common name, UTF-8 */
};
static inline X509 *
certpair_leaf(const struct certpair *p)
{
	return p->chain ? sk_X509_value(p->chain, 0) : NULL;
}

enum certdir_weight {
	CERTDIR_NOTE,	/* quiet: not needed any more, removable */
	CERTDIR_PROBLEM /* cannot be used: a person should look */
};

struct certdir_remark {
	enum certdir_weight weight;
	char *file; /* base name, or the path for files outside the directory */
	char *text; /* "push certificate expired on 2026-03-01: renew it with cordon-csr renew" */
};

struct certdir {
	int refs;
	char *directory;
	struct certpair *push; /* usable (key there and matching, topic present), valid or expired,
				  best first per topic */
	size_t push_count;
	struct certpair ssc; /* chain NULL: none */
	struct certpair *ssc_old;
	size_t ssc_old_count;
	struct certpair tls; /* the listener's; chain NULL: none */
	/* Their private key is not here, or cannot be used: shown, and used for nothing. */
	struct certpair *push_lone;
	size_t push_lone_count;
	struct certpair ssc_lone, tls_lone;
	X509 *tls_root; /* tls-ca.crt when `tls` chains to it, else NULL */
	bool has_csr;	/* a push-*.csr without certificate waits for Apple */
	char *csr_file;
	int64_t csr_since; /* its modification time */
	struct certdir_remark *remarks;
	size_t remark_count;
	int64_t scanned_at;
	int64_t next_change; /* earliest notBefore, or second after a notAfter, ahead: judge again
				then; 0: none */
};

/* What earlier scans saw, by device, inode, size and times: unchanged files are not read again. One
 * per caller. */
struct certdir_cache;
struct certdir_cache *certdir_cache_new(void);
void certdir_cache_free(struct certdir_cache *c);

struct certdir_options {
	const char *directory;
	const char *tls_certificate, *tls_key; /* paths from the configuration */
	const char *server_host; /* what devices call us; NULL: the TLS certificate's names are not
				    compared */
	int64_t now;
	bool check_modes; /* judge owner and mode of keys (the tools and tests may leave it) */
};

/*
 * Never fails: a directory that cannot be read gives a snapshot that is empty but for a remark.
 * Runs in the worker.
 */
struct certdir *certdir_scan(const struct certdir_options *o, struct certdir_cache *cache);
struct certdir *certdir_ref(struct certdir *d);
void certdir_unref(struct certdir *d); /* NULL allowed; thread-safe */
/* The pair to push with for a topic: valid at `now`, expiring last; else NULL. */
const struct certpair *certdir_push_for(const struct certdir *d, const char *topic, int64_t now);
/* The certificate of a topic (NULL: of any) that lacks its key and expires last, or NULL. */
const struct certpair *certdir_push_lone(const struct certdir *d, const char *topic);
/* The pair new enrollments get: the valid one that expires last among topics for which allowed(arg,
 * topic) says true. */
const struct certpair *certdir_push_main(const struct certdir *d, int64_t now,
	bool (*allowed)(void *arg, const char *topic), void *arg);

#endif
