/* ddm.h - declarative management as a device does it: tokens, manifest, declarations, status */
#ifndef FAKE_DDM_H
#define FAKE_DDM_H

#include "device.h"

/* Synchronise with the server (facts I.2).  A 404 to `tokens` means that it has none: fine. */
enum outcome ddm_sync(struct device *d);

/* One request for an endpoint; its answer as a step. */
enum outcome ddm_ask(struct device *d, const char *endpoint);

#endif
