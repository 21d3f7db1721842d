/*
 * post.h - HTTP requests to servers of the administrator's, by libcurl in a thread of its own
 *
 * Redirects are not followed, plain http is spoken to loopback addresses only (whatever the name
 * resolves to), and an answer is bounded.  Nothing here waits in the loop.
 */
#ifndef CORDON_NET_POST_H
#define CORDON_NET_POST_H

#include <stdint.h>

#include "base/buf.h"

struct loop;
struct poster;

#define POST_PARALLEL 16u /* requests under way */

struct post {
	const char *method; /* "POST", "PUT", "GET" */
	const char *url;
	const char *const *headers; /* "Name: value", ended by NULL; may be NULL */
	struct bytes body;	    /* copied; a GET has none */
	int64_t timeout_ms;	    /* for all of it */
	size_t answer_max;	    /* bytes of the answer's body that are wanted; 0: none */
};

struct post_answer {
	long status;	  /* 0: there was no answer */
	const char *why;  /* then the reason, for people */
	const char *type; /* Content-Type; NULL */
	struct bytes body;
	bool cut; /* the body is longer than was wanted */
};

struct poster *poster_new(struct loop *l, const char *thread_name); /* NULL when it cannot start */
/* Cuts off what is under way without calling anybody, joins.  NULL allowed. */
void poster_free(struct poster *p);
/* done(arg, answer) in the loop.  0, or -EBUSY when POST_PARALLEL are under way. */
int poster_send(struct poster *p, const struct post *post,
	void (*done)(void *arg, const struct post_answer *a), void *arg);
unsigned poster_busy(const struct poster *p); /* requests under way */

#endif
