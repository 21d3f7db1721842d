/* test_journal.c - records as datagrams of the native protocol: fields, newlines, a reader that
 * does not read */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "admin/journal.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"

static char directory[] = "/tmp/cordon-journal-XXXXXX";
static char path[64];

static int
bind_reader(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	unlink(path);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	return fd;
}

static size_t
receive(int fd, char *out, size_t size)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	ssize_t n;

	assert_int_equal(poll(&p, 1, 10000), 1);
	n = recv(fd, out, size - 1, 0);
	assert_true(n > 0);
	out[n] = 0;
	return (size_t)n;
}

static void
fields_arrive(void **state)
{
	int fd = bind_reader();
	char got[4096];

	(void)state;
	assert_int_equal(journal_start(path), 0);
	log_event(EV_DEVICE_ENROLLED,
		FIELDS(F_ENROLLMENT("UDID-1"), F_STATE("Enrolled"), { "CORDON_NONE", NULL }),
		"device %s is enrolled", "UDID-1");
	receive(fd, got, sizeof(got));
	assert_non_null(strstr(got, "MESSAGE_ID="));
	assert_non_null(strstr(got, event_id(EV_DEVICE_ENROLLED)));
	assert_non_null(strstr(got, "CORDON_LOG=surveillance\n"));
	assert_non_null(strstr(got, "CORDON_ENROLLMENT=UDID-1\n"));
	assert_non_null(strstr(got, "CORDON_STATE=Enrolled\n"));
	assert_non_null(strstr(got, "MESSAGE=device UDID-1 is enrolled\n"));
	assert_non_null(strstr(got, "PRIORITY=5\n"));
	assert_null(strstr(got, "CORDON_NONE"));
	log_info("plain");
	receive(fd, got, sizeof(got));
	assert_null(strstr(got, "MESSAGE_ID"));
	assert_null(strstr(got, "CORDON_LOG"));
	journal_stop();
	close(fd);
}

static void
controls_forge_no_field(void **state)
{
	int fd = bind_reader();
	char got[4096];

	(void)state;
	assert_int_equal(journal_start(path), 0);
	log_event(EV_DEVICE_REFUSED, FIELDS(F_ENROLLMENT("a\nPRIORITY=0")), "name \"%s\"",
		"x\nCORDON_ACTOR=root");
	receive(fd, got, sizeof(got));
	assert_null(strstr(got, "\nPRIORITY=0"));
	assert_null(strstr(got, "\nCORDON_ACTOR=root"));
	journal_stop();
	close(fd);
}

/* Nobody reads: the caller is not held up, what does not fit is counted, and stopping ends. */
static void
a_dead_reader_blocks_nobody(void **state)
{
	int fd = bind_reader();
	int64_t began = clock_mono_ms();
	uint64_t before;

	(void)state;
	assert_int_equal(journal_start(path), 0);
	before = journal_dropped();
	for (int i = 0; i < JOURNAL_QUEUE_MAX + 2000; i++)
		log_info("line %d", i);
	assert_true(journal_dropped() > before);
	assert_true(clock_mono_ms() - began < 5000);
	close(fd);
	journal_stop();
}

static int
set_up(void **state)
{
	(void)state;
	if (!mkdtemp(directory))
		return -1;
	snprintf(path, sizeof(path), "%s/socket", directory);
	return 0;
}

static int
tear_down(void **state)
{
	(void)state;
	unlink(path);
	return rmdir(directory);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_arrive),
		cmocka_unit_test(controls_forge_no_field),
		cmocka_unit_test(a_dead_reader_blocks_nobody),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
