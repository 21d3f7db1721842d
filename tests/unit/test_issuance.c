/* test_issuance.c - identities, deliveries, links and what belongs to the whole store */
#include "store_bed.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "store/delivery.h"
#include "store/identity.h"
#include "store/link.h"
#include "store/meta.h"

static int
setup(void **state)
{
	*state = bed_new();
	bed_open(*state);
	return 0;
}

static int
teardown(void **state)
{
	bed_free(*state);
	return 0;
}

static void
identities_round_trip(void **state)
{
	struct bed *b = *state;
	struct identity *i = identity_new(), *got = NULL;

	i->cert[0] = 0; /* a hash may begin with anything */
	i->cert[31] = 1;
	assert_int_equal(identity_load(b->store, i->cert, &got), -ENOENT);
	buf_add(&i->der, "\x30\x82\0\0", 4);
	buf_add(&i->serial, "\0\x99", 2);
	i->ca[1] = 2;
	i->spki[2] = 3;
	strcpy(i->number, "0f2b8a44-2c1e-4b11-9a57-0d3f5a7c9e10");
	memset(i->link, 'a', 2 * SHA256_LEN);
	i->renewal_of = xstrdup("D0");
	i->enrollment = xstrdup("D1");
	i->issued_at = 11;
	i->not_after = 12;
	i->status = IDENTITY_REVOKED;
	i->revoked_at = 13;
	i->pin[4] = 5;
	assert_int_equal(identity_save(b->store, i), 0);
	bed_commit(b);
	assert_int_equal(identity_load(b->store, i->cert, &got), 0);
	assert_memory_equal(got->cert, i->cert, SHA256_LEN);
	assert_true(bytes_eq(buf_bytes(&got->der), buf_bytes(&i->der)));
	assert_true(bytes_eq(buf_bytes(&got->serial), buf_bytes(&i->serial)));
	assert_memory_equal(got->ca, i->ca, SHA256_LEN);
	assert_memory_equal(got->spki, i->spki, SHA256_LEN);
	assert_memory_equal(got->pin, i->pin, SHA256_LEN);
	assert_string_equal(got->number, i->number);
	assert_string_equal(got->link, i->link);
	assert_string_equal(got->renewal_of, "D0");
	assert_string_equal(got->enrollment, "D1");
	assert_int_equal(got->issued_at, 11);
	assert_int_equal(got->not_after, 12);
	assert_int_equal(got->status, IDENTITY_REVOKED);
	assert_int_equal(got->revoked_at, 13);
	identity_free(got);
	identity_free(i);
}

static void
a_transaction_names_its_certificate(void **state)
{
	struct bed *b = *state;
	unsigned char spki[SHA256_LEN] = { 1 }, other[SHA256_LEN] = { 2 };
	unsigned char cert[SHA256_LEN] = { 3 }, got[SHA256_LEN] = { 0 };

	assert_int_equal(identity_by_transaction(b->store, "T1", spki, got), -ENOENT);
	assert_int_equal(identity_note_transaction(b->store, "T1", spki, cert), 0);
	assert_int_equal(identity_by_transaction(b->store, "T1", spki, got), 0);
	assert_memory_equal(got, cert, SHA256_LEN);
	assert_int_equal(identity_by_transaction(b->store, "T1", other, got), -ENOENT);
	assert_int_equal(identity_by_transaction(b->store, "T2", spki, got), -ENOENT);
}

/* Puts every truncation, and every value with one byte damaged, in the record's place. */
static void
torture(struct bed *b, struct bytes key, void (*load)(struct bed *b, const void *arg),
	const void *arg)
{
	struct buf value = BUF_INIT;

	assert_int_equal(store_get(b->store, key, &value), 0);
	for (size_t i = 0; i < value.len; i++) {
		assert_int_equal(store_put(b->store, key, bytes_of(value.data, i)), 0);
		load(b, arg);
		value.data[i] ^= 0xa5;
		assert_int_equal(store_put(b->store, key, buf_bytes(&value)), 0);
		load(b, arg);
		value.data[i] ^= 0xa5;
	}
	buf_free(&value);
}

static void
load_identity(struct bed *b, const void *cert)
{
	struct identity *i = NULL;

	if (identity_load(b->store, cert, &i) == 0) {
		assert_true(i->status <= IDENTITY_REVOKED);
		identity_free(i);
	}
}

static void
load_delivery(struct bed *b, const void *number)
{
	struct delivery *d = NULL;

	if (delivery_load(b->store, number, &d) == 0)
		delivery_free(d);
}

static struct delivery *
new_delivery(const char *challenge, int64_t created)
{
	struct delivery *d = delivery_new();

	digest_sha256(bytes_str(challenge), d->challenge);
	d->created = created;
	d->facts.identifier = xstrdup("com.example.cordon.enroll");
	d->facts.server_url = xstrdup("https://mdm.example.com/mdm");
	d->facts.checkin_url = xstrdup("https://mdm.example.com/checkin");
	d->facts.topic = xstrdup("com.apple.mgmt.External.1");
	d->facts.access_rights = 8191;
	d->facts.per_user = true;
	d->facts.server_name = xstrdup("mdm.example.com");
	d->facts.signer[9] = 9;
	return d;
}

static void
damage_is_never_more_than_an_error(void **state)
{
	struct bed *b = *state;
	struct identity *i = identity_new();
	struct delivery *d = new_delivery("c", 1);
	struct buf key = BUF_INIT;

	buf_add_str(&i->der, "der");
	i->status = IDENTITY_ACTIVE;
	i->enrollment = xstrdup("D1");
	assert_int_equal(identity_save(b->store, i), 0);
	buf_add_char(&key, 'i');
	buf_add(&key, i->cert, SHA256_LEN);
	torture(b, buf_bytes(&key), load_identity, i->cert);
	assert_int_equal(delivery_save(b->store, d), 0);
	buf_reset(&key);
	buf_printf(&key, "n%s", d->number);
	torture(b, buf_bytes(&key), load_delivery, d->number);
	identity_free(i);
	delivery_free(d);
	buf_free(&key);
}

static void
deliveries_are_found_by_challenge(void **state)
{
	struct bed *b = *state;
	struct delivery *d = new_delivery("the challenge", 50), *got = NULL;
	struct profile_facts copy;

	assert_int_equal(
		delivery_by_challenge(b->store, bytes_str("the challenge"), &got), -ENOENT);
	memset(d->link, 'b', 2 * SHA256_LEN);
	d->renewal_of = xstrdup("D1");
	d->uses = 4;
	d->last_cert[3] = 3;
	d->closed = true;
	d->enrollment = xstrdup("D1");
	assert_int_equal(delivery_save(b->store, d), 0);
	assert_int_equal(delivery_by_challenge(b->store, bytes_str("the challenge"), &got), 0);
	assert_string_equal(got->number, d->number);
	assert_string_equal(got->link, d->link);
	assert_string_equal(got->renewal_of, "D1");
	assert_int_equal(got->uses, 4);
	assert_int_equal(got->created, 50);
	assert_memory_equal(got->last_cert, d->last_cert, SHA256_LEN);
	assert_memory_equal(got->challenge, d->challenge, SHA256_LEN);
	assert_true(got->closed);
	assert_string_equal(got->enrollment, "D1");
	profile_facts_copy(&copy, &got->facts);
	delivery_free(got);
	assert_string_equal(copy.identifier, "com.example.cordon.enroll");
	assert_string_equal(copy.server_url, "https://mdm.example.com/mdm");
	assert_string_equal(copy.checkin_url, "https://mdm.example.com/checkin");
	assert_string_equal(copy.topic, "com.apple.mgmt.External.1");
	assert_int_equal(copy.access_rights, 8191);
	assert_true(copy.per_user);
	assert_string_equal(copy.server_name, "mdm.example.com");
	assert_int_equal(copy.signer[9], 9);
	profile_facts_free(&copy);
	delivery_free(d);
	assert_int_equal(delivery_by_challenge(b->store, bytes_str("another"), &got), -ENOENT);
}

static void
the_sweep_takes_old_deliveries_that_led_nowhere(void **state)
{
	struct bed *b = *state;
	struct delivery *old = new_delivery("old", 1000), *young = new_delivery("young", 1001);
	struct delivery *used = new_delivery("used", 5), *tried = new_delivery("tried", 5);
	struct delivery *got = NULL;
	int64_t now = 1001 + DELIVERY_LIFETIME + 86400;

	used->enrollment = xstrdup("D1");
	tried->uses = 1; /* its device has a certificate, and may come with it */
	assert_int_equal(delivery_save(b->store, old), 0);
	assert_int_equal(delivery_save(b->store, young), 0);
	assert_int_equal(delivery_save(b->store, used), 0);
	assert_int_equal(delivery_save(b->store, tried), 0);
	bed_commit(b);
	assert_int_equal(delivery_sweep(b->store, now), 1);
	assert_int_equal(delivery_by_challenge(b->store, bytes_str("old"), &got), -ENOENT);
	assert_int_equal(delivery_by_challenge(b->store, bytes_str("young"), &got), 0);
	delivery_free(got);
	assert_int_equal(delivery_by_challenge(b->store, bytes_str("used"), &got), 0);
	delivery_free(got);
	assert_int_equal(delivery_by_challenge(b->store, bytes_str("tried"), &got), 0);
	delivery_free(got);
	assert_int_equal(bed_count(b, ""), 6);
	delivery_free(old);
	delivery_free(young);
	delivery_free(used);
	delivery_free(tried);
}

static int
sum_uses(void *arg, const struct link *l)
{
	*(unsigned *)arg += l->uses;
	return 0;
}

static void
links_round_trip_and_are_refused_with_a_reason(void **state)
{
	struct bed *b = *state;
	struct link *l = link_new(), *got = NULL;
	struct buf all = BUF_INIT;
	unsigned uses = 0;

	link_hash("the token", l->hash);
	assert_int_equal(link_load(b->store, l->hash, &got), -ENOENT);
	l->created = 10;
	l->expires = 20;
	l->uses_max = 2;
	l->uses = 1;
	l->serial = xstrdup("S1");
	l->device = xstrdup("D1");
	l->actor = xstrdup("root");
	l->note = xstrdup("for Ann");
	assert_int_equal(link_save(b->store, l), 0);
	assert_int_equal(link_load(b->store, l->hash, &got), 0);
	assert_string_equal(got->hash, l->hash);
	assert_int_equal(got->created, 10);
	assert_int_equal(got->expires, 20);
	assert_int_equal(got->uses_max, 2);
	assert_int_equal(got->uses, 1);
	assert_string_equal(got->serial, "S1");
	assert_string_equal(got->device, "D1");
	assert_string_equal(got->actor, "root");
	assert_string_equal(got->note, "for Ann");
	assert_false(got->revoked);
	link_free(got);
	/* the token itself is not kept */
	assert_int_equal(store_get(b->store, bytes_str("l"), &all), -ENOENT);
	assert_null(link_refusal(l, 19));
	assert_non_null(strstr(link_refusal(l, 20), "expired"));
	l->uses = 2;
	assert_non_null(strstr(link_refusal(l, 19), "used"));
	l->uses_max = LINK_ANY;
	assert_null(link_refusal(l, 19));
	l->revoked = true;
	assert_non_null(strstr(link_refusal(l, 19), "revoked"));
	assert_int_equal(link_save(b->store, l), 0);
	assert_int_equal(link_load(b->store, l->hash, &got), 0);
	assert_true(got->revoked);
	assert_int_equal(got->uses_max, LINK_ANY);
	link_free(got);
	link_hash("another", l->hash);
	l->uses = 5;
	assert_int_equal(link_save(b->store, l), 0);
	bed_put(b, "ldamaged", "\1\377");
	assert_int_equal(link_each(b->store, sum_uses, &uses), 0);
	assert_int_equal(uses, 7);
	assert_int_equal(link_delete(b->store, l->hash), 0);
	assert_int_equal(link_load(b->store, l->hash, &got), -ENOENT);
	link_free(l);
}

static void
meta_keeps_words_and_numbers(void **state)
{
	struct bed *b = *state;
	char *s = NULL;
	int64_t n = 7;

	assert_int_equal(meta_get_str(b->store, "server-name", &s), -ENOENT);
	assert_int_equal(meta_put_str(b->store, "server-name", "mdm.example.com"), 0);
	assert_int_equal(meta_get_str(b->store, "server-name", &s), 0);
	assert_string_equal(s, "mdm.example.com");
	free(s);
	assert_int_equal(meta_put_str(b->store, "server-name", NULL), 0);
	assert_int_equal(meta_get_str(b->store, "server-name", &s), -ENOENT);
	assert_int_equal(meta_get_int(b->store, "clock", &n), -ENOENT);
	assert_int_equal(meta_put_int(b->store, "clock", 0), 0);
	assert_int_equal(meta_get_int(b->store, "clock", &n), 0);
	assert_int_equal(n, 0);
	assert_int_equal(meta_put_int(b->store, "clock", -3000000000), 0);
	assert_int_equal(meta_get_int(b->store, "clock", &n), 0);
	assert_int_equal(n, -3000000000);
	assert_int_equal(meta_get_str(b->store, "clock", &s), -ENOENT);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(identities_round_trip),
		TEST(a_transaction_names_its_certificate),
		TEST(damage_is_never_more_than_an_error),
		TEST(deliveries_are_found_by_challenge),
		TEST(the_sweep_takes_old_deliveries_that_led_nowhere),
		TEST(links_round_trip_and_are_refused_with_a_reason),
		TEST(meta_keeps_words_and_numbers),
	};

	return cmocka_run_group_tests_name("issuance", tests, NULL, NULL);
}
