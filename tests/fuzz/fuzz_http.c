/* fuzz_http.c - the head of a request, and the framing of its body in pieces */
#include <string.h>

#include "fuzz/fuzz.h"
#include "net/http_parse.h"

#define BODY_MAX 4096u

/* Takes all at once or byte by byte: the outcome must be the same. */
static ssize_t
collect(struct bytes in, size_t piece, struct buf *body)
{
	struct http_chunks c = { 0 };
	size_t at = 0, seen = 0;

	while (c.state != CHUNK_DONE && seen < in.len) {
		seen = in.len - seen < piece ? in.len : seen + piece;

		ssize_t n =
			http_parse_chunks(&c, bytes_of(in.data + at, seen - at), body, BODY_MAX);

		if (n < 0)
			return n;
		MUST((size_t)n <= seen - at);
		at += (size_t)n;
	}
	MUST(body->len <= BODY_MAX);
	return c.state == CHUNK_DONE ? (ssize_t)at : 0;
}

static void
frame(struct bytes in)
{
	struct buf whole = BUF_INIT, pieces = BUF_INIT;
	ssize_t a = collect(in, in.len + 1, &whole);
	ssize_t b = collect(in, 1, &pieces);

	if (a > 0 || b > 0) {
		MUST(a == b);
		MUST(bytes_eq(buf_bytes(&whole), buf_bytes(&pieces)));
	}
	buf_free(&whole);
	buf_free(&pieces);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct http_head head;
	struct bytes in = bytes_of(data, size);
	int n = http_parse_head(in, &head);

	MUST(n <= (int)size);
	if (n <= 0) {
		frame(in);
		return 0;
	}
	/* A method that nobody knows is answered 501 whatever its target: it has no path. */
	MUST(head.path && (head.path[0] || !head.method) && head.count <= HTTP_FIELDS_MAX);
	MUST(!(head.chunked && head.has_length));
	for (size_t i = 0; i < head.count; i++)
		MUST(head.fields[i].name[0] && !strpbrk(head.fields[i].value, "\r\n"));
	if (head.chunked)
		frame(bytes_of(data + n, size - (size_t)n));
	http_head_free(&head);
	return 0;
}
