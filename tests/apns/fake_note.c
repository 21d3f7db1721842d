/* fake_note.c - the log of pushes as JSON lines, and waking devices by datagrams */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "fake.h"

#define RETRY_MS 5
#define WAITING_MAX 200000u

struct call {
	STAILQ_ENTRY(call) link;
	size_t len;
	char text[];
};

static STAILQ_HEAD(, call) calls = STAILQ_HEAD_INITIALIZER(calls);
static size_t waiting;
static int wake_fd = -1;
static struct event *retry;

void
note_log(struct fake *f, const struct push *p, const char *serial)
{
	struct timeval now;
	json_t *line;
	json_t *magic = json_object_get(p->payload, "mdm");

	if (!f->log)
		return;
	gettimeofday(&now, NULL);
	line = json_pack("{s:f, s:s, s:O?, s:O?, s:O, s:s, s:i, s:s}", "time",
		(double)now.tv_sec + (double)now.tv_usec / 1e6, "token", p->token, "magic", magic,
		"topic", json_object_get(p->fields, "apns-topic"), "headers", p->fields, "serial",
		serial, "status", p->status, "reason", p->reason);
	if (line && json_dumpf(line, f->log, JSON_COMPACT) == 0)
		fputc('\n', f->log);
	fflush(f->log);
	json_decref(line);
}

/* 1: sent or given up; 0: the device's queue is full, later. */
static int
send_call(struct fake *f, const struct call *c)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };

	snprintf(to.sun_path, sizeof(to.sun_path), "%s", f->wake);
	if (sendto(wake_fd, c->text, c->len, MSG_DONTWAIT, (struct sockaddr *)&to, sizeof(to)) >=
		0) {
		f->wakes++;
		return 1;
	}
	if (errno == EAGAIN || errno == ENOBUFS || errno == EINTR)
		return 0;
	f->wakes_lost++;
	return 1;
}

static void
send_waiting(evutil_socket_t fd, short what, void *arg)
{
	const struct timeval pause = { 0, RETRY_MS * 1000 };
	struct fake *f = arg;
	struct call *c;

	(void)fd;
	(void)what;
	while ((c = STAILQ_FIRST(&calls)) && send_call(f, c)) {
		STAILQ_REMOVE_HEAD(&calls, link);
		waiting--;
		free(c);
	}
	if (c)
		event_add(retry, &pause);
}

int
note_wake_start(struct fake *f)
{
	wake_fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	retry = event_new(f->base, -1, 0, send_waiting, f);
	return wake_fd >= 0 && retry ? 0 : -1;
}

/* "TOKENHEX MAGIC", no newline. */
void
note_wake(struct fake *f, const struct push *p)
{
	const char *magic = json_string_value(json_object_get(p->payload, "mdm"));
	size_t size;
	struct call *c;

	if (!f->wake || !magic)
		return;
	if (waiting >= WAITING_MAX) {
		f->wakes_lost++;
		return;
	}
	size = strlen(p->token) + strlen(magic) + 2;
	c = malloc(sizeof(*c) + size);
	if (!c)
		abort();
	c->len = (size_t)snprintf(c->text, size, "%s %s", p->token, magic);
	STAILQ_INSERT_TAIL(&calls, c, link);
	waiting++;
	if (waiting == 1)
		send_waiting(-1, 0, f);
}

void
note_stop(void)
{
	struct call *c;

	while ((c = STAILQ_FIRST(&calls))) {
		STAILQ_REMOVE_HEAD(&calls, link);
		free(c);
	}
	if (retry)
		event_free(retry);
	if (wake_fd >= 0)
		close(wake_fd);
}
