/*
 * http_parse.h - the head of a request and chunked framing, from bytes alone: strict, bounded,
 * fuzzed
 *
 * Refuses what facts/library-traps.md 1.4 lists: blank before a colon, NUL and other controls, bare
 * LF, obs-fold, empty names, two Content-Length, Content-Length with Transfer-Encoding, any coding
 * but chunked, signs and lists in numbers, no or two Host in HTTP/1.1, versions other than 1.0
 * and 1.1, targets with blanks, 8-bit, encoded slashes and NULs, "//host/path".
 */
#ifndef CORDON_NET_HTTP_PARSE_H
#define CORDON_NET_HTTP_PARSE_H

#include <sys/types.h>

#include "net/http.h"

struct http_field {
	const char *name, *value; /* into the head's own copy, NUL-terminated */
};

struct http_head {
	struct buf text; /* owned copy that the strings point into */
	char method_text[16];
	unsigned method; /* enum http_method; 0: well formed but unknown (501) */
	char *path;	 /* decoded */
	const char *query;
	int minor; /* HTTP/1.minor */
	struct http_field fields[HTTP_FIELDS_MAX];
	size_t count;
	bool chunked, has_length, keep_alive, expect_continue;
	uint64_t length;
};

/*
 * Looks for a whole head at the beginning of `in`.  >0: bytes it took; 0: not whole yet (call again
 * with more); <0: -status: the request is refused with that status and the connection closed.
 * `head` need not be initialised, and holds nothing unless the result is >0.
 */
int http_parse_head(struct bytes in, struct http_head *head);
void http_head_free(struct http_head *head);

enum http_chunk_state { CHUNK_SIZE, CHUNK_DATA, CHUNK_DATA_END, CHUNK_TRAILER, CHUNK_DONE };
struct http_chunks {
	enum http_chunk_state state;
	uint64_t left;	   /* bytes of this chunk that are still to come */
	unsigned trailers; /* lines so far, at most HTTP_FIELDS_MAX */
};
#define HTTP_CHUNK_LINE_MAX 256u /* a size with its extension, or a trailer, with CR LF */
/*
 * Takes chunked bytes from `in`, appends content to `body` up to `max`.  Returns bytes taken; <0:
 * -status. Done when c->state is CHUNK_DONE.  Trailer fields are checked and thrown away.
 */
ssize_t http_parse_chunks(struct http_chunks *c, struct bytes in, struct buf *body, size_t max);

#endif
