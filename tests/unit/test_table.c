/* test_table.c - the hash table against what it should hold */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "base/table.h"

#define MANY 20000

static int dropped;

static void
drop(void *value)
{
	dropped++;
	free(value);
}

static struct bytes
key_of(int i)
{
	static char key[32];

	snprintf(key, sizeof(key), "key-%d", i);
	return bytes_str(key);
}

static void *
value_of(int i)
{
	return xmemdup(&i, sizeof(i));
}

static int
add_up(void *arg, struct bytes key, void *value)
{
	long *sum = arg;

	assert_true(bytes_eq(key, key_of(*(int *)value)));
	*sum += *(int *)value;
	return 0;
}

static void
holds_many(void **unused)
{
	struct table *t = table_new(drop);
	long sum = 0;
	int i;

	(void)unused;
	dropped = 0;
	for (i = 0; i < MANY; i++)
		table_put(t, key_of(i), value_of(i));
	assert_int_equal(table_count(t), MANY);
	for (i = 0; i < MANY; i++)
		assert_int_equal(*(int *)table_get(t, key_of(i)), i);
	assert_null(table_get(t, key_of(MANY)));
	assert_int_equal(table_each(t, add_up, &sum), 0);
	assert_true(sum == (long)MANY * (MANY - 1) / 2);
	for (i = 0; i < MANY; i += 2)
		assert_true(table_delete(t, key_of(i)));
	assert_false(table_delete(t, key_of(0)));
	for (i = 0; i < MANY; i++)
		assert_true((table_get(t, key_of(i)) != NULL) == (i % 2 == 1));
	assert_int_equal(dropped, MANY / 2);
	table_free(t);
	assert_int_equal(dropped, MANY);
}

static void
replaces_and_takes(void **unused)
{
	struct table *t = table_new(drop);
	void *taken;

	(void)unused;
	dropped = 0;
	table_put(t, bytes_str(""), value_of(1)); /* an empty key is a key */
	table_put(t, bytes_str(""), value_of(2));
	assert_int_equal(dropped, 1);
	assert_int_equal(table_count(t), 1);
	table_put(t, bytes_of("a\0b", 3), value_of(3));
	assert_null(table_get(t, bytes_str("a")));
	taken = table_take(t, bytes_of("a\0b", 3));
	assert_int_equal(*(int *)taken, 3);
	assert_null(table_take(t, bytes_of("a\0b", 3)));
	assert_int_equal(dropped, 1);
	free(taken);
	table_free(t);
	table_free(NULL);
	assert_int_equal(dropped, 2);
}

struct sweep {
	struct table *t;
	int seen;
};

static int
delete_odd(void *arg, struct bytes key, void *value)
{
	struct sweep *s = arg;

	s->seen++;
	if (*(int *)value % 2)
		assert_true(table_delete(s->t, key));
	return 0;
}

static int
stop_at_seven(void *arg, struct bytes key, void *value)
{
	(void)arg;
	(void)key;
	return *(int *)value == 7 ? 42 : 0;
}

static void
deletes_while_walking(void **unused)
{
	struct sweep s = { table_new(drop), 0 };
	int i;

	(void)unused;
	for (i = 0; i < 1000; i++)
		table_put(s.t, key_of(i), value_of(i));
	assert_int_equal(table_each(s.t, stop_at_seven, NULL), 42);
	assert_int_equal(table_each(s.t, delete_odd, &s), 0);
	assert_int_equal(s.seen, 1000);
	assert_int_equal(table_count(s.t), 500);
	assert_null(table_get(s.t, key_of(7)));
	assert_non_null(table_get(s.t, key_of(8)));
	table_free(s.t);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(holds_many),
		cmocka_unit_test(replaces_and_takes),
		cmocka_unit_test(deletes_while_walking),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
