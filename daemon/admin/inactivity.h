/* inactivity.h - what administrators see of silence, and what they say about it */
#ifndef CORDON_ADMIN_INACTIVITY_H
#define CORDON_ADMIN_INACTIVITY_H

#include <jansson.h>

#include "admin/admin.h"

struct buf;
struct http_request;

/* POST /v1/enrollments/{id}/pause {"end": bool}; silence does not count, or counts again */
void inactivity_pause(struct admin *a, struct http_request *r, const char *id, const char *rest);
/* POST /v1/enrollments/{id}/refresh: every question of the schedule, now */
void inactivity_refresh(struct admin *a, struct http_request *r, const char *id, const char *rest);
/*
 * POST /v1/bulk {"filter": {"all": true}, "action": "refresh"}, or {"filter": {"silent": true},
 * "action": "lock"}, which the next round of the patrol does: 202 with {"devices": how many}.
 * False: `body` is another action, and nothing was answered.
 */
bool inactivity_bulk(struct admin *a, struct http_request *r, const json_t *body);

/* Service clocks and lock-limit, for status. */
json_t *inactivity_json(struct admin *a);
/* Calls add(arg, text) for each thing that needs a person. */
void inactivity_problems(struct admin *a, void (*add)(void *arg, struct buf *text), void *arg);

#endif
