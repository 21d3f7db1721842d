/* test_watch.c - every way in which people and programs change files is noticed */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "net/loop.h"
#include "net/watch.h"

#define QUIET 30
#define LIMIT 200
#define NEVER 600000
#define PATIENCE 1500 /* for what must come */
#define SILENCE 150   /* for what must not */

struct scene {
	struct loop *l;
	struct watch *w;
	struct loop_timer *timeout, *writer;
	char dir[64];
	unsigned looks, writes;
	const char *paths[4];
	size_t count;
};

static struct scene scene;

/* A path in the scene's directory; four may be in use at once. */
static const char *
in(const char *name)
{
	static char room[4][PATH_MAX];
	static unsigned next;
	char *out = room[next++ % 4];

	snprintf(out, PATH_MAX, "%s/%s", scene.dir, name);
	return out;
}

static void
look(void *arg)
{
	struct scene *s = arg;

	s->looks++;
	loop_stop(s->l);
}

static void
time_out(void *arg)
{
	struct scene *s = arg;

	loop_stop(s->l);
}

static void
put(const char *path, const char *text)
{
	int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void
swap_link(const char *target, const char *path)
{
	const char *temporary = in("link.tmp");

	assert_int_equal(symlink(target, temporary), 0);
	assert_int_equal(rename(temporary, path), 0);
}

/* How often it looked within ms; comes back at the first look. */
static unsigned
looks_within(int ms)
{
	unsigned before = scene.looks;

	loop_timer_set(scene.timeout, ms);
	assert_int_equal(loop_run(scene.l), 0);
	loop_timer_stop(scene.timeout);
	return scene.looks - before;
}

static void
set_paths(const char *a, const char *b)
{
	const char *paths[] = { a, b };

	watch_set(scene.w, paths, b ? 2 : 1);
}

#define assert_looks() assert_int_equal(looks_within(PATIENCE), 1)
#define assert_silent() assert_int_equal(looks_within(SILENCE), 0)

static int
set_up(void **state)
{
	(void)state;
	memset(&scene, 0, sizeof(scene));
	strcpy(scene.dir, "/tmp/test_watch.XXXXXX");
	if (!mkdtemp(scene.dir))
		return -1;
	scene.l = loop_new();
	scene.w = watch_new(scene.l, look, &scene);
	watch_set_times(scene.w, QUIET, LIMIT, NEVER);
	scene.timeout = loop_timer_new(scene.l, time_out, &scene);
	return 0;
}

static int
tear_down(void **state)
{
	char command[128];

	(void)state;
	watch_free(scene.w);
	loop_timer_free(scene.timeout);
	loop_timer_free(scene.writer);
	loop_free(scene.l);
	snprintf(command, sizeof(command), "rm -rf '%s'", scene.dir);
	return system(command) == 0 ? 0 : -1;
}

static void
directory_sees_all_that_happens_in_it(void **state)
{
	int fd;

	(void)state;
	assert_int_equal(mkdir(in("certs"), 0700), 0);
	set_paths(in("certs"), NULL);
	assert_false(watch_degraded(scene.w));
	assert_silent();
	put(in("certs/a"), "one");
	assert_looks();
	put(in("certs/a"), "two");
	assert_looks();
	put(in("b"), "three");
	assert_int_equal(rename(in("b"), in("certs/a")), 0);
	assert_looks();
	assert_int_equal(link(in("certs/a"), in("certs/c")), 0);
	assert_looks();
	assert_int_equal(chmod(in("certs/c"), 0640), 0);
	assert_looks();
	assert_int_equal(unlink(in("certs/c")), 0);
	assert_looks();
	assert_int_equal(rename(in("certs/a"), in("a")), 0);
	assert_looks();
	put(in("certs/a"), "x");
	assert_looks();
	/* Reading is no change: our own scan must not lead to the next one. */
	fd = open(in("certs/a"), O_RDONLY | O_CLOEXEC);
	close(fd);
	assert_silent();
}

static void
file_is_watched_by_its_name(void **state)
{
	(void)state;
	put(in("cordond.conf"), "a");
	set_paths(in("cordond.conf"), NULL);
	put(in("cordond.conf"), "b");
	assert_looks();
	put(in("neighbour"), "not ours");
	assert_silent();
	put(in("new"), "c");
	assert_silent();
	assert_int_equal(rename(in("new"), in("cordond.conf")), 0);
	assert_looks();
	put(in("cordond.conf"), "d"); /* the inode is another one now */
	assert_looks();
	assert_int_equal(unlink(in("cordond.conf")), 0);
	assert_looks();
	put(in("cordond.conf"), "e");
	assert_looks();
}

static void
what_is_not_there_yet_is_waited_for(void **state)
{
	(void)state;
	set_paths(in("etc/conf.d"), NULL);
	assert_silent();
	assert_int_equal(mkdir(in("etc"), 0700), 0);
	assert_looks();
	assert_int_equal(mkdir(in("etc/conf.d"), 0700), 0);
	assert_looks();
	put(in("etc/conf.d/50-x.conf"), "x");
	assert_looks();
}

/* certbot: certs/server.crt -> live/x.pem -> archive/x1.pem, and the second hop is swapped. */
static void
every_hop_of_a_link_is_watched(void **state)
{
	(void)state;
	assert_int_equal(mkdir(in("certs"), 0700), 0);
	assert_int_equal(mkdir(in("live"), 0700), 0);
	assert_int_equal(mkdir(in("archive"), 0700), 0);
	put(in("archive/x1.pem"), "one");
	put(in("archive/x2.pem"), "two");
	assert_int_equal(symlink("../archive/x1.pem", in("live/x.pem")), 0);
	assert_int_equal(symlink(in("live/x.pem"), in("certs/server.crt")), 0);
	set_paths(in("certs"), NULL);
	assert_silent();
	put(in("archive/x2.pem"), "not in use yet");
	assert_silent();
	swap_link("../archive/x2.pem", in("live/x.pem"));
	assert_looks();
	put(in("archive/x2.pem"), "in use now");
	assert_looks();
	put(in("archive/x1.pem"), "no longer in use");
	assert_silent();
}

/* Kubernetes: files -> ..data/file, ..data -> a directory by date that is swapped as a whole. */
static void
linked_directories_are_watched(void **state)
{
	(void)state;
	assert_int_equal(mkdir(in("volume"), 0700), 0);
	assert_int_equal(mkdir(in("volume/..1"), 0700), 0);
	assert_int_equal(mkdir(in("volume/..2"), 0700), 0);
	put(in("volume/..1/server.crt"), "one");
	put(in("volume/..2/server.crt"), "two");
	assert_int_equal(symlink("..1", in("volume/..data")), 0);
	assert_int_equal(symlink("..data/server.crt", in("volume/server.crt")), 0);
	set_paths(in("volume/server.crt"), NULL);
	swap_link("..2", in("volume/..data"));
	assert_looks();
	put(in("volume/..2/server.crt"), "three");
	assert_looks();
	put(in("volume/..1/server.crt"), "old");
	assert_silent();
}

static void
replaced_directory_is_followed_by_its_path(void **state)
{
	(void)state;
	assert_int_equal(mkdir(in("certs"), 0700), 0);
	assert_int_equal(mkdir(in("certs.new"), 0700), 0);
	set_paths(in("certs"), NULL);
	assert_int_equal(rename(in("certs"), in("certs.old")), 0);
	assert_int_equal(rename(in("certs.new"), in("certs")), 0);
	assert_looks();
	put(in("certs/a"), "one");
	assert_looks();
	put(in("certs.old/a"), "gone from our sight");
	assert_silent();
	unlink(in("certs/a"));
	assert_looks();
	assert_int_equal(rmdir(in("certs")), 0);
	assert_looks();
	assert_int_equal(mkdir(in("certs"), 0700), 0);
	assert_looks();
	put(in("certs/a"), "two");
	assert_looks();
}

static void
parent_that_moves_is_noticed(void **state)
{
	(void)state;
	assert_int_equal(mkdir(in("etc"), 0700), 0);
	assert_int_equal(mkdir(in("etc/certs"), 0700), 0);
	set_paths(in("etc/certs"), NULL);
	assert_int_equal(rename(in("etc"), in("etc.old")), 0);
	assert_looks();
	put(in("etc.old/certs/a"), "one");
	assert_silent();
	assert_int_equal(rename(in("etc.old"), in("etc")), 0);
	assert_looks();
	put(in("etc/certs/a"), "two");
	assert_looks();
}

static void
links_in_a_circle_end(void **state)
{
	(void)state;
	assert_int_equal(symlink("b", in("a")), 0);
	assert_int_equal(symlink("a", in("b")), 0);
	set_paths(in("a"), in("b/c"));
	assert_silent();
	unlink(in("b"));
	put(in("b"), "an end");
	assert_looks();
}

static void
write_again(void *arg)
{
	struct scene *s = arg;

	s->writes++;
	put(in("f"), "again");
	loop_timer_set(s->writer, QUIET / 3);
}

/* A writer that never rests puts a look off to LIMIT and no further. */
static void
quiet_time_has_a_limit(void **state)
{
	int64_t begin = clock_mono_ms();

	(void)state;
	put(in("f"), "x");
	set_paths(in("f"), NULL);
	scene.writer = loop_timer_new(scene.l, write_again, &scene);
	write_again(&scene);
	assert_looks();
	assert_in_range(clock_mono_ms() - begin, LIMIT - 20, LIMIT + 1000);
	assert_true(scene.writes > 3);
}

static void
several_changes_are_one_look(void **state)
{
	int i;

	(void)state;
	set_paths(in(""), NULL);
	for (i = 0; i < 50; i++)
		put(in(i % 2 ? "a" : "b"), "x");
	assert_looks();
	assert_silent();
}

static void
overflow_is_a_change(void **state)
{
	int i;

	(void)state;
	assert_int_equal(mkdir(in("d"), 0700), 0);
	set_paths(in("d/ours"), NULL);
	/* More events than the queue holds, none of which would matter by itself. */
	for (i = 0; i < 20000; i++) {
		put(in("d/f"), "");
		unlink(in("d/f"));
	}
	assert_looks();
	assert_silent();
	put(in("d/ours"), "still alive");
	assert_looks();
}

static void
poke_and_rescan(void **state)
{
	(void)state;
	set_paths(in("x"), NULL);
	watch_poke(scene.w);
	watch_poke(scene.w);
	assert_looks();
	assert_silent();
	watch_set_times(scene.w, QUIET, LIMIT, 50);
	assert_looks();
	assert_looks();
}

static unsigned warned;

static void
count_warnings(const struct log_record *r)
{
	warned += r->level <= 4;
}

/* No descriptor for inotify: the rescan goes on alone, and inotify is tried again at each. */
static void
lives_on_without_inotify(void **state)
{
	struct rlimit before, none;
	struct watch *w;

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	none = before;
	none.rlim_cur = 3;
	warned = 0;
	log_set_sink(count_warnings);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	w = watch_new(scene.l, look, &scene);
	assert_true(watch_degraded(w));
	assert_int_equal(warned, 1);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	log_set_sink(NULL);
	watch_set_times(w, QUIET, LIMIT, 50);
	assert_looks();
	assert_false(watch_degraded(w));
	watch_free(w);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
	const struct CMUnitTest tests[] = {
		T(directory_sees_all_that_happens_in_it),
		T(file_is_watched_by_its_name),
		T(what_is_not_there_yet_is_waited_for),
		T(every_hop_of_a_link_is_watched),
		T(linked_directories_are_watched),
		T(replaced_directory_is_followed_by_its_path),
		T(parent_that_moves_is_noticed),
		T(links_in_a_circle_end),
		T(quiet_time_has_a_limit),
		T(several_changes_are_one_look),
		T(overflow_is_a_change),
		T(poke_and_rescan),
		T(lives_on_without_inotify),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
