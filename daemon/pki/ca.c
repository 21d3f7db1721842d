/* Certificates that Cordon itself signs: the SSC, device identities, the separate TLS root */
#include "pki/ca.h"

#include <arpa/inet.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/mem.h"
#include "pki/cert.h"

#define SERIAL_LEN 16
#define CLOCK_SKEW 600
#define DAY INT64_C(86400)
/* Apple's limit for the certificates of servers (facts/protocol.md F.6). */
#define SERVER_DAYS_MAX 825
#define NAME_MAX_CHARACTERS 64
#define DNS_NAME_MAX 253

/* An extension in OpenSSL's text form: only for values without a word from outside. */
struct extension {
	int nid;
	const char *value;
};

static const struct extension ssc_extensions[] = {
	{ NID_basic_constraints, "critical,CA:TRUE,pathlen:0" },
	/* One certificate both signs and receives SCEP messages, hence the last two. */
	{ NID_key_usage, "critical,keyCertSign,cRLSign,digitalSignature,keyEncipherment" },
	{ NID_subject_key_identifier, "hash" },
	{ 0, NULL },
};

static const struct extension root_extensions[] = {
	{ NID_basic_constraints, "critical,CA:TRUE,pathlen:0" },
	{ NID_key_usage, "critical,keyCertSign,cRLSign" },
	{ NID_subject_key_identifier, "hash" },
	{ 0, NULL },
};

static const struct extension server_extensions[] = {
	{ NID_basic_constraints, "critical,CA:FALSE" },
	{ NID_ext_key_usage, "serverAuth" },
	{ NID_subject_key_identifier, "hash" },
	{ NID_authority_key_identifier, "keyid:always" },
	{ 0, NULL },
};

static const struct extension identity_extensions[] = {
	{ NID_basic_constraints, "critical,CA:FALSE" },
	{ NID_key_usage, "critical,digitalSignature,keyEncipherment" },
	{ NID_ext_key_usage, "clientAuth" },
	{ NID_subject_key_identifier, "hash" },
	{ NID_authority_key_identifier, "keyid:always" },
	{ 0, NULL },
};

static int
add_extension(X509 *c, X509 *issuer, int nid, const char *value)
{
	X509_EXTENSION *ext;
	X509V3_CTX ctx;
	int ok;

	X509V3_set_ctx(&ctx, issuer, c, NULL, NULL, 0);
	ext = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
	ok = ext && X509_add_ext(c, ext, -1) == 1;
	X509_EXTENSION_free(ext);

	return ok ? 0 : -1;
}

static int
add_extensions(X509 *c, X509 *issuer, const struct extension *list)
{
	for (; list->value; list++)
		if (add_extension(c, issuer, list->nid, list->value))
			return -1;

	return 0;
}

/* 127 random bits: always positive, so it never grows by a sign byte. */
static int
set_serial(X509 *c)
{
	unsigned char raw[SERIAL_LEN];
	BIGNUM *n;
	int ok;

	random_bytes(raw, sizeof(raw));
	raw[0] &= 0x7f;
	n = BN_bin2bn(raw, sizeof(raw), NULL);
	ok = n && BN_to_ASN1_INTEGER(n, X509_get_serialNumber(c)) != NULL;
	BN_free(n);

	return ok ? 0 : -1;
}

static int
set_times(X509 *c, int64_t from, int64_t to)
{
	if (to <= from)
		return -1;
	if (!ASN1_TIME_set(X509_getm_notBefore(c), (time_t)from) ||
		!ASN1_TIME_set(X509_getm_notAfter(c), (time_t)to))
		return -1;

	return 0;
}

/*
 * A certificate but for extensions and signature.  Takes `subject` (NULL: failure); issuer NULL:
 * self-signed.  It begins a little in the past, for devices whose clocks are behind.
 */
static X509 *
draft(X509_NAME *subject, EVP_PKEY *key, X509 *issuer, int64_t now, int64_t to)
{
	X509 *c = X509_new();
	const X509_NAME *by = issuer ? X509_get_subject_name(issuer) : subject;

	if (!c || !subject || X509_set_version(c, X509_VERSION_3) != 1 || set_serial(c) ||
		X509_set_subject_name(c, subject) != 1 || X509_set_issuer_name(c, by) != 1 ||
		X509_set_pubkey(c, key) != 1 || set_times(c, now - CLOCK_SKEW, to)) {
		X509_free(c);
		c = NULL;
	}
	X509_NAME_free(subject);

	return c;
}

/* Signs, or frees and returns NULL. */
static X509 *
finish(X509 *c, EVP_PKEY *key, bool good)
{
	if (!good || X509_sign(c, key, EVP_sha256()) <= 0) {
		X509_free(c);
		c = NULL;
	}
	ERR_clear_error();

	return c;
}

X509 *
ca_new_ssc(EVP_PKEY *key, const struct subject *s, int64_t now, int64_t lifetime)
{
	X509 *c;

	ERR_clear_error();
	c = draft(subject_to_name(s), key, NULL, now, now + lifetime);

	return finish(c, key, c && add_extensions(c, c, ssc_extensions) == 0);
}

/* Copy of `text` that ends before a character too many for a name field; NULL stays NULL. */
static char *
clip(const char *text)
{
	size_t i, characters = 0;

	if (!text)
		return NULL;
	for (i = 0; text[i]; i++)
		if (((unsigned char)text[i] & 0xc0) != 0x80 && ++characters > NAME_MAX_CHARACTERS)
			break;

	return xstrndup(text, i);
}

static X509_NAME *
clipped_name(const char *organization, const char *common_name)
{
	struct subject s = { .organization = clip(organization), .common_name = clip(common_name) };
	X509_NAME *name = subject_to_name(&s);

	subject_free(&s);

	return name;
}

/* Raw address in network order.  Its length, or 0 for host names. */
static size_t
parse_address(const char *name, unsigned char out[16])
{
	if (inet_pton(AF_INET, name, out) == 1)
		return 4;
	if (inet_pton(AF_INET6, name, out) == 1)
		return 16;

	return 0;
}

static bool
is_host_name(const char *name)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.";
	size_t len = strlen(name);

	return len > 0 && len <= DNS_NAME_MAX && name[0] != '.' && name[0] != '-' &&
	       strspn(name, allowed) == len && !strstr(name, "..");
}

/*
 * A DNS name or an address; with `constraint` an address has its mask of all ones behind it, as
 * RFC 5280 4.2.1.10 wants.  NULL when `name` is neither.
 */
static GENERAL_NAME *
general_name(const char *name, bool constraint)
{
	unsigned char raw[32];
	size_t len = parse_address(name, raw);
	GENERAL_NAME *g;
	ASN1_STRING *s;

	if (len == 0 && !is_host_name(name))
		return NULL;
	g = GENERAL_NAME_new();
	s = len ? ASN1_OCTET_STRING_new() : ASN1_IA5STRING_new();
	if (!g || !s)
		goto fail;
	if (len && constraint) {
		memset(raw + len, 0xff, len);
		len *= 2;
	}
	if (ASN1_STRING_set(s, len ? (const void *)raw : name, len ? (int)len : -1) != 1)
		goto fail;
	GENERAL_NAME_set0_value(g, len ? GEN_IPADD : GEN_DNS, s);

	return g;

fail:
	ASN1_STRING_free(s);
	GENERAL_NAME_free(g);
	return NULL;
}

/* Takes `g`.  An alternative name that stands for an empty subject must be critical. */
static int
add_alternative(X509 *c, GENERAL_NAME *g)
{
	GENERAL_NAMES *names = g ? GENERAL_NAMES_new() : NULL;
	bool bare = X509_NAME_entry_count(X509_get_subject_name(c)) == 0;
	int ok = 0;

	if (!names || sk_GENERAL_NAME_push(names, g) <= 0)
		GENERAL_NAME_free(g);
	else
		ok = X509_add1_ext_i2d(c, NID_subject_alt_name, names, bare, 0) == 1;
	GENERAL_NAMES_free(names);

	return ok ? 0 : -1;
}

/* So that the root can vouch for this one server and nothing else, should its key be stolen. */
static int
add_constraint(X509 *c, const char *name)
{
	NAME_CONSTRAINTS *nc = NAME_CONSTRAINTS_new();
	GENERAL_SUBTREE *tree = GENERAL_SUBTREE_new();
	int ok = 0;

	if (!nc || !tree)
		goto out;
	GENERAL_NAME_free(tree->base);
	tree->base = general_name(name, true);
	nc->permittedSubtrees = sk_GENERAL_SUBTREE_new_null();
	if (!tree->base || !nc->permittedSubtrees ||
		sk_GENERAL_SUBTREE_push(nc->permittedSubtrees, tree) <= 0)
		goto out;
	tree = NULL;
	ok = X509_add1_ext_i2d(c, NID_name_constraints, nc, 1, 0) == 1;
out:
	GENERAL_SUBTREE_free(tree);
	NAME_CONSTRAINTS_free(nc);
	return ok ? 0 : -1;
}

X509 *
ca_new_tls_root(EVP_PKEY *key, const char *name, int64_t now, int64_t lifetime)
{
	char *title = xasprintf("TLS root of %s", name);
	X509 *c;

	ERR_clear_error();
	c = draft(clipped_name(NULL, title), key, NULL, now, now + lifetime);
	free(title);

	return finish(c, key,
		c && add_extensions(c, c, root_extensions) == 0 && add_constraint(c, name) == 0);
}

static int64_t
earlier(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

X509 *
ca_issue_server(EVP_PKEY *server_key, const char *name, X509 *root, EVP_PKEY *root_key, int64_t now,
	int64_t lifetime)
{
	/* A name that does not fit is left out: half a host name would be another host. */
	const char *cn = strlen(name) <= NAME_MAX_CHARACTERS ? name : NULL;
	/* notAfter itself still belongs to the lifetime (RFC 5280 4.1.2.5), hence the second. */
	int64_t limit = now - CLOCK_SKEW + SERVER_DAYS_MAX * DAY - 1;
	/* Key encipherment is for RSA only. */
	const char *usage = EVP_PKEY_is_a(server_key, "RSA")
				    ? "critical,digitalSignature,keyEncipherment"
				    : "critical,digitalSignature";
	int64_t to = earlier(earlier(now + lifetime, limit), cert_not_after(root));
	X509 *c;

	if (to <= now)
		return NULL;
	ERR_clear_error();
	c = draft(clipped_name(NULL, cn), server_key, root, now, to);

	return finish(c, root_key,
		c && add_extensions(c, root, server_extensions) == 0 &&
			add_extension(c, root, NID_key_usage, usage) == 0 &&
			add_alternative(c, general_name(name, false)) == 0);
}

static GENERAL_NAME *
number_name(const char *number)
{
	GENERAL_NAME *g;
	ASN1_STRING *s;
	char uri[sizeof("urn:uuid:") + UUID_LEN];

	if (!number || !uuid_valid(number))
		return NULL;
	memcpy(uri, "urn:uuid:", 9);
	memcpy(uri + 9, number, UUID_LEN + 1);
	g = GENERAL_NAME_new();
	s = ASN1_IA5STRING_new();
	if (!g || !s || ASN1_STRING_set(s, uri, -1) != 1) {
		ASN1_STRING_free(s);
		GENERAL_NAME_free(g);
		return NULL;
	}
	GENERAL_NAME_set0_value(g, GEN_URI, s);

	return g;
}

X509 *
ca_issue_identity(X509 *ca, EVP_PKEY *ca_key, const struct ca_identity *id)
{
	int64_t to = earlier(id->now + id->lifetime, cert_not_after(ca));
	X509 *c;

	/* A CA that has expired must not go on as if it had not. */
	if (to <= id->now || !id->common_name || !*id->common_name)
		return NULL;
	ERR_clear_error();
	c = draft(
		clipped_name(id->organization, id->common_name), id->subject_key, ca, id->now, to);

	return finish(c, ca_key,
		c && add_extensions(c, ca, identity_extensions) == 0 &&
			add_alternative(c, number_name(id->number)) == 0);
}
