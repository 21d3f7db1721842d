/* Tests of daemon/mdm/scep: who gets a certificate, and what is written down */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "mdm/scep.h"
#include "mdm_kit.h"
#include "pki/ca.h"
#include "pki/cert.h"
#include "pki/key.h"
#include "store/delivery.h"
#include "store/link.h"

static EVP_PKEY *rsa;

static int
make_key(void **ctx)
{
	(void)ctx;
	rsa = key_new_rsa(2048);
	return rsa ? 0 : -1;
}

static int
drop_key(void **ctx)
{
	(void)ctx;
	EVP_PKEY_free(rsa);
	return 0;
}

static int
setup(void **ctx)
{
	*ctx = kit_new();
	return 0;
}

static int
teardown(void **ctx)
{
	kit_free(*ctx);
	return 0;
}

/* `signer` NULL: self-signed, as a first request is. */
static struct scep_request *
request(const char *transaction, EVP_PKEY *key, const char *challenge, X509 *signer)
{
	struct scep_request *q = xcalloc(1, sizeof(*q));
	struct subject s = { .common_name = (char *)(uintptr_t) "device" };

	q->type = SCEP_PKCS_REQ;
	snprintf(q->transaction, sizeof(q->transaction), "%s", transaction);
	q->csr = csr_new(key, &s);
	q->key = key;
	EVP_PKEY_up_ref(key);
	assert_int_equal(key_spki_sha256(key, q->spki), 0);
	buf_add_str(&q->challenge, challenge);
	q->self_signed = signer == NULL;
	if (signer)
		X509_up_ref(signer);
	q->signer = signer;
	return q;
}

static struct delivery *
deliver(struct kit *k, const char *challenge, const char *link)
{
	struct delivery *d = delivery_new();

	digest_sha256(bytes_str(challenge), d->challenge);
	d->created = kit_now();
	if (link)
		snprintf(d->link, sizeof(d->link), "%s", link);
	assert_int_equal(delivery_save(k->m.store, d), 0);
	return d;
}

/* Asks; 0 with the grant in *g (the caller's), else the refusal's code as -100 - fail. */
static int
ask(struct kit *k, const struct scep_request *q, struct scep_grant *g)
{
	enum scep_fail fail = SCEP_BAD_TIME;
	const char *why = NULL;
	int rc = scep_authorise(&k->m, q, g, &fail, &why);

	if (rc != -EACCES)
		return rc;
	assert_non_null(why);
	return -100 - (int)fail;
}

static X509 *
grant(struct kit *k, const struct scep_request *q, const struct scep_grant *g)
{
	struct ca_identity id = { .subject_key = q->key,
		.common_name = "Cordon test",
		.number = g->number,
		.now = kit_now(),
		.lifetime = 86400 * 365 };
	X509 *c = ca_issue_identity(certpair_leaf(&k->certs.ssc), k->certs.ssc.key, &id);

	assert_non_null(c);
	assert_int_equal(scep_record(&k->m, q, g, c, k->certs.ssc.sha256), 0);
	assert_int_equal(store_commit(k->m.store), 0);
	return c;
}

static struct identity *
record_of(struct kit *k, X509 *c)
{
	unsigned char hash[SHA256_LEN];
	struct identity *i = NULL;

	assert_int_equal(cert_sha256(c, hash), 0);
	assert_int_equal(identity_load(k->m.store, hash, &i), 0);
	return i;
}

static void
a_challenge_gives_a_certificate(void **ctx)
{
	struct kit *k = *ctx;
	struct delivery *d = deliver(k, "right", NULL);
	struct scep_request *q = request("t1", rsa, "right", NULL);
	struct scep_grant g;
	struct identity *i;
	char number[UUID_LEN + 1];
	X509 *c;

	assert_int_equal(ask(k, q, &g), 0);
	assert_string_equal(g.number, d->number);
	assert_null(g.earlier);
	assert_null(g.renewal_of);
	c = grant(k, q, &g);
	i = record_of(k, c);
	assert_string_equal(i->number, d->number);
	assert_int_equal(i->status, IDENTITY_ISSUED);
	assert_int_equal(i->not_after, cert_not_after(c));
	assert_memory_equal(i->spki, q->spki, SHA256_LEN);
	assert_memory_equal(i->ca, k->certs.ssc.sha256, SHA256_LEN);
	assert_null(i->enrollment);
	assert_int_equal(cert_enrollment_number(c, number), 0);
	assert_string_equal(number, d->number);
	scep_grant_free(&g);

	/* the same transaction and key: the same certificate, and no use more */
	assert_int_equal(ask(k, q, &g), 0);
	assert_non_null(g.earlier);
	assert_memory_equal(g.earlier->cert, i->cert, SHA256_LEN);
	scep_grant_free(&g);
	delivery_free(d);
	assert_int_equal(delivery_by_challenge(k->m.store, bytes_str("right"), &d), 0);
	assert_int_equal(d->uses, 1);
	delivery_free(d);
	identity_free(i);
	X509_free(c);
	scep_request_free(q);
}

static void
each_further_use_revokes_the_one_before(void **ctx)
{
	struct kit *k = *ctx;
	struct delivery *d = deliver(k, "right", NULL);
	struct scep_request *q;
	struct scep_grant g;
	struct identity *i;
	X509 *before = NULL, *c;
	char name[16];
	unsigned n;

	for (n = 0; n < DELIVERY_USES; n++) {
		snprintf(name, sizeof(name), "t%u", n);
		q = request(name, rsa, "right", NULL);
		assert_int_equal(ask(k, q, &g), 0);
		c = grant(k, q, &g);
		if (before) {
			i = record_of(k, before);
			assert_int_equal(i->status, IDENTITY_REVOKED);
			identity_free(i);
		}
		X509_free(before);
		before = c;
		scep_grant_free(&g);
		scep_request_free(q);
	}
	i = record_of(k, before);
	assert_int_equal(i->status, IDENTITY_ISSUED);
	identity_free(i);
	X509_free(before);
	q = request("once-more", rsa, "right", NULL);
	assert_int_equal(ask(k, q, &g), -100 - SCEP_BAD_REQUEST);
	scep_request_free(q);
	/* a revoked certificate is not given out again either */
	q = request("t0", rsa, "right", NULL);
	assert_int_equal(ask(k, q, &g), -100 - SCEP_BAD_REQUEST);
	scep_request_free(q);
	delivery_free(d);
}

static void
refuse_challenge(struct kit *k, const char *challenge, int expected)
{
	struct scep_request *q = request("tx", rsa, challenge, NULL);
	struct scep_grant g;

	assert_int_equal(ask(k, q, &g), expected);
	scep_request_free(q);
}

static void
bad_challenges_are_refused(void **ctx)
{
	struct kit *k = *ctx;
	struct delivery *d = deliver(k, "right", NULL);

	refuse_challenge(k, "", -100 - SCEP_BAD_REQUEST);
	refuse_challenge(k, "wrong", -100 - SCEP_BAD_REQUEST);
	refuse_challenge(k, "right ", -100 - SCEP_BAD_REQUEST);
	d->closed = true;
	assert_int_equal(delivery_save(k->m.store, d), 0);
	refuse_challenge(k, "right", -100 - SCEP_BAD_REQUEST);
	delivery_free(d);
	d = deliver(k, "old", NULL);
	kit_forward(DELIVERY_LIFETIME + 1);
	refuse_challenge(k, "old", -100 - SCEP_BAD_REQUEST);
	delivery_free(d);
}

static void
links_that_ended_give_nothing(void **ctx)
{
	struct kit *k = *ctx;
	struct link *l = link_new();
	struct scep_request *q;
	struct delivery *d;
	struct scep_grant g;

	link_hash("token", l->hash);
	l->expires = kit_now() + 10;
	l->uses_max = 1;
	assert_int_equal(link_save(k->m.store, l), 0);
	d = deliver(k, "right", l->hash);
	/* it may expire after the profile was fetched */
	kit_forward(60);
	q = request("tx", rsa, "right", NULL);
	assert_int_equal(ask(k, q, &g), 0);
	assert_string_equal(g.link, l->hash);
	scep_grant_free(&g);
	scep_request_free(q);
	l->uses = 1;
	assert_int_equal(link_save(k->m.store, l), 0);
	refuse_challenge(k, "right", -100 - SCEP_BAD_REQUEST);
	l->uses = 0;
	l->revoked = true;
	assert_int_equal(link_save(k->m.store, l), 0);
	refuse_challenge(k, "right", -100 - SCEP_BAD_REQUEST);
	link_free(l);
	delivery_free(d);
}

/* Nothing is ever pending, but a client whose answer was lost may ask so. */
static void
a_poll_gives_the_certificate_again(void **ctx)
{
	struct kit *k = *ctx;
	struct delivery *d = deliver(k, "right", NULL);
	struct subject s = { .common_name = (char *)(uintptr_t) "throw-away" };
	X509 *signer = ca_new_ssc(rsa, &s, kit_now(), 86400), *issued;
	struct scep_request *q = request("tx", rsa, "right", NULL);
	struct scep_grant g;

	assert_int_equal(ask(k, q, &g), 0);
	issued = grant(k, q, &g);
	scep_grant_free(&g);
	scep_request_free(q);
	q = request("tx", rsa, "", signer);
	q->type = SCEP_CERT_POLL;
	assert_int_equal(ask(k, q, &g), 0);
	assert_non_null(g.earlier);
	scep_grant_free(&g);
	strcpy(q->transaction, "another");
	assert_int_equal(ask(k, q, &g), -100 - SCEP_BAD_CERT_ID);
	/* one that has expired is of no use to it */
	strcpy(q->transaction, "tx");
	kit_forward(366 * 86400);
	assert_int_equal(ask(k, q, &g), -100 - SCEP_BAD_CERT_ID);
	scep_request_free(q);
	X509_free(issued);
	X509_free(signer);
	delivery_free(d);
}

static void
weak_and_strange_requests_are_refused(void **ctx)
{
	struct kit *k = *ctx;
	struct delivery *d = deliver(k, "right", NULL);
	EVP_PKEY *ec = key_new_p256(), *weak = EVP_RSA_gen(1024);
	struct scep_request *q = request("tx", ec, "right", NULL);
	struct scep_grant g;

	assert_int_equal(ask(k, q, &g), -100 - SCEP_BAD_ALG);
	scep_request_free(q);
	q = request("tx", weak, "right", NULL);
	assert_int_equal(ask(k, q, &g), -100 - SCEP_BAD_ALG);
	scep_request_free(q);
	q = request("tx", rsa, "right", NULL);
	q->type = SCEP_GET_CERT;
	assert_int_equal(ask(k, q, &g), -100 - SCEP_BAD_REQUEST);
	q->type = SCEP_GET_CRL;
	assert_int_equal(ask(k, q, &g), -100 - SCEP_BAD_REQUEST);
	scep_request_free(q);
	delivery_free(d);
	EVP_PKEY_free(ec);
	EVP_PKEY_free(weak);
}

static void
an_enrolled_identity_renews_itself(void **ctx)
{
	static const struct kit_issue fresh;
	struct kit *k = *ctx;
	struct kit_device d, idle;
	struct scep_request *q;
	struct scep_grant g;
	struct identity *i;
	X509 *c;

	kit_device_init(&d, k, "AA", "SER1", &fresh);
	kit_device_init(&idle, k, "BB", "SER2", &fresh);
	/* issued, but nobody's yet */
	q = request("tx", rsa, "", idle.cert);
	assert_int_equal(ask(k, q, &g), -100 - SCEP_BAD_CERT_ID);
	scep_request_free(q);

	kit_enroll(&d);
	q = request("tr", rsa, "", d.cert);
	assert_int_equal(ask(k, q, &g), 0);
	assert_string_equal(g.renewal_of, "AA");
	assert_string_equal(g.number, d.number);
	c = grant(k, q, &g);
	i = record_of(k, c);
	assert_string_equal(i->renewal_of, "AA");
	identity_free(i);
	scep_grant_free(&g);
	/* the answer was lost: the same one */
	assert_int_equal(ask(k, q, &g), 0);
	assert_non_null(g.earlier);
	scep_grant_free(&g);
	scep_request_free(q);
	/* signed by what came of this transaction: not lost, so it is the next renewal */
	assert_int_equal(kit_report(&d, "Idle", NULL, NULL, NULL), 200);
	q = request("tr", rsa, "", c);
	assert_int_equal(ask(k, q, &g), -100 - SCEP_BAD_CERT_ID);
	scep_request_free(q);
	X509_free(c);

	/* expired within grace, then beyond it */
	kit_forward(366 * 86400);
	q = request("tg", rsa, "", d.cert);
	assert_int_equal(ask(k, q, &g), 0);
	scep_grant_free(&g);
	kit_forward(k->conf.identity_grace);
	assert_int_equal(ask(k, q, &g), -100 - SCEP_BAD_MESSAGE_CHECK);
	scep_request_free(q);
	kit_device_free(&d);
	kit_device_free(&idle);
}

static void
removed_and_foreign_identities_renew_nothing(void **ctx)
{
	static const struct kit_issue fresh;
	struct kit *k = *ctx, *other = kit_new();
	struct kit_device d, foreign;
	struct scep_request *q;
	struct scep_grant g;

	kit_device_init(&d, k, "AA", "SER1", &fresh);
	kit_enroll(&d);
	assert_int_equal(kit_checkin(&d, "CheckOut", NULL, NULL), 200);
	q = request("tx", rsa, "", d.cert);
	assert_int_equal(ask(k, q, &g), -100 - SCEP_BAD_CERT_ID);
	scep_request_free(q);
	kit_device_init(&foreign, other, "AA", "SER1", &fresh);
	q = request("tx", rsa, "", foreign.cert);
	assert_int_equal(ask(k, q, &g), -100 - SCEP_BAD_MESSAGE_CHECK);
	scep_request_free(q);
	kit_device_free(&d);
	kit_device_free(&foreign);
	kit_free(other);
}

static void
get_messages_are_decoded(void **ctx)
{
	struct buf out = BUF_INIT;

	(void)ctx;
	assert_int_equal(scep_get_message("+/+/", &out), 0);
	assert_memory_equal(out.data, "\xfb\xff\xbf", 3);
	buf_reset(&out);
	/* a form decoder made a blank of the plus */
	assert_int_equal(scep_get_message(" / /", &out), 0);
	assert_memory_equal(out.data, "\xfb\xff\xbf", 3);
	buf_reset(&out);
	assert_int_equal(scep_get_message("AQ\r\nID", &out), 0);
	assert_int_equal(out.len, 3);
	assert_int_equal(scep_get_message("%%%", &out), -EINVAL);
	buf_free(&out);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_challenge_gives_a_certificate),
		TEST(each_further_use_revokes_the_one_before),
		TEST(bad_challenges_are_refused),
		TEST(links_that_ended_give_nothing),
		TEST(a_poll_gives_the_certificate_again),
		TEST(weak_and_strange_requests_are_refused),
		TEST(an_enrolled_identity_renews_itself),
		TEST(removed_and_foreign_identities_renew_nothing),
		TEST(get_messages_are_decoded),
	};

	return cmocka_run_group_tests_name("scep verb", tests, make_key, drop_key);
}
