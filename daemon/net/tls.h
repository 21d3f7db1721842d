/* tls.h - TLS contexts as immutable, counted snapshots: the server's, and the client's for APNs */
#ifndef CORDON_NET_TLS_H
#define CORDON_NET_TLS_H

#include <openssl/ssl.h>

struct tls_server;

/*
 * Chain leaf first (references are taken), private key; `request_client` asks for a client
 * certificate without requiring one and without judging it in the handshake (facts/protocol.md
 * C.1).  Ticket keys are taken over from `before` (NULL: none) so that resumption survives a
 * reload.  NULL with *why (caller frees) on failure.
 */
struct tls_server *tls_server_new(STACK_OF(X509) * chain, EVP_PKEY *key, int request_client,
	const struct tls_server *before, char **why);
struct tls_server *tls_server_ref(struct tls_server *t);
void tls_server_unref(struct tls_server *t); /* NULL allowed */
SSL_CTX *tls_server_ctx(const struct tls_server *t);

/*
 * Client context for APNs: TLS 1.2+, ALPN h2, certificate chain and key, trust from `trust`
 * ("system" or a PEM file).
 */
SSL_CTX *tls_client_ctx(STACK_OF(X509) * chain, EVP_PKEY *key, const char *trust, char **why);

#endif
