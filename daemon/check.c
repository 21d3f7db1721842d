/* check.c - cordond -t */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "conf/conf.h"
#include "pki/certdir.h"

static void
print_faults(const struct conf_faults *faults)
{
	struct buf line = BUF_INIT;

	for (size_t i = 0; i < faults->count; i++) {
		buf_reset(&line);
		conf_fault_format(&faults->items[i], &line);
		fprintf(stderr, "%s\n", buf_str(&line));
	}
	buf_free(&line);
}

/* Files that are not used block nothing in the daemon, so they are said here and refuse nothing. */
static void
print_certificates(const struct conf *c)
{
	struct certdir_cache *cache = certdir_cache_new();
	char *host = conf_server_host(c);
	struct certdir_options o = { .directory = c->certificates,
		.tls_certificate = c->tls.certificate,
		.tls_key = c->tls.key,
		.server_host = host,
		.now = clock_wall(),
		.check_modes = true };
	struct certdir *d = certdir_scan(&o, cache);

	for (size_t i = 0; i < d->remark_count; i++)
		fprintf(stderr, "%s/%s: %s%s\n", c->certificates, d->remarks[i].file,
			d->remarks[i].weight == CERTDIR_NOTE ? "note: " : "", d->remarks[i].text);
	certdir_unref(d);
	certdir_cache_free(cache);
	free(host);
}

int
check_run(const char *conf_file, const char *as, const char *candidate)
{
	struct conf_faults faults = { 0 };
	struct conf *c = conf_load(conf_file, as, candidate, &faults);

	print_faults(&faults);
	conf_faults_free(&faults);
	if (!c)
		return 1;
	print_certificates(c);
	conf_unref(c);
	return 0;
}
