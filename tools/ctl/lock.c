/* lock.c - cordonctl lock, unlock: access is refused, or not any more */
#include <stdio.h>
#include <string.h>

#include "ctl/client.h"
#include "ctl/many.h"
#include "ctl/silence.h"
#include "ctl/verbs.h"

struct locking {
	const struct many *many;
	const char *verb; /* also the last part of the path */
};

static void
say(const char *id, bool lock)
{
	if (lock)
		printf("%s: access is locked. The device itself is not: cordonctl send %s "
		       "DeviceLock locks it, EraseDevice erases it.\n",
			id, id);
	else
		printf("%s: unlocked\n", id);
}

static int
lock_one(void *arg, const char *id)
{
	const struct locking *l = arg;
	struct buf path = BUF_INIT;
	json_t *answer = NULL;
	int code;

	buf_add_str(&path, "/v1/enrollments");
	client_add_segment(&path, id);
	client_add_segment(&path, l->verb);
	code = verdict(
		client_request("POST", buf_str(&path), NULL, bytes_str(""), &answer), &answer);
	if (code == EXIT_FINE && verbs_json)
		print_json(answer);
	else if (code == EXIT_FINE && many_tells(l->many))
		say(id, strcmp(l->verb, "lock") == 0);
	json_decref(answer);
	buf_free(&path);
	return code;
}

int
verb_lock(int argc, char **argv)
{
	struct many many = { 0 };
	struct locking locking = { &many, argv[0] };
	int code;

	if (strcmp(argv[0], "lock") == 0 && argc == 2 && strcmp(argv[1], "--silent") == 0)
		return silence_lock_all();
	code = many_parse(&many, argc, argv);
	if (code == EXIT_FINE)
		code = many_each(&many, lock_one, &locking);
	many_free(&many);
	return code;
}
