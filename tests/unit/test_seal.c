/* test_seal.c - sealed values open for their record and key only */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "base/encode.h"
#include "base/seal.h"

static const unsigned char key[SEAL_KEY_LEN] = "0123456789abcdef0123456789abcde";
static const unsigned char other_key[SEAL_KEY_LEN] = "another key of thirty-two bytes";

static void
opens_what_it_locked(void **unused)
{
	struct seal *s = seal_new(key);
	struct buf sealed = BUF_INIT, plain = BUF_INIT;
	size_t lengths[] = { 0, 1, 16, 1000 }, i;
	unsigned char text[1000];

	(void)unused;
	memset(text, 'x', sizeof(text));
	for (i = 0; i < 4; i++) {
		buf_reset(&sealed);
		buf_reset(&plain);
		assert_int_equal(
			seal_lock(s, bytes_str("q/1"), bytes_of(text, lengths[i]), &sealed), 0);
		assert_int_equal(sealed.len, lengths[i] + SEAL_OVERHEAD);
		assert_int_equal(seal_open(s, bytes_str("q/1"), buf_bytes(&sealed), &plain), 0);
		assert_true(bytes_eq(buf_bytes(&plain), bytes_of(text, lengths[i])));
	}
	buf_reset(&sealed);
	assert_int_equal(seal_lock(s, bytes_of(NULL, 0), bytes_str("no data"), &sealed), 0);
	buf_reset(&plain);
	assert_int_equal(seal_open(s, bytes_of(NULL, 0), buf_bytes(&sealed), &plain), 0);
	assert_string_equal(buf_str(&plain), "no data");
	buf_free(&sealed);
	buf_free(&plain);
	seal_free(s);
	seal_free(NULL);
}

static void
refuses_other_record_and_key(void **unused)
{
	struct seal *s = seal_new(key), *o = seal_new(other_key);
	struct buf a = BUF_INIT, b = BUF_INIT, plain = BUF_INIT;

	(void)unused;
	buf_add_str(&plain, "kept");
	seal_lock(s, bytes_str("q/1"), bytes_str("secret"), &a);
	seal_lock(s, bytes_str("q/1"), bytes_str("secret"), &b);
	assert_false(bytes_eq(buf_bytes(&a), buf_bytes(&b))); /* fresh nonce */
	assert_int_equal(seal_open(s, bytes_str("q/2"), buf_bytes(&a), &plain), -EBADMSG);
	assert_int_equal(seal_open(o, bytes_str("q/1"), buf_bytes(&a), &plain), -EBADMSG);
	assert_string_equal(buf_str(&plain), "kept");
	buf_free(&a);
	buf_free(&b);
	buf_free(&plain);
	seal_free(s);
	seal_free(o);
}

static void
refuses_every_damage(void **unused)
{
	struct seal *s = seal_new(key);
	struct buf sealed = BUF_INIT, plain = BUF_INIT;
	size_t i;

	(void)unused;
	seal_lock(s, bytes_str("k"), bytes_str("secret"), &sealed);
	for (i = 0; i < sealed.len; i++) {
		sealed.data[i] ^= 0x20;
		assert_int_equal(seal_open(s, bytes_str("k"), buf_bytes(&sealed), &plain),
			i == 0 ? -EINVAL : -EBADMSG);
		sealed.data[i] ^= 0x20;
		assert_true(seal_open(s, bytes_str("k"), bytes_of(sealed.data, i), &plain) < 0);
	}
	assert_int_equal(plain.len, 0);
	assert_int_equal(seal_open(s, bytes_str("k"), buf_bytes(&sealed), &plain), 0);
	buf_free(&sealed);
	buf_free(&plain);
	seal_free(s);
}

static void
keys_as_files(void **unused)
{
	unsigned char a[SEAL_KEY_LEN], b[SEAL_KEY_LEN];
	struct buf file = BUF_INIT, other = BUF_INIT;

	(void)unused;
	seal_key_format_new(&file);
	seal_key_format_new(&other);
	assert_int_equal(file.len, 65);
	assert_int_equal(file.data[64], '\n');
	assert_int_equal(seal_key_parse(buf_bytes(&file), a), 0);
	assert_int_equal(seal_key_parse(bytes_of(file.data, 64), b), 0);
	assert_memory_equal(a, b, sizeof(a));
	assert_int_equal(seal_key_parse(buf_bytes(&other), b), 0);
	assert_memory_not_equal(a, b, sizeof(a));
	assert_int_equal(seal_key_parse(bytes_of(file.data, 63), b), -EINVAL);
	assert_int_equal(seal_key_parse(bytes_str(""), b), -EINVAL);
	buf_add_char(&file, '\n');
	assert_int_equal(seal_key_parse(buf_bytes(&file), b), -EINVAL);
	file.data[10] = 'x';
	assert_int_equal(seal_key_parse(bytes_of(file.data, 65), b), -EINVAL);
	buf_wipe(&file);
	buf_wipe(&other);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(opens_what_it_locked),
		cmocka_unit_test(refuses_other_record_and_key),
		cmocka_unit_test(refuses_every_damage),
		cmocka_unit_test(keys_as_files),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
