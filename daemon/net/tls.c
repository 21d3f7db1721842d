/* tls.c - the server's TLS context as a counted snapshot, and the context for talking to APNs */
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "net/tls.h"
#include "pki/key.h"

#define TICKET_KEYS 80 /* bytes: name, HMAC and AES keys (facts/library-traps.md 1.7) */
#define TICKET_SECONDS 7200

struct tls_server {
	SSL_CTX *ctx;
	unsigned refs;
	int request_client;
};

static void
explain(char **why, const char *what)
{
	char reason[256];

	pki_error(reason, sizeof(reason));
	if (why)
		*why = reason[0] ? xasprintf("%s: %s", what, reason) : xstrdup(what);
}

/* Chain leaf first; OpenSSL takes its own references. */
static int
use_pair(SSL_CTX *ctx, STACK_OF(X509) * chain, EVP_PKEY *key, char **why)
{
	int i;

	if (!chain || sk_X509_num(chain) == 0 || !key) {
		explain(why, "certificate or key is missing");
		return -1;
	}
	if (SSL_CTX_use_certificate(ctx, sk_X509_value(chain, 0)) != 1) {
		explain(why, "OpenSSL does not take the certificate");
		return -1;
	}
	if (SSL_CTX_use_PrivateKey(ctx, key) != 1 || SSL_CTX_check_private_key(ctx) != 1) {
		explain(why, "the key does not belong to the certificate");
		return -1;
	}
	for (i = 1; i < sk_X509_num(chain); i++) {
		if (SSL_CTX_add1_chain_cert(ctx, sk_X509_value(chain, i)) != 1) {
			explain(why, "OpenSSL does not take a certificate of the chain");
			return -1;
		}
	}
	return 0;
}

/*
 * Whatever a client presents is let in (proof of possession is checked by the handshake itself): a
 * device with an expired identity must still be able to enroll, and after a resumption nothing is
 * judged here anyway.  Who asks for the certificate judges it; the result says "not trusted".
 */
static int
accept_any(X509_STORE_CTX *store, void *arg)
{
	(void)arg;
	X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_UNTRUSTED);
	return 1;
}

static int
choose_http1(SSL *ssl, const unsigned char **out, unsigned char *outlen, const unsigned char *in,
	unsigned inlen, void *arg)
{
	static const unsigned char ours[] = "\x08http/1.1";

	(void)ssl;
	(void)arg;
	if (SSL_select_next_proto((unsigned char **)(uintptr_t)out, outlen, ours, sizeof(ours) - 1,
		    in, inlen) != OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_NOACK;
	return SSL_TLSEXT_ERR_OK;
}

/* Old tickets go on working, unless they stand for sessions that were never asked for a
 * certificate, or were. */
static void
take_over_tickets(struct tls_server *t, const struct tls_server *before)
{
	unsigned char keys[TICKET_KEYS];

	if (!before || before->request_client != t->request_client)
		return;
	if (SSL_CTX_get_tlsext_ticket_keys(before->ctx, keys, sizeof(keys)) != 1 ||
		SSL_CTX_set_tlsext_ticket_keys(t->ctx, keys, sizeof(keys)) != 1)
		log_warn("TLS tickets could not be taken over: devices make full handshakes once");
	OPENSSL_cleanse(keys, sizeof(keys));
	ERR_clear_error();
}

static int
configure_server(SSL_CTX *ctx, int request_client)
{
	static const unsigned char id[] = "cordon";

	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE |
					 SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
				      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_timeout(ctx, TICKET_SECONDS);
	SSL_CTX_set_num_tickets(ctx, 1);
	SSL_CTX_set_alpn_select_cb(ctx, choose_http1, NULL);
	if (request_client) {
		SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
		SSL_CTX_set_cert_verify_callback(ctx, accept_any, NULL);
	}
	return SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) == 1 &&
			       SSL_CTX_set_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20") == 1 &&
			       SSL_CTX_set_session_id_context(ctx, id, sizeof(id) - 1) == 1
		       ? 0
		       : -1;
}

struct tls_server *
tls_server_new(STACK_OF(X509) * chain, EVP_PKEY *key, int request_client,
	const struct tls_server *before, char **why)
{
	struct tls_server *t = xcalloc(1, sizeof(*t));

	ERR_clear_error();
	t->refs = 1;
	t->request_client = request_client != 0;
	t->ctx = SSL_CTX_new(TLS_server_method());
	if (!t->ctx || configure_server(t->ctx, request_client) < 0) {
		explain(why, "TLS cannot be set up");
		goto fail;
	}
	if (use_pair(t->ctx, chain, key, why) < 0)
		goto fail;
	take_over_tickets(t, before);
	return t;
fail:
	ERR_clear_error();
	tls_server_unref(t);
	return NULL;
}

struct tls_server *
tls_server_ref(struct tls_server *t)
{
	t->refs++;
	return t;
}

void
tls_server_unref(struct tls_server *t)
{
	if (!t || --t->refs > 0)
		return;
	SSL_CTX_free(t->ctx);
	free(t);
}

SSL_CTX *
tls_server_ctx(const struct tls_server *t)
{
	return t->ctx;
}

static int
load_trust(SSL_CTX *ctx, const char *trust, char **why)
{
	char *what;
	int ok;

	if (strcmp(trust, "system") == 0)
		ok = SSL_CTX_set_default_verify_paths(ctx);
	else
		ok = SSL_CTX_load_verify_file(ctx, trust);
	if (ok == 1)
		return 0;
	what = xasprintf("%s: cannot be read as PEM certificates to trust", trust);
	explain(why, what);
	free(what);
	return -1;
}

SSL_CTX *
tls_client_ctx(STACK_OF(X509) * chain, EVP_PKEY *key, const char *trust, char **why)
{
	static const unsigned char h2[] = "\x02h2";
	SSL_CTX *ctx;

	ERR_clear_error();
	ctx = SSL_CTX_new(TLS_client_method());
	if (!ctx || SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1 ||
		SSL_CTX_set_alpn_protos(ctx, h2, sizeof(h2) - 1) != 0) {
		explain(why, "TLS cannot be set up");
		goto fail;
	}
	SSL_CTX_set_options(ctx,
		SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	if (load_trust(ctx, trust, why) < 0 || use_pair(ctx, chain, key, why) < 0)
		goto fail;
	return ctx;
fail:
	ERR_clear_error();
	SSL_CTX_free(ctx);
	return NULL;
}
