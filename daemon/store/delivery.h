/*
 * delivery.h - one enrollment profile that was handed out: enrollment number, challenge, recorded
 * facts
 *
 *   'n' number          the delivery
 *   'h' sha256(challenge)   its number (challenges are kept as hashes only)
 *
 * The facts are what Apple lets nobody change later; a renewal is built from them (DESIGN
 * "Profile").
 */
#ifndef CORDON_STORE_DELIVERY_H
#define CORDON_STORE_DELIVERY_H

#include "base/digest.h"
#include "base/encode.h"
#include "store/store.h"

#define DELIVERY_LIFETIME 86400 /* seconds a challenge lives */
#define DELIVERY_SWEEP_MAX 1000
#define DELIVERY_USES 5 /* certificates one challenge may get */

struct profile_facts {
	char *identifier; /* top-level PayloadIdentifier */
	char *server_url, *checkin_url, *topic;
	int64_t access_rights;
	bool per_user;
	char *server_name;
	unsigned char
		signer[SHA256_LEN]; /* of the signing certificate's DER; zero: nobody signed */
	char *origin;		    /* the profile is another server's (origin.h); NULL: our own */
};

struct delivery {
	char number[UUID_LEN + 1];
	struct profile_facts facts;
	unsigned char challenge[SHA256_LEN]; /* hash */
	char link[2 * SHA256_LEN +
		  1];	  /* hash of the link, "" when access is open or by an administrator */
	char *renewal_of; /* enrollment id when this profile renews it */
	int64_t created;
	unsigned uses;
	unsigned char
		last_cert[SHA256_LEN]; /* of the last certificate issued under it; zero: none */
	bool closed;	  /* its enrollment's TokenUpdate arrived: no more certificates */
	char *enrollment; /* id, once a TokenUpdate arrived */
};

struct delivery *delivery_new(void); /* with a fresh number */
void delivery_free(struct delivery *d);
int delivery_load(struct store *s, const char *number, struct delivery **ret);
int delivery_by_challenge(struct store *s, struct bytes challenge, struct delivery **ret);
/* Writes the record and the challenge's index. */
int delivery_save(struct store *s, const struct delivery *d);
/*
 * Deletes deliveries that nobody asked a certificate for and that are older than DELIVERY_LIFETIME
 * and a day, DELIVERY_SWEEP_MAX of them at most.  How many, or -errno.
 */
int delivery_sweep(struct store *s, int64_t now);
void profile_facts_free(struct profile_facts *f);
void profile_facts_copy(struct profile_facts *to, const struct profile_facts *from);
/* As one field of another record, and back into zeroed facts (0 or -EBADMSG). */
void profile_facts_nest(struct buf *out, uint8_t tag, const struct profile_facts *f);
int profile_facts_decode(struct profile_facts *f, struct bytes value);

#endif
