/*
 * proxy.h - what a trusted proxy says of its client: pure, from header values
 *
 * Who may ask is the caller's to see to: only on listeners with behind-proxy, and only of peers
 * that proxy_trusts says yes to (facts/protocol.md C.1).
 */
#ifndef CORDON_NET_PROXY_H
#define CORDON_NET_PROXY_H

#include <netinet/in.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>

#define PROXY_CERT_MAX 16384u /* characters of the header */

/* Is the numeric address in one of the addresses or CIDR prefixes? */
bool proxy_trusts(char *const *trusted, size_t count, const char *address);

/*
 * The certificate in RFC 9440's form (":base64 of DER:") or nginx' ($ssl_client_escaped_cert:
 * percent-encoded PEM).  The caller's; NULL when it is neither, or empty.
 */
X509 *proxy_certificate(const char *value);

/*
 * The client's address from X-Forwarded-For, or Forwarded (RFC 7239) when `name` says so: the last
 * one that is not itself a trusted proxy's, since those before it are hearsay.  False: there is
 * none.
 */
bool proxy_client(const char *name, const char *value, char *const *trusted, size_t count,
	char out[INET6_ADDRSTRLEN]);

#endif
