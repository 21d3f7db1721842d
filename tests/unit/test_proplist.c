/* test_proplist.c - property lists from strangers: nesting, cycles, sharing, bad text */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/proplist.h"

#define HEAD                                                                                  \
	"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<!DOCTYPE plist PUBLIC \"-//Apple//DTD " \
	"PLIST "                                                                              \
	"1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">\n<plist version=\"1.0\">"
#define TAIL "</plist>\n"

static int
parse_and_free(struct bytes in)
{
	plist_t root = NULL;
	int r = proplist_parse(in, &root);

	if (r == 0)
		plist_free(root);
	return r;
}

static void
assert_xml(const char *body, int wanted)
{
	struct buf text = BUF_INIT;
	int r;

	buf_printf(&text, "%s%s%s", HEAD, body, TAIL);
	r = parse_and_free(buf_bytes(&text));
	if (r != wanted)
		fail_msg("%d instead of %d for %s", r, wanted, body);
	buf_free(&text);
}

static void
reads_what_devices_send(void **unused)
{
	static const char text[] = HEAD
		"<!-- <array> --><dict><key>S</key><string>a&amp;b<![CDATA[<array>]]></string>"
		"<key>D</key><data>\n\tZm9v\n\tYmFy\n</data><key>I</key><integer>7</integer>"
		"<key>T</key><true/><key>F</key><false/><key>N</key><integer>-3</integer>"
		"<key>E</key><array/><key>M</key><dict><key>x</key><string/></dict></dict>" TAIL;
	plist_t root = NULL;

	(void)unused;
	assert_int_equal(proplist_parse(bytes_str(text), &root), 0);
	assert_string_equal(proplist_str(root, "S"), "a&b<array>");
	assert_true(bytes_eq_str(proplist_data(root, "D"), "foobar"));
	assert_int_equal(proplist_int(root, "I", 0), 7);
	assert_true(proplist_int(root, "N", 0) == -3);
	assert_true(proplist_bool(root, "T", false));
	assert_false(proplist_bool(root, "F", true));
	assert_true(proplist_bool(root, "none", true));
	assert_non_null(proplist_array(root, "E"));
	assert_non_null(proplist_dict(root, "M"));
	assert_true(proplist_has(root, "E"));
	assert_false(proplist_has(root, "none"));
	assert_false(proplist_has(NULL, "none"));
	/* wrong types count as absent */
	assert_null(proplist_str(root, "I"));
	assert_null(proplist_data(root, "S").data);
	assert_int_equal(proplist_int(root, "S", 5), 5);
	assert_null(proplist_dict(root, "E"));
	assert_null(proplist_str(proplist_array(root, "E"), "S"));
	plist_free(root);
}

static char *
nested(const char *open, const char *close, int depth)
{
	struct buf b = BUF_INIT;
	int i;

	buf_add_str(&b, "<dict><key>a</key>");
	for (i = 1; i < depth; i++)
		buf_add_str(&b, open);
	for (i = 1; i < depth; i++)
		buf_add_str(&b, close);
	buf_add_str(&b, "</dict>");
	return buf_steal_str(&b);
}

static void
assert_nested(const char *open, const char *close, int depth, int wanted)
{
	char *body = nested(open, close, depth);

	assert_xml(body, wanted);
	free(body);
}

static void
counts_nesting_in_xml(void **unused)
{
	(void)unused;
	assert_nested("<array>", "</array>", PROPLIST_DEPTH_MAX, 0);
	assert_nested("<array>", "</array>", PROPLIST_DEPTH_MAX + 1, -E2BIG);
	assert_nested("<array>", "</array>", 200000, -E2BIG);
	assert_nested("<array><!-- </array> -->", "</array>", 100000, -E2BIG);
	assert_nested("<array a=\"/\">", "</array>", 100000, -E2BIG);
	assert_nested("<array ><string></string>", "</array>", 100000, -E2BIG);
	assert_nested("<dict><key><![CDATA[</dict>]]></key>", "</dict>", 100000, -E2BIG);
	assert_nested("<array>", "", 300000, -E2BIG);
	/* closing tags that close nothing must not buy depth */
	assert_nested("<string></array><array>", "</array>", 100000, -E2BIG);
}

static void
refuses_odd_xml(void **unused)
{
	(void)unused;
	assert_xml("<dict></dict>", 0);
	assert_xml("<dict>", -EINVAL);
	assert_xml("<array></array>", -EINVAL);
	assert_xml("<dict><key>a</key><array></dict></array>", -EINVAL);
	assert_xml("<dict></dict></array>", -EINVAL);
	assert_xml("<dict><!-- open </dict>", -EINVAL);
	assert_xml("<dict><key>a</key><string><![CDATA[ open</string></dict>", -EINVAL);
	assert_xml("<dict><key>a</key><string b='>'>x</string></dict>", -EINVAL);
	assert_xml("<dict><key>a</key><string <b>x</string></dict>", -EINVAL);
	assert_xml("<!DOCTYPE x [<!ENTITY a \"b\">]><dict></dict>", -EINVAL);
	assert_xml("<!ELEMENT x><dict></dict>", -EINVAL);
	assert_xml("<dict><key>a</key><nonsense/></dict>", -EINVAL);
	assert_xml("<dict><key>a\xff</key><string>x</string></dict>", -EILSEQ);
	assert_xml("<dict><key>a</key><string>\xed\xa0\x80</string></dict>", -EILSEQ);
	assert_int_equal(parse_and_free(bytes_of(NULL, 0)), -EINVAL);
	assert_int_equal(parse_and_free(bytes_str("<")), -EINVAL);
	assert_int_equal(parse_and_free(bytes_str("text")), -EINVAL);
	assert_int_equal(parse_and_free(bytes_of(HEAD "<dict>\0</dict>" TAIL,
				 sizeof(HEAD "<dict>\0</dict>" TAIL) - 1)),
		-EINVAL);
}

static void
counts_elements(void **unused)
{
	struct buf b = BUF_INIT;
	int i;

	(void)unused;
	buf_add_str(&b, HEAD "<dict><key>a</key><array>");
	for (i = 0; i < 500000; i++)
		buf_add_str(&b, "<true/>");
	buf_add_str(&b, "</array></dict>" TAIL);
	assert_int_equal(parse_and_free(buf_bytes(&b)), -E2BIG);
	buf_free(&b);
}

/* A binary list of one-byte offsets and references; `bodies` are counted strings of object bytes.
 */
static void
binary(struct buf *out, const struct bytes *bodies, size_t count, size_t root)
{
	unsigned char at[64];
	size_t i;

	buf_reset(out);
	buf_add_str(out, "bplist00");
	for (i = 0; i < count; i++) {
		at[i] = (unsigned char)out->len;
		buf_add_bytes(out, bodies[i]);
	}
	i = out->len;
	buf_add(out, at, count);
	buf_add(out, "\0\0\0\0\0\0\1\1", 8);
	buf_add_u64(out, count);
	buf_add_u64(out, root);
	buf_add_u64(out, i);
}

#define OBJECT(text)                                            \
	{                                                       \
		(const unsigned char *)(text), sizeof(text) - 1 \
	}

static void
refuses_odd_binary(void **unused)
{
	static const struct {
		struct bytes objects[3];
		size_t root;
		int wanted;
	} cases[] = {
		{ { OBJECT("\xd1\1\2"), OBJECT("\x51k"), OBJECT("\x51v") }, 0, 0 },
		{ { OBJECT("\xd1\1\2"), OBJECT("\x51k"), OBJECT("\xa1\2") }, 0,
			-E2BIG }, /* cycle */
		{ { OBJECT("\xd1\1\0"), OBJECT("\x51k"), OBJECT("\x51v") }, 0, -E2BIG },
		{ { OBJECT("\xd1\2\1"), OBJECT("\x51k"), OBJECT("\x10\1") }, 0,
			-EINVAL }, /* key: 1 */
		{ { OBJECT("\xd1\1\7"), OBJECT("\x51k"), OBJECT("\x51v") }, 0, -EINVAL },
		{ { OBJECT("\xd1\1\2"), OBJECT("\x51k"), OBJECT("\x51v") }, 3, -EINVAL },
		{ { OBJECT("\xd1\1\2"), OBJECT("\x51k"), OBJECT("\x5f\x10\x70v") }, 0, -EINVAL },
		{ { OBJECT("\xd1\1\2"), OBJECT("\x51k"),
			  OBJECT("\x4f\x13\xff\xff\xff\xff\xff\xff\xff\xff") },
			0, -EINVAL },
		{ { OBJECT("\xd1\1\2"), OBJECT("\x51k"),
			  OBJECT("\xaf\x13\xff\xff\xff\xff\xff\xff\xff\xff") },
			0, -E2BIG },
		{ { OBJECT("\xdf\x11\xff\xff"), OBJECT("\x51k"), OBJECT("\x51v") }, 0, -EINVAL },
		{ { OBJECT("\xd1\1\2"), OBJECT("\x51k"), OBJECT("\x77v") }, 0, -EINVAL },
		{ { OBJECT("\xd1\1\2"), OBJECT("\x51k"), OBJECT("\x51\xff") }, 0, -EILSEQ },
		{ { OBJECT("\xd1\1\2"), OBJECT("\x51\xff"), OBJECT("\x51v") }, 0, -EILSEQ },
		{ { OBJECT("\xd1\1\2"), OBJECT("\x51k"), OBJECT("\x53x\0y") }, 0, -EILSEQ },
		{ { OBJECT("\xd1\1\2"), OBJECT("\x51k"), OBJECT("\x62\0x\0\0") }, 0, -EILSEQ },
		{ { OBJECT("\xa1\1"), OBJECT("\x51k"), OBJECT("\x51v") }, 0,
			-EINVAL }, /* no dictionary */
	};
	struct buf in = BUF_INIT;
	size_t i;
	int r;

	(void)unused;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		binary(&in, cases[i].objects, 3, cases[i].root);
		r = parse_and_free(buf_bytes(&in));
		if (r != cases[i].wanted)
			fail_msg("case %zu: %d instead of %d", i, r, cases[i].wanted);
	}
	buf_free(&in);
}

/* 30 arrays, each holding the next one twice: 2^30 copies for libplist. */
static void
refuses_shared_growth(void **unused)
{
	struct bytes objects[34];
	unsigned char arrays[31][3];
	struct buf in = BUF_INIT;
	unsigned char i;

	(void)unused;
	objects[0] = bytes_of("\xd1\1\2", 3);
	objects[1] = bytes_of("\x51k", 2);
	for (i = 2; i < 32; i++) {
		arrays[i - 2][0] = 0xa2;
		arrays[i - 2][1] = arrays[i - 2][2] = (unsigned char)(i + 1);
		objects[i] = bytes_of(arrays[i - 2], 3);
	}
	objects[32] = bytes_of("\x51v", 2);
	binary(&in, objects, 33, 0);
	assert_int_equal(parse_and_free(buf_bytes(&in)), -E2BIG);
	buf_free(&in);
}

static void
deep_binary_is_counted(void **unused)
{
	plist_t root = plist_new_dict(), at = root, next;
	struct buf in = BUF_INIT;
	int i;

	(void)unused;
	for (i = 1; i < PROPLIST_DEPTH_MAX; i++) {
		next = plist_new_dict();
		plist_dict_set_item(at, "a", next);
		at = next;
	}
	proplist_to_binary(root, &in);
	assert_int_equal(parse_and_free(buf_bytes(&in)), 0);
	plist_dict_set_item(at, "a", plist_new_array());
	buf_reset(&in);
	proplist_to_binary(root, &in);
	assert_int_equal(parse_and_free(buf_bytes(&in)), -E2BIG);
	plist_free(root);
	buf_free(&in);
}

/* Every cut and many changed bytes of a real list: any answer, no crash (sanitizers watch). */
static void
survives_damage(void **unused)
{
	plist_t root = plist_new_dict(), array = plist_new_array();
	struct buf forms[2] = { BUF_INIT, BUF_INIT };
	size_t i, f;
	int r, bit, taken = 0;

	(void)unused;
	plist_array_append_item(array, plist_new_uint(300));
	plist_array_append_item(array, plist_new_real(1.5));
	plist_array_append_item(array, plist_new_date(1, 2));
	plist_dict_set_item(root, "array", array);
	plist_dict_set_item(root, "text", plist_new_string("J\xc3\xb6rg"));
	plist_dict_set_item(root, "data", plist_new_data("0123456789abcdefgh", 18));
	plist_dict_set_item(root, "yes", plist_new_bool(1));
	proplist_to_xml(root, &forms[0]);
	proplist_to_binary(root, &forms[1]);
	plist_free(root);
	for (f = 0; f < 2; f++) {
		assert_int_equal(parse_and_free(buf_bytes(&forms[f])), 0);
		for (i = 0; i < forms[f].len; i++) {
			r = parse_and_free(bytes_of(forms[f].data, i));
			assert_true(r <= 0);
			for (bit = 0; bit < 8; bit++) {
				forms[f].data[i] ^= (unsigned char)(1 << bit);
				taken += parse_and_free(buf_bytes(&forms[f])) == 0;
				forms[f].data[i] ^= (unsigned char)(1 << bit);
			}
		}
		buf_free(&forms[f]);
	}
	assert_true(taken > 0);
}

static void
writes_what_it_reads(void **unused)
{
	plist_t root = plist_new_dict(), back = NULL;
	struct buf text = BUF_INIT;

	(void)unused;
	plist_dict_set_item(root, "k<", plist_new_string("a&b"));
	proplist_to_xml(root, &text);
	assert_non_null(strstr(buf_str(&text), "<!DOCTYPE plist"));
	assert_int_equal(proplist_parse(buf_bytes(&text), &back), 0);
	assert_string_equal(proplist_str(back, "k<"), "a&b");
	plist_free(root);
	plist_free(back);
	buf_free(&text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_what_devices_send),
		cmocka_unit_test(counts_nesting_in_xml),
		cmocka_unit_test(refuses_odd_xml),
		cmocka_unit_test(counts_elements),
		cmocka_unit_test(refuses_odd_binary),
		cmocka_unit_test(refuses_shared_growth),
		cmocka_unit_test(deep_binary_is_counted),
		cmocka_unit_test(survives_damage),
		cmocka_unit_test(writes_what_it_reads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
