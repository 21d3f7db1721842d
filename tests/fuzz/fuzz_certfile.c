/* fuzz_certfile.c - a file in the certificate directory, and the judgement of the directory with it
 */
#include <openssl/err.h>

#include "fuzz/fuzz.h"
#include "pki/certdir.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *path = fuzz_write("server.crt", bytes_of(data, size));
	const struct certdir_options o = { .directory = fuzz_dir(),
		.tls_certificate = path,
		.tls_key = path,
		.server_host = "localhost",
		.now = INT64_C(1893456000) };
	struct certdir_cache *cache = certdir_cache_new();
	struct certdir *d = certdir_scan(&o, cache);

	MUST(d);
	for (size_t i = 0; i < d->remark_count; i++)
		MUST(d->remarks[i].file && d->remarks[i].text);
	certdir_unref(d);
	certdir_cache_free(cache);
	MUST(ERR_peek_error() == 0);
	return 0;
}
