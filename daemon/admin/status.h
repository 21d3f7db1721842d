/* status.h - how the server is: as JSON, as the one line that systemd shows, as a list of what
 * needs a person */
#ifndef CORDON_ADMIN_STATUS_H
#define CORDON_ADMIN_STATUS_H

#include <jansson.h>

#include "admin/admin.h"

struct http_request;

/* The steps of the outline that mend what status finds. */
enum { STEP_SSC = 1, STEP_TLS = 2, STEP_PUSH = 6 };

json_t *status_json(struct admin *a);
/* "Push: Connected. 1,204 enrolled, ...": appended. */
void status_line(struct admin *a, struct buf *out);
void status_handle(struct http_request *r, void *ctx); /* GET /v1/status */
void steps_handle(struct http_request *r, void *ctx);  /* GET /v1/steps */

#endif
