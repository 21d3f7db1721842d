/*
 * http_int.h - what the files of the HTTP engine share: server, connection, request
 *
 * A connection goes through phases, one deadline each; a request belongs to its connection until
 * its reply is written.  When the client goes first, a request that a handler still has becomes an
 * orphan (conn NULL), and one that is held is freed.
 */
#ifndef CORDON_NET_HTTP_INT_H
#define CORDON_NET_HTTP_INT_H

#include <event2/bufferevent.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <sys/queue.h>

#include "base/log.h"
#include "net/http.h"
#include "net/http_parse.h"
#include "net/loop.h"
#include "net/tls.h"

#define HTTP_LINGER_MS 2000 /* reads on after an early refusal, so that the client sees it */
#define HTTP_RATE_MIN 1024  /* bytes a second that prolong a body or a reply */
#define HTTP_WRITE_MAX \
	(128u << 10)	   /* of one reply in one turn; libevent's 16 KiB make many turns */
#define HTTP_ACCEPT_MAX 32 /* connections taken in one turn of the loop */
#define HTTP_ACCEPT_PAUSE_MS 100
#define HTTP_STUCK_HEAD_MS 100 /* while room is wanted: for a request to begin and be whole */
#define HTTP_STUCK_MOVE_MS 300 /* and for a body or reply to move on at all */

enum http_phase {
	PHASE_HANDSHAKE,
	PHASE_HEAD, /* also of a new connection that has sent nothing yet */
	PHASE_IDLE, /* after a reply, nothing read yet: may be closed to make room */
	PHASE_BODY,
	PHASE_DUE,   /* a handler has the request, or its reply is held */
	PHASE_WRITE, /* the reply is on its way out */
	PHASE_LINGER
};

/* Counted apart, so that neither devices nor what comes over the network take cordonctl's. */
enum http_pool { POOL_DEVICE, POOL_LOCAL, POOL_API, POOLS };

TAILQ_HEAD(http_conns, http_conn);
TAILQ_HEAD(http_requests, http_request);

struct http_listener {
	struct http_listener *next;
	struct http_server *server;
	struct http_listener_options options;
	bool local; /* AF_UNIX */
	int fd;
	struct loop_fd *readable;
	bool full; /* paused until a connection of its pool ends */
	bool out_of_files;
};

struct http_server {
	struct loop *loop;
	const struct http_route *routes;
	size_t route_count;
	void *ctx;
	bool (*hold)(void *arg);
	void *hold_arg;
	bool (*admit)(struct http_request *r, void *ctx);
	struct tls_server *tls;
	struct http_deadlines deadlines;
	struct http_listener *listeners;
	struct loop_timer *accept_again;
	unsigned limit[POOLS], open[POOLS];
	struct http_conns conns[POOLS], idle[POOLS];
	struct http_requests requests; /* all that exist, also orphans */
	struct http_requests held;     /* replies that wait for the commit, oldest first */
	uint64_t hold_turn;
	size_t body_bytes, body_budget;
	bool stopping;
	struct loop_timer *stop_timer;
	void (*stop_done)(void *arg);
	void *stop_arg;
	struct http_numbers numbers;
	struct log_budget limit_log, accept_log, averted_log, handshake_log;
	int64_t date_second;
	char date[80];
	struct buf scratch; /* a reply while it is put together */
};

struct http_conn {
	TAILQ_ENTRY(http_conn) all, idle;
	struct http_server *server;
	struct http_listener_options options;
	enum http_pool pool;
	struct bufferevent *bev;
	SSL *ssl; /* the bufferevent's; NULL: plain */
	enum http_phase phase;
	bool on_idle_list;
	bool last;   /* no further request after this one */
	bool unread; /* the request was refused before it was read to its end */
	bool eof;    /* the client half-closed */
	struct loop_timer *timer;
	int64_t deadline, armed; /* monotonic ms; armed: when the timer will look, 0: never */
	int64_t phase_since;
	size_t phase_bytes; /* body bytes come in, or reply bytes to go out */
	size_t phase_mark;  /* progress when the deadline was set */
	size_t seen_bytes;  /* progress when room was last looked for, */
	int64_t seen_at;    /* and since when it stands there; 0: not looked at in this phase */
	char peer[INET6_ADDRSTRLEN];
	bool has_cred;
	uid_t uid;
	gid_t gid;
	pid_t pid;
	struct http_request *request; /* in PHASE_BODY and PHASE_DUE */
};

struct http_request {
	TAILQ_ENTRY(http_request) all, held_link;
	struct http_server *server; /* NULL: freed before us */
	struct http_conn *conn;	    /* NULL: the client has gone */
	const struct http_route *route;
	struct http_head head;
	struct http_chunks chunks;
	struct buf body;
	size_t body_max, body_counted; /* counted: in server->body_bytes */
	struct buf headers;	       /* of the reply */
	bool held;
	uint64_t hold_turn;
	int status;
	struct buf reply; /* while held: head and body */
	enum http_side side;
	bool behind_proxy, has_cred;
	uid_t uid;
	gid_t gid;
	pid_t pid;
	char peer[INET6_ADDRSTRLEN];
	char *caller; /* NULL: nobody was named */
	unsigned caller_level;
	X509 *cert;
	void *data;
	void (*drop)(void *data);
};

/* http.c */
enum http_pool http_server_pool(enum http_side side);
void http_server_conn_ended(struct http_server *s, enum http_pool pool);

/* http_conn.c */
void http_conn_start(struct http_listener *l, int fd, const struct sockaddr_storage *peer);
void http_conn_drop(struct http_conn *c);	  /* at once, without a word */
bool http_conn_silent(const struct http_conn *c); /* owes nothing: no part of a request came */
bool http_conn_fresh(const struct http_conn *c);  /* came a moment ago: a request is on its way */
/* The client keeps its place without using it.  Asked again and again while room is wanted. */
bool http_conn_stuck(struct http_conn *c, int64_t now);
/* Sends a whole reply and goes on to the next request or to the end. */
void http_conn_send(struct http_conn *c, struct bytes reply);

/* http_request.c */
struct http_request *http_request_new(struct http_conn *c, const struct http_head *head);
void http_request_free(struct http_request *r);
/* Counts what the body holds against the budget; -503 when that is used up. */
int http_request_count_body(struct http_request *r);

/* http_route.c: the route, or NULL with *status (404, 405, 501) and, for 405, *allow. */
const struct http_route *http_route_find(const struct http_server *s, enum http_side side,
	const struct http_head *head, int *status, unsigned *allow);
/* "GET, HEAD, PUT" */
void http_route_allow(unsigned methods, struct buf *out);

/* http_reply.c */
const char *http_reply_reason(int status);
/*
 * Puts a whole reply together at the end of `out`; `headers` are lines with CR LF, `connection` is
 * "close", "keep-alive" (which HTTP/1.0 has to be told) or NULL.  Content-Length is that of body,
 * also where the body is left out.
 */
void http_reply_format(struct http_server *s, struct buf *out, int status, const char *type,
	struct bytes headers, struct bytes body, bool head_only, const char *connection);
/* The engine's own answer: one plain sentence. */
void http_reply_refuse(struct http_conn *c, int status, unsigned allow, bool head_only);

#endif
