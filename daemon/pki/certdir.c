/* certdir.c - the watched certificate directory as one immutable, counted snapshot */
#include "pki/certdir.h"

#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "pki/certpair.h"
#include "pki/certrole.h"
#include "pki/certscan.h"

struct certdir_cache {
	struct certfile_cache *files;
};

struct certdir_cache *
certdir_cache_new(void)
{
	struct certdir_cache *c = xcalloc(1, sizeof(*c));

	c->files = certfile_cache_new();
	return c;
}

void
certdir_cache_free(struct certdir_cache *c)
{
	if (!c)
		return;
	certfile_cache_free(c->files);
	free(c);
}

/* What a person should look at first. */
static int
by_weight_and_file(const void *a, const void *b)
{
	const struct certdir_remark *x = a, *y = b;
	int c = (int)y->weight - (int)x->weight;

	if (c == 0)
		c = strcmp(x->file, y->file);
	return c ? c : strcmp(x->text, y->text);
}

/* "/etc/cordon/certs/" and "/etc/cordon/certs" are one. */
static char *
without_slashes(const char *directory)
{
	size_t n = strlen(directory);

	while (n > 1 && directory[n - 1] == '/')
		n--;
	return xstrndup(directory, n);
}

struct certdir *
certdir_scan(const struct certdir_options *o, struct certdir_cache *cache)
{
	struct certdir *d = xcalloc(1, sizeof(*d));
	struct certdir_options options = *o;
	struct certscan s = { .o = &options, .d = d, .cache = cache ? cache->files : NULL };

	d->refs = 1;
	d->directory = without_slashes(o->directory);
	options.directory = d->directory;
	d->scanned_at = o->now;
	ERR_clear_error();
	certfile_cache_begin(s.cache);
	certscan_list(&s);
	certrole_ssc(&s);
	certrole_tls(&s);
	certrole_vendor(&s);
	certrole_push(&s);
	certrole_csr(&s);
	certrole_rest(&s);
	certscan_fini(&s);
	certfile_cache_sweep(s.cache);
	ERR_clear_error();
	if (d->remark_count)
		qsort(d->remarks, d->remark_count, sizeof(*d->remarks), by_weight_and_file);
	return d;
}

struct certdir *
certdir_ref(struct certdir *d)
{
	__atomic_add_fetch(&d->refs, 1, __ATOMIC_RELAXED);
	return d;
}

static void
free_pairs(struct certpair *p, size_t count)
{
	for (size_t i = 0; i < count; i++)
		certpair_fini(&p[i]);
	free(p);
}

void
certdir_unref(struct certdir *d)
{
	if (!d || __atomic_sub_fetch(&d->refs, 1, __ATOMIC_ACQ_REL) > 0)
		return;
	free_pairs(d->push, d->push_count);
	free_pairs(d->ssc_old, d->ssc_old_count);
	free_pairs(d->push_lone, d->push_lone_count);
	certpair_fini(&d->ssc_lone);
	certpair_fini(&d->tls_lone);
	certpair_fini(&d->ssc);
	certpair_fini(&d->tls);
	X509_free(d->tls_root);
	for (size_t i = 0; i < d->remark_count; i++) {
		free(d->remarks[i].file);
		free(d->remarks[i].text);
	}
	free(d->remarks);
	free(d->csr_file);
	free(d->directory);
	free(d);
}

static const struct certpair *
later(const struct certpair *a, const struct certpair *b, int64_t now)
{
	if (now < b->not_before || now > b->not_after)
		return a;
	return !a || b->not_after > a->not_after ? b : a;
}

const struct certpair *
certdir_push_for(const struct certdir *d, const char *topic, int64_t now)
{
	const struct certpair *best = NULL;

	for (size_t i = 0; i < d->push_count; i++)
		if (strcmp(d->push[i].topic, topic) == 0)
			best = later(best, &d->push[i], now);
	return best;
}

const struct certpair *
certdir_push_lone(const struct certdir *d, const char *topic)
{
	const struct certpair *best = NULL;

	for (size_t i = 0; i < d->push_lone_count; i++) {
		const struct certpair *p = &d->push_lone[i];

		if ((!topic || strcmp(p->topic, topic) == 0) &&
			(!best || p->not_after > best->not_after))
			best = p;
	}
	return best;
}

const struct certpair *
certdir_push_main(const struct certdir *d, int64_t now,
	bool (*allowed)(void *arg, const char *topic), void *arg)
{
	const struct certpair *best = NULL;

	for (size_t i = 0; i < d->push_count; i++)
		if (!allowed || allowed(arg, d->push[i].topic))
			best = later(best, &d->push[i], now);
	return best;
}
