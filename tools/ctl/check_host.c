/* check_host.c - what the daemon needs of its own machine: certificates, directories, room */
#include <errno.h>
#include <grp.h>
#include <inttypes.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/clock.h"
#include "ctl/check.h"
#include "pki/certdir.h"

#define ROOM_MIN (INT64_C(256) << 20) /* bytes: a checkpoint writes the database once more */
#define WATCHES_MIN 1024
#define INSTANCES_MIN 64

static void
say_pair(struct check *c, const char *what, const struct certpair *p, const char *missing)
{
	char date[24];

	if (p && p->chain)
		check_say(c, "certificates", CHECK_GOOD, "%s: %s, valid until %s (%lld days)", what,
			p->cert_file, clock_date(p->not_after, date, sizeof(date)),
			(long long)((p->not_after - clock_wall()) / 86400));
	else
		check_say(c, "certificates", CHECK_FAULT, "there is no %s: %s", what, missing);
}

void
check_certificates(struct check *c)
{
	char *host = conf_server_host(c->conf);
	struct certdir_options o = { .directory = c->conf->certificates,
		.tls_certificate = c->conf->tls.certificate,
		.tls_key = c->conf->tls.key,
		.server_host = host,
		.now = clock_wall(),
		.check_modes = true };
	struct certdir *d = certdir_scan(&o, NULL);

	say_pair(c, "TLS certificate", &d->tls,
		"put server.crt and server.key there, or cordon-ssc tls NAME");
	say_pair(c, "SSC", &d->ssc, "cordon-ssc new");
	say_pair(c, "push certificate", certdir_push_main(d, o.now, NULL, NULL), "cordon-csr");
	for (size_t i = 0; i < d->remark_count; i++)
		if (d->remarks[i].weight == CERTDIR_PROBLEM)
			check_say(c, "certificates", CHECK_FAULT, "%s: %s", d->remarks[i].file,
				d->remarks[i].text);
	certdir_unref(d);
	free(host);
}

static uid_t
daemon_uid(void)
{
	const struct passwd *user = getpwnam("cordon");

	return user ? user->pw_uid : (uid_t)-1;
}

static void
check_certs_directory(struct check *c)
{
	const char *path = c->conf->certificates;
	const struct group *group = getgrnam("cordon");
	struct stat st;

	if (stat(path, &st) < 0)
		check_say(c, "directories", CHECK_FAULT,
			"%s: %s: install -d -o root -g cordon -m 750 %s", path, strerror(errno),
			path);
	else if (st.st_mode & 07)
		check_say(c, "directories", CHECK_FAULT,
			"%s is open to everybody (mode %03o): chmod 750 %s", path,
			st.st_mode & 0777, path);
	else if (group && st.st_gid != group->gr_gid)
		check_say(c, "directories", CHECK_FAULT,
			"the group of %s is not cordon, so the daemon cannot read it: chgrp cordon "
			"%s",
			path, path);
	else
		check_say(c, "directories", CHECK_GOOD, "%s is well kept (mode %03o)", path,
			st.st_mode & 0777);
}

static void
check_state_directory(struct check *c)
{
	const char *path = c->conf->state;
	uid_t uid = daemon_uid();
	struct stat st;

	if (stat(path, &st) < 0 && errno == ENOENT)
		check_say(c, "directories", CHECK_NOTE, "%s is made by the daemon's first start",
			path);
	else if (stat(path, &st) < 0)
		check_say(c, "directories", CHECK_FAULT, "%s: %s", path, strerror(errno));
	else if (st.st_mode & 077)
		check_say(c, "directories", CHECK_FAULT,
			"%s is open to others than the daemon (mode %03o): chmod 700 %s", path,
			st.st_mode & 0777, path);
	else if (uid != (uid_t)-1 && st.st_uid != uid)
		check_say(c, "directories", CHECK_FAULT,
			"%s does not belong to the user cordon, so the daemon cannot write it: "
			"chown -R cordon:cordon %s",
			path, path);
	else
		check_say(c, "directories", CHECK_GOOD, "%s is well kept (mode %03o)", path,
			st.st_mode & 0777);
}

void
check_directories(struct check *c)
{
	check_certs_directory(c);
	check_state_directory(c);
}

static void
check_room(struct check *c)
{
	const char *path = c->conf->state;
	struct statvfs fs;
	int64_t room;

	if (statvfs(path, &fs) < 0)
		return; /* spoken of above */
	room = (int64_t)fs.f_bavail * (int64_t)fs.f_frsize;
	if (room < ROOM_MIN)
		check_say(c, "disk", CHECK_FAULT,
			"only %" PRId64 " MiB are free for %s: make room, or changes will be "
			"refused",
			room >> 20, path);
	else
		check_say(
			c, "disk", CHECK_GOOD, "%" PRId64 " MiB are free for %s", room >> 20, path);
	if (fs.f_files && fs.f_favail < 1000)
		check_say(c, "disk", CHECK_FAULT, "only %ju inodes are free for %s: remove files",
			(uintmax_t)fs.f_favail, path);
}

static void
check_limit(struct check *c, const char *name, long least)
{
	char path[96];
	long have = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/sys/fs/inotify/%s", name);
	f = fopen(path, "re");
	if (f) {
		if (fscanf(f, "%ld", &have) != 1)
			have = -1;
		fclose(f);
	}
	if (have < 0)
		check_say(c, "inotify", CHECK_NOTE, "%s cannot be read", path);
	else if (have < least)
		check_say(c, "inotify", CHECK_FAULT,
			"fs.inotify.%s is %ld: changes of files may be noticed late; sysctl -w "
			"fs.inotify.%s=%ld",
			name, have, name, least);
	else
		check_say(c, "inotify", CHECK_GOOD, "fs.inotify.%s is %ld", name, have);
}

void
check_resources(struct check *c)
{
	check_room(c);
	check_limit(c, "max_user_watches", WATCHES_MIN);
	check_limit(c, "max_user_instances", INSTANCES_MIN);
}
