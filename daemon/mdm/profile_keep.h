/*
 * profile_keep.h - the enrollment profile of another server: read, and made anew for a renewal
 *
 * Apple lets a renewal change the identity and drop rights, and nothing else (facts of F.3): so
 * all of the profile is kept as it was given, but for what is secret in its identity payload.
 */
#ifndef CORDON_MDM_PROFILE_KEEP_H
#define CORDON_MDM_PROFILE_KEEP_H

#include "mdm/profile.h"

#define PROFILE_KEEP_WARNINGS 8u

struct profile_kept {
	struct profile_facts facts; /* `origin` is the caller's to set */
	struct buf profile;	    /* for profile_keep_build */
	char *signer;		    /* whom it is signed by, in words; NULL: by nobody */
	const char *warnings[PROFILE_KEEP_WARNINGS]; /* static sentences for a person */
	size_t warning_count;
};

/*
 * Reads a .mobileconfig, signed (CMS, DER) or not.  0; -EINVAL with *why, a static sentence, and
 * nothing to free.  What the signature is worth is not judged.
 */
int profile_keep_read(struct bytes file, struct profile_kept *ret, const char **why);
void profile_kept_free(struct profile_kept *k);
/* The profile with a new identity from our SCEP, and the rights of p->facts.  0 or -EINVAL. */
int profile_keep_build(const struct profile *p, struct bytes kept, struct buf *out);

#endif
