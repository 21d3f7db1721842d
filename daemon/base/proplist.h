/*
 * proplist.h - property lists from strangers: libplist behind the checks that it lacks
 *
 * libplist 2.2 overflows the stack on deep nesting and takes invalid UTF-8 (facts/protocol.md 0.3).
 * Here a body is bounded, its nesting is counted before libplist sees it (XML and binary), and the
 * strings that come out are valid UTF-8 or refused.
 */
#ifndef CORDON_BASE_PROPLIST_H
#define CORDON_BASE_PROPLIST_H

#include <plist/plist.h>

#include "base/buf.h"

#define PROPLIST_DEPTH_MAX 64

/*
 * Parses an XML or binary property list whose root is a dictionary.  *ret is the caller's
 * (plist_free). 0; -EINVAL damaged or no dictionary; -E2BIG nested deeper than PROPLIST_DEPTH_MAX;
 * -EILSEQ not UTF-8.
 */
int proplist_parse(struct bytes in, plist_t *ret);

/* Each returns a view into the node, or absent: {NULL, 0}; wrong types count as absent. */
struct bytes proplist_data(plist_t dict, const char *key);
const char *proplist_str(plist_t dict, const char *key); /* NUL-terminated, NULL when absent */
bool proplist_bool(plist_t dict, const char *key, bool otherwise);
int64_t proplist_int(plist_t dict, const char *key, int64_t otherwise);
plist_t proplist_dict(plist_t dict, const char *key);
plist_t proplist_array(plist_t dict, const char *key);
bool proplist_has(plist_t dict, const char *key);

/*
 * Calls `each` for the items of an array in order until it returns false; nothing else is called.
 * libplist's own access by index walks from the first item each time in an array that came in
 * binary: 18 s for 40,000 items.
 */
void proplist_each(plist_t array, bool (*each)(void *arg, plist_t item), void *arg);

/* Appends XML with header and DOCTYPE. */
void proplist_to_xml(plist_t node, struct buf *out);
/* Appends a compact binary property list. */
void proplist_to_binary(plist_t node, struct buf *out);

#endif
