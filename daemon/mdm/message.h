/*
 * message.h - check-in messages and command reports: property lists to structs
 *
 * facts/protocol.md A.2 (ids), A.4 - A.9 (check-in), B.2 (reports).  Unknown keys are ignored; what
 * is of the wrong type counts as absent; texts that make no sense as a record's field (longer than
 * MESSAGE_TEXT_MAX, control characters) are left out.
 */
#ifndef CORDON_MDM_MESSAGE_H
#define CORDON_MDM_MESSAGE_H

#include <plist/plist.h>

#include "base/buf.h"
#include "base/state.h"
#include "store/enrollment.h"

#define MESSAGE_CHECKIN_MAX (4u << 20)
#define MESSAGE_REPORT_MAX (16u << 20)
#define MESSAGE_TEXT_MAX 255u
#define MESSAGE_TOKEN_MAX 100u		/* bytes of a push token; 32 today */
#define MESSAGE_MAGIC_MAX 1024u		/* bytes of a push magic; a UUID today */
#define MESSAGE_SECRET_MAX (256u << 10) /* bytes of UnlockToken or bootstrap token */

enum message_kind {
	MESSAGE_AUTHENTICATE,
	MESSAGE_TOKEN_UPDATE,
	MESSAGE_CHECK_OUT,
	MESSAGE_USER_AUTHENTICATE,
	MESSAGE_SET_BOOTSTRAP_TOKEN,
	MESSAGE_GET_BOOTSTRAP_TOKEN,
	MESSAGE_GET_TOKEN,
	MESSAGE_DECLARATIVE,
	MESSAGE_RETURN_TO_SERVICE,
	MESSAGE_REPORT,
	MESSAGE_KIND_COUNT
};
const char *message_kind_name(enum message_kind k); /* "Authenticate" ...; "report" */
/* NanoMDM's word for a channel (facts/anchors.md 1.3): "Device", "User" ... */
const char *message_channel_type(enum channel c);

enum report_status {
	REPORT_IDLE,
	REPORT_ACKNOWLEDGED,
	REPORT_ERROR,
	REPORT_FORMAT_ERROR,
	REPORT_NOT_NOW,
	REPORT_STATUS_COUNT
};
const char *report_status_name(enum report_status s); /* as on the wire */

/* Strings and bytes point into `root`, which is owned, unless said otherwise. */
struct message {
	enum message_kind kind;
	plist_t root;
	struct bytes body; /* the caller's bytes, as they came */

	char *id;     /* owned: the enrollment id of A.2 */
	char *device; /* owned: the id of the device channel; equals `id` there */
	enum channel channel;
	const char *user_short, *user_long;

	/* check-in */
	const char *topic;
	struct device_facts facts; /* owned strings */
	struct bytes token, unlock_token, bootstrap_token;
	const char *magic, *digest_response, *endpoint, *service_type;
	struct bytes data; /* of DeclarativeManagement: a status report as JSON, as it came */
	bool awaiting;

	/* report */
	enum report_status status;
	const char *uuid;  /* NULL when Idle, or missing */
	const char *error; /* of the first in ErrorChain: its text, NULL */
	int64_t error_code;
	const char *error_domain;
};

/*
 * 0 and *ret, the caller's; or -EINVAL with *why, a static sentence for the 400.  `body` must
 * outlive the message.
 */
int message_parse_checkin(struct bytes body, struct message **ret, const char **why);
int message_parse_report(struct bytes body, struct message **ret, const char **why);
void message_free(struct message *m);
/* What DeviceInformation's QueryResponses say of the device; strings are owned. */
void message_device_facts(plist_t responses, struct device_facts *facts);

#endif
