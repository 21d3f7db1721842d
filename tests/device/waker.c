/* waker.c - wake-ups from the fake APNs */
#include "waker.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int
waker_open(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	int fd, rc;

	if (strlen(path) >= sizeof(sa.sun_path))
		return -ENAMETOOLONG;
	memcpy(sa.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	unlink(path);
	if (bind(fd, (struct sockaddr *)&sa, sizeof(sa)) < 0) {
		rc = -errno;
		close(fd);
		return rc;
	}
	return fd;
}

int
waker_wait(int fd, int milliseconds, struct wake *ret)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	char text[2 * WAKER_TEXT];
	ssize_t n;
	int rc = poll(&p, 1, milliseconds);

	if (rc <= 0)
		return rc < 0 && errno != EINTR ? -errno : 0;
	n = recv(fd, text, sizeof(text) - 1, 0);
	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	text[n] = '\0';
	return sscanf(text, "%255s %255s", ret->token, ret->magic) == 2;
}

void
waker_close(int fd, const char *path)
{
	if (fd < 0)
		return;
	close(fd);
	unlink(path);
}
