/* certscan.c - one scan of the certificate directory while it runs: the files and what is said of
 * them */
#include "pki/certscan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "pki/cert.h"
#include "pki/certpair.h"

/* The daemon has nothing to look for in them, or must not be able to: DESIGN "On disk". */
static const char *const silent_when_unreadable[] = { "tls-ca.key", "vendor.key" };

void
certscan_remark(
	struct certscan *s, enum certdir_weight weight, const char *file, const char *fmt, ...)
{
	struct certdir *d = s->d;
	struct certdir_remark *r;
	char *text;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		abort(); /* out of memory, as in xmalloc */
	va_end(ap);
	d->remarks = xrealloc(d->remarks, (d->remark_count + 1) * sizeof(*d->remarks));
	r = &d->remarks[d->remark_count++];
	r->weight = weight;
	r->file = xstrdup(file);
	r->text = text;
}

void
certscan_expect(struct certscan *s, X509 *c)
{
	/* A certificate is valid up to and including its notAfter. */
	int64_t moments[2] = { cert_not_before(c), cert_not_after(c) + 1 };

	for (size_t i = 0; i < 2; i++)
		if (moments[i] > s->o->now &&
			(s->d->next_change == 0 || moments[i] < s->d->next_change))
			s->d->next_change = moments[i];
}

EVP_PKEY *
certscan_key(const struct certscan_entry *e)
{
	return e && e->file && !e->key_refused ? e->file->key : NULL;
}

struct certscan_entry *
certscan_find(struct certscan *s, const char *name)
{
	for (size_t i = 0; i < s->count; i++)
		if (!s->entries[i].outside && strcmp(s->entries[i].name, name) == 0)
			return &s->entries[i];
	return NULL;
}

struct certscan_entry *
certscan_key_of(struct certscan *s, const unsigned char spki[SHA256_LEN])
{
	struct certscan_entry *refused = NULL;

	for (size_t i = 0; i < s->count; i++) {
		struct certscan_entry *e = &s->entries[i];

		if (!e->file || !e->file->key || memcmp(e->file->key_spki, spki, SHA256_LEN) != 0)
			continue;
		if (!e->key_refused)
			return e;
		refused = e;
	}
	return refused;
}

bool
certscan_has_cert_of(const struct certscan *s, const unsigned char spki[SHA256_LEN])
{
	for (size_t i = 0; i < s->count; i++)
		if (s->entries[i].file && certpair_leaf_of(s->entries[i].file->certs, spki))
			return true;
	return false;
}

static bool
ends_with(const char *name, const char *end)
{
	size_t n = strlen(name), m = strlen(end);

	return n >= m && strcmp(name + n - m, end) == 0;
}

/* Between cordon-csr and a vendor: nothing for the daemon. */
static bool
is_errand(const char *name)
{
	static const char *const names[] = { "signedCSR", "mdmcert.key", "mdmcert.crt" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

/* Hidden files, and what editors and package managers leave beside a file. */
static bool
is_ignored(const char *name)
{
	static const char *const endings[] = { "~", ".swp", ".swx", ".swo", ".bak", ".tmp",
		".rpmnew", ".rpmsave", ".rpmorig" };

	if (name[0] == '.' || strcmp(name, "4913") == 0 || is_errand(name))
		return true;
	if (name[0] == '#' && ends_with(name, "#"))
		return true;
	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++)
		if (ends_with(name, endings[i]))
			return true;
	return strstr(name, ".dpkg-") != NULL || strstr(name, ".ucf-") != NULL;
}

/* The first directory on the way to `path` that we may not pass, in `out`; false when none. */
static bool
blocking_directory(const char *path, char *out, size_t size)
{
	for (const char *p = strchr(path + 1, '/'); p; p = strchr(p + 1, '/')) {
		size_t n = (size_t)(p - path);

		if (n + 1 > size)
			return false;
		memcpy(out, path, n);
		out[n] = '\0';
		if (faccessat(AT_FDCWD, out, X_OK, AT_EACCESS) < 0 && errno == EACCES)
			return true;
	}
	return false;
}

/* Where a link leads, absolute and one hop at a time, as far as we may look. */
static bool
link_target(const char *path, char *out, size_t size)
{
	char hop[PATH_MAX], here[PATH_MAX];
	ssize_t n;

	snprintf(here, sizeof(here), "%s", path);
	for (int i = 0; i < 40; i++) {
		n = readlink(here, hop, sizeof(hop) - 1);
		if (n < 0)
			break;
		hop[n] = '\0';
		if (hop[0] != '/') {
			char *slash = strrchr(here, '/');
			size_t dir = slash ? (size_t)(slash + 1 - here) : 0;

			if (dir + (size_t)n + 1 > sizeof(here))
				return false;
			memcpy(here + dir, hop, (size_t)n + 1);
		} else {
			memcpy(here, hop, (size_t)n + 1);
		}
	}
	snprintf(out, size, "%s", here);
	return strcmp(here, path) != 0;
}

static void
remark_denied(struct certscan *s, const char *name, const char *path)
{
	char target[PATH_MAX], dir[PATH_MAX];
	bool link = link_target(path, target, sizeof(target));
	const char *file = link ? target : path;
	char *is = link ? xasprintf("is a link to %s; ", target) : xstrdup("");

	if (blocking_directory(file, dir, sizeof(dir)))
		certscan_remark(s, CERTDIR_PROBLEM, name,
			"%sthe daemon may not enter the directory %s: let it (chgrp cordon %s; "
			"chmod "
			"g+x %s), or put a copy into %s",
			is, dir, dir, dir, s->o->directory);
	else
		certscan_remark(s, CERTDIR_PROBLEM, name,
			"%sthe daemon may not read it: chgrp cordon %s; chmod 640 %s", is, file,
			file);
	free(is);
}

static bool
may_be_unreadable(const char *name)
{
	for (size_t i = 0; i < sizeof(silent_when_unreadable) / sizeof(char *); i++)
		if (strcmp(name, silent_when_unreadable[i]) == 0)
			return true;
	return false;
}

static void
remark_unreadable(struct certscan *s, const char *name, const char *path, int err)
{
	char target[PATH_MAX];
	struct stat st;

	if (err == -EACCES || err == -EPERM) {
		if (!may_be_unreadable(name))
			remark_denied(s, name, path);
		return;
	}
	/* A link to nowhere matters where a certificate was meant; a file that vanished does not.
	 */
	if (err == -ENOENT && (lstat(path, &st) < 0 || !certfile_name_promises(name)))
		return;
	if (err == -ENOENT && link_target(path, target, sizeof(target)))
		certscan_remark(s, CERTDIR_PROBLEM, name,
			"is a link to %s, which does not exist: mend or remove it", target);
	else if (err == -ELOOP)
		certscan_remark(s, CERTDIR_PROBLEM, name,
			"is a link that leads round in a circle: remove it");
	else if (err != -ENOENT && err != -EINVAL)
		certscan_remark(s, CERTDIR_PROBLEM, name, "cannot be read: %s", strerror(-err));
}

static void
judge_key_mode(struct certscan *s, struct certscan_entry *e, const struct stat *st)
{
	char why[256];

	if (!s->o->check_modes || file_key_check(st, why, sizeof(why)) == 0)
		return;
	e->key_refused = true;
	e->settled = true;
	certscan_remark(s, CERTDIR_PROBLEM, e->name,
		"is refused: %s (chown root:cordon %s; chmod 640 %s)", why, e->path, e->path);
}

/* The root's key may sign for the server's name: not even the daemon's group may read it. */
static void
judge_root_key(struct certscan *s, struct certscan_entry *e)
{
	if (s->o->check_modes && e->file && (e->file->st.st_mode & 077))
		certscan_remark(s, CERTDIR_PROBLEM, e->name,
			"is the key of the TLS root, and others than root may read it: chown "
			"root:root %s; chmod 600 %s",
			e->path, e->path);
	e->settled = true;
}

static struct certscan_entry *
add_entry(struct certscan *s, const char *name, const char *path, bool outside)
{
	struct certscan_entry *e;

	if (s->count == s->cap) {
		s->cap = s->cap ? 2 * s->cap : 32;
		s->entries = xrealloc(s->entries, s->cap * sizeof(*s->entries));
	}
	e = &s->entries[s->count++];
	memset(e, 0, sizeof(*e));
	e->name = xstrdup(name);
	e->path = xstrdup(path);
	e->outside = outside;
	return e;
}

static int
read_entry(struct certscan *s, struct certscan_entry *e)
{
	int err;

	e->file = certfile_get(s->cache, e->path, &err);
	if (!e->file) {
		e->settled = true;
		remark_unreadable(s, e->name, e->path, err);
		return err;
	}
	if (!e->outside && strcmp(e->name, "tls-ca.key") == 0) {
		judge_root_key(s, e);
		return 0;
	}
	if (e->file->fault) {
		e->settled = true;
		certscan_remark(s, CERTDIR_PROBLEM, e->name, "%s", e->file->fault);
	}
	if (e->file->key)
		judge_key_mode(s, e, &e->file->st);
	return 0;
}

/* store.key is no key of a certificate; its reader is the store.  Here: is it kept well? */
static void
judge_store_key(struct certscan *s, struct certscan_entry *e)
{
	struct stat st;

	e->settled = true;
	if (stat(e->path, &st) < 0)
		remark_unreadable(s, e->name, e->path, -errno);
	else if (faccessat(AT_FDCWD, e->path, R_OK, AT_EACCESS) < 0)
		remark_unreadable(s, e->name, e->path, -errno);
	else
		judge_key_mode(s, e, &st);
}

static int
by_name(const void *a, const void *b)
{
	const struct certscan_entry *x = a, *y = b;

	return strcmp(x->name, y->name);
}

static void
list_names(struct certscan *s, DIR *dir)
{
	struct dirent *de;
	char *path;

	while ((de = readdir(dir))) {
		if (is_ignored(de->d_name) || de->d_type == DT_DIR || de->d_type == DT_FIFO ||
			de->d_type == DT_SOCK)
			continue;
		if (s->count == CERTSCAN_ENTRIES_MAX) {
			certscan_remark(s, CERTDIR_PROBLEM, s->o->directory,
				"holds more than %u files, and the others are not looked at: keep "
				"certificates and keys alone in it",
				CERTSCAN_ENTRIES_MAX);
			break;
		}
		path = xasprintf("%s/%s", s->o->directory, de->d_name);
		add_entry(s, de->d_name, path, false);
		free(path);
	}
	if (s->count)
		qsort(s->entries, s->count, sizeof(*s->entries), by_name);
}

static void
judge_directory(struct certscan *s, int fd)
{
	struct stat st;

	if (s->o->check_modes && fstat(fd, &st) == 0 && (st.st_mode & S_IWOTH))
		certscan_remark(s, CERTDIR_PROBLEM, s->o->directory,
			"everybody may put files into this directory: chown root:cordon %s; chmod "
			"750 %s",
			s->o->directory, s->o->directory);
}

static void
remark_no_directory(struct certscan *s, int err)
{
	const char *d = s->o->directory;

	if (err == ENOENT)
		certscan_remark(s, CERTDIR_PROBLEM, d,
			"the certificate directory does not exist: install -d -o root -g cordon -m "
			"750 %s",
			d);
	else if (err == EACCES)
		certscan_remark(s, CERTDIR_PROBLEM, d,
			"the daemon may not read the certificate directory: chown root:cordon %s; "
			"chmod 750 %s",
			d, d);
	else
		certscan_remark(s, CERTDIR_PROBLEM, d,
			"the certificate directory cannot be read: %s", strerror(err));
}

void
certscan_list(struct certscan *s)
{
	DIR *dir = opendir(s->o->directory);

	if (!dir) {
		remark_no_directory(s, errno);
		return;
	}
	judge_directory(s, dirfd(dir));
	list_names(s, dir);
	closedir(dir);
	for (size_t i = 0; i < s->count; i++) {
		if (strcmp(s->entries[i].name, "store.key") == 0)
			judge_store_key(s, &s->entries[i]);
		else
			read_entry(s, &s->entries[i]);
	}
}

static bool
is_file(const struct certscan_entry *e, const struct stat *st)
{
	return e->file && e->file->st.st_dev == st->st_dev && e->file->st.st_ino == st->st_ino;
}

struct certscan_entry *
certscan_at_path(struct certscan *s, const char *path, bool *missing)
{
	struct certscan_entry *e;
	struct stat st;
	size_t n = strlen(s->o->directory);
	bool inside = strncmp(path, s->o->directory, n) == 0 && path[n] == '/' &&
		      !strchr(path + n + 1, '/');

	*missing = stat(path, &st) < 0 && (errno == ENOENT || errno == ENOTDIR);
	if (*missing)
		return NULL;
	/* The name first: of several names of one file the configured one is meant. */
	if (inside) {
		e = certscan_find(s, path + n + 1);
		return e && e->file ? e : NULL;
	}
	for (size_t i = 0; i < s->count; i++)
		if (is_file(&s->entries[i], &st))
			return &s->entries[i];
	e = add_entry(s, path, path, true);
	return read_entry(s, e) == 0 ? e : NULL;
}

void
certscan_fini(struct certscan *s)
{
	for (size_t i = 0; i < s->count; i++) {
		free(s->entries[i].name);
		free(s->entries[i].path);
		certfile_unref(s->entries[i].file);
	}
	free(s->entries);
	s->entries = NULL;
	s->count = s->cap = 0;
}
