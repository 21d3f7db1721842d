/* client.h - one request to the daemon over its control socket */
#ifndef CORDON_CTL_CLIENT_H
#define CORDON_CTL_CLIENT_H

#include <jansson.h>

#include "base/buf.h"

/* The socket to talk to: --socket, $CORDON_SOCKET, or the default. */
void client_set_socket(const char *path);

bool client_there(void); /* does somebody listen there?  Says nothing */

/*
 * Sends `body` (NULL: none) as `type` and returns the HTTP status, with the answer's JSON in *ret
 * (caller's; NULL when the answer has no JSON).  -1 when the daemon cannot be reached or cut the
 * connection: the sentence is already on stderr.
 */
int client_request(
	const char *method, const char *path, const char *type, struct bytes body, json_t **ret);
/* The same for an answer that is no JSON: its body is appended. */
int client_get_bytes(const char *path, struct buf *ret);
int client_get(const char *path, json_t **ret);
/* Takes `body`. */
int client_send_json(const char *method, const char *path, json_t *body, json_t **ret);

/* Appends one path segment, percent-encoded. */
void client_add_segment(struct buf *path, const char *segment);

#endif
