/* util.c - memory, bytes, files and time for the fake device */
#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

void *
util_alloc(size_t size)
{
	void *p = calloc(1, size > 0 ? size : 1);

	if (p == NULL)
		abort();
	return p;
}

void *
util_grow(void *p, size_t size)
{
	p = realloc(p, size > 0 ? size : 1);
	if (p == NULL)
		abort();
	return p;
}

char *
util_dup(const char *s)
{
	return s != NULL ? util_printf("%s", s) : NULL;
}

char *
util_printf(const char *fmt, ...)
{
	va_list ap;
	char *s;
	int n;

	va_start(ap, fmt);
	n = vasprintf(&s, fmt, ap);
	va_end(ap);
	if (n < 0)
		abort();
	return s;
}

struct blob
blob_copy(const void *data, size_t len)
{
	struct blob b = { NULL, 0 };

	blob_append(&b, data, len);
	return b;
}

void
blob_append(struct blob *b, const void *data, size_t len)
{
	b->data = util_grow(b->data, b->len + len + 1);
	if (len > 0)
		memcpy(b->data + b->len, data, len);
	b->len += len;
	b->data[b->len] = 0;
}

void
blob_free(struct blob *b)
{
	if (b->data != NULL)
		OPENSSL_cleanse(b->data, b->len);
	free(b->data);
	b->data = NULL;
	b->len = 0;
}

char *
util_hex(const uint8_t *data, size_t len)
{
	static const char digits[] = "0123456789abcdef";
	char *s = util_alloc(len * 2 + 1);

	for (size_t i = 0; i < len; i++) {
		s[2 * i] = digits[data[i] >> 4];
		s[2 * i + 1] = digits[data[i] & 15];
	}
	return s;
}

char *
util_base64(const uint8_t *data, size_t len)
{
	char *s = util_alloc((len + 2) / 3 * 4 + 1);

	EVP_EncodeBlock((unsigned char *)s, data, (int)len);
	return s;
}

void
util_random(void *buf, size_t len)
{
	if (RAND_bytes(buf, (int)len) != 1)
		abort();
}

void
util_uuid(char ret[UTIL_UUID_SIZE])
{
	uint8_t b[16];

	util_random(b, sizeof(b));
	b[6] = (uint8_t)((b[6] & 0x0f) | 0x40);
	b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
	snprintf(ret, UTIL_UUID_SIZE,
		"%02X%02X%02X%02X-%02X%02X-%02X%02X-%02X%02X-%02X%02X%02X%02X%02X%02X", b[0], b[1],
		b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
		b[15]);
}

int
util_read(const char *path, size_t max, struct blob *ret)
{
	struct blob b = { NULL, 0 };
	char part[16384];
	ssize_t n;
	int fd, rc;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	blob_append(&b, "", 0);
	while ((n = read(fd, part, sizeof(part))) > 0 && b.len <= max)
		blob_append(&b, part, (size_t)n);
	rc = n < 0 ? -errno : b.len > max ? -EFBIG : 0;
	close(fd);
	OPENSSL_cleanse(part, sizeof(part));
	if (rc < 0)
		blob_free(&b);
	else
		*ret = b;
	return rc;
}

static int
write_all(int fd, const uint8_t *data, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

int
util_write(const char *path, const void *data, size_t len, mode_t mode)
{
	char *tmp = util_printf("%s.new", path);
	int fd, rc;

	unlink(tmp);
	fd = open(tmp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
	rc = fd < 0 ? -errno : write_all(fd, data, len);
	if (fd >= 0 && close(fd) < 0 && rc == 0)
		rc = -errno;
	if (rc == 0 && rename(tmp, path) < 0)
		rc = -errno;
	if (rc < 0 && fd >= 0)
		unlink(tmp);
	free(tmp);
	return rc;
}

int
util_mkdirs(const char *path)
{
	char *copy = util_dup(path);
	int rc = 0;

	for (char *p = copy + 1; rc == 0; p++) {
		if (*p != '/' && *p != '\0')
			continue;
		char end = *p;

		*p = '\0';
		if (mkdir(copy, 0700) < 0 && errno != EEXIST)
			rc = -errno;
		*p = end;
		if (end == '\0')
			break;
	}
	free(copy);
	return rc;
}

double
util_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

void
util_sleep(double seconds)
{
	struct timespec ts = { .tv_sec = (time_t)seconds };

	ts.tv_nsec = (long)((seconds - (double)ts.tv_sec) * 1e9);
	nanosleep(&ts, NULL);
}
