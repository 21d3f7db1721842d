/* mem.c - allocation that cannot fail */
#include <openssl/crypto.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"

static void *
must(void *p)
{
	static const char text[] = "out of memory\n";

	if (p)
		return p;
	/* stdio and the log would allocate */
	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		abort();
	abort();
}

void *
xmalloc(size_t size)
{
	return must(malloc(size ? size : 1));
}

void *
xcalloc(size_t count, size_t size)
{
	return must(calloc(count ? count : 1, size ? size : 1));
}

void *
xrealloc(void *p, size_t size)
{
	return must(realloc(p, size ? size : 1));
}

void *
xmemdup(const void *p, size_t size)
{
	void *copy = xmalloc(size);

	if (size > 0)
		memcpy(copy, p, size);
	return copy;
}

char *
xstrdup(const char *s)
{
	return must(strdup(s));
}

char *
xstrndup(const char *s, size_t max)
{
	return must(strndup(s, max));
}

char *
xasprintf(const char *fmt, ...)
{
	va_list ap;
	char *s;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	return must(n < 0 ? NULL : s);
}

void
mem_wipe_str(char *s)
{
	if (!s)
		return;
	OPENSSL_cleanse(s, strlen(s));
	free(s);
}
