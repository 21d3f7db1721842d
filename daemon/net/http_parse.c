/* http_parse.c - heads of requests and chunked framing, strictly: what could be read two ways is
 * refused */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/encode.h"
#include "base/mem.h"
#include "net/http_parse.h"

#define LENGTH_DIGITS_MAX 18u /* fits uint64_t with room; more is not a length anybody means */

enum refusal {
	BAD = -400,
	TOO_LARGE = -413,
	TARGET_TOO_LONG = -414,
	EXPECTATION = -417,
	FIELDS_TOO_LARGE = -431,
	UNKNOWN = -501,
	VERSION = -505
};

static const struct {
	const char *name;
	unsigned method;
} methods[] = {
	{ "GET", HTTP_GET },
	{ "HEAD", HTTP_HEAD },
	{ "POST", HTTP_POST },
	{ "PUT", HTTP_PUT },
	{ "DELETE", HTTP_DELETE },
	{ "PATCH", HTTP_PATCH },
	{ "OPTIONS", HTTP_OPTIONS },
};

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_alnum(unsigned char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool
is_one_of(unsigned char c, const char *set)
{
	return c != '\0' && strchr(set, c) != NULL;
}

static bool
is_token(unsigned char c)
{
	return is_alnum(c) || is_one_of(c, "!#$%&'*+-.^_`|~");
}

/* Field content: visible, blank, tab, or above ASCII; no control character of any kind. */
static bool
is_text(unsigned char c)
{
	return c == '\t' || (c >= 0x20 && c != 0x7f);
}

static bool
all(const char *s, size_t len, bool (*is)(unsigned char))
{
	size_t i;

	for (i = 0; i < len; i++) {
		if (!is((unsigned char)s[i]))
			return false;
	}
	return true;
}

static bool
is_visible(unsigned char c)
{
	return c > 0x20 && c < 0x7f;
}

static bool
is_pchar_or_slash(unsigned char c)
{
	return is_alnum(c) || is_one_of(c, "-._~!$&'()*+,;=:@%/");
}

static bool
is_authority(unsigned char c)
{
	return is_alnum(c) || is_one_of(c, "-._~:[]%");
}

/*
 * Length of the head with its empty line.  0: not whole yet.  A bare LF is refused as soon as it
 * is seen, so that a client that sends nothing else is not waited for.
 */
static int
head_length(struct bytes in, size_t *first_line)
{
	const unsigned char *at = in.data, *end = in.data + in.len, *nl;

	*first_line = 0;
	while (at < end && (nl = memchr(at, '\n', (size_t)(end - at)))) {
		if (nl == at || nl[-1] != '\r')
			return BAD;
		if (*first_line != 0 && nl - at == 1)
			return (int)(nl + 1 - in.data);
		if (*first_line == 0)
			*first_line = (size_t)(nl + 1 - in.data);
		at = nl + 1;
	}
	return 0;
}

static unsigned
method_of(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
		if (strcmp(name, methods[i].name) == 0)
			return methods[i].method;
	}
	return 0;
}

static int
hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* "." and ".." mean another path to some, also when they were escaped; so does "//". */
static bool
segments_plain(const char *path)
{
	const char *at = path, *end;

	while (*at == '/') {
		at++;
		end = strchrnul(at, '/');
		if (end == at && *end == '/')
			return false;
		if (end - at == 1 && at[0] == '.')
			return false;
		if (end - at == 2 && at[0] == '.' && at[1] == '.')
			return false;
		at = end;
	}
	return true;
}

/* Decodes in place.  Escapes of '/', NUL and other controls are refused, what comes out is UTF-8.
 */
static int
decode_path(char *path)
{
	char *to = path;
	const char *at;

	if (path[0] != '/' || !all(path, strlen(path), is_pchar_or_slash))
		return BAD;
	for (at = path; *at; at++) {
		int c = (unsigned char)*at;

		if (c == '%') {
			int high = hex_digit(at[1]), low = high < 0 ? -1 : hex_digit(at[2]);

			if (low < 0)
				return BAD;
			c = high * 16 + low;
			if (c < 0x20 || c == 0x7f || c == '/' || c == '\\')
				return BAD;
			at += 2;
		}
		*to++ = (char)c;
	}
	*to = '\0';
	return utf8_valid(bytes_str(path)) && segments_plain(path) ? 0 : BAD;
}

/* Length of "host:port" without a port that the scheme implies anyway. */
static size_t
without_port(const char *authority, size_t len, const char *port)
{
	size_t n = strlen(port);

	return len > n && memcmp(authority + len - n, port, n) == 0 ? len - n : len;
}

static const char *
find_field(const struct http_head *head, const char *name)
{
	size_t i;

	for (i = 0; i < head->count; i++) {
		if (strcasecmp(head->fields[i].name, name) == 0)
			return head->fields[i].value;
	}
	return NULL;
}

static size_t
count_field(const struct http_head *head, const char *name)
{
	size_t i, n = 0;

	for (i = 0; i < head->count; i++)
		n += strcasecmp(head->fields[i].name, name) == 0;
	return n;
}

/*
 * "http://authority/path": moves *target to the path.  A Host that names somebody else than the
 * target would let a proxy in front and this server see different sites.
 */
static int
strip_authority(const struct http_head *head, char **target)
{
	bool secure = strncasecmp(*target, "https://", 8) == 0;
	char *authority = *target + (secure ? 8 : 7);
	size_t len = strcspn(authority, "/?"), host_len, a, h;
	const char *host = find_field(head, "Host"), *port = secure ? ":443" : ":80";

	if (len == 0 || !all(authority, len, is_authority))
		return BAD;
	if (host) {
		host_len = strlen(host);
		a = without_port(authority, len, port);
		h = without_port(host, host_len, port);
		if (a != h || strncasecmp(authority, host, a) != 0)
			return BAD;
	}
	*target = authority + len;
	return 0;
}

static int
parse_target(struct http_head *head, char *target)
{
	bool absolute = false;
	char *query;
	int r;

	head->query = "";
	if (head->method == 0) { /* 501 in any case; CONNECT has a target of another form */
		head->path = xstrdup("");
		return 0;
	}
	if (strcmp(target, "*") == 0) {
		head->path = xstrdup("*");
		return head->method == HTTP_OPTIONS ? 0 : BAD;
	}
	if (strchr(target, '#'))
		return BAD;
	if (strncasecmp(target, "http://", 7) == 0 || strncasecmp(target, "https://", 8) == 0) {
		absolute = true;
		r = strip_authority(head, &target);
		if (r < 0)
			return r;
	}
	query = strchr(target, '?');
	if (query) {
		*query = '\0';
		head->query = query + 1;
	}
	head->path = xstrdup(absolute && *target == '\0' ? "/" : target);
	return decode_path(head->path);
}

/* "METHOD target HTTP/1.x", NUL-terminated, one blank each. */
static int
parse_request_line(struct http_head *head, char *line, char **target)
{
	char *version;
	size_t len = strcspn(line, " ");

	if (len == 0 || line[len] == '\0' || !all(line, len, is_token))
		return BAD;
	*target = line + len + 1;
	line[len] = '\0';
	version = strchr(*target, ' ');
	if (!version || version == *target)
		return BAD;
	*version++ = '\0';
	if (!all(*target, strlen(*target), is_visible))
		return BAD;
	if (strlen(version) != 8 || strncmp(version, "HTTP/", 5) != 0 || !is_digit(version[5]) ||
		version[6] != '.' || !is_digit(version[7]))
		return BAD;
	if (version[5] != '1' || version[7] > '1')
		return VERSION;
	head->minor = version[7] - '0';
	if (len >= sizeof(head->method_text))
		return UNKNOWN;
	memcpy(head->method_text, line, len + 1);
	head->method = method_of(line);
	return 0;
}

/* "Name: value" in place; blanks around the value go.  len is without CR LF. */
static int
parse_field(char *line, size_t len, struct http_field *ret)
{
	char *colon = memchr(line, ':', len), *value, *end = line + len;

	if (!colon || colon == line || !all(line, (size_t)(colon - line), is_token))
		return BAD;
	value = colon + 1;
	if (!all(value, (size_t)(end - value), is_text))
		return BAD;
	while (value < end && (*value == ' ' || *value == '\t'))
		value++;
	while (end > value && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	*colon = '\0';
	*end = '\0'; /* at the CR at the latest */
	ret->name = line;
	ret->value = value;
	return 0;
}

static int
parse_fields(struct http_head *head, char *at)
{
	while (at[0] != '\r' || at[1] != '\n') {
		char *nl = strchr(at, '\n');
		int r;

		if (!nl) /* a NUL hides the end of the line */
			return BAD;
		if (head->count == HTTP_FIELDS_MAX)
			return FIELDS_TOO_LARGE;
		r = parse_field(at, (size_t)(nl - 1 - at), &head->fields[head->count]);
		if (r < 0)
			return r;
		head->count++;
		at = nl + 1;
	}
	return 0;
}

static int
check_host(struct http_head *head)
{
	size_t n = count_field(head, "Host");
	const char *host = find_field(head, "Host");

	if (n > 1 || (n == 0 && head->minor == 1))
		return BAD;
	return !host || all(host, strlen(host), is_authority) ? 0 : BAD;
}

/* One Content-Length of digits alone, or "Transfer-Encoding: chunked" alone; never both. */
static int
check_framing(struct http_head *head)
{
	size_t lengths = count_field(head, "Content-Length");
	size_t codings = count_field(head, "Transfer-Encoding"), len;
	const char *value;

	if (lengths > 1 || codings > 1 || (lengths && codings))
		return BAD;
	if (codings) {
		if (head->minor == 0)
			return BAD;
		head->chunked = strcasecmp(find_field(head, "Transfer-Encoding"), "chunked") == 0;
		return head->chunked ? 0 : UNKNOWN;
	}
	if (!lengths)
		return 0;
	value = find_field(head, "Content-Length");
	len = strlen(value);
	if (len == 0 || strspn(value, "0123456789") != len || (value[0] == '0' && len > 1))
		return BAD;
	if (len > LENGTH_DIGITS_MAX)
		return TOO_LARGE;
	head->length = strtoull(value, NULL, 10);
	head->has_length = true;
	return 0;
}

static bool
lists_token(const char *value, const char *token)
{
	size_t len;

	while (*value) {
		value += strspn(value, " \t,");
		len = strcspn(value, " \t,");
		if (len == strlen(token) && strncasecmp(value, token, len) == 0)
			return true;
		value += len;
	}
	return false;
}

static void
check_connection(struct http_head *head)
{
	bool close = false, keep = head->minor == 1;
	size_t i;

	for (i = 0; i < head->count; i++) {
		if (strcasecmp(head->fields[i].name, "Connection") != 0)
			continue;
		close = close || lists_token(head->fields[i].value, "close");
		keep = keep || lists_token(head->fields[i].value, "keep-alive");
	}
	head->keep_alive = keep && !close;
}

static int
check_expect(struct http_head *head)
{
	size_t n = count_field(head, "Expect");

	if (n == 0 || head->minor == 0) /* RFC 9110 10.1.1: 1.0 did not have it */
		return 0;
	if (n > 1 || strcasecmp(find_field(head, "Expect"), "100-continue") != 0)
		return EXPECTATION;
	head->expect_continue = true;
	return 0;
}

static int
parse_text(struct http_head *head, size_t first_line)
{
	char *text = (char *)head->text.data, *target;
	int r;

	text[first_line - 2] = '\0';
	if (strlen(text) != first_line - 2)
		return BAD;
	r = parse_request_line(head, text, &target);
	if (r == 0)
		r = parse_fields(head, text + first_line);
	if (r == 0)
		r = check_host(head);
	if (r == 0)
		r = parse_target(head, target);
	if (r == 0)
		r = check_framing(head);
	if (r == 0)
		r = check_expect(head);
	check_connection(head);
	return r;
}

int
http_parse_head(struct bytes in, struct http_head *head)
{
	struct bytes rest = in;
	size_t first_line, skipped = 0;
	int len, r;

	/* One empty line before the request is passed over: RFC 9112 2.2, some send it after a
	 * body.
	 */
	if (in.len >= 2 && in.data[0] == '\r' && in.data[1] == '\n') {
		skipped = 2;
		rest = bytes_of(in.data + 2, in.len - 2);
	}
	if (rest.len > 0 && !is_token(rest.data[0]) && !(skipped == 0 && rest.data[0] == '\r'))
		return BAD;
	len = head_length(bytes_of(rest.data, rest.len < HTTP_HEAD_MAX ? rest.len : HTTP_HEAD_MAX),
		&first_line);
	if (len < 0)
		return len;
	if (len == 0) {
		if (rest.len < HTTP_HEAD_MAX)
			return 0;
		return first_line == 0 ? TARGET_TOO_LONG : FIELDS_TOO_LARGE;
	}
	/* The array of fields needs no clearing: count says how many are valid. */
	memset(head, 0, offsetof(struct http_head, fields));
	memset((char *)head + offsetof(struct http_head, count), 0,
		sizeof(*head) - offsetof(struct http_head, count));
	buf_reserve(&head->text, (size_t)len + 1);
	buf_add(&head->text, rest.data, (size_t)len);
	buf_str(&head->text);
	r = parse_text(head, first_line);
	if (r < 0) {
		http_head_free(head);
		return r;
	}
	return (int)skipped + len;
}

void
http_head_free(struct http_head *head)
{
	buf_wipe(&head->text); /* may hold an API key or a link's token */
	free(head->path);
	head->path = NULL;
	head->query = "";
	head->count = 0;
}

/* Length of the line at `in` with its CR LF; 0: not whole yet. */
static ssize_t
line_length(struct bytes in)
{
	size_t look = in.len < HTTP_CHUNK_LINE_MAX ? in.len : HTTP_CHUNK_LINE_MAX;
	const unsigned char *nl = look ? memchr(in.data, '\n', look) : NULL;

	if (!nl)
		return look == HTTP_CHUNK_LINE_MAX ? BAD : 0;
	if (nl == in.data || nl[-1] != '\r')
		return BAD;
	return nl + 1 - in.data;
}

/* 1*HEXDIG, then an extension that nobody needs, or the end. */
static int
parse_chunk_size(const char *line, size_t len, uint64_t *ret)
{
	uint64_t size = 0;
	size_t i;

	for (i = 0; i < len && hex_digit(line[i]) >= 0; i++) {
		if (i == 15)
			return TOO_LARGE;
		size = size * 16 + (uint64_t)hex_digit(line[i]);
	}
	if (i == 0 || (i < len && line[i] != ';') || !all(line + i, len - i, is_text))
		return BAD;
	*ret = size;
	return 0;
}

static int
check_trailer(const char *line, size_t len)
{
	const char *colon = memchr(line, ':', len);

	if (!colon || colon == line || !all(line, (size_t)(colon - line), is_token))
		return BAD;
	return all(colon + 1, len - (size_t)(colon + 1 - line), is_text) ? 0 : BAD;
}

/* One whole line in the states that have lines. */
static int
take_line(struct http_chunks *c, const char *line, size_t len, size_t room)
{
	int r;

	switch (c->state) {
	case CHUNK_SIZE:
		r = parse_chunk_size(line, len, &c->left);
		if (r < 0)
			return r;
		if (c->left > room)
			return TOO_LARGE;
		c->state = c->left == 0 ? CHUNK_TRAILER : CHUNK_DATA;
		return 0;
	case CHUNK_DATA_END:
		c->state = CHUNK_SIZE;
		return len == 0 ? 0 : BAD;
	default:
		if (len == 0) {
			c->state = CHUNK_DONE;
			return 0;
		}
		if (++c->trailers > HTTP_FIELDS_MAX)
			return FIELDS_TOO_LARGE;
		return check_trailer(line, len);
	}
}

ssize_t
http_parse_chunks(struct http_chunks *c, struct bytes in, struct buf *body, size_t max)
{
	size_t taken = 0;

	while (c->state != CHUNK_DONE && taken < in.len) {
		struct bytes rest = bytes_of(in.data + taken, in.len - taken);
		ssize_t line;
		int r;

		if (c->state == CHUNK_DATA) {
			size_t n = c->left < rest.len ? (size_t)c->left : rest.len;

			buf_add(body, rest.data, n);
			c->left -= n;
			taken += n;
			if (c->left == 0)
				c->state = CHUNK_DATA_END;
			continue;
		}
		line = line_length(rest);
		if (line < 0)
			return line;
		if (line == 0)
			break;
		r = take_line(c, (const char *)rest.data, (size_t)line - 2,
			max > body->len ? max - body->len : 0);
		if (r < 0)
			return r;
		taken += (size_t)line;
	}
	return (ssize_t)taken;
}
