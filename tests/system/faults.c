/*
 * faults.c - cordond with a disk, a CA and a parser that fail now and then, for
 * tests/system/faults.py
 *
 * CORDON_FAULTS names a file of two rows of 32-bit numbers, one column for each kind of fault: the
 * test writes into the first that every n-th call fails (0: none), and reads from the second how
 * many did.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <openssl/cms.h>
#include <openssl/x509.h>

#include "base/buf.h"
#include "base/proplist.h"
#include "pki/ca.h"
#include "pki/cms.h"
#include "pki/scep.h"
#include "store/store.h"

enum kind { DISK, READ, CA, PARSER, KINDS };

struct board {
	_Atomic uint32_t every[KINDS], failed[KINDS];
};

static struct board *
board(void)
{
	static struct board *_Atomic found;
	struct board *b = found;
	const char *path = getenv("CORDON_FAULTS");
	int fd;

	if (b || !path)
		return b;
	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	b = mmap(NULL, sizeof(*b), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (b == MAP_FAILED)
		return NULL;
	found = b;
	return b;
}

/* Is this call one that fails? */
static bool
fails(enum kind kind)
{
	static _Atomic uint32_t calls[KINDS];
	struct board *b = board();
	uint32_t every = b ? b->every[kind] : 0;

	if (every == 0 || ++calls[kind] % every != 0)
		return false;
	b->failed[kind]++;
	errno = EIO;
	return true;
}

#define FAULT(kind, type, name, args, call, result) \
	type __real_##name args;                    \
	type __wrap_##name args;                    \
	type __wrap_##name args                     \
	{                                           \
		if (fails(kind))                    \
			return result;              \
		return __real_##name call;          \
	}

FAULT(DISK, ssize_t, pwrite, (int fd, const void *p, size_t len, off_t at), (fd, p, len, at), -1)
FAULT(DISK, int, fdatasync, (int fd), (fd), -1)
FAULT(DISK, int, fsync, (int fd), (fd), -1)
FAULT(DISK, int, store_file_put, (struct store * s, struct bytes content, char name[65]),
	(s, content, name), -EIO)

FAULT(READ, int, store_get, (struct store * s, struct bytes key, struct buf *ret), (s, key, ret),
	-EIO)
FAULT(READ, int, store_unseal,
	(struct store * s, struct bytes key, struct bytes sealed, struct buf *out),
	(s, key, sealed, out), -EBADMSG)

FAULT(CA, X509 *, ca_issue_identity, (X509 * ca, EVP_PKEY *key, const struct ca_identity *id),
	(ca, key, id), NULL)
FAULT(CA, int, scep_reply_success,
	(const struct scep_request *r, X509 *ca, EVP_PKEY *key, X509 *issued, struct buf *out),
	(r, ca, key, issued, out), -EIO)
FAULT(CA, int, cms_sign,
	(X509 * signer, EVP_PKEY *key, STACK_OF(X509) * chain, struct bytes content,
		struct buf *out),
	(signer, key, chain, content, out), -EIO)
FAULT(CA, int, X509_verify, (X509 * x, EVP_PKEY *key), (x, key), -1)

FAULT(PARSER, X509 *, d2i_X509, (X509 * *x, const unsigned char **in, long len), (x, in, len), NULL)
FAULT(PARSER, CMS_ContentInfo *, d2i_CMS_ContentInfo,
	(CMS_ContentInfo * *c, const unsigned char **in, long len), (c, in, len), NULL)

FAULT(PARSER, int, proplist_parse, (struct bytes in, plist_t *ret), (in, ret), -EINVAL)
