/* storekey.h - where store.key is: a credential of the service manager, or the certificate
 * directory */
#ifndef CORDON_STOREKEY_H
#define CORDON_STOREKEY_H

#include "base/seal.h"

/*
 * *ret is the caller's (seal_free).  *path: the file that was looked at (caller frees), also after
 * a failure.  0; -ENOENT there is none; -EINVAL it is no key; -errno.
 */
int store_key_read(const char *certificates, struct seal **ret, char **path);
/* The words for a failure. */
const char *store_key_words(int err);

#endif
