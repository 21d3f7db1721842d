/* cordon-ssc-show.c - how it stands with the SSC, in a sentence and field by field */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/mem.h"
#include "cordon-ssc.h"
#include "show.h"

#define DAY INT64_C(86400)
#define WARN_DAYS 60 /* the configuration's default */

static bool
is_ssc_file(const char *name)
{
	size_t n = strlen(name);

	if (strcmp(name, "ssc.crt") == 0 || strcmp(name, "ssc.key") == 0)
		return true;
	return strncmp(name, "ssc-old-", 8) == 0 && n > 12 &&
	       (strcmp(name + n - 4, ".crt") == 0 || strcmp(name + n - 4, ".key") == 0);
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void
list_files(struct ssc_situation *c, const struct site *s)
{
	DIR *dir = opendir(s->certs);
	struct dirent *e;

	while (dir && (e = readdir(dir)) != NULL) {
		if (!is_ssc_file(e->d_name))
			continue;
		c->files = xrealloc(c->files, (c->file_count + 1) * sizeof(*c->files));
		c->files[c->file_count++] = xstrdup(e->d_name);
	}
	if (dir)
		closedir(dir);
	if (c->file_count)
		qsort(c->files, c->file_count, sizeof(*c->files), by_name);
}

void
ssc_situation_read(struct ssc_situation *c, const struct site *s)
{
	const struct conf *conf = s->conf;
	int days = conf && conf->push.warn_days_count ? 0 : WARN_DAYS;

	memset(c, 0, sizeof(*c));
	for (size_t i = 0; conf && i < conf->push.warn_days_count; i++)
		days = conf->push.warn_days[i] > days ? conf->push.warn_days[i] : days;
	c->now = clock_wall();
	c->warn = days * DAY;
	c->dir = site_scan(s, false);
	c->strict = site_scan(s, true);
	list_files(c, s);
}

void
ssc_situation_fini(struct ssc_situation *c)
{
	for (size_t i = 0; i < c->file_count; i++)
		free(c->files[i]);
	free(c->files);
	certdir_unref(c->dir);
	certdir_unref(c->strict);
	memset(c, 0, sizeof(*c));
}

static void
print_ssc(const struct ssc_situation *c)
{
	const struct certpair *p = &c->dir->ssc;
	int64_t left = p->not_after - c->now;
	struct buf name = BUF_INIT;
	char date[24];

	if (!p->chain) {
		printf(c->file_count ? "The SSC cannot be used: see below.\n"
				     : "There is no SSC.\n");
		return;
	}
	encode_visible(&name, bytes_str(p->name ? p->name : ""));
	clock_date(p->not_after, date, sizeof(date));
	if (left < 0)
		printf("The SSC \"%s\" has expired on %s: no device can enroll until it is "
		       "replaced with cordon-ssc new --replace.\n",
			buf_str(&name), date);
	else
		printf("The SSC \"%s\" is %s: valid until %s (%lld days left).%s\n", buf_str(&name),
			left <= c->warn ? "expiring" : "installed", date, (long long)(left / DAY),
			left <= c->warn ? " Replace it in time with cordon-ssc new --replace."
					: "");
	for (size_t i = 0; i < c->dir->ssc_old_count; i++)
		printf("  %s: an earlier SSC, kept for identities of it that are not renewed "
		       "yet\n",
			c->dir->ssc_old[i].cert_file);
	buf_free(&name);
}

static void
print_tls(const struct ssc_situation *c)
{
	const struct certpair *p = &c->dir->tls;
	char date[24];

	if (!p->chain)
		printf("There is no TLS certificate that can be used.\n");
	else
		printf("The TLS certificate %s %s %s%s.\n", p->cert_file,
			p->not_after < c->now ? "has expired on" : "is valid until",
			clock_date(p->not_after, date, sizeof(date)),
			c->dir->tls_root ? ", from the TLS root here" : "");
}

int
ssc_overview(const struct tool *t, const struct tool_options *o)
{
	struct ssc_situation c;
	struct buf line = BUF_INIT;
	struct site site;
	int r = site_open(&site, o);

	if (r != EX_OK)
		return r;
	ssc_situation_read(&c, &site);
	print_ssc(&c);
	print_tls(&c);
	for (size_t i = 0; i < c.strict->remark_count; i++) {
		if (c.strict->remarks[i].weight != CERTDIR_PROBLEM)
			continue;
		buf_reset(&line);
		encode_visible(&line, bytes_str(c.strict->remarks[i].file));
		buf_add_str(&line, ": ");
		encode_visible(&line, bytes_str(c.strict->remarks[i].text));
		printf("  %s\n", buf_str(&line));
	}
	tool_list_verbs(t, &c);
	buf_free(&line);
	ssc_situation_fini(&c);
	site_close(&site);
	return EX_OK;
}

static void
show_tls(struct fields *f, const struct certdir *d, int64_t now)
{
	const struct certpair *p = d->tls.chain ? &d->tls : &d->tls_lone;

	if (p->chain)
		show_pair(f, "tls", "TLS certificate of the server", "Expires", p, now);
	else
		fields_null(f, "tls");
	fields_bool(f, "tls_root", d->tls_root ? "TLS root" : NULL, d->tls_root != NULL,
		"tls-ca.crt, which enrollment profiles carry");
}

static void
show_all(struct fields *f, const struct certdir *d, int64_t now)
{
	const struct certpair *p = d->ssc.chain ? &d->ssc : &d->ssc_lone;

	fields_open(f, NULL, '{', NULL);
	fields_text(f, "directory", NULL, d->directory);
	if (p->chain)
		show_pair(
			f, "ssc", "Self-signed certificate for Apple MDM (SSC)", "Expires", p, now);
	else
		fields_null(f, "ssc");
	fields_open(f, "ssc_old", '[', NULL);
	for (size_t i = 0; i < d->ssc_old_count; i++)
		show_pair(f, NULL, "Earlier SSC", "Expires", &d->ssc_old[i], now);
	fields_close(f, ']');
	show_tls(f, d, now);
	show_remarks(f, d);
	fields_close(f, '}');
}

int
ssc_verb_show(const struct tool_options *o)
{
	struct fields f = { .json = o->json };
	struct certdir *d;
	struct site site;
	int r = site_open(&site, o);

	if (r != EX_OK)
		return r;
	d = site_scan(&site, true);
	show_all(&f, d, clock_wall());
	fields_print(&f);
	if (!d->ssc.chain)
		r = tool_fail(EX_NOINPUT, "%s: there is no usable SSC: %s", site.certs,
			d->ssc_lone.chain ? "see above" : "make one with cordon-ssc new");
	certdir_unref(d);
	site_close(&site);
	return r;
}
