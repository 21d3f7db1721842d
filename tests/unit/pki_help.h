/* pki_help.h - keys, files and foreign programs for the unit tests of daemon/pki
 */
#ifndef CORDON_TESTS_PKI_HELP_H
#define CORDON_TESTS_PKI_HELP_H

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "base/buf.h"

#define HELP_NOW INT64_C(1893456000) /* 2030-01-01 */
#define HELP_DAY INT64_C(86400)
#define HELP_NUMBER "3f2b8c1a-0d5e-4c7b-9a61-5e8f7d2c4b10"

/* RSA 2048 keys, made once each; help_done frees them. */
EVP_PKEY *help_key(unsigned which);
/* A self-signed certificate of any key, CN as given. */
X509 *help_self_signed(EVP_PKEY *key, const char *cn, const EVP_MD *md);
/* An SSC from help_key(0), valid around today and HELP_NOW. */
X509 *help_ssc(void);
/* An identity of `key` from that SSC, valid today. */
X509 *help_identity(X509 *ssc, EVP_PKEY *key);
int64_t help_today(void);

/* A directory of this program's own. */
void help_start(void);
void help_done(void);
const char *help_path(const char *name); /* valid for the next seven calls */
void help_write(const char *name, struct bytes content);
void help_read(const char *name, struct buf *out);
void help_write_cert(const char *name, X509 *c);
void help_write_key(const char *name, EVP_PKEY *key);
/* Runs a shell command in the directory; the test fails unless it exits with `status`. */
void help_run(int status, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
bool help_contains(const struct buf *b, const char *text);

/* DER of a SignedData with indefinite lengths and its content in pieces, as Apple writes it. */
void help_to_ber(struct bytes der, struct buf *out);

#endif
