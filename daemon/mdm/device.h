/* device.h - /checkin and /mdm over HTTP: both take both kinds of message, by Content-Type */
#ifndef CORDON_MDM_DEVICE_H
#define CORDON_MDM_DEVICE_H

#include "mdm/auth.h"
#include "mdm/reply.h"

/* For the route table: PUT; ctx is the struct mdm. */
void device_handle(struct http_request *r, void *ctx);
size_t device_limit(const struct http_request *r);
/* The whole of it without HTTP: parse, identify, verb. */
void device_answer(struct mdm *m, bool checkin, const struct credentials *c, struct reply *out);
/* Is this the Content-Type of a check-in?  NULL, parameters and case do not matter. */
bool device_is_checkin(const char *content_type);

#endif
