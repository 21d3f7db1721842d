/* enroll.h - from a link to an enrolled device, renewals, and leaving */
#ifndef FAKE_ENROLL_H
#define FAKE_ENROLL_H

#include "device.h"

/* Download the profile of --link and install it: SCEP, Authenticate, TokenUpdate. */
enum outcome enroll_by_link(struct device *d);

/*
 * Install an MDM profile; takes `p`.  On an enrolled device `renewal` says that the MDM server
 * sent it: SCEP is signed by the old identity.  Whatever fails, the earlier enrollment stays as
 * it was, with the exception of --renewal-failure=unenroll.
 */
enum outcome enroll_install(struct device *d, struct profile *p, bool renewal);

/* Single messages. */
enum outcome enroll_authenticate(struct device *d);
enum outcome enroll_token_update(struct device *d, bool user);
enum outcome enroll_checkout(struct device *d);

/* A new identity by SCEP alone, signed by the old one. */
enum outcome enroll_renew_scep(struct device *d);

#endif
