/* certpair.c - a certificate with its key and the chain that stands in the same file */
#include "pki/certpair.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "pki/cert.h"

#define CHAIN_MAX 10
#define RSA_BITS_MIN 2048

X509 *
certpair_leaf_of(STACK_OF(X509) * certs, const unsigned char spki[SHA256_LEN])
{
	unsigned char have[SHA256_LEN];

	for (int i = 0; certs && i < sk_X509_num(certs); i++) {
		X509 *c = sk_X509_value(certs, i);

		if (cert_spki_sha256(c, have) == 0 && memcmp(have, spki, SHA256_LEN) == 0)
			return c;
	}
	return NULL;
}

static bool
holds(STACK_OF(X509) * chain, X509 *c)
{
	for (int i = 0; i < sk_X509_num(chain); i++)
		if (sk_X509_value(chain, i) == c)
			return true;
	return false;
}

static void
push_ref(STACK_OF(X509) * chain, X509 *c)
{
	X509_up_ref(c);
	if (!sk_X509_push(chain, c))
		abort(); /* out of memory, as in xmalloc */
}

/* Files name their chain in any order, and some carry certificates that do not belong to it. */
static STACK_OF(X509) * chain_of(STACK_OF(X509) * certs, X509 *leaf)
{
	STACK_OF(X509) *chain = sk_X509_new_null();
	X509 *last = leaf, *next;

	if (!chain)
		abort();
	push_ref(chain, leaf);
	while (sk_X509_num(chain) < CHAIN_MAX) {
		next = NULL;
		for (int i = 0; !next && i < sk_X509_num(certs); i++) {
			X509 *c = sk_X509_value(certs, i);

			if (!holds(chain, c) && cert_issued_by(last, c))
				next = c;
		}
		if (!next)
			break;
		push_ref(chain, next);
		last = next;
	}
	ERR_clear_error();
	return chain;
}

/* Roots need not be sent. */
static bool
is_root(X509 *c)
{
	return X509_NAME_cmp(X509_get_subject_name(c), X509_get_issuer_name(c)) == 0;
}

static X509 *
intermediate_above(STACK_OF(X509) * chain, STACK_OF(X509) * certs)
{
	X509 *last = sk_X509_value(chain, sk_X509_num(chain) - 1);

	for (int i = 0; !is_root(last) && i < sk_X509_num(certs); i++) {
		X509 *c = sk_X509_value(certs, i);

		if (!is_root(c) && X509_check_ca(c) > 0 && cert_issued_by(last, c))
			return c;
	}
	return NULL;
}

size_t
certpair_extend(struct certpair *p, STACK_OF(X509) * certs)
{
	size_t added = 0;
	X509 *next;

	while (sk_X509_num(p->chain) < CHAIN_MAX &&
		(next = intermediate_above(p->chain, certs)) != NULL) {
		push_ref(p->chain, next);
		added++;
	}
	ERR_clear_error();
	return added;
}

void
certpair_init(struct certpair *p, STACK_OF(X509) * certs, X509 *leaf, EVP_PKEY *key,
	const char *cert_file, const char *key_file)
{
	struct buf text = BUF_INIT;

	memset(p, 0, sizeof(*p));
	p->chain = chain_of(certs, leaf);
	if (key)
		EVP_PKEY_up_ref(key);
	p->key = key;
	p->cert_file = xstrdup(cert_file);
	p->key_file = key_file ? xstrdup(key_file) : NULL;
	if (cert_topic(leaf, &text) == 0)
		p->topic = xstrdup(buf_str(&text));
	buf_reset(&text);
	if (cert_common_name(leaf, &text) == 0)
		p->name = xstrdup(buf_str(&text));
	buf_free(&text);
	cert_sha256(leaf, p->sha256);
	p->not_before = cert_not_before(leaf);
	p->not_after = cert_not_after(leaf);
}

void
certpair_fini(struct certpair *p)
{
	sk_X509_pop_free(p->chain, X509_free);
	EVP_PKEY_free(p->key);
	free(p->cert_file);
	free(p->key_file);
	free(p->topic);
	free(p->name);
	memset(p, 0, sizeof(*p));
}

const char *
certpair_too_weak(X509 *leaf)
{
	EVP_PKEY *key = X509_get0_pubkey(leaf);

	if (!key) {
		ERR_clear_error();
		return "its public key is of a kind that OpenSSL does not know";
	}
	if (EVP_PKEY_is_a(key, "RSA") && EVP_PKEY_get_bits(key) < RSA_BITS_MIN)
		return "its RSA key has fewer than 2048 bits, which neither Apple nor OpenSSL "
		       "accepts: make a new one";
	return NULL;
}

bool
certpair_old_digest(X509 *leaf)
{
	int digest = NID_undef;

	if (!X509_get_signature_info(leaf, &digest, NULL, NULL, NULL))
		ERR_clear_error();
	return digest == NID_sha1 || digest == NID_md5;
}
