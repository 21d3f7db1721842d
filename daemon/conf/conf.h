/*
 * conf.h - the configuration as one immutable, counted snapshot (DESIGN "Configuration")
 *
 * keys.c holds the one table that gives each key its type, default, range, whether a reload can
 * change it, and a line of text; parsing, checking, the sample file and the manual all follow it.
 */
#ifndef CORDON_CONF_CONF_H
#define CORDON_CONF_CONF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/duration.h"

struct conf_listen {
	char *address;
	unsigned port;
	bool tls, behind_proxy;
};

enum conf_authentication { AUTH_SIGNATURE, AUTH_TLS, AUTH_EITHER, AUTH_BOTH };
enum conf_role { ROLE_READ, ROLE_OPERATE, ROLE_ADMIN };

struct conf_api_key {
	char *name, *file;
	enum conf_role role;
};

struct conf_strings {
	char **items;
	size_t count;
};

struct conf_endpoint { /* "127.0.0.1:9464"; address NULL: off */
	char *address;
	unsigned port;
};

struct conf {
	int refs;
	char *file;		/* main file */
	bool last_good;		/* read from the state directory because the files are faulty */
	char *server_name_file; /* where server_name was set, for the one who refuses it */
	unsigned server_name_line;

	char *organization, *server_name; /* server_name may carry :port */
	struct {
		char *country, *state, *locality, *organization, *unit, *email, *common_name;
	} subject;
	struct conf_listen *listen;
	size_t listen_count;
	char *certificates, *state;
	struct {
		char *certificate, *key;
		bool request_client_certificate;
	} tls;
	struct {
		struct conf_strings trusted; /* addresses or CIDR prefixes */
		char *client_certificate_header, *forwarded_header;
	} proxy;
	enum conf_authentication device_authentication;
	bool digests_sha256; /* digests = "sha256" */
	int64_t identity_grace;
	int64_t lock_after;  /* DURATION_NEVER */
	unsigned lock_limit; /* percent */
	bool allow_unenrolled;
	struct {
		int64_t device_information, security_info, profile_list, certificate_list,
			installed_applications;
	} refresh;
	struct {
		char *host, *trust, *apple_account;
		unsigned port;
		int64_t expiration;
		unsigned rate;
		int *warn_days;
		size_t warn_days_count;
	} push;
	struct {
		bool open; /* access = "open" */
		int64_t link_lifetime;
		int64_t access_rights;
		bool re_enroll_bound;
		struct conf_strings install; /* profile files */
		bool ade_listed;
		char *apple_ca;
		bool user_authenticate_empty; /* user-authenticate = "empty-challenge" */
		bool hold_setup;
		char *description;
	} enrollment;
	struct {
		int64_t lifetime, renew_before;
	} identity;
	struct {
		unsigned limit, keep_results;
		int64_t lifetime;
	} queue;
	struct conf_endpoint gate_listen, api_listen, metrics_listen;
	struct conf_api_key *api_keys;
	size_t api_key_count;
	struct {
		char *url, *hmac_key_file;
		int64_t timeout;
		bool raw_full;
		unsigned limit;
	} webhook;
	struct {
		char *url, *hmac_key_file;
		int64_t timeout;
	} declarative;
	int64_t migration;
	struct {
		char *email, *key_file;
	} mdmcert;
};

struct conf_fault {
	char *file;
	unsigned line; /* 0: the file as a whole */
	char *key;     /* dotted, "" when none */
	char *text;
	bool warning; /* said, but does not refuse the configuration */
};

struct conf_faults {
	struct conf_fault *items;
	size_t count, cap;
};

void conf_faults_free(struct conf_faults *f);
bool conf_faults_fatal(const struct conf_faults *f);
/* "file:line: key: text" */
void conf_fault_format(const struct conf_fault *f, struct buf *out);

/*
 * Reads `file`, then conf.d/ *.conf beside it in name order, layers and checks them; every fault
 * goes to `faults`. With `as` (may be NULL) the file `candidate` is judged in the place of `as`,
 * which need not exist (cordond -t --as). NULL when there is a fault that is not a warning.
 */
struct conf *conf_load(
	const char *file, const char *as, const char *candidate, struct conf_faults *faults);
struct conf *conf_ref(struct conf *c);
void conf_unref(struct conf *c); /* NULL allowed */

/* The layered settings as one file that conf_load reads back to the same snapshot: the last good
 * one. */
void conf_format(const struct conf *c, struct buf *out);
/* Names of keys that differ and cannot be changed by a reload, comma-separated, appended; how many.
 */
size_t conf_needs_restart(const struct conf *old, const struct conf *new, struct buf *out);
/* Names of all keys that differ. */
size_t conf_changes(const struct conf *old, const struct conf *new, struct buf *out);
/*
 * The `state` directory that the files name even if they have faults, or NULL; caller frees.  Only
 * to find the last good configuration.
 */
char *conf_peek_state(const char *file);
/* Host of server-name without the port; caller frees. */
char *conf_server_host(const struct conf *c);

/* The table as data, for manuals, samples and tests. */
struct conf_key_info {
	const char *name;     /* dotted */
	const char *type;     /* "string", "duration", ... */
	const char *standard; /* default as text */
	const char *text;
	bool reloadable;
};
size_t conf_key_count(void);
const struct conf_key_info *conf_key_at(size_t index);

#endif
