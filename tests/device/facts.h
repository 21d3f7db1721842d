/* facts.h - what a device tells of itself: DeviceInformation and SecurityInfo */
#ifndef FAKE_FACTS_H
#define FAKE_FACTS_H

#include <plist/plist.h>

#include "device.h"

/* QueryResponses for exactly the queries that this device knows and the access rights allow. */
plist_t facts_query(const struct device *d, plist_t queries);

plist_t facts_security(const struct device *d);

#endif
