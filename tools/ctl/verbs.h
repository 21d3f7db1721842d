/* verbs.h - the verbs of cordonctl: one table, one function each */
#ifndef CORDON_CTL_VERBS_H
#define CORDON_CTL_VERBS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct verb {
	const char *name;
	const char *arguments; /* for --help */
	const char *text;
	int (*run)(int argc, char **argv); /* argv[0] is the verb; the exit status */
};

/* sysexits(3), and those of our own */
enum {
	EXIT_FINE = 0,
	EXIT_ATTENTION = 1,
	EXIT_NO_DAEMON = 2,
	EXIT_USAGE_FAULT = 64,
	EXIT_REFUSED = 65,
	EXIT_NO_INPUT = 66
};

extern bool verbs_json; /* --json; cordonctl.c sets it once */

int verb_status(int argc, char **argv);
int verb_steps(int argc, char **argv);
int verb_reload(int argc, char **argv);
int verb_devices(int argc, char **argv);
int verb_show(int argc, char **argv);
int verb_lock(int argc, char **argv);
int verb_pause(int argc, char **argv);
int verb_refresh(int argc, char **argv);
int verb_access(int argc, char **argv);
int verb_enroll_link(int argc, char **argv);
int verb_links(int argc, char **argv);
int verb_renew(int argc, char **argv);
int verb_send(int argc, char **argv);
int verb_push(int argc, char **argv);
int verb_queue(int argc, char **argv);
int verb_results(int argc, char **argv);
int verb_cancel(int argc, char **argv);
int verb_secrets(int argc, char **argv);
int verb_remove(int argc, char **argv);
int verb_release(int argc, char **argv);
int verb_forget(int argc, char **argv);
int verb_accept_topic(int argc, char **argv);
int verb_accept_server_name(int argc, char **argv);
int verb_backup(int argc, char **argv);
int verb_watch(int argc, char **argv);
int verb_export(int argc, char **argv);
int verb_import(int argc, char **argv);
int verb_adopt(int argc, char **argv);
int verb_check(int argc, char **argv);

/* Shared by the verbs. */
void print_json(const json_t *j);
/* The text of a string member; "" when it is missing or null. */
const char *member(const json_t *object, const char *name);
int64_t member_int(const json_t *object, const char *name);
bool member_true(const json_t *object, const char *name);
/*
 * Judges an answer: a status below 300 is EXIT_FINE.  Else prints the daemon's "error" to stderr
 * and gives the exit status.  By its place, because it is written while the status is asked for.
 */
int verdict(int status, json_t **answer);
/* "2026-11-24T06:01:44Z" as "3 hours ago"; "-" for "". Uses a static buffer. */
const char *ago(const char *iso);

#endif
