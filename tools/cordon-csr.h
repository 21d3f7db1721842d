/* cordon-csr.h - what the files of cordon-csr share: the situation, its words, the verbs */
#ifndef CORDON_TOOLS_CORDON_CSR_H
#define CORDON_TOOLS_CORDON_CSR_H

#include <openssl/x509.h>

#include "site.h"

#define CSR_PORTAL "https://identity.apple.com/pushcert"
#define CSR_SIGNED "signedCSR"
#define CSR_FILE_MAX 1048576u

/* A file of the certificate directory that has to do with the push certificate. */
enum csr_kind { CSR_CERTIFICATE, CSR_REQUEST, CSR_KEY, CSR_SIGNED_REQUEST, CSR_TRANSPORT };
struct csr_file {
	char *name;
	enum csr_kind kind;
	char *target; /* it is a link to this; else NULL */
};

enum csr_state {
	CSR_NONE,
	CSR_KEY_MISSING, /* a push certificate, and none of them has its key */
	CSR_INSTALLED,
	CSR_EXPIRING,
	CSR_EXPIRED,
	CSR_FUTURE /* not valid yet */
};

/* How far the CSR that waits has got. */
enum csr_progress { CSR_UNSIGNED, CSR_REQUESTED, CSR_READY };

struct csr_situation {
	int64_t now;
	struct certdir *dir;	/* badly kept keys count */
	struct certdir *strict; /* they do not: what the daemon sees, for its remarks */
	enum csr_state state;
	const struct certpair *push; /* the one that matters; NULL: none */
	struct csr_file *files;
	size_t file_count;
	struct certpair orphan;	    /* certificate without key, where the state says so */
	char *missing_key;	    /* the name that its key would have */
	enum csr_progress progress; /* of dir->csr_file */
	bool vendor;		    /* vendor.crt and vendor.key are here */
	bool account;		    /* mdmcert.download's account is configured */
	const char *apple_account;  /* the site's; NULL: not noted */
};

void csr_situation_read(struct csr_situation *c, const struct site *s);
void csr_situation_fini(struct csr_situation *c);
/* Prints the situation and, where no verb is the next step, the next step in bold. */
void csr_situation_print(const struct csr_situation *c);
int csr_overview(const struct tool *t, const struct tool_options *o);

/* "2026-11-24 (97 days left)" or "(3 days ago)". */
void csr_add_deadline(struct buf *out, int64_t when, int64_t now);
/* That the CSR is no use to the portal yet, and the three ways on. */
void csr_print_three_ways(void);
/*
 * What to do at the portal with signedCSR; a renewal unless the state is CSR_NONE.  `next`: it is
 * the next step, and not one that comes after the vendor's signature.
 */
void csr_print_portal(const struct csr_situation *c, bool next);
void csr_print_legal(void);

/* Removes all files of the situation but `keep` (may be NULL), says each; an exit status. */
int csr_remove_files(const struct site *s, const struct csr_situation *c, const char *keep);

/* An own MDM vendor certificate. */
struct csr_vendor {
	EVP_PKEY *key;
	STACK_OF(X509) * chain; /* leaf to root */
};
/* Reads vendor.crt and vendor.key and judges them; says what is wrong; an exit status. */
int csr_vendor_load(const struct site *s, struct csr_vendor *v);
void csr_vendor_fini(struct csr_vendor *v);
/* Appends what Apple's portal takes (facts/protocol.md E.3).  0 or -EIO. */
int csr_vendor_sign(const struct csr_vendor *v, X509_REQ *csr, struct buf *out);
/* May Apple's portal take it (key, digest, signature)?  A clause of what is wrong, or NULL. */
const char *csr_request_fault(X509_REQ *csr);

/* A vendor-signed request, read back. */
struct csr_signed {
	struct buf plist;
	X509_REQ *csr;
	const char *fault; /* the portal would refuse it: a clause; NULL: well */
};
/* 0, or -EINVAL: it is none. */
int csr_signed_parse(struct bytes in, int64_t now, struct csr_signed *ret);
void csr_signed_fini(struct csr_signed *r);

/* Old ciphers (RC2-40, single DES) are in a module of OpenSSL of their own.  False: not there. */
bool csr_legacy_ciphers(void);

/* The verbs; an exit status each. */
int csr_verb_new(const struct tool_options *o);
int csr_verb_renew(const struct tool_options *o);
int csr_verb_show(const struct tool_options *o);
int csr_verb_delete(const struct tool_options *o);
int csr_verb_sign(const struct tool_options *o);
int csr_verb_request(const struct tool_options *o);
int csr_verb_decrypt(const struct tool_options *o);
int csr_verb_import(const struct tool_options *o);

#endif
