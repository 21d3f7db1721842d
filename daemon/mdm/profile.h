/*
 * profile.h - the enrollment profile (DESIGN "Profile", facts/protocol.md F.2 - F.6)
 *
 * Pure: from recorded facts to bytes.  Signing is pki's.
 */
#ifndef CORDON_MDM_PROFILE_H
#define CORDON_MDM_PROFILE_H

#include <openssl/x509.h>
#include <plist/plist.h>

#include "conf/conf.h"
#include "pki/certdir.h"
#include "store/delivery.h"

struct profile {
	const struct profile_facts *facts;
	const char *organization;
	const char *name;	 /* common name of the SSC: what users see */
	const char *description; /* NULL: none */
	const char *number;	 /* enrollment number, for the subject */
	const char *challenge;
	X509 *tls_root; /* NULL: none */
};

/* Appends the XML.  0 or -EINVAL. */
int profile_build(const struct profile *p, struct buf *out);
/* What Apple lets nobody change later, for a new enrollment.  0 or -EINVAL. */
int profile_facts_fill(struct profile_facts *f, const struct conf *conf,
	const struct certpair *push, const struct certpair *ssc);
/* The inner dictionary of the SCEP payload, with our address and p's challenge; the caller's. */
plist_t profile_scep_content(const struct profile *p);
/* "org.example.mdm.cordon.enroll" for "mdm.example.org:8443"; caller frees. */
char *profile_identifier(const char *server_name);
/* The subject's common name of an identity: "Cordon 1f0a33c2"; size 32 or more. */
void profile_common_name(const char *number, char *out, size_t size);

#endif
