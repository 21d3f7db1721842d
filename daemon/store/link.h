/*
 * link.h - enrollment links: who may fetch a profile.  'l' hex(sha256(token)): the token itself is
 * not kept
 */
#ifndef CORDON_STORE_LINK_H
#define CORDON_STORE_LINK_H

#include "base/digest.h"
#include "store/store.h"

#define LINK_TOKEN_BYTES 24 /* random; base64url in the address */
#define LINK_ANY UINT32_MAX /* --uses any */

struct link {
	char hash[2 * SHA256_LEN + 1];
	int64_t created, expires;
	uint32_t uses_max, uses; /* a use is counted at TokenUpdate */
	char *serial, *device;	 /* bound to this serial number / enrollment id; NULL: to none */
	char *actor, *note;
	bool revoked;
	bool challenge; /* a bare SCEP challenge: for a client that is no device */
};

struct link *link_new(void);
void link_free(struct link *l);
/* The hash that names the link of this token. */
void link_hash(const char *token, char hash[2 * SHA256_LEN + 1]);
int link_load(struct store *s, const char *hash, struct link **ret);
int link_save(struct store *s, const struct link *l);
int link_delete(struct store *s, const char *hash);
/* NULL when it may be used now, else a sentence why not. */
const char *link_refusal(const struct link *l, int64_t now);
int link_each(struct store *s, int (*each)(void *arg, const struct link *l), void *arg);

#endif
