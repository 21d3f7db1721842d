/*
 * mdm.h - what the verbs work with: the parts of a running server, as the object graph hands them
 * over
 *
 * `conf` and `certs` are the current snapshots: read them anew in each call, take a reference to
 * keep one across a job.
 */
#ifndef CORDON_MDM_MDM_H
#define CORDON_MDM_MDM_H

#include <stdint.h>

#include "base/log.h"
#include "conf/conf.h"
#include "net/http.h"
#include "net/loop.h"
#include "net/worker.h"
#include "pki/certdir.h"
#include "store/roster.h"
#include "store/store.h"

struct cmsfast_keys;
struct credentials;
struct crl;
struct declarative;
struct foreign;
struct message;
struct patrol;
struct pusher;
struct schema;
struct service;
struct table;

struct mdm_numbers {
	uint64_t authenticate, token_update, checkout, other_checkin;
	uint64_t idle, acknowledged, error, not_now, format_error, unknown_uuid;
	uint64_t superseded, expired, cancelled; /* commands that ended without an answer */
	uint64_t refused;			 /* messages answered 400 */
	uint64_t profiles, scep_issued, scep_refused;
	uint64_t signatures, signature_faults, digest[4]; /* by enum cms_digest */
	uint64_t signatures_fast; /* of `signatures`: recognised by their pin (pki/cmsfast.h) */
};

struct mdm {
	struct loop *loop;
	struct worker *worker;
	struct store *store;
	struct roster *roster;
	struct pusher *pusher;
	struct declarative *declarative; /* NULL: no external server is asked */
	struct service *service;
	struct patrol *patrol;
	const struct schema *schema; /* not owned; NULL: commands are taken as they come */
	struct conf *conf;
	struct certdir *certs;
	struct mdm_numbers numbers;
	int64_t started_at;
	int64_t restored_at;	 /* the store came from a backup then; 0: never */
	int64_t migration_until; /* the window `migration` is open until then; 0: closed */

	/* A device's message was taken and answered; in the batch of what it changed.  NULL:
	 * nobody. */
	void (*heard)(void *arg, const struct message *msg, const struct credentials *c);
	void *heard_arg;

	/* Kept by the verbs themselves: all zero at start, freed by mdm_fini. */
	int64_t (*wall)(void);	     /* NULL: clock_wall */
	bool (*synchronised)(void);  /* NULL: clock_synchronised */
	int64_t (*mono)(void);	     /* milliseconds; NULL: clock_mono_ms */
	struct table *sessions;	     /* id -> wall time of the Idle that began its session */
	struct table *scep_busy;     /* enrollment numbers that a certificate is being made for */
	struct table *renewal_looks; /* id -> wall time when its renewal is looked at again */
	struct crl *crl;	     /* NULL until somebody asks for it */
	struct foreign *foreign;     /* CAs of earlier servers; NULL until somebody asks */
	struct cmsfast_keys *keys;   /* of the devices that spoke last */
	struct table *sources;	     /* addresses that tried without a link or challenge */
	struct table *installs;	     /* path -> profile of enrollment.install */
	size_t sweep_at;	     /* where the search for expired commands goes on */
	struct log_budget chatter;   /* refusals of devices */
	struct log_budget strays;    /* refusals of who knows whom: links, SCEP */
};

void mdm_fini(struct mdm *m);
int64_t mdm_now(const struct mdm *m); /* wall seconds */
int64_t mdm_mono_ms(const struct mdm *m);
/* May times of ours be compared with those of others? */
bool mdm_synchronised(const struct mdm *m);
/* log_allowed for one of the budgets above. */
bool mdm_may_say(struct log_budget *b, unsigned *swallowed);

/*
 * What is missing before devices can enroll, as one plain sentence in `out` ("MDM not configured:
 * there is no push certificate. ..."); false when nothing is.
 */
bool mdm_not_configured(const struct mdm *m, struct buf *out);
/* The push pair that new enrollments get; NULL when there is none.  Topic guard included. */
const struct certpair *mdm_push_pair(const struct mdm *m);
/*
 * Topic guard (DESIGN "Reload"): may new enrollments get this topic?  Yes when it was ours before,
 * was accepted by a person, or no device is enrolled under another.
 */
bool mdm_topic_allowed(const struct mdm *m, const char *topic);
/* Is a message under this topic for us: a certificate for it is there, or it was ours before. */
bool mdm_topic_ours(const struct mdm *m, const char *topic);
/* Records that a topic is ours from now on (an enrollment under it, or a person's word). */
int mdm_topic_accept(struct mdm *m, const char *topic);
/* Devices that are enrolled under other topics: whom a change to this one would orphan. */
size_t mdm_topic_others(const struct mdm *m, const char *topic);
/*
 * A person's word: the topic is ours, and new enrollments get it while it has a valid certificate,
 * whatever else is there.
 */
int mdm_topic_choose(struct mdm *m, const char *topic);
/*
 * Server-name guard: may the configuration change to this name?  Yes when it is the recorded one,
 * was accepted by a person, or no device is enrolled.
 */
bool mdm_server_name_allowed(const struct mdm *m, const char *name);
/* A person's word; the earlier name stays allowed, so that there is a way back. */
int mdm_server_name_accept(struct mdm *m, const char *name);
/* The name in use, while no device is enrolled that knows another. */
void mdm_server_name_note(struct mdm *m, const char *name);
/* Enrolled and inactive devices. */
size_t mdm_devices(const struct mdm *m);

#endif
