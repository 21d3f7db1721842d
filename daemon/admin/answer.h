/* answer.h - JSON out of handlers, and the small conversions that all of them use */
#ifndef CORDON_ADMIN_ANSWER_H
#define CORDON_ADMIN_ANSWER_H

#include <jansson.h>
#include <plist/plist.h>
#include <stdint.h>

#include "base/buf.h"

struct http_request;

/* Takes `body`. */
void answer_json(struct http_request *r, int status, json_t *body);
/* {"error": text} */
void answer_error(struct http_request *r, int status, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* A JSON object from outside (nothing: an empty object); NULL with *why (caller frees). */
json_t *answer_parse(struct bytes in, char **why);
/* The request's JSON object (empty body: an empty object); NULL when it answered 400 already. */
json_t *answer_body(struct http_request *r);

/* Never NULL: faulty UTF-8 is repaired; NULL text gives null. */
json_t *json_text(const char *text);
json_t *json_time(int64_t wall); /* ISO 8601, null for 0 */
/* A property list as JSON: data as base64 strings, dates as ISO 8601, depth bounded by the parser.
 */
json_t *json_from_plist(plist_t node);

#define ANSWER_DEPTH_MAX 32 /* nesting of JSON that comes in */

#endif
