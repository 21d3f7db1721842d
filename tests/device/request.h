/* request.h - requests of one device, repeated while the server cannot be reached or asks to wait
 */
#ifndef FAKE_REQUEST_H
#define FAKE_REQUEST_H

#include "device.h"

/*
 * One request, repeated with growing pauses for --patience seconds after connection faults, 429
 * and 5xx.  OUTCOME_OK means that there is an HTTP answer in `ret` (any status); `ret` is filled
 * always and http_reply_fini()ed by the caller.
 */
enum outcome request_send(struct device *d, enum meter_kind kind, const char *method,
	const char *url, const char *const *headers, const struct blob *body,
	struct http_reply *ret);

/* The first line or so of an answer's text, fit for a message; borrowed until the next call. */
const char *request_quote(const struct http_reply *r, char buf[161]);

/* Whether a Content-Type is `type`, parameters and case aside. */
bool request_is_type(const struct http_reply *r, const char *type);

#endif
