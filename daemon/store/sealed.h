/*
 * sealed.h - how much of what is sealed opens with the store.key that is here
 *
 *   'm' "store-key"   a word sealed by the key that opens everything: while it opens, nobody counts
 */
#ifndef CORDON_STORE_SEALED_H
#define CORDON_STORE_SEALED_H

#include "store/store.h"

struct sealed_counts {
	size_t secrets;	     /* PINs, unlock and bootstrap tokens, recovery keys */
	size_t push_tokens;  /* enrollments that have one */
	size_t secrets_shut; /* of them, those that do not open */
	size_t push_tokens_shut;
};

/* A walk over everything, which tries each.  0 or -EIO. */
int sealed_count(struct store *s, struct sealed_counts *ret);
/*
 * The same for a start and for a key that came: walks only when the word does not open, so that the
 * sums are 0 when all is well.  Puts the word when everything opens, and takes it away when not.
 * 0 or -errno.
 */
int sealed_judge(struct store *s, struct sealed_counts *ret);

#endif
