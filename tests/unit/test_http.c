/* test_http.c - requests and replies over real sockets: routes, bodies, order, ends */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "http_bed.h"

#define H "Host: a\r\n"
#define END "Connection: close\r\n\r\n"

static void
answers_and_keeps_the_connection(void **state)
{
	const char *out = exchange(
		bed.port, "GET /hello?x HTTP/1.1\r\n" H "\r\nGET /hello HTTP/1.1\r\n" H END);

	(void)state;
	assert_int_equal(bed.handled, 2);
	assert_int_equal(bed.dropped, 2);
	assert_int_equal(count_in(out, "HTTP/1.1 200 OK\r\n"), 2);
	assert_int_equal(count_in(out, "Content-Length: 6\r\n"), 2);
	assert_int_equal(count_in(out, "Content-Type: text/plain"), 2);
	assert_int_equal(count_in(out, "\r\n\r\nhello\n"), 2);
	assert_int_equal(count_in(out, " GMT\r\n"), 2);
	assert_int_equal(count_in(out, "Connection: close"), 1);
	assert_true(bed.closed);
}

static void
speaks_http_1_0(void **state)
{
	const char *out = exchange(bed.port, "GET /hello HTTP/1.0\r\n\r\n");

	(void)state;
	assert_int_equal(count_in(out, "hello\n"), 1);
	assert_true(bed.closed);
	out = exchange(bed.port,
		"GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\nGET /hello HTTP/1.0\r\n\r\n");
	assert_int_equal(count_in(out, "hello\n"), 2);
	assert_int_equal(count_in(out, "Connection: keep-alive\r\n"), 1);
}

static void
routes_by_path_method_and_side(void **state)
{
	/* clang-format off */
	static const struct { const char *line; const char *status; const char *more; } lines[] = {
		{ "GET /nothing", "404", NULL },
		{ "GET /hello/", "404", NULL },
		{ "GET /items/a%20b", "200", "hello" },
		{ "GET /items", "404", NULL },
		{ "GET /secret", "404", NULL }, /* of another side */
		{ "POST /hello", "405", "Allow: GET, HEAD\r\n" },
		{ "OPTIONS /hello", "405", "Allow: GET, HEAD\r\n" },
		{ "GET /mdm", "405", "Allow: PUT\r\n" },
		{ "HEAD /mdm", "405", "Allow: PUT\r\n" },
		{ "POST /mdm", "405", "Allow: PUT\r\n" },
		{ "GET /items/special/x", "405", "Allow: POST\r\n" }, /* the longer prefix */
		{ "PATCH /items/x", "405", "Allow: GET, HEAD, DELETE\r\n" },
		{ "BREW /hello", "501", NULL },
		{ "hello /hello", "501", NULL },
		{ "CONNECT a:443", "501", NULL },
		{ "OPTIONS *", "404", NULL },
	};
	/* clang-format on */
	char text[256], status[32];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		const char *out;

		/* The connection goes on after each of them. */
		snprintf(text, sizeof(text),
			"%s HTTP/1.1\r\n" H "\r\nGET /hello HTTP/1.1\r\n" H END, lines[i].line);
		snprintf(status, sizeof(status), "HTTP/1.1 %s ", lines[i].status);
		out = exchange(bed.port, text);
		if (strncmp(out, status, strlen(status)) != 0 ||
			(lines[i].more && !strstr(out, lines[i].more)) ||
			count_in(out, "HTTP/1.1 ") != 2 || !strstr(out, "hello\n"))
			fail_msg("%s: %s", lines[i].line, out);
	}
	assert_non_null(
		strstr(exchange(bed.control_port, "GET /secret HTTP/1.1\r\n" H END), "200"));
}

static void
head_has_no_body(void **state)
{
	const char *out = exchange(
		bed.port, "HEAD /hello HTTP/1.1\r\n" H "\r\nHEAD /nothing HTTP/1.1\r\n" H END);

	(void)state;
	assert_int_equal(count_in(out, "200 OK"), 1);
	assert_int_equal(count_in(out, "404 Not Found"), 1);
	assert_int_equal(count_in(out, "Content-Length: 6\r\n"), 1);
	assert_null(strstr(out, "hello"));
	assert_null(strstr(out, "nothing at"));
}

static void
no_content_has_no_length_and_headers_cannot_be_split(void **state)
{
	const char *out;

	(void)state;
	log_set_level(0);
	out = exchange(bed.port, "GET /broken HTTP/1.1\r\n" H END);
	log_set_level(6);
	assert_non_null(strstr(out, "204 No Content"));
	assert_null(strstr(out, "Content-Length"));
	assert_null(strstr(out, "Content-Type"));
	assert_null(strstr(out, "Injected"));
}

static void
takes_bodies_with_a_length(void **state)
{
	static const char text[] =
		"PUT /mdm HTTP/1.1\r\n" H "Content-Length: 5\r\nX-Test:  v \r\n" END "ab\0cd";
	const char *out = exchange_bytes(bed.port, text, sizeof(text) - 1);

	(void)state;
	assert_int_equal(bed.body.len, 5);
	assert_memory_equal(bed.body.data, "ab\0cd", 5);
	assert_string_equal(buf_str(&bed.header), "v");
	assert_non_null(strstr(out, "X-Echo: yes\r\n"));
	assert_non_null(strstr(out, "Content-Length: 5\r\n"));
	out = exchange(bed.port, "PUT /mdm HTTP/1.1\r\n" H "Content-Length: 0\r\n" END);
	assert_non_null(strstr(out, "200 OK"));
	assert_non_null(strstr(out, "Content-Length: 0\r\n"));
}

/* Trailers must not become fields: a proxy strips a certificate field from the head only. */
static void
takes_chunked_bodies(void **state)
{
	const char *out =
		exchange(bed.port, "PUT /mdm HTTP/1.1\r\n" H "Transfer-Encoding: Chunked\r\n\r\n"
				   "5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nX-Test: forged\r\n\r\n"
				   "GET /hello HTTP/1.1\r\n" H END);

	(void)state;
	assert_int_equal(count_in(out, "200 OK"), 2);
	assert_non_null(strstr(out, "hello world"));
	assert_int_equal(bed.header.len, 0);
}

static void
dribble(void *arg)
{
	const char *text = arg;
	int fd = client_connect(bed.port);
	size_t i;

	for (i = 0; text[i]; i++) {
		client_send(fd, text + i, 1);
		if (i % 16 == 0)
			client_sleep(1);
	}
	client_read_end(fd, 5000);
}

static void
takes_requests_byte_by_byte(void **state)
{
	static char text[] = "\r\nPUT /mdm HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n"
			     "5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nX: y\r\n\r\n"
			     "PUT /mdm HTTP/1.1\r\n" H "Content-Length: 3\r\n" END "abc";

	(void)state;
	client_run(dribble, text);
	assert_int_equal(count_in(buf_str(&bed.out), "200 OK"), 2);
	assert_non_null(strstr(buf_str(&bed.out), "hello world"));
	assert_non_null(strstr(buf_str(&bed.out), "abc"));
}

static void
limits_bodies_by_route_and_type(void **state)
{
	/* clang-format off */
	static const struct { const char *text; const char *status; } cases[] = {
		{ "PUT /mdm HTTP/1.1\r\n" H "Content-Length: 100001\r\n\r\n", "413" },
		{ "PUT /mdm HTTP/1.1\r\n" H "Content-Type: checkin\r\nContent-Length: 1001\r\n\r\n", "413" },
		{ "PUT /mdm HTTP/1.1\r\n" H "Content-Length: 100001\r\nExpect: 100-continue\r\n\r\n", "413" },
		{ "PUT /mdm HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n186A1\r\n", "413" },
		{ "GET /hello HTTP/1.1\r\n" H "Content-Length: 1\r\n\r\nx", "413" },
		{ "GET /hello HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n1\r\nx", "413" },
		{ "POST /items/special/x HTTP/1.1\r\n" H "Content-Length: 11\r\n\r\n", "413" },
		{ "PUT /mdm HTTP/1.1\r\n" H "\r\n", "411" },
		{ "PUT /mdm HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\nzz\r\n", "400" },
		{ "PUT /nothing HTTP/1.1\r\n" H "Content-Length: 10\r\n\r\n", "404" },
		{ "PUT /hello HTTP/1.1\r\n" H "Content-Length: 10\r\n\r\n", "405" },
	};
	/* clang-format on */
	char status[32];
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct buf text = BUF_INIT;
		const char *out;

		/* The body that was not read must not be taken for a request. */
		buf_printf(&text, "%sGET /hello HTTP/1.1\r\n" H END, cases[i].text);
		snprintf(status, sizeof(status), "HTTP/1.1 %s ", cases[i].status);
		out = exchange(bed.port, buf_str(&text));
		if (strncmp(out, status, strlen(status)) != 0 || !bed.closed ||
			count_in(out, "HTTP/1.1 ") != 1)
			fail_msg("%s: %s", cases[i].text, out);
		buf_free(&text);
	}
	assert_int_equal(bed.body.len, 0);
}

/* A PUT that the parser took in pieces, at the limit exactly. */
static void
takes_a_body_of_the_limit(void **state)
{
	struct buf text = BUF_INIT;
	unsigned i;

	(void)state;
	buf_printf(&text, "PUT /mdm HTTP/1.1\r\n" H "Content-Length: %u\r\n" END, MDM_MAX);
	for (i = 0; i < MDM_MAX; i++)
		buf_add_char(&text, (char)('a' + i % 26));
	exchange_bytes(bed.port, (char *)text.data, text.len);
	assert_int_equal(bed.body.len, MDM_MAX);
	assert_memory_equal(bed.body.data, text.data + text.len - MDM_MAX, MDM_MAX);
	assert_memory_equal(
		bed.out.data + bed.out.len - MDM_MAX, text.data + text.len - MDM_MAX, MDM_MAX);
	buf_free(&text);
}

static void
send_large_and_read(void *arg)
{
	char *junk = xcalloc(1, 1 << 20);
	int fd = client_connect(bed.port), i;

	(void)arg;
	client_say(fd, "PUT /mdm HTTP/1.1\r\n" H "Content-Length: 3000000\r\n\r\n");
	for (i = 0; i < 3; i++)
		client_send(fd, junk, 1000000);
	client_read_end(fd, 5000);
	free(junk);
}

/* The refusal must reach a client that is still sending, not be lost in a reset. */
static void
early_refusal_is_seen(void **state)
{
	(void)state;
	client_run(send_large_and_read, NULL);
	assert_non_null(strstr(buf_str(&bed.out), "HTTP/1.1 413 "));
}

static void
expect_continue(void *arg)
{
	int fd = client_connect(bed.port);

	client_say(fd, "PUT /mdm HTTP/1.1\r\n" H "Content-Length: 2\r\n"
		       "Expect: 100-continue\r\n" END);
	*(bool *)arg = client_read_until(fd, "100 Continue\r\n\r\n", 1);
	client_say(fd, "ok");
	client_read_end(fd, 5000);
}

static void
honours_expect(void **state)
{
	bool continued = false;
	const char *out;

	(void)state;
	client_run(expect_continue, &continued);
	assert_true(continued);
	assert_non_null(strstr(buf_str(&bed.out), "200 OK"));
	/* Not when the body is there already: nobody waits for it. */
	out = exchange(bed.port,
		"PUT /mdm HTTP/1.1\r\n" H "Content-Length: 2\r\nExpect: 100-continue\r\n" END "ok");
	assert_null(strstr(out, "100 Continue"));
	assert_non_null(strstr(out, "200 OK"));
	out = exchange(
		bed.port, "PUT /mdm HTTP/1.1\r\n" H "Content-Length: 2\r\nExpect: cake\r\n\r\nok");
	assert_int_equal(strncmp(out, "HTTP/1.1 417 ", 13), 0);
}

/* Each hides a second request in what another parser might take for the body, or the other way. */
static void
nothing_is_smuggled(void **state)
{
	/* clang-format off */
	static const struct { const char *text; size_t len; } heads[] = {
#define LIT(s) { s, sizeof(s) - 1 }
		LIT("PUT /mdm HTTP/1.1\r\n" H "Content-Length : 30\r\n\r\n"),
		LIT("PUT /mdm HTTP/1.1\r\n" H "Transfer-Encoding: gzip\r\n\r\n"),
		LIT("PUT /mdm HTTP/1.1\r\n" H "Transfer-Encoding: xchunked\r\n\r\n"),
		LIT("PUT /mdm HTTP/1.1\r\n" H "\0X: y\r\nContent-Length: 30\r\n\r\n"),
		LIT("PUT /mdm HTTP/1.1\r\n" H "Content-Length: 0\r\nContent-Length: 30\r\n\r\n"),
		LIT("PUT /mdm HTTP/1.1\r\n" H "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n"),
		LIT("PUT /mdm HTTP/1.1\r\n" H "Content-Length: +0\r\n\r\n"),
		LIT("HEAD /hello HTTP/1.1\r\n" H "Content-Length: 30\r\n\r\n"),
		LIT("PUT /mdm HTTP/1.1\n" H "Content-Length: 0\r\n\r\n"),
		LIT("PUT /mdm HTTP/1.1\r\n" H "X: a\r\n Content-Length: 30\r\n\r\n"),
		LIT("PUT /mdm HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n"),
		LIT("PUT /mdm HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n0\n\n"),
#undef LIT
	};
	/* clang-format on */
	static const char hidden[] = "GET /hello HTTP/1.1\r\n" H END;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		struct buf text = BUF_INIT;
		const char *out;

		buf_add(&text, heads[i].text, heads[i].len);
		buf_add(&text, hidden, sizeof(hidden) - 1);
		out = exchange_bytes(bed.port, (char *)text.data, text.len);
		if (count_in(out, "HTTP/1.1 ") != 1 || count_in(out, "Connection: close") != 1 ||
			!bed.closed)
			fail_msg("%s: %s", heads[i].text, out);
		buf_free(&text);
	}
	assert_int_equal(bed.handled, 0);
}

static void
ask_late_then(void *arg)
{
	int fd = client_connect(bed.port), how = *(int *)arg;
	struct linger reset = { .l_onoff = 1, .l_linger = 0 };

	client_say(fd, "GET /late HTTP/1.1\r\n" H "\r\n");
	client_sleep(50);
	switch (how) {
	case 'c':
		close(fd);
		break;
	case 'r':
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		close(fd);
		break;
	}
	client_sleep(50);
}

static void
reply_to_a_client_that_has_gone(void **state)
{
	static const char hows[] = "cr";
	const char *at;

	(void)state;
	for (at = hows; *at; at++) {
		int how = *at;

		bed.late = NULL;
		client_run(ask_late_then, &how);
		assert_non_null(bed.late);
		assert_string_equal(http_path(bed.late), "/late"); /* still valid */
		assert_string_equal(http_peer(bed.late), "127.0.0.1");
		http_reply_header(bed.late, "X", "y");
		http_reply_text(bed.late, 200, "too late");
	}
	assert_int_equal(bed.dropped, 2);
	assert_non_null(strstr(exchange(bed.port, "GET /hello HTTP/1.1\r\n" H END), "200 OK"));
}

static void
answer_late(void *arg)
{
	(void)arg;
	if (!bed.late)
		return;
	http_reply_text(bed.late, 200, "late");
	bed.late = NULL;
}

static void
half_close(void *arg)
{
	int fd = client_connect(bed.port);

	(void)arg;
	client_say(fd, "GET /late HTTP/1.1\r\n" H "\r\nGET /hello HTTP/1.1\r\n" H "\r\nGET /he");
	shutdown(fd, SHUT_WR);
	client_read_end(fd, 5000);
}

static void
half_closed_client_gets_its_replies(void **state)
{
	struct loop_timer *t = loop_timer_new(bed.l, answer_late, NULL);
	const char *out;

	(void)state;
	loop_timer_set(t, 50);
	client_run(half_close, NULL);
	out = buf_str(&bed.out);
	assert_int_equal(count_in(out, "200 OK"), 2);
	assert_true(strstr(out, "late\n") < strstr(out, "hello\n"));
	assert_true(bed.closed);
	loop_timer_free(t);
}

static void
pipeline(void *arg)
{
	int fd = client_connect(bed.port);

	client_say(fd, "GET /hello HTTP/1.1\r\n" H "\r\nGET /late HTTP/1.1\r\n" H "\r\n"
		       "GET /items/last HTTP/1.1\r\n" H END);
	client_read_until(fd, "hello\n", 1);
	client_sleep(50);
	*(unsigned *)arg = bed.handled; /* before the late reply */
	client_read_end(fd, 5000);
}

/* Nothing is parsed while a reply is due. */
static void
pipelined_requests_are_served_in_order(void **state)
{
	struct loop_timer *t = loop_timer_new(bed.l, answer_late, NULL);
	unsigned handled = 0;
	const char *out;

	(void)state;
	loop_timer_set(t, 150);
	client_run(pipeline, &handled);
	assert_int_equal(handled, 2);
	assert_int_equal(bed.handled, 3);
	out = buf_str(&bed.out);
	assert_int_equal(count_in(out, "200 OK"), 3);
	assert_non_null(strstr(strstr(out, "late\n"), "hello\n"));
	loop_timer_free(t);
}

static void
release_ok(void *arg)
{
	*(unsigned *)arg = (unsigned)bed.out.len;
	http_server_release(bed.server, 0);
}

static void
release_failed(void *arg)
{
	(void)arg;
	http_server_release(bed.server, -EIO);
}

static void
held_replies_wait_for_the_commit(void **state)
{
	static const char text[] = "GET /hello HTTP/1.1\r\n" H END;
	unsigned before = 1;
	struct loop_timer *t = loop_timer_new(bed.l, release_ok, &before), *f;
	const char *out;

	(void)state;
	bed.hold = true;
	loop_timer_set(t, 80);
	out = exchange(bed.port, text);
	assert_int_equal(before, 0);
	assert_int_equal(bed.handled, 1);
	assert_non_null(strstr(out, "200 OK"));
	f = loop_timer_new(bed.l, release_failed, NULL);
	loop_timer_set(f, 80);
	out = exchange(bed.port, text);
	assert_int_equal(strncmp(out, "HTTP/1.1 503 ", 13), 0);
	assert_null(strstr(out, "hello"));
	loop_timer_free(t);
	loop_timer_free(f);
}

/* A request that is answered after the commit began waits for the next one. */
static void
release_lets_go_only_what_waited(void **state)
{
	unsigned before = 1;
	struct loop_timer *t = loop_timer_new(bed.l, release_ok, &before);
	const char *out;

	(void)state;
	bed.hold = true;
	loop_timer_set(t, 80);
	http_server_set_deadlines(bed.server, &(struct http_deadlines){ .reply_ms = 300 });
	out = exchange(bed.port, "GET /hello HTTP/1.1\r\n" H "\r\nGET /hello HTTP/1.1\r\n" H END);
	assert_int_equal(bed.handled, 2);
	assert_int_equal(count_in(out, "200 OK"), 1);
	assert_true(bed.closed); /* by the deadline of a reply: nobody released it */
	http_server_release(bed.server, 0);
	loop_timer_free(t);
}

static void
ask_and_leave(void *arg)
{
	struct linger reset = { .l_onoff = 1, .l_linger = 0 };
	int fd = client_connect(bed.port);

	(void)arg;
	client_say(fd, "GET /hello HTTP/1.1\r\n" H "\r\n");
	client_sleep(50);
	setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	close(fd);
	client_sleep(50);
}

static void
held_reply_to_a_client_that_has_gone(void **state)
{
	(void)state;
	bed.hold = true;
	client_run(ask_and_leave, NULL);
	assert_int_equal(bed.handled, 1);
	assert_int_equal(bed.dropped, 1);
	http_server_release(bed.server, 0);
}

static unsigned errors;

static void
count_errors(const struct log_record *r)
{
	errors += r->level <= 3;
}

static void
device_never_gets_401(void **state)
{
	struct http_numbers n;
	const char *out;

	(void)state;
	errors = 0;
	log_set_sink(count_errors);
	out = exchange(bed.port, "GET /unauthorized HTTP/1.1\r\n" H END);
	log_set_sink(NULL);
	assert_int_equal(strncmp(out, "HTTP/1.1 500 ", 13), 0);
	assert_null(strstr(out, "401"));
	assert_null(strstr(out, "WWW-Authenticate"));
	assert_int_equal(errors, 1);
	http_server_numbers(bed.server, &n);
	assert_int_equal(n.unauthorized_averted, 1);
	assert_int_equal(n.status[5], 1);
	out = exchange(bed.control_port, "GET /unauthorized HTTP/1.1\r\n" H END);
	assert_int_equal(strncmp(out, "HTTP/1.1 401 ", 13), 0);
	assert_non_null(strstr(out, "WWW-Authenticate: Bearer\r\n"));
	http_server_numbers(bed.server, &n);
	assert_int_equal(n.unauthorized_averted, 1);
	assert_int_equal(n.requests, 2);
}

static void
ask_with_query(void *arg)
{
	int fd = client_connect(bed.port);
	char text[256];

	snprintf(text, sizeof(text), "GET /late?%s HTTP/1.1\r\n" H "\r\n", (const char *)arg);
	client_say(fd, text);
	client_sleep(50);
	close(fd);
}

static void
query_parameters(void **state)
{
	static char query[] =
		"a=1&message=x%2By+z%3d&twice=1&twice=2&bad=%zz&flag&na%6de=v&nul=%00";
	struct buf b = BUF_INIT;

	(void)state;
	client_run(ask_with_query, query);
	assert_non_null(bed.late);
	assert_string_equal(http_query(bed.late), query);
	assert_int_equal(http_query_get(bed.late, "message", false, &b), 0);
	assert_string_equal(buf_str(&b), "x+y z=");
	buf_reset(&b);
	assert_int_equal(http_query_get(bed.late, "message", true, &b), 0);
	assert_string_equal(buf_str(&b), "x+y+z=");
	buf_reset(&b);
	assert_int_equal(http_query_get(bed.late, "flag", false, &b), 0);
	assert_int_equal(b.len, 0);
	assert_int_equal(http_query_get(bed.late, "name", false, &b), 0);
	assert_string_equal(buf_str(&b), "v");
	assert_int_equal(http_query_get(bed.late, "twice", false, &b), -EINVAL);
	assert_int_equal(http_query_get(bed.late, "bad", false, &b), -EINVAL);
	assert_int_equal(http_query_get(bed.late, "nul", false, &b), -EINVAL);
	assert_int_equal(http_query_get(bed.late, "mess", false, &b), -ENOENT);
	http_reply_text(bed.late, 200, "");
	buf_free(&b);
}

/* A job in the worker thread outlives the server at stop. */
static void
request_outlives_the_server(void **state)
{
	int how = ' ';

	(void)state;
	client_run(ask_late_then, &how);
	assert_non_null(bed.late);
	http_server_free(bed.server);
	bed.server = NULL;
	assert_string_equal(http_path(bed.late), "/late");
	http_reply_text(bed.late, 200, "nobody hears");
	assert_int_equal(bed.dropped, 1);
}

static void
on_stopped(void *arg)
{
	*(bool *)arg = true;
}

struct stopping {
	bool stopped;
	int64_t ms;
};

static void
stop_server(void *arg)
{
	struct stopping *s = arg;

	http_server_stop(bed.server, s->ms, on_stopped, &s->stopped);
}

static void
two_while_stopping(void *arg)
{
	int idle = client_connect(bed.port), late = client_connect(bed.port);
	bool *refused = arg;
	int fd;

	client_say(idle, "GET /hello HTTP/1.1\r\n" H "\r\n");
	client_read_until(idle, "hello\n", 1);
	client_say(late, "GET /late HTTP/1.1\r\n" H "\r\n");
	client_sleep(100); /* stops meanwhile */
	fd = client_connect(bed.port);
	*refused = fd < 0;
	if (fd >= 0)
		close(fd);
	client_read_end(idle, 2000);
	client_read_end(late, 5000);
	client_sleep(50);
}

static void
stop_lets_replies_out(void **state)
{
	struct stopping s = { false, 5000 };
	struct loop_timer *stop = loop_timer_new(bed.l, stop_server, &s);
	struct loop_timer *answer = loop_timer_new(bed.l, answer_late, NULL);
	bool refused = false;

	(void)state;
	loop_timer_set(stop, 50);
	loop_timer_set(answer, 200);
	client_run(two_while_stopping, &refused);
	assert_true(refused);
	assert_non_null(strstr(buf_str(&bed.out), "late\n"));
	assert_non_null(strstr(buf_str(&bed.out), "Connection: close"));
	assert_true(bed.closed);
	assert_true(s.stopped);
	assert_true(bed.took_ms < 3000);
	loop_timer_free(stop);
	loop_timer_free(answer);
}

static void
stop_does_not_wait_for_ever(void **state)
{
	struct stopping s = { false, 100 };
	int how = ' ';

	(void)state;
	client_run(ask_late_then, &how); /* stays connected, is never answered */
	stop_server(&s);
	bed_spin(300);
	assert_true(s.stopped);
	http_reply_text(bed.late, 200, "orphan");
}

static uint32_t
next_random(uint32_t *seed)
{
	*seed = *seed * 1664525u + 1013904223u;
	return *seed >> 8;
}

static void
throw_mutants(void *arg)
{
	static const char seed_text[] = "PUT /mdm HTTP/1.1\r\n" H
					"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
					"PUT /mdm?a=b HTTP/1.1\r\n" H
					"Content-Length: 4\r\nExpect: 100-continue\r\n\r\nbody"
					"GET /items/%20 HTTP/1.1\r\n" H END;
	uint32_t seed = 7;
	time_t end = time(NULL) + 2;

	(void)arg;
	while (time(NULL) < end) {
		char text[sizeof(seed_text)];
		size_t len = sizeof(seed_text) - 1, i, changes = 1 + next_random(&seed) % 3;
		int fd = client_connect(bed.port);

		memcpy(text, seed_text, len);
		for (i = 0; i < changes; i++)
			text[next_random(&seed) % len] = "\r\n\0 :;0A/"[next_random(&seed) % 9];
		client_send(fd, text, next_random(&seed) % 4 ? len : next_random(&seed) % len);
		shutdown(fd, SHUT_WR);
		client_read_end(fd, 5000);
		if (!bed.closed) /* stuck */
			return;
		buf_reset(&bed.out);
	}
}

static void
survives_mutants(void **state)
{
	struct http_numbers n;

	(void)state;
	client_run(throw_mutants, NULL);
	assert_true(bed.closed);
	assert_non_null(strstr(exchange(bed.port, "GET /hello HTTP/1.1\r\n" H END), "200 OK"));
	http_server_numbers(bed.server, &n);
	assert_true(n.connections > 50 && n.status[2] > 0 && n.status[4] > 0);
	assert_int_equal(n.open, 0);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, bed_set_up, bed_tear_down)
	const struct CMUnitTest tests[] = {
		T(answers_and_keeps_the_connection),
		T(speaks_http_1_0),
		T(routes_by_path_method_and_side),
		T(head_has_no_body),
		T(no_content_has_no_length_and_headers_cannot_be_split),
		T(takes_bodies_with_a_length),
		T(takes_chunked_bodies),
		T(takes_requests_byte_by_byte),
		T(limits_bodies_by_route_and_type),
		T(takes_a_body_of_the_limit),
		T(early_refusal_is_seen),
		T(honours_expect),
		T(nothing_is_smuggled),
		T(reply_to_a_client_that_has_gone),
		T(half_closed_client_gets_its_replies),
		T(pipelined_requests_are_served_in_order),
		T(held_replies_wait_for_the_commit),
		T(release_lets_go_only_what_waited),
		T(held_reply_to_a_client_that_has_gone),
		T(device_never_gets_401),
		T(query_parameters),
		T(request_outlives_the_server),
		T(stop_lets_replies_out),
		T(stop_does_not_wait_for_ever),
		T(survives_mutants),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
