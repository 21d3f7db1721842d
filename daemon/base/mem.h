/* mem.h - allocation that cannot fail for our own small sizes */
#ifndef CORDON_BASE_MEM_H
#define CORDON_BASE_MEM_H

#include <stddef.h>

/*
 * These abort the process when memory is exhausted.  Sizes that a peer decides are capped by
 * the caller first (DESIGN "Limits"); then an abort means that the machine is out of memory and
 * the supervisor's restart on a durable store is the best answer there is.
 */
void *xmalloc(size_t size);
void *xcalloc(size_t count, size_t size);
void *xrealloc(void *p, size_t size);
void *xmemdup(const void *p, size_t size);
char *xstrdup(const char *s);
char *xstrndup(const char *s, size_t max);
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* Cleanses the bytes of the string (NULL allowed), then frees it: for secrets. */
void mem_wipe_str(char *s);

#endif
