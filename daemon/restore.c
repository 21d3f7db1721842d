/* restore.c - cordond --restore: a backup into an empty state directory */
#include "restore.h"
#include "storekey.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/mem.h"
#include "conf/conf.h"
#include "store/backup.h"
#include "store/sealed.h"
#include "store/store.h"

static struct stat owner; /* of the state directory: nftw passes nothing on */

static int
give(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	(void)at;
	return lchown(path, owner.st_uid, owner.st_gid);
}

/* root restores for the daemon's user, who owns the directory. */
static int
give_to_owner(const char *state)
{
	if (geteuid() != 0 || stat(state, &owner) < 0 || owner.st_uid == 0)
		return 0;
	return nftw(state, give, 16, FTW_PHYS) < 0 ? -errno : 0;
}

/* How many secrets are in it, and whether the key that is here opens them. */
static void
say_secrets(const struct conf *c)
{
	struct seal *seal = NULL;
	char *path = NULL, *why = NULL;
	int err = store_key_read(c->certificates, &seal, &path);
	struct store_options o = { .directory = c->state, .seal = seal };
	struct sealed_counts n = { 0 };
	struct store *s = NULL;

	if (err < 0 && err != -ENOENT)
		fprintf(stderr, "cordond: %s: %s\n", path, store_key_words(err));
	if (store_open(&o, &s, &why) < 0 || sealed_count(s, &n) < 0)
		fprintf(stderr, "cordond: its secrets cannot be counted: %s\n",
			why ? why : "the store cannot be read");
	else if (n.secrets_shut + n.push_tokens_shut == 0)
		printf("%zu secrets and the push tokens of %zu enrollments are in it%s%s.\n",
			n.secrets, n.push_tokens, seal ? ", and open with " : "", seal ? path : "");
	else
		printf("%zu of %zu secrets and the push tokens of %zu of %zu enrollments do not "
		       "open: %s%s.  They need the store.key of the server that made the backup; "
		       "all else works without it.\n",
			n.secrets_shut, n.secrets, n.push_tokens_shut, n.push_tokens, path,
			seal ? " is another key" : " is missing");
	store_close(s);
	seal_free(seal);
	free(path);
	free(why);
}

static int
restore(const struct conf *c, const char *backup)
{
	char *why = NULL, date[16];
	int64_t made_at = 0;
	int err = file_mkdirs(c->state, 0700);

	if (err == 0)
		err = backup_restore(backup, c->state, &made_at, &why);
	if (err < 0) {
		fprintf(stderr, "cordond: nothing is restored: %s\n", why ? why : strerror(-err));
		free(why);
		return EX_DATAERR;
	}
	printf("%s holds the backup of %s now.\n", c->state,
		clock_date(made_at, date, sizeof(date)));
	say_secrets(c);
	err = give_to_owner(c->state);
	if (err < 0)
		fprintf(stderr, "cordond: %s: its files could not be given to its owner: %s\n",
			c->state, strerror(-err));
	return err < 0 ? EX_OSERR : EX_OK;
}

int
restore_run(const char *conf_file, const char *backup)
{
	struct conf_faults faults = { 0 };
	struct conf *c = conf_load(conf_file, NULL, NULL, &faults);
	int status;

	conf_faults_free(&faults);
	if (!c) {
		fprintf(stderr, "cordond: %s has faults: cordond -t lists them\n", conf_file);
		return EX_CONFIG;
	}
	status = restore(c, backup);
	conf_unref(c);
	return status;
}
