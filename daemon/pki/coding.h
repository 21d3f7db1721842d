/* coding.h - PEM blocks in, DER and text out: what the files of this folder share
 */
#ifndef CORDON_PKI_CODING_H
#define CORDON_PKI_CODING_H

#include <openssl/bio.h>

#include "base/buf.h"

/* One PEM block, undecoded.  coding_block_free cleanses it: it may be a key. */
struct coding_block {
	char *name;   /* "CERTIFICATE" */
	char *header; /* "" unless it is an encrypted traditional key */
	unsigned char *data;
	long len;
};

/* The file without a UTF-8 byte order mark, which OpenSSL does not know. */
struct bytes coding_skip_bom(struct bytes in);
/* Is it worth while to look for PEM blocks (a cheap test before OpenSSL's costly ones)? */
bool coding_has_pem(struct bytes in);
bool coding_contains(struct bytes in, const char *text);
/* Read-only view of `in` for OpenSSL; NULL when it is too long for it. */
BIO *coding_reader(struct bytes in);
/* The next block at the reader.  1, 0 at the end, -EINVAL when a block is damaged or cut off. */
int coding_next_block(BIO *reader, struct coding_block *ret);
void coding_block_free(struct coding_block *b);

/*
 * Takes what an i2d function allocated (`len` is its result) into `out`, cleanses and frees it. 0,
 * or -EIO when len says that it failed; the error queue is left empty.
 */
int coding_take_der(struct buf *out, unsigned char *der, int len);
/* Appends what was written to a memory BIO. */
void coding_take_bio(struct buf *out, BIO *written);

/*
 * Reading definite-length DER that OpenSSL wrote: enters (constructed) or passes the element at
 * the front when it has this tag and class.  False when it is another one or does not fit.
 */
bool coding_enter(struct bytes *at, int tag, int class);
bool coding_pass(struct bytes *at, int tag, int class);

#endif
