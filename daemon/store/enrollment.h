/*
 * enrollment.h - one device or user channel under management, and the candidate beside it
 *
 *   'e' id  the enrollment            'c' id  the candidate (an Authenticate that waits for
 * TokenUpdate) 'u' id  secrets, sealed: UnlockToken, bootstrap token, escrowed keys 's' serial  ids
 * that have this serial number      'a' EASDeviceIdentifier  the same by EAS id 'p' id  ids of the
 * user channels that hang from device `id`
 *
 * Rules: DESIGN "States, lock, inactivity", facts/protocol.md A and C.2.
 */
#ifndef CORDON_STORE_ENROLLMENT_H
#define CORDON_STORE_ENROLLMENT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/digest.h"
#include "base/encode.h"
#include "base/state.h"
#include "store/store.h"

#define ENROLLMENT_ID_MAX 255 /* bytes, without control characters or '/' */

#define ENROLLMENT_IMPORTS 3u /* Authenticate, TokenUpdate, SetBootstrapToken */
#define ENROLLMENT_REFRESH 5u /* kinds of questions that are asked by schedule */

/* An identity that an enrollment speaks by. */
struct identity_ref {
	bool set;
	unsigned char cert[SHA256_LEN]; /* SHA-256 of the DER certificate */
	int64_t not_after;
	int64_t since; /* its first TokenUpdate */
};

/* What the device said of itself: Authenticate and DeviceInformation. All may be NULL. */
struct device_facts {
	char *serial, *model, *model_name, *product, *os_version, *build, *device_name, *imei,
		*meid, *eas_id;
};

struct enrollment {
	char *id;
	char *parent; /* device id for user channels, else NULL */
	enum channel channel;
	enum state state;
	enum removal removal;
	int64_t state_since;
	bool locked;
	enum lock_cause lock_cause;
	int64_t locked_since;
	char *locked_by;      /* actor */
	int64_t paused_since; /* 0: not paused */

	int64_t enrolled_at; /* this enrollment's first TokenUpdate */
	int64_t first_enrolled_at;
	unsigned generation;	      /* counts re-enrollments: results and secrets know theirs */
	char *user_short, *user_long; /* user channels */
	struct device_facts facts;
	bool supervised, awaiting_configuration;

	/* identity and profile (device channels) */
	char number[UUID_LEN + 1]; /* enrollment number: names the delivery record (delivery.h) */
	struct identity_ref current, previous;
	unsigned char replaced[SHA256_LEN]; /* current identity of the earlier enrollment, after a
					       re-enrollment */
	bool has_replaced;

	/* push: replaced together by a TokenUpdate */
	char *topic;
	struct buf token;   /* raw bytes; sealed in the store */
	char *magic;	    /* sealed in the store */
	bool has_token;	    /* the record has one, also when it could not be opened here */
	struct buf sealed;  /* both as they are stored, when they could not be opened: a save keeps
			       them */
	int64_t token_time; /* wall seconds of the TokenUpdate */
	unsigned token_updates; /* TokenUpdates since it enrolled */
	bool token_bad;		/* BadDeviceToken: no more pushes until the next TokenUpdate */

	/* asks and answers */
	int64_t last_seen;	  /* wall seconds as of the last save: roster_last_seen knows better
				   */
	int64_t last_push;	  /* wall seconds of the last push that APNs took */
	int64_t unanswered_since; /* service-clock seconds of the topic; 0: none */
	unsigned unanswered;	  /* asks since the last answer */
	int64_t refreshed[ENROLLMENT_REFRESH]; /* wall seconds: when each kind was asked last */
	int64_t refused_at;		       /* it knocked and was refused ... */
	char *refused_why;		       /* ... for this reason */
	unsigned refused;

	/* renewal of its identity (mdm/renewal.h) */
	int64_t renewal_begun;	   /* its renewal is under way since; 0: none is */
	int64_t renewal_offered;   /* when it was handed out last; 0: not yet, or put off */
	unsigned renewal_offers;   /* hand-outs since an answer */
	unsigned renewal_failures; /* in a row */
	int64_t renewal_failed_at;

	/* brought over from another server (mdm/migrate.h), or known again after a restore */
	int64_t imported_at;		 /* 0: it enrolled here */
	char origin[2 * SHA256_LEN + 1]; /* named with it (origin.h); "": the one given last */
	unsigned char imported[ENROLLMENT_IMPORTS]
			      [SHA256_LEN]; /* of the messages taken, by kind: the same one again is
					       no change */
	int64_t adopted_at;
};

/* Brought over, and its own certificate has not been seen yet. */
static inline bool
enrollment_awaited(const struct enrollment *e)
{
	return e->imported_at != 0 && !e->current.set;
}

/* An Authenticate that waits: becomes the enrollment by its certificate's first TokenUpdate. */
struct candidate {
	char *id;
	unsigned char cert[SHA256_LEN];
	int64_t not_after;
	char number[UUID_LEN + 1];
	char *topic;
	struct device_facts facts;
	int64_t since;
	bool renewal; /* by the issuance record: TokenUpdate keeps everything */
};

#define CANDIDATE_LIFETIME 3600 /* seconds without TokenUpdate after which it lapses */

bool enrollment_id_valid(const char *id);
struct enrollment *enrollment_new(const char *id, enum channel channel);
void enrollment_free(struct enrollment *e); /* cleanses token and magic; NULL allowed */
/*
 * 0, -ENOENT, -EIO, -EBADMSG (damaged).  Without store.key, or with another one, token and magic
 * stay empty.
 */
int enrollment_load(struct store *s, const char *id, struct enrollment **ret);
/* Writes the record and, when serial or EAS id changed, their index records. */
int enrollment_save(struct store *s, const struct enrollment *e);
/*
 * Deletes the record, its indexes, candidate, secrets, queue, results, last-seen, and the same of
 * its user channels: `forget`.  0 also when there is none.
 */
int enrollment_forget(struct store *s, const char *id);
/* The value of an 'e' record as the on_change hook sees it; without unsealing. */
int enrollment_decode(struct bytes key, struct bytes value, struct enrollment **ret);

void device_facts_free(struct device_facts *f);
/* Takes over every fact that `from` has; the others stay. */
void device_facts_merge(struct device_facts *to, const struct device_facts *from);

struct candidate *candidate_new(const char *id);
void candidate_free(struct candidate *c);
int candidate_load(struct store *s, const char *id, struct candidate **ret);
int candidate_save(struct store *s, const struct candidate *c);
int candidate_delete(struct store *s, const char *id);

/* Calls each(arg, id) for the enrollments with this serial number / EAS id / user channels of this
 * device. */
int enrollment_by_serial(
	struct store *s, const char *serial, int (*each)(void *arg, const char *id), void *arg);
int enrollment_by_eas(
	struct store *s, const char *eas, int (*each)(void *arg, const char *id), void *arg);
int enrollment_users(
	struct store *s, const char *device, int (*each)(void *arg, const char *id), void *arg);

/*
 * Secrets, sealed: kept per generation, so that an earlier enrollment's are given to no device.
 * The last SECRET_GENERATIONS are kept.  0, -ENOENT, -ENOKEY, -EBADMSG, -EIO.
 */
#define SECRET_GENERATIONS 16u
enum secret { SECRET_UNLOCK_TOKEN = 1, SECRET_BOOTSTRAP_TOKEN, SECRET_PIN, SECRET_RECOVERY_KEY };
int secret_put(
	struct store *s, const char *id, unsigned generation, enum secret kind, struct bytes value);
int secret_get(
	struct store *s, const char *id, unsigned generation, enum secret kind, struct buf *ret);
int secret_delete(struct store *s, const char *id, unsigned generation, enum secret kind);

/* Of a record's key and value (sealed.c): adds how many sealed things it holds, how many are shut.
 */
void secret_count(struct store *s, struct bytes key, struct bytes value, size_t *all, size_t *shut);
void enrollment_count_sealed(
	struct store *s, struct bytes key, struct bytes value, size_t *all, size_t *shut);

#endif
