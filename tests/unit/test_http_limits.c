/* test_http_limits.c - deadlines, bounds, TLS and Unix sockets of the HTTP server */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <event2/buffer.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "http_bed.h"
#include "net/http_int.h"
#include "net/listen.h"
#include "net_fixture.h"

#define H "Host: a\r\n"
#define END "Connection: close\r\n\r\n"

static void
set_deadlines(int64_t handshake, int64_t head, int64_t body, int64_t reply, int64_t idle)
{
	struct http_deadlines d = { handshake, head, body, reply, idle };

	http_server_set_deadlines(bed.server, &d);
}

static struct http_numbers
numbers(void)
{
	struct http_numbers n;

	http_server_numbers(bed.server, &n);
	return n;
}

struct slow {
	unsigned port;
	const char *first;   /* sent at once */
	int bytes, every_ms; /* then one byte each */
};

/* Sends slowly, for ever as far as it is concerned, and reads what comes at the end. */
static void
slow_client(void *arg)
{
	struct slow *s = arg;
	int fd = client_connect(s->port), i;

	client_say(fd, s->first);
	for (i = 0; i < s->bytes; i++) {
		client_sleep(s->every_ms);
		if (send(fd, "x", 1, MSG_NOSIGNAL) < 0)
			break;
	}
	client_read_end(fd, 3000);
}

/* Each goes on moving all the time: a deadline for silence alone would never come. */
static void
deadlines_are_total(void **state)
{
	struct slow head = { bed.port, "GET /hello HTTP/1.1\r\nX: ", 40, 20 };
	struct slow line = { bed.port, "GET /", 40, 20 };
	struct slow body = { bed.port, "PUT /mdm HTTP/1.1\r\n" H "Content-Length: 900\r\n\r\n", 40,
		20 };
	struct slow idle = { bed.port, "GET /hello HTTP/1.1\r\n" H "\r\n", 0, 0 };
	struct slow nothing = { bed.port, "", 0, 0 };

	(void)state;
	set_deadlines(0, 150, 150, 0, 150);
	client_run(slow_client, &head);
	assert_non_null(strstr(buf_str(&bed.out), "HTTP/1.1 408 "));
	client_run(slow_client, &line);
	assert_non_null(strstr(buf_str(&bed.out), "HTTP/1.1 408 "));
	client_run(slow_client, &body);
	assert_non_null(strstr(buf_str(&bed.out), "HTTP/1.1 408 "));
	assert_int_equal(numbers().timeouts, 3);
	assert_int_equal(bed.handled, 0);
	client_run(slow_client, &idle);
	assert_true(bed.closed);
	assert_int_equal(count_in(buf_str(&bed.out), "HTTP/1.1 "), 1);
	assert_in_range(bed.took_ms, 100, 1500);
	client_run(slow_client, &nothing);
	assert_true(bed.closed);
	assert_int_equal(bed.out.len, 0);
	assert_in_range(bed.took_ms, 100, 1500);
}

static void
handshake_has_a_deadline(void **state)
{
	/* The beginning of a ClientHello, then a byte at a time. */
	struct slow hello = { bed.tls_port, "\x16\x03\x01\x02\x01\x01\x01", 40, 20 };

	(void)state;
	bed_use_tls(0);
	set_deadlines(150, 0, 0, 0, 0);
	client_run(slow_client, &hello);
	assert_true(bed.closed);
	assert_in_range(bed.took_ms, 100, 2000);
	assert_int_equal(numbers().timeouts, 1);
	assert_int_equal(numbers().handshake_failures, 1);
}

static void
steady_client(void *arg)
{
	int fd = client_connect(bed.port), i;
	char piece[1000];

	(void)arg;
	memset(piece, 'x', sizeof(piece));
	client_say(fd, "PUT /mdm HTTP/1.1\r\n" H "Content-Length: 10000\r\n" END);
	for (i = 0; i < 10; i++) {
		client_send(fd, piece, sizeof(piece));
		client_sleep(40);
	}
	client_read_end(fd, 3000);
}

/* A slow line is no attack: a body that comes at 1 KB/s or more may take its time. */
static void
steady_body_may_take_longer(void **state)
{
	(void)state;
	set_deadlines(0, 0, 100, 0, 0);
	client_run(steady_client, NULL);
	assert_true(bed.took_ms >= 400);
	assert_non_null(strstr(buf_str(&bed.out), "200 OK"));
	assert_int_equal(bed.body.len, 10000);
}

static void
big_without_reading(void *arg)
{
	int fd = client_connect(bed.port);

	(void)arg;
	client_say(fd, "GET /big HTTP/1.1\r\n" H "\r\n");
	client_read_until(fd, "200 OK", 1);
	client_sleep(1000);
	client_read_end(fd, 3000);
}

static void
reader_that_does_not_read_is_cut(void **state)
{
	(void)state;
	set_deadlines(0, 0, 0, 200, 0);
	client_run(big_without_reading, NULL);
	assert_true(bed.closed);
	assert_true(bed.out.len < BIG);
	assert_int_equal(numbers().timeouts, 1);
	assert_int_equal(numbers().open, 0);
}

static void
read_big(void *arg)
{
	int fd = client_connect(bed.port);

	(void)arg;
	client_say(fd, "GET /big HTTP/1.1\r\n" H END);
	client_read_end(fd, 5000);
}

static void
large_reply_comes_whole(void **state)
{
	(void)state;
	client_run(read_big, NULL);
	assert_true(bed.closed);
	assert_true(bed.out.len > BIG && bed.out.len < BIG + 300);
}

static void
flood_while_due(void *arg)
{
	int fd = client_connect(bed.port), i;
	char *junk = xcalloc(1, 1 << 20);

	client_say(fd, "GET /late HTTP/1.1\r\n" H "\r\n");
	fcntl(fd, F_SETFL, O_NONBLOCK);
	for (i = 0; i < 300; i++) {
		if (send(fd, junk, 1 << 20, MSG_NOSIGNAL) < 0)
			client_sleep(1);
	}
	client_sleep(50);
	/* The loop rests while nothing comes; reading its number is safe enough for a test. */
	*(size_t *)arg = evbuffer_get_length(bufferevent_get_input(bed.late->conn->bev));
	close(fd);
	free(junk);
}

static void
unread_input_is_bounded(void **state)
{
	size_t unread = 0;

	(void)state;
	client_run(flood_while_due, &unread);
	assert_int_equal(unread, HTTP_INPUT_MAX);
	http_reply_text(bed.late, 200, "");
	bed.late = NULL;
}

static void
bodies_have_one_budget(void **state)
{
	struct buf text = BUF_INIT;
	const char *out;

	(void)state;
	log_set_level(0);
	http_server_set_body_budget(bed.server, 20000);
	buf_printf(&text, "PUT /mdm HTTP/1.1\r\n" H "Content-Length: %u\r\n\r\n", MDM_MAX);
	while (text.len < MDM_MAX)
		buf_add_char(&text, 'x');
	out = exchange_bytes(bed.port, (char *)text.data, text.len);
	assert_int_equal(strncmp(out, "HTTP/1.1 503 ", 13), 0);
	assert_true(bed.closed);
	/* What was refused has given its share back. */
	out = exchange(bed.port, "PUT /mdm HTTP/1.1\r\n" H "Content-Length: 4\r\n" END "body");
	assert_int_equal(strncmp(out, "HTTP/1.1 200 ", 13), 0);
	log_set_level(6);
	buf_free(&text);
}

struct crowd {
	bool third_waited, third_served, control_served;
};

static bool
has_answer(int fd, int ms)
{
	struct timeval tv = { ms / 1000, ms % 1000 * 1000 };
	char room[1000];

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	return recv(fd, room, sizeof(room), 0) > 0;
}

/* Two that have requests open fill the server for devices, not for administrators. */
static void
crowd_client(void *arg)
{
	struct crowd *c = arg;
	int one = client_connect(bed.port), two = client_connect(bed.port), three, control;

	client_say(one, "GET /hel");
	client_say(two, "GET /hel");
	client_sleep(50);
	three = client_connect(bed.port);
	client_say(three, "GET /hello HTTP/1.1\r\n" H "\r\n");
	c->third_waited = !has_answer(three, 100);
	control = client_connect(bed.control_port);
	client_say(control, "GET /hello HTTP/1.1\r\n" H "\r\n");
	c->control_served = has_answer(control, 2000);
	close(one);
	c->third_served = has_answer(three, 2000);
	close(two);
	close(three);
	close(control);
}

static void
full_server_lets_devices_wait(void **state)
{
	struct crowd c = { 0 };

	(void)state;
	log_set_level(0);
	http_server_set_limits(bed.server, 2, 2);
	client_run(crowd_client, &c);
	log_set_level(6);
	assert_true(c.third_waited);
	assert_true(c.control_served);
	assert_true(c.third_served);
}

/* Half a request, half a body and a reply that is not read: each keeps a place of the control side.
 */
static void
stuck_crowd(void *arg)
{
	static const char *const halves[] = { "GET /hel", "",
		"PUT /mdm HTTP/1.1\r\n" H "Content-Length: 5\r\n\r\nab",
		"GET /big HTTP/1.1\r\n" H "\r\n" };
	size_t count = sizeof(halves) / sizeof(halves[0]), i;
	int fds[4][2], mine;

	for (i = 0; i < count; i++) {
		for (int k = 0; k < 2; k++) {
			fds[i][k] = client_connect(bed.control_port);
			client_say(fds[i][k], halves[i]);
		}
		client_sleep(50);
		mine = client_connect(bed.control_port);
		client_say(mine, "GET /hello HTTP/1.1\r\n" H "\r\n");
		*(unsigned *)arg += has_answer(mine, 5000);
		close(mine);
	}
	for (i = 0; i < count; i++)
		for (int k = 0; k < 2; k++)
			close(fds[i][k]);
}

static void
stuck_control_clients_make_room(void **state)
{
	unsigned served = 0;

	(void)state;
	log_set_level(0);
	http_server_set_limits(bed.server, 2, 2);
	client_run(stuck_crowd, &served);
	log_set_level(6);
	assert_int_equal(served, 4);
}

static void
idle_crowd(void *arg)
{
	int fds[3], i;

	for (i = 0; i < 3; i++) {
		fds[i] = client_connect(bed.port);
		client_say(fds[i], "GET /hello HTTP/1.1\r\n" H "\r\n");
		*(unsigned *)arg += has_answer(fds[i], 2000);
	}
	*(unsigned *)arg += has_answer(fds[0], 2000) ? 10 : 0; /* closed: the oldest */
	for (i = 0; i < 3; i++)
		close(fds[i]);
}

static void
idle_connections_make_room(void **state)
{
	unsigned served = 0;

	(void)state;
	http_server_set_limits(bed.server, 2, 2);
	client_run(idle_crowd, &served);
	assert_int_equal(served, 3);
}

struct files {
	struct rlimit before;
	bool served;
	double cpu_s;
};

/* In the loop's process all descriptors are used up; the one connection cannot be taken. */
static void
exhaust_files(void *arg)
{
	struct files *f = arg;
	struct rlimit none = f->before;
	struct timespec begin, end;
	int fd = client_connect(bed.control_port), waiting = client_connect(bed.port), spare;

	client_sleep(50);
	close(fd);
	close(waiting);
	client_sleep(50);
	waiting = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	spare = dup(waiting); /* the lowest free number is behind this one */
	none.rlim_cur = (rlim_t)spare;
	close(spare);
	setrlimit(RLIMIT_NOFILE, &none);
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin);
	{
		struct sockaddr_in sin = { .sin_family = AF_INET,
			.sin_port = htons((uint16_t)bed.port) };

		sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		if (connect(waiting, (struct sockaddr *)&sin, sizeof(sin)) < 0)
			return;
	}
	client_say(waiting, "GET /hello HTTP/1.1\r\n" H "\r\n");
	f->served = has_answer(waiting, 500); /* must not be */
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end);
	f->cpu_s =
		(double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9;
	setrlimit(RLIMIT_NOFILE, &f->before);
	f->served = !f->served && has_answer(waiting, 2000);
	close(waiting);
}

static unsigned warnings;

static void
count_warnings(const struct log_record *r)
{
	warnings += r->level <= 4;
}

static void
no_descriptors_left_is_survived(void **state)
{
	struct files f = { 0 };

	(void)state;
	warnings = 0;
	log_set_sink(count_warnings);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &f.before), 0);
	client_run(exhaust_files, &f);
	log_set_sink(NULL);
	assert_true(f.served);
	assert_true(f.cpu_s < 0.25); /* no spinning */
	assert_int_equal(warnings, 1);
}

/* Over TLS with a certificate of its own. */
struct tls_client {
	EVP_PKEY *key;
	X509 *cert;
	const char *text;
	bool connected, notified; /* got a close_notify */
};

static void
tls_client(void *arg)
{
	struct tls_client *c = arg;
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = SSL_new(ctx);
	int fd = client_connect(bed.tls_port), n;
	char room[65536];

	SSL_set_fd(ssl, fd);
	if (c->cert) {
		SSL_use_certificate(ssl, c->cert);
		SSL_use_PrivateKey(ssl, c->key);
	}
	c->connected = SSL_connect(ssl) == 1;
	if (c->connected) {
		SSL_write(ssl, c->text, (int)strlen(c->text));
		while ((n = SSL_read(ssl, room, sizeof(room))) > 0)
			buf_add(&bed.out, room, (size_t)n);
		c->notified = SSL_get_error(ssl, n) == SSL_ERROR_ZERO_RETURN;
	}
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	close(fd);
}

static void
serves_over_tls(void **state)
{
	struct tls_client c = { .text = "GET /hello HTTP/1.1\r\n" H
					"\r\nGET /big HTTP/1.1\r\n" H END };

	(void)state;
	bed_use_tls(1);
	client_run(tls_client, &c);
	assert_true(c.connected && c.notified);
	assert_false(bed.cert);
	assert_int_equal(bed.handled, 2);
	assert_true(bed.out.len > BIG);
	assert_int_equal(numbers().handshakes, 1);
	c.text = "PUT /mdm HTTP/1.1\r\n" H "Content-Length: 100001\r\n\r\n";
	client_run(tls_client, &c);
	assert_non_null(strstr(buf_str(&bed.out), "HTTP/1.1 413 "));
	assert_true(c.notified);
}

static void
sees_client_certificates(void **state)
{
	struct tls_client c = { .text = "GET /hello HTTP/1.1\r\n" H END };

	(void)state;
	c.key = fixture_key();
	c.cert = fixture_cert(c.key, "device", -1000, -100); /* expired: the handler judges */
	bed_use_tls(1);
	client_run(tls_client, &c);
	assert_true(c.connected && bed.cert);
	bed_use_tls(0); /* a reload: new connections see it at once */
	client_run(tls_client, &c);
	assert_true(c.connected);
	assert_false(bed.cert);
	X509_free(c.cert);
	EVP_PKEY_free(c.key);
}

/* The client goes while the request is with a handler that wants its certificate later. */
static void
tls_ask_and_leave(void *arg)
{
	struct tls_client *c = arg;
	SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
	SSL *ssl = SSL_new(ctx);
	int fd = client_connect(bed.tls_port);

	SSL_set_fd(ssl, fd);
	SSL_use_certificate(ssl, c->cert);
	SSL_use_PrivateKey(ssl, c->key);
	c->connected = SSL_connect(ssl) == 1;
	SSL_write(ssl, c->text, (int)strlen(c->text));
	client_sleep(100);
	SSL_free(ssl);
	SSL_CTX_free(ctx);
	close(fd);
	client_sleep(100);
}

static void
certificate_outlives_its_connection(void **state)
{
	struct tls_client c = { .text = "GET /late HTTP/1.1\r\n" H "\r\n" };

	(void)state;
	c.key = fixture_key();
	c.cert = fixture_cert(c.key, "device", -100, 1000);
	bed_use_tls(1);
	client_run(tls_ask_and_leave, &c);
	assert_int_equal(numbers().open, 0);
	assert_non_null(bed.late);
	assert_int_equal(X509_cmp(http_peer_cert(bed.late), c.cert), 0);
	http_reply_text(bed.late, 200, "gone");
	X509_free(c.cert);
	EVP_PKEY_free(c.key);
}

static void
tls_port_never_speaks_plain(void **state)
{
	const char *out = exchange(bed.tls_port, "GET /hello HTTP/1.1\r\n" H END);

	(void)state;
	assert_null(strstr(out, "HTTP"));
	assert_true(bed.closed);
	assert_int_equal(numbers().refused_connections, 1); /* there is no certificate yet */
	bed_use_tls(0);
	out = exchange(bed.tls_port, "GET /hello HTTP/1.1\r\n" H END);
	assert_null(strstr(out, "hello"));
	assert_true(bed.closed);
	assert_int_equal(numbers().handshake_failures, 1);
	http_server_set_tls(bed.server, NULL);
	out = exchange(bed.tls_port, "GET /hello HTTP/1.1\r\n" H END);
	assert_null(strstr(out, "HTTP"));
	assert_int_equal(numbers().refused_connections, 2);
	assert_int_equal(bed.handled, 0);
}

static size_t
collect(char *data, size_t size, size_t count, void *arg)
{
	(void)arg;
	buf_add(&bed.out, data, size * count);
	return size * count;
}

static size_t
produce(char *out, size_t size, size_t count, void *left)
{
	size_t n = size * count, *have = left;

	if (n > *have)
		n = *have;
	memset(out, 'p', n);
	*have -= n;
	return n;
}

/* libcurl: a client that is not ours, with Expect, then chunked, on one TLS connection. */
static void
curl_client(void *arg)
{
	CURL *curl = curl_easy_init();
	struct curl_slist *expect = curl_slist_append(NULL, "Expect: 100-continue");
	char url[64];
	size_t left = 50000;

	snprintf(url, sizeof(url), "https://127.0.0.1:%u/mdm", bed.tls_port);
	curl_easy_setopt(curl, CURLOPT_URL, url);
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
	curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
	curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, expect);
	curl_easy_setopt(curl, CURLOPT_READFUNCTION, produce);
	curl_easy_setopt(curl, CURLOPT_READDATA, &left);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, collect);
	curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)50000);
	((CURLcode *)arg)[0] = curl_easy_perform(curl);
	left = 30000;
	curl_easy_setopt(curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)-1);
	((CURLcode *)arg)[1] = curl_easy_perform(curl);
	curl_slist_free_all(expect);
	curl_easy_cleanup(curl);
}

static void
serves_curl(void **state)
{
	CURLcode codes[2] = { CURLE_OBSOLETE16, CURLE_OBSOLETE16 };

	(void)state;
	bed_use_tls(0);
	client_run(curl_client, codes);
	assert_int_equal(codes[0], CURLE_OK);
	assert_int_equal(codes[1], CURLE_OK);
	assert_int_equal(bed.out.len, 80000);
	assert_int_equal(numbers().status[1], 2);
	assert_int_equal(numbers().connections, 1);
	assert_true(bed.took_ms < 900); /* curl gives a server a second to say "go on" */
}

static void
unix_client(void *arg)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strcpy(sun.sun_path, arg);
	if (connect(fd, (struct sockaddr *)&sun, sizeof(sun)) < 0)
		return;
	client_say(fd, "GET /secret HTTP/1.1\r\n" H END);
	client_read_end(fd, 2000);
}

static void
knows_callers_on_unix_sockets(void **state)
{
	struct http_listener_options o = { .side = HTTP_CONTROL };
	char dir[] = "/tmp/test_http.XXXXXX", path[64];
	int fd;

	(void)state;
	assert_non_null(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/control.sock", dir);
	fd = listen_unix(path, 0600, (gid_t)-1, NULL);
	assert_true(fd >= 0);
	assert_int_equal(http_server_listen(bed.server, fd, &o), 0);
	client_run(unix_client, path);
	assert_non_null(strstr(buf_str(&bed.out), "200 OK"));
	assert_true(bed.cred);
	assert_string_equal(buf_str(&bed.peer), "unix");
	exchange(bed.control_port, "GET /secret HTTP/1.1\r\n" H END);
	assert_false(bed.cred); /* the kernel would answer for TCP too, with nonsense */
	assert_string_equal(buf_str(&bed.peer), "127.0.0.1");
	unlink(path);
	rmdir(dir);
}

/* systemd may pass a dual-stack, blocking socket. */
static void
passed_sockets_are_made_fit(void **state)
{
	struct sockaddr_in6 six = { .sin6_family = AF_INET6 };
	struct http_listener_options o = { .side = HTTP_DEVICE };
	socklen_t len = sizeof(six);
	int fd = socket(AF_INET6, SOCK_STREAM, 0), off = 0;

	(void)state;
	if (fd < 0) { /* a machine without IPv6 */
		assert_int_equal(errno, EAFNOSUPPORT);
		return;
	}
	setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
	assert_int_equal(bind(fd, (struct sockaddr *)&six, sizeof(six)), 0);
	assert_int_equal(listen(fd, 10), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&six, &len), 0);
	assert_int_equal(http_server_listen(bed.server, fd, &o), 0);
	assert_true(fcntl(fd, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	exchange(ntohs(six.sin6_port), "GET /hello HTTP/1.1\r\n" H END);
	assert_int_equal(bed.handled, 1);
	assert_string_equal(buf_str(&bed.peer), "127.0.0.1"); /* not ::ffff:127.0.0.1 */
}

static void
try_connect(void *arg)
{
	int fd = client_connect(bed.port);

	*(int *)arg = fd;
	if (fd >= 0)
		close(fd);
}

static void
unlisten_closes_one_side(void **state)
{
	int fd = 0;

	(void)state;
	http_server_unlisten(bed.server, HTTP_DEVICE);
	client_run(try_connect, &fd);
	assert_int_equal(fd, -1);
	assert_non_null(strstr(exchange(bed.control_port, "GET /hello HTTP/1.1\r\n" H END), "200"));
	assert_int_equal(http_server_listen(bed.server, -1,
				 &(struct http_listener_options){ .side = HTTP_DEVICE }),
		-EBADF);
}

int
main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, bed_set_up, bed_tear_down)
	const struct CMUnitTest tests[] = {
		T(deadlines_are_total),
		T(handshake_has_a_deadline),
		T(steady_body_may_take_longer),
		T(reader_that_does_not_read_is_cut),
		T(large_reply_comes_whole),
		T(unread_input_is_bounded),
		T(bodies_have_one_budget),
		T(full_server_lets_devices_wait),
		T(idle_connections_make_room),
		T(stuck_control_clients_make_room),
		T(no_descriptors_left_is_survived),
		T(serves_over_tls),
		T(sees_client_certificates),
		T(certificate_outlives_its_connection),
		T(tls_port_never_speaks_plain),
		T(serves_curl),
		T(knows_callers_on_unix_sockets),
		T(passed_sockets_are_made_fit),
		T(unlisten_closes_one_side),
	};

	curl_global_init(CURL_GLOBAL_DEFAULT);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
