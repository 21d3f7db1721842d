/* test_record.c - the encoding of values: round trips, and nothing that a damaged one can do */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "store/batch.h"
#include "store/fields.h"
#include "store/record.h"

static void
integers_round_trip(void **state)
{
	static const int64_t values[] = { 1, 127, 128, 255, 256, 65535, 65536, 1790000000,
		INT64_MAX, -1, -256, INT64_MIN };
	struct buf out = BUF_INIT;
	struct record_reader r;
	struct bytes field;
	uint8_t tag;

	(void)state;
	record_begin(&out, 3);
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		record_add_int(&out, (uint8_t)(i + 1), values[i]);
	record_add_int(&out, 99, 0); /* left out */
	assert_int_equal(record_open(&r, buf_bytes(&out)), 0);
	assert_int_equal(r.version, 3);
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		assert_true(record_next(&r, &tag, &field));
		assert_int_equal(tag, i + 1);
		assert_true(record_int(field) == values[i]);
		assert_true(field.data[0] != 0); /* no leading zeros */
	}
	assert_false(record_next(&r, &tag, &field));
	assert_false(r.damaged);
	assert_int_equal(record_int(bytes_of("123456789", 9)), 0);
	buf_free(&out);
}

static void
lengths_take_one_byte_more_each_seven_bits(void **state)
{
	static const size_t lengths[] = { 1, 127, 128, 16383, 16384, 300000 };
	static unsigned char data[300000];
	struct record_reader r;
	struct bytes field;
	uint8_t tag;

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct buf out = BUF_INIT;

		record_begin(&out, 1);
		record_add(&out, 7, bytes_of(data, lengths[i]));
		assert_int_equal(out.len, 2 + (i + 2) / 2 + lengths[i]);
		assert_int_equal(record_open(&r, buf_bytes(&out)), 0);
		assert_true(record_next(&r, &tag, &field));
		assert_int_equal(field.len, lengths[i]);
		assert_false(record_next(&r, &tag, &field));
		buf_free(&out);
	}
}

static void
damage_is_seen(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} cases[] = {
		{ "\1\0\1x", 4 },			/* tag 0 */
		{ "\1\5", 2 },				/* no length */
		{ "\1\5\2x", 4 },			/* longer than what is there */
		{ "\1\5\x80", 3 },			/* length cut off */
		{ "\1\5\xff\xff\xff\xff\xff\x01x", 8 }, /* length beyond 32 bits */
		{ "\1\5\x80\x80\x80\x80\x10x", 8 },	/* 2^32 */
	};
	struct record_reader r;
	struct bytes field;
	uint8_t tag;

	(void)state;
	assert_int_equal(record_open(&r, bytes_of("", 0)), -EBADMSG);
	assert_false(record_next(&r, &tag, &field));
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(record_open(&r, bytes_of(cases[i].bytes, cases[i].len)), 0);
		assert_false(record_next(&r, &tag, &field));
		assert_true(r.damaged);
	}
}

static void
keys_are_letter_and_parts(void **state)
{
	struct buf b = BUF_INIT;

	(void)state;
	assert_true(bytes_eq_str(record_key(&b, 'e', "UDID-1", NULL), "eUDID-1"));
	assert_true(bytes_eq_str(record_key(&b, 'R', "UDID-1", "uuid"), "RUDID-1\x1fuuid"));
	assert_true(bytes_eq_str(record_key_bytes(&b, 'i', bytes_of("abc", 3)), "iabc"));
	buf_free(&b);
}

enum colour { RED, GREEN, COLOURS };

struct sample {
	char *name;
	char code[9];
	int64_t when;
	unsigned count;
	bool yes;
	enum colour colour;
	unsigned char hash[4];
	struct buf data;
};

static const struct field fields[] = {
	FIELD(1, FIELD_STR, struct sample, name),
	FIELD_SIZED(2, FIELD_TEXT, struct sample, code),
	FIELD(3, FIELD_INT, struct sample, when),
	FIELD(4, FIELD_UINT, struct sample, count),
	FIELD(5, FIELD_BOOL, struct sample, yes),
	FIELD_OF(6, struct sample, colour, COLOURS),
	FIELD_SIZED(7, FIELD_BYTES, struct sample, hash),
	FIELD(8, FIELD_BUF, struct sample, data),
};

static int
decode(struct bytes value, struct sample *s)
{
	memset(s, 0, sizeof(*s));
	return fields_decode(fields, FIELD_COUNT(fields), value, s, NULL, NULL);
}

static void
a_table_encodes_a_struct(void **state)
{
	struct sample in = { .name = strdup("name"),
		.code = "12345678",
		.when = -5,
		.count = UINT32_MAX,
		.yes = true,
		.colour = GREEN,
		.hash = { 0, 0, 0, 1 } };
	struct sample got;
	struct buf value = BUF_INIT;

	(void)state;
	buf_add(&in.data, "a\0b", 3);
	record_begin(&value, 1);
	fields_encode(fields, FIELD_COUNT(fields), &in, &value);
	record_add_str(&value, 200, "from a later version");
	assert_int_equal(decode(buf_bytes(&value), &got), 0);
	assert_string_equal(got.name, "name");
	assert_string_equal(got.code, "12345678");
	assert_int_equal(got.when, -5);
	assert_int_equal(got.count, UINT32_MAX);
	assert_true(got.yes);
	assert_int_equal(got.colour, GREEN);
	assert_memory_equal(got.hash, in.hash, 4);
	assert_true(bytes_eq(buf_bytes(&got.data), bytes_of("a\0b", 3)));
	fields_free(fields, FIELD_COUNT(fields), &got);
	assert_null(got.name);

	/* every truncation and every single damaged byte is an answer, not a crash */
	for (size_t len = 0; len < value.len; len++) {
		decode(bytes_of(value.data, len), &got);
		assert_true(got.colour < COLOURS);
		fields_free(fields, FIELD_COUNT(fields), &got);
		value.data[len] ^= 0x55;
		decode(buf_bytes(&value), &got);
		assert_true(got.colour < COLOURS);
		assert_true(strnlen(got.code, sizeof(got.code)) < sizeof(got.code));
		fields_free(fields, FIELD_COUNT(fields), &got);
		value.data[len] ^= 0x55;
	}
	buf_free(&value);
	fields_free(fields, FIELD_COUNT(fields), &in);
}

static void
members_out_of_range_are_damage(void **state)
{
	struct sample got;
	struct buf value = BUF_INIT;

	(void)state;
	record_begin(&value, 1);
	record_add_int(&value, 6, COLOURS);
	assert_int_equal(decode(buf_bytes(&value), &got), -EBADMSG);
	buf_reset(&value);
	record_begin(&value, 1);
	record_add_str(&value, 2, "123456789"); /* no room for the NUL */
	assert_int_equal(decode(buf_bytes(&value), &got), -EBADMSG);
	buf_reset(&value);
	record_begin(&value, 1);
	record_add_str(&value, 7, "abc");
	assert_int_equal(decode(buf_bytes(&value), &got), -EBADMSG);
	buf_reset(&value);
	record_begin(&value, 1);
	record_add_int(&value, 4, (int64_t)UINT32_MAX + 1);
	assert_int_equal(decode(buf_bytes(&value), &got), -EBADMSG);
	buf_free(&value);
}

static int
count(void *arg, struct bytes key, struct bytes value)
{
	size_t *n = arg;

	*n += key.len + value.len;
	return 0;
}

static void
batches_are_whole_or_refused(void **state)
{
	struct buf b = BUF_INIT;
	size_t n = 0;

	(void)state;
	batch_add(&b, bytes_str("key"), bytes_str("value"));
	batch_add(&b, bytes_str("gone"), bytes_of(NULL, 0));
	batch_add(&b, bytes_str("empty"), bytes_of("", 0));
	assert_true(batch_whole(buf_bytes(&b)));
	assert_int_equal(batch_each(buf_bytes(&b), count, &n), 0);
	assert_int_equal(n, 3 + 5 + 4 + 5);
	for (size_t len = 1; len < b.len; len++)
		if (len != 15 && len != 26) /* where a change ends */
			assert_false(batch_whole(bytes_of(b.data, len)));
	b.data[0] = 3;
	assert_false(batch_whole(buf_bytes(&b)));
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(integers_round_trip),
		cmocka_unit_test(lengths_take_one_byte_more_each_seven_bits),
		cmocka_unit_test(damage_is_seen),
		cmocka_unit_test(keys_are_letter_and_parts),
		cmocka_unit_test(a_table_encodes_a_struct),
		cmocka_unit_test(members_out_of_range_are_damage),
		cmocka_unit_test(batches_are_whole_or_refused),
	};

	return cmocka_run_group_tests_name("record", tests, NULL, NULL);
}
