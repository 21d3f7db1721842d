/* profile.h - an enrollment (or other) profile, read as strictly as a device reads it
 *
 * A profile is an XML or binary property list, plain or inside a CMS SignedData that carries it.
 * The rules are Apple's schema (profiles.tsv) and facts F.2-F.4; unknown keys are ignored.
 */
#ifndef FAKE_PROFILE_H
#define FAKE_PROFILE_H

#include <openssl/x509.h>
#include <plist/plist.h>
#include <stdbool.h>
#include <stdint.h>

#include "util.h"

#define PROFILE_ROOTS_MAX 16

struct profile {
	plist_t root;	 /* owns what the strings below point into */
	X509 *signer;	 /* NULL: unsigned */
	struct blob raw; /* as delivered */

	const char *identifier, *uuid, *name;

	/* com.apple.mdm; `mdm` NULL when the profile has none */
	plist_t mdm;
	const char *topic, *server_url, *checkin_url; /* the latter falls back to the former */
	int64_t rights;
	bool sign_message, checkout_when_removed, per_user;

	/* the payload that IdentityCertificateUUID names */
	plist_t scep;
	const char *scep_url, *scep_name, *challenge;
	int64_t key_bits, key_usage, retries, retry_delay;

	X509 *roots[PROFILE_ROOTS_MAX];
	size_t n_roots;
};

/*
 * Read a profile; Apple installs unsigned ones too, so `signer` may be NULL.  Returns NULL with
 * the reason in `why` (at least 256 bytes) when a device would refuse it.
 */
struct profile *profile_parse(const void *data, size_t len, char *why, size_t why_len);

/*
 * May `next` replace the MDM profile `now` (facts F.3, N)?  true, or false with the reason.
 */
bool profile_may_update(
	const struct profile *now, const struct profile *next, char *why, size_t why_len);

void profile_free(struct profile *p);

#endif
