/* http_reply.c - replies as bytes, and those that the engine gives by itself */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "net/http_int.h"

static const struct {
	int status;
	const char *reason;
	const char *words; /* the body where the engine itself answers */
} reasons[] = {
	{ 200, "OK", NULL },
	{ 201, "Created", NULL },
	{ 202, "Accepted", NULL },
	{ 204, "No Content", NULL },
	{ 207, "Multi-Status", NULL },
	{ 301, "Moved Permanently", NULL },
	{ 302, "Found", NULL },
	{ 304, "Not Modified", NULL },
	{ 400, "Bad Request", "This request cannot be understood." },
	{ 401, "Unauthorized", NULL },
	{ 403, "Forbidden", NULL },
	{ 404, "Not Found", "There is nothing at this address." },
	{ 405, "Method Not Allowed", "This address does not take this method." },
	{ 408, "Request Timeout", "The request did not come in time." },
	{ 409, "Conflict", NULL },
	{ 410, "Gone", NULL },
	{ 411, "Length Required", "The request does not say how long it is." },
	{ 413, "Content Too Large", "The request is larger than this address takes." },
	{ 414, "URI Too Long", "The address is too long." },
	{ 415, "Unsupported Media Type", NULL },
	{ 417, "Expectation Failed", "Of expectations only 100-continue is known." },
	{ 422, "Unprocessable Content", NULL },
	{ 429, "Too Many Requests", NULL },
	{ 431, "Request Header Fields Too Large", "The head of the request is too large." },
	{ 500, "Internal Server Error", "The server failed; try again later." },
	{ 501, "Not Implemented", "The request asks for something that is not known here." },
	{ 502, "Bad Gateway", NULL },
	{ 503, "Service Unavailable", "The server is too busy; try again later." },
	{ 504, "Gateway Timeout", NULL },
	{ 505, "HTTP Version Not Supported", "Speak HTTP/1.1." },
	{ 507, "Insufficient Storage", NULL },
};

static size_t
find_status(int status)
{
	size_t i, count = sizeof(reasons) / sizeof(reasons[0]);

	for (i = 0; i < count && reasons[i].status != status; i++)
		;
	return i < count ? i : count;
}

const char *
http_reply_reason(int status)
{
	size_t i = find_status(status);

	return i < sizeof(reasons) / sizeof(reasons[0]) ? reasons[i].reason : "Status";
}

/* IMF-fixdate, made once a second; the daemon never leaves the C locale. */
static const char *
date(struct http_server *s)
{
	time_t now = (time_t)clock_wall();
	struct tm tm;

	if (now != s->date_second && gmtime_r(&now, &tm)) {
		s->date_second = now;
		if (strftime(s->date, sizeof(s->date), "%a, %d %b %Y %H:%M:%S GMT", &tm) == 0)
			s->date[0] = '\0';
	}
	return s->date;
}

/* RFC 9110 8.6: not with these. */
static bool
bodiless(int status)
{
	return status == 204 || status == 304 || status < 200;
}

void
http_reply_format(struct http_server *s, struct buf *out, int status, const char *type,
	struct bytes headers, struct bytes body, bool head_only, const char *connection)
{
	buf_printf(
		out, "HTTP/1.1 %d %s\r\nDate: %s\r\n", status, http_reply_reason(status), date(s));
	if (type && !bodiless(status))
		buf_printf(out, "Content-Type: %s\r\n", type);
	buf_add_bytes(out, headers);
	if (connection)
		buf_printf(out, "Connection: %s\r\n", connection);
	if (!bodiless(status))
		buf_printf(out, "Content-Length: %zu\r\n", body.len);
	buf_add_str(out, "\r\n");
	if (!head_only && !bodiless(status))
		buf_add_bytes(out, body);
}

void
http_reply_refuse(struct http_conn *c, int status, unsigned allow, bool head_only)
{
	struct http_server *s = c->server;
	struct buf headers = BUF_INIT, body = BUF_INIT;
	size_t i = find_status(status);

	if (status == 405) {
		buf_add_str(&headers, "Allow: ");
		http_route_allow(allow, &headers);
		buf_add_str(&headers, "\r\n");
	}
	buf_printf(&body, "%s\n",
		i < sizeof(reasons) / sizeof(reasons[0]) && reasons[i].words
			? reasons[i].words
			: http_reply_reason(status));
	buf_reset(&s->scratch);
	http_reply_format(s, &s->scratch, status, "text/plain; charset=utf-8", buf_bytes(&headers),
		buf_bytes(&body), head_only, c->last ? "close" : NULL);
	s->numbers.status[status / 100]++;
	http_conn_send(c, buf_bytes(&s->scratch));
	buf_free(&headers);
	buf_free(&body);
}
