/* conf_place.h - a directory with configuration files, for the tests of daemon/conf */
#ifndef CORDON_TESTS_CONF_PLACE_H
#define CORDON_TESTS_CONF_PLACE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/mem.h"
#include "conf/conf.h"

#define REQUIRED "organization = \"Example\"; server-name = \"mdm.example.com\";\n"

static char place[] = "/tmp/cordon-conf-XXXXXX";

static int
place_make(void **unused)
{
	(void)unused;
	return mkdtemp(place) ? 0 : -1;
}

static int
place_drop(void **unused)
{
	char *command = xasprintf("rm -rf '%s'", place);
	int r = system(command);

	(void)unused;
	free(command);
	return r;
}

/* Between two tests: an empty conf.d and nothing else. */
static int
place_clear(void **unused)
{
	char *command = xasprintf("rm -rf '%s'/* && mkdir '%s/conf.d'", place, place);
	int r = system(command);

	(void)unused;
	free(command);
	return r;
}

/* Turns, so that a result outlives the next few calls. */
static const char *
place_at(const char *name)
{
	static char path[8][300];
	static int turn;

	turn = (turn + 1) % 8;
	snprintf(path[turn], sizeof(path[turn]), "%s/%s", place, name);
	return path[turn];
}

static void
place_bytes(const char *name, struct bytes content)
{
	assert_int_equal(
		file_write_atomic(place_at(name), content, 0644, FILE_KEEP_OWNER, (gid_t)-1), 0);
}

static void
place_file(const char *name, const char *text)
{
	place_bytes(name, bytes_str(text));
}

/* All faults as lines, the directory's name left out. */
static char *
place_lines(const struct conf_faults *faults)
{
	struct buf one = BUF_INIT, all = BUF_INIT;
	size_t i, len = strlen(place) + 1;
	const char *line, *inside;

	for (i = 0; i < faults->count; i++) {
		buf_reset(&one);
		conf_fault_format(&faults->items[i], &one);
		line = buf_str(&one);
		while ((inside = strstr(line, place))) {
			buf_add(&all, line, (size_t)(inside - line));
			line = inside + len;
		}
		buf_printf(&all, "%s\n", line);
	}
	buf_free(&one);
	return buf_steal_str(&all);
}

#endif
