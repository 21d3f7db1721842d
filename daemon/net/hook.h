/*
 * hook.h - what requests to servers of the administrator's share: the key that signs them, and how
 * their address is shown
 */
#ifndef CORDON_NET_HOOK_H
#define CORDON_NET_HOOK_H

#include "base/buf.h"

/*
 * The key in `file`, without its line's end, in the place of what `key` holds; file NULL: none.
 * *fault (freed, then the caller's) says why there is none although there should be, NULL
 * otherwise.
 */
void hook_key_read(const char *file, struct buf *key, char **fault);
/* "X-Hmac-Signature: ..." for a body as NanoMDM signs it (facts/anchors.md 1.6), at the end of out.
 */
void hook_sign(struct bytes key, struct bytes body, struct buf *out);
/*
 * An address that conf/syntax.h took, for people; the caller's.  Path and query may be what opens
 * the other server, and stay hidden.
 */
char *hook_shown(const char *url);

#endif
