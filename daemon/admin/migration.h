/* migration.h - devices that come from elsewhere: imports from another server, and adoption after a
 * restore */
#ifndef CORDON_ADMIN_MIGRATION_H
#define CORDON_ADMIN_MIGRATION_H

#include <jansson.h>

#include "admin/admin.h"

struct http_request;

#define MIGRATION_JSON_MAX (1u << 20) /* a profile in base64 and some CAs */

/* {"open", "until", "imported", "waiting"} and {"open", "until", "adopted"}, for status. */
json_t *migration_json(struct admin *a);
json_t *adopt_json(struct admin *a);

/*
 * PUT /migration: one raw message of another server, as NanoMDM's tools send them; an empty 200.
 * ?origin=ID says where it comes from, ?report=1 asks for JSON: {"id", "kind", "changed"}.
 */
void migration_take_handle(struct http_request *r, void *ctx);
/* GET, POST /v1/migration: where imported enrollments come from. */
void migration_handle(struct http_request *r, void *ctx);
/* GET, POST, DELETE /v1/adopt: the window. */
void adopt_handle(struct http_request *r, void *ctx);

#endif
