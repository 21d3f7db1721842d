/* main.c - options of cordond */
#include <getopt.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "config.h"

#include "base/log.h"
#include "base/mem.h"
#include "check.h"
#include "daemon.h"
#include "restore.h"

static void
help(FILE *to)
{
	fputs("Usage: cordond [-c FILE] [-t [--as PLACE CANDIDATE]] [--restore FILE] [-V]\n"
	      "\n"
	      "  -c, --config FILE     configuration; default " CORDON_SYSCONFDIR
	      "/cordon/cordond.conf\n"
	      "  -t, --test            check configuration and certificate directory, print every "
	      "fault, exit 0 or 1\n"
	      "      --as PLACE FILE   with -t: judge FILE as if it were PLACE (a drop-in or the "
	      "main file)\n"
	      "      --restore FILE    put a backup into the empty state directory and exit\n"
	      "  -V, --version\n"
	      "  -h, --help\n",
		to);
}

int
main(int argc, char **argv)
{
	static const struct option options[] = { { "config", required_argument, NULL, 'c' },
		{ "test", no_argument, NULL, 't' }, { "as", required_argument, NULL, 'a' },
		{ "restore", required_argument, NULL, 'r' }, { "version", no_argument, NULL, 'V' },
		{ "help", no_argument, NULL, 'h' }, { 0 } };
	const char *conf = CORDON_SYSCONFDIR "/cordon/cordond.conf", *as = NULL, *backup = NULL;
	bool test = false;
	int c;

	/* Each thread's own arena would keep a megabyte or two of what its largest job needed. */
	mallopt(M_ARENA_MAX, 1);
	log_set_name("cordond");
	while ((c = getopt_long(argc, argv, "c:tVh", options, NULL)) != -1) {
		switch (c) {
		case 'c':
			conf = optarg;
			break;
		case 't':
			test = true;
			break;
		case 'a':
			as = optarg;
			break;
		case 'r':
			backup = optarg;
			break;
		case 'V':
			puts("cordond " PACKAGE_VERSION);
			return EX_OK;
		case 'h':
			help(stdout);
			return EX_OK;
		default:
			return EX_USAGE;
		}
	}
	if ((as && (!test || optind + 1 != argc)) || (!as && optind != argc)) {
		help(stderr);
		return EX_USAGE;
	}
	if (backup)
		return restore_run(conf, backup);
	return test ? check_run(conf, as, as ? argv[optind] : NULL) : daemon_run(conf);
}
