/* listen.c - bound, listening, non-blocking sockets, and sentences for those that cannot be had */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "net/listen.h"

#define BACKLOG 4096
#define PORT_TRIES 8 /* port 0: IPv6 wants the port that IPv4 was given */

static const char *
remedy(int err)
{
	switch (err) {
	case EADDRINUSE:
		return "; another program has this port (see: ss -ltnp)";
	case EACCES:
		return "; ports below 1024 need CAP_NET_BIND_SERVICE";
	case EADDRNOTAVAIL:
		return "; this machine has no such address";
	default:
		return "";
	}
}

static void
explain(char **why, const char *address, unsigned port, int err)
{
	if (why)
		*why = xasprintf("cannot listen on %s port %u: %s%s", address, port, strerror(err),
			remedy(err));
}

static int
open_bound(const struct sockaddr *sa, socklen_t len)
{
	int fd, on = 1, err;

	fd = socket(sa->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) < 0 ||
		(sa->sa_family == AF_INET6 &&
			setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) < 0) ||
		bind(fd, sa, len) < 0 || listen(fd, BACKLOG) < 0) {
		err = errno;
		close(fd);
		return -err;
	}
	return fd;
}

static int
listen_numeric(const char *address, unsigned port)
{
	struct addrinfo hints, *found;
	char service[16];
	int r;

	memset(&hints, 0, sizeof(hints));
	hints.ai_family = AF_UNSPEC;
	hints.ai_socktype = SOCK_STREAM;
	hints.ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV;
	snprintf(service, sizeof(service), "%u", port);
	r = getaddrinfo(address, service, &hints, &found);
	if (r != 0)
		return r == EAI_SYSTEM && errno ? -errno : -EINVAL;
	r = open_bound(found->ai_addr, found->ai_addrlen);
	freeaddrinfo(found);
	return r;
}

static unsigned
port_of(int fd)
{
	struct sockaddr_in sin;
	socklen_t len = sizeof(sin);

	if (getsockname(fd, (struct sockaddr *)&sin, &len) < 0)
		return 0;
	return ntohs(sin.sin_port);
}

/* A machine, or a kernel, without one of the two families is no fault. */
static bool
family_absent(int r)
{
	return r == -EAFNOSUPPORT || r == -EADDRNOTAVAIL || r == -EPROTONOSUPPORT;
}

static int
listen_pair(const char *v4, const char *v6, unsigned port, int fds[2])
{
	int tries, r = -EADDRINUSE;

	for (tries = port == 0 ? PORT_TRIES : 1; tries > 0 && r == -EADDRINUSE; tries--) {
		int four = listen_numeric(v4, port), six;

		if (four < 0 && !family_absent(four))
			return four;
		six = listen_numeric(v6, port == 0 && four >= 0 ? port_of(four) : port);
		if (six < 0 && !family_absent(six)) {
			if (four >= 0)
				close(four);
			r = six;
			continue;
		}
		r = 0;
		if (four >= 0)
			fds[r++] = four;
		if (six >= 0)
			fds[r++] = six;
		if (r == 0)
			return four;
	}
	return r;
}

int
listen_tcp(const char *address, unsigned port, int *fds, size_t max, char **why)
{
	size_t len = strlen(address), i;
	char *bare = NULL;
	int r, found[2];

	if (port > 65535) {
		r = -EINVAL;
	} else if (strcmp(address, "*") == 0) {
		r = listen_pair("0.0.0.0", "::", port, found);
	} else if (strcmp(address, "localhost") == 0) {
		r = listen_pair("127.0.0.1", "::1", port, found);
	} else {
		if (len > 2 && address[0] == '[' && address[len - 1] == ']')
			bare = xstrndup(address + 1, len - 2);
		r = listen_numeric(bare ? bare : address, port);
		free(bare);
		if (r == -EINVAL && why)
			*why = xasprintf("cannot listen on %s: it is no numeric address, \"*\" or "
					 "\"localhost\"",
				address);
		if (r == -EINVAL)
			return r;
		if (r >= 0) {
			found[0] = r;
			r = 1;
		}
	}
	if (r > 0 && (size_t)r > max) {
		for (i = 0; i < (size_t)r; i++)
			close(found[i]);
		r = -ENOSPC;
	}
	if (r < 0) {
		explain(why, address, port, -r);
		return r;
	}
	memcpy(fds, found, (size_t)r * sizeof(*fds));
	return r;
}

/* 0: nobody answers there and the way is free. */
static int
clear_stale(const struct sockaddr_un *sun)
{
	struct stat st;
	int fd, r;

	if (lstat(sun->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	r = connect(fd, (const struct sockaddr *)sun, sizeof(*sun)) < 0 ? -errno : 0;
	close(fd);
	if (r == 0 || r == -EAGAIN) /* EAGAIN: its backlog is full, so it is alive */
		return -EADDRINUSE;
	if (r != -ECONNREFUSED)
		return r;
	return unlink(sun->sun_path) < 0 && errno != ENOENT ? -errno : 0;
}

/* Nobody can connect before listen(), and by then owner and mode are right. */
static int
bind_with_mode(int fd, const struct sockaddr_un *sun, mode_t mode, gid_t group)
{
	mode_t before = umask(0177);
	int r = bind(fd, (const struct sockaddr *)sun, sizeof(*sun)) < 0 ? -errno : 0;

	umask(before);
	if (r < 0)
		return r;
	if ((group != (gid_t)-1 && lchown(sun->sun_path, (uid_t)-1, group) < 0) ||
		chmod(sun->sun_path, mode) < 0 || listen(fd, BACKLOG) < 0) {
		r = -errno;
		unlink(sun->sun_path);
	}
	return r;
}

static const char *
unix_remedy(int err)
{
	switch (err) {
	case EADDRINUSE:
		return "another cordond listens there";
	case EEXIST:
		return "something that is no socket is in the way";
	case ENAMETOOLONG:
		return "the path of a socket has at most 107 bytes";
	default:
		return strerror(err);
	}
}

int
listen_unix(const char *path, mode_t mode, gid_t group, char **why)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	int fd = -1, r;

	if (strlen(path) >= sizeof(sun.sun_path)) {
		r = -ENAMETOOLONG;
		goto fail;
	}
	memcpy(sun.sun_path, path, strlen(path) + 1);
	r = clear_stale(&sun);
	if (r < 0)
		goto fail;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	r = fd < 0 ? -errno : bind_with_mode(fd, &sun, mode, group);
	if (r < 0)
		goto fail;
	return fd;
fail:
	if (why)
		*why = xasprintf("cannot listen on %s: %s", path, unix_remedy(-r));
	if (fd >= 0)
		close(fd);
	return r;
}

int
listen_systemd(int *fds, char names[][32], size_t max)
{
	char **given = NULL;
	int n = sd_listen_fds_with_names(1, &given), i, kept = 0;

	for (i = 0; i < n; i++) {
		int fd = SD_LISTEN_FDS_START + i;

		if ((size_t)kept < max) {
			/* systemd passes blocking sockets; one of those hangs the loop in accept.
			 */
			fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
			fcntl(fd, F_SETFD, FD_CLOEXEC);
			snprintf(names[kept], 32, "%s", given && given[i] ? given[i] : "");
			fds[kept++] = fd;
		} else {
			log_warn("systemd passed more than %zu sockets; \"%s\" is not used", max,
				given && given[i] ? given[i] : "");
			close(fd);
		}
	}
	for (i = 0; given && given[i]; i++)
		free(given[i]);
	free(given);
	return n < 0 ? n : kept;
}
