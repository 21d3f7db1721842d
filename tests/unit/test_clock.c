/* test_clock.c - whether the wall clock may be believed */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <sys/timex.h>

#include "base/clock.h"

/* The machine's time-keeping, as the two that are asked tell it (linked with --wrap). */
static struct {
	int refused; /* errno of adjtimex; 0: it answers */
	int state;
	long maxerror;
	int timesyncd, answered; /* its directory, its file */
} machine;

int __wrap_adjtimex(struct timex *t);
int __wrap_access(const char *path, int mode);

int
__wrap_adjtimex(struct timex *t)
{
	/* nothing may be set */
	assert_int_equal(t->modes, 0);
	if (machine.refused) {
		errno = machine.refused;
		return -1;
	}
	t->maxerror = machine.maxerror;
	t->status = machine.state == TIME_ERROR ? STA_UNSYNC : 0;
	return machine.state;
}

int
__wrap_access(const char *path, int mode)
{
	int there = strcmp(path, "/run/systemd/timesync/synchronized") == 0 ? machine.answered
		    : strcmp(path, "/run/systemd/timesync") == 0	    ? machine.timesyncd
									    : -1;

	(void)mode;
	assert_int_not_equal(there, -1);
	errno = ENOENT;
	return there ? 0 : -1;
}

static void
the_kernel_is_believed(void **state)
{
	(void)state;
	machine.refused = 0;
	machine.state = TIME_OK;
	machine.maxerror = 250000;
	assert_true(clock_synchronised());
	/* a time server was heard; the flag only keeps the kernel from the hardware clock */
	machine.state = TIME_ERROR;
	assert_true(clock_synchronised());
	/* never heard, or not for hours: the kernel lets the error grow to its end */
	machine.maxerror = 16000000;
	assert_false(clock_synchronised());
	/* whatever a file from an earlier hour says */
	machine.timesyncd = machine.answered = 1;
	assert_false(clock_synchronised());
}

static void
in_a_sandbox_timesyncd_is(void **state)
{
	(void)state;
	machine.refused = EPERM;
	machine.timesyncd = 1;
	machine.answered = 0;
	assert_false(clock_synchronised());
	machine.answered = 1;
	assert_true(clock_synchronised());
	/* nobody to ask: another program may keep the clock */
	machine.timesyncd = machine.answered = 0;
	assert_true(clock_synchronised());
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_kernel_is_believed),
		cmocka_unit_test(in_a_sandbox_timesyncd_is),
	};

	return cmocka_run_group_tests_name("clock", tests, NULL, NULL);
}
