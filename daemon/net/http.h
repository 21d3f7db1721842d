/*
 * http.h - HTTP/1.1 server: routes as a table, limits after the head, deadlines for each phase
 *
 * The engine answers 400, 404, 405 (with Allow), 408, 411, 413, 417, 431, 501, 503 and 505 by
 * itself.  It never sends 401 on a device listener, whatever a handler says: that would unenroll a
 * device (facts/protocol.md A.10); such a reply becomes 500 and is logged. Everything that two
 * parsers could read differently is refused (facts/library-traps.md 1.4).
 */
#ifndef CORDON_NET_HTTP_H
#define CORDON_NET_HTTP_H

#include <openssl/ossl_typ.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"

#define HTTP_HEAD_MAX 32768u /* bytes of request line and fields */
#define HTTP_FIELDS_MAX 64u
#define HTTP_INPUT_MAX 65536u	      /* unread input a connection */
#define HTTP_BODY_BUDGET (256u << 20) /* bytes of all bodies in memory; beyond it 503 */
#define HTTP_HANDSHAKE_MS 10000
#define HTTP_HEAD_MS 10000
#define HTTP_BODY_MS 60000 /* or 1 KB/s, whichever is longer */
#define HTTP_REPLY_MS 60000
#define HTTP_IDLE_MS 60000

enum http_method {
	HTTP_GET = 1,
	HTTP_HEAD = 2,
	HTTP_POST = 4,
	HTTP_PUT = 8,
	HTTP_DELETE = 16,
	HTTP_PATCH = 32,
	HTTP_OPTIONS = 64
};

/*
 * Which kind of listener a request came by: a route lists those it exists on.  What exists on the
 * control socket exists on the API's too, where `admit` asks for a key.
 */
enum http_side {
	HTTP_DEVICE = 1,
	HTTP_CONTROL = 2,
	HTTP_GATE = 4,
	HTTP_API = 8,
	HTTP_METRICS = 16
};

struct http_request;
struct http_server;
struct loop;
struct tls_server;

struct http_route {
	const char *path;
	bool prefix;	  /* path is a beginning: "/v1/enrollments/" */
	unsigned methods; /* enum http_method, or-ed; HEAD comes with GET */
	unsigned sides;	  /* enum http_side, or-ed */
	size_t body_max;  /* bytes; 0: a body is refused with 413 */
	/* Chooses the limit after the head is known (by Content-Type); NULL: body_max. */
	size_t (*limit)(const struct http_request *r);
	/*
	 * Owns the answer: calls http_reply exactly once, now or later.  ctx is http_server_new's.
	 */
	void (*handler)(struct http_request *r, void *ctx);
};

/*
 * `hold` (may be NULL): when http_reply is called and hold(arg) says true, the reply waits until
 * the engine's owner calls http_server_release(server, err): err 0 sends what waited, err < 0 sends
 * 503 instead.  How replies wait for the commit.
 */
struct http_server *http_server_new(struct loop *l, const struct http_route *routes, size_t count,
	void *ctx, bool (*hold)(void *arg), void *arg);
void http_server_release(struct http_server *s, int err);
/*
 * Asked after the head of each request that has a route, before anything of its body is read.
 * False: it answered already (http_reply), and what the client still sends is not looked at.
 */
void http_server_set_admit(struct http_server *s, bool (*admit)(struct http_request *r, void *ctx));
/* Stops accepting, lets replies that are due out for at most `ms`, closes idle connections, then
 * calls done. */
void http_server_stop(struct http_server *s, int64_t ms, void (*done)(void *arg), void *arg);
void http_server_free(
	struct http_server *s); /* closes all; requests still held by handlers become orphans */
/*
 * Connections at most on device listeners; `reserve` each for control with gate, and for api with
 * metrics.
 */
void http_server_set_limits(struct http_server *s, unsigned device_connections, unsigned reserve);

struct http_listener_options {
	enum http_side side;
	bool tls; /* by the server's current TLS snapshot; connections are refused while there is
		     none */
	bool behind_proxy;
};
/* Takes fd: bound and listening; sets O_NONBLOCK and FD_CLOEXEC.  0 or -errno. */
int http_server_listen(struct http_server *s, int fd, const struct http_listener_options *o);
void http_server_unlisten(struct http_server *s, enum http_side side);
/* New connections use it from now on; NULL: TLS listeners take no connection.  Takes a reference.
 */
void http_server_set_tls(struct http_server *s, struct tls_server *t);

/* Other times and another budget than the ones above: for tests.  0: as it is. */
struct http_deadlines {
	int64_t handshake_ms, head_ms, body_ms, reply_ms, idle_ms;
};
void http_server_set_deadlines(struct http_server *s, const struct http_deadlines *d);
void http_server_set_body_budget(struct http_server *s, size_t bytes);

struct http_numbers {
	uint64_t connections, requests, refused_connections, handshakes, handshake_failures,
		timeouts;
	uint64_t status[6];	       /* by class: 1xx .. 5xx at [1..5] */
	uint64_t unauthorized_averted; /* 401 to a device that was turned into 500: must stay 0 */
	unsigned open;
};
void http_server_numbers(const struct http_server *s, struct http_numbers *ret);

/* The request, valid until http_reply returns.  Strings are NUL-terminated and hold no NUL. */
enum http_method http_method(const struct http_request *r);
const char *http_path(const struct http_request *r);  /* decoded, without the query */
const char *http_query(const struct http_request *r); /* raw, without '?'; "" */
/* One parameter, percent-decoded ('+' is a blank unless raw_plus).  0, -ENOENT, -EINVAL (twice, or
 * bad escape). */
int http_query_get(const struct http_request *r, const char *name, bool raw_plus, struct buf *ret);
/* The field's value; NULL when absent.  Several of one name: see http_header_count. */
const char *http_header(const struct http_request *r, const char *name);
unsigned http_header_count(const struct http_request *r, const char *name);
struct bytes http_body(const struct http_request *r);
enum http_side http_side(const struct http_request *r);
const char *http_peer(const struct http_request *r); /* numeric address, IPv4 un-mapped; "unix" */
bool http_behind_proxy(const struct http_request *r);
X509 *http_peer_cert(const struct http_request *r); /* not the caller's; NULL */
/* Peer credentials on Unix sockets; false elsewhere. */
bool http_peer_cred(const struct http_request *r, uid_t *uid, gid_t *gid, pid_t *pid);
/*
 * Who makes the request, as `admit` found out: a name for the journal and the owner's own measure
 * of what that caller may do.  NULL and 0 until it is set; the name is copied.
 */
void http_set_caller(struct http_request *r, const char *name, unsigned level);
const char *http_caller(const struct http_request *r);
unsigned http_caller_level(const struct http_request *r);
/* The client has gone: http_reply ends the request and nobody hears it. */
bool http_gone(const struct http_request *r);
/* Room for the handler's own state, given to `drop` when the request ends. */
void http_set_data(struct http_request *r, void *data, void (*drop)(void *data));
void *http_data(const struct http_request *r);

/* A name or value with control characters is left out, and logged. */
void http_reply_header(struct http_request *r, const char *name, const char *value);
/*
 * Answers and ends the request; `type` NULL: no Content-Type.  The body is copied; HEAD sends none.
 * A client that has gone makes this a no-op.  The request is not the caller's afterwards.
 */
void http_reply(struct http_request *r, int status, const char *type, struct bytes body);
/* text/plain with a newline. */
void http_reply_text(struct http_request *r, int status, const char *text);

#endif
