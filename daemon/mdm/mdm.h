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

#include "conf/conf.h"
#include "net/http.h"
#include "net/loop.h"
#include "net/worker.h"
#include "pki/certdir.h"
#include "store/roster.h"
#include "store/store.h"

struct pusher;

struct mdm_numbers {
	uint64_t authenticate, token_update, checkout, other_checkin;
	uint64_t idle, acknowledged, error, not_now, format_error, unknown_uuid;
	uint64_t refused; /* messages answered 400 */
	uint64_t profiles, scep_issued, scep_refused;
	uint64_t signatures, signature_faults, digest[4]; /* by enum cms_digest */
};

struct mdm {
	struct loop *loop;
	struct worker *worker;
	struct store *store;
	struct roster *roster;
	struct pusher *pusher;
	struct conf *conf;
	struct certdir *certs;
	struct mdm_numbers numbers;
	int64_t started_at;
};

/*
 * What is missing before devices can enroll, as one plain sentence in `out` ("MDM not configured:
 * there is no push certificate. ..."); false when nothing is.
 */
bool mdm_not_configured(const struct mdm *m, struct buf *out);
/* The push pair that new enrollments get; NULL when there is none.  Topic guard included. */
const struct certpair *mdm_push_pair(const struct mdm *m);

#endif
