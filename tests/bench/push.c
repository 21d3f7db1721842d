/*
 * push.c - bench-push: pushes as fast as the APNs client can, against whatever answers
 *
 *   bench-push PORT TRUST CERT KEY TOKENS COUNT
 *
 * To 127.0.0.1, by the client that ships.  TOKENS pushes warm it up and are not counted; then COUNT
 * pushes to the same tokens in turn.  One line of JSON; exit status 1 if one was not accepted.
 */
#include <inttypes.h>
#include <openssl/pem.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "net/apns.h"
#include "net/loop.h"

#define TOPIC "com.apple.mgmt.External.11111111-2222-3333-4444-555555555555"
#define MAGIC "01234567-89AB-CDEF-0123-456789ABCDEF" /* as devices make them */
#define PATIENCE_MS 120000

struct bench {
	struct loop *loop;
	struct apns *apns;
	uint64_t accepted, other, wanted;
	char words[256];
};

static void
on_state(void *arg, struct apns *a, enum apns_state s, const char *words)
{
	struct bench *b = arg;

	(void)a;
	snprintf(b->words, sizeof(b->words), "%s: %s", apns_state_name(s), words);
	if (s == APNS_CONNECTED && b->wanted == 0)
		loop_stop(b->loop);
}

static void
on_answer(void *arg, struct apns *a, void *tag, const struct apns_answer *answer)
{
	struct bench *b = arg;

	(void)a;
	(void)tag;
	if (answer->result == APNS_ACCEPTED)
		b->accepted++;
	else
		b->other++;
	if (b->accepted + b->other == b->wanted)
		loop_stop(b->loop);
}

static void
on_late(void *arg)
{
	struct bench *b = arg;

	fprintf(stderr, "bench-push: no end within %d s (%s)\n", PATIENCE_MS / 1000, b->words);
	exit(1);
}

/* Pushes to the tokens in turn, and waits for all answers. */
static void
burst(struct bench *b, unsigned tokens, unsigned count)
{
	unsigned char token[32] = { 0 };
	unsigned i;

	b->wanted += count;
	for (i = 0; i < count; i++) {
		token[0] = (unsigned char)(i % tokens >> 8);
		token[1] = (unsigned char)(i % tokens);
		if (apns_push(b->apns, bytes_of(token, sizeof(token)), MAGIC, 1800000000, 1, NULL) <
			0) {
			fprintf(stderr, "bench-push: push %u is not taken\n", i);
			exit(1);
		}
	}
	loop_run(b->loop);
}

static int
set_identity(struct bench *b, const char *cert_path, const char *key_path)
{
	FILE *cert_file = fopen(cert_path, "r"), *key_file = fopen(key_path, "r");
	X509 *cert = cert_file ? PEM_read_X509(cert_file, NULL, NULL, NULL) : NULL;
	EVP_PKEY *key = key_file ? PEM_read_PrivateKey(key_file, NULL, NULL, NULL) : NULL;
	STACK_OF(X509) *chain = sk_X509_new_null();
	int rc = cert && key && chain ? 0 : -1;

	if (rc == 0) {
		sk_X509_push(chain, cert);
		apns_set_identity(b->apns, chain, key, NULL);
	}
	sk_X509_free(chain);
	X509_free(cert);
	EVP_PKEY_free(key);
	if (cert_file)
		fclose(cert_file);
	if (key_file)
		fclose(key_file);
	return rc;
}

static int
measure(struct bench *b, unsigned tokens, unsigned count)
{
	int64_t start, cpu;
	double seconds;

	loop_run(b->loop); /* until it is connected */
	burst(b, tokens, tokens);
	start = clock_mono_us();
	cpu = clock_cpu_us();
	burst(b, tokens, count);
	seconds = (double)(clock_mono_us() - start) / 1e6;
	printf("{\"pushes\": %u, \"accepted\": %" PRIu64 ", \"seconds\": %.6f, \"rate\": %.1f, "
	       "\"cpu_us\": %.3f}\n",
		count, b->accepted - (b->accepted > tokens ? tokens : 0), seconds, count / seconds,
		(double)(clock_cpu_us() - cpu) / count);
	return b->other == 0 ? 0 : 1;
}

int
main(int argc, char **argv)
{
	struct bench b = { 0 };
	struct apns_options o = { .topic = TOPIC, .host = "127.0.0.1" };
	const struct apns_callbacks cb = { on_state, on_answer, &b };
	struct loop_timer *patience;
	unsigned tokens, count;
	int rc = 1;

	if (argc != 7 || !(o.port = (unsigned)atoi(argv[1])) ||
		!(tokens = (unsigned)atoi(argv[5])) || !(count = (unsigned)atoi(argv[6])) ||
		tokens > 65536 || count > APNS_WAITING_MAX) {
		fprintf(stderr, "usage: bench-push PORT TRUST CERT KEY TOKENS COUNT\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	o.trust = argv[2];
	b.loop = loop_new();
	b.apns = b.loop ? apns_new(b.loop, &o, &cb) : NULL;
	if (!b.apns)
		return 1;
	patience = loop_timer_new(b.loop, on_late, &b);
	loop_timer_set(patience, PATIENCE_MS);
	if (set_identity(&b, argv[3], argv[4]) == 0)
		rc = measure(&b, tokens, count);
	else
		fprintf(stderr, "bench-push: no certificate and key in %s and %s\n", argv[3],
			argv[4]);
	apns_free(b.apns);
	loop_timer_free(patience);
	loop_free(b.loop);
	return rc;
}
