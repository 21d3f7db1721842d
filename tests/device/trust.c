/* trust.c - which TLS servers this device believes */
#include "trust.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util.h"

#define LEAF_DAYS_MAX 825
#define RSA_BITS_MIN 2048

struct shared {
	struct shared *next;
	uint8_t digest[32];
	X509_STORE *store;
};

static struct shared *all;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void
digest_roots(X509 *const *roots, size_t n, uint8_t ret[32])
{
	struct blob b = { NULL, 0 };
	uint8_t one[EVP_MAX_MD_SIZE];
	unsigned len;

	blob_append(&b, "", 0);
	for (size_t i = 0; i < n; i++) {
		X509_digest(roots[i], EVP_sha256(), one, &len);
		blob_append(&b, one, len);
	}
	EVP_Digest(b.data, b.len, ret, &len, EVP_sha256(), NULL);
	blob_free(&b);
}

static X509_STORE *
build(const char *public_roots, X509 *const *roots, size_t n)
{
	X509_STORE *store = X509_STORE_new();
	int ok;

	ERR_clear_error();
	ok = public_roots != NULL ? X509_STORE_load_file(store, public_roots)
				  : X509_STORE_set_default_paths(store);
	if (ok != 1) {
		fprintf(stderr, "fake-device: %s: no public roots can be read from it\n",
			public_roots != NULL ? public_roots : "the system's certificate store");
		ERR_clear_error();
		X509_STORE_free(store);
		return NULL;
	}
	for (size_t i = 0; i < n; i++)
		X509_STORE_add_cert(store, roots[i]);
	ERR_clear_error();
	return store;
}

X509_STORE *
trust_store(const char *public_roots, X509 *const *roots, size_t n)
{
	X509_STORE *store = NULL;
	uint8_t digest[32];
	struct shared *s;

	digest_roots(roots, n, digest);
	pthread_mutex_lock(&lock);
	for (s = all; s != NULL && store == NULL; s = s->next)
		if (memcmp(s->digest, digest, sizeof(digest)) == 0)
			store = s->store;
	if (store == NULL && (store = build(public_roots, roots, n)) != NULL) {
		s = util_alloc(sizeof(*s));
		memcpy(s->digest, digest, sizeof(digest));
		s->store = store;
		s->next = all;
		all = s;
	}
	pthread_mutex_unlock(&lock);
	return store;
}

static int
leaf_fault(X509 *leaf)
{
	EVP_PKEY *key = X509_get0_pubkey(leaf);
	GENERAL_NAMES *names;
	int days = 0, seconds = 0, md = NID_undef;

	if (key == NULL || (EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA &&
				   EVP_PKEY_get_bits(key) < RSA_BITS_MIN))
		return X509_V_ERR_EE_KEY_TOO_SMALL;
	OBJ_find_sigid_algs(X509_get_signature_nid(leaf), &md, NULL);
	if (md == NID_sha1 || md == NID_md5)
		return X509_V_ERR_CA_MD_TOO_WEAK;
	ASN1_TIME_diff(&days, &seconds, X509_get0_notBefore(leaf), X509_get0_notAfter(leaf));
	if (days > LEAF_DAYS_MAX)
		return X509_V_ERR_ERROR_IN_CERT_NOT_AFTER_FIELD;
	if (!(X509_get_extension_flags(leaf) & EXFLAG_XKUSAGE) ||
		!(X509_get_extended_key_usage(leaf) & XKU_SSL_SERVER))
		return X509_V_ERR_INVALID_PURPOSE;
	names = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
	if (names == NULL)
		return X509_V_ERR_HOSTNAME_MISMATCH;
	GENERAL_NAMES_free(names);
	return X509_V_OK;
}

int
trust_verify(int ok, X509_STORE_CTX *ctx)
{
	int fault;

	if (!ok || X509_STORE_CTX_get_error_depth(ctx) != 0)
		return ok;
	fault = leaf_fault(X509_STORE_CTX_get_current_cert(ctx));
	if (fault != X509_V_OK)
		X509_STORE_CTX_set_error(ctx, fault);
	return fault == X509_V_OK;
}

void
trust_fini(void)
{
	struct shared *next;

	for (; all != NULL; all = next) {
		next = all->next;
		X509_STORE_free(all->store);
		free(all);
	}
}
