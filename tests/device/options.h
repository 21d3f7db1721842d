/* options.h - the command line of the fake device */
#ifndef FAKE_OPTIONS_H
#define FAKE_OPTIONS_H

#include <openssl/evp.h>
#include <stdbool.h>

/* Distinct request types that --not-now and --error may name. */
#define OPTIONS_TYPES_MAX 32

/* A request type to be answered unwillingly, `count` times (-1: always). */
struct option_type {
	const char *type;
	int count;
};

struct options {
	const char *verb, *argument;

	/* where */
	const char *state, *link, *connect, *public_roots, *schema, *journal, *wake;
	bool insecure_download;

	/* who; NULL is made up */
	const char *serial, *udid, *product, *os, *build, *name;
	const char *user_id, *user_name;
	bool awaiting;

	/* cryptography */
	const char *digest, *cipher;
	bool scep_get, ber;

	/* answers */
	struct option_type not_now[OPTIONS_TYPES_MAX], error[OPTIONS_TYPES_MAX];
	int n_not_now, n_error;
	bool unknown_error, ignore_rights;
	int profiles, certificates, apps;

	/* course */
	const char *stop_after, *fail_renewal, *renewal_failure, *unknown;
	bool renewal_unenrolls, renewal_self, new_token, no_unlock_token;
	int poll_every; /* milliseconds */
	double seconds, patience, timeout;
	int commands; /* stop after so many; -1: no such end */

	/* hostile */
	const char *sign_with, *raw, *raw_type, *signature;
	bool body_flip, no_signature, attached_signature, bad_challenge, scep_bad_cms;
	int long_signature;

	/* fleet */
	int count, first, concurrency, keys, idle_rounds;
	bool keep_alive, new_connections, no_resume, cache_signatures;
};

/* Fill `o` from the command line.  -1: go on; else the exit code to leave with. */
int options_parse(struct options *o, int argc, char **argv);

/* SHA-256 or SHA-1 as --digest says. */
const EVP_MD *options_digest(const struct options *o);

#endif
