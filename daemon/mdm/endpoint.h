/* endpoint.h - what a device may ask of its declarations (facts/protocol.md I.1), as a white-list
 */
#ifndef CORDON_MDM_ENDPOINT_H
#define CORDON_MDM_ENDPOINT_H

#include "base/buf.h"

#define ENDPOINT_ID_MAX 64u /* octets of a declaration's identifier, as Apple's schema has it */

enum endpoint { ENDPOINT_TOKENS, ENDPOINT_ITEMS, ENDPOINT_DECLARATION, ENDPOINT_STATUS };

/*
 * Reads the Endpoint of a DeclarativeManagement message: *kind, and at the end of `path` the same
 * as a relative path of a URL, every octet escaped that is not unreserved.  -EINVAL for all else,
 * also for an identifier with a part that is empty or begins with a dot, control characters, '\\',
 * '%' or broken UTF-8: whatever the server at the other end decodes, the path stays below its
 * address.
 */
int endpoint_read(const char *text, enum endpoint *kind, struct buf *path);

#endif
