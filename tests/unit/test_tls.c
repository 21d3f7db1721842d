/* test_tls.c - handshakes in memory: versions, client certificates, resumption over reloads */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/tls.h"
#include "net_fixture.h"

struct scene {
	EVP_PKEY *key, *client_key;
	STACK_OF(X509) * chain;
	X509 *client_cert;
	SSL *server, *client;
	SSL_CTX *ctx;
	SSL_SESSION *ticket;
};

static struct scene scene;

static int
keep_ticket(SSL *ssl, SSL_SESSION *session)
{
	(void)ssl;
	SSL_SESSION_free(scene.ticket);
	scene.ticket = session;
	return 1;
}

static int
set_up(void **state)
{
	struct scene *s = &scene;

	memset(s, 0, sizeof(*s));
	*state = s;
	s->key = fixture_key();
	s->chain = fixture_chain(fixture_cert(s->key, "mdm.example.com", -100, 1000));
	s->client_key = fixture_key();
	s->client_cert = fixture_cert(s->client_key, "device", -1000, -100); /* expired */
	s->ctx = SSL_CTX_new(TLS_client_method());
	SSL_CTX_set_security_level(s->ctx, 0);
	SSL_CTX_set_session_cache_mode(s->ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(s->ctx, keep_ticket);
	return 0;
}

static void
hang_up(void)
{
	/* OpenSSL spoils the session of a client that goes without a word. */
	if (scene.client)
		SSL_set_shutdown(scene.client, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
	SSL_free(scene.client);
	SSL_free(scene.server);
	scene.client = scene.server = NULL;
}

static int
tear_down(void **state)
{
	struct scene *s = *state;

	hang_up();
	SSL_SESSION_free(s->ticket);
	SSL_CTX_free(s->ctx);
	sk_X509_pop_free(s->chain, X509_free);
	X509_free(s->client_cert);
	EVP_PKEY_free(s->key);
	EVP_PKEY_free(s->client_key);
	ERR_clear_error();
	return 0;
}

static struct tls_server *
server(int request_client, const struct tls_server *before)
{
	char *why = NULL;
	struct tls_server *t = tls_server_new(scene.chain, scene.key, request_client, before, &why);

	if (!t)
		fail_msg("%s", why);
	return t;
}

/* Speaks in memory until both are done; the client then gets a byte and with it the tickets. */
static bool
handshake(struct tls_server *t, SSL_SESSION *resume)
{
	BIO *a, *b;
	int i, c = 0, s = 0;
	char byte;

	hang_up();
	BIO_new_bio_pair(&a, 0, &b, 0);
	scene.server = SSL_new(tls_server_ctx(t));
	scene.client = SSL_new(scene.ctx);
	SSL_set_bio(scene.server, a, a);
	SSL_set_bio(scene.client, b, b);
	SSL_set_accept_state(scene.server);
	SSL_set_connect_state(scene.client);
	if (resume)
		SSL_set_session(scene.client, resume);
	for (i = 0; i < 20 && (c != 1 || s != 1); i++) {
		c = SSL_do_handshake(scene.client);
		s = SSL_do_handshake(scene.server);
	}
	if (c != 1 || s != 1)
		return false;
	assert_int_equal(SSL_write(scene.server, "x", 1), 1);
	assert_int_equal(SSL_read(scene.client, &byte, 1), 1);
	return true;
}

static void
speaks_1_2_and_1_3_and_nothing_older(void **state)
{
	struct tls_server *t = server(0, NULL);

	(void)state;
	assert_true(handshake(t, NULL));
	assert_int_equal(SSL_version(scene.server), TLS1_3_VERSION);
	SSL_CTX_set_max_proto_version(scene.ctx, TLS1_2_VERSION);
	assert_true(handshake(t, NULL));
	assert_int_equal(SSL_version(scene.server), TLS1_2_VERSION);
	assert_non_null(strstr(SSL_get_cipher_name(scene.server), "ECDHE"));
	SSL_CTX_set_max_proto_version(scene.ctx, TLS1_1_VERSION);
	assert_false(handshake(t, NULL));
	tls_server_unref(t);
}

static void
chooses_http_1_1(void **state)
{
	const unsigned char *alpn;
	unsigned len;
	struct tls_server *t = server(0, NULL);

	(void)state;
	SSL_CTX_set_alpn_protos(scene.ctx, (const unsigned char *)"\x02h2\x08http/1.1", 12);
	assert_true(handshake(t, NULL));
	SSL_get0_alpn_selected(scene.client, &alpn, &len);
	assert_int_equal(len, 8);
	assert_memory_equal(alpn, "http/1.1", 8);
	tls_server_unref(t);
}

static void
lets_any_client_certificate_in(void **state)
{
	struct tls_server *t = server(1, NULL);
	int version;

	(void)state;
	for (version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		SSL_CTX_set_max_proto_version(scene.ctx, version);
		SSL_CTX_use_certificate(scene.ctx, NULL);
		assert_true(handshake(t, NULL)); /* none */
		assert_null(SSL_get0_peer_certificate(scene.server));
	}
	assert_int_equal(SSL_CTX_use_certificate(scene.ctx, scene.client_cert), 1);
	assert_int_equal(SSL_CTX_use_PrivateKey(scene.ctx, scene.client_key), 1);
	for (version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		SSL_CTX_set_max_proto_version(scene.ctx, version);
		assert_true(handshake(t, NULL)); /* expired and of a CA that nobody knows */
		assert_int_equal(
			X509_cmp(SSL_get0_peer_certificate(scene.server), scene.client_cert), 0);
		/* Nobody may take it for a judgement. */
		assert_int_not_equal(SSL_get_verify_result(scene.server), X509_V_OK);
	}
	tls_server_unref(t);
}

static void
does_not_ask_unless_told(void **state)
{
	struct tls_server *t = server(0, NULL);

	(void)state;
	SSL_CTX_use_certificate(scene.ctx, scene.client_cert);
	SSL_CTX_use_PrivateKey(scene.ctx, scene.client_key);
	assert_true(handshake(t, NULL));
	assert_null(SSL_get0_peer_certificate(scene.server));
	tls_server_unref(t);
}

/* Resumes with a ticket of `before` at `after`: is it taken, and is the certificate still there? */
static void
check_resumption(int version, int ask_before, int ask_after, bool expected)
{
	struct tls_server *before = server(ask_before, NULL), *after;
	SSL_SESSION *ticket;

	SSL_CTX_set_max_proto_version(scene.ctx, version);
	assert_true(handshake(before, NULL));
	assert_non_null(scene.ticket);
	ticket = scene.ticket;
	SSL_SESSION_up_ref(ticket);
	after = server(ask_after, before);
	tls_server_unref(before); /* connections keep what they need of it */
	assert_true(handshake(after, ticket));
	assert_int_equal(SSL_session_reused(scene.server), expected);
	assert_int_equal(SSL_get0_peer_certificate(scene.server) != NULL, ask_after);
	SSL_SESSION_free(ticket);
	tls_server_unref(after);
}

static void
tickets_survive_a_reload(void **state)
{
	int version;

	(void)state;
	SSL_CTX_use_certificate(scene.ctx, scene.client_cert);
	SSL_CTX_use_PrivateKey(scene.ctx, scene.client_key);
	for (version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
		check_resumption(version, 0, 0, true);
		check_resumption(version, 1, 1, true);
		/* A session without certificate would slip past the question. */
		check_resumption(version, 0, 1, false);
		check_resumption(version, 1, 0, false);
	}
}

static void
tickets_do_not_outlive_an_unrelated_server(void **state)
{
	struct tls_server *one = server(0, NULL), *two = server(0, NULL);

	(void)state;
	assert_true(handshake(one, NULL));
	assert_true(handshake(two, scene.ticket));
	assert_false(SSL_session_reused(scene.server));
	tls_server_unref(one);
	tls_server_unref(two);
}

static void
refuses_what_does_not_fit(void **state)
{
	STACK_OF(X509) *none = sk_X509_new_null();
	char *why = NULL;

	(void)state;
	assert_null(tls_server_new(scene.chain, scene.client_key, 0, NULL, &why));
	assert_non_null(strstr(why, "key"));
	free(why);
	why = NULL;
	assert_null(tls_server_new(none, scene.key, 0, NULL, &why));
	assert_non_null(strstr(why, "missing"));
	free(why);
	assert_null(tls_server_new(scene.chain, NULL, 0, NULL, NULL));
	assert_int_equal(ERR_peek_error(), 0);
	sk_X509_free(none);
}

static void
client_context_for_apns(void **state)
{
	char file[] = "/tmp/test_tls.XXXXXX", *why = NULL;
	int fd = mkstemp(file);
	FILE *f = fdopen(fd, "w");
	struct tls_server *t = server(1, NULL);
	SSL_CTX *theirs = scene.ctx;

	(void)state;
	PEM_write_X509(f, sk_X509_value(scene.chain, 0));
	fclose(f);
	scene.ctx = tls_client_ctx(scene.chain, scene.key, file, &why);
	assert_non_null(scene.ctx);
	assert_true(handshake(t, NULL)); /* trusted by the file, and it presents its identity */
	assert_int_equal(SSL_get_verify_result(scene.client), X509_V_OK);
	assert_non_null(SSL_get0_peer_certificate(scene.server));
	SSL_CTX_free(scene.ctx);
	scene.ctx = tls_client_ctx(scene.chain, scene.key, "system", &why);
	assert_non_null(scene.ctx);
	assert_false(handshake(t, NULL)); /* nobody the system knows */
	SSL_CTX_free(scene.ctx);
	scene.ctx = theirs;
	unlink(file);
	assert_null(tls_client_ctx(scene.chain, scene.key, file, &why));
	assert_non_null(strstr(why, file));
	free(why);
	tls_server_unref(t);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(speaks_1_2_and_1_3_and_nothing_older),
		T(chooses_http_1_1),
		T(lets_any_client_certificate_in),
		T(does_not_ask_unless_told),
		T(tickets_survive_a_reload),
		T(tickets_do_not_outlive_an_unrelated_server),
		T(refuses_what_does_not_fit),
		T(client_context_for_apns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
