/*
 * bulk.h - one action for many enrollments, in slices, so that nobody waits for it
 *
 * The command's body is stored once.  Jobs are remembered in memory, the last BULK_KEPT of those
 * that are over.
 */
#ifndef CORDON_ADMIN_BULK_H
#define CORDON_ADMIN_BULK_H

#include <jansson.h>

#include "admin/admin.h"

#define BULK_KEPT 16u
#define BULK_SLICE_US \
	4000 /* a slice ends after the first few enrollments that are later than this */

/*
 * POST /v1/bulk {"filter": {"state", "system", "locked", "users", "ids"}, "action": {"send": {...}}
 * or "push"}: 202 with the job.  Without a state: all that take commands.  What inactivity.h
 * offers is handed on to there.
 */
void bulk_handle(struct http_request *r, void *ctx);
/* GET /v1/bulk/{job} */
void bulk_one_handle(struct http_request *r, void *ctx);
/*
 * The same without HTTP: begins the job of such a body; its id, valid as long as the job is
 * remembered.  NULL with *why (caller frees).
 */
const char *bulk_start(struct admin *a, const json_t *body, const char *actor, char **why);
/* As it stands now; the caller's.  NULL: there is no such job. */
json_t *bulk_json(const struct admin *a, const char *id);
/* Ends all jobs; what is queued stays. */
void bulk_free(struct admin *a);

#endif
