/*
 * party.h - on whose behalf a message speaks: the enrollment, its candidate, and how the
 * certificate is bound to them (facts/protocol.md C.2, DESIGN "Devices")
 */
#ifndef CORDON_MDM_PARTY_H
#define CORDON_MDM_PARTY_H

#include "mdm/auth.h"
#include "mdm/message.h"
#include "mdm/reply.h"

enum binding {
	BINDING_NONE,	   /* another's certificate, or nobody's */
	BINDING_CURRENT,   /* the identity of the enrollment */
	BINDING_PREVIOUS,  /* the one before its renewal: accepted too */
	BINDING_CANDIDATE, /* an Authenticate's that waits for TokenUpdate */
	BINDING_RENEWAL,   /* issued as renewal of this enrollment, not yet bound */
	BINDING_IMPORT,	   /* the first one of an imported enrollment (migrate.h) */
	BINDING_ADOPT,	   /* of a device that a restored backup does not know (adopt.h) */
	BINDING_LATER,	   /* records lost: our CA's, its number, issued later than the bound one */
	BINDING_REPLACED   /* the identity before a re-enrollment: two devices claim one id */
};

struct party {
	struct enrollment *device;   /* NULL: no record */
	struct candidate *candidate; /* NULL: none, or lapsed */
	struct enrollment *user;     /* the user channel's own record; NULL: none, or no user
				      channel */
	enum binding binding;
	bool dirty; /* `device` has changes for party_save */
};

/* 0 or -EIO.  Users' ids are looked up with their device. */
int party_load(
	struct mdm *m, const struct message *msg, const struct speaker *who, struct party *ret);
void party_free(struct party *p);
/*
 * An authenticated message cannot be dealt with for a fault that may be ours: it breaks the silence
 * all the same.  `device` is whom it speaks for, NULL when that could not be read.
 */
void party_heard(struct mdm *m, const char *device, const struct speaker *who);

/*
 * For every message but Authenticate and a candidate's TokenUpdate: asks binding and state table,
 * raises the conflict alarm, binds renewals, brings Inactive devices back, notes that it was seen.
 * False: `out` is the refusal.
 */
bool party_accept(struct mdm *m, struct party *p, const struct message *msg,
	const struct speaker *who, struct reply *out);
/* 0 or -errno: writes `device` if it changed. */
int party_save(struct mdm *m, struct party *p);

/*
 * 400 with `why`; a known device's refusal is counted, noted in its record (at most once a minute)
 * and logged within a budget.  `counted` false: the device is to blame for nothing.
 */
void party_refuse(struct mdm *m, struct party *p, const struct message *msg, const char *why,
	struct reply *out);
/* The same for one that could not even be identified: by id, NULL for unknown. */
void party_refuse_id(struct mdm *m, const char *id, const char *why, struct reply *out);

/* Binds a renewal: it becomes current, the current one previous, the one before that is revoked. */
/* Binds the identity of a new enrollment: current, and no previous one. */
int party_bind_first(struct mdm *m, struct enrollment *e, const struct speaker *who);
int party_bind_renewal(struct mdm *m, struct enrollment *e, const struct speaker *who);
/* Sets the record's status, if there is such a record.  0 or -errno. */
int party_revoke(struct mdm *m, const unsigned char cert[SHA256_LEN]);
/*
 * To Removed: user channels and queue go, token and magic are cleansed, identities are revoked
 * (all of that not for REMOVAL_PUSH, which the device can take back).  Logs it.
 */
int party_remove(struct mdm *m, struct enrollment *e, enum removal cause, const char *actor);
/* By a person's word: locks or unlocks, saves, logs it.  0, also when it is so already; -errno. */
int party_set_lock(struct mdm *m, struct enrollment *e, bool lock, const char *actor);

/* Forgets the user channels of a device with their queues. */
int party_drop_users(struct mdm *m, const char *device);

#endif
