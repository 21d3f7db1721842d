/* Subjects and certificate signing requests */
#include "pki/csr.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "pki/cert.h"
#include "pki/coding.h"

/*
 * The fields in the order in which a name lists them, with the upper bounds of X.520 (RFC 5280
 * appendix A.1) in characters and the string type that is expected of each.
 */
static const struct field {
	size_t offset;
	size_t max;
	int nid, type;
	const char *too_long, *faulty;
} fields[] = {
	{ offsetof(struct subject, country), 2, NID_countryName, V_ASN1_PRINTABLESTRING,
		"country must be two letters, e.g. DE", "country must be two letters, e.g. DE" },
	{ offsetof(struct subject, state), 128, NID_stateOrProvinceName, V_ASN1_UTF8STRING,
		"state is longer than 128 characters",
		"state is not UTF-8 text or has control characters" },
	{ offsetof(struct subject, locality), 128, NID_localityName, V_ASN1_UTF8STRING,
		"locality is longer than 128 characters",
		"locality is not UTF-8 text or has control characters" },
	{ offsetof(struct subject, organization), 64, NID_organizationName, V_ASN1_UTF8STRING,
		"organization is longer than 64 characters",
		"organization is not UTF-8 text or has control characters" },
	{ offsetof(struct subject, unit), 64, NID_organizationalUnitName, V_ASN1_UTF8STRING,
		"unit is longer than 64 characters",
		"unit is not UTF-8 text or has control characters" },
	{ offsetof(struct subject, common_name), 64, NID_commonName, V_ASN1_UTF8STRING,
		"common-name is longer than 64 characters",
		"common-name is not UTF-8 text or has control characters" },
	{ offsetof(struct subject, email), 128, NID_pkcs9_emailAddress, V_ASN1_IA5STRING,
		"email is longer than 128 characters", "email must be an address in plain ASCII" },
};

#define FIELD_COUNT (sizeof(fields) / sizeof(fields[0]))

static char **
field_of(const struct subject *s, const struct field *f)
{
	return (char **)((char *)(uintptr_t)s + f->offset);
}

static size_t
count_characters(const char *text)
{
	size_t n = 0;

	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;

	return n;
}

static bool
has_control(const char *text)
{
	const unsigned char *p = (const unsigned char *)text;

	for (; *p; p++) {
		if (*p < 0x20 || *p == 0x7f)
			return true;
		/* U+0080 to U+009F */
		if (*p == 0xc2 && p[1] >= 0x80 && p[1] < 0xa0)
			return true;
	}

	return false;
}

/* What the type of the field asks beyond UTF-8. */
static bool
fits_type(const struct field *f, const char *text)
{
	if (f->type == V_ASN1_PRINTABLESTRING)
		return isalpha((unsigned char)text[0]) && isalpha((unsigned char)text[1]);
	if (f->type == V_ASN1_IA5STRING)
		return strlen(text) == count_characters(text) && strchr(text, '@') != NULL &&
		       strchr(text, ' ') == NULL;

	return true;
}

const char *
subject_fault(const struct subject *s)
{
	const struct field *f;
	const char *text;

	for (f = fields; f < fields + FIELD_COUNT; f++) {
		text = *field_of(s, f);
		if (!text || !*text)
			continue;
		if (!utf8_valid(bytes_str(text)) || has_control(text))
			return f->faulty;
		if (count_characters(text) > f->max)
			return f->too_long;
		if (!fits_type(f, text))
			return f->faulty;
	}

	return NULL;
}

void
subject_free(struct subject *s)
{
	const struct field *f;

	for (f = fields; f < fields + FIELD_COUNT; f++) {
		free(*field_of(s, f));
		*field_of(s, f) = NULL;
	}
}

X509_NAME *
subject_to_name(const struct subject *s)
{
	const struct field *f;
	X509_NAME *name;
	const char *text;

	if (subject_fault(s))
		return NULL;
	ERR_clear_error();
	name = X509_NAME_new();
	for (f = fields; name && f < fields + FIELD_COUNT; f++) {
		text = *field_of(s, f);
		if (!text || !*text)
			continue;
		if (X509_NAME_add_entry_by_NID(
			    name, f->nid, f->type, (const unsigned char *)text, -1, -1, 0) != 1) {
			X509_NAME_free(name);
			name = NULL;
		}
	}
	ERR_clear_error();

	return name;
}

X509_REQ *
csr_new(EVP_PKEY *key, const struct subject *s)
{
	X509_NAME *name = subject_to_name(s);
	X509_REQ *r = X509_REQ_new();

	if (!name || !r || X509_REQ_set_version(r, X509_REQ_VERSION_1) != 1 ||
		X509_REQ_set_subject_name(r, name) != 1 || X509_REQ_set_pubkey(r, key) != 1 ||
		X509_REQ_sign(r, key, EVP_sha256()) <= 0) {
		X509_REQ_free(r);
		r = NULL;
	}
	X509_NAME_free(name);
	ERR_clear_error();

	return r;
}

int
csr_to_pem(X509_REQ *r, struct buf *out)
{
	BIO *bio = BIO_new(BIO_s_mem());
	int ret = -EIO;

	if (bio && PEM_write_bio_X509_REQ(bio, r) == 1) {
		coding_take_bio(out, bio);
		ret = 0;
	}
	BIO_free(bio);
	ERR_clear_error();

	return ret;
}

int
csr_to_der(X509_REQ *r, struct buf *out)
{
	unsigned char *der = NULL;
	int len = i2d_X509_REQ(r, &der);

	return coding_take_der(out, der, len);
}

/* Exactly one, nothing behind it. */
static X509_REQ *
parse_der(struct bytes in)
{
	const unsigned char *p = in.data;
	X509_REQ *r;

	if (in.len == 0 || in.len > LONG_MAX)
		return NULL;
	ERR_clear_error();
	r = d2i_X509_REQ(NULL, &p, (long)in.len);
	ERR_clear_error();
	if (r && p != in.data + in.len) {
		X509_REQ_free(r);
		return NULL;
	}

	return r;
}

X509_REQ *
csr_parse(struct bytes in)
{
	struct coding_block b;
	X509_REQ *r = NULL;
	BIO *bio;

	in = coding_skip_bom(in);
	if (!coding_has_pem(in))
		return parse_der(in);
	bio = coding_reader(in);
	while (bio && !r && coding_next_block(bio, &b) > 0) {
		if (strcmp(b.name, "CERTIFICATE REQUEST") == 0 ||
			strcmp(b.name, "NEW CERTIFICATE REQUEST") == 0)
			r = parse_der(bytes_of(b.data, (size_t)b.len));
		coding_block_free(&b);
	}
	BIO_free(bio);

	return r;
}

void
csr_subject(X509_REQ *r, struct buf *out)
{
	cert_name(X509_REQ_get_subject_name(r), out);
}
