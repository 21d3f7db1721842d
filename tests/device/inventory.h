/* inventory.h - lists of real size: profiles, certificates, applications */
#ifndef FAKE_INVENTORY_H
#define FAKE_INVENTORY_H

#include <plist/plist.h>

#include "device.h"

/* Answers to ProfileList, CertificateList and InstalledApplicationList; `command` narrows them. */
plist_t inventory_profiles(const struct device *d, plist_t command);
plist_t inventory_certificates(const struct device *d, plist_t command);
plist_t inventory_apps(const struct device *d, plist_t command);

/* Note a profile as installed (replacing one of its identifier), or take one away: false, none. */
void inventory_add(struct device *d, const struct profile *p);
bool inventory_remove(struct device *d, const char *identifier);

#endif
