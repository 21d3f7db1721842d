/*
 * push_line.h - a topic's line to Apple: its connection, the certificate that it presents, and
 * which ones Apple refused
 *
 * There is a line for each topic that has a certificate or devices (DESIGN "APNs", "Reload").
 */
#ifndef CORDON_MDM_PUSH_LINE_H
#define CORDON_MDM_PUSH_LINE_H

#include "base/digest.h"
#include "mdm/mdm.h"
#include "mdm/push.h"

struct push_line;
struct push_lines;

struct push_line_callbacks {
	/* The topic's connection takes pushes again. */
	void (*connected)(void *arg, const char *topic);
	/* As struct apns_callbacks. */
	void (*answer)(void *arg, struct push_line *l, void *tag, const struct apns_answer *answer);
	void *arg;
};

/* No line yet: push_lines_update makes them.  `m` must outlive it. */
struct push_lines *push_lines_new(struct mdm *m, const struct push_line_callbacks *cb);
/* Unanswered pushes are answered APNS_UNSENT. */
void push_lines_free(struct push_lines *all);
/* After m->certs or the push settings of m->conf were swapped. */
void push_lines_update(struct push_lines *all);
struct push_line *push_lines_find(const struct push_lines *all, const char *topic); /* or NULL */
/* The line if there is exactly one, else NULL. */
struct push_line *push_lines_only(const struct push_lines *all);
/* Until `each` returns non-zero, which is returned. */
int push_lines_each(const struct push_lines *all,
	int (*each)(void *arg, const struct pusher_line *line), void *arg);

const char *push_line_topic(const struct push_line *l);
void push_line_describe(const struct push_line *l, struct pusher_line *ret);
/* False: Apple refuses its certificates, and pushes wait for another. */
bool push_line_usable(const struct push_line *l);
/* As apns_push; `ret_cert` becomes the certificate that it goes with. */
int push_line_send(struct push_line *l, struct bytes token, const char *magic, int64_t expiration,
	bool bulk, void *tag, unsigned char ret_cert[SHA256_LEN]);
/* APNs took a push. */
void push_line_accepted(struct push_line *l);
/* A push was taken of late, so that what is wrong with a token is the token's fault. */
bool push_line_proven(const struct push_line *l);
/*
 * Apple refuses this certificate: the next one of the topic has its turn.  False: known already. By
 * the time a push's answer is heard, its certificate may have given way to another.
 */
bool push_line_refuse(struct push_line *l, const unsigned char cert[SHA256_LEN]);

#endif
