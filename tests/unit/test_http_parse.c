/* test_http_parse.c - what the parser of requests takes, and above all what it refuses */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "net/http_parse.h"

#define H "Host: mdm.example.com\r\n"
#define LIT(s) (s), sizeof(s) - 1

struct refused {
	const char *what;
	int status;
	const char *text;
	size_t len;
};

/* clang-format off */
static const struct refused refusals[] = {
	/* every line of facts/library-traps.md 1.4 */
	{ "blank before the colon", 400, LIT("PUT /mdm HTTP/1.1\r\n" H "Content-Length : 2\r\n\r\n") },
	{ "gzip as transfer coding", 501, LIT("PUT /mdm HTTP/1.1\r\n" H "Transfer-Encoding: gzip\r\n\r\n") },
	{ "xchunked", 501, LIT("PUT /mdm HTTP/1.1\r\n" H "Transfer-Encoding: xchunked\r\n\r\n") },
	{ "gzip, chunked", 501, LIT("PUT /mdm HTTP/1.1\r\n" H "Transfer-Encoding: gzip, chunked\r\n\r\n") },
	{ "chunked, gzip", 501, LIT("PUT /mdm HTTP/1.1\r\n" H "Transfer-Encoding: chunked, gzip\r\n\r\n") },
	{ "two codings", 400, LIT("PUT /mdm HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n") },
	{ "chunked in HTTP/1.0", 400, LIT("PUT /mdm HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n") },
	{ "line that begins with NUL", 400, LIT("PUT /mdm HTTP/1.1\r\n" H "\0X: y\r\nContent-Length: 2\r\n\r\n") },
	{ "two lengths, equal", 400, LIT("PUT /mdm HTTP/1.1\r\n" H "Content-Length: 2\r\nContent-Length: 2\r\n\r\n") },
	{ "two lengths, different", 400, LIT("PUT /mdm HTTP/1.1\r\n" H "Content-Length: 2\r\ncontent-length: 3\r\n\r\n") },
	{ "length +2", 400, LIT("PUT /mdm HTTP/1.1\r\n" H "Content-Length: +2\r\n\r\n") },
	{ "length -2", 400, LIT("PUT /mdm HTTP/1.1\r\n" H "Content-Length: -2\r\n\r\n") },
	{ "length 2,2", 400, LIT("PUT /mdm HTTP/1.1\r\n" H "Content-Length: 2,2\r\n\r\n") },
	{ "length 2 2", 400, LIT("PUT /mdm HTTP/1.1\r\n" H "Content-Length: 2 2\r\n\r\n") },
	{ "length 0x2", 400, LIT("PUT /mdm HTTP/1.1\r\n" H "Content-Length: 0x2\r\n\r\n") },
	{ "length 02", 400, LIT("PUT /mdm HTTP/1.1\r\n" H "Content-Length: 02\r\n\r\n") },
	{ "length empty", 400, LIT("PUT /mdm HTTP/1.1\r\n" H "Content-Length:\r\n\r\n") },
	{ "length beyond 64 bits", 413, LIT("PUT /mdm HTTP/1.1\r\n" H "Content-Length: 99999999999999999999\r\n\r\n") },
	{ "length and coding", 400, LIT("PUT /mdm HTTP/1.1\r\n" H "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n") },
	{ "NUL in a value", 400, LIT("PUT /mdm HTTP/1.1\r\n" H "Mdm-Signature: ab\0cd\r\n\r\n") },
	{ "NUL in the target", 400, LIT("GET /a\0b HTTP/1.1\r\n" H "\r\n") },
	{ "8-bit in the target", 400, LIT("GET /\xc3\xa4 HTTP/1.1\r\n" H "\r\n") },
	{ "blank in the target", 400, LIT("GET /a b HTTP/1.1\r\n" H "\r\n") },
	{ "empty field name", 400, LIT("GET / HTTP/1.1\r\n" H ": x\r\n\r\n") },
	{ "folded field", 400, LIT("GET / HTTP/1.1\r\n" H "X: a\r\n b\r\n\r\n") },
	{ "folded with a tab", 400, LIT("GET / HTTP/1.1\r\n" H "X: a\r\n\tb\r\n\r\n") },
	{ "folded first field", 400, LIT("GET / HTTP/1.1\r\n X: a\r\n" H "\r\n") },
	{ "bare LF after the request line", 400, LIT("GET / HTTP/1.1\n" H "\r\n") },
	{ "bare LF after a field", 400, LIT("GET / HTTP/1.1\r\nHost: a\n\r\n") },
	{ "bare LF as the empty line", 400, LIT("GET / HTTP/1.1\r\n" H "\n") },
	{ "bare LF everywhere, no end", 400, LIT("GET / HTTP/1.1\nHost: a\n") },
	{ "no Host", 400, LIT("GET / HTTP/1.1\r\n\r\n") },
	{ "two Hosts", 400, LIT("GET / HTTP/1.1\r\n" H H "\r\n") },
	{ "HTTP/1.9", 505, LIT("GET / HTTP/1.9\r\n" H "\r\n") },
	{ "HTTP/2.0", 505, LIT("PRI * HTTP/2.0\r\n\r\n") },
	{ "%00 in the path", 400, LIT("GET /mem%00x HTTP/1.1\r\n" H "\r\n") },
	{ "//host/path", 400, LIT("GET //x/mem HTTP/1.1\r\n" H "\r\n") },
	{ "another site's target", 400, LIT("GET http://evil/mem HTTP/1.1\r\n" H "\r\n") },
	{ "query without path", 400, LIT("GET ?a=b HTTP/1.1\r\n" H "\r\n") },
	{ "other Expect", 417, LIT("PUT / HTTP/1.1\r\n" H "Expect: 200-ok\r\n\r\n") },
	{ "two Expects", 417, LIT("PUT / HTTP/1.1\r\n" H "Expect: 100-continue\r\nExpect: 100-continue\r\n\r\n") },
	/* and what comes to mind beside it */
	{ "HTTP/0.9", 400, LIT("GET /\r\n\r\n") },
	{ "HTTP/1", 400, LIT("GET / HTTP/1\r\n" H "\r\n") },
	{ "HTTP/01.1", 400, LIT("GET / HTTP/01.1\r\n" H "\r\n") },
	{ "http/1.1", 400, LIT("GET / http/1.1\r\n" H "\r\n") },
	{ "two blanks before the target", 400, LIT("GET  / HTTP/1.1\r\n" H "\r\n") },
	{ "two blanks before the version", 400, LIT("GET /  HTTP/1.1\r\n" H "\r\n") },
	{ "blank behind the version", 400, LIT("GET / HTTP/1.1 \r\n" H "\r\n") },
	{ "tab in the request line", 400, LIT("GET\t/ HTTP/1.1\r\n" H "\r\n") },
	{ "blank before the method", 400, LIT(" GET / HTTP/1.1\r\n" H "\r\n") },
	{ "two empty lines before", 400, LIT("\r\n\r\nGET / HTTP/1.1\r\n" H "\r\n") },
	{ "a TLS ClientHello", 400, LIT("\x16\x03\x01\x02\x00\x01\x00") },
	{ "bare CR in a value", 400, LIT("GET / HTTP/1.1\r\n" H "X: a\rb\r\n\r\n") },
	{ "bare CR before a field", 400, LIT("GET / HTTP/1.1\r\n" H "\rX: a\r\n\r\n") },
	{ "bare CR that looks like the end", 400, LIT("GET / HTTP/1.1\r\n" H "\r\r\n\r\n") },
	{ "DEL in a value", 400, LIT("GET / HTTP/1.1\r\n" H "X: \x7f\r\n\r\n") },
	{ "field without colon", 400, LIT("GET / HTTP/1.1\r\n" H "X\r\n\r\n") },
	{ "blank in a name", 400, LIT("GET / HTTP/1.1\r\n" H "X Y: z\r\n\r\n") },
	{ "8-bit in a name", 400, LIT("GET / HTTP/1.1\r\n" H "X\xe4: z\r\n\r\n") },
	{ "Host with a path", 400, LIT("GET / HTTP/1.1\r\nHost: a/b\r\n\r\n") },
	{ "Host with a user", 400, LIT("GET / HTTP/1.1\r\nHost: u@a\r\n\r\n") },
	{ "Host as a list", 400, LIT("GET / HTTP/1.1\r\nHost: a, b\r\n\r\n") },
	{ "two Hosts in HTTP/1.0", 400, LIT("GET / HTTP/1.0\r\n" H H "\r\n") },
	{ "other scheme", 400, LIT("GET ftp://mdm.example.com/ HTTP/1.1\r\n" H "\r\n") },
	{ "user in the target", 400, LIT("GET http://u@mdm.example.com/ HTTP/1.1\r\n" H "\r\n") },
	{ "target without host", 400, LIT("GET http:///x HTTP/1.1\r\n" H "\r\n") },
	{ "target's other port", 400, LIT("GET http://mdm.example.com:8080/ HTTP/1.1\r\n" H "\r\n") },
	{ "absolute //", 400, LIT("GET http://mdm.example.com//x HTTP/1.1\r\n" H "\r\n") },
	{ "fragment", 400, LIT("GET /a#b HTTP/1.1\r\n" H "\r\n") },
	{ "* with GET", 400, LIT("GET * HTTP/1.1\r\n" H "\r\n") },
	{ "encoded slash", 400, LIT("GET /a%2fb HTTP/1.1\r\n" H "\r\n") },
	{ "encoded backslash", 400, LIT("GET /a%5cb HTTP/1.1\r\n" H "\r\n") },
	{ "backslash", 400, LIT("GET /a\\b HTTP/1.1\r\n" H "\r\n") },
	{ "encoded line end", 400, LIT("GET /a%0d%0ab HTTP/1.1\r\n" H "\r\n") },
	{ "bad escape", 400, LIT("GET /a%zz HTTP/1.1\r\n" H "\r\n") },
	{ "cut escape", 400, LIT("GET /a%4 HTTP/1.1\r\n" H "\r\n") },
	{ "dot segment", 400, LIT("GET /a/./b HTTP/1.1\r\n" H "\r\n") },
	{ "dot dot segment", 400, LIT("GET /a/../b HTTP/1.1\r\n" H "\r\n") },
	{ "encoded dot dot", 400, LIT("GET /a/%2e%2E HTTP/1.1\r\n" H "\r\n") },
	{ "empty segment", 400, LIT("GET /a//b HTTP/1.1\r\n" H "\r\n") },
	{ "not UTF-8", 400, LIT("GET /%ff HTTP/1.1\r\n" H "\r\n") },
	{ "method of 16 letters", 501, LIT("ABCDEFGHIJKLMNOP / HTTP/1.1\r\n" H "\r\n") },
};
/* clang-format on */

static int
parse(const char *text, size_t len, struct http_head *head)
{
	/* A copy of the exact size, so that the sanitizer sees a read behind it. */
	unsigned char *exact = xmemdup(text, len ? len : 1);
	int n = http_parse_head(bytes_of(exact, len), head);

	free(exact);
	return n;
}

static void
refuses(void **state)
{
	struct http_head head;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
		int n = parse(refusals[i].text, refusals[i].len, &head);

		if (n != -refusals[i].status)
			fail_msg("%s: %d instead of %d", refusals[i].what, n, -refusals[i].status);
	}
}

static const char *
field(const struct http_head *head, const char *name)
{
	size_t i;

	for (i = 0; i < head->count; i++) {
		if (strcmp(head->fields[i].name, name) == 0)
			return head->fields[i].value;
	}
	return NULL;
}

static void
reads_a_head(void **state)
{
	static const char text[] = "PUT /v1/a%20b/%C3%A4?x=%2f&y HTTP/1.1\r\n" H
				   "Content-Type: \t text/xml \r\nContent-Length: 12\r\n"
				   "Empty:\r\nObs: \xe4\r\nExpect: 100-Continue\r\n\r\nbody";
	struct http_head head;
	size_t len = sizeof(text) - 1, i;

	(void)state;
	for (i = 0; i < len - 4; i++)
		assert_int_equal(parse(text, i, &head), 0);
	assert_int_equal(parse(text, len, &head), len - 4);
	assert_int_equal(head.method, HTTP_PUT);
	assert_string_equal(head.method_text, "PUT");
	assert_string_equal(head.path, "/v1/a b/\xc3\xa4");
	assert_string_equal(head.query, "x=%2f&y");
	assert_int_equal(head.minor, 1);
	assert_int_equal(head.count, 6);
	assert_string_equal(field(&head, "Content-Type"), "text/xml");
	assert_string_equal(field(&head, "Empty"), "");
	assert_string_equal(field(&head, "Obs"), "\xe4");
	assert_true(head.has_length && head.expect_continue && head.keep_alive && !head.chunked);
	assert_int_equal(head.length, 12);
	http_head_free(&head);
}

static void
takes_forms_of_targets(void **state)
{
	/* clang-format off */
	static const struct { const char *target, *host, *path, *query; } good[] = {
		{ "/", "a", "/", "" },
		{ "/x?", "a", "/x", "" },
		{ "/x?a?b/../c", "a", "/x", "a?b/../c" },
		{ "/v1/push/A,B;c@d:e", "a", "/v1/push/A,B;c@d:e", "" },
		{ "/.well-known/x", "a", "/.well-known/x", "" },
		{ "/v1/enrollments/", "a", "/v1/enrollments/", "" },
		{ "/%6dem", "a", "/mem", "" },
		{ "http://a/x?y", "A", "/x", "y" },
		{ "HTTPS://a:443/x", "a", "/x", "" },
		{ "http://a", "a:80", "/", "" },
		{ "http://[::1]:81?q", "[::1]:81", "/", "q" },
	};
	/* clang-format on */
	char text[256];
	struct http_head head;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		int n = snprintf(text, sizeof(text), "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n",
			good[i].target, good[i].host);

		if (parse(text, (size_t)n, &head) != n)
			fail_msg("%s is refused", good[i].target);
		assert_string_equal(head.path, good[i].path);
		assert_string_equal(head.query, good[i].query);
		http_head_free(&head);
	}
}

static void
knows_methods(void **state)
{
	/* clang-format off */
	static const struct { const char *line; unsigned method; } lines[] = {
		{ "GET /", HTTP_GET }, { "HEAD /", HTTP_HEAD }, { "POST /", HTTP_POST },
		{ "PUT /", HTTP_PUT }, { "DELETE /", HTTP_DELETE }, { "PATCH /", HTTP_PATCH },
		{ "OPTIONS *", HTTP_OPTIONS }, { "CONNECT a:443", 0 }, { "get /", 0 }, { "TRACE /", 0 },
	};
	/* clang-format on */
	char text[128];
	struct http_head head;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		int n = snprintf(text, sizeof(text), "%s HTTP/1.1\r\n" H "\r\n", lines[i].line);

		assert_int_equal(parse(text, (size_t)n, &head), n);
		assert_int_equal(head.method, lines[i].method);
		http_head_free(&head);
	}
}

static void
knows_when_to_close(void **state)
{
	/* clang-format off */
	static const struct { const char *text; bool keep; } heads[] = {
		{ "GET / HTTP/1.1\r\n" H "\r\n", true },
		{ "GET / HTTP/1.1\r\n" H "Connection: close\r\n\r\n", false },
		{ "GET / HTTP/1.1\r\n" H "Connection: Upgrade, CLOSE\r\n\r\n", false },
		{ "GET / HTTP/1.1\r\n" H "Connection: x\r\nConnection: close\r\n\r\n", false },
		{ "GET / HTTP/1.1\r\n" H "Connection: closed\r\n\r\n", true },
		{ "GET / HTTP/1.0\r\n\r\n", false },
		{ "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true },
		{ "\r\nGET / HTTP/1.1\r\n" H "\r\n", true },
	};
	/* clang-format on */
	struct http_head head;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		assert_int_equal(
			parse(heads[i].text, strlen(heads[i].text), &head), strlen(heads[i].text));
		assert_int_equal(head.keep_alive, heads[i].keep);
		http_head_free(&head);
	}
}

static void
ignores_expect_of_http_1_0(void **state)
{
	struct http_head head;

	(void)state;
	assert_true(
		parse(LIT("PUT / HTTP/1.0\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n"),
			&head) > 0);
	assert_false(head.expect_continue);
	http_head_free(&head);
}

/* A head of exactly `total` bytes in `fields` fields. */
static char *
big_head(size_t total, size_t fields)
{
	struct buf b = BUF_INIT;
	size_t i;

	buf_add_str(&b, "GET / HTTP/1.1\r\n" H);
	for (i = 2; i < fields; i++)
		buf_add_str(&b, "a:\r\n");
	buf_add_str(&b, "b:");
	while (b.len < total - 4)
		buf_add_char(&b, 'x');
	buf_add_str(&b, "\r\n\r\n");
	return buf_steal_str(&b);
}

static void
bounds_the_head(void **state)
{
	struct http_head head;
	char *text = big_head(HTTP_HEAD_MAX, HTTP_FIELDS_MAX);

	(void)state;
	assert_int_equal(strlen(text), HTTP_HEAD_MAX);
	assert_int_equal(parse(text, HTTP_HEAD_MAX, &head), HTTP_HEAD_MAX);
	assert_int_equal(head.count, HTTP_FIELDS_MAX);
	http_head_free(&head);
	assert_int_equal(parse(text, HTTP_HEAD_MAX - 1, &head), 0);
	free(text);

	text = big_head(HTTP_HEAD_MAX + 1, 2);
	assert_int_equal(parse(text, HTTP_HEAD_MAX + 1, &head), -431);
	assert_int_equal(parse(text, HTTP_HEAD_MAX, &head), -431);
	free(text);

	text = big_head(1000, HTTP_FIELDS_MAX + 1);
	assert_int_equal(parse(text, 1000, &head), -431);
	free(text);

	text = xmalloc(HTTP_HEAD_MAX + 1);
	memset(text, 'x', HTTP_HEAD_MAX + 1);
	memcpy(text, "GET /", 5);
	assert_int_equal(parse(text, HTTP_HEAD_MAX, &head), -414);
	assert_int_equal(parse(text, HTTP_HEAD_MAX - 1, &head), 0);
	free(text);
}

/* Feeds `text` in pieces of `step` bytes as the engine does; the content in *body. */
static int
unchunk(const char *text, size_t len, size_t step, size_t max, struct buf *body, size_t *taken)
{
	struct http_chunks c = { 0 };
	size_t at = 0, have = 0;

	while (c.state != CHUNK_DONE && have < len) {
		unsigned char *exact;
		ssize_t n;

		have = have + step < len ? have + step : len;
		exact = xmemdup(text + at, have - at);
		n = http_parse_chunks(&c, bytes_of(exact, have - at), body, max);
		free(exact);
		if (n < 0)
			return (int)n;
		at += (size_t)n;
	}
	*taken = at;
	return c.state == CHUNK_DONE;
}

static void
reads_chunks(void **state)
{
	static const char text[] = "5\r\nhello\r\n1;a=\"b c\"\r\n \r\nA\r\n0123456789\r\n0\r\n"
				   "Mdm-Signature: forged\r\nX:\r\n\r\nGET";
	size_t step, taken;

	(void)state;
	for (step = 1; step < sizeof(text); step++) {
		struct buf body = BUF_INIT;

		assert_int_equal(unchunk(LIT(text), step, 16, &body, &taken), 1);
		assert_int_equal(taken, sizeof(text) - 4);
		assert_string_equal(buf_str(&body), "hello 0123456789");
		buf_free(&body);
	}
}

static void
refuses_chunks(void **state)
{
	/* clang-format off */
	static const struct refused bad[] = {
		{ "0x5", 400, LIT("0x5\r\nhello\r\n0\r\n\r\n") },
		{ "+5", 400, LIT("+5\r\nhello\r\n0\r\n\r\n") },
		{ "-5", 400, LIT("-5\r\nhello\r\n0\r\n\r\n") },
		{ "blank before", 400, LIT(" 5\r\nhello\r\n0\r\n\r\n") },
		{ "blank behind", 400, LIT("5 \r\nhello\r\n0\r\n\r\n") },
		{ "empty size", 400, LIT("\r\nhello\r\n0\r\n\r\n") },
		{ "only an extension", 400, LIT(";a\r\n") },
		{ "bare LF", 400, LIT("5\nhello\r\n0\r\n\r\n") },
		{ "bare LF in an extension", 400, LIT("5;a\n\r\nhello\r\n0\r\n\r\n") },
		{ "bare CR in an extension", 400, LIT("5;\ra\r\nhello\r\n0\r\n\r\n") },
		{ "NUL in an extension", 400, LIT("5;\0a\r\nhello\r\n0\r\n\r\n") },
		{ "junk after a chunk", 400, LIT("5\r\nhelloX\r\n0\r\n\r\n") },
		{ "LF alone after a chunk", 400, LIT("5\r\nhello\n0\r\n\r\n") },
		{ "trailer without colon", 400, LIT("0\r\nX\r\n\r\n") },
		{ "folded trailer", 400, LIT("0\r\nX: y\r\n z\r\n\r\n") },
		{ "trailer with NUL", 400, LIT("0\r\nX: \0\r\n\r\n") },
		{ "larger than the limit", 413, LIT("11\r\n") },
		{ "sum larger than the limit", 413, LIT("10\r\n0123456789abcdef\r\n1\r\n") },
		{ "64 bits", 413, LIT("FFFFFFFFFFFFFFFF\r\n") },
		{ "wraps", 413, LIT("10000000000000005\r\nhello\r\n0\r\n\r\n") },
	};
	/* clang-format on */
	size_t i, taken;

	(void)state;
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct buf body = BUF_INIT;
		int r = unchunk(bad[i].text, bad[i].len, 1, 16, &body, &taken);

		if (r != -bad[i].status)
			fail_msg("%s: %d instead of %d", bad[i].what, r, -bad[i].status);
		buf_free(&body);
	}
}

static void
bounds_chunk_lines(void **state)
{
	char line[HTTP_CHUNK_LINE_MAX + 1];
	struct buf body = BUF_INIT, many = BUF_INIT;
	size_t taken, i;

	(void)state;
	memset(line, 'x', sizeof(line));
	memcpy(line, "5;", 2);
	assert_int_equal(unchunk(line, HTTP_CHUNK_LINE_MAX - 1, 7, 16, &body, &taken), 0);
	assert_int_equal(unchunk(line, HTTP_CHUNK_LINE_MAX, 7, 16, &body, &taken), -400);
	buf_add_str(&many, "0\r\n");
	for (i = 0; i < HTTP_FIELDS_MAX; i++)
		buf_add_str(&many, "a:b\r\n");
	assert_int_equal(unchunk((char *)many.data, many.len, many.len, 16, &body, &taken), 0);
	buf_add_str(&many, "a:b\r\n");
	assert_int_equal(unchunk((char *)many.data, many.len, many.len, 16, &body, &taken), -431);
	buf_free(&many);
	buf_free(&body);
}

/* What is accepted must hold what the engine builds on, whatever the bytes were. */
static void
check_accepted(const struct http_head *head, const unsigned char *in, int n)
{
	size_t i;

	assert_memory_equal(in + n - 4, "\r\n\r\n", 4);
	assert_true(head->count <= HTTP_FIELDS_MAX);
	assert_false(head->chunked && head->has_length);
	assert_true(head->path[0] == '/' || head->path[0] == '\0' || strcmp(head->path, "*") == 0);
	assert_null(strstr(head->path, "/../"));
	assert_null(strstr(head->path, "//"));
	for (i = 0; i < head->count; i++) {
		assert_true(head->fields[i].name[0] != '\0');
		assert_null(strpbrk(head->fields[i].name, " \t\r\n:"));
		assert_null(strpbrk(head->fields[i].value, "\r\n"));
	}
}

static uint32_t
next_random(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

static size_t
mutate(unsigned char *text, size_t len, uint32_t *seed)
{
	static const char spice[] = "\r\n\0 :;,%/.\t?#HTP1+-0";
	unsigned changes = 1 + next_random(seed) % 4;

	while (changes-- > 0 && len > 1) {
		size_t at = next_random(seed) % len;

		switch (next_random(seed) % 4) {
		case 0:
			text[at] = (unsigned char)next_random(seed);
			break;
		case 1:
			text[at] = (unsigned char)spice[next_random(seed) % (sizeof(spice) - 1)];
			break;
		case 2:
			memmove(text + at, text + at + 1, len - at - 1);
			len--;
			break;
		default:
			text[at] = text[next_random(seed) % len];
		}
	}
	return len;
}

static void
survives_mutants(void **state)
{
	static const char *const seeds[] = {
		"PUT /mdm?a=b HTTP/1.1\r\n" H "Content-Length: 5\r\nExpect: 100-continue\r\n"
		"Mdm-Signature: abcdef==\r\nConnection: keep-alive\r\n\r\nhello",
		"POST http://mdm.example.com/v1/%20a HTTP/1.1\r\n" H
		"Transfer-Encoding: chunked\r\n\r\n5;x\r\nhello\r\n0\r\nA: b\r\n\r\n",
		"OPTIONS * HTTP/1.0\r\nConnection: close\r\n\r\n",
	};
	clock_t end = clock() + CLOCKS_PER_SEC;
	uint32_t seed = 1;
	unsigned accepted = 0, refused = 0;

	(void)state;
	while (clock() < end) {
		const char *from = seeds[next_random(&seed) % 3];
		unsigned char *text = xmemdup(from, strlen(from));
		size_t len = mutate(text, strlen(from), &seed);
		unsigned char *exact = xmemdup(text, len);
		struct http_head head;
		int n = http_parse_head(bytes_of(exact, len), &head);

		if (n > 0) {
			struct buf body = BUF_INIT;
			struct http_chunks c = { 0 };
			ssize_t took;

			check_accepted(&head, exact, n);
			took = http_parse_chunks(
				&c, bytes_of(exact + n, len - (size_t)n), &body, 64);
			assert_true(took <= (ssize_t)(len - (size_t)n));
			assert_true(body.len <= 64);
			buf_free(&body);
			http_head_free(&head);
			accepted++;
		} else if (n < 0) {
			refused++;
		}
		free(exact);
		free(text);
	}
	assert_true(accepted > 0 && refused > 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refuses),
		cmocka_unit_test(reads_a_head),
		cmocka_unit_test(takes_forms_of_targets),
		cmocka_unit_test(knows_methods),
		cmocka_unit_test(knows_when_to_close),
		cmocka_unit_test(ignores_expect_of_http_1_0),
		cmocka_unit_test(bounds_the_head),
		cmocka_unit_test(reads_chunks),
		cmocka_unit_test(refuses_chunks),
		cmocka_unit_test(bounds_chunk_lines),
		cmocka_unit_test(survives_mutants),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
