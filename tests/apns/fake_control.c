/* fake_control.c - commands at run time, a line each, answered by a line: "ok", "error: ..." or
 * JSON */
#include <ctype.h>
#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include "fake.h"

#define WORDS_MAX 6
#define LINE_MAX_BYTES 4096

static struct evconnlistener *listener;
static char *unix_path;
/* Control connections, so that they can be freed at the end. */
struct client {
	TAILQ_ENTRY(client) link;
	struct fake *fake;
	struct bufferevent *bev;
};
static TAILQ_HEAD(, client) clients = TAILQ_HEAD_INITIALIZER(clients);

static int
number(const char *text, long long *ret)
{
	char *end;

	errno = 0;
	*ret = strtoll(text, &end, 10);
	return errno == 0 && end != text && *end == '\0' && *ret >= 0 ? 0 : -1;
}

static void
drop_rules(struct fake *f, const char *token)
{
	struct rule *r, *next;

	for (r = TAILQ_FIRST(&f->rules); r; r = next) {
		next = TAILQ_NEXT(r, link);
		if (token && strcmp(r->token, token) != 0)
			continue;
		TAILQ_REMOVE(&f->rules, r, link);
		free(r);
	}
}

static int
add_rule(struct fake *f, const char *token, const char *status, const char *reason,
	const char *serial, long long timestamp)
{
	struct rule *r;
	long long n;

	if (number(status, &n) || n < 200 || n > 599)
		return -1;
	r = calloc(1, sizeof(*r));
	if (!r)
		abort();
	snprintf(r->token, sizeof(r->token), "%s", token);
	snprintf(r->serial, sizeof(r->serial), "%s", serial);
	snprintf(r->reason, sizeof(r->reason), "%s", reason);
	r->status = (int)n;
	r->timestamp = timestamp;
	TAILQ_INSERT_HEAD(&f->rules, r, link);
	return 0;
}

static int
do_reason(struct fake *f, int argc, char **argv)
{
	char token[TOKEN_TEXT_MAX];
	long long timestamp = 0;

	if (argc > 4 && number(argv[4], &timestamp))
		return -1;
	snprintf(token, sizeof(token), "%s", argv[1]);
	for (char *p = token; *p; p++)
		*p = (char)tolower((unsigned char)*p);
	drop_rules(f, token);
	return add_rule(f, token, argv[2], argv[3], "", timestamp);
}

static int
do_refuse(struct fake *f, int argc, char **argv)
{
	return add_rule(f, "*", argv[1], argv[2], argc > 3 ? argv[3] : "", 0);
}

static int
do_default(struct fake *f, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	drop_rules(f, NULL);
	f->delay_ms = 0;
	f->silent = 0;
	f->refuse_streams = 0;
	f->goaway_in = f->reset_in = -1;
	return 0;
}

static int
do_max_streams(struct fake *f, int argc, char **argv)
{
	long long n;

	(void)argc;
	if (number(argv[1], &n) || n > INT32_MAX)
		return -1;
	f->max_streams = (uint32_t)n;
	conns_settings(f);
	return 0;
}

static int
do_goaway(struct fake *f, int argc, char **argv)
{
	const char *reason = argc > 1 ? argv[1] : "";
	long long n;

	if (argc < 3) {
		conns_goaway(f, reason);
		return 0;
	}
	if (number(argv[2], &n) || n == 0 || n > 1000000000)
		return -1;
	snprintf(f->goaway_reason, sizeof(f->goaway_reason), "%s", reason);
	f->goaway_in = (long)n;
	return 0;
}

static int
do_reset(struct fake *f, int argc, char **argv)
{
	long long n;

	if (argc < 2) {
		conns_reset(f);
		return 0;
	}
	if (number(argv[1], &n) || n == 0 || n > 1000000000)
		return -1;
	f->reset_in = (long)n;
	return 0;
}

static int
do_garbage(struct fake *f, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	conns_garbage(f);
	return 0;
}

static int
do_deaf(struct fake *f, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	conns_deaf(f);
	return 0;
}

static int
do_silent(struct fake *f, int argc, char **argv)
{
	(void)argc;
	f->silent = strcmp(argv[1], "on") == 0;
	return f->silent || strcmp(argv[1], "off") == 0 ? 0 : -1;
}

static int
do_refuse_streams(struct fake *f, int argc, char **argv)
{
	long long n;

	(void)argc;
	if (number(argv[1], &n) || n > 1000000)
		return -1;
	f->refuse_streams = (unsigned)n;
	return 0;
}

static int
do_delay(struct fake *f, int argc, char **argv)
{
	long long n;

	(void)argc;
	if (number(argv[1], &n) || n > 3600000)
		return -1;
	f->delay_ms = (int)n;
	return 0;
}

static int
do_ping(struct fake *f, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	conns_ping(f);
	return 0;
}

static int
do_quit(struct fake *f, int argc, char **argv)
{
	const struct timeval soon = { 0, 20000 };

	(void)argc;
	(void)argv;
	event_base_loopexit(f->base, &soon); /* the "ok" still goes out */
	return 0;
}

static const struct command {
	const char *name;
	int least, most; /* words, the name included */
	int (*run)(struct fake *f, int argc, char **argv);
} commands[] = {
	{ "reason", 4, 5, do_reason },
	{ "refuse", 3, 4, do_refuse },
	{ "default", 1, 1, do_default },
	{ "max-streams", 2, 2, do_max_streams },
	{ "goaway", 1, 3, do_goaway },
	{ "reset", 1, 2, do_reset },
	{ "garbage", 1, 1, do_garbage },
	{ "deaf", 1, 1, do_deaf },
	{ "silent", 2, 2, do_silent },
	{ "refuse-streams", 2, 2, do_refuse_streams },
	{ "delay", 2, 2, do_delay },
	{ "ping", 1, 1, do_ping },
	{ "quit", 1, 1, do_quit },
};

static void
stats(const struct fake *f, struct evbuffer *out)
{
	evbuffer_add_printf(out,
		"{\"connections\":%lu,\"open\":%u,\"refused_handshakes\":%lu,\"pushes\":%lu,"
		"\"accepted\":%lu,\"rejected\":%lu,\"unanswered\":%lu,\"pings\":%lu,\"pongs\":%lu,"
		"\"goodbyes\":%lu,\"wakes\":%lu,\"wakes_lost\":%lu,\"streams_seen\":%u}\n",
		f->connections, conns_count(f), f->refused_handshakes, f->pushes, f->accepted,
		f->rejected, f->unanswered, f->pings, f->pongs, f->goodbyes, f->wakes,
		f->wakes_lost, f->streams_seen);
}

static void
run_line(struct fake *f, char *line, struct evbuffer *out)
{
	char *argv[WORDS_MAX], *save = NULL;
	int argc = 0;

	for (char *w = strtok_r(line, " \t\r", &save); w && argc < WORDS_MAX;
		w = strtok_r(NULL, " \t\r", &save))
		argv[argc++] = w;
	if (argc == 0)
		return;
	if (strcmp(argv[0], "stats") == 0) {
		stats(f, out);
		return;
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(commands[i].name, argv[0]) != 0)
			continue;
		if (argc < commands[i].least || argc > commands[i].most ||
			commands[i].run(f, argc, argv) != 0)
			evbuffer_add_printf(out, "error: wrong arguments of %s\n", argv[0]);
		else
			evbuffer_add_printf(out, "ok\n");
		return;
	}
	evbuffer_add_printf(out, "error: no command %s\n", argv[0]);
}

static void
client_free(struct client *c)
{
	TAILQ_REMOVE(&clients, c, link);
	bufferevent_free(c->bev);
	free(c);
}

static void
on_line(struct bufferevent *bev, void *arg)
{
	struct client *c = arg;
	struct evbuffer *in = bufferevent_get_input(bev);
	char *line;

	while ((line = evbuffer_readln(in, NULL, EVBUFFER_EOL_LF))) {
		run_line(c->fake, line, bufferevent_get_output(bev));
		free(line);
	}
	if (evbuffer_get_length(in) > LINE_MAX_BYTES)
		client_free(c);
}

static void
on_client_event(struct bufferevent *bev, short what, void *arg)
{
	(void)bev;
	if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
		client_free(arg);
}

static void
on_client(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *from, int len, void *arg)
{
	struct client *c = calloc(1, sizeof(*c));
	struct fake *f = arg;

	(void)l;
	(void)from;
	(void)len;
	if (!c)
		abort();
	c->fake = f;
	c->bev = bufferevent_socket_new(f->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (!c->bev)
		abort();
	TAILQ_INSERT_HEAD(&clients, c, link);
	bufferevent_setcb(c->bev, on_line, NULL, on_client_event, c);
	bufferevent_enable(c->bev, EV_READ | EV_WRITE);
}

/* A port number listens on 127.0.0.1, anything else is the path of a Unix socket. */
int
control_start(struct fake *f, const char *where)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct sockaddr *to = (struct sockaddr *)&un;
	int size = sizeof(un);
	long long port;

	if (number(where, &port) == 0) {
		in.sin_port = htons((uint16_t)port);
		in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		to = (struct sockaddr *)&in;
		size = sizeof(in);
	} else if (strlen(where) < sizeof(un.sun_path)) {
		memcpy(un.sun_path, where, strlen(where) + 1);
		unlink(where);
		unix_path = strdup(where);
	} else {
		return -1;
	}
	listener = evconnlistener_new_bind(f->base, on_client, f,
		LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE, -1, to, size);
	return listener ? 0 : -1;
}

void
control_stop(void)
{
	struct client *c;

	while ((c = TAILQ_FIRST(&clients)))
		client_free(c);
	if (listener)
		evconnlistener_free(listener);
	if (unix_path)
		unlink(unix_path);
	free(unix_path);
}
