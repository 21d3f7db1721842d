/*
 * foreign.h - the CAs of the servers that enrollments were brought over from: their identities
 * speak for imported enrollments, and for nothing else
 *
 * Kept in memory as the origin records have them (store/origin.h).
 */
#ifndef CORDON_MDM_FOREIGN_H
#define CORDON_MDM_FOREIGN_H

#include <openssl/x509.h>

#include "mdm/mdm.h"

/* Did one of them issue it?  `ca` gets the hash of that one. */
bool foreign_issued(struct mdm *m, X509 *cert, unsigned char ca[SHA256_LEN]);
/* Is this hash one of theirs? */
bool foreign_known(struct mdm *m, const unsigned char ca[SHA256_LEN]);
/* Is it one of this origin's ("": the one given last)? */
bool foreign_of(struct mdm *m, const char *origin, const unsigned char ca[SHA256_LEN]);
/* Is there any CA for this origin? */
bool foreign_any(struct mdm *m, const char *origin);
/* The records changed: they are read anew when they are needed next. */
void foreign_forget(struct mdm *m);

#endif
