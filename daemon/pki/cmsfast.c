/* cmsfast.c - the Mdm-Signature of a device that we know, checked without OpenSSL's CMS */
#include "pki/cmsfast.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "pki/key.h"

#define SLOTS 512u /* keys at hand: about 2.5 KB each */

enum { /* ASN.1 tags, one byte each */
	TAG_INTEGER = 0x02,
	TAG_BITS = 0x03,
	TAG_OCTETS = 0x04,
	TAG_NULL = 0x05,
	TAG_OID = 0x06,
	TAG_UTC_TIME = 0x17,
	TAG_TIME = 0x18,
	TAG_SEQUENCE = 0x30,
	TAG_SET = 0x31,
	TAG_0 = 0xa0
};

#define BYTES_OF(text)                                          \
	{                                                       \
		(const unsigned char *)(text), sizeof(text) - 1 \
	}

static const struct bytes oid_signed_data = BYTES_OF("\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02");
static const struct bytes oid_data = BYTES_OF("\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01");
static const struct bytes oid_rsa = BYTES_OF("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x01");

static const struct {
	struct bytes oid, rsa_oid; /* the digest; the same with RSA */
	enum cms_digest digest;
	size_t len;
} digests[] = {
	{ BYTES_OF("\x60\x86\x48\x01\x65\x03\x04\x02\x01"),
		BYTES_OF("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0b"), CMS_DIGEST_SHA256, 32 },
	{ BYTES_OF("\x2b\x0e\x03\x02\x1a"), BYTES_OF("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05"),
		CMS_DIGEST_SHA1, 20 },
	{ BYTES_OF("\x60\x86\x48\x01\x65\x03\x04\x02\x02"),
		BYTES_OF("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0c"), CMS_DIGEST_SHA384, 48 },
	{ BYTES_OF("\x60\x86\x48\x01\x65\x03\x04\x02\x03"),
		BYTES_OF("\x2a\x86\x48\x86\xf7\x0d\x01\x01\x0d"), CMS_DIGEST_SHA512, 64 },
};

#define DIGESTS (sizeof(digests) / sizeof(digests[0]))

static const EVP_MD *
md_of(enum cms_digest d)
{
	switch (d) {
	case CMS_DIGEST_SHA1:
		return EVP_sha1();
	case CMS_DIGEST_SHA256:
		return EVP_sha256();
	case CMS_DIGEST_SHA384:
		return EVP_sha384();
	case CMS_DIGEST_SHA512:
		return EVP_sha512();
	}
	return NULL;
}

/* ---- reading ---- */

/* Length octets at `at`, minimal ones only, as DER wants them.  Bytes used, 0: not so. */
static size_t
read_length(struct bytes at, size_t *ret)
{
	const unsigned char *p = at.data;

	if (at.len >= 1 && p[0] < 0x80) {
		*ret = p[0];
		return 1;
	}
	if (at.len >= 2 && p[0] == 0x81 && p[1] >= 0x80) {
		*ret = p[1];
		return 2;
	}
	if (at.len >= 3 && p[0] == 0x82 && p[1] != 0) {
		*ret = bytes_u16(p + 1);
		return 3;
	}
	return 0;
}

/* Takes the element at the front, which must have this tag; *whole (may be NULL) with its head. */
static bool
take(struct bytes *at, unsigned char tag, struct bytes *content, struct bytes *whole)
{
	size_t len = 0, head;

	if (at->len < 2 || at->data[0] != tag)
		return false;
	head = read_length(bytes_of(at->data + 1, at->len - 1), &len);
	if (head == 0 || len > at->len - 1 - head)
		return false;
	head++;
	*content = bytes_of(at->data + head, len);
	if (whole)
		*whole = bytes_of(at->data, head + len);
	*at = bytes_of(at->data + head + len, at->len - head - len);
	return true;
}

static bool
skip(struct bytes *at, unsigned char tag)
{
	struct bytes ignored;

	return take(at, tag, &ignored, NULL);
}

/* An element that is the only one in what is left. */
static bool
only(struct bytes at, unsigned char tag, struct bytes *content)
{
	return take(&at, tag, content, NULL) && at.len == 0;
}

/* A constructed element that is read from inside: its length may be indefinite. */
struct level {
	bool indefinite;
	size_t behind; /* bytes of the level above that follow a definite one */
};

static bool
enter(struct bytes *at, unsigned char tag, struct level *l)
{
	struct bytes inside, from = *at;

	l->behind = 0;
	l->indefinite = at->len >= 2 && at->data[0] == tag && at->data[1] == 0x80;
	if (l->indefinite) {
		*at = bytes_of(at->data + 2, at->len - 2);
		return true;
	}
	if (!take(&from, tag, &inside, NULL))
		return false;
	l->behind = from.len;
	*at = inside;
	return true;
}

static bool
leave(struct bytes *at, const struct level *l)
{
	if (!l->indefinite) {
		if (at->len != 0)
			return false;
		at->len = l->behind;
		return true;
	}
	if (at->len < 2 || at->data[0] != 0 || at->data[1] != 0)
		return false;
	*at = bytes_of(at->data + 2, at->len - 2);
	return true;
}

/* AlgorithmIdentifier with no parameters or NULL; its OID. */
static bool
algorithm(struct bytes in, struct bytes *oid)
{
	struct bytes none;

	return take(&in, TAG_OID, oid, NULL) &&
	       (in.len == 0 || (only(in, TAG_NULL, &none) && none.len == 0));
}

/* The RSAPublicKey in a certificate. */
static bool
find_key(struct bytes certificate, struct bytes *rsa)
{
	struct bytes tbs, spki, oid, alg, bits;

	if (!only(certificate, TAG_SEQUENCE, &certificate) ||
		!take(&certificate, TAG_SEQUENCE, &tbs, NULL))
		return false;
	if (tbs.len > 0 && tbs.data[0] == TAG_0 && !skip(&tbs, TAG_0))
		return false;
	/* serial number, algorithm, issuer, validity, subject */
	if (!skip(&tbs, TAG_INTEGER) || !skip(&tbs, TAG_SEQUENCE) || !skip(&tbs, TAG_SEQUENCE) ||
		!skip(&tbs, TAG_SEQUENCE) || !skip(&tbs, TAG_SEQUENCE) ||
		!take(&tbs, TAG_SEQUENCE, &spki, NULL))
		return false;
	if (!take(&spki, TAG_SEQUENCE, &alg, NULL) || !algorithm(alg, &oid) ||
		!bytes_eq(oid, oid_rsa) || !only(spki, TAG_BITS, &bits))
		return false;
	if (bits.len < 2 || bits.data[0] != 0)
		return false;
	*rsa = bytes_of(bits.data + 1, bits.len - 1);
	return true;
}

/* ---- signed attributes ---- */

enum attribute { CONTENT_TYPE, MESSAGE_DIGEST, SIGNING_TIME, CAPABILITIES, ATTRIBUTES };

static const struct bytes attribute_oids[ATTRIBUTES] = {
	[CONTENT_TYPE] = BYTES_OF("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x03"),
	[MESSAGE_DIGEST] = BYTES_OF("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x04"),
	[SIGNING_TIME] = BYTES_OF("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x05"),
	[CAPABILITIES] = BYTES_OF("\x2a\x86\x48\x86\xf7\x0d\x01\x09\x0f"),
};

/* Nobody relies on the time; it must only be one, that OpenSSL writes as it was read. */
static bool
is_time(struct bytes in)
{
	struct bytes text;
	size_t i;

	if (!only(in, TAG_UTC_TIME, &text) && !only(in, TAG_TIME, &text))
		return false;
	if (text.len < 13 || text.len > 15 || text.data[text.len - 1] != 'Z')
		return false;
	for (i = 0; i + 1 < text.len; i++)
		if (text.data[i] < '0' || text.data[i] > '9')
			return false;
	return true;
}

static bool
judge_attribute(enum attribute kind, struct bytes value, struct cmsfast *f)
{
	struct bytes content;

	switch (kind) {
	case CONTENT_TYPE:
		return only(value, TAG_OID, &content) && bytes_eq(content, oid_data);
	case MESSAGE_DIGEST:
		return only(value, TAG_OCTETS, &f->message_digest);
	case SIGNING_TIME:
		return is_time(value);
	case CAPABILITIES:
		return only(value, TAG_SEQUENCE, &content);
	case ATTRIBUTES:
		break;
	}
	return false;
}

/* Each at most once, with one value; the first two must be there. */
static bool
read_attributes(struct bytes in, struct cmsfast *f)
{
	bool seen[ATTRIBUTES] = { false };
	struct bytes one, oid, value;
	unsigned k;

	while (in.len > 0) {
		if (!take(&in, TAG_SEQUENCE, &one, NULL) || !take(&one, TAG_OID, &oid, NULL) ||
			!only(one, TAG_SET, &value))
			return false;
		for (k = 0; k < ATTRIBUTES && !bytes_eq(oid, attribute_oids[k]); k++)
			;
		if (k == ATTRIBUTES || seen[k] || !judge_attribute((enum attribute)k, value, f))
			return false;
		seen[k] = true;
	}
	return seen[CONTENT_TYPE] && seen[MESSAGE_DIGEST];
}

/* ---- the whole ---- */

enum part {
	VERSION,
	DIGEST_SET,
	CONTENT,
	CERTIFICATES,
	SID,
	DIGEST_ALGORITHM,
	SIGNATURE_ALGORITHM,
	PARTS
};

/* SignerInfo version 1 names its signer by issuer and serial number, version 3 by key id. */
static bool
read_sid(struct bytes *at, struct bytes *whole)
{
	struct bytes version, ignored;

	if (!take(at, TAG_INTEGER, &version, NULL) || version.len != 1)
		return false;
	if (version.data[0] == 1)
		return take(at, TAG_SEQUENCE, &ignored, whole);
	return version.data[0] == 3 && take(at, 0x80, &ignored, whole);
}

static bool
read_algorithms(struct bytes digest, struct bytes signature, struct bytes message_digest,
	enum cms_digest *ret)
{
	struct bytes oid, rsa;
	size_t i;

	if (!algorithm(digest, &oid) || !algorithm(signature, &rsa))
		return false;
	for (i = 0; i < DIGESTS && !bytes_eq(oid, digests[i].oid); i++)
		;
	if (i == DIGESTS || message_digest.len != digests[i].len)
		return false;
	*ret = digests[i].digest;
	return bytes_eq(rsa, oid_rsa) || bytes_eq(rsa, digests[i].rsa_oid);
}

static bool
read_signer(struct bytes at, struct cmsfast *f, struct bytes parts[PARTS])
{
	struct bytes digest, attributes, algo;

	if (!read_sid(&at, &parts[SID]) ||
		!take(&at, TAG_SEQUENCE, &digest, &parts[DIGEST_ALGORITHM]) ||
		!take(&at, TAG_0, &attributes, &f->attributes) || !read_attributes(attributes, f) ||
		!take(&at, TAG_SEQUENCE, &algo, &parts[SIGNATURE_ALGORITHM]))
		return false;
	return only(at, TAG_OCTETS, &f->signature) &&
	       read_algorithms(digest, algo, f->message_digest, &f->digest);
}

/* encapContentInfo without content: detached. */
static bool
read_content(struct bytes *at, struct bytes *whole)
{
	const unsigned char *from = at->data;
	struct bytes oid;
	struct level l;

	if (!enter(at, TAG_SEQUENCE, &l) || !take(at, TAG_OID, &oid, NULL) ||
		!bytes_eq(oid, oid_data) || !leave(at, &l))
		return false;
	*whole = bytes_of(from, (size_t)(at->data - from));
	return true;
}

static bool
read_signed_data(struct bytes *at, struct cmsfast *f, struct bytes parts[PARTS])
{
	struct bytes version, set, inside, signer;

	if (!take(at, TAG_INTEGER, &version, &parts[VERSION]) || version.len != 1 ||
		(version.data[0] != 1 && version.data[0] != 3) ||
		!take(at, TAG_SET, &set, &parts[DIGEST_SET]) || !only(set, TAG_SEQUENCE, &inside) ||
		!read_content(at, &parts[CONTENT]) ||
		!take(at, TAG_0, &f->certificate, &parts[CERTIFICATES]))
		return false;
	/* No CRLs: [1] would stand here. */
	return find_key(f->certificate, &f->rsa) && take(at, TAG_SET, &set, NULL) &&
	       only(set, TAG_SEQUENCE, &signer) && read_signer(signer, f, parts);
}

int
cmsfast_parse(struct bytes der, struct cmsfast *ret)
{
	struct bytes parts[PARTS], oid, at = der;
	struct level info, zero, data;
	struct cmsfast f = { 0 };
	struct buf pinned = BUF_INIT;
	size_t i;

	if (!enter(&at, TAG_SEQUENCE, &info) || !take(&at, TAG_OID, &oid, NULL) ||
		!bytes_eq(oid, oid_signed_data) || !enter(&at, TAG_0, &zero) ||
		!enter(&at, TAG_SEQUENCE, &data) || !read_signed_data(&at, &f, parts) ||
		!leave(&at, &data) || !leave(&at, &zero) || !leave(&at, &info) || at.len != 0)
		return -EINVAL;
	for (i = 0; i < PARTS; i++)
		buf_add_bytes(&pinned, parts[i]);
	digest_sha256(buf_bytes(&pinned), f.pin);
	digest_sha256(f.certificate, f.certificate_sha256);
	buf_free(&pinned);
	*ret = f;
	return 0;
}

/* ---- verifying ---- */

struct slot {
	unsigned char certificate[SHA256_LEN];
	EVP_PKEY_CTX *verifier; /* NULL: empty */
};

struct cmsfast_keys {
	struct slot slots[SLOTS];
};

struct cmsfast_keys *
cmsfast_keys_new(void)
{
	return xcalloc(1, sizeof(struct cmsfast_keys));
}

void
cmsfast_keys_free(struct cmsfast_keys *k)
{
	size_t i;

	if (!k)
		return;
	for (i = 0; i < SLOTS; i++)
		EVP_PKEY_CTX_free(k->slots[i].verifier);
	free(k);
}

static EVP_PKEY_CTX *
make_verifier(struct bytes rsa)
{
	const unsigned char *p = rsa.data;
	EVP_PKEY *key = d2i_PublicKey(EVP_PKEY_RSA, NULL, &p, (long)rsa.len);
	EVP_PKEY_CTX *ctx = NULL;

	if (key && p == rsa.data + rsa.len && key_is_ordinary(key))
		ctx = EVP_PKEY_CTX_new(key, NULL);
	if (ctx && (EVP_PKEY_verify_init(ctx) != 1 ||
			   EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) != 1)) {
		EVP_PKEY_CTX_free(ctx);
		ctx = NULL;
	}
	EVP_PKEY_free(key);
	return ctx;
}

/* A certificate's slot is told by its hash; whoever came last has it. */
static EVP_PKEY_CTX *
verifier_of(const struct cmsfast *f, struct cmsfast_keys *keys)
{
	struct slot *s = &keys->slots[bytes_u16(f->certificate_sha256) % SLOTS];

	if (s->verifier && memcmp(s->certificate, f->certificate_sha256, SHA256_LEN) == 0)
		return s->verifier;
	EVP_PKEY_CTX_free(s->verifier);
	s->verifier = make_verifier(f->rsa);
	memcpy(s->certificate, f->certificate_sha256, SHA256_LEN);
	return s->verifier;
}

/* What is signed are the attributes as a SET, not with the tag that they have in the message. */
static bool
hash_attributes(const EVP_MD *md, struct bytes attributes, unsigned char *out, unsigned *len)
{
	static const unsigned char set = TAG_SET;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool done = ctx && EVP_DigestInit_ex(ctx, md, NULL) == 1 &&
		    EVP_DigestUpdate(ctx, &set, 1) == 1 &&
		    EVP_DigestUpdate(ctx, attributes.data + 1, attributes.len - 1) == 1 &&
		    EVP_DigestFinal_ex(ctx, out, len) == 1;

	EVP_MD_CTX_free(ctx);
	return done;
}

static bool
verify(const struct cmsfast *f, struct bytes body, EVP_PKEY_CTX *verifier)
{
	unsigned char hash[EVP_MAX_MD_SIZE];
	const EVP_MD *md = md_of(f->digest);
	unsigned len = 0;

	if (EVP_Digest(body.len ? (const void *)body.data : "", body.len, hash, &len, md, NULL) !=
		1)
		return false;
	if (!bytes_eq(bytes_of(hash, len), f->message_digest) ||
		!hash_attributes(md, f->attributes, hash, &len))
		return false;
	return EVP_PKEY_CTX_set_signature_md(verifier, md) == 1 &&
	       EVP_PKEY_verify(verifier, f->signature.data, f->signature.len, hash, len) == 1;
}

bool
cmsfast_verify(const struct cmsfast *f, struct bytes body, struct cmsfast_keys *keys)
{
	EVP_PKEY_CTX *verifier;
	bool right;

	ERR_clear_error();
	verifier = verifier_of(f, keys);
	right = verifier && verify(f, body, verifier);
	ERR_clear_error();
	return right;
}
