/* Certificates: read in any form that people drop in, and described field by field */
#include "pki/cert.h"

#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/pkcs7.h>
#include <openssl/x509v3.h>
#include <string.h>

#include "base/encode.h"
#include "pki/coding.h"
#include "pki/key.h"

static const char why_none[] = "holds no certificate";
static const char why_cut[] = "is cut off: copy the whole file again";
static const char why_damaged[] = "is damaged: the certificate in it cannot be read";
static const char why_trusted[] = "holds a TRUSTED CERTIFICATE, OpenSSL's own form: "
				  "convert it with \"openssl x509 -in OLD -out NEW\"";
static const char why_pkcs7[] = "is a PKCS#7 bundle: convert it with "
				"\"openssl pkcs7 -print_certs -in OLD -out NEW\"";
static const char why_pkcs12[] = "is a PKCS#12 file: take it in with \"cordon-csr import\"";
static const char why_request[] = "holds a certificate signing request, not a certificate";
static const char why_key[] = "holds a private key and no certificate";
static const char why_empty[] = "is empty";
static const char why_indented[] =
	"is indented or quoted: each line of the certificate must begin at the left margin";
static const char why_cr[] = "has old Macintosh line ends (CR only): save it with LF or CR LF";
static const char why_utf16[] = "is UTF-16 text: save it as plain text (ASCII or UTF-8)";
static const char why_behind[] = "has other bytes behind the certificate";

/* What a PEM block that is no certificate says about a file that holds none. */
static const struct {
	const char *name, *why;
} other_blocks[] = {
	{ "TRUSTED CERTIFICATE", why_trusted },
	{ "PKCS7", why_pkcs7 },
	{ "CMS", why_pkcs7 },
	{ "CERTIFICATE REQUEST", why_request },
	{ "NEW CERTIFICATE REQUEST", why_request },
	{ "PRIVATE KEY", why_key },
	{ "RSA PRIVATE KEY", why_key },
	{ "EC PRIVATE KEY", why_key },
	{ "ENCRYPTED PRIVATE KEY", why_key },
};

X509 *
cert_parse_der(struct bytes in)
{
	const unsigned char *p = in.data;
	X509 *c;

	if (in.len == 0 || in.len > LONG_MAX)
		return NULL;
	ERR_clear_error();
	c = d2i_X509(NULL, &p, (long)in.len);
	ERR_clear_error();
	if (c && p != in.data + in.len) {
		X509_free(c);
		return NULL;
	}

	return c;
}

static size_t
count_text(struct bytes in, const char *text)
{
	const unsigned char *p = in.data, *end = in.data + in.len;
	size_t n = 0;

	while (p && (p = memmem(p, (size_t)(end - p), text, strlen(text))) != NULL) {
		p += strlen(text);
		n++;
	}

	return n;
}

/* Why a text with "-----BEGIN " in it gave no PEM block at all. */
static const char *
why_no_block(struct bytes in)
{
	if (!memchr(in.data, '\n', in.len) && memchr(in.data, '\r', in.len))
		return why_cr;
	if (count_text(in, "-----END ") < count_text(in, "-----BEGIN "))
		return why_cut;

	return why_indented;
}

/* Adds the block's certificate, or notes what it is instead.  0, or -EINVAL with *why. */
static int
take_block(STACK_OF(X509) * list, const struct coding_block *b, const char **why)
{
	X509 *c;
	size_t i;

	for (i = 0; i < sizeof(other_blocks) / sizeof(other_blocks[0]); i++)
		if (strcmp(b->name, other_blocks[i].name) == 0)
			*why = other_blocks[i].why;
	if (strcmp(b->name, "CERTIFICATE") != 0 && strcmp(b->name, "X509 CERTIFICATE") != 0)
		return 0;
	c = cert_parse_der(bytes_of(b->data, (size_t)b->len));
	if (!c || sk_X509_push(list, c) <= 0) {
		X509_free(c);
		*why = why_damaged;
		return -EINVAL;
	}

	return 0;
}

static int
read_blocks(struct bytes in, STACK_OF(X509) * list, const char **why)
{
	BIO *bio = coding_reader(in);
	struct coding_block b;
	int r = -EINVAL, blocks = 0;

	while (bio && (r = coding_next_block(bio, &b)) > 0) {
		blocks++;
		r = take_block(list, &b, why);
		coding_block_free(&b);
		if (r < 0)
			break;
	}
	BIO_free(bio);
	if (r < 0 && *why != why_damaged)
		*why = count_text(in, "-----END ") < count_text(in, "-----BEGIN ") ? why_cut
										   : why_damaged;
	else if (r == 0 && blocks == 0)
		*why = why_no_block(in);

	return r;
}

static STACK_OF(X509) * parse_pem(struct bytes in, const char **why)
{
	STACK_OF(X509) *list = sk_X509_new_null();

	if (!list || read_blocks(in, list, why) < 0 || sk_X509_num(list) == 0) {
		sk_X509_pop_free(list, X509_free);
		return NULL;
	}

	return list;
}

/* True when d2i of another kind of object reads `in`. */
#define READS_AS(type, in)                                             \
	__extension__({                                                \
		const unsigned char *p_ = (in).data;                   \
		type *object_ = d2i_##type(NULL, &p_, (long)(in).len); \
		bool reads_ = object_ != NULL;                         \
		type##_free(object_);                                  \
		ERR_clear_error();                                     \
		reads_;                                                \
	})

static bool
is_key(struct bytes in)
{
	EVP_PKEY *key = key_parse(in, NULL);
	bool ret = key != NULL;

	EVP_PKEY_free(key);

	return ret;
}

/* Why something that begins like DER is no certificate. */
static const char *
why_not_der(struct bytes in)
{
	const unsigned char *p = in.data;
	long len = 0;
	int tag = 0, class = 0, form;

	if (READS_AS(X509, in))
		return why_behind;
	if (READS_AS(PKCS7, in))
		return why_pkcs7;
	if (READS_AS(PKCS12, in))
		return why_pkcs12;
	if (READS_AS(X509_REQ, in))
		return why_request;
	if (is_key(in))
		return why_key;
	form = ASN1_get_object(&p, &len, &tag, &class, (long)in.len);
	ERR_clear_error();
	/* With 0x80 the head was read, but what it announces is more than there is. */
	if ((form & 0x80) && tag == V_ASN1_SEQUENCE && in.len >= 4)
		return why_cut;

	return why_none;
}

static STACK_OF(X509) * parse_one_der(struct bytes in, const char **why)
{
	X509 *c = cert_parse_der(in);
	STACK_OF(X509) * list;

	if (!c) {
		*why = why_not_der(in);
		return NULL;
	}
	list = sk_X509_new_null();
	if (!list || sk_X509_push(list, c) <= 0) {
		X509_free(c);
		sk_X509_free(list);
		return NULL;
	}

	return list;
}

STACK_OF(X509) * cert_parse(struct bytes in, const char **why)
{
	const char *ignored;

	if (!why)
		why = &ignored;
	*why = in.len == 0 ? why_empty : why_none;
	in = coding_skip_bom(in);
	if (in.len == 0 || in.len > LONG_MAX)
		return NULL;
	if (coding_has_pem(in))
		return parse_pem(in, why);
	if (in.data[0] == 0x30)
		return parse_one_der(in, why);
	if (in.len >= 2 &&
		(memcmp(in.data, "\xff\xfe", 2) == 0 || memcmp(in.data, "\xfe\xff", 2) == 0))
		*why = why_utf16;

	return NULL;
}

int
cert_to_der(X509 *c, struct buf *out)
{
	unsigned char *der = NULL;
	int len = i2d_X509(c, &der);

	return coding_take_der(out, der, len);
}

int
cert_to_pem(X509 *c, struct buf *out)
{
	BIO *bio = BIO_new(BIO_s_mem());
	int ret = -EIO;

	if (bio && PEM_write_bio_X509(bio, c) == 1) {
		coding_take_bio(out, bio);
		ret = 0;
	}
	BIO_free(bio);
	ERR_clear_error();

	return ret;
}

int
cert_sha256(X509 *c, unsigned char out[SHA256_LEN])
{
	struct buf der = BUF_INIT;
	int r = cert_to_der(c, &der);

	if (r == 0)
		digest_sha256(buf_bytes(&der), out);
	buf_free(&der);

	return r;
}

int
cert_spki_sha256(X509 *c, unsigned char out[SHA256_LEN])
{
	struct buf spki = BUF_INIT;
	unsigned char *der = NULL;
	int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(c), &der);
	int r = coding_take_der(&spki, der, len);

	if (r == 0)
		digest_sha256(buf_bytes(&spki), out);
	buf_free(&spki);

	return r;
}

/* Appends a name's value as UTF-8.  -EINVAL when it is no text. */
static int
entry_text(const X509_NAME_ENTRY *e, struct buf *out)
{
	unsigned char *text = NULL;
	int len;

	ERR_clear_error();
	len = ASN1_STRING_to_UTF8(&text, X509_NAME_ENTRY_get_data(e));
	ERR_clear_error();
	if (len < 0)
		return -EINVAL;
	utf8_repair(out, bytes_of(text, (size_t)len));
	OPENSSL_free(text);

	return 0;
}

static bool
is_topic(struct bytes t)
{
	static const char prefix[] = "com.apple.mgmt.";
	size_t i;

	if (t.len <= sizeof(prefix) - 1 || memcmp(t.data, prefix, sizeof(prefix) - 1) != 0)
		return false;
	for (i = 0; i < t.len; i++)
		if (t.data[i] <= ' ' || t.data[i] >= 0x7f)
			return false;

	return true;
}

int
cert_topic(X509 *c, struct buf *out)
{
	const X509_NAME *name = X509_get_subject_name(c);
	struct buf text = BUF_INIT;
	int at = X509_NAME_get_index_by_NID(name, NID_userId, -1);
	int r = -ENOENT;

	if (at < 0)
		return -ENOENT;
	if (X509_NAME_get_index_by_NID(name, NID_userId, at) >= 0)
		return -EINVAL;
	if (entry_text(X509_NAME_get_entry(name, at), &text) == 0 && is_topic(buf_bytes(&text))) {
		buf_add_bytes(out, buf_bytes(&text));
		r = 0;
	}
	buf_free(&text);

	return r;
}

/* -EINVAL when it is no time. */
static int
read_time(const ASN1_TIME *t, int64_t *ret)
{
	struct tm tm;
	int ok;

	ERR_clear_error();
	ok = t && ASN1_TIME_to_tm(t, &tm) == 1;
	ERR_clear_error();
	if (!ok)
		return -EINVAL;
	*ret = (int64_t)timegm(&tm);

	return 0;
}

int64_t
cert_not_before(X509 *c)
{
	int64_t t = 0;

	read_time(X509_get0_notBefore(c), &t);

	return t;
}

int64_t
cert_not_after(X509 *c)
{
	int64_t t = 0;

	read_time(X509_get0_notAfter(c), &t);

	return t;
}

int
cert_validity(X509 *c, int64_t now)
{
	int64_t from, to;

	/* A time that nobody can read must not make a certificate valid. */
	if (read_time(X509_get0_notBefore(c), &from) || read_time(X509_get0_notAfter(c), &to))
		return 1;
	if (now < from)
		return -1;

	return now > to;
}

int
cert_common_name(X509 *c, struct buf *out)
{
	const X509_NAME *name = X509_get_subject_name(c);
	int at = -1, next;

	/* The last one is the most specific. */
	while ((next = X509_NAME_get_index_by_NID(name, NID_commonName, at)) >= 0)
		at = next;
	if (at < 0 || entry_text(X509_NAME_get_entry(name, at), out))
		return -ENOENT;

	return 0;
}

void
cert_name(const X509_NAME *name, struct buf *out)
{
	BIO *bio = BIO_new(BIO_s_mem());
	struct buf raw = BUF_INIT;

	if (bio && X509_NAME_print_ex(bio, name, 0,
			   XN_FLAG_SEP_CPLUS_SPC | ASN1_STRFLGS_UTF8_CONVERT |
				   ASN1_STRFLGS_ESC_CTRL) >= 0) {
		coding_take_bio(&raw, bio);
		/* What calls itself UTF8String is printed unchecked. */
		utf8_repair(out, buf_bytes(&raw));
	}
	buf_free(&raw);
	BIO_free(bio);
	ERR_clear_error();
}

void
cert_subject(X509 *c, struct buf *out)
{
	cert_name(X509_get_subject_name(c), out);
}

void
cert_issuer(X509 *c, struct buf *out)
{
	cert_name(X509_get_issuer_name(c), out);
}

void
cert_serial(X509 *c, struct buf *out)
{
	const ASN1_INTEGER *serial = X509_get0_serialNumber(c);
	const unsigned char *data = ASN1_STRING_get0_data(serial);
	int i, len = ASN1_STRING_length(serial);

	if (ASN1_STRING_type(serial) & V_ASN1_NEG)
		buf_add_char(out, '-');
	if (len == 0)
		buf_add_str(out, "00");
	for (i = 0; i < len; i++)
		buf_printf(out, "%02X", data[i]);
}

bool
cert_issued_by(X509 *c, X509 *issuer)
{
	EVP_PKEY *key = X509_get0_pubkey(issuer);
	bool ret;

	ERR_clear_error();
	ret = key && X509_NAME_cmp(X509_get_issuer_name(c), X509_get_subject_name(issuer)) == 0 &&
	      X509_verify(c, key) == 1;
	ERR_clear_error();

	return ret;
}

static bool
is_address(const char *host)
{
	unsigned char raw[16];

	return inet_pton(AF_INET, host, raw) == 1 || inet_pton(AF_INET6, host, raw) == 1;
}

bool
cert_matches_host(X509 *c, const char *host)
{
	bool ret;

	/* A leading dot would ask OpenSSL for any subdomain. */
	if (!host || !*host || *host == '.')
		return false;
	ERR_clear_error();
	if (is_address(host))
		ret = X509_check_ip_asc(c, host, 0) == 1;
	else
		ret = X509_check_host(c, host, 0, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT, NULL) == 1;
	ERR_clear_error();

	return ret;
}

/* Is it "urn:uuid:" and a UUID?  Then the UUID is in out[37]. */
static bool
read_number(const GENERAL_NAME *g, char *out)
{
	static const char prefix[] = "urn:uuid:";
	char text[UUID_LEN + 1];
	const unsigned char *uri;

	if (g->type != GEN_URI || ASN1_STRING_length(g->d.uniformResourceIdentifier) !=
					  (int)(sizeof(prefix) - 1 + UUID_LEN))
		return false;
	uri = ASN1_STRING_get0_data(g->d.uniformResourceIdentifier);
	if (memcmp(uri, prefix, sizeof(prefix) - 1) != 0)
		return false;
	memcpy(text, uri + sizeof(prefix) - 1, UUID_LEN);
	text[UUID_LEN] = '\0';
	if (!uuid_valid(text))
		return false;
	memcpy(out, text, sizeof(text));

	return true;
}

int
cert_enrollment_number(X509 *c, char *out)
{
	GENERAL_NAMES *names;
	char found[UUID_LEN + 1];
	int i, count = 0;

	ERR_clear_error();
	names = X509_get_ext_d2i(c, NID_subject_alt_name, NULL, NULL);
	ERR_clear_error();
	for (i = 0; i < sk_GENERAL_NAME_num(names); i++)
		count += read_number(sk_GENERAL_NAME_value(names, i), found);
	GENERAL_NAMES_free(names);
	if (count != 1)
		return -ENOENT;
	memcpy(out, found, sizeof(found));

	return 0;
}
