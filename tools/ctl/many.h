/*
 * many.h - the enrollments that a verb is for: named, or found by a filter; counted by groups,
 * asked about before what cannot be taken back, and worked through with a bar
 */
#ifndef CORDON_CTL_MANY_H
#define CORDON_CTL_MANY_H

#include <jansson.h>

#include "ctl/bulk.h"

struct many {
	struct bulk_filter filter;
	const char *group_by; /* a member of an enrollment's JSON; NULL; not owned */
	bool all, yes;
	json_t *list; /* of objects with "id" */
};

/* For a verb's table of getopt_long, beside BULK_FILTER_OPTIONS. */
#define MANY_OPTIONS                                            \
	BULK_FILTER_OPTIONS, { "all", no_argument, NULL, 'a' }, \
		{ "group-by", required_argument, NULL, 'g' },   \
	{                                                       \
		"yes", no_argument, NULL, 'y'                   \
	}

/* Takes what getopt_long returned when it is one of them. */
bool many_option(struct many *m, int option);
/*
 * Fills the list: the ids, as they were typed, or what --all and its filter find.  One of both is
 * wanted, or the exit status is EXIT_USAGE_FAULT after saying so.
 */
int many_choose(struct many *m, const char *verb, char **ids, int count);
/* A verb's arguments as a whole: options (of MANY_OPTIONS alone), then ids. */
int many_parse(struct many *m, int argc, char **argv);
size_t many_count(const struct many *m);
/* Where the daemon works through a filter itself, and the list is only for --group-by. */
int many_find_groups(struct many *m, const char *verb);
/* With --group-by: how many of each, a line each; once. */
void many_print_groups(struct many *m);
/*
 * Says that what cannot be taken back will happen to so many, and asks on a terminal, unless --yes
 * is given; `what` is "EraseDevice for" or the like.  EXIT_FINE, or EXIT_REFUSED.
 */
int many_consent(struct many *m, const char *what);
/* Does each say what became of it?  Not with a bar. */
bool many_tells(const struct many *m);
/* one(arg, id) for each: its exit status is remembered when it is the worst, and returned.  The
 * groups are printed first. */
int many_each(struct many *m, int (*one)(void *arg, const char *id), void *arg);
void many_free(struct many *m);

/* Takes one option out of the arguments, wherever it stands. */
bool many_take_flag(int *argc, char **argv, const char *flag);

/* A bar on a terminal, which each call draws over the one before; nothing anywhere else. */
void many_bar(size_t done, size_t all);

#endif
