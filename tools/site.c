/* site.c - the place a tool works on: configuration, certificate directory, owner of new files */
#include "site.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/file.h"
#include "base/mem.h"

#define KEEP_GROUP ((gid_t)-1)

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

/*
 * Without a configuration, or with a faulty one, a tool can still work when it is told where: the
 * first SSC is often made before there is a configuration.
 */
static int
load_conf(struct site *s, const struct tool_options *o)
{
	struct conf_faults faults = { 0 };
	struct stat st;

	if (stat(o->config, &st) < 0 && errno == ENOENT) {
		if (o->config_given)
			return tool_fail(EX_NOINPUT,
				"%s: the configuration does not exist: name another with --config, "
				"or "
				"leave it out and give --certs DIR",
				o->config);
		return EX_OK;
	}
	s->conf = conf_load(o->config, NULL, NULL, &faults);
	if (!s->conf)
		print_faults(&faults);
	conf_faults_free(&faults);
	if (s->conf)
		return EX_OK;
	if (!o->certs)
		return tool_fail(EX_CONFIG,
			"%s is faulty: mend it, or go on without it by giving --certs DIR",
			o->config);
	tool_warn("%s is faulty and is not used", o->config);
	return EX_OK;
}

static int
parse_id(const char *text, unsigned *ret)
{
	char *end;
	unsigned long n;

	errno = 0;
	n = strtoul(text, &end, 10);
	/* The highest value means "leave as it is" to chown. */
	if (errno || end == text || *end || text[0] == '-' || n >= (unsigned)-1)
		return -EINVAL;
	*ret = (unsigned)n;
	return 0;
}

static int
find_owner(struct site *s, const struct tool_options *o)
{
	const struct passwd *pw;
	const struct group *gr;
	const char *group = o->group ? o->group : "cordon";
	bool root = geteuid() == 0;

	s->uid = root ? 0 : FILE_KEEP_OWNER;
	s->gid = KEEP_GROUP;
	s->root_gid = root ? 0 : KEEP_GROUP;
	if (o->owner && parse_id(o->owner, &s->uid) < 0) {
		pw = getpwnam(o->owner);
		if (!pw)
			return tool_fail(EX_NOUSER, "--owner %s: there is no such user", o->owner);
		s->uid = pw->pw_uid;
	}
	if (!o->group && !root)
		return EX_OK;
	if (o->group && parse_id(o->group, &s->gid) == 0)
		return EX_OK;
	gr = getgrnam(group);
	if (gr)
		s->gid = gr->gr_gid;
	else if (o->group)
		return tool_fail(EX_NOUSER, "--group %s: there is no such group", o->group);
	s->no_group = !gr;
	return EX_OK;
}

static int
find_directory(struct site *s, const struct tool_options *o)
{
	struct stat st;
	const char *dir = o->certs  ? o->certs
			  : s->conf ? s->conf->certificates
				    : CORDON_SYSCONFDIR "/cordon/certs";

	s->certs = xstrdup(dir);
	if (stat(dir, &st) < 0)
		return tool_fail(errno == ENOENT ? EX_NOINPUT : EX_NOPERM,
			errno == ENOENT
				? "%s: the certificate directory does not exist: install -d -o "
				  "root -g cordon -m 750 %s"
				: "%s: the certificate directory cannot be entered: run as root "
				  "(it is %s)",
			dir, dir);
	if (!S_ISDIR(st.st_mode))
		return tool_fail(EX_NOINPUT, "%s: is no directory: name another with --certs", dir);
	return EX_OK;
}

static void
find_tls(struct site *s, const struct tool_options *o)
{
	bool configured = s->conf && !o->certs;

	s->tls_certificate = configured && s->conf->tls.certificate
				     ? xstrdup(s->conf->tls.certificate)
				     : site_path(s, "server.crt");
	s->tls_key = configured && s->conf->tls.key ? xstrdup(s->conf->tls.key)
						    : site_path(s, "server.key");
}

int
site_open(struct site *s, const struct tool_options *o)
{
	int r;

	memset(s, 0, sizeof(*s));
	r = load_conf(s, o);
	if (r == EX_OK)
		r = find_owner(s, o);
	if (r == EX_OK)
		r = find_directory(s, o);
	if (r == EX_OK)
		find_tls(s, o);
	else
		site_close(s);
	return r;
}

void
site_close(struct site *s)
{
	conf_unref(s->conf);
	free(s->certs);
	free(s->tls_certificate);
	free(s->tls_key);
	memset(s, 0, sizeof(*s));
}

struct certdir *
site_scan(const struct site *s, bool check_modes)
{
	char *host = s->conf ? conf_server_host(s->conf) : NULL;
	struct certdir_options o = { .directory = s->certs,
		.tls_certificate = s->tls_certificate,
		.tls_key = s->tls_key,
		.server_host = host,
		.now = clock_wall(),
		.check_modes = check_modes };
	struct certdir *d = certdir_scan(&o, NULL);

	free(host);
	return d;
}

char *
site_path(const struct site *s, const char *name)
{
	size_t n = strlen(s->certs);

	while (n > 1 && s->certs[n - 1] == '/')
		n--;
	return xasprintf("%.*s/%s", (int)n, s->certs, name);
}

bool
site_has(const struct site *s, const char *name)
{
	char *path = site_path(s, name);
	struct stat st;
	bool ret = lstat(path, &st) == 0;

	free(path);
	return ret;
}

static char *
first_of(const char *flag, const char *configured, const char *otherwise)
{
	const char *s = flag ? flag : configured ? configured : otherwise;

	return s && *s ? xstrdup(s) : NULL;
}

void
site_subject(const struct site *s, const struct tool_options *o, struct subject *ret)
{
	static const struct conf none;
	const struct conf *c = s->conf ? s->conf : &none;
	const struct subject *f = &o->subject;

	ret->country = first_of(f->country, c->subject.country, NULL);
	ret->state = first_of(f->state, c->subject.state, NULL);
	ret->locality = first_of(f->locality, c->subject.locality, NULL);
	ret->organization = first_of(f->organization, c->subject.organization, c->organization);
	ret->unit = first_of(f->unit, c->subject.unit, NULL);
	ret->common_name = first_of(f->common_name, c->subject.common_name, NULL);
	ret->email = first_of(f->email, c->subject.email, NULL);
}

static int
say_not_written(const char *path, int err)
{
	switch (err) {
	case -EEXIST:
		return tool_fail(EX_CANTCREAT, "%s: exists, and is not overwritten", path);
	case -EACCES:
	case -EPERM:
		return tool_fail(EX_NOPERM,
			"%s: cannot be written: %s; run as root, or give --owner and --group that "
			"you may set",
			path, strerror(-err));
	case -ENOSPC:
	case -EDQUOT:
		return tool_fail(EX_IOERR,
			"%s: cannot be written: %s. Everything is as it was: make room and try "
			"again",
			path, strerror(-err));
	default:
		return tool_fail(EX_IOERR, "%s: cannot be written: %s", path, strerror(-err));
	}
}

/* A hidden name in the directory, which no scan looks at. */
static char *
staging_path(const struct site *s, const char *name)
{
	unsigned char raw[6];
	struct buf path = BUF_INIT;

	random_bytes(raw, sizeof(raw));
	buf_printf(&path, "%s/.cordon-", s->certs);
	encode_hex(&path, bytes_of(raw, sizeof(raw)));
	buf_printf(&path, "-%s", name);
	return buf_steal_str(&path);
}

static int
stage(const struct site *s, const struct site_file *f, char **staged)
{
	static const mode_t modes[] = {
		[SITE_CERTIFICATE] = 0644, [SITE_KEY] = 0640, [SITE_ROOT_KEY] = 0600
	};
	gid_t gid = f->kind == SITE_ROOT_KEY ? s->root_gid : s->gid;
	char *path = site_path(s, f->name);
	int r = EX_OK, err;

	if (!f->replace && site_has(s, f->name))
		r = say_not_written(path, -EEXIST);
	if (r == EX_OK) {
		*staged = staging_path(s, f->name);
		err = file_create_new(*staged, f->content, modes[f->kind], s->uid, gid);
		if (err < 0)
			r = say_not_written(path, err);
	}
	free(path);
	return r;
}

static int
put_in_place(const struct site *s, const struct site_file *f, const char *staged)
{
	char *path = site_path(s, f->name);
	int r = EX_OK;

	if (f->replace ? rename(staged, path) < 0 : link(staged, path) < 0)
		r = say_not_written(path, -errno);
	free(path);
	return r;
}

int
site_write(const struct site *s, const struct site_file *files, size_t count)
{
	char **staged = xcalloc(count, sizeof(*staged));
	size_t done = 0;
	int r = EX_OK;

	for (size_t i = 0; i < count && r == EX_OK; i++)
		r = stage(s, &files[i], &staged[i]);
	while (done < count && r == EX_OK) {
		r = put_in_place(s, &files[done], staged[done]);
		if (r == EX_OK)
			done++;
	}
	/* What replaced another file cannot be taken back; what is new can. */
	for (size_t i = 0; i < done && r != EX_OK; i++)
		if (!files[i].replace)
			site_remove(s, files[i].name);
	for (size_t i = 0; i < count; i++) {
		if (staged[i])
			unlink(staged[i]);
		free(staged[i]);
	}
	free(staged);
	file_fsync_dir(s->certs);
	return r;
}

void
site_warn_group(const struct site *s)
{
	if (s->no_group)
		tool_warn("there is no group cordon, so only root may read the new keys: make the "
			  "group, then chgrp cordon %s/*.key (not tls-ca.key)",
			s->certs);
}

int
site_remove(const struct site *s, const char *name)
{
	char *path = site_path(s, name);
	int r = EX_OK;

	if (unlink(path) < 0 && errno != ENOENT)
		r = tool_fail(errno == EACCES || errno == EPERM ? EX_NOPERM : EX_IOERR,
			"%s: cannot be removed: %s", path, strerror(errno));
	free(path);
	return r;
}

int
site_read(const char *path, size_t max, struct buf *out, struct stat *st)
{
	int r = file_read(path, max, out, st);

	switch (r) {
	case 0:
		return EX_OK;
	case -EACCES:
		return tool_fail(
			EX_NOPERM, "%s: cannot be read: %s; run as root", path, strerror(EACCES));
	case -EINVAL:
		return tool_fail(EX_NOINPUT, "%s: is no ordinary file", path);
	case -EFBIG:
		return tool_fail(EX_DATAERR, "%s: is longer than %zu bytes, which no such file is",
			path, max);
	default:
		return tool_fail(EX_NOINPUT, "%s: cannot be read: %s", path, strerror(-r));
	}
}
