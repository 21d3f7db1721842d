/*
 * bench-store - writes a fleet into the store of a daemon that does not run, as enrollments leave
 * it: for measurements at a size that nobody waits for
 *
 *   bench-store --state DIR --store-key FILE --topic T --count N [--speakers K --ssc CRT --ssc-key
 *   KEY --keys KEYS --out FILE] [--answers]
 *
 * Devices are BENCH-00000000 and up.  K of them, spread evenly, have certificates that the SSC
 * really signed and can speak (bench-load reads FILE and KEYS); the others' certificates differ in
 * serial number only.  --answers adds to each the last answers of the questions that the schedule
 * asks, of real size.
 *
 * The log's syncs are left out, and made up for by one at the end (--wrap in local.mk).
 */
#include <errno.h>
#include <getopt.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "pki/ca.h"
#include "pki/cert.h"
#include "pki/key.h"
#include "store/brief.h"
#include "store/delivery.h"
#include "store/identity.h"
#include "store/meta.h"
#include "store/result.h"
#include "store/roster.h"
#include "store/sealed.h"

#define DAY INT64_C(86400)
#define BATCH 1000
#define KEYS 4 /* RSA keys that the speakers share: the daemon sees certificates, not keys */
#define TABLE_MAX ((size_t)3 << 30)
#define TOKEN_BYTES 32
#define UNLOCK_BYTES 1536

/* Bodies of real size (bytes): what a device with 40 profiles, 80 certificates, 150 apps says. */
enum { INFORMATION = 4096, SECURITY = 1024, PROFILES = 40, CERTIFICATES = 80, APPLICATIONS = 150 };

struct options {
	const char *state, *store_key, *topic, *ssc, *ssc_key, *keys, *out;
	long count, speakers;
	bool answers;
};

struct maker {
	struct options o;
	struct store *store;
	X509 *ca;
	EVP_PKEY *ca_key, *keys[KEYS];
	unsigned char ca_sha256[SHA256_LEN];
	struct buf pattern;    /* DER of a certificate like theirs */
	size_t pattern_serial; /* where its serial number's last 8 bytes are */
	FILE *out;
	int64_t now;
};

/* The real calls are made up for by one sync at the end. */
int __wrap_fdatasync(int fd);
int __wrap_fsync(int fd);

int
__wrap_fdatasync(int fd)
{
	(void)fd;
	return 0;
}

int
__wrap_fsync(int fd)
{
	(void)fd;
	return 0;
}

/* ---- certificates ---- */

static X509 *
issue(struct maker *m, EVP_PKEY *key, const char *id, const char *number)
{
	const struct ca_identity ci = { .subject_key = key,
		.common_name = id,
		.organization = "Example",
		.number = number,
		.now = m->now,
		.lifetime = 365 * DAY };

	return ca_issue_identity(m->ca, m->ca_key, &ci);
}

/* One real certificate, in which the others change eight bytes of the serial number. */
static bool
make_pattern(struct maker *m)
{
	char number[UUID_LEN + 1];
	const ASN1_INTEGER *serial;
	X509 *c;
	size_t i;

	uuid_new(number);
	c = issue(m, m->keys[0], "BENCH-00000000", number);
	if (!c || cert_to_der(c, &m->pattern) < 0)
		return false;
	serial = X509_get0_serialNumber(c);
	for (i = 0; i + 16 < m->pattern.len; i++)
		if (memcmp(m->pattern.data + i, ASN1_STRING_get0_data(serial),
			    (size_t)ASN1_STRING_length(serial)) == 0)
			break;
	m->pattern_serial = i + (size_t)ASN1_STRING_length(serial) - 8;
	X509_free(c);
	return i + 16 < m->pattern.len;
}

static void
borrow_certificate(struct maker *m, long i, struct identity *id)
{
	uint64_t n = (uint64_t)i + 1;
	size_t k;

	buf_add_bytes(&id->der, buf_bytes(&m->pattern));
	for (k = 0; k < 8; k++)
		id->der.data[m->pattern_serial + k] = (unsigned char)(n >> (8 * (7 - k)));
	buf_add(&id->serial, id->der.data + m->pattern_serial - 8, 16);
	digest_sha256(buf_bytes(&id->der), id->cert);
	memcpy(id->spki, id->cert, SHA256_LEN);
}

static bool
own_certificate(struct maker *m, long i, const char *name, struct identity *id)
{
	EVP_PKEY *key = m->keys[i % KEYS];
	X509 *c = issue(m, key, name, id->number);
	const ASN1_INTEGER *serial;
	bool ok = c && cert_to_der(c, &id->der) == 0 && cert_sha256(c, id->cert) == 0 &&
		  cert_spki_sha256(c, id->spki) == 0;

	if (ok) {
		serial = X509_get0_serialNumber(c);
		buf_add(&id->serial, ASN1_STRING_get0_data(serial),
			(size_t)ASN1_STRING_length(serial));
	}
	X509_free(c);
	return ok;
}

/* ---- one device ---- */

static bool
is_speaker(const struct maker *m, long i)
{
	long step = m->o.speakers > 0 ? m->o.count / m->o.speakers : 0;

	return step > 0 && i % step == 0 && i / step < m->o.speakers;
}

static int
add_identity(struct maker *m, long i, const char *name, struct identity *id)
{
	int rc;

	memcpy(id->ca, m->ca_sha256, SHA256_LEN);
	id->enrollment = xstrdup(name);
	id->issued_at = m->now - DAY;
	id->not_after = m->now + 364 * DAY;
	id->status = IDENTITY_ACTIVE;
	if (!is_speaker(m, i))
		borrow_certificate(m, i, id);
	else if (!own_certificate(m, i, name, id))
		return -EIO;
	rc = identity_save(m->store, id);
	return rc == 0 ? identity_note_transaction(m->store, name, id->spki, id->cert) : rc;
}

static int
add_delivery(struct maker *m, const char *name, const struct identity *id)
{
	struct delivery *d = delivery_new();
	int rc;

	memcpy(d->number, id->number, sizeof(d->number));
	d->facts.identifier = xstrdup("com.example.mdm.cordon.enroll");
	d->facts.server_url = xstrdup("https://mdm.example.com/mdm");
	d->facts.checkin_url = xstrdup("https://mdm.example.com/checkin");
	d->facts.topic = xstrdup(m->o.topic);
	d->facts.access_rights = 8191;
	d->facts.per_user = true;
	d->facts.server_name = xstrdup("localhost");
	memcpy(d->facts.signer, m->ca_sha256, SHA256_LEN);
	memcpy(d->challenge, id->cert, SHA256_LEN);
	memcpy(d->last_cert, id->cert, SHA256_LEN);
	d->created = m->now - DAY;
	d->uses = 1;
	d->closed = true;
	d->enrollment = xstrdup(name);
	rc = delivery_save(m->store, d);
	delivery_free(d);
	return rc;
}

static void
fill_facts(struct device_facts *f, long i)
{
	f->serial = xasprintf("C39BENCH%07ld", i);
	f->model = xstrdup("MQ0G3ZD/A");
	f->model_name = xstrdup("iPhone");
	f->product = xstrdup("iPhone15,2");
	f->os_version = xstrdup("18.2");
	f->build = xstrdup("22C152");
	f->device_name = xasprintf("iPhone of person %ld", i);
	f->imei = xasprintf("35 %012ld 1", i);
	f->eas_id = xasprintf("EAS%029ld", i);
}

static void
fill_token(struct enrollment *e, long i)
{
	unsigned char token[TOKEN_BYTES] = { 0xbe, 0x9c };

	for (size_t k = 0; k < 8; k++)
		token[TOKEN_BYTES - 1 - k] = (unsigned char)((uint64_t)i >> (8 * k));
	buf_add(&e->token, token, sizeof(token));
	e->has_token = true;
	e->magic = xasprintf("BEACBE9C-0000-4000-8000-%012ld", i);
}

static int
add_enrollment(struct maker *m, long i, const char *name, const struct identity *id)
{
	struct enrollment *e = enrollment_new(name, CHANNEL_DEVICE);
	unsigned char unlock[UNLOCK_BYTES];
	int rc;

	e->state = STATE_ENROLLED;
	e->state_since = e->enrolled_at = e->first_enrolled_at = e->token_time = m->now - DAY;
	e->generation = 1;
	e->topic = xstrdup(m->o.topic);
	fill_facts(&e->facts, i);
	fill_token(e, i);
	memcpy(e->number, id->number, sizeof(e->number));
	e->current = (struct identity_ref){
		.set = true, .not_after = id->not_after, .since = m->now - DAY
	};
	memcpy(e->current.cert, id->cert, SHA256_LEN);
	e->last_seen = e->last_push = m->now;
	for (size_t k = 0; k < ENROLLMENT_REFRESH; k++)
		e->refreshed[k] = m->now;
	rc = enrollment_save(m->store, e);
	memset(unlock, (int)(i & 0xff), sizeof(unlock));
	if (rc == 0)
		rc = secret_put(
			m->store, name, 1, SECRET_UNLOCK_TOKEN, bytes_of(unlock, sizeof(unlock)));
	enrollment_free(e);
	return rc;
}

/* ---- answers ---- */

/* Bytes that do not compress, as base64: what certificates and icons are. */
static void
add_noise(struct buf *b, uint64_t *seed, size_t length)
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < length; i++) {
		*seed = *seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		buf_add_char(b, alphabet[*seed >> 58]);
	}
}

static void
add_list(struct buf *b, uint64_t *seed, int count, size_t text, size_t noise)
{
	for (int k = 0; k < count; k++) {
		buf_printf(b,
			"<dict><key>Identifier</key><string>com.example.item%d</string>"
			"<key>Version</key><string>1.%d.%d</string>",
			k, k, k % 7);
		for (size_t n = 0; n < text; n += 64)
			buf_printf(b,
				"<key>Attribute%zu</key><string>a value that compresses %d"
				"</string>",
				n, k);
		buf_add_str(b, "<key>Data</key><data>");
		add_noise(b, seed, noise);
		buf_add_str(b, "</data></dict>\n");
	}
}

static int
add_answer(struct maker *m, const char *name, const char *kind, struct buf *body)
{
	int rc = result_latest_put(m->store, name, kind, m->now, buf_bytes(body));

	buf_reset(body);
	return rc;
}

static int
add_answers(struct maker *m, long i, const char *name)
{
	uint64_t seed = (uint64_t)i * 2 + 1;
	struct buf b = BUF_INIT;
	int rc;

	add_noise(&b, &seed, INFORMATION);
	rc = add_answer(m, name, "DeviceInformation", &b);
	add_noise(&b, &seed, SECURITY);
	if (rc == 0)
		rc = add_answer(m, name, "SecurityInfo", &b);
	add_list(&b, &seed, PROFILES, 1024, 128);
	if (rc == 0)
		rc = add_answer(m, name, "ProfileList", &b);
	add_list(&b, &seed, CERTIFICATES, 64, 1200);
	if (rc == 0)
		rc = add_answer(m, name, "CertificateList", &b);
	add_list(&b, &seed, APPLICATIONS, 384, 24);
	if (rc == 0)
		rc = add_answer(m, name, "InstalledApplicationList", &b);
	buf_free(&b);
	return rc;
}

/* ---- the fleet ---- */

static void
tell(struct maker *m, long i, const char *name, const struct identity *id)
{
	struct buf der = BUF_INIT;

	encode_base64(&der, buf_bytes(&id->der), 0);
	fprintf(m->out, "%s %ld %s\n", name, i % KEYS, buf_str(&der));
	buf_free(&der);
}

static int
add_device(struct maker *m, long i)
{
	char *name = xasprintf("BENCH-%08ld", i);
	struct identity *id = identity_new();
	int rc;

	uuid_new(id->number);
	rc = add_identity(m, i, name, id);
	if (rc == 0)
		rc = add_delivery(m, name, id);
	if (rc == 0)
		rc = add_enrollment(m, i, name, id);
	if (rc == 0 && m->o.answers)
		rc = add_answers(m, i, name);
	if (rc == 0 && m->out && is_speaker(m, i))
		tell(m, i, name, id);
	identity_free(id);
	free(name);
	return rc;
}

static int
add_fleet(struct maker *m)
{
	int rc = 0;

	for (long i = 0; i < m->o.count && rc == 0; i++) {
		rc = add_device(m, i);
		if (rc == 0 && i % BATCH == BATCH - 1)
			rc = store_commit(m->store);
	}
	return rc == 0 ? store_commit(m->store) : rc;
}

/* ---- start ---- */

static bool
write_keys(const char *path, EVP_PKEY *const keys[KEYS])
{
	FILE *f = fopen(path, "w");
	bool ok = f != NULL;

	for (size_t i = 0; i < KEYS && ok; i++)
		ok = PEM_write_PKCS8PrivateKey(f, keys[i], NULL, NULL, 0, NULL, NULL) == 1;
	if (f && fclose(f) != 0)
		ok = false;
	return ok;
}

/* Keys of an earlier fleet are taken up again, so that all fleets of a run share them. */
static bool
load_keys(struct maker *m)
{
	FILE *f = m->o.keys ? fopen(m->o.keys, "r") : NULL;
	bool have = f != NULL;

	for (size_t i = 0; i < KEYS; i++) {
		m->keys[i] = f ? PEM_read_PrivateKey(f, NULL, NULL, NULL) : key_new_rsa(2048);
		if (!m->keys[i])
			return false;
	}
	if (f)
		fclose(f);
	return have || !m->o.keys || write_keys(m->o.keys, m->keys);
}

static bool
load_ca(struct maker *m)
{
	struct buf crt = BUF_INIT, key = BUF_INIT;
	STACK_OF(X509) *chain = NULL;
	const char *why = NULL;

	if (file_read(m->o.ssc, 1 << 20, &crt, NULL) == 0 &&
		file_read(m->o.ssc_key, 1 << 20, &key, NULL) == 0) {
		chain = cert_parse(buf_bytes(&crt), &why);
		m->ca_key = key_parse(buf_bytes(&key), &why);
	}
	if (chain)
		m->ca = sk_X509_shift(chain);
	sk_X509_pop_free(chain, X509_free);
	buf_wipe(&key);
	buf_free(&crt);
	return m->ca && m->ca_key && cert_sha256(m->ca, m->ca_sha256) == 0;
}

static struct seal *
read_store_key(const char *path)
{
	unsigned char key[SEAL_KEY_LEN];
	struct buf text = BUF_INIT;
	struct seal *seal = NULL;

	if (file_read(path, 4096, &text, NULL) == 0 && seal_key_parse(buf_bytes(&text), key) == 0)
		seal = seal_new(key);
	buf_wipe(&text);
	return seal;
}

static int
parse(int argc, char **argv, struct options *o)
{
	static const struct option names[] = { { "state", 1, NULL, 's' },
		{ "store-key", 1, NULL, 'k' }, { "topic", 1, NULL, 't' }, { "count", 1, NULL, 'n' },
		{ "speakers", 1, NULL, 'S' }, { "ssc", 1, NULL, 'c' }, { "ssc-key", 1, NULL, 'C' },
		{ "keys", 1, NULL, 'K' }, { "out", 1, NULL, 'o' }, { "answers", 0, NULL, 'a' },
		{ 0 } };
	int c;

	while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
		switch (c) {
		case 's':
			o->state = optarg;
			break;
		case 'k':
			o->store_key = optarg;
			break;
		case 't':
			o->topic = optarg;
			break;
		case 'n':
			o->count = strtol(optarg, NULL, 10);
			break;
		case 'S':
			o->speakers = strtol(optarg, NULL, 10);
			break;
		case 'c':
			o->ssc = optarg;
			break;
		case 'C':
			o->ssc_key = optarg;
			break;
		case 'K':
			o->keys = optarg;
			break;
		case 'o':
			o->out = optarg;
			break;
		case 'a':
			o->answers = true;
			break;
		default:
			return -1;
		}
	}
	return o->state && o->store_key && o->topic && o->count > 0 && o->ssc && o->ssc_key &&
			       optind == argc
		       ? 0
		       : -1;
}

static int
fail(const char *what, const char *why)
{
	fprintf(stderr, "bench-store: %s%s%s\n", what, why ? ": " : "", why ? why : "");
	return EX_NOINPUT;
}

int
main(int argc, char **argv)
{
	struct maker m = { .now = clock_wall(), .pattern = BUF_INIT };
	struct store_options so = { .table_max = TABLE_MAX, .walks = brief_walks() };
	struct sealed_counts counts;
	char *why = NULL;
	int rc;

	if (parse(argc, argv, &m.o) < 0) {
		fputs("bench-store: see the head of tests/bench/store.c for its options\n", stderr);
		return EX_USAGE;
	}
	if (!load_keys(&m) || !load_ca(&m) || !make_pattern(&m))
		return fail("keys or SSC cannot be had", NULL);
	if (m.o.out && !(m.out = fopen(m.o.out, "w")))
		return fail(m.o.out, strerror(errno));
	so.directory = m.o.state;
	so.seal = read_store_key(m.o.store_key);
	if (!so.seal || store_open(&so, &m.store, &why) < 0)
		return fail("the store cannot be opened", why ? why : "no key");
	rc = sealed_judge(m.store, &counts); /* an empty store: notes which key seals */
	if (rc == 0)
		rc = add_fleet(&m);
	store_close(m.store);
	if (m.out && fclose(m.out) != 0)
		rc = -EIO;
	sync();
	if (rc < 0)
		fprintf(stderr, "bench-store: %s\n", strerror(-rc));
	for (size_t i = 0; i < KEYS; i++)
		EVP_PKEY_free(m.keys[i]);
	EVP_PKEY_free(m.ca_key);
	X509_free(m.ca);
	buf_free(&m.pattern);
	seal_free((struct seal *)(uintptr_t)so.seal);
	return rc < 0 ? EX_IOERR : 0;
}
