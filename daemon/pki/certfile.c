/* certfile.c - one file of the certificate directory: what is in it, remembered while unchanged */
#include "pki/certfile.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/table.h"
#include "pki/cert.h"
#include "pki/coding.h"
#include "pki/csr.h"
#include "pki/key.h"

/* Kernels stamp files with the time of the last tick: two writes within one tick look alike. */
#define FRESH_SECONDS 2

struct certfile_cache {
	struct table *files; /* by device and inode */
	unsigned round;
};

static void
drop_file(void *value)
{
	certfile_unref(value);
}

struct certfile_cache *
certfile_cache_new(void)
{
	struct certfile_cache *c = xcalloc(1, sizeof(*c));

	c->files = table_new(drop_file);
	return c;
}

void
certfile_cache_free(struct certfile_cache *c)
{
	if (!c)
		return;
	table_free(c->files);
	free(c);
}

void
certfile_cache_begin(struct certfile_cache *c)
{
	if (c)
		c->round++;
}

static int
sweep_one(void *arg, struct bytes key, void *value)
{
	struct certfile_cache *c = arg;
	struct certfile *f = value;

	if (f->round != c->round)
		table_delete(c->files, key);
	return 0;
}

void
certfile_cache_sweep(struct certfile_cache *c)
{
	if (c)
		table_each(c->files, sweep_one, c);
}

void
certfile_unref(struct certfile *f)
{
	if (!f || --f->refs > 0)
		return;
	sk_X509_pop_free(f->certs, X509_free);
	EVP_PKEY_free(f->key);
	free(f->fault);
	free(f);
}

/* Reads on until `out` holds `max` bytes or the file ends. */
static int
read_upto(int fd, size_t max, struct buf *out)
{
	unsigned char chunk[16384];
	size_t want;
	ssize_t n;

	while (out->len < max) {
		want = max - out->len < sizeof(chunk) ? max - out->len : sizeof(chunk);
		n = read(fd, chunk, want);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		if (n == 0)
			break;
		buf_add(out, chunk, (size_t)n);
	}
	OPENSSL_cleanse(chunk, sizeof(chunk));
	return 0;
}

static const unsigned char *
find(struct bytes in, const char *what)
{
	return in.len ? memmem(in.data, in.len, what, strlen(what)) : NULL;
}

/*
 * The length of the DER SEQUENCE that `in` begins with, header included; 0 when it begins with none
 * that could be a certificate or key.  Text may begin with '0' (0x30) too, so short lengths count
 * only when they fit the file exactly.
 */
static size_t
der_length(struct bytes in, size_t file_size)
{
	const unsigned char *p = in.data;

	if (in.len < 8 || p[0] != 0x30)
		return 0;
	if (p[1] < 0x80)
		return (size_t)p[1] + 2 == file_size ? file_size : 0;
	if (p[1] == 0x81 && p[2] >= 0x80)
		return (size_t)p[2] + 3;
	if (p[1] == 0x82 && p[2] != 0)
		return (size_t)bytes_u16(p + 2) + 4;
	return 0;
}

/* Prose that mentions a PEM label amid a line announces nothing. */
static bool
at_line_start(struct bytes in, const unsigned char *p)
{
	while (p > in.data && (p[-1] == ' ' || p[-1] == '\t'))
		p--;
	return p == in.data || p[-1] == '\n' || p[-1] == '\r';
}

static bool
announces_label(struct bytes in, const char *label)
{
	const unsigned char *end = in.data + in.len, *p = in.data;
	char mark[64];

	snprintf(mark, sizeof(mark), "-----BEGIN %s-----", label);
	while ((p = find(bytes_of(p, (size_t)(end - p)), mark))) {
		if (at_line_start(in, p))
			return true;
		p += strlen(mark);
	}
	return false;
}

static bool
announces(struct bytes in, const char *const *names)
{
	for (; *names; names++)
		if (announces_label(in, *names))
			return true;
	return false;
}

static const char *const cert_labels[] = { "CERTIFICATE", "X509 CERTIFICATE", "TRUSTED CERTIFICATE",
	"PKCS7", "CMS", NULL };
static const char *const key_labels[] = { "PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY",
	"ENCRYPTED PRIVATE KEY", NULL };
static const char *const csr_labels[] = { "CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST", NULL };

static bool
take_key(struct certfile *f, struct bytes in, const char **why)
{
	f->key = key_parse(in, why);
	if (f->key && key_spki_sha256(f->key, f->key_spki) < 0) {
		EVP_PKEY_free(f->key);
		f->key = NULL;
		*why = "is damaged";
	}
	return f->key != NULL;
}

static bool
take_csr(struct certfile *f, struct bytes in)
{
	X509_REQ *r = csr_parse(in);
	EVP_PKEY *key = r ? X509_REQ_get0_pubkey(r) : NULL;

	f->has_csr = key && key_spki_sha256(key, f->csr_spki) == 0;
	X509_REQ_free(r);
	ERR_clear_error();
	return f->has_csr;
}

static void
recognise_pem(struct certfile *f, struct bytes in)
{
	const char *why = NULL;

	in = coding_skip_bom(in);
	if (announces(in, cert_labels)) {
		f->certs = cert_parse(in, &why);
		if (!f->certs)
			f->fault = xstrdup(why ? why : "is damaged");
	}
	if (announces(in, key_labels) && !take_key(f, in, &why) && !f->fault)
		f->fault = xasprintf("holds a private key that cannot be read: it %s", why);
	if (announces(in, csr_labels) && !take_csr(f, in) && !f->fault)
		f->fault = xstrdup("holds a signing request that is damaged: copy it again");
}

static bool
take_der(struct certfile *f, struct bytes in, const char **why)
{
	const char *key_why = NULL;

	f->certs = cert_parse(in, why);
	if (f->certs || take_key(f, in, &key_why) || take_csr(f, in))
		return true;
	if (key_why && strncmp(key_why, "is encrypted", 12) == 0)
		*why = key_why;
	return false;
}

static void
drop_content(struct certfile *f)
{
	sk_X509_pop_free(f->certs, X509_free);
	EVP_PKEY_free(f->key);
	f->certs = NULL;
	f->key = NULL;
	f->has_csr = false;
}

static void
recognise_der(struct certfile *f, struct bytes in, size_t length)
{
	const char *why = NULL;

	if (length > in.len) {
		/* A certificate begins with two SEQUENCEs; much else begins with one. */
		if (in.data[4] == 0x30)
			f->fault = xstrdup("is cut off: copy the whole file again");
		else
			f->blank = "is cut off, or holds no certificate and no key";
	} else if (!take_der(f, bytes_of(in.data, length), &why)) {
		/* Other things are written in DER too: only what was recognised is a fault. */
		if (why && strncmp(why, "holds no", 8) != 0)
			f->fault = xstrdup(why);
	} else if (length < in.len) {
		drop_content(f);
		f->fault = xasprintf("has %zu bytes of something else behind its end: copy the "
				     "file again",
			in.len - length);
	}
}

static bool
plausible(struct bytes head, size_t file_size)
{
	return coding_has_pem(head) || der_length(head, file_size) > 0;
}

static int
recognise(struct certfile *f, int fd)
{
	struct buf content = BUF_INIT;
	size_t size = (size_t)f->st.st_size, der;
	int r = read_upto(fd, CERTFILE_HEAD, &content);

	if (r < 0)
		goto out;
	if (content.len == 0) {
		f->blank = "is empty";
		goto out;
	}
	f->blank = "holds no certificate and no key";
	if (!plausible(buf_bytes(&content), size))
		goto out;
	r = read_upto(fd, CERTFILE_MAX + 1, &content);
	if (r < 0)
		goto out;
	if (content.len > CERTFILE_MAX) {
		f->blank = "is larger than 1 MiB, and certificates and keys are some KiB";
		goto out;
	}
	der = der_length(buf_bytes(&content), content.len);
	if (der)
		recognise_der(f, buf_bytes(&content), der);
	else
		recognise_pem(f, buf_bytes(&content));
	if (f->certs || f->key || f->has_csr || f->fault)
		f->blank = NULL;
out:
	buf_wipe(&content);
	ERR_clear_error();
	return r;
}

static bool
same(const struct stat *a, const struct stat *b)
{
	return a->st_size == b->st_size && a->st_mode == b->st_mode && a->st_uid == b->st_uid &&
	       a->st_gid == b->st_gid && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
	       a->st_mtim.tv_nsec == b->st_mtim.tv_nsec && a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
	       a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

struct inode_key {
	dev_t dev;
	ino_t ino;
};

static struct bytes
inode_of(const struct stat *st, struct inode_key *key)
{
	memset(key, 0, sizeof(*key));
	key->dev = st->st_dev;
	key->ino = st->st_ino;
	return bytes_of(key, sizeof(*key));
}

static struct certfile *
load(const char *path, int *err)
{
	struct certfile *f = xcalloc(1, sizeof(*f));
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY);

	f->refs = 1;
	if (fd < 0 || fstat(fd, &f->st) < 0)
		*err = -errno;
	else if (!S_ISREG(f->st.st_mode))
		*err = -EINVAL;
	else
		*err = recognise(f, fd);
	if (fd >= 0)
		close(fd);
	if (*err < 0) {
		certfile_unref(f);
		return NULL;
	}
	f->fresh = f->st.st_ctim.tv_sec > clock_wall() - FRESH_SECONDS;
	return f;
}

struct certfile *
certfile_get(struct certfile_cache *c, const char *path, int *err)
{
	struct certfile *f;
	struct inode_key key;
	struct stat st;

	*err = stat(path, &st) < 0 ? -errno : S_ISREG(st.st_mode) ? 0 : -EINVAL;
	if (*err < 0)
		return NULL;
	f = c ? table_get(c->files, inode_of(&st, &key)) : NULL;
	if (!f || f->fresh || !same(&f->st, &st)) {
		f = load(path, err);
		if (!f || !c)
			return f;
		table_put(c->files, inode_of(&f->st, &key), f);
	}
	f->round = c->round;
	f->refs++;
	return f;
}

bool
certfile_name_promises(const char *name)
{
	static const char *const endings[] = { ".pem", ".crt", ".cer", ".der", ".key", ".p12",
		".pfx", ".p7b" };
	const char *dot = strrchr(name, '.');

	for (size_t i = 0; dot && i < sizeof(endings) / sizeof(endings[0]); i++)
		if (strcasecmp(dot, endings[i]) == 0)
			return true;
	return false;
}
