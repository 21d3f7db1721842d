/*
 * auth.h - which certificate speaks: Mdm-Signature or TLS, by our CA, known, in time
 *
 * facts/protocol.md C.3, DESIGN "Issuance records".  Whose certificate it is, is the party's
 * question (party.h); a revoked one is let through to there with a flag, because a replaced
 * identity that speaks again is an alarm and not only a refusal.
 */
#ifndef CORDON_MDM_AUTH_H
#define CORDON_MDM_AUTH_H

#include <openssl/x509.h>

#include "mdm/mdm.h"
#include "store/identity.h"

struct credentials {
	const char *signature; /* Mdm-Signature; NULL: none */
	unsigned signatures;   /* how many such fields there were */
	X509 *peer;	       /* TLS client certificate; NULL: none */
	struct bytes body;     /* what was signed, byte by byte */
	const char *query;     /* of the URL, raw; NULL */
};

struct speaker {
	X509 *cert; /* owned; NULL: recognised by its record, which is there then */
	unsigned char sha256[SHA256_LEN];
	unsigned char ca[SHA256_LEN];  /* of the CA that issued it; only with `cert` */
	bool foreign;		       /* ... which is an earlier server's (foreign.h) */
	char number[UUID_LEN + 1];     /* enrollment number from its SAN; "" */
	int64_t not_before, not_after; /* not_before is 0 without `cert` */
	struct identity *identity;     /* its issuance record, owned; NULL: lost */
	bool expired; /* within identity-grace: is offered nothing but its renewal */
	bool revoked;
};

/* 0; -EACCES with *why, a static sentence; -EIO when the store cannot be read. */
int auth_identify(
	struct mdm *m, const struct credentials *c, struct speaker *ret, const char **why);
/* The same for a certificate whose possession is proven: takes no reference of its own on failure.
 */
int auth_certificate(struct mdm *m, X509 *cert, struct speaker *ret, const char **why);
void auth_speaker_free(struct speaker *s);
/* Issued by the SSC or one before it; `ca` (may be NULL) gets the hash of that one. */
bool auth_is_ours(const struct certdir *certs, X509 *cert, unsigned char ca[SHA256_LEN]);
/* Does the CA of an issuance record (its hash) still count? */
bool auth_ca_is_ours(struct mdm *m, const unsigned char ca[SHA256_LEN]);

#endif
