/* scep.h - SCEP as Apple's client speaks it (facts G), and its checks on what comes back */
#ifndef FAKE_SCEP_H
#define FAKE_SCEP_H

#include "device.h"

/*
 * Get an identity by the SCEP payload of d->profile.  `signer` NULL: the request is signed by a
 * temporary self-signed certificate of the new key; else by that identity, as on renewals.
 * The CA's certificate becomes d->ca.  `ret` is the caller's on OUTCOME_OK.
 */
enum outcome scep_enroll(struct device *d, const struct identity *signer, struct identity *ret);

#endif
