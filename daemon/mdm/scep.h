/*
 * scep.h - /scep: GetCACaps, GetCACert, PKIOperation (facts/protocol.md G)
 *
 * Opening a request and making the answer are jobs of the worker; the decision between them is made
 * in the loop's thread against the store.
 */
#ifndef CORDON_MDM_SCEP_VERB_H
#define CORDON_MDM_SCEP_VERB_H

#include "mdm/mdm.h"
#include "pki/scep.h"
#include "store/identity.h"

#define SCEP_BODY_MAX (2u << 20)
#define SCEP_KEY_BITS_MIN 2048
#define SCEP_KEY_BITS_MAX 8192 /* beyond it one request costs too much of the worker */

/* For the route table: GET and POST; ctx is the struct mdm. */
void scep_handle(struct http_request *r, void *ctx);

/* What a request may have. */
struct scep_grant {
	char number[UUID_LEN + 1];
	char link[2 * SHA256_LEN + 1];
	char *renewal_of;	  /* enrollment id; owned */
	bool by_challenge;	  /* a use of the delivery `number` */
	struct identity *earlier; /* the same transaction and key had this one: owned, NULL */
};
void scep_grant_free(struct scep_grant *g);
/*
 * 0 and *ret; -EACCES with *fail and *why (static) for a CertRep FAILURE; -EBUSY a certificate for
 * this number is being made; -EIO.
 */
int scep_authorise(struct mdm *m, const struct scep_request *q, struct scep_grant *ret,
	enum scep_fail *fail, const char **why);
/* Writes the issuance record of `cert`, the transaction, and the delivery's use.  0 or -errno. */
int scep_record(struct mdm *m, const struct scep_request *q, const struct scep_grant *g, X509 *cert,
	const unsigned char ca[SHA256_LEN]);
/* The bytes of GET's message parameter: base64 whose '+' may have become a blank.  0 or -EINVAL. */
int scep_get_message(const char *value, struct buf *out);

#endif
