/* enrollments.h - /v1/enrollments: list, show, lock, unlock; below each its queue and its answers
 */
#ifndef CORDON_ADMIN_ENROLLMENTS_H
#define CORDON_ADMIN_ENROLLMENTS_H

struct http_request;

/* GET /v1/enrollments?state=&locked=&users=&limit=&cursor= */
void enrollments_list(struct http_request *r, void *ctx);
/* /v1/enrollments/{id}[/verb...]: by a table of verbs */
void enrollments_one(struct http_request *r, void *ctx);

#endif
