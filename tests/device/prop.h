/* prop.h - property lists: typed look-ups that say no to a wrong type */
#ifndef FAKE_PROP_H
#define FAKE_PROP_H

#include <plist/plist.h>
#include <stdbool.h>
#include <stdint.h>

#include "util.h"

/* Nesting that a message may have before we look at it with libplist, which recurses. */
#define PROP_DEPTH_MAX 64

/* Parse XML or binary; the root must be a dictionary.  NULL otherwise. */
plist_t prop_parse(const void *data, size_t len);

/* XML bytes of a node. */
struct blob prop_xml(plist_t node);

/* Borrowed text of a string node, or NULL. */
const char *prop_text(plist_t node);

/* Values of keys; absent or of another type is NULL, -1 or `otherwise`. */
const char *prop_string(plist_t dict, const char *key);
int64_t prop_int(plist_t dict, const char *key, int64_t otherwise);
bool prop_bool(plist_t dict, const char *key, bool otherwise);
plist_t prop_node(plist_t dict, const char *key, plist_type type);

/* Set keys; NULL text sets nothing. */
void prop_set_string(plist_t dict, const char *key, const char *value);
void prop_set_int(plist_t dict, const char *key, int64_t value);
void prop_set_bool(plist_t dict, const char *key, bool value);
void prop_set_data(plist_t dict, const char *key, const void *data, size_t len);

/* Apple's schema word ("string", "integer", ...) for a node fits `type`. */
bool prop_is(plist_t node, const char *type);

#endif
