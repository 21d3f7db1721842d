/* http_bed.c - a server in this process's loop, and clients in a thread that speak raw bytes to it
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "http_bed.h"
#include "net/listen.h"
#include "net_fixture.h"

struct bed bed;

static void
count_drop(void *data)
{
	*(unsigned *)data += 1;
}

static void
note(struct http_request *r)
{
	uid_t uid;
	gid_t gid;
	pid_t pid;

	bed.handled++;
	buf_reset(&bed.path);
	buf_add_str(&bed.path, http_path(r));
	buf_reset(&bed.body);
	buf_add_bytes(&bed.body, http_body(r));
	buf_reset(&bed.header);
	if (http_header(r, "X-Test"))
		buf_add_str(&bed.header, http_header(r, "x-test"));
	buf_reset(&bed.peer);
	buf_add_str(&bed.peer, http_peer(r));
	bed.cred = http_peer_cred(r, &uid, &gid, &pid) && uid == getuid() && pid == getpid();
	bed.cert = http_peer_cert(r) != NULL;
	http_set_data(r, &bed.dropped, count_drop);
}

static void
on_hello(struct http_request *r, void *ctx)
{
	note(r);
	if (ctx != &bed)
		http_reply_text(r, 500, "wrong context");
	else
		http_reply_text(r, 200, "hello");
}

static void
on_echo(struct http_request *r, void *ctx)
{
	(void)ctx;
	note(r);
	http_reply_header(r, "X-Echo", "yes");
	http_reply(r, 200, "application/octet-stream", http_body(r));
}

static void
on_late(struct http_request *r, void *ctx)
{
	(void)ctx;
	note(r);
	bed.late = r;
}

static void
on_big(struct http_request *r, void *ctx)
{
	static unsigned char big[BIG];

	(void)ctx;
	note(r);
	http_reply(r, 200, NULL, bytes_of(big, sizeof(big)));
}

static void
on_unauthorized(struct http_request *r, void *ctx)
{
	(void)ctx;
	note(r);
	http_reply_header(r, "WWW-Authenticate", "Bearer");
	http_reply_text(r, 401, "who are you");
}

static void
on_broken_header(struct http_request *r, void *ctx)
{
	(void)ctx;
	note(r);
	http_reply_header(r, "X-Bad", "a\r\nX-Injected: b");
	http_reply(r, 204, "text/plain", bytes_of(NULL, 0));
}

static size_t
mdm_limit(const struct http_request *r)
{
	const char *type = http_header(r, "Content-Type");

	return type && strcmp(type, "checkin") == 0 ? CHECKIN_MAX : MDM_MAX;
}

#define BOTH (HTTP_DEVICE | HTTP_CONTROL)
static const struct http_route routes[] = {
	{ "/hello", false, HTTP_GET, BOTH, 0, NULL, on_hello },
	{ "/mdm", false, HTTP_PUT, BOTH, 0, mdm_limit, on_echo },
	{ "/late", false, HTTP_GET, BOTH, 0, NULL, on_late },
	{ "/big", false, HTTP_GET, BOTH, 0, NULL, on_big },
	{ "/unauthorized", false, HTTP_GET, BOTH, 0, NULL, on_unauthorized },
	{ "/broken", false, HTTP_GET, BOTH, 0, NULL, on_broken_header },
	{ "/items/", true, HTTP_GET | HTTP_DELETE, BOTH, 0, NULL, on_hello },
	{ "/items/special/", true, HTTP_POST, BOTH, 10, NULL, on_echo },
	{ "/secret", false, HTTP_GET, HTTP_CONTROL, 0, NULL, on_hello },
};

static bool
hold(void *arg)
{
	return *(bool *)arg;
}

static unsigned
listen_as(enum http_side side, bool tls)
{
	struct http_listener_options o = { .side = side, .tls = tls };
	struct sockaddr_in sin;
	socklen_t len = sizeof(sin);
	int fd;

	if (listen_tcp("127.0.0.1", 0, &fd, 1, NULL) != 1 ||
		getsockname(fd, (struct sockaddr *)&sin, &len) < 0 ||
		http_server_listen(bed.server, fd, &o) < 0)
		return 0;
	return ntohs(sin.sin_port);
}

int
bed_set_up(void **state)
{
	(void)state;
	memset(&bed, 0, sizeof(bed));
	bed.l = loop_new();
	bed.server = http_server_new(
		bed.l, routes, sizeof(routes) / sizeof(routes[0]), &bed, hold, &bed.hold);
	bed.port = listen_as(HTTP_DEVICE, false);
	bed.control_port = listen_as(HTTP_CONTROL, false);
	bed.tls_port = listen_as(HTTP_DEVICE, true);
	return bed.port && bed.control_port && bed.tls_port ? 0 : -1;
}

int
bed_tear_down(void **state)
{
	(void)state;
	http_server_free(bed.server);
	loop_free(bed.l);
	buf_free(&bed.path);
	buf_free(&bed.body);
	buf_free(&bed.header);
	buf_free(&bed.peer);
	buf_free(&bed.out);
	return 0;
}

void
bed_use_tls(int request_client)
{
	EVP_PKEY *key = fixture_key();
	STACK_OF(X509) *chain = fixture_chain(fixture_cert(key, "localhost", -100, 1000));
	struct tls_server *t = tls_server_new(chain, key, request_client, NULL, NULL);

	http_server_set_tls(bed.server, t);
	tls_server_unref(t);
	sk_X509_pop_free(chain, X509_free);
	EVP_PKEY_free(key);
}

struct run {
	void (*client)(void *arg);
	void *arg;
	int done;
};

static void *
run_client(void *arg)
{
	struct run *run = arg;

	run->client(run->arg);
	eventfd_write(run->done, 1);
	return NULL;
}

static void
on_done(void *arg, int fd)
{
	(void)arg;
	(void)fd;
	loop_stop(bed.l);
}

void
client_run(void (*client)(void *arg), void *arg)
{
	struct run run = { client, arg, eventfd(0, EFD_CLOEXEC) };
	struct loop_fd *done = loop_fd_new(bed.l, run.done, on_done, NULL);
	int64_t begin = clock_mono_ms();
	pthread_t thread;

	buf_reset(&bed.out);
	bed.closed = false;
	pthread_create(&thread, NULL, run_client, &run);
	loop_run(bed.l);
	pthread_join(thread, NULL);
	bed.took_ms = clock_mono_ms() - begin;
	loop_fd_free(done);
	close(run.done);
}

static void
sleep_client(void *arg)
{
	client_sleep(*(int *)arg);
}

void
bed_spin(int ms)
{
	struct buf kept = bed.out; /* what the last client read is still to be judged */

	bed.out = (struct buf)BUF_INIT;
	client_run(sleep_client, &ms);
	bed.out = kept;
}

int
client_connect(unsigned port)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (connect(fd, (struct sockaddr *)&sin, sizeof(sin)) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

void
client_send(int fd, const char *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);

		if (n <= 0)
			return;
		data += n;
		len -= (size_t)n;
	}
}

void
client_say(int fd, const char *text)
{
	client_send(fd, text, strlen(text));
}

/* 1 read something, 0 the server closed, -1 nothing for ms */
static int
read_some(int fd, int ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char room[65536];
	ssize_t n;

	if (poll(&p, 1, ms) <= 0)
		return -1;
	n = read(fd, room, sizeof(room));
	if (n <= 0)
		return 0;
	buf_add(&bed.out, room, (size_t)n);
	return 1;
}

void
client_read_end(int fd, int ms)
{
	int64_t end = clock_mono_ms() + ms, now;
	int r = 1;

	while (r == 1 && (now = clock_mono_ms()) < end)
		r = read_some(fd, (int)(end - now));
	bed.closed = r == 0;
	close(fd);
}

bool
client_read_until(int fd, const char *text, unsigned times)
{
	int64_t end = clock_mono_ms() + 5000;

	while (count_in(buf_str(&bed.out), text) < times) {
		if (clock_mono_ms() > end || read_some(fd, 5000) != 1)
			return false;
	}
	return true;
}

void
client_sleep(int ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	nanosleep(&t, NULL);
}

struct message {
	unsigned port;
	const char *data;
	size_t len;
};

static void
exchange_client(void *arg)
{
	struct message *m = arg;
	int fd = client_connect(m->port);

	client_send(fd, m->data, m->len);
	client_read_end(fd, 5000);
}

const char *
exchange_bytes(unsigned port, const char *data, size_t len)
{
	struct message m = { port, data, len };

	client_run(exchange_client, &m);
	return buf_str(&bed.out);
}

const char *
exchange(unsigned port, const char *text)
{
	return exchange_bytes(port, text, strlen(text));
}

unsigned
count_in(const char *text, const char *what)
{
	unsigned n = 0;

	while ((text = strstr(text, what))) {
		n++;
		text += strlen(what);
	}
	return n;
}
