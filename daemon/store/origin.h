/*
 * origin.h - the server before this one, from which enrollments were brought over: the profile that
 * its devices have, and the CAs of their identities
 *
 *   'o' id   the origin; meta "origin" names the one that was given last
 *
 * The profile is kept whole, sealed, because a renewal must change nothing in it but the identity
 * (DESIGN "Profile").
 */
#ifndef CORDON_STORE_ORIGIN_H
#define CORDON_STORE_ORIGIN_H

#include "store/delivery.h"

#define ORIGIN_MAX 16u			    /* records */
#define ORIGIN_PROFILE_MAX (256u << 10)	    /* bytes of a profile */
#define ORIGIN_CA_MAX (64u << 10)	    /* bytes of PEM */
#define ORIGIN_ID_SIZE (2 * SHA256_LEN + 1) /* hex and NUL */

struct origin {
	char id[ORIGIN_ID_SIZE]; /* SHA-256 over profile and CAs, as they were given */
	int64_t created;
	char *actor;
	struct profile_facts facts;
	struct buf cas;	    /* PEM */
	struct buf profile; /* property list without its secrets; empty when it cannot be opened */
	struct buf sealed;  /* the same as it is stored, when it could not be opened */
};

struct origin *origin_new(void);
void origin_free(struct origin *o); /* NULL allowed */
/* 0, -ENOENT, -EBADMSG, -EIO.  Without store.key the profile stays empty. */
int origin_load(struct store *s, const char *id, struct origin **ret);
/* 0, -ENOKEY (a profile, and no store.key), -ENOSPC (ORIGIN_MAX others are there), -errno. */
int origin_save(struct store *s, const struct origin *o);
/* The one that was saved last.  0, -ENOENT, -errno. */
int origin_current(struct store *s, struct origin **ret);
/* A walk, without profiles; `each` may not change the store. */
int origin_each(struct store *s, int (*each)(void *arg, const struct origin *o), void *arg);

#endif
