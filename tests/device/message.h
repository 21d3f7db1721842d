/* message.h - what a device says to the MDM server, signed and sent; and what a refusal means */
#ifndef FAKE_MESSAGE_H
#define FAKE_MESSAGE_H

#include <plist/plist.h>

#include "device.h"

enum message_channel { MESSAGE_CHECKIN, MESSAGE_COMMAND };

/* A dictionary with the ids of this device: UDID, and the user's keys on a user channel. */
plist_t message_new(const struct device *d, bool user);

/*
 * Sign `body` and PUT it.  OUTCOME_OK: 200 arrived.  OUTCOME_UNENROLLED: the server said 401 or
 * com.apple.unrecognized.device, and the device has left (d is forgotten).  OUTCOME_REFUSED: any
 * other status.  `ret` is filled always; http_reply_fini() it.
 */
enum outcome message_send(struct device *d, enum message_channel channel, enum meter_kind kind,
	const struct blob *body, struct http_reply *ret);

/* The same for a check-in message; frees `dict`.  Its answer must be empty where `empty` says so.
 */
enum outcome message_checkin(
	struct device *d, enum meter_kind kind, plist_t dict, bool empty, struct http_reply *ret);

/* Send the file --raw as it is, with this device's signature. */
enum outcome message_raw(struct device *d);

#endif
