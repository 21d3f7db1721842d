/*
 * load.c - the files of a configuration, in order, each parsed by itself and laid over the others
 *
 * libconfig knows no layers: a setting that comes twice in one parse is an error
 * (facts/library-traps.md 3.3), so values are taken from each file's own parse.
 */
#include <dirent.h>
#include <errno.h>
#include <libconfig.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/mem.h"
#include "conf/check.h"
#include "conf/fault.h"
#include "conf/keys.h"
#include "conf/scan.h"

#define FILE_BYTES_MAX (1U << 20)
#define FILES_MAX 1000
#define DROP_INS "conf.d"

struct files {
	char **paths; /* [0] is the main file */
	size_t count;
	const char *as, *candidate; /* NULL, or what is read in the place of a path */
	bool as_found;
};

struct loader {
	struct conf *c;
	struct origin *origins;
	struct conf_faults *faults;
	bool whole; /* every file was parsed: what is missing is missing */
};

static char *
directory_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return xstrdup(".");
	return slash == path ? xstrdup("/") : xstrndup(path, (size_t)(slash - path));
}

static const char *
base_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* Whether two paths name one place, of which the last part need not exist. */
static bool
same_place(const char *a, const char *b)
{
	char *dir_a, *dir_b, *real_a, *real_b;
	bool same;

	if (strcmp(a, b) == 0)
		return true;
	if (strcmp(base_of(a), base_of(b)) != 0)
		return false;
	dir_a = directory_of(a);
	dir_b = directory_of(b);
	real_a = realpath(dir_a, NULL);
	real_b = realpath(dir_b, NULL);
	same = real_a && real_b && strcmp(real_a, real_b) == 0;
	free(dir_a);
	free(dir_b);
	free(real_a);
	free(real_b);
	return same;
}

/* What editors and package managers leave beside a file ends otherwise or starts with a dot. */
static bool
is_drop_in(const char *name)
{
	size_t len = strlen(name);

	return name[0] != '.' && name[0] != '#' && len > 5 && strcmp(name + len - 5, ".conf") == 0;
}

static int
by_name(const void *a, const void *b)
{
	return strcmp(base_of(*(char *const *)a), base_of(*(char *const *)b));
}

static void
add_path(struct files *f, char *path)
{
	f->paths = xrealloc(f->paths, (f->count + 1) * sizeof(char *));
	f->paths[f->count++] = path;
	if (f->as && same_place(path, f->as))
		f->as_found = true;
}

static void
list_drop_ins(struct files *f, const char *dir, struct conf_faults *faults)
{
	DIR *d = opendir(dir);
	struct dirent *entry;

	if (!d) {
		if (errno != ENOENT)
			fault_add(faults, dir, 0, NULL, "cannot be listed: %s", strerror(errno));
		return;
	}
	while (f->count <= FILES_MAX && (entry = readdir(d)))
		if (is_drop_in(entry->d_name))
			add_path(f, xasprintf("%s/%s", dir, entry->d_name));
	closedir(d);
	if (f->count > FILES_MAX)
		fault_add(faults, dir, 0, NULL, "holds more than %d files", FILES_MAX);
}

/* A candidate for a place that is free so far. */
static void
add_new_place(struct files *f, const char *dir, struct conf_faults *faults)
{
	char *path = xasprintf("%s/%s", dir, base_of(f->as));

	if (is_drop_in(base_of(f->as)) && same_place(path, f->as)) {
		add_path(f, path);
		return;
	}
	fault_add(faults, f->as, 0, NULL, "nothing is read from there: files are %s and %s/*.conf",
		f->paths[0], dir);
	free(path);
}

static void
list_files(struct files *f, const char *main_file, struct conf_faults *faults)
{
	char *parent = directory_of(main_file), *dir = xasprintf("%s/" DROP_INS, parent);

	add_path(f, xstrdup(main_file));
	list_drop_ins(f, dir, faults);
	if (f->as && !f->as_found)
		add_new_place(f, dir, faults);
	qsort(f->paths + 1, f->count - 1, sizeof(char *), by_name);
	free(dir);
	free(parent);
}

static void
free_files(struct files *f)
{
	while (f->count > 0)
		free(f->paths[--f->count]);
	free(f->paths);
}

static void
explain_unreadable(const char *path, int r, struct conf_faults *faults)
{
	if (r == -ENOENT)
		fault_add(faults, path, 0, NULL,
			"there is no such file: copy the sample there and set organization and "
			"server-name");
	else if (r == -EACCES)
		fault_add(faults, path, 0, NULL,
			"cannot be read: %s; make it readable for group cordon (mode 0640)",
			strerror(-r));
	else if (r == -EINVAL)
		fault_add(faults, path, 0, NULL, "is no regular file");
	else if (r == -EFBIG)
		fault_add(faults, path, 0, NULL, "is larger than %u KiB", FILE_BYTES_MAX / 1024);
	else
		fault_add(faults, path, 0, NULL, "cannot be read: %s", strerror(-r));
}

/* False after a fault; a drop-in that has just gone is an empty text. */
static bool
read_text(const char *path, bool may_be_gone, struct buf *text, struct conf_faults *faults)
{
	struct stat st;
	int r = file_read(path, FILE_BYTES_MAX, text, NULL);

	if (r == -ENOENT && may_be_gone && lstat(path, &st) < 0 && errno == ENOENT)
		return true;
	if (r == -ENOENT && may_be_gone)
		fault_add(faults, path, 0, NULL, "is a symbolic link that leads nowhere");
	else if (r < 0)
		explain_unreadable(path, r, faults);
	return r == 0 && scan_text(path, buf_bytes(text), faults);
}

static void
explain_syntax(const char *path, const config_t *parsed, struct conf_faults *faults)
{
	const char *text = config_error_text(parsed);
	unsigned line = (unsigned)config_error_line(parsed);

	if (text && strcmp(text, "duplicate setting name") == 0)
		fault_add(faults, path, line, NULL, "a key is set a second time in this file");
	else if (text && strcmp(text, "mismatched element type in array") == 0)
		fault_add(faults, path, line, NULL, "the elements of [ ] must all be of one type");
	else
		fault_add(faults, path, line, NULL, "%s here or on the line before",
			text ? text : "syntax error");
}

/* False when the file could not be parsed, so that nothing is known of what it sets. */
static bool
load_file(struct loader *l, const char *path, bool may_be_gone)
{
	struct reader r = { path, l->faults };
	struct buf text = BUF_INIT;
	config_t parsed;
	bool fine;

	config_init(&parsed);
	fine = read_text(path, may_be_gone, &text, l->faults);
	if (fine && config_read_string(&parsed, buf_str(&text)) != CONFIG_TRUE) {
		explain_syntax(path, &parsed, l->faults);
		fine = false;
	}
	if (fine)
		keys_read(&r, &keys_all, config_root_setting(&parsed), "", l->c, l->origins);
	config_destroy(&parsed);
	buf_free(&text);
	return fine;
}

static bool
is_set(const struct loader *l, const char *name)
{
	size_t i;

	for (i = 0; i < keys_all.count; i++)
		if (strcmp(keys_all.rows[i].info.name, name) == 0)
			return l->origins[i].file != NULL;
	return false;
}

/* The TLS pair follows the certificate directory unless it is named itself. */
static void
follow_certificates(struct loader *l)
{
	struct conf *c = l->c;

	if (!is_set(l, "tls.certificate")) {
		free(c->tls.certificate);
		c->tls.certificate = xasprintf("%s/server.crt", c->certificates);
	}
	if (!is_set(l, "tls.key")) {
		free(c->tls.key);
		c->tls.key = xasprintf("%s/server.key", c->certificates);
	}
}

/* Whether a name may be changed is judged elsewhere, with more than the files. */
static void
note_server_name(struct loader *l)
{
	for (size_t i = 0; i < keys_all.count; i++) {
		if (strcmp(keys_all.rows[i].info.name, "server-name") != 0 || !l->origins[i].file)
			continue;
		l->c->server_name_file = xstrdup(l->origins[i].file);
		l->c->server_name_line = l->origins[i].line;
	}
}

struct conf *
conf_load(const char *file, const char *as, const char *candidate, struct conf_faults *faults)
{
	struct files f = { .as = candidate ? as : NULL, .candidate = candidate };
	struct loader l = { xcalloc(1, sizeof(struct conf)),
		xcalloc(keys_all.count, sizeof(struct origin)), faults, true };
	size_t before = faults->count, i;
	struct conf *c = l.c;
	bool in_place, fatal = false;
	const char *path;

	c->refs = 1;
	c->file = xstrdup(file);
	keys_defaults(&keys_all, c);
	list_files(&f, file, faults);
	for (i = 0; i < f.count; i++) {
		in_place = !f.as || !same_place(f.paths[i], f.as);
		path = in_place ? f.paths[i] : candidate;
		if (!load_file(&l, path, i > 0 && in_place))
			l.whole = false;
	}
	follow_certificates(&l);
	if (l.whole)
		check_required(l.origins, f.paths[0], faults);
	check_conf(c, l.origins, f.paths[0], faults);
	for (i = before; i < faults->count; i++)
		fatal = fatal || !faults->items[i].warning;
	note_server_name(&l);
	free(l.origins);
	free_files(&f);
	if (!fatal)
		return c;
	conf_unref(c);
	return NULL;
}
