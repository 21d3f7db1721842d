/* bulk.h - one action for all enrollments that a filter finds: asked for, watched, and told of */
#ifndef CORDON_CTL_BULK_H
#define CORDON_CTL_BULK_H

#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>

/* Which enrollments; all zero: all that take commands. */
struct bulk_filter {
	const char *state, *system; /* NULL: any; not owned */
	bool locked, users;
	json_t *ids; /* only these; NULL: any; not owned */
};

/* For a verb's table of getopt_long; their letters are not for other options. */
#define BULK_FILTER_OPTIONS                                                                    \
	{ "state", required_argument, NULL, 's' }, { "system", required_argument, NULL, 'o' }, \
		{ "locked", no_argument, NULL, 'l' },                                          \
	{                                                                                      \
		"users", no_argument, NULL, 'u'                                                \
	}

/* Takes what getopt_long returned when it is one of them; its argument is optarg. */
bool bulk_filter_option(struct bulk_filter *f, int option);
bool bulk_filter_narrows(const struct bulk_filter *f);

/* POSTs it; takes `action`.  The exit status, with the answer in *job (the caller's). */
int bulk_start(const struct bulk_filter *f, json_t *action, json_t **job);
/*
 * Waits until *job is over, with its progress on a terminal, and prints what came of it: "WHAT:
 * queued for 5 of 7", where `done` is "queued", and why the others failed.  The exit status.
 */
int bulk_finish(json_t **job, const char *what, const char *done);

#endif
