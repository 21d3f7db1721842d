/* restore.c - cordond --restore: a backup into an empty state directory */
#include "restore.h"

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
#include "store/meta.h"
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

/* What Apple says of tokens from before is not believed for a while (mdm/push.c). */
static int
note_restored(const char *state, char **why)
{
	struct store_options o = { .directory = state };
	struct store *s = NULL;
	int err = store_open(&o, &s, why);

	if (err == 0)
		err = meta_put_int(s, "restored-at", clock_wall());
	if (err == 0)
		err = store_commit(s);
	store_close(s);
	return err;
}

static int
restore(const struct conf *c, const char *backup)
{
	char *why = NULL, date[16];
	int64_t made_at = 0;
	int err = file_mkdirs(c->state, 0700);

	if (err == 0)
		err = backup_restore(backup, c->state, &made_at, &why);
	if (err == 0)
		err = note_restored(c->state, &why);
	if (err == 0)
		err = give_to_owner(c->state);
	if (err < 0)
		fprintf(stderr, "cordond: nothing is restored: %s\n", why ? why : strerror(-err));
	else
		printf("%s holds the backup of %s now.  Secrets in it open with the store.key of "
		       "that server only: put it into %s.\n",
			c->state, clock_date(made_at, date, sizeof(date)), c->certificates);
	free(why);
	return err < 0 ? EX_DATAERR : EX_OK;
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
