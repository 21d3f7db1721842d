/* accept.h - a person's word for a topic or a server-name that devices do not know */
#ifndef CORDON_ADMIN_ACCEPT_H
#define CORDON_ADMIN_ACCEPT_H

#include <jansson.h>

#include "admin/admin.h"

struct http_request;

/*
 * What waits for such a word: {"topics": [{"topic", "file", "devices"}], "server_name": null or
 * {"name", "devices"}}.  `devices` are those that would be cut off.
 */
json_t *accept_json(const struct admin *a);

/* POST /v1/accept-topic {"topic"}; 404 when no usable certificate has it. */
void accept_topic_handle(struct http_request *r, void *ctx);
/* POST /v1/accept-server-name {"name"}; 404 when the configuration does not ask for it. */
void accept_name_handle(struct http_request *r, void *ctx);

#endif
