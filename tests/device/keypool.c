/* keypool.c - RSA keys: made one by one, or a pool that a fleet shares */
#include "keypool.h"

#include <errno.h>
#include <openssl/rsa.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "util.h"

#define POOL_BITS 2048

static EVP_PKEY **pool;
static int pool_size;
static atomic_uint next_key;
static atomic_int next_slot;

static void *
fill(void *arg)
{
	int i;

	(void)arg;
	while ((i = atomic_fetch_add(&next_slot, 1)) < pool_size)
		pool[i] = EVP_RSA_gen(POOL_BITS);
	return NULL;
}

int
keypool_init(int n, int threads)
{
	pthread_t *workers = util_alloc((size_t)threads * sizeof(*workers));
	int rc = 0, started = 0;

	pool = util_alloc((size_t)n * sizeof(*pool));
	pool_size = n;
	for (; started < threads && rc == 0; started++)
		rc = pthread_create(&workers[started], NULL, fill, NULL);
	if (rc != 0)
		started--;
	for (int i = 0; i < started; i++)
		pthread_join(workers[i], NULL);
	free(workers);
	for (int i = 0; i < n; i++)
		if (pool[i] == NULL)
			rc = EIO;
	return -rc;
}

void
keypool_fini(void)
{
	for (int i = 0; i < pool_size; i++)
		EVP_PKEY_free(pool[i]);
	free(pool);
	pool = NULL;
	pool_size = 0;
}

EVP_PKEY *
keypool_take(int bits)
{
	EVP_PKEY *key;

	if (pool_size == 0 || bits != POOL_BITS)
		return EVP_RSA_gen((unsigned)bits);
	key = pool[atomic_fetch_add(&next_key, 1) % (unsigned)pool_size];
	EVP_PKEY_up_ref(key);
	return key;
}

bool
keypool_shared(void)
{
	return pool_size > 0;
}
