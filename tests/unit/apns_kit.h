/* apns_kit.h - what test_apns needs around it: certificates, and servers as processes */
#ifndef CORDON_TESTS_APNS_KIT_H
#define CORDON_TESTS_APNS_KIT_H

#include <jansson.h>
#include <openssl/x509.h>
#include <sys/types.h>

struct pair {
	X509 *cert;
	EVP_PKEY *key;
};

struct pair_options {
	const char *cn, *uid, *san; /* NULL: none */
	const struct pair *ca;	    /* NULL: self-signed */
	int is_ca, expired;
};

struct pair pair_new(const struct pair_options *o);
void pair_free(struct pair *p);
void pair_write(const struct pair *p, const char *cert_path, const char *key_path);
char *pair_serial(const struct pair *p); /* upper-case hex; OPENSSL_free */

/* A server that runs; ended by server_stop. */
struct server {
	pid_t pid;
	unsigned port;
	char control[108], log[108];
};

/* The fake APNs with these further arguments (NULL at the end); port 0: any. */
struct server fake_start(const char *dir, const char *cert, const char *key, unsigned port, ...);
/* One command and its answer, which the next call overwrites. */
const char *fake_ask(const struct server *s, const char *command);
long fake_stat(const struct server *s, const char *name);
/* The log's lines as an array. */
json_t *fake_log(const struct server *s);
/* Any other program; argv ends with NULL.  Its output is thrown away. */
struct server program_start(const char *const *argv, unsigned port);
/* SIGTERM; the exit status, which must be 0 for the fake. */
int server_stop(struct server *s);
unsigned free_port(void);

#endif
