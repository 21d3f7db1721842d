/* What the certificate directory makes of the files that people drop into it */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "pki/ca.h"
#include "pki/cert.h"
#include "pki/certdir.h"
#include "pki/csr.h"
#include "pki/key.h"

#define DAY INT64_C(86400)
#define NOW INT64_C(1800000000)
#define TOPIC "com.apple.mgmt.External.11111111-2222-3333-4444-555555555555"
#define TOPIC2 "com.apple.mgmt.External.99999999-2222-3333-4444-555555555555"

/* Contents by name, made once: key generation is what costs. */
static struct blob {
	const char *name;
	struct buf content;
} blobs[64];
static size_t blob_count;

static EVP_PKEY *push_key, *other_key, *weak_key, *apple_key, *ssc_key, *root_key, *server_key;
static X509 *apple;

static char directory[64];

static struct buf *
blob_new(const char *name)
{
	assert_true(blob_count < sizeof(blobs) / sizeof(blobs[0]));
	blobs[blob_count].name = name;
	return &blobs[blob_count++].content;
}

static struct bytes
blob(const char *name)
{
	for (size_t i = 0; i < blob_count; i++)
		if (strcmp(blobs[i].name, name) == 0)
			return buf_bytes(&blobs[i].content);
	fail_msg("no blob %s", name);
	return bytes_of(NULL, 0);
}

struct recipe {
	EVP_PKEY *key;
	const char *uid, *uid2;
	int64_t from, to;
	bool sha1;
};

static X509 *
make_cert(const struct recipe *r)
{
	X509 *c = X509_new();
	X509_NAME *n = X509_get_subject_name(c);

	X509_set_version(c, 2);
	ASN1_INTEGER_set(X509_get_serialNumber(c), (long)(r->from + r->to) % 1000003);
	X509_NAME_add_entry_by_txt(
		n, "CN", MBSTRING_UTF8, (const unsigned char *)"APSP:1", -1, -1, 0);
	if (r->uid)
		X509_NAME_add_entry_by_NID(
			n, NID_userId, MBSTRING_UTF8, (const unsigned char *)r->uid, -1, -1, 0);
	if (r->uid2)
		X509_NAME_add_entry_by_NID(
			n, NID_userId, MBSTRING_UTF8, (const unsigned char *)r->uid2, -1, -1, 0);
	X509_set_issuer_name(c, apple ? X509_get_subject_name(apple) : n);
	ASN1_TIME_set(X509_getm_notBefore(c), (time_t)(NOW + r->from * DAY));
	ASN1_TIME_set(X509_getm_notAfter(c), (time_t)(NOW + r->to * DAY));
	X509_set_pubkey(c, r->key);
	assert_true(X509_sign(c, apple_key, r->sha1 ? EVP_sha1() : EVP_sha256()) > 0);
	return c;
}

static void
cert_blob(const char *name, const struct recipe *r)
{
	X509 *c = make_cert(r);

	assert_int_equal(cert_to_pem(c, blob_new(name)), 0);
	X509_free(c);
}

static void
key_blob(const char *name, EVP_PKEY *key)
{
	assert_int_equal(key_to_pem(key, blob_new(name)), 0);
}

static void
take_bio(struct buf *out, BIO *bio)
{
	char *data;
	long n = BIO_get_mem_data(bio, &data);

	buf_add(out, data, (size_t)n);
	BIO_free(bio);
}

static void
make_encrypted_keys(void)
{
	char pass[] = "secret";
	BIO *bio = BIO_new(BIO_s_mem());

	assert_true(PEM_write_bio_PKCS8PrivateKey(
		bio, push_key, EVP_aes_256_cbc(), pass, 6, NULL, NULL));
	take_bio(blob_new("key-encrypted"), bio);
	bio = BIO_new(BIO_s_mem());
	assert_true(PEM_write_bio_PrivateKey_traditional(
		bio, push_key, EVP_aes_256_cbc(), (const unsigned char *)pass, 6, NULL, NULL));
	take_bio(blob_new("key-encrypted-old"), bio);
	bio = BIO_new(BIO_s_mem());
	assert_true(PEM_write_bio_PrivateKey_traditional(bio, push_key, NULL, NULL, 0, NULL, NULL));
	take_bio(blob_new("key-traditional"), bio);
}

static void
make_containers(X509 *push)
{
	struct buf *out;
	unsigned char *der = NULL;
	PKCS12 *p12 = PKCS12_create("x", "push", push_key, push, NULL, 0, 0, 0, 0, 0);
	PKCS7 *p7 = PKCS7_new();
	BIO *bio = BIO_new(BIO_s_mem());
	int n;

	n = i2d_PKCS12(p12, &der);
	buf_add(blob_new("p12"), der, (size_t)n);
	OPENSSL_free(der);
	PKCS12_free(p12);

	PKCS7_set_type(p7, NID_pkcs7_signed);
	PKCS7_content_new(p7, NID_pkcs7_data);
	PKCS7_add_certificate(p7, push);
	assert_true(PEM_write_bio_PKCS7(bio, p7));
	take_bio(blob_new("p7"), bio);
	PKCS7_free(p7);

	bio = BIO_new(BIO_s_mem());
	PEM_write_bio_X509_AUX(bio, push);
	out = blob_new("push-trusted");
	take_bio(out, bio);
}

/* Rewrites every line of a PEM. */
static void
lines_blob(const char *name, const char *from, const char *before, const char *end)
{
	struct buf *out = blob_new(name);
	struct bytes in = blob(from);

	buf_add_str(out, before);
	for (size_t i = 0; i < in.len; i++) {
		if (in.data[i] != '\n') {
			buf_add_char(out, (char)in.data[i]);
			continue;
		}
		buf_add_str(out, end);
		if (i + 1 < in.len && end[0] == '\n')
			buf_add_str(out, before);
	}
}

static void
joined_blob(const char *name, const char *first, const char *second)
{
	struct buf *out = blob_new(name);

	buf_add_bytes(out, blob(first));
	buf_add_bytes(out, blob(second));
}

static void
part_blob(const char *name, const char *from, size_t drop, const char *tail)
{
	struct buf *out = blob_new(name);
	struct bytes in = blob(from);

	buf_add(out, in.data, in.len - drop);
	buf_add_str(out, tail);
}

static void
make_push_blobs(void)
{
	struct recipe r = { push_key, TOPIC, NULL, -100, 265, false };
	X509 *c;

	c = make_cert(&r);
	cert_to_pem(c, blob_new("push"));
	cert_to_der(c, blob_new("push-der"));
	make_containers(c);
	X509_free(c);
	cert_blob("push-new", &(struct recipe){ other_key, TOPIC, NULL, -1, 364, false });
	cert_blob("push-topic2", &(struct recipe){ other_key, TOPIC2, NULL, -1, 364, false });
	cert_blob("push-expired", &(struct recipe){ push_key, TOPIC, NULL, -400, -35, false });
	cert_blob("push-future", &(struct recipe){ other_key, TOPIC, NULL, 10, 375, false });
	cert_blob("push-two-uids", &(struct recipe){ push_key, TOPIC, TOPIC2, -1, 364, false });
	cert_blob("no-topic", &(struct recipe){ push_key, NULL, NULL, -1, 364, false });
	cert_blob("wrong-uid", &(struct recipe){ push_key, "com.apple.ssl", NULL, -1, 364, false });
	cert_blob("push-sha1", &(struct recipe){ push_key, TOPIC, NULL, -1, 364, true });
	cert_blob("push-weak", &(struct recipe){ weak_key, TOPIC, NULL, -1, 364, false });
	lines_blob("push-crlf", "push", "", "\r\n");
	lines_blob("push-bom", "push", "", "\n");
	lines_blob("push-indented", "push", "    ", "\n");
	lines_blob("push-cr", "push", "", "\r");
	part_blob("push-cut", "push", 200, "");
	part_blob("push-der-cut", "push-der", 200, "");
	part_blob("push-der-junk", "push-der", 0, "<html>junk</html>");
	part_blob("push-der-newline", "push-der", 0, "\n");
	joined_blob("push-and-key", "push", "key");
	joined_blob("push-twice-cut", "push", "push-cut");
	joined_blob("push-and-apple", "apple", "push");
}

static void
make_named_blobs(void)
{
	struct subject s = { .common_name = (char[]){ "Fleet & Co" } };
	X509 *ssc = ca_new_ssc(ssc_key, &s, NOW - DAY, 3650 * DAY), *root, *leaf, *c;

	cert_to_pem(ssc, blob_new("ssc"));
	c = ca_new_ssc(other_key, &s, NOW - 5000 * DAY, 3650 * DAY);
	cert_to_pem(c, blob_new("ssc-expired"));
	X509_free(c);
	root = ca_new_tls_root(root_key, "mdm.example.org", NOW - DAY, 3650 * DAY);
	leaf = ca_issue_server(server_key, "mdm.example.org", root, root_key, NOW - DAY, 800 * DAY);
	cert_to_pem(root, blob_new("root"));
	cert_to_pem(leaf, blob_new("server"));
	X509_free(leaf);
	leaf = ca_issue_server(
		server_key, "mdm.example.org", root, root_key, NOW - 900 * DAY, 800 * DAY);
	cert_to_pem(leaf, blob_new("server-expired"));
	joined_blob("server-root-first", "root", "server");
	X509_free(leaf);
	X509_free(root);
	X509_free(ssc);
}

static int
make_blobs(void **state)
{
	struct subject s = { .common_name = (char[]){ "MDM Push" } };
	X509_REQ *req;

	(void)state;
	push_key = key_new_rsa(2048);
	other_key = key_new_rsa(2048);
	weak_key = EVP_RSA_gen(1024);
	apple_key = key_new_p256();
	ssc_key = key_new_rsa(2048);
	root_key = key_new_p256();
	server_key = key_new_p256();
	/* Self-signed: no issuer is set yet. */
	apple = make_cert(&(struct recipe){ apple_key, NULL, NULL, -1000, 3000, false });
	X509_EXTENSION *ca =
		X509V3_EXT_conf_nid(NULL, NULL, NID_basic_constraints, "critical,CA:TRUE");
	X509_add_ext(apple, ca, -1);
	X509_EXTENSION_free(ca);
	X509_sign(apple, apple_key, EVP_sha256());
	cert_to_pem(apple, blob_new("apple"));
	key_blob("key", push_key);
	key_blob("key-other", other_key);
	key_blob("key-weak", weak_key);
	key_blob("key-ssc", ssc_key);
	key_blob("key-server", server_key);
	key_blob("key-root", root_key);
	make_encrypted_keys();
	make_push_blobs();
	make_named_blobs();
	req = csr_new(push_key, &s);
	csr_to_pem(req, blob_new("csr"));
	X509_REQ_free(req);
	part_blob("key-cut", "key", 300, "");
	buf_add_str(blob_new("empty"), "");
	buf_add_str(blob_new("junk"), "<html><body>503 Service Unavailable</body></html>\n");
	buf_add_str(blob_new("prose"),
		"A certificate starts with -----BEGIN CERTIFICATE----- in its first line.\n");
	buf_add_str(blob_new("digits"), "0123456789 begins with a zero, as DER does\n");
	return 0;
}

static int
free_blobs(void **state)
{
	EVP_PKEY *keys[] = { push_key, other_key, weak_key, apple_key, ssc_key, root_key,
		server_key };

	(void)state;
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		EVP_PKEY_free(keys[i]);
	X509_free(apple);
	for (size_t i = 0; i < blob_count; i++)
		buf_free(&blobs[i].content);
	return 0;
}

static int
make_directory(void **state)
{
	(void)state;
	snprintf(directory, sizeof(directory), "/tmp/test_certdir.XXXXXX");
	return mkdtemp(directory) && chmod(directory, 0755) == 0 ? 0 : -1;
}

static int
remove_directory(void **state)
{
	DIR *d = opendir(directory);
	struct dirent *e;

	(void)state;
	while (d && (e = readdir(d)))
		if (unlinkat(dirfd(d), e->d_name, 0) < 0 && strcmp(e->d_name, ".") != 0)
			unlinkat(dirfd(d), e->d_name, AT_REMOVEDIR);
	closedir(d);
	return rmdir(directory);
}

static char *
path_of(const char *name)
{
	static char paths[4][160];
	static unsigned turn;

	turn = (turn + 1) % 4;
	snprintf(paths[turn], sizeof(paths[0]), "%s/%s", directory, name);
	return paths[turn];
}

static void
put(const char *name, struct bytes content, mode_t mode)
{
	int fd = open(path_of(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, content.data, content.len), (ssize_t)content.len);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static struct certdir *
scan_at(int64_t now, struct certdir_cache *cache, bool check_modes)
{
	char cert[160], key[160];
	struct certdir_options o = { directory, cert, key, NULL, now, check_modes };

	snprintf(cert, sizeof(cert), "%s", path_of("server.crt"));
	snprintf(key, sizeof(key), "%s", path_of("server.key"));
	return certdir_scan(&o, cache);
}

static struct certdir *
scan(void)
{
	return scan_at(NOW, NULL, false);
}

static const struct certdir_remark *
remark_on(const struct certdir *d, const char *file)
{
	for (size_t i = 0; i < d->remark_count; i++)
		if (strcmp(d->remarks[i].file, file) == 0)
			return &d->remarks[i];
	return NULL;
}

static void
print_remarks(const struct certdir *d)
{
	for (size_t i = 0; i < d->remark_count; i++)
		print_message("# %s %s: %s\n", d->remarks[i].weight ? "PROBLEM" : "NOTE",
			d->remarks[i].file, d->remarks[i].text);
}

static void
expect_remark(
	const struct certdir *d, const char *file, enum certdir_weight weight, const char *words)
{
	const struct certdir_remark *r = remark_on(d, file);

	if (!r || r->weight != weight || !strstr(r->text, words)) {
		print_remarks(d);
		fail_msg("no remark on %s with \"%s\"", file, words);
	}
}

/* One thing that people drop in. */
struct drop {
	const char *name;
	struct {
		const char *file, *blob;
	} files[4];
	size_t push;	  /* usable pairs */
	size_t remarks;	  /* how many files are spoken of */
	const char *file; /* and this is said of one of them */
	enum certdir_weight weight;
	const char *words;
	char uses; /* 's' SSC, 'o' earlier SSC, 't' TLS, 'r' TLS with its root, 'c' a CSR waits */
};

#define P CERTDIR_PROBLEM
#define N CERTDIR_NOTE

static const struct drop drops[] = {
	{ "pair", { { "a.pem", "push" }, { "b.key", "key" } }, 1, 0, NULL, P, NULL, 0 },
	{ "any name", { { "MDM_ Foo, Inc_Certificate", "push" }, { "b", "key" } }, 1, 0, NULL, P,
		NULL, 0 },
	{ "DER", { { "a.cer", "push-der" }, { "b.key", "key" } }, 1, 0, NULL, P, NULL, 0 },
	{ "CRLF", { { "a.pem", "push-crlf" }, { "b.key", "key" } }, 1, 0, NULL, P, NULL, 0 },
	{ "BOM", { { "a.pem", "push-bom" }, { "b.key", "key" } }, 1, 0, NULL, P, NULL, 0 },
	{ "one file", { { "a.pem", "push-and-key" } }, 1, 0, NULL, P, NULL, 0 },
	{ "traditional key", { { "a.pem", "push" }, { "b.key", "key-traditional" } }, 1, 0, NULL, P,
		NULL, 0 },
	{ "issuer first", { { "a.pem", "push-and-apple" }, { "b.key", "key" } }, 1, 0, NULL, P,
		NULL, 0 },
	{ "no key", { { "a.pem", "push" } }, 0, 1, "a.pem", P, "has no private key here", 0 },
	{ "other key", { { "a.pem", "push" }, { "a.key", "key-other" } }, 0, 2, "a.pem", P,
		"a.key does not match", 0 },
	{ "key alone", { { "a.key", "key" } }, 0, 1, "a.key", P, "no certificate here belongs", 0 },
	{ "key twice", { { "a.pem", "push" }, { "a.key", "key" }, { "b.key", "key" } }, 1, 1,
		"b.key", N, "same private key as a.key", 0 },
	{ "encrypted key", { { "a.pem", "push" }, { "a.key", "key-encrypted" } }, 0, 2, "a.key", P,
		"is encrypted", 0 },
	{ "encrypted key, certificate", { { "a.pem", "push" }, { "a.key", "key-encrypted" } }, 0, 2,
		"a.pem", P, "while its private key a.key cannot", 0 },
	{ "encrypted old key", { { "a.key", "key-encrypted-old" } }, 0, 1, "a.key", P,
		"is encrypted", 0 },
	{ "cut key", { { "a.key", "key-cut" } }, 0, 1, "a.key", P, "private key that cannot be",
		0 },
	{ "expired", { { "a.pem", "push-expired" }, { "a.key", "key" } }, 1, 1, "a.pem", P,
		"push certificate expired on 2026-12-11: renew it", 0 },
	{ "not yet valid", { { "a.pem", "push-future" }, { "a.key", "key-other" } }, 1, 1, "a.pem",
		P, "not valid before 2027-01-25", 0 },
	{ "no topic", { { "a.pem", "no-topic" }, { "a.key", "key" } }, 0, 1, "a.pem", P,
		"no UID that begins with com.apple.mgmt.", 0 },
	{ "wrong UID", { { "a.pem", "wrong-uid" } }, 0, 1, "a.pem", P,
		"no UID that begins with com.apple.mgmt.", 0 },
	{ "two UIDs", { { "a.pem", "push-two-uids" }, { "a.key", "key" } }, 0, 1, "a.pem", P,
		"two UIDs", 0 },
	{ "weak key", { { "a.pem", "push-weak" }, { "a.key", "key-weak" } }, 0, 1, "a.pem", P,
		"fewer than 2048 bits", 0 },
	{ "SHA-1", { { "a.pem", "push-sha1" }, { "a.key", "key" } }, 0, 1, "a.pem", P, "SHA-1", 0 },
	{ "cut PEM", { { "a.pem", "push-cut" } }, 0, 1, "a.pem", P, "is cut off", 0 },
	{ "cut DER", { { "a.cer", "push-der-cut" } }, 0, 1, "a.cer", P, "is cut off", 0 },
	{ "cut bundle", { { "a.pem", "push-twice-cut" } }, 0, 1, "a.pem", P, "is cut off", 0 },
	{ "junk behind DER", { { "a.cer", "push-der-junk" }, { "a.key", "key" } }, 0, 2, "a.cer", P,
		"17 bytes of something else", 0 },
	{ "newline behind DER", { { "a.cer", "push-der-newline" } }, 0, 1, "a.cer", P,
		"1 bytes of something else", 0 },
	{ "indented", { { "a.pem", "push-indented" } }, 0, 1, "a.pem", P, "indented", 0 },
	{ "CR only", { { "a.pem", "push-cr" } }, 0, 1, "a.pem", P, "CR only", 0 },
	{ "trusted form", { { "a.pem", "push-trusted" } }, 0, 1, "a.pem", P, "TRUSTED", 0 },
	{ "PKCS 7", { { "a.pem", "p7" } }, 0, 1, "a.pem", P, "PKCS#7", 0 },
	{ "PKCS 12", { { "a.p12", "p12" } }, 0, 1, "a.p12", P, "PKCS#12", 0 },
	{ "error page", { { "a.pem", "junk" } }, 0, 1, "a.pem", P, "holds no certificate", 0 },
	{ "empty", { { "a.crt", "empty" } }, 0, 1, "a.crt", P, "is empty", 0 },
	{ "junk", { { "README", "junk" }, { "notes.txt", "prose" }, { "list", "digits" } }, 0, 0,
		NULL, P, NULL, 0 },
	{ "editors",
		{ { "a.pem~", "push-cut" }, { ".a.pem.swp", "push-cut" }, { "#a.pem#", "push" },
			{ "4913", "push" } },
		0, 0, NULL, P, NULL, 0 },
	{ "packages", { { "a.pem.dpkg-new", "push-cut" }, { ".hidden", "push" } }, 0, 0, NULL, P,
		NULL, 0 },
	{ "CA alone", { { "AppleWWDR.cer", "apple" } }, 0, 1, "AppleWWDR.cer", N, "can be removed",
		0 },
	{ "superseded",
		{ { "a.pem", "push" }, { "a.key", "key" }, { "b.pem", "push-new" },
			{ "b.key", "key-other" } },
		2, 1, "a.pem", N,
		"superseded by b.pem, which is valid until 2028-01-14: it can be "
		"removed, with a.key",
		0 },
	{ "superseded, expired",
		{ { "a.pem", "push-expired" }, { "a.key", "key" }, { "b.pem", "push-new" },
			{ "b.key", "key-other" } },
		2, 1, "a.pem", N, "superseded by b.pem", 0 },
	{ "successor in waiting",
		{ { "a.pem", "push" }, { "a.key", "key" }, { "b.pem", "push-future" },
			{ "b.key", "key-other" } },
		2, 1, "b.pem", N, "a.pem is used until then", 0 },
	{ "copy", { { "a.pem", "push" }, { "b.cer", "push-der" }, { "a.key", "key" } }, 2, 1,
		"b.cer", N, "same certificate as a.pem", 0 },
	{ "two topics",
		{ { "a.pem", "push" }, { "a.key", "key" }, { "b.pem", "push-topic2" },
			{ "b.key", "key-other" } },
		2, 0, NULL, P, NULL, 0 },
	{ "bad beside good",
		{ { "a.pem", "push" }, { "a.key", "key" }, { "b.pem", "push-cut" },
			{ "b.key", "junk" } },
		1, 2, "b.pem", P, "is cut off", 0 },
	{ "CSR waits",
		{ { "push-1.csr", "csr" }, { "push-1.key", "key" }, { "signedCSR", "junk" } }, 0, 0,
		NULL, P, NULL, 'c' },
	{ "CSR answered", { { "push-1.csr", "csr" }, { "push-1.key", "key" }, { "a.pem", "push" } },
		1, 0, NULL, P, NULL, 0 },
	{ "CSR without key", { { "push-1.csr", "csr" } }, 0, 1, "push-1.csr", P, "is not here", 0 },
	{ "SSC", { { "ssc.crt", "ssc" }, { "ssc.key", "key-ssc" } }, 0, 0, NULL, P, NULL, 's' },
	{ "SSC by another name", { { "our.crt", "ssc" }, { "our.key", "key-ssc" } }, 0, 1,
		"our.crt", N, "CA certificate", 0 },
	{ "SSC without key", { { "ssc.crt", "ssc" } }, 0, 1, "ssc.crt", P, "ssc.key is missing",
		0 },
	{ "SSC key alone", { { "ssc.key", "key-ssc" } }, 0, 1, "ssc.key", P, "ssc.crt is missing",
		0 },
	{ "SSC of another key", { { "ssc.crt", "ssc" }, { "ssc.key", "key" } }, 0, 1, "ssc.crt", P,
		"does not belong", 0 },
	{ "SSC no CA", { { "ssc.crt", "no-topic" }, { "ssc.key", "key" } }, 0, 1, "ssc.crt", P,
		"no CA certificate", 0 },
	{ "SSC not RSA", { { "ssc.crt", "apple" }, { "ssc.key", "key-root" } }, 0, 1, "ssc.crt", P,
		"does not belong", 0 },
	{ "SSC expired", { { "ssc.crt", "ssc-expired" }, { "ssc.key", "key-other" } }, 0, 1,
		"ssc.crt", P, "the SSC expired on", 's' },
	{ "SSC cut", { { "ssc.crt", "push-cut" }, { "ssc.key", "key-ssc" } }, 0, 1, "ssc.crt", P,
		"is cut off", 0 },
	{ "earlier SSC", { { "ssc-old-1.crt", "ssc" }, { "ssc-old-1.key", "key-ssc" } }, 0, 0, NULL,
		P, NULL, 'o' },
	{ "TLS", { { "server.crt", "server" }, { "server.key", "key-server" } }, 0, 1, "server.crt",
		P, "comes without its chain: add the certificate of its issuer, CN=TLS root", 't' },
	{ "TLS with root",
		{ { "server.crt", "server" }, { "server.key", "key-server" },
			{ "tls-ca.crt", "root" }, { "tls-ca.key", "key-root" } },
		0, 0, NULL, P, NULL, 'r' },
	{ "TLS chain upside down",
		{ { "server.crt", "server-root-first" }, { "server.key", "key-server" },
			{ "tls-ca.crt", "root" } },
		0, 0, NULL, P, NULL, 'r' },
	{ "TLS of another root",
		{ { "server.crt", "server" }, { "server.key", "key-server" },
			{ "tls-ca.crt", "apple" } },
		0, 2, "tls-ca.crt", N, "does not come from it", 't' },
	{ "TLS expired",
		{ { "server.crt", "server-expired" }, { "server.key", "key-server" },
			{ "tls-ca.crt", "root" } },
		0, 1, "server.crt", P, "expired on", 'r' },
	{ "TLS of another key", { { "server.crt", "server" }, { "server.key", "key" } }, 0, 1,
		"server.crt", P, "server.key does not belong to the TLS certificate", 0 },
	{ "TLS half", { { "server.crt", "server" } }, 0, 1, "server.crt", P,
		"server.key is missing", 0 },
	{ "vendor", { { "vendor.crt", "no-topic" }, { "vendor.key", "key" } }, 0, 0, NULL, P, NULL,
		0 },
	{ "vendor of another key", { { "vendor.crt", "no-topic" }, { "vendor.key", "key-other" } },
		0, 1, "vendor.crt", P, "does not belong to the vendor certificate", 0 },
};

static char
what_it_uses(const struct certdir *d)
{
	if (d->ssc.chain)
		return 's';
	if (d->ssc_old_count)
		return 'o';
	if (d->tls_root)
		return d->tls.chain ? 'r' : '!';
	if (d->tls.chain)
		return 't';
	return d->has_csr ? 'c' : 0;
}

static size_t
files_spoken_of(const struct certdir *d)
{
	size_t n = 0;

	for (size_t i = 0; i < d->remark_count; i++) {
		bool again = false;

		for (size_t j = 0; j < i; j++)
			again |= strcmp(d->remarks[i].file, d->remarks[j].file) == 0;
		n += !again;
	}
	return n;
}

static void
test_drop(void **state)
{
	const struct drop *t = *state;
	struct certdir *d;

	for (size_t i = 0; i < 4 && t->files[i].file; i++)
		put(t->files[i].file, blob(t->files[i].blob), 0640);
	d = scan();
	if (d->push_count != t->push || files_spoken_of(d) != t->remarks ||
		what_it_uses(d) != t->uses) {
		print_remarks(d);
		fail_msg("%zu pairs, %zu files spoken of, uses '%c'", d->push_count,
			files_spoken_of(d), what_it_uses(d) ? what_it_uses(d) : '0');
	}
	if (t->file)
		expect_remark(d, t->file, t->weight, t->words);
	for (size_t i = 0; i < d->push_count; i++)
		assert_true(EVP_PKEY_eq(X509_get0_pubkey(certpair_leaf(&d->push[i])),
				    d->push[i].key) == 1);
	certdir_unref(d);
}

static void
test_describes_pair(void **state)
{
	struct certdir *d;

	(void)state;
	put("a.pem", blob("push-and-apple"), 0644);
	put("a.key", blob("key"), 0640);
	put("server.crt", blob("server-root-first"), 0644);
	put("server.key", blob("key-server"), 0640);
	d = scan();
	assert_int_equal(d->push_count, 1);
	assert_string_equal(d->push[0].topic, TOPIC);
	assert_string_equal(d->push[0].cert_file, "a.pem");
	assert_string_equal(d->push[0].key_file, "a.key");
	assert_string_equal(d->push[0].name, "APSP:1");
	assert_true(d->push[0].not_after == NOW + 265 * DAY);
	assert_int_equal(sk_X509_num(d->push[0].chain), 2);
	assert_int_equal(sk_X509_num(d->tls.chain), 2);
	assert_true(cert_matches_host(certpair_leaf(&d->tls), "mdm.example.org"));
	certdir_unref(d);
}

/* What lacks its key is there to be shown, and among the pairs it is not. */
static void
test_describes_lone(void **state)
{
	struct certdir *d;

	(void)state;
	put("a.pem", blob("push-expired"), 0644);
	put("b.pem", blob("push"), 0644);
	put("c.pem", blob("push-topic2"), 0644);
	put("c.key", blob("key-other"), 0640);
	put("ssc.crt", blob("ssc"), 0644);
	put("server.crt", blob("server"), 0644);
	put("server.key", blob("key-other"), 0640);
	d = scan();
	assert_null(d->ssc.chain);
	assert_null(d->tls.chain);
	assert_string_equal(d->ssc_lone.cert_file, "ssc.crt");
	assert_string_equal(d->tls_lone.cert_file, "server.crt");
	assert_null(d->ssc_lone.key);
	assert_null(d->tls_lone.key_file);
	assert_ptr_equal(certdir_push_lone(d, "com.apple.mgmt.External.none"), NULL);
	assert_int_equal(d->push_count, 1);
	assert_int_equal(d->push_lone_count, 2);
	assert_null(d->push_lone[0].key);
	assert_string_equal(certdir_push_lone(d, NULL)->cert_file, "b.pem");
	assert_string_equal(certdir_push_lone(d, TOPIC)->topic, TOPIC);
	assert_null(certdir_push_for(d, TOPIC, NOW));
	certdir_unref(d);
}

static void
test_choice_and_next_change(void **state)
{
	struct certdir *d;

	(void)state;
	put("a.pem", blob("push"), 0644);
	put("a.key", blob("key"), 0640);
	put("b.pem", blob("push-future"), 0644);
	put("b.key", blob("key-other"), 0640);
	d = scan();
	assert_string_equal(certdir_push_for(d, TOPIC, NOW)->cert_file, "a.pem");
	assert_string_equal(certdir_push_for(d, TOPIC, NOW + 20 * DAY)->cert_file, "b.pem");
	assert_string_equal(certdir_push_main(d, NOW, NULL, NULL)->cert_file, "a.pem");
	assert_null(certdir_push_for(d, TOPIC2, NOW));
	assert_null(certdir_push_for(d, TOPIC, NOW + 400 * DAY));
	assert_true(d->next_change == NOW + 10 * DAY);
	certdir_unref(d);
	d = scan_at(NOW + 20 * DAY, NULL, false);
	assert_string_equal(d->push[0].cert_file, "b.pem");
	expect_remark(d, "a.pem", CERTDIR_NOTE, "superseded by b.pem");
	assert_true(d->next_change == NOW + 265 * DAY + 1);
	certdir_unref(d);
	/* At its last second it is valid, a second later it is not. */
	unlink(path_of("b.pem"));
	unlink(path_of("b.key"));
	d = scan_at(NOW + 265 * DAY, NULL, false);
	assert_non_null(certdir_push_for(d, TOPIC, NOW + 265 * DAY));
	assert_int_equal(d->remark_count, 0);
	assert_true(d->next_change == NOW + 265 * DAY + 1);
	certdir_unref(d);
	d = scan_at(NOW + 265 * DAY + 1, NULL, false);
	assert_null(certdir_push_for(d, TOPIC, NOW + 265 * DAY + 1));
	assert_int_equal(d->remark_count, 1);
	assert_true(d->next_change == 0);
	certdir_unref(d);
}

static bool
only_second(void *arg, const char *topic)
{
	(void)arg;
	return strcmp(topic, TOPIC2) == 0;
}

static void
test_main_of_allowed_topics(void **state)
{
	struct certdir *d;

	(void)state;
	put("a.pem", blob("push"), 0644);
	put("a.key", blob("key"), 0640);
	put("b.pem", blob("push-topic2"), 0644);
	put("b.key", blob("key-other"), 0640);
	d = scan();
	assert_string_equal(certdir_push_main(d, NOW, NULL, NULL)->topic, TOPIC2);
	assert_string_equal(certdir_push_main(d, NOW, only_second, NULL)->topic, TOPIC2);
	assert_string_equal(certdir_push_for(d, TOPIC, NOW)->topic, TOPIC);
	certdir_unref(d);
	unlink(path_of("b.pem"));
	d = scan();
	assert_null(certdir_push_main(d, NOW, only_second, NULL));
	certdir_unref(d);
}

/* None of these may be opened for long, and none is worth a word but a link that leads nowhere. */
static void
test_odd_files(void **state)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct certdir *d;

	(void)state;
	put("a.pem", blob("push"), 0644);
	put("a.key", blob("key"), 0640);
	assert_int_equal(mkfifo(path_of("pipe.pem"), 0644), 0);
	snprintf(sun.sun_path, sizeof(sun.sun_path), "%s", path_of("sock.pem"));
	assert_int_equal(bind(s, (struct sockaddr *)&sun, sizeof(sun)), 0);
	close(s);
	assert_int_equal(mkdir(path_of("dir.pem"), 0755), 0);
	assert_int_equal(symlink("pipe.pem", path_of("to-pipe.pem")), 0);
	assert_int_equal(symlink("loop2.pem", path_of("loop1.pem")), 0);
	assert_int_equal(symlink("loop1.pem", path_of("loop2.pem")), 0);
	assert_int_equal(symlink("/nowhere/at/all", path_of("dangling.pem")), 0);
	assert_int_equal(symlink("/nowhere/at/all", path_of("dangling")), 0);
	assert_int_equal(symlink("/dev/zero", path_of("zero.pem")), 0);
	d = scan();
	assert_int_equal(d->push_count, 1);
	expect_remark(d, "loop1.pem", CERTDIR_PROBLEM, "circle");
	expect_remark(d, "dangling.pem", CERTDIR_PROBLEM, "/nowhere/at/all, which does not exist");
	assert_int_equal(files_spoken_of(d), 3);
	certdir_unref(d);
}

static void
test_large_file(void **state)
{
	struct buf big = BUF_INIT;
	struct certdir *d;

	(void)state;
	buf_add_bytes(&big, blob("push"));
	while (big.len < 1200000)
		buf_add_str(&big, "no certificate from here on, only text that is far too long\n");
	put("a.pem", buf_bytes(&big), 0644);
	put("a.txt", buf_bytes(&big), 0644);
	/* Text before it is well, but not more than 64 KiB of it. */
	buf_reset(&big);
	while (big.len < 60000)
		buf_add_str(&big, "Bag Attributes: friendlyName\n");
	buf_add_bytes(&big, blob("push"));
	put("b.pem", buf_bytes(&big), 0644);
	put("b.key", blob("key"), 0640);
	d = scan();
	assert_int_equal(d->push_count, 1);
	assert_string_equal(d->push[0].cert_file, "b.pem");
	expect_remark(d, "a.pem", CERTDIR_PROBLEM, "larger than 1 MiB");
	assert_int_equal(d->remark_count, 1);
	certdir_unref(d);
	buf_free(&big);
}

static void
test_modes(void **state)
{
	struct certdir *d;
	char words[200];

	(void)state;
	put("a.pem", blob("push"), 0644);
	put("a.key", blob("key"), 0644);
	put("ssc.crt", blob("ssc"), 0644);
	put("ssc.key", blob("key-ssc"), 0640);
	put("store.key", blob("junk"), 0604);
	put("tls-ca.key", blob("key-root"), 0640);
	d = scan_at(NOW, NULL, true);
	assert_int_equal(d->push_count, 0);
	assert_non_null(d->ssc.chain);
	expect_remark(d, "a.key", CERTDIR_PROBLEM, "is refused");
	snprintf(words, sizeof(words), "chmod 640 %s", path_of("a.key"));
	expect_remark(d, "a.key", CERTDIR_PROBLEM, words);
	expect_remark(d, "a.pem", CERTDIR_PROBLEM, "while its private key a.key cannot");
	expect_remark(d, "store.key", CERTDIR_PROBLEM, "is refused");
	expect_remark(d, "tls-ca.key", CERTDIR_PROBLEM, "chmod 600");
	certdir_unref(d);
	d = scan();
	assert_int_equal(d->push_count, 1);
	assert_int_equal(d->remark_count, 0);
	certdir_unref(d);
	/* Mended: nothing is left to say. */
	chmod(path_of("a.key"), 0640);
	chmod(path_of("store.key"), 0640);
	chmod(path_of("tls-ca.key"), 0600);
	d = scan_at(NOW, NULL, true);
	assert_int_equal(d->push_count, 1);
	assert_int_equal(d->remark_count, 0);
	certdir_unref(d);
	chmod(directory, 0777);
	d = scan_at(NOW, NULL, true);
	expect_remark(d, directory, CERTDIR_PROBLEM, "everybody may put files");
	certdir_unref(d);
	chmod(directory, 0755);
}

/* A link to a key outside is judged by the key. */
static void
test_link_outside(void **state)
{
	char outside[] = "/tmp/test_certdir_out.XXXXXX", key[64], words[160];
	struct certdir *d;

	(void)state;
	assert_non_null(mkdtemp(outside));
	snprintf(key, sizeof(key), "%s/privkey.pem", outside);
	put("server.crt", blob("server"), 0644);
	put("tls-ca.crt", blob("root"), 0644);
	assert_int_equal(symlink(key, path_of("server.key")), 0);
	assert_int_equal(
		file_create_new(key, blob("key-server"), 0644, FILE_KEEP_OWNER, (gid_t)-1), 0);
	d = scan_at(NOW, NULL, true);
	assert_null(d->tls.chain);
	expect_remark(d, "server.key", CERTDIR_PROBLEM, "is refused");
	certdir_unref(d);
	chmod(key, 0600);
	d = scan_at(NOW, NULL, true);
	assert_non_null(d->tls.chain);
	assert_int_equal(d->remark_count, 0);
	certdir_unref(d);
	unlink(key);
	d = scan();
	snprintf(words, sizeof(words), "%s, which does not exist", key);
	expect_remark(d, "server.key", CERTDIR_PROBLEM, words);
	certdir_unref(d);
	rmdir(outside);
}

static void
test_configured_tls_elsewhere(void **state)
{
	char outside[] = "/tmp/test_certdir_tls.XXXXXX", cert[64], key[64];
	struct certdir_options o = { directory, cert, key, NULL, NOW, false };
	struct certdir *d;

	(void)state;
	assert_non_null(mkdtemp(outside));
	snprintf(cert, sizeof(cert), "%s/fullchain.pem", outside);
	snprintf(key, sizeof(key), "%s/privkey.pem", outside);
	d = certdir_scan(&o, NULL);
	expect_remark(d, cert, CERTDIR_PROBLEM, "does not exist");
	expect_remark(d, key, CERTDIR_PROBLEM, "does not exist");
	certdir_unref(d);
	file_create_new(cert, blob("server"), 0644, FILE_KEEP_OWNER, (gid_t)-1);
	file_create_new(key, blob("key-server"), 0640, FILE_KEEP_OWNER, (gid_t)-1);
	/* A link in the directory to the same file is in use, not left over. */
	assert_int_equal(symlink(cert, path_of("web.pem")), 0);
	put("server.crt", blob("server-expired"), 0644);
	put("tls-ca.crt", blob("root"), 0644);
	d = certdir_scan(&o, NULL);
	assert_non_null(d->tls.chain);
	expect_remark(d, "server.crt", CERTDIR_NOTE, "names other files for TLS");
	assert_int_equal(d->remark_count, 1);
	certdir_unref(d);
	unlink(cert);
	unlink(key);
	rmdir(outside);
}

/* As certbot leaves its files: whoever may not enter the directory is told which one it is. */
static void
test_link_into_closed_directory(void **state)
{
	char closed[] = "/tmp/test_certdir_closed.XXXXXX", cert[64], key[64], words[96];
	struct certdir_options o = { directory, cert, key, NULL, NOW, true };
	bool root = geteuid() == 0;
	struct certdir *d;

	(void)state;
	assert_non_null(mkdtemp(closed));
	snprintf(cert, sizeof(cert), "%s/fullchain.pem", closed);
	snprintf(key, sizeof(key), "%s/privkey.pem", closed);
	file_create_new(cert, blob("server"), 0644, FILE_KEEP_OWNER, (gid_t)-1);
	file_create_new(key, blob("key-server"), 0600, FILE_KEEP_OWNER, (gid_t)-1);
	assert_int_equal(symlink(cert, path_of("web.pem")), 0);
	assert_int_equal(chmod(closed, 0), 0);
	if (root)
		assert_int_equal(seteuid(65534), 0);
	d = certdir_scan(&o, NULL);
	if (root)
		assert_int_equal(seteuid(0), 0);
	chmod(closed, 0700);
	assert_null(d->tls.chain);
	snprintf(words, sizeof(words), "may not enter the directory %s", closed);
	expect_remark(d, cert, CERTDIR_PROBLEM, words);
	expect_remark(d, key, CERTDIR_PROBLEM, words);
	expect_remark(d, "web.pem", CERTDIR_PROBLEM, words);
	expect_remark(d, "web.pem", CERTDIR_PROBLEM, "is a link to");
	certdir_unref(d);
	unlink(cert);
	unlink(key);
	rmdir(closed);
}

/* Only root can play the daemon that may not read, and own files as somebody else. */
static void
test_as_another_user(void **state)
{
	struct certdir *d;
	bool root = geteuid() == 0;

	(void)state;
	put("a.pem", blob("push"), 0600);
	put("tls-ca.key", blob("key-root"), 0600);
	put("vendor.crt", blob("no-topic"), 0644);
	put("vendor.key", blob("key"), 0600);
	put("store.key", blob("junk"), 0600);
	put("b.key", blob("key"), 0600);
	assert_int_equal(symlink(path_of("a.pem"), path_of("link.pem")), 0);
	if (root)
		assert_int_equal(chown(path_of("b.key"), 4321, 0) + seteuid(65534), 0);
	d = scan_at(NOW, NULL, true);
	if (root) {
		assert_int_equal(seteuid(0), 0);
		expect_remark(d, "a.pem", CERTDIR_PROBLEM, "the daemon may not read it: chgrp");
		expect_remark(d, "link.pem", CERTDIR_PROBLEM, path_of("a.pem"));
		expect_remark(d, "store.key", CERTDIR_PROBLEM, "may not read it");
		expect_remark(d, "b.key", CERTDIR_PROBLEM, "may not read it");
		assert_null(remark_on(d, "tls-ca.key"));
		assert_null(remark_on(d, "vendor.key"));
		assert_null(remark_on(d, "vendor.crt"));
		certdir_unref(d);
		d = scan_at(NOW, NULL, true);
		expect_remark(d, "b.key", CERTDIR_PROBLEM, "belongs to user 4321");
	}
	certdir_unref(d);
}

static void
test_closed_directory(void **state)
{
	bool root = geteuid() == 0;
	struct certdir *d;

	(void)state;
	put("a.pem", blob("push"), 0644);
	assert_int_equal(chmod(directory, 0), 0);
	if (root)
		assert_int_equal(seteuid(65534), 0);
	d = scan();
	if (root)
		assert_int_equal(seteuid(0), 0);
	chmod(directory, 0755);
	assert_int_equal(d->remark_count, 1);
	expect_remark(d, directory, CERTDIR_PROBLEM, "may not read the certificate directory");
	certdir_unref(d);
}

static void
test_no_directory(void **state)
{
	struct certdir_options o = { "/nowhere/certs", NULL, NULL, NULL, NOW, true };
	struct certdir *d = certdir_scan(&o, NULL);

	(void)state;
	assert_int_equal(d->push_count, 0);
	assert_int_equal(d->remark_count, 1);
	expect_remark(d, "/nowhere/certs", CERTDIR_PROBLEM, "does not exist: install -d");
	certdir_unref(d);
}

static void
age(const char *name)
{
	/* The change time cannot be set back: wait until it is old enough to be trusted. */
	struct stat st;

	assert_int_equal(stat(path_of(name), &st), 0);
	while (clock_wall() < st.st_ctim.tv_sec + 3)
		usleep(100000);
}

static void
test_cache(void **state)
{
	struct certdir_cache *cache = certdir_cache_new();
	struct certdir *first, *second;

	(void)state;
	put("a.pem", blob("push"), 0644);
	put("a.key", blob("key"), 0640);
	/* Just written: a further write within the same tick would not show in the times. */
	first = scan_at(NOW, cache, false);
	second = scan_at(NOW, cache, false);
	assert_ptr_not_equal(certpair_leaf(&first->push[0]), certpair_leaf(&second->push[0]));
	certdir_unref(first);
	certdir_unref(second);
	age("a.key");
	first = scan_at(NOW, cache, false);
	second = scan_at(NOW, cache, false);
	assert_ptr_equal(certpair_leaf(&first->push[0]), certpair_leaf(&second->push[0]));
	certdir_unref(first);
	/* Same name and size, renamed over: another inode. */
	put("tmp", blob("push"), 0644);
	assert_int_equal(rename(path_of("tmp"), path_of("a.pem")), 0);
	first = scan_at(NOW, cache, false);
	assert_int_equal(first->push_count, 1);
	assert_ptr_not_equal(certpair_leaf(&first->push[0]), certpair_leaf(&second->push[0]));
	certdir_unref(first);
	/* Gone and back. */
	unlink(path_of("a.key"));
	first = scan_at(NOW, cache, false);
	assert_int_equal(first->push_count, 0);
	certdir_unref(first);
	put("a.key", blob("key"), 0640);
	first = scan_at(NOW, cache, false);
	assert_int_equal(first->push_count, 1);
	/* A snapshot outlives the cache. */
	certdir_cache_free(cache);
	assert_true(EVP_PKEY_eq(first->push[0].key, push_key) == 1);
	certdir_unref(first);
	certdir_unref(second);
}

static void
test_much_junk(void **state)
{
	struct certdir_cache *cache = certdir_cache_new();
	struct certdir *d;
	int64_t t0, t1, t2;
	char name[32];

	(void)state;
	for (int i = 0; i < 10000; i++) {
		snprintf(name, sizeof(name), "junk-%d", i);
		put(name, blob(i % 2 ? "junk" : "digits"), 0644);
	}
	put("a.pem", blob("push"), 0644);
	put("a.key", blob("key"), 0640);
	age("a.key");
	t0 = clock_mono_ms();
	certdir_unref(scan_at(NOW, cache, false));
	t1 = clock_mono_ms();
	d = scan_at(NOW, cache, false);
	t2 = clock_mono_ms();
	print_message("# 10,000 junk files: %d ms, again %d ms\n", (int)(t1 - t0), (int)(t2 - t1));
	assert_int_equal(d->push_count, 1);
	assert_int_equal(d->remark_count, 0);
	assert_true(t1 - t0 < 5000);
	certdir_unref(d);
	certdir_cache_free(cache);
}

static void *
ref_much(void *arg)
{
	for (int i = 0; i < 20000; i++)
		certdir_unref(certdir_ref(arg));
	certdir_unref(arg);
	return NULL;
}

static void
test_threads(void **state)
{
	pthread_t threads[4];
	struct certdir *d;

	(void)state;
	put("a.pem", blob("push"), 0644);
	put("a.key", blob("key"), 0640);
	d = scan();
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, ref_much, certdir_ref(d)), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(d->refs, 1);
	certdir_unref(d);
}

#define IN_DIRECTORY(f) cmocka_unit_test_setup_teardown(f, make_directory, remove_directory)
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

int
main(void)
{
	static const struct CMUnitTest others[] = {
		IN_DIRECTORY(test_describes_pair),
		IN_DIRECTORY(test_describes_lone),
		IN_DIRECTORY(test_choice_and_next_change),
		IN_DIRECTORY(test_main_of_allowed_topics),
		IN_DIRECTORY(test_odd_files),
		IN_DIRECTORY(test_large_file),
		IN_DIRECTORY(test_modes),
		IN_DIRECTORY(test_link_outside),
		IN_DIRECTORY(test_configured_tls_elsewhere),
		IN_DIRECTORY(test_link_into_closed_directory),
		IN_DIRECTORY(test_as_another_user),
		IN_DIRECTORY(test_closed_directory),
		cmocka_unit_test(test_no_directory),
		IN_DIRECTORY(test_cache),
		IN_DIRECTORY(test_much_junk),
		IN_DIRECTORY(test_threads),
	};
	struct CMUnitTest tests[COUNT(drops) + COUNT(others)];

	memset(tests, 0, sizeof(tests));
	for (size_t i = 0; i < COUNT(drops); i++) {
		tests[i].name = drops[i].name;
		tests[i].test_func = test_drop;
		tests[i].setup_func = make_directory;
		tests[i].teardown_func = remove_directory;
		tests[i].initial_state = (void *)(uintptr_t)&drops[i];
	}
	memcpy(tests + COUNT(drops), others, sizeof(others));
	return cmocka_run_group_tests(tests, make_blobs, free_blobs);
}
