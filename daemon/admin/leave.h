/* leave.h - the ways in which a device goes, and what it leaves behind: its secrets */
#ifndef CORDON_ADMIN_LEAVE_H
#define CORDON_ADMIN_LEAVE_H

#include "admin/admin.h"

/* Below /v1/enrollments/{id} */
/* POST remove: RemoveProfile of the enrollment profile; the device leaves by itself */
void leave_remove(struct admin *a, struct http_request *r, const char *id, const char *rest);
/* DELETE, ?force=true: the record and all that hangs from it */
void leave_forget(struct admin *a, struct http_request *r, const char *id, const char *rest);
/* GET secrets: told to the surveillance log */
void leave_secrets(struct admin *a, struct http_request *r, const char *id, const char *rest);

/* POST and DELETE /v1/release/{id}: an id that is not enrolled here is told to unenroll, or not any
 * more */
void leave_release_handle(struct http_request *r, void *ctx);

#endif
