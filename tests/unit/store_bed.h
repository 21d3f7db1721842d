/*
 * store_bed.h - what the store's tests share: a directory, a model, and system calls that fail or
 * kill at the N-th step
 *
 * The Makefile wraps the calls by which the store touches the disk (-Wl,--wrap), GDBM's among them:
 * each is a step.
 */
#ifndef CORDON_TESTS_STORE_BED_H
#define CORDON_TESTS_STORE_BED_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/table.h"
#include "store/store.h"

struct bed {
	char dir[64];
	struct seal *seal;
	struct store_options options;
	struct store *store;
	/* what the callbacks told */
	int pending_calls, health_calls, last_health;
	char last_words[512];
	size_t changes_told;
	int waits_ok, waits_failed;
};

struct bed *bed_new(void);
void bed_free(struct bed *b);	 /* closes, removes the directory */
void bed_open(struct bed *b);	 /* must succeed */
int bed_try_open(struct bed *b); /* last_words get the reason */
void bed_close(struct bed *b);	 /* the polite way: with its last checkpoint */
char *bed_path(const struct bed *b, const char *name); /* caller frees */

void bed_put(struct bed *b, const char *key, const char *value); /* must succeed */
void bed_delete(struct bed *b, const char *key);
void bed_commit(struct bed *b);
/* The value (NULL: absent) must be this one. */
void bed_expect(struct bed *b, const char *key, const char *value);
size_t bed_count(struct bed *b, const char *prefix);
void bed_waiter(void *arg, int err); /* arg: the bed */

/* Runs play(arg) in a child; its exit status, or -signal. */
int bed_child(void (*play)(void *arg), void *arg);
void bed_remove_tree(const char *dir);
void bed_copy_tree(const char *from, const char *to);
void bed_write_file(const char *path, const void *data, size_t len); /* no sync */

/* Steps since bed_steps_reset. */
enum bed_fault { BED_NONE, BED_FAIL, BED_EXIT };
#define BED_EXIT_STATUS 77
void bed_steps_reset(enum bed_fault fault, unsigned long at, int err);
unsigned long bed_steps(void);
/* From now on every write and sync of the log fails with this errno; 0: works again. */
void bed_log_broken(int err);

#endif
