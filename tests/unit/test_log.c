/* test_log.c - records: levels, cleaning, fields, stderr forms, budgets */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"

static int count, last_level;
static enum event last_event;
static char message[200], fields[200];

static void
keep(const struct log_record *record)
{
	const struct log_field *f;
	size_t at = 0;

	count++;
	last_level = record->level;
	last_event = record->event;
	snprintf(message, sizeof(message), "%s", record->message);
	fields[0] = '\0';
	for (f = record->fields; f && f->name; f++)
		at += (size_t)snprintf(
			fields + at, sizeof(fields) - at, "%s=%s;", f->name, f->value);
	errno = EIO; /* a sink may do anything */
}

static int
listen_in(void **unused)
{
	(void)unused;
	count = 0;
	log_set_sink(keep);
	log_set_level(6);
	return 0;
}

static int
listen_no_more(void **unused)
{
	(void)unused;
	log_set_sink(NULL);
	return 0;
}

static void
carries_level_and_errno(void **unused)
{
	(void)unused;
	errno = ENOENT;
	log_warn("file %d", 3);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(last_level, 4);
	assert_int_equal(last_event, EV_NONE);
	assert_string_equal(message, "file 3");
	log_error("e");
	assert_int_equal(last_level, 3);
	log_info("i");
	assert_int_equal(count, 3);
	log_debug("unheard");
	assert_int_equal(count, 3);
	log_set_level(7);
	log_debug("heard");
	assert_int_equal(count, 4);
}

static void
cleans_what_comes_from_outside(void **unused)
{
	const char *name = "evil\n<0>fake\x1b[2J\xff";

	(void)unused;
	log_event(EV_DEVICE_ENROLLED,
		FIELDS(F_ENROLLMENT(name), F_TOPIC(NULL), F_STATE("Enrolled")), "device %s", name);
	assert_int_equal(last_event, EV_DEVICE_ENROLLED);
	assert_int_equal(last_level, event_level(EV_DEVICE_ENROLLED));
	assert_string_equal(message, "device evil\\x0a<0>fake\\x1b[2J\xef\xbf\xbd");
	assert_string_equal(fields,
		"CORDON_ENROLLMENT=evil\\x0a<0>fake\\x1b[2J\xef\xbf\xbd;CORDON_STATE=Enrolled;");
	log_event(EV_STARTED, NO_FIELDS, "up");
	assert_string_equal(fields, "");
}

/* What a plain line on stderr looks like; `stream` as systemd would announce it. */
static void
assert_on_stderr(const char *wanted, bool from_systemd)
{
	char path[] = "/tmp/cordon-log-XXXXXX", got[200] = "", stream[64];
	int file = mkstemp(path), old = dup(STDERR_FILENO);
	struct stat st;

	fstat(file, &st);
	snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev,
		(unsigned long long)st.st_ino + (from_systemd ? 0 : 1));
	setenv("JOURNAL_STREAM", stream, 1);
	dup2(file, STDERR_FILENO);
	log_set_sink(NULL);
	log_warn("a line");
	dup2(old, STDERR_FILENO);
	unsetenv("JOURNAL_STREAM");
	assert_true(pread(file, got, sizeof(got) - 1, 0) > 0);
	close(file);
	close(old);
	unlink(path);
	assert_string_equal(got, wanted);
}

static void
speaks_to_systemd_and_to_people(void **unused)
{
	(void)unused;
	assert_on_stderr("<4>a line\n", true);
	assert_on_stderr("cordond: a line\n", false);
	log_set_name("cordon-csr");
	assert_on_stderr("cordon-csr: a line\n", false);
	log_set_name("cordond");
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int from_threads;

static void
count_only(const struct log_record *record)
{
	pthread_mutex_lock(&lock);
	from_threads += strcmp(record->message, "hello") == 0;
	pthread_mutex_unlock(&lock);
}

static void *
chat(void *unused)
{
	int i;

	(void)unused;
	for (i = 0; i < 500; i++)
		log_event(EV_STARTED, FIELDS(F_FILE("x")), "hello");
	return NULL;
}

static void
any_thread_may_speak(void **unused)
{
	pthread_t threads[4];
	size_t i;

	(void)unused;
	log_set_sink(count_only);
	for (i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, chat, NULL), 0);
	for (i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(from_threads, 2000);
}

static void
budgets_refill(void **unused)
{
	struct log_budget b = { .burst = 3, .every_s = 10 };
	unsigned swallowed = 99;
	int i;

	(void)unused;
	for (i = 0; i < 3; i++)
		assert_true(log_allowed(&b, 5000, &swallowed));
	assert_int_equal(swallowed, 0);
	assert_false(log_allowed(&b, 5000, NULL));
	assert_false(log_allowed(&b, 14999, NULL));
	assert_true(log_allowed(&b, 15000, &swallowed));
	assert_int_equal(swallowed, 2);
	assert_false(log_allowed(&b, 15001, NULL));
	for (i = 0; i < 3; i++) /* a long silence earns a burst, not more */
		assert_true(log_allowed(&b, 10000000, NULL));
	assert_false(log_allowed(&b, 10000000, NULL));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(carries_level_and_errno, listen_in, listen_no_more),
		cmocka_unit_test_setup_teardown(
			cleans_what_comes_from_outside, listen_in, listen_no_more),
		cmocka_unit_test_setup_teardown(
			speaks_to_systemd_and_to_people, listen_in, listen_no_more),
		cmocka_unit_test_setup_teardown(any_thread_may_speak, listen_in, listen_no_more),
		cmocka_unit_test(budgets_refill),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
