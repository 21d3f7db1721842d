/* test_encode.c - encodings and digests against known values and hostile text */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/digest.h"
#include "base/encode.h"

typedef void encoder(struct buf *out, struct bytes in);

static void
assert_encodes(encoder *encode, const char *in, size_t len, const char *wanted)
{
	struct buf out = BUF_INIT;

	encode(&out, bytes_of(in, len));
	assert_string_equal(buf_str(&out), wanted);
	buf_free(&out);
}

static void
assert_decodes(int (*decode)(struct buf *, struct bytes), const char *in, const char *wanted)
{
	struct buf out = BUF_INIT;

	buf_add_char(&out, '>');
	if (wanted) {
		assert_int_equal(decode(&out, bytes_str(in)), 0);
		assert_string_equal(buf_str(&out) + 1, wanted);
	} else {
		if (decode(&out, bytes_str(in)) != -EINVAL)
			fail_msg("'%s' was taken", in);
		assert_string_equal(buf_str(&out), ">"); /* untouched */
	}
	buf_free(&out);
}

static void
plain_base64(struct buf *out, struct bytes in)
{
	encode_base64(out, in, 0);
}

static void
base64_in_lines_of_six(struct buf *out, struct bytes in)
{
	encode_base64(out, in, 6);
}

static void
base64_known(void **unused)
{
	(void)unused;
	assert_encodes(plain_base64, "", 0, "");
	assert_encodes(plain_base64, "f", 1, "Zg==");
	assert_encodes(plain_base64, "fo", 2, "Zm8=");
	assert_encodes(plain_base64, "foobar", 6, "Zm9vYmFy");
	assert_encodes(plain_base64, "\xff\xfe\xfd", 3, "//79");
	assert_encodes(encode_base64url, "\xff\xfe\xfd\xfc", 4, "__79_A");
	assert_encodes(base64_in_lines_of_six, "foobar", 6, "Zm9vYm\nFy\n");
	assert_encodes(base64_in_lines_of_six, "", 0, "");
	assert_encodes(base64_in_lines_of_six, "foobarfoobarfoobar", 9, "Zm9vYm\nFyZm9v\n");
}

static void
base64_strict(void **unused)
{
	static const char *const bad[] = { "Zg", "Zg=", "Zg===", "====", "=",
		"Z===", " Zg==", "Zg==\n", "Zm9v\nYmFy", "QU==", "Zh==", "Zm9=", "QUI=QUJD",
		"Zg==Zg==", "Zm9v Zg==", "Zm-_", "Z=g=", "Zm9v=" };
	size_t i;

	(void)unused;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_decodes(decode_base64, bad[i], NULL);
	assert_decodes(decode_base64, "", "");
	assert_decodes(decode_base64, "Zg==", "f");
	assert_decodes(decode_base64, "Zm8=", "fo");
	assert_decodes(decode_base64, "Zm9vYmFy", "foobar");
	assert_decodes(decode_base64_loose, " Zm9v\r\n\tYm Fy\n", "foobar");
	assert_decodes(decode_base64_loose, "Zg=\n=\n", "f");
	assert_decodes(decode_base64_loose, "Zg==\nZ", NULL);
	assert_decodes(decode_base64_loose, "Zg==\v", NULL);
}

/* Whole groups are taken by a table: of 256 characters at each place the 64 are right. */
static void
base64_each_byte(void **unused)
{
	static const char alphabet[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	struct buf raw = BUF_INIT, again = BUF_INIT;
	char text[] = "QUJDREVGR0hJ";
	size_t at;
	int c;

	(void)unused;
	for (at = 0; at + 1 < sizeof(text); at++) {
		char right = text[at];

		for (c = 0; c < 256; c++) {
			bool known = memchr(alphabet, c, 64) != NULL;

			text[at] = (char)c;
			buf_reset(&raw);
			buf_reset(&again);
			assert_int_equal(
				decode_base64(&raw, bytes_of(text, 12)), known ? 0 : -EINVAL);
			if (!known)
				continue;
			encode_base64(&again, buf_bytes(&raw), 0);
			assert_string_equal(buf_str(&again), text);
		}
		text[at] = right;
	}
	buf_free(&raw);
	buf_free(&again);
}

static void
base64_round_trip(void **unused)
{
	unsigned char raw[97];
	struct buf text = BUF_INIT, back = BUF_INIT;
	size_t len;

	(void)unused;
	random_bytes(raw, sizeof(raw));
	for (len = 0; len <= sizeof(raw); len++) {
		buf_reset(&text);
		buf_reset(&back);
		encode_base64(&text, bytes_of(raw, len), 0);
		assert_int_equal(decode_base64(&back, buf_bytes(&text)), 0);
		assert_true(bytes_eq(buf_bytes(&back), bytes_of(raw, len)));
	}
	buf_free(&text);
	buf_free(&back);
}

static void
hex_both_ways(void **unused)
{
	(void)unused;
	assert_encodes(encode_hex, "\x00\x7f\xff", 3, "007fff");
	assert_decodes(decode_hex, "4a4B", "JK");
	assert_decodes(decode_hex, "4", NULL);
	assert_decodes(decode_hex, "4g", NULL);
	assert_decodes(decode_hex, "4a ", NULL);
}

static int
percent_form(struct buf *out, struct bytes in)
{
	return decode_percent(out, in, true);
}

static int
percent_path(struct buf *out, struct bytes in)
{
	return decode_percent(out, in, false);
}

static void
percent_both_ways(void **unused)
{
	struct buf out = BUF_INIT;

	(void)unused;
	assert_encodes(encode_percent, "a/b c~\xc3\xa4", 8, "a%2Fb%20c~%C3%A4");
	assert_decodes(percent_form, "a+b%2fc", "a b/c");
	assert_decodes(percent_path, "a+b%2Fc", "a+b/c");
	assert_decodes(percent_path, "%", NULL);
	assert_decodes(percent_path, "%4", NULL);
	assert_decodes(percent_path, "%zz", NULL);
	assert_decodes(percent_path, "a%00b", NULL);
	assert_int_equal(decode_percent(&out, bytes_of("a\0b", 3), false), -EINVAL);
	buf_free(&out);
}

static void
uuids(void **unused)
{
	char a[UUID_LEN + 1], b[UUID_LEN + 1];

	(void)unused;
	uuid_new(a);
	uuid_new(b);
	assert_true(uuid_valid(a));
	assert_string_not_equal(a, b);
	assert_int_equal(a[14], '4');
	assert_non_null(strchr("89ab", a[19]));
	assert_true(uuid_valid("FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF"));
	assert_false(uuid_valid(NULL));
	assert_false(uuid_valid(""));
	assert_false(uuid_valid("FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFF"));
	assert_false(uuid_valid("FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFG"));
	assert_false(uuid_valid("FFFFFFFFFFFFF-FFFF-FFFF-FFFF-FFFFFFF"));
}

static void
utf8_faults(void **unused)
{
	static const char *const bad[] = { "\x80", "\xc0\x80", "\xc1\xbf", "\xe0\x80\x80",
		"\xed\xa0\x80", "\xf0\x80\x80\x80", "\xf4\x90\x80\x80", "\xf8\x88\x80\x80\x80",
		"\xc3", "\xe2\x82", "\xff", "\xc3(" };
	size_t i;

	(void)unused;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_false(utf8_valid(bytes_str(bad[i])));
	assert_true(utf8_valid(bytes_str("")));
	assert_true(utf8_valid(bytes_str("a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80\xf4\x8f\xbf\xbf")));
	assert_encodes(utf8_repair, "a\xff\0b\xc3\xa4\xe2\x82", 8,
		"a\xef\xbf\xbd"
		"b\xc3\xa4\xef\xbf\xbd\xef\xbf\xbd");
}

static void
visible_text(void **unused)
{
	(void)unused;
	assert_encodes(encode_visible, "a\nb\x1b[1m\x7f\0", 10, "a\\x0ab\\x1b[1m\\x7f\\x00\\x00");
	assert_encodes(encode_visible, "\xc2\x9b\xe2\x80\xae", 5, "\\x9b\\u202e");
	assert_encodes(encode_visible, "J\xc3\xb6rg \xff", 7, "J\xc3\xb6rg \xef\xbf\xbd");
}

static void
xml_text(void **unused)
{
	struct buf out = BUF_INIT;

	(void)unused;
	encode_xml(&out, "<a&\"b'>\x01\t\n\r\xef\xbf\xbf\xff");
	assert_string_equal(buf_str(&out), "&lt;a&amp;&quot;b&apos;&gt;\t\n&#13;\xef\xbf\xbd");
	buf_reset(&out);
	encode_xml(&out, NULL);
	assert_int_equal(out.len, 0);
	buf_free(&out);
}

static void
digests_known(void **unused)
{
	unsigned char mac[SHA256_LEN];
	char hex[2 * SHA256_LEN + 1];
	struct buf out = BUF_INIT;

	(void)unused;
	digest_sha256_hex(bytes_str("abc"), hex);
	assert_string_equal(
		hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	digest_sha256_hex(bytes_of(NULL, 0), hex);
	assert_string_equal(
		hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
	/* RFC 4231, test case 2 */
	digest_hmac_sha256(bytes_str("Jefe"), bytes_str("what do ya want for nothing?"), mac);
	encode_hex(&out, bytes_of(mac, sizeof(mac)));
	assert_string_equal(
		buf_str(&out), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	buf_reset(&out);
	digest_hmac_sha256(bytes_of(NULL, 0), bytes_of(NULL, 0), mac);
	encode_hex(&out, bytes_of(mac, sizeof(mac)));
	assert_string_equal(
		buf_str(&out), "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
	buf_free(&out);
}

/* Bit by bit, as RFC 3720 defines it: what tables and instructions have to agree with. */
static uint32_t
slow_crc32c(const unsigned char *p, size_t len)
{
	uint32_t crc = 0xffffffff;
	int bit;

	for (; len > 0; p++, len--) {
		crc ^= *p;
		for (bit = 0; bit < 8; bit++)
			crc = (crc >> 1) ^ (crc & 1 ? 0x82f63b78U : 0);
	}
	return ~crc;
}

static void
crc_known(void **unused)
{
	unsigned char raw[100];
	uint32_t parts;
	size_t i;

	(void)unused;
	assert_int_equal(digest_crc32c(0, bytes_str("123456789")), 0xe3069283);
	assert_int_equal(digest_crc32c(0, bytes_of(NULL, 0)), 0);
	random_bytes(raw, sizeof(raw));
	for (i = 0; i <= sizeof(raw); i++) {
		assert_int_equal(digest_crc32c(0, bytes_of(raw, i)), slow_crc32c(raw, i));
		parts = digest_crc32c(0, bytes_of(raw, i));
		parts = digest_crc32c(parts, bytes_of(raw + i, sizeof(raw) - i));
		assert_int_equal(parts, slow_crc32c(raw, sizeof(raw)));
	}
}

static void
spread_is_even_and_stable(void **unused)
{
	unsigned count[16] = { 0 };
	char key[32];
	int i;

	(void)unused;
	assert_true(digest_spread(bytes_str("abc")) == digest_spread(bytes_str("abc")));
	assert_true(digest_spread(bytes_str("")) != digest_spread(bytes_of("\0", 1)));
	assert_true(digest_spread(bytes_of("\0", 1)) != digest_spread(bytes_of("\0\0", 2)));
	for (i = 0; i < 16000; i++) {
		snprintf(key, sizeof(key), "device-%d", i);
		count[digest_spread(bytes_str(key)) >> 60]++;
	}
	for (i = 0; i < 16; i++)
		assert_in_range(count[i], 800, 1200);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(base64_known),
		cmocka_unit_test(base64_strict),
		cmocka_unit_test(base64_each_byte),
		cmocka_unit_test(base64_round_trip),
		cmocka_unit_test(hex_both_ways),
		cmocka_unit_test(percent_both_ways),
		cmocka_unit_test(uuids),
		cmocka_unit_test(utf8_faults),
		cmocka_unit_test(visible_text),
		cmocka_unit_test(xml_text),
		cmocka_unit_test(digests_known),
		cmocka_unit_test(crc_known),
		cmocka_unit_test(spread_is_even_and_stable),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
