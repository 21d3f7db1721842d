/* cordon-csr-situation.c - how it stands with the push certificate, and what comes next */
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/file.h"
#include "base/mem.h"
#include "cordon-csr.h"
#include "ctl/table.h"
#include "pki/cert.h"
#include "pki/certfile.h"
#include "pki/certpair.h"
#include "pki/key.h"

#define DAY INT64_C(86400)
#define WARN_DAYS 60 /* the configuration's default */

static bool
matches(const char *name, const char *start, const char *end)
{
	size_t n = strlen(name), m = strlen(end);

	return strncmp(name, start, strlen(start)) == 0 && n > m && strcmp(name + n - m, end) == 0;
}

/* Files of other purposes, which are never touched, whatever is in them. */
static bool
is_foreign(const char *name)
{
	static const char *const names[] = { "ssc.crt", "ssc.key", "server.crt", "server.key",
		"tls-ca.crt", "tls-ca.key", "vendor.crt", "vendor.key", "store.key" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return name[0] == '.' || strncmp(name, "ssc-old-", 8) == 0;
}

static void
add_file(struct csr_situation *c, const struct site *s, const char *name, enum csr_kind kind)
{
	struct csr_file *f;
	char target[PATH_MAX], *path = site_path(s, name);
	ssize_t n = readlink(path, target, sizeof(target) - 1);

	free(path);
	c->files = xrealloc(c->files, (c->file_count + 1) * sizeof(*c->files));
	f = &c->files[c->file_count++];
	f->name = xstrdup(name);
	f->kind = kind;
	f->target = n > 0 ? xstrndup(target, (size_t)n) : NULL;
}

/* The first certificate of the file that has a topic. */
static X509 *
push_leaf(const struct certfile *f, struct buf *topic)
{
	for (int i = 0; f->certs && i < sk_X509_num(f->certs); i++) {
		buf_reset(topic);
		if (cert_topic(sk_X509_value(f->certs, i), topic) == 0)
			return sk_X509_value(f->certs, i);
	}
	return NULL;
}

struct walk {
	struct csr_situation *c;
	const struct site *site;
	unsigned char (*spki)[SHA256_LEN]; /* of the push certificates and CSRs */
	size_t spki_count;
	struct certpair best; /* the certificate that expires last, with its key or without */
};

static void
note_spki(struct walk *w, const unsigned char spki[SHA256_LEN])
{
	w->spki = xrealloc(w->spki, (w->spki_count + 1) * SHA256_LEN);
	memcpy(w->spki[w->spki_count++], spki, SHA256_LEN);
}

static void
note_certificate(struct walk *w, const char *name, const struct certfile *f, X509 *leaf)
{
	unsigned char spki[SHA256_LEN];

	add_file(w->c, w->site, name, CSR_CERTIFICATE);
	if (cert_spki_sha256(leaf, spki) < 0)
		return;
	note_spki(w, spki);
	if (w->best.chain && cert_not_after(leaf) <= w->best.not_after)
		return;
	certpair_fini(&w->best);
	certpair_init(&w->best, f->certs, leaf, NULL, name, NULL);
	free(w->c->missing_key);
	w->c->missing_key =
		xasprintf("push-%02x%02x%02x%02x.key", spki[0], spki[1], spki[2], spki[3]);
}

/* Certificates and CSRs, which say whose the keys are that the second round finds. */
static void
first_round(struct walk *w, const char *name, const struct certfile *f)
{
	struct buf topic = BUF_INIT;
	X509 *leaf = push_leaf(f, &topic);

	if (leaf) {
		note_certificate(w, name, f, leaf);
	} else if (f->has_csr && matches(name, "push-", ".csr")) {
		add_file(w->c, w->site, name, CSR_REQUEST);
		note_spki(w, f->csr_spki);
	} else if (strcmp(name, CSR_SIGNED) == 0) {
		add_file(w->c, w->site, name, CSR_SIGNED_REQUEST);
	} else if (matches(name, "mdmcert", ".key") || matches(name, "mdmcert", ".crt")) {
		add_file(w->c, w->site, name, CSR_TRANSPORT);
	}
	buf_free(&topic);
}

static bool
has_file(const struct csr_situation *c, const char *name)
{
	for (size_t i = 0; i < c->file_count; i++)
		if (strcmp(c->files[i].name, name) == 0)
			return true;
	return false;
}

static void
second_round(struct walk *w, const char *name, const struct certfile *f)
{
	bool ours = matches(name, "push-", ".key");

	for (size_t i = 0; f->key && !ours && i < w->spki_count; i++)
		ours = memcmp(w->spki[i], f->key_spki, SHA256_LEN) == 0;
	if (ours && !has_file(w->c, name))
		add_file(w->c, w->site, name, CSR_KEY);
}

static void
each_file(struct walk *w, struct certfile_cache *cache,
	void (*visit)(struct walk *, const char *, const struct certfile *))
{
	DIR *dir = opendir(w->site->certs);
	struct dirent *e;

	while (dir && (e = readdir(dir)) != NULL) {
		struct certfile *f;
		char *path;
		int err;

		if (is_foreign(e->d_name))
			continue;
		path = site_path(w->site, e->d_name);
		f = certfile_get(cache, path, &err);
		if (f)
			visit(w, e->d_name, f);
		certfile_unref(f);
		free(path);
	}
	if (dir)
		closedir(dir);
}

static int
by_kind_and_name(const void *a, const void *b)
{
	const struct csr_file *x = a, *y = b;

	return x->kind != y->kind ? (int)x->kind - (int)y->kind : strcmp(x->name, y->name);
}

/* Finds the files; keeps the certificate without key when no pair is there. */
static void
read_files(struct csr_situation *c, const struct site *s)
{
	struct walk w = { .c = c, .site = s };
	struct certfile_cache *cache = certfile_cache_new();

	certfile_cache_begin(cache);
	each_file(&w, cache, first_round);
	each_file(&w, cache, second_round);
	certfile_cache_free(cache);
	if (c->file_count)
		qsort(c->files, c->file_count, sizeof(*c->files), by_kind_and_name);
	c->orphan = w.best;
	free(w.spki);
}

/* The valid one that expires last, or else the one that stands first. */
static const struct certpair *
main_pair(const struct certdir *d, int64_t now)
{
	const struct certpair *p = certdir_push_main(d, now, NULL, NULL);

	return p ? p : d->push_count ? &d->push[0] : NULL;
}

static int
warn_days(const struct site *s)
{
	int most = 0;

	if (!s->conf || s->conf->push.warn_days_count == 0)
		return WARN_DAYS;
	for (size_t i = 0; i < s->conf->push.warn_days_count; i++)
		if (s->conf->push.warn_days[i] > most)
			most = s->conf->push.warn_days[i];
	return most;
}

static enum csr_state
judge(const struct csr_situation *c, const struct site *s)
{
	if (!c->push)
		return c->orphan.chain ? CSR_KEY_MISSING : CSR_NONE;
	if (c->now < c->push->not_before)
		return CSR_FUTURE;
	if (c->now > c->push->not_after)
		return CSR_EXPIRED;
	return c->push->not_after - c->now <= warn_days(s) * DAY ? CSR_EXPIRING : CSR_INSTALLED;
}

static bool
same_key(X509_REQ *a, X509_REQ *b)
{
	return a && b && EVP_PKEY_eq(X509_REQ_get0_pubkey(a), X509_REQ_get0_pubkey(b)) == 1;
}

/* Is signedCSR that of the CSR that waits, and not of an earlier one? */
static bool
is_signed(const struct csr_situation *c, const struct site *s)
{
	char *csr_path = site_path(s, c->dir->csr_file), *path = site_path(s, CSR_SIGNED);
	struct buf csr_pem = BUF_INIT, content = BUF_INIT;
	struct csr_signed got = { 0 };
	X509_REQ *csr = NULL;
	bool ret = false;

	if (file_read(csr_path, CSR_FILE_MAX, &csr_pem, NULL) == 0)
		csr = csr_parse(buf_bytes(&csr_pem));
	if (csr && file_read(path, CSR_FILE_MAX, &content, NULL) == 0 &&
		csr_signed_parse(buf_bytes(&content), c->now, &got) == 0)
		ret = !got.fault && same_key(csr, got.csr);
	csr_signed_fini(&got);
	X509_REQ_free(csr);
	buf_free(&csr_pem);
	buf_free(&content);
	free(csr_path);
	free(path);
	return ret;
}

static enum csr_progress
judge_progress(const struct csr_situation *c, const struct site *s)
{
	char *path = site_path(s, "mdmcert.crt");
	struct stat st;
	bool requested;

	/* `request` sets the time of the transport certificate whenever a request was sent. */
	requested = stat(path, &st) == 0 && st.st_mtime >= c->dir->csr_since;
	free(path);
	if (is_signed(c, s))
		return CSR_READY;
	return requested ? CSR_REQUESTED : CSR_UNSIGNED;
}

void
csr_situation_read(struct csr_situation *c, const struct site *s)
{
	memset(c, 0, sizeof(*c));
	c->now = clock_wall();
	/* A certificate whose key is only badly kept is there all the same. */
	c->dir = site_scan(s, false);
	c->strict = site_scan(s, true);
	read_files(c, s);
	c->push = main_pair(c->dir, c->now);
	c->state = judge(c, s);
	if (c->dir->has_csr)
		c->progress = judge_progress(c, s);
	c->vendor = site_has(s, "vendor.crt") && site_has(s, "vendor.key");
	c->account = s->conf && s->conf->mdmcert.email && s->conf->mdmcert.key_file;
	c->apple_account = s->conf ? s->conf->push.apple_account : NULL;
}

void
csr_situation_fini(struct csr_situation *c)
{
	for (size_t i = 0; i < c->file_count; i++) {
		free(c->files[i].name);
		free(c->files[i].target);
	}
	free(c->files);
	certpair_fini(&c->orphan);
	free(c->missing_key);
	certdir_unref(c->dir);
	certdir_unref(c->strict);
	memset(c, 0, sizeof(*c));
}

void
csr_add_deadline(struct buf *out, int64_t when, int64_t now)
{
	int64_t days = (when - now) / DAY;
	char date[24];

	buf_printf(out, "%s (%lld day%s %s)", clock_date(when, date, sizeof(date)),
		(long long)(days < 0 ? -days : days), days == 1 || days == -1 ? "" : "s",
		when < now ? "ago" : "left");
}

static void
print_state(const struct csr_situation *c)
{
	const struct certpair *p = c->push ? c->push : &c->orphan;
	struct buf until = BUF_INIT;
	char date[24];

	if (p->chain)
		csr_add_deadline(&until, p->not_after, c->now);
	switch (c->state) {
	case CSR_NONE:
		printf("There is no push certificate%s.\n",
			c->dir->has_csr ? " yet" : ", and no CSR for one");
		break;
	case CSR_KEY_MISSING:
		printf("Key missing: the push certificate %s is here, its private key %s is not.\n",
			p->cert_file, c->missing_key);
		break;
	case CSR_INSTALLED:
		printf("The push certificate is installed: renew by %s.\n", buf_str(&until));
		break;
	case CSR_EXPIRING:
		printf("The push certificate is expiring: renew by %s.\n", buf_str(&until));
		break;
	case CSR_EXPIRED:
		printf("The push certificate has expired: %s. No device can be called until it is "
		       "renewed.\n",
			buf_str(&until));
		break;
	case CSR_FUTURE:
		printf("The push certificate is not valid before %s: is the clock right?\n",
			clock_date(p->not_before, date, sizeof(date)));
		break;
	}
	if (p->topic)
		printf("  topic %s, file %s\n", p->topic, p->cert_file);
	buf_free(&until);
}

static void
print_waiting(const struct csr_situation *c)
{
	static const char *const words[] = {
		[CSR_UNSIGNED] = "no vendor has signed it yet",
		[CSR_REQUESTED] = "mdmcert.download was asked to sign it, and answers by mail",
		[CSR_READY] = ("it is signed, as " CSR_SIGNED),
	};
	char date[24];

	if (!c->dir->has_csr)
		return;
	printf("A CSR%s is waiting for Apple's certificate since %s: %s; %s.\n",
		c->state != CSR_NONE ? " for the renewal" : "",
		clock_date(c->dir->csr_since, date, sizeof(date)), c->dir->csr_file,
		words[c->progress]);
}

/* The next step where it is none of the verbs. */
static void
print_next(const struct csr_situation *c)
{
	char date[24];

	if (c->dir->has_csr && c->progress == CSR_READY) {
		printf("\n");
		csr_print_portal(c, true);
	} else if (c->dir->has_csr && c->progress == CSR_UNSIGNED && !c->vendor && !c->account) {
		printf("\n");
		csr_print_three_ways();
	} else if (c->dir->has_csr) {
		return;
	} else if (c->state == CSR_KEY_MISSING) {
		printf("\n%sNext: put %s back%s into %s, from a backup or from where its CSR was "
		       "made.\nIf it is lost, cordon-csr renew makes another one: with Renew in "
		       "the portal the topic stays, and so do the devices.\n",
			terminal_bold(), c->missing_key, terminal_plain(), c->dir->directory);
	} else if (c->state == CSR_INSTALLED || c->state == CSR_FUTURE) {
		printf("\n%sNext: nothing%s until it is due for renewal (%s).\n", terminal_bold(),
			terminal_plain(),
			clock_date(c->push->not_after - WARN_DAYS * DAY, date, sizeof(date)));
	}
}

/* Of the files in question alone: `show` tells of all. */
static void
print_remarks(const struct csr_situation *c)
{
	struct buf line = BUF_INIT;

	for (size_t i = 0; i < c->strict->remark_count; i++) {
		const struct certdir_remark *r = &c->strict->remarks[i];

		if (!has_file(c, r->file))
			continue;
		buf_reset(&line);
		encode_visible(&line, bytes_str(r->file));
		buf_add_str(&line, ": ");
		encode_visible(&line, bytes_str(r->text));
		printf("  %s\n", buf_str(&line));
	}
	buf_free(&line);
}

void
csr_situation_print(const struct csr_situation *c)
{
	print_state(c);
	print_waiting(c);
	print_remarks(c);
	print_next(c);
}

int
csr_overview(const struct tool *t, const struct tool_options *o)
{
	struct csr_situation c;
	struct site site;
	int r = site_open(&site, o);

	if (r != EX_OK)
		return r;
	csr_situation_read(&c, &site);
	csr_situation_print(&c);
	tool_list_verbs(t, &c);
	csr_situation_fini(&c);
	site_close(&site);
	return EX_OK;
}
