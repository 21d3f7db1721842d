/*
 * http_bed.h - a server in this process's loop, and clients in a thread that speak raw bytes to it
 *
 * A client must not assert (cmocka leaves by longjmp): it leaves what it saw in bed.out and its
 * like, and the test judges that when client_run has come back.
 */
#ifndef CORDON_TESTS_HTTP_BED_H
#define CORDON_TESTS_HTTP_BED_H

#include <openssl/ssl.h>
#include <stdbool.h>

#include "base/buf.h"
#include "net/http.h"
#include "net/loop.h"
#include "net/tls.h"

#define MDM_MAX 100000u
#define CHECKIN_MAX 1000u
#define BIG (16u << 20)

struct bed {
	struct loop *l;
	struct http_server *server;
	unsigned port, control_port, tls_port;
	bool hold; /* replies wait */
	/* what handlers saw last */
	unsigned handled, dropped;
	struct buf path, body, header, peer;
	bool cred, cert;
	struct http_request *late; /* of /late, not answered yet */
	struct buf out;		   /* what the client read */
	bool closed;		   /* the server closed within the client's patience */
	int64_t took_ms;
};
extern struct bed bed;

int bed_set_up(void **state);
int bed_tear_down(void **state);
void bed_use_tls(int request_client);

/* Runs `client` in a thread, and the loop until it has come back. */
void client_run(void (*client)(void *arg), void *arg);
/* Runs the loop for a while. */
void bed_spin(int ms);

/* For clients. */
int client_connect(unsigned port);
void client_send(int fd, const char *data, size_t len);
void client_say(int fd, const char *text);
/* Reads to bed.out until the server closes, or for ms; closes fd. */
void client_read_end(int fd, int ms);
/* Reads on until `text` has come `times` times in bed.out; false: not in five seconds. */
bool client_read_until(int fd, const char *text, unsigned times);
void client_sleep(int ms);

/* Sends `text` to the port and reads until the server closes; bed.out as text. */
const char *exchange(unsigned port, const char *text);
const char *exchange_bytes(unsigned port, const char *data, size_t len);
unsigned count_in(const char *text, const char *what);

#endif
