/* Private and public keys: made, read, compared, named */
#include "pki/key.h"

#include <errno.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <string.h>

#include "base/encode.h"
#include "pki/coding.h"

#define RSA_MIN_BITS 2048

static const char encrypted_text[] =
	"is encrypted: remove the passphrase, e.g. with \"openssl pkey -in OLD -out NEW\"";
static const char not_a_key[] = "is not a private key";
static const char damaged_key[] = "is damaged or cut off: the private key in it cannot be read";
static const char pkcs12_text[] = "is a PKCS#12 file: take it in with \"cordon-csr import\"";

EVP_PKEY *
key_new_rsa(int bits)
{
	EVP_PKEY *key;

	if (bits < RSA_MIN_BITS || bits > KEY_RSA_MAX)
		return NULL;
	ERR_clear_error();
	key = EVP_RSA_gen((unsigned)bits);
	ERR_clear_error();

	return key;
}

EVP_PKEY *
key_new_p256(void)
{
	EVP_PKEY *key;

	ERR_clear_error();
	key = EVP_EC_gen("P-256");
	ERR_clear_error();

	return key;
}

int
key_to_pem(EVP_PKEY *key, struct buf *out)
{
	BIO *bio = BIO_new(BIO_s_mem());
	int ret = -EIO;

	if (bio && PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL) == 1) {
		coding_take_bio(out, bio);
		ret = 0;
	}
	BIO_free(bio); /* OpenSSL cleanses a memory BIO that it frees */
	ERR_clear_error();

	return ret;
}

/* A key in DER that fills `der` to the last byte. */
static EVP_PKEY *
parse_der(struct bytes der)
{
	const unsigned char *p = der.data;
	EVP_PKEY *key;

	if (der.len == 0 || der.len > LONG_MAX)
		return NULL;
	ERR_clear_error();
	key = d2i_AutoPrivateKey(NULL, &p, (long)der.len);
	ERR_clear_error();
	if (key && p != der.data + der.len) {
		EVP_PKEY_free(key);
		return NULL;
	}

	return key;
}

static bool
is_encrypted_der(struct bytes der)
{
	const unsigned char *p = der.data;
	X509_SIG *sig = d2i_X509_SIG(NULL, &p, (long)der.len);
	const X509_ALGOR *alg = NULL;
	bool ret = false;

	if (sig) {
		X509_SIG_get0(sig, &alg, NULL);
		ret = OBJ_obj2nid(alg->algorithm) == NID_pbes2 ||
		      EVP_PBE_find(EVP_PBE_TYPE_OUTER, OBJ_obj2nid(alg->algorithm), NULL, NULL,
			      NULL) == 1;
	}
	X509_SIG_free(sig);
	ERR_clear_error();

	return ret;
}

static bool
is_pkcs12(struct bytes der)
{
	const unsigned char *p = der.data;
	PKCS12 *p12 = d2i_PKCS12(NULL, &p, (long)der.len);
	bool ret = p12 != NULL;

	PKCS12_free(p12);
	ERR_clear_error();

	return ret;
}

static bool
ends_with(const char *s, const char *end)
{
	size_t len = strlen(s), n = strlen(end);

	return len >= n && strcmp(s + len - n, end) == 0;
}

/* Returns true when the block settles the matter: *key, or *why. */
static bool
judge_block(const struct coding_block *b, EVP_PKEY **key, const char **why)
{
	if (!ends_with(b->name, "PRIVATE KEY"))
		return false; /* a certificate, EC PARAMETERS: go on looking */
	if (strcmp(b->name, "ENCRYPTED PRIVATE KEY") == 0 || strstr(b->header, "ENCRYPTED")) {
		*why = encrypted_text;
		return true;
	}
	*key = parse_der(bytes_of(b->data, (size_t)b->len));
	if (!*key)
		*why = damaged_key;

	return true;
}

static EVP_PKEY *
parse_pem(struct bytes in, const char **why)
{
	BIO *bio = coding_reader(in);
	struct coding_block b;
	EVP_PKEY *key = NULL;
	bool settled = false;
	int r = 0;

	*why = not_a_key;
	while (bio && !settled && (r = coding_next_block(bio, &b)) > 0) {
		settled = judge_block(&b, &key, why);
		coding_block_free(&b);
	}
	if (!settled && r < 0 && coding_contains(in, "PRIVATE KEY-----"))
		*why = damaged_key;
	BIO_free(bio);

	return key;
}

EVP_PKEY *
key_parse(struct bytes in, const char **why)
{
	const char *ignored;
	EVP_PKEY *key;

	if (!why)
		why = &ignored;
	*why = not_a_key;
	in = coding_skip_bom(in);
	if (coding_has_pem(in))
		return parse_pem(in, why);
	/* Every decoder there is would be tried on junk: look at the first byte before. */
	if (in.len == 0 || in.len > LONG_MAX || in.data[0] != 0x30)
		return NULL;
	key = parse_der(in);
	if (!key && is_encrypted_der(in))
		*why = encrypted_text;
	else if (!key && is_pkcs12(in))
		*why = pkcs12_text;

	return key;
}

int
key_spki_sha256(EVP_PKEY *key, unsigned char out[SHA256_LEN])
{
	unsigned char *der = NULL;
	int len;

	ERR_clear_error();
	len = i2d_PUBKEY(key, &der);
	ERR_clear_error();
	if (len <= 0)
		return -EINVAL;
	digest_sha256(bytes_of(der, (size_t)len), out);
	OPENSSL_free(der);

	return 0;
}

/* "P-256" for curves that NIST named, OpenSSL's name for others, "" for home-made ones. */
static const char *
curve_name(EVP_PKEY *key, char *out, size_t size)
{
	const char *nist;
	size_t len = 0;

	out[0] = '\0';
	if (EVP_PKEY_get_group_name(key, out, size, &len) != 1)
		return "";
	nist = EC_curve_nid2nist(OBJ_sn2nid(out));

	return nist ? nist : out;
}

const char *
key_describe(EVP_PKEY *key, char *out, size_t size)
{
	const char *type = EVP_PKEY_get0_type_name(key);
	char curve[64];

	ERR_clear_error();
	if (EVP_PKEY_is_a(key, "EC"))
		snprintf(out, size, "EC %s", curve_name(key, curve, sizeof(curve)));
	else if (EVP_PKEY_is_a(key, "RSA") || EVP_PKEY_is_a(key, "RSA-PSS"))
		snprintf(out, size, "%s %d", type, EVP_PKEY_get_bits(key));
	else
		snprintf(out, size, "%s", type ? type : "unknown");
	ERR_clear_error();

	return out;
}

int
key_short_name(EVP_PKEY *key, char out[9])
{
	unsigned char hash[SHA256_LEN];
	int r = key_spki_sha256(key, hash);

	if (r)
		return r;
	snprintf(out, 9, "%02x%02x%02x%02x", hash[0], hash[1], hash[2], hash[3]);

	return 0;
}

bool
key_is_ordinary(EVP_PKEY *key)
{
	static const char *const curves[] = { "P-256", "P-384", "P-521" };
	const char *name;
	char curve[64];
	size_t i;

	if (EVP_PKEY_is_a(key, "RSA"))
		return EVP_PKEY_get_bits(key) <= KEY_RSA_MAX;
	if (!EVP_PKEY_is_a(key, "EC"))
		return false;
	name = curve_name(key, curve, sizeof(curve));
	ERR_clear_error();
	for (i = 0; i < sizeof(curves) / sizeof(curves[0]); i++)
		if (strcmp(name, curves[i]) == 0)
			return true;

	return false;
}

const char *
pki_error(char *out, size_t size)
{
	unsigned long error = ERR_get_error();
	const char *reason = error ? ERR_reason_error_string(error) : "";

	if (reason)
		snprintf(out, size, "%s", reason);
	else
		ERR_error_string_n(error, out, size);
	ERR_clear_error();

	return out;
}
