/* command_install.c - the profiles of enrollment.install */
#include "mdm/command_install.h"

#include "base/file.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/proplist.h"
#include "base/table.h"
#include "mdm/enqueue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* One file as it was read last; its command is shared by all who enroll until it changes. */
struct install {
	struct stat st;
	struct command command;
	char *fault; /* NULL: usable */
	bool read;
};

static void
install_free(void *value)
{
	struct install *i = value;

	command_free(&i->command);
	free(i->fault);
	free(i);
}

static bool
same_file(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
	       a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec &&
	       a->st_ctim.tv_sec == b->st_ctim.tv_sec && a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

/* The command that installs these bytes, under a UUID of its own. */
static int
make_command(struct bytes profile, struct command *ret, char **why)
{
	const struct command_word word = { "Payload", profile };
	int rc = command_build(NULL, "InstallProfile", &word, 1, ret, why);

	if (rc == 0 && !ret->subject) {
		command_free(ret);
		*why = xstrdup("this is no configuration profile with a PayloadIdentifier, plain "
			       "or signed");
		return -EINVAL;
	}
	if (rc == 0)
		ret->given_uuid = true; /* devices that enroll again may have had it */
	return rc;
}

static void
read_file(struct install *i, const char *path)
{
	struct buf content = BUF_INIT;
	int rc = file_read(path, COMMAND_INSTALL_MAX, &content, &i->st);

	command_free(&i->command);
	free(i->fault);
	i->fault = NULL;
	i->read = rc == 0;
	if (rc < 0)
		i->fault =
			xstrdup(rc == -EFBIG ? "the file is larger than 500 KiB" : strerror(-rc));
	else
		make_command(buf_bytes(&content), &i->command, &i->fault);
	buf_wipe(&content);
}

static struct install *
look(struct mdm *m, const char *path)
{
	struct install *i;
	struct stat st;

	if (!m->installs)
		m->installs = table_new(install_free);
	i = table_get(m->installs, bytes_str(path));
	if (!i) {
		i = xcalloc(1, sizeof(*i));
		table_put(m->installs, bytes_str(path), i);
	}
	if (!i->read || stat(path, &st) < 0 || !same_file(&st, &i->st))
		read_file(i, path);
	return i;
}

static int
queue_one(struct mdm *m, struct install *i, const char *path, const char *id)
{
	struct enqueue_options o = { .actor = "enrollment.install", .by_person = true };
	int fault = 0, rc = mdm_enqueue(m, &id, 1, &i->command, &o, &fault);

	if (rc == 0 && fault == -EEXIST) {
		read_file(i, path); /* a new UUID */
		if (i->fault)
			return 0;
		rc = mdm_enqueue(m, &id, 1, &i->command, &o, &fault);
	}
	if (rc == 0 && fault == -EDQUOT)
		log_warn("%s is not queued for %s: its queue is full", path, id);
	return rc < 0 ? rc : fault == -EDQUOT ? 0 : fault;
}

int
command_install_queue(struct mdm *m, const struct enrollment *e)
{
	const struct conf_strings *files = &m->conf->enrollment.install;
	size_t i;
	int rc = 0;

	for (i = 0; i < files->count && rc == 0; i++) {
		struct install *file = look(m, files->items[i]);

		if (file->fault)
			log_error("enrollment.install: %s is not installed on %s: %s",
				files->items[i], e->id, file->fault);
		else
			rc = queue_one(m, file, files->items[i], e->id);
	}
	return rc;
}

size_t
command_install_faults(
	struct mdm *m, void (*each)(void *arg, const char *path, const char *why), void *arg)
{
	const struct conf_strings *files = &m->conf->enrollment.install;
	size_t i, faulty = 0;

	for (i = 0; i < files->count; i++) {
		struct install *file = look(m, files->items[i]);

		if (!file->fault)
			continue;
		faulty++;
		each(arg, files->items[i], file->fault);
	}
	return faulty;
}
