/* pkimessage.h - the CMS messages of SCEP: a request is built, a reply is taken apart
 *
 * SignedData{ EnvelopedData{ content } } with the attributes of facts G.4.
 */
#ifndef FAKE_PKIMESSAGE_H
#define FAKE_PKIMESSAGE_H

#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdbool.h>

#include "util.h"

#define PKIMESSAGE_NONCE 16

/* Values of messageType. */
#define PKIMESSAGE_CERT_REP "3"
#define PKIMESSAGE_PKCS_REQ "19"
#define PKIMESSAGE_CERT_POLL "20"

struct pkimessage {
	/* what a request is made of */
	X509 *ca;   /* the recipient, and the signer of the reply */
	X509 *cert; /* the signer */
	EVP_PKEY *key;
	const EVP_MD *md;
	const EVP_CIPHER *cipher;
	bool ber;
	const char *type;
	const char *transaction;
	uint8_t nonce[PKIMESSAGE_NONCE];
};

struct pkimessage_reply {
	char status;	     /* '0', '2' or '3' */
	char info;	     /* failInfo, or 0 */
	struct blob content; /* decrypted; with status '0' only */
};

/* Bytes of a request around `content`; empty on a fault (`why`, 256 bytes). */
struct blob pkimessage_build(const struct pkimessage *m, const struct blob *content, char why[256]);

/* Take the reply to `m` apart with all of Apple's checks.  false with the reason. */
bool pkimessage_open(const struct pkimessage *m, const struct blob *data,
	struct pkimessage_reply *ret, char why[256]);

#endif
