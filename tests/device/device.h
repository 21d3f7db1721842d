/* device.h - one device: who it is, what is installed on it, and its place on disk
 *
 * Files of a state directory (all 0600): device.json (facts, tokens, state), identity.pem (the
 * certificate and its key), profile (the MDM profile as delivered), ca.der (what GetCACert gave),
 * pending.plist (a report that the server has not yet answered with 200).
 */
#ifndef FAKE_DEVICE_H
#define FAKE_DEVICE_H

#include <jansson.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <stdbool.h>

#include "http.h"
#include "meter.h"
#include "options.h"
#include "outcome.h"
#include "profile.h"

struct identity {
	X509 *cert;
	EVP_PKEY *key;
};

/* What has to happen once the report in hand is acknowledged. */
enum device_then { DEVICE_GOES_ON, DEVICE_ERASED, DEVICE_LEAVES, DEVICE_DECLARES };

enum device_state { DEVICE_NEW, DEVICE_ENROLLED, DEVICE_UNENROLLED };

struct device {
	const struct options *o;
	char *dir; /* NULL: nothing is kept */
	struct http *http;
	struct meter *meter; /* of the thread that works on it, or NULL */

	char *udid, *serial, *product, *os, *build, *name, *imei;
	bool mac, awaiting;

	enum device_state state;
	char *cause; /* why it is not enrolled */
	struct profile *profile;
	struct identity id;
	X509 *ca;
	json_t *installed;    /* array of other profiles: {identifier, uuid, name, types} */
	json_t *declarations; /* identifier -> {kind, server-token} */
	char *declarations_token;
	struct blob token, unlock;
	char *magic;
	struct blob bootstrap;
	struct blob pending; /* report to be sent again */

	struct option_type not_now[OPTIONS_TYPES_MAX]; /* what is left of the counts */
	struct option_type error[OPTIONS_TYPES_MAX];

	enum device_then then;

	struct blob idle_body, idle_signature; /* --cache-signatures */
	char why[512];			       /* of the last fault, for people */
};

/*
 * A device with the state of `dir` (may be NULL or empty), else made from the options and
 * `number` (0 for the only one).  NULL with a line on stderr when the state is unreadable.
 */
struct device *device_open(const struct options *o, const char *dir, unsigned number);

/* Write the state.  0 or -errno; nothing to do without a directory. */
int device_save(struct device *d);

/* Leave management: profile, identity and tokens go, the hardware's facts stay. */
void device_forget(struct device *d, const char *cause);

/* New push token and magic. */
void device_new_token(struct device *d);

/* Take over a new identity (references move); requests from now on use it. */
void device_set_identity(struct device *d, struct identity *id);

/* The HTTP client, made with what the device trusts now.  NULL after a fault (d->why). */
struct http *device_http(struct device *d);

/* Drop connections; the next request dials anew with the present trust and identity. */
void device_hang_up(struct device *d);

/* Record a fault in d->why; returns `o`. */
enum outcome device_fault(struct device *d, enum outcome o, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Certificate and key of another device's directory, for --sign-with.  0 or -errno. */
int device_read_identity(const char *dir, struct identity *ret);
void device_free_identity(struct identity *id);

void device_close(struct device *d);

#endif
