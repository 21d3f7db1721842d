/* http_route.c - from path, method and side to the one route that answers */
#include <string.h>

#include "net/http_int.h"

#define EXACT SIZE_MAX /* better than any prefix */

/* How well a route fits: 0 not at all, the length of its prefix, or EXACT. */
static size_t
fit(const struct http_route *route, enum http_side side, const char *path)
{
	unsigned sides = side == HTTP_API ? HTTP_API | HTTP_CONTROL : side;
	size_t len;

	if (!(route->sides & sides))
		return 0;
	if (!route->prefix)
		return strcmp(route->path, path) == 0 ? EXACT : 0;
	len = strlen(route->path);
	return strncmp(route->path, path, len) == 0 ? len : 0;
}

static unsigned
methods_of(const struct http_route *route)
{
	return route->methods | (route->methods & HTTP_GET ? HTTP_HEAD : 0u);
}

const struct http_route *
http_route_find(const struct http_server *s, enum http_side side, const struct http_head *head,
	int *status, unsigned *allow)
{
	const struct http_route *found = NULL;
	size_t best = 0, i;

	*allow = 0;
	for (i = 0; i < s->route_count; i++) {
		size_t how = fit(&s->routes[i], side, head->path);

		if (how == 0 || how < best)
			continue;
		if (how > best) {
			best = how;
			found = NULL;
			*allow = 0;
		}
		*allow |= methods_of(&s->routes[i]);
		if (!found && (methods_of(&s->routes[i]) & head->method))
			found = &s->routes[i];
	}
	*status = head->method == 0 ? 501 : best == 0 ? 404 : 405;
	return found;
}

void
http_route_allow(unsigned methods, struct buf *out)
{
	static const struct {
		unsigned method;
		const char *name;
	} names[] = {
		{ HTTP_GET, "GET" },
		{ HTTP_HEAD, "HEAD" },
		{ HTTP_POST, "POST" },
		{ HTTP_PUT, "PUT" },
		{ HTTP_DELETE, "DELETE" },
		{ HTTP_PATCH, "PATCH" },
		{ HTTP_OPTIONS, "OPTIONS" },
	};
	size_t i;
	bool first = true;

	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (!(methods & names[i].method))
			continue;
		buf_printf(out, "%s%s", first ? "" : ", ", names[i].name);
		first = false;
	}
}
