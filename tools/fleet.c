/* fleet.c - how many devices are enrolled, asked of the daemon over its control socket */
#include "fleet.h"

#include <errno.h>
#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"

#define PATIENCE_S 5
#define ANSWER_MAX (4u << 20)

static const char *
the_socket(const struct tool_options *o)
{
	const char *env = getenv("CORDON_SOCKET");

	if (o->socket)
		return o->socket;
	return env && *env ? env : CORDON_RUNDIR "/control.sock";
}

static int
open_socket(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct timeval patience = { .tv_sec = PATIENCE_S };
	int fd, r;

	if (strlen(path) >= sizeof(a.sun_path))
		return -ENAMETOOLONG;
	memcpy(a.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == 0 &&
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) == 0 &&
		connect(fd, (struct sockaddr *)&a, sizeof(a)) == 0)
		return fd;
	r = -errno;
	close(fd);
	return r;
}

/* HTTP/1.0: the answer ends with the connection. */
static int
exchange(int fd, struct buf *answer)
{
	static const char request[] = "GET /v1/status HTTP/1.0\r\n\r\n";
	ssize_t n;

	if (send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) != (ssize_t)sizeof(request) - 1)
		return -EIO;
	do {
		buf_reserve(answer, 65536);
		n = recv(fd, answer->data + answer->len, 65536, 0);
		if (n < 0)
			return -errno;
		answer->len += (size_t)n;
	} while (n > 0 && answer->len < ANSWER_MAX);
	return 0;
}

static json_t *
status_of(const char *path)
{
	struct buf answer = BUF_INIT;
	json_t *status = NULL;
	const char *body;
	int fd = open_socket(path);

	if (fd < 0)
		return NULL;
	if (exchange(fd, &answer) == 0) {
		body = strstr(buf_str(&answer), "\r\n\r\n");
		status = body ? json_loads(body + 4, 0, NULL) : NULL;
	}
	close(fd);
	buf_free(&answer);
	return status;
}

static bool
same_directory(const char *a, const char *b)
{
	char x[PATH_MAX], y[PATH_MAX];

	return a && b && realpath(a, x) && realpath(b, y) && strcmp(x, y) == 0;
}

void
fleet_say(const struct tool_options *o, const char *certs, FILE *out)
{
	const char *path = the_socket(o);
	json_t *status = status_of(path), *devices = json_object_get(status, "devices");
	json_int_t n = json_integer_value(json_object_get(devices, "enrolled")) +
		       json_integer_value(json_object_get(devices, "inactive"));
	const char *theirs = json_string_value(
		json_object_get(json_object_get(status, "certificates"), "directory"));

	if (!json_is_integer(json_object_get(devices, "enrolled")))
		fprintf(out,
			"How many devices are enrolled is not known: no daemon answers at %s.\n",
			path);
	else if (!same_directory(theirs, certs))
		fprintf(out,
			"How many devices are enrolled is not known: the daemon at %s works on "
			"another directory, %s.\n",
			path, theirs ? theirs : "unknown");
	else if (n == 1)
		fprintf(out, "1 device is enrolled.\n");
	else
		fprintf(out, "%lld devices are enrolled.\n", (long long)n);
	json_decref(status);
}
