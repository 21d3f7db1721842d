/* test_result.c - answers of devices: bounded, never twice, the latest of each kind once */
#include "store_bed.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "store/result.h"

static int
setup(void **state)
{
	*state = bed_new();
	bed_open(*state);
	return 0;
}

static int
teardown(void **state)
{
	bed_free(*state);
	return 0;
}

static int
add(struct bed *b, const char *uuid, struct bytes body, unsigned keep)
{
	char name[64], type[] = "DeviceInformation", status[] = "Acknowledged";
	struct result r = { .uuid = name, .type = type, .status = status, .at = 5 };

	snprintf(name, sizeof(name), "%s", uuid);
	return result_add(b->store, "D1", &r, body, keep);
}

static void
expect_body(struct bed *b, const char *uuid, struct bytes want)
{
	struct buf got = BUF_INIT;
	int r = result_body(b->store, "D1", uuid, 1 << 20, &got);

	assert_int_equal(r, want.data ? 0 : -ENOENT);
	assert_true(!want.data || bytes_eq(buf_bytes(&got), want));
	buf_free(&got);
}

static void
results_round_trip(void **state)
{
	struct bed *b = *state;
	char uuid[] = "u1", type[] = "InstallProfile", status[] = "Error", actor[] = "root";
	char *error = calloc(1, 1000);
	struct result r = { .uuid = uuid,
		.type = type,
		.status = status,
		.error = error,
		.actor = actor,
		.at = 11,
		.queued_at = 12,
		.generation = 3 };
	struct result_list l;

	assert_int_equal(result_list_load(b->store, "D1", &l), 0);
	assert_int_equal(l.count, 0);
	result_list_free(&l);
	for (int i = 0; i < 400; i++)
		strcat(error, "\xc3\xbc");
	assert_int_equal(result_add(b->store, "D1", &r, bytes_str("<plist/>"), 20), 0);
	assert_int_equal(result_add(b->store, "D1", &r, bytes_str("again"), 20), -EEXIST);
	assert_int_equal(add(b, "u2", bytes_of(NULL, 0), 20), 0);
	bed_commit(b);
	assert_int_equal(result_list_load(b->store, "D1", &l), 0);
	assert_int_equal(l.count, 2);
	assert_string_equal(l.items[0].uuid, "u1");
	assert_string_equal(l.items[0].type, "InstallProfile");
	assert_string_equal(l.items[0].status, "Error");
	assert_int_equal(strlen(l.items[0].error), 512); /* shortened, at a character */
	assert_string_equal(l.items[0].actor, "root");
	assert_int_equal(l.items[0].at, 11);
	assert_int_equal(l.items[0].queued_at, 12);
	assert_int_equal(l.items[0].generation, 3);
	assert_true(l.items[0].has_body);
	assert_false(l.items[1].has_body);
	assert_null(l.items[1].error);
	result_list_free(&l);
	expect_body(b, "u1", bytes_str("<plist/>"));
	expect_body(b, "u2", bytes_of(NULL, 0));
	free(error);
}

/* An answer of this many bytes, each time the same. */
static struct buf
answer(size_t len, int seed)
{
	struct buf out = BUF_INIT;

	for (int i = 0; out.len < len; i++)
		buf_printf(&out, "%d:%d ", seed, i * 31);
	out.len = len;
	return out;
}

static void
the_oldest_are_forgotten_with_their_files(void **state)
{
	struct bed *b = *state;
	struct result_list l;
	char uuid[16];

	for (int i = 0; i < 30; i++) {
		struct buf body = answer(i % 2 ? RESULT_INLINE : RESULT_INLINE + 1, i);

		snprintf(uuid, sizeof(uuid), "u%d", i);
		assert_int_equal(add(b, uuid, buf_bytes(&body), 4), 0);
		bed_commit(b);
		expect_body(b, uuid, buf_bytes(&body));
		buf_free(&body);
	}
	assert_int_equal(result_list_load(b->store, "D1", &l), 0);
	assert_int_equal(l.count, 4);
	assert_string_equal(l.items[0].uuid, "u26");
	assert_string_equal(l.items[3].uuid, "u29");
	result_list_free(&l);
	expect_body(b, "u25", bytes_of(NULL, 0));
	assert_int_equal(bed_count(b, "R"), 4);
	assert_int_equal(bed_count(b, "F"), 2);
}

static void
the_latest_of_each_kind_is_kept_once(void **state)
{
	struct bed *b = *state;
	struct buf big = answer(100000, 1), other = answer(100000, 2), got = BUF_INIT;
	int64_t at = 0;

	assert_int_equal(
		result_latest_get(b->store, "D1", "SecurityInfo", 1 << 20, &at, &got), -ENOENT);
	assert_int_equal(
		result_latest_put(b->store, "D1", "SecurityInfo", 7, bytes_str("small")), 0);
	for (int i = 0; i < 3; i++) { /* the same again keeps its file */
		assert_int_equal(result_latest_put(b->store, "D1", "InstalledApplicationList",
					 100 + i, buf_bytes(&big)),
			0);
		bed_commit(b);
		buf_reset(&got);
		assert_int_equal(result_latest_get(b->store, "D1", "InstalledApplicationList",
					 1 << 20, &at, &got),
			0);
		assert_int_equal(at, 100 + i);
		assert_true(bytes_eq(buf_bytes(&got), buf_bytes(&big)));
		assert_int_equal(bed_count(b, "F"), 1);
	}
	assert_int_equal(add(b, "u1", buf_bytes(&big), 20), 0); /* one file, two records */
	assert_int_equal(bed_count(b, "F"), 1);
	assert_int_equal(result_latest_put(b->store, "D1", "InstalledApplicationList", 200,
				 buf_bytes(&other)),
		0);
	bed_commit(b);
	expect_body(b, "u1", buf_bytes(&big));
	assert_int_equal(
		result_latest_get(b->store, "D1", "InstalledApplicationList", 10, &at, &got),
		-EFBIG);
	assert_int_equal(result_forget(b->store, "D1"), 0);
	bed_commit(b);
	assert_int_equal(bed_count(b, ""), 0);
	buf_free(&big);
	buf_free(&other);
	buf_free(&got);
}

static void
damaged_lists_are_begun_anew(void **state)
{
	struct bed *b = *state;
	struct bytes key = bytes_str("rD1");
	struct buf value = BUF_INIT;
	struct result_list l;

	assert_int_equal(add(b, "u1", bytes_str("x"), 20), 0);
	assert_int_equal(result_latest_put(b->store, "D1", "K", 1, bytes_str("x")), 0);
	assert_int_equal(store_get(b->store, key, &value), 0);
	for (size_t i = 0; i < value.len; i++) {
		assert_int_equal(store_put(b->store, key, bytes_of(value.data, i)), 0);
		result_list_load(b->store, "D1", &l);
		result_list_free(&l);
		value.data[i] ^= 0x66;
		assert_int_equal(store_put(b->store, key, buf_bytes(&value)), 0);
		result_list_load(b->store, "D1", &l);
		result_list_free(&l);
		value.data[i] ^= 0x66;
	}
	assert_int_equal(store_put(b->store, key, bytes_of("\1\1", 2)), 0);
	assert_int_equal(result_list_load(b->store, "D1", &l), -EBADMSG);
	assert_int_equal(l.count, 0);
	assert_int_equal(add(b, "u2", bytes_str("y"), 20), 0);
	expect_body(b, "u2", bytes_str("y"));
	buf_free(&value);
}

static void
a_result_that_cannot_be_kept_changes_nothing(void **state)
{
	struct bed *b = *state;
	struct buf big = answer(50000, 3);

	bed_steps_reset(BED_FAIL, 1, ENOSPC); /* the file's fsync */
	assert_int_equal(add(b, "u1", buf_bytes(&big), 20), -ENOSPC);
	bed_steps_reset(BED_NONE, 0, 0);
	assert_false(store_pending(b->store));
	assert_int_equal(add(b, "u1", buf_bytes(&big), 20), 0);
	bed_log_broken(EIO);
	assert_int_equal(store_commit(b->store), -EIO);
	bed_log_broken(0);
	expect_body(b, "u1", bytes_of(NULL, 0));
	store_tick(b->store, 1000);
	assert_int_equal(add(b, "u1", buf_bytes(&big), 20), 0); /* the device sends it again */
	bed_commit(b);
	expect_body(b, "u1", buf_bytes(&big));
	buf_free(&big);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(results_round_trip),
		TEST(the_oldest_are_forgotten_with_their_files),
		TEST(the_latest_of_each_kind_is_kept_once),
		TEST(damaged_lists_are_begun_anew),
		TEST(a_result_that_cannot_be_kept_changes_nothing),
	};

	return cmocka_run_group_tests_name("result", tests, NULL, NULL);
}
