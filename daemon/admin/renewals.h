/* renewals.h - renewals of device identities by a person's word */
#ifndef CORDON_ADMIN_RENEWALS_H
#define CORDON_ADMIN_RENEWALS_H

#include "admin/admin.h"

/* POST /v1/enrollments/{id}/renew */
void renewals_one(struct admin *a, struct http_request *r, const char *id, const char *rest);
/* POST /v1/renewals/resume: after a halt */
void renewals_resume_handle(struct http_request *r, void *ctx);

#endif
