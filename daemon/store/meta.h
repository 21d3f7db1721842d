/*
 * meta.h - the few things that belong to the whole store: 'm' name
 *
 * "server-name" recorded with enrolled devices, "accepted-topic" names, "service-clock" per topic,
 * "warned" expiry messages, "drawn" daily quotas.
 */
#ifndef CORDON_STORE_META_H
#define CORDON_STORE_META_H

#include "store/store.h"

int meta_get_str(struct store *s, const char *name, char **ret); /* 0, -ENOENT; caller frees */
int meta_put_str(struct store *s, const char *name, const char *value); /* NULL deletes */
int meta_get_int(struct store *s, const char *name, int64_t *ret);
int meta_put_int(struct store *s, const char *name, int64_t value);

#endif
