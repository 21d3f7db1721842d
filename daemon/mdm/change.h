/*
 * change.h - what a device's answer says that the one before did not
 *
 * The latest answer of each kind of `refresh` is kept.  Before a newer one takes its place the two
 * are compared, and what an administrator wants to know is an event: another OS version, a passcode
 * that is gone, a profile that is gone and that no command of ours removed, applications that came
 * or went.  The first answer of an enrollment is compared with nothing.
 */
#ifndef CORDON_MDM_CHANGE_H
#define CORDON_MDM_CHANGE_H

#include <plist/plist.h>

#include "mdm/mdm.h"
#include "store/queue.h"

#define CHANGE_BODY_MAX (8u << 20) /* a larger answer is kept, and not compared */
#define CHANGE_NAMES_MAX 10u	   /* names in an event; more are counted */
#define CHANGE_NAME_MAX 80u	   /* bytes of a name */

/*
 * An acknowledged answer of a kind that is kept (refresh_is_kind): `asked` is the question, `root`
 * and `body` the report.  Tells what changed and keeps the body as the latest.  An answer to a
 * question for a part (some Identifiers, managed ones only, Queries without OSVersion) is neither
 * compared nor kept.  0 or -errno of the store.
 */
int change_keep(struct mdm *m, const struct enrollment *e, const struct queue_entry *asked,
	plist_t root, struct bytes body);

#endif
