/*
 * role.h - what each role of an API key may do (DESIGN "Control API and gate")
 *
 * One table, by method and path.  What the table does not name is for admin alone, so a route that
 * was forgotten is closed and not open.
 */
#ifndef CORDON_ADMIN_ROLE_H
#define CORDON_ADMIN_ROLE_H

#include "conf/conf.h"
#include "net/http.h"

#define ROLE_NOBODY (-1) /* no key is asked for */

/* The role that a request needs: enum conf_role or ROLE_NOBODY. */
int role_needed(enum http_method method, const char *path);
const char *role_name(enum conf_role role);
/* The caller's: admin on the control socket, whatever a key says elsewhere. */
enum conf_role role_of(const struct http_request *r);

/* May a role queue a command of this type?  What endangers data or a person's access is admin's. */
bool role_may_send(enum conf_role role, const char *request_type);
/* role_may_send for the caller; answers 403 itself and returns false. */
bool role_may_send_or_answer(struct http_request *r, const char *request_type);
/* Does the answer to a command of this type hold a secret, which only admin may read? */
bool role_hides_answer(enum conf_role role, const char *request_type);

#endif
