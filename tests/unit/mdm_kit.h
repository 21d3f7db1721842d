/*
 * mdm_kit.h - a server without sockets for the tests of daemon/mdm: a real store in a directory of
 * its own, an SSC, and devices that sign what they send
 */
#ifndef CORDON_TESTS_MDM_KIT_H
#define CORDON_TESTS_MDM_KIT_H

#include "mdm/auth.h"
#include "mdm/mdm.h"
#include "mdm/reply.h"
#include "store/enrollment.h"
#include "store/identity.h"
#include "store/queue.h"

#define KIT_TOPIC "com.apple.mgmt.External.11111111-2222-3333-4444-555555555555"

struct kit {
	struct mdm m;
	struct conf conf;
	struct certdir certs;
	struct certpair push;
	struct conf_listen listen;
	struct seal *seal;
	size_t segment_size; /* of the store's log, from the next kit_open; 0: the store's own */
	char directory[64];
};

/* A device, or one of its identities. */
struct kit_device {
	struct kit *kit;
	const char *id;
	const char *serial;
	EVP_PKEY *key;
	X509 *cert;
	unsigned char sha256[SHA256_LEN];
	char number[UUID_LEN + 1];
};

struct kit *kit_new(void);
void kit_free(struct kit *k);
/* The store and what follows it, closed and opened again as by a restart. */
void kit_close(struct kit *k);
void kit_open(struct kit *k);
/* Nothing is left in the state directory; between kit_close and kit_open. */
void kit_empty(struct kit *k);
/* A TLS pair for `name` from a root of its own, and a listener with TLS; none any more. */
void kit_serve_tls(struct kit *k, const char *name, int64_t lifetime);
void kit_drop_tls(struct kit *k);
/* The kit's clock; starts at today's. */
int64_t kit_now(void);
void kit_forward(int64_t seconds);
/* Whether its clock is one that nothing keeps right; kit_new says no. */
void kit_unsynchronise(bool yes);

/* What the identity is issued as; a zeroed one is an identity of a new enrollment. */
struct kit_issue {
	const char *renewal_of, *number, *link;
	int64_t lifetime; /* 0: a year */
	bool unrecorded;
	bool rsa; /* as SCEP makes them; the default is quicker to make */
};
void kit_device_init(struct kit_device *d, struct kit *k, const char *id, const char *serial,
	const struct kit_issue *issue);
void kit_device_free(struct kit_device *d);

/* Signs and sends; commits (503 if that fails); the status.  `out` (may be NULL) is the whole
 * reply, the caller's. */
int kit_send(const struct kit_device *d, bool checkin, const char *xml, struct reply *out);
/* One check-in of the device with further keys (XML); a whole TokenUpdate; a whole report. */
int kit_checkin(const struct kit_device *d, const char *type, const char *more, struct reply *out);
int kit_authenticate(const struct kit_device *d);
int kit_token(const struct kit_device *d, const char *more);
int kit_report(const struct kit_device *d, const char *status, const char *uuid, const char *more,
	struct reply *out);
/* Authenticate and TokenUpdate, which must both be taken. */
void kit_enroll(const struct kit_device *d);

/* The detached signature of a body as Mdm-Signature carries it; the caller's. */
char *kit_sign(const struct kit_device *d, struct bytes body);
/* The record, which must be there; the caller's. */
struct enrollment *kit_load(struct kit *k, const char *id);
enum state kit_state(struct kit *k, const char *id);
size_t kit_waiting(struct kit *k, const char *id);
/* The UUID of the command in a reply, the caller's; NULL for an empty body. */
char *kit_offered(const struct reply *r);

#endif
