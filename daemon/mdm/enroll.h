/* enroll.h - /enroll: who gets an enrollment profile, and the links that say so (DESIGN "Links") */
#ifndef CORDON_MDM_ENROLL_H
#define CORDON_MDM_ENROLL_H

#include "mdm/machine.h"
#include "mdm/mdm.h"
#include "mdm/reply.h"
#include "store/delivery.h"
#include "store/enrollment.h"
#include "store/link.h"

/* For the route table: GET by a link, POST of a MachineInfo; ctx is the struct mdm. */
void enroll_handle(struct http_request *r, void *ctx);

/* One profile to be delivered: not yet in the store, not yet signed. */
struct enroll_offer {
	struct delivery *delivery;
	struct buf profile; /* XML; holds the challenge */
};
/*
 * May `token` (NULL: no link) have a profile?  True: *ret is the caller's.  False: `out` says why
 * not (503 "MDM not configured", 403 with a sentence).
 */
bool enroll_offer(struct mdm *m, const char *token, struct enroll_offer *ret, struct reply *out);
/* The same for a device that is awaited: a valid link is bound to its serial number. */
bool enroll_offer_machine(
	struct mdm *m, const struct machine *machine, struct enroll_offer *ret, struct reply *out);
void enroll_offer_free(struct enroll_offer *o);
/* Gives the delivery a new challenge, and appends its text: the only time that it is known. */
void enroll_challenge(struct delivery *d, struct buf *text);

struct enroll_link {
	int64_t lifetime;			    /* seconds; 0: enrollment.link-lifetime */
	uint32_t uses;				    /* 0: 1; LINK_ANY */
	const char *serial, *device, *actor, *note; /* NULL each */
	bool challenge;				    /* enroll_challenge_new sets it */
};
/*
 * Appends the address; only the token's hash is kept.  `ret` (may be NULL) is the record, the
 * caller's. 0; -EINVAL a value that makes no sense; -errno of the store.
 */
int enroll_link_new(struct mdm *m, const struct enroll_link *o, struct buf *url, struct link **ret);
/*
 * A SCEP challenge without a profile, under a link of its own that nobody can fetch a profile by.
 * As enroll_link_new; -ENODATA: MDM is not configured.
 */
int enroll_challenge_new(
	struct mdm *m, const struct enroll_link *o, struct buf *challenge, struct link **ret);
/* `ret` (may be NULL) is the record, the caller's.  0; -ENOENT; -errno of the store. */
int enroll_link_revoke(struct mdm *m, const char *hash, const char *actor, struct link **ret);

#endif
