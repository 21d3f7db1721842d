/* util.h - memory, bytes, files and time for the fake device */
#ifndef FAKE_UTIL_H
#define FAKE_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define UTIL_UUID_SIZE 37

/* Bytes with an owner; {NULL, 0} is empty. */
struct blob {
	uint8_t *data;
	size_t len;
};

/* Zeroed memory, copies of text, formatted text: never NULL, abort without memory. */
void *util_alloc(size_t size);
void *util_grow(void *p, size_t size);
char *util_dup(const char *s); /* NULL stays NULL */
char *util_printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

struct blob blob_copy(const void *data, size_t len);
void blob_append(struct blob *b, const void *data, size_t len);
void blob_free(struct blob *b); /* cleanses, leaves it empty */

/* Text forms of bytes, one line, NUL-terminated; the caller frees. */
char *util_hex(const uint8_t *data, size_t len);
char *util_base64(const uint8_t *data, size_t len);

void util_random(void *buf, size_t len);
void util_uuid(char ret[UTIL_UUID_SIZE]); /* random, upper case */

/* Whole file, NUL after the end (not counted).  0 or -errno; -EFBIG beyond `max`. */
int util_read(const char *path, size_t max, struct blob *ret);

/* Replace a file in one step, created with `mode`.  0 or -errno. */
int util_write(const char *path, const void *data, size_t len, mode_t mode);

/* Make a directory and its missing parents, 0700.  0 or -errno. */
int util_mkdirs(const char *path);

double util_now(void); /* monotonic seconds */
void util_sleep(double seconds);

#endif
