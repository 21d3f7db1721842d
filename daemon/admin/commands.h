/* commands.h - commands and their answers through the control API */
#ifndef CORDON_ADMIN_COMMANDS_H
#define CORDON_ADMIN_COMMANDS_H

#include "admin/admin.h"

/* Below /v1/enrollments/{id}; `rest` is the further part or NULL. */
void commands_queue(struct admin *a, struct http_request *r, const char *id, const char *rest);
/* {"request_type", "arguments", "strict", "no_push"}: arguments.h */
void commands_send(struct admin *a, struct http_request *r, const char *id, const char *rest);
/* DELETE queue/{uuid} */
void commands_cancel(struct admin *a, struct http_request *r, const char *id, const char *rest);
void commands_results(struct admin *a, struct http_request *r, const char *id, const char *rest);

/* NanoMDM's: PUT /v1/enqueue/{id,id...}?nopush=, GET /v1/push/{id,id...}; 200, 207, 500
 * (facts/anchors.md 1.5); ?check=true refuses what the schema does not allow, ?strict=true also
 * what it does not know. */
void commands_enqueue_handle(struct http_request *r, void *ctx);
void commands_push_handle(struct http_request *r, void *ctx);

/* GET and POST /v1/enroll-links {"uses", "serial", "device", "lifetime", "note", "challenge"} */
void links_handle(struct http_request *r, void *ctx);
/* DELETE /v1/enroll-links/{id}: revokes it; the record stays */
void links_one(struct http_request *r, void *ctx);
/* GET /version, POST /v1/reload */
void version_handle(struct http_request *r, void *ctx);
void reload_handle(struct http_request *r, void *ctx);

#endif
