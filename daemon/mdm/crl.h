/*
 * crl.h - /crl and /crl/<ski>: which identities other services should not accept (DESIGN "States")
 *
 * On hold exactly while the gate would deny the enrollment, and from issue to the first
 * TokenUpdate; revoked when removed, replaced, lapsed, or 30 days after the successor's
 * TokenUpdate.  Cordon's own endpoints never look at it.  What is listed is kept in memory from the
 * first question on, and follows the store; a list is signed in the worker, once in CRL_EVERY
 * seconds at most.
 */
#ifndef CORDON_MDM_CRL_H
#define CORDON_MDM_CRL_H

#include "mdm/mdm.h"
#include "pki/crl.h"

#define CRL_EVERY 3	   /* seconds between two signatures */
#define CRL_REFRESH 3600   /* seconds after which it is made anew, though nothing changed */
#define CRL_LIFETIME 86400 /* seconds to nextUpdate */

/* For the route table: GET; ctx is the struct mdm. */
void crl_handle(struct http_request *r, void *ctx);
/* Changes of the store, as roster_follow gets them. */
void crl_follow(struct mdm *m, struct bytes key, struct bytes value);
/* What is listed of this CA now; the caller frees.  0 or -errno of the store. */
int crl_entries(
	struct mdm *m, const unsigned char ca[SHA256_LEN], struct crl_entry **ret, size_t *count);
void crl_free(struct mdm *m);

#endif
