/* target.h - whom a request of the control API means, and who makes it */
#ifndef CORDON_ADMIN_TARGET_H
#define CORDON_ADMIN_TARGET_H

#include "admin/admin.h"
#include "base/buf.h"

/*
 * Finds the enrollment that `text` names: an id, a serial number (the newest enrollment that has
 * it), or a beginning of four characters or more that fits one id alone.  Appends the id.  0,
 * -ENOENT, -EEXIST (fits several), -EIO.
 */
int target_resolve(struct admin *a, const char *text, struct buf *id);
/* As target_resolve, but answers 404 or 409 itself and returns false. */
bool target_or_answer(struct admin *a, struct http_request *r, const char *text, struct buf *id);

/*
 * Splits "/v1/enrollments/ID/verb/rest" after `prefix` into decoded parts; `parts` point into
 * `copy`.  How many, at most `max`; the path is decoded already, so an id holds no '/'.
 */
size_t target_parts(const char *path, const char *prefix, char **copy, char **parts, size_t max);

/*
 * Who makes the request, for the surveillance log: "root", "ann", "uid 1003"; "api:NAME" for
 * the holder of an API key.
 */
void target_actor(const struct http_request *r, struct buf *out);

#endif
