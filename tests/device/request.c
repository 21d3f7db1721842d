/* request.c - requests of one device, repeated while the server cannot be reached */
#include "request.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "stop.h"

#define BACKOFF_FIRST 0.05
#define BACKOFF_MAX 2.0

static bool
worth_repeating(const struct http_reply *r)
{
	if (r->fault != OUTCOME_OK)
		return r->fault == OUTCOME_UNREACHABLE;
	return r->status == 429 || r->status >= 500;
}

enum outcome
request_send(struct device *d, enum meter_kind kind, const char *method, const char *url,
	const char *const *headers, const struct blob *body, struct http_reply *ret)
{
	double end = util_now() + d->o->patience, pause = BACKOFF_FIRST;
	struct http *http = device_http(d);

	memset(ret, 0, sizeof(*ret));
	if (http == NULL)
		return OUTCOME_LOCAL;
	for (;;) {
		http_request(http, method, url, headers, body, ret);
		meter_add(d->meter, kind, ret);
		if (!worth_repeating(ret) || util_now() + pause > end || stop_sleep(pause))
			break;
		if (d->meter != NULL)
			d->meter->retries++;
		http_reply_fini(ret);
		pause = pause * 2 > BACKOFF_MAX ? BACKOFF_MAX : pause * 2;
	}
	if (ret->fault != OUTCOME_OK)
		device_fault(d, ret->fault, "%s: %s", url, ret->why);
	return ret->fault;
}

const char *
request_quote(const struct http_reply *r, char buf[161])
{
	size_t n = 0;

	for (size_t i = 0; i < r->body.len && n < 160; i++) {
		unsigned char c = r->body.data[i];

		buf[n++] = c >= 0x20 && c < 0x7f ? (char)c : ' ';
	}
	buf[n] = '\0';
	return buf;
}

bool
request_is_type(const struct http_reply *r, const char *type)
{
	size_t n = strlen(type);

	return strncasecmp(r->type, type, n) == 0 && (r->type[n] == '\0' || r->type[n] == ';');
}
