/*
 * tlscheck.h - does a server certificate keep the rules of Apple's devices (facts/protocol.md F.6)?
 *
 * Validity by the clock and keys too weak for OpenSSL are judged elsewhere (certrole.c).
 */
#ifndef CORDON_PKI_TLSCHECK_H
#define CORDON_PKI_TLSCHECK_H

#include <openssl/x509.h>

#define TLSCHECK_DAYS_MAX 825 /* of validity, for certificates issued after 2019-07-01 */

/*
 * Calls report(arg, text) for each rule that the chain (leaf first) breaks: a clause that follows
 * "the TLS certificate", with the remedy.  `root` (may be NULL) is an own root that the enrollment
 * profile carries; `host` (may be NULL: not compared) is what devices call us.
 */
void tlscheck_chain(STACK_OF(X509) * chain, X509 *root, const char *host,
	void (*report)(void *arg, const char *text), void *arg);

#endif
