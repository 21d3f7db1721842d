/*
 * wire.h - many HTTP connections of one thread, over TLS or a Unix socket
 *
 * A wire carries one request at a time.  done() may start the next one, on this wire or another.
 */
#ifndef BENCH_WIRE_H
#define BENCH_WIRE_H

#include <openssl/ssl.h>
#include <stdbool.h>
#include <sys/socket.h>

#include "speaker.h"

#define WIRE_IN 65536u

struct wires;

struct wire {
	struct wires *of;
	int fd; /* -1: not open */
	SSL *ssl;
	struct speaker *speaker; /* whose certificate and session it uses, or NULL */
	enum { WIRE_REST, WIRE_SHAKING, WIRE_WRITING, WIRE_READING } state;
	const uint8_t *out;
	size_t out_len, out_off;
	char in[WIRE_IN + 1];
	size_t in_len;
	double began; /* when the request was due */
	void *owner;
	/* status 0: it failed, the wire is closed and `body` says why */
	void (*done)(struct wire *w, int status, const char *body, size_t len);
};

struct wires {
	int epoll;
	struct sockaddr_storage to;
	socklen_t to_len;
	SSL_CTX *tls; /* NULL: plain */
	bool offer_certificate, resume, spread;
	unsigned long opened, resumed;
};

/* "HOST:PORT" (numeric) with TLS, or the path of a Unix socket.  Ends the program when it cannot.
 */
void wires_open(struct wires *all, int epoll, const char *where);
void wires_close(struct wires *all);

void wire_init(struct wire *w, struct wires *all, struct speaker *speaker);
/* Opens the connection where there is none, and sends; `request` must live until done(). */
void wire_send(struct wire *w, const struct blob *request, double due);
void wire_hang_up(struct wire *w);
/* The descriptor of this wire is ready. */
void wire_ready(struct wire *w);

#endif
