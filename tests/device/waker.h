/* waker.h - wake-ups from the fake APNs: datagrams "TOKENHEX MAGIC" on a Unix socket */
#ifndef FAKE_WAKER_H
#define FAKE_WAKER_H

#define WAKER_TEXT 256

struct wake {
	char token[WAKER_TEXT], magic[WAKER_TEXT];
};

/* Listen at `path`, replacing a socket that is there.  The descriptor, or -errno. */
int waker_open(const char *path);

/* Wait `milliseconds` for a wake-up.  1: `ret` is filled, 0: none came (or junk), -errno. */
int waker_wait(int fd, int milliseconds, struct wake *ret);

void waker_close(int fd, const char *path);

#endif
