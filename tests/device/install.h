/* install.h - the commands InstallProfile and RemoveProfile */
#ifndef FAKE_INSTALL_H
#define FAKE_INSTALL_H

#include <plist/plist.h>

#include "device.h"

/* As answer_command. */
const char *install_profile(struct device *d, plist_t command, plist_t report);
const char *install_remove(struct device *d, plist_t command, plist_t report);

#endif
