/*
 * probe.h - how far one gets on the way to a TLS server: name, connection, certificate
 *
 * Presents no certificate of its own and sends nothing once the handshake is done.
 */
#ifndef CORDON_CTL_PROBE_H
#define CORDON_CTL_PROBE_H

#include <stdint.h>

#include "base/buf.h"

enum probe_end {
	PROBE_GOOD,
	PROBE_NO_NAME,	   /* the name is not found */
	PROBE_WRONG_NAME,  /* it leads to an address that cannot be right */
	PROBE_CLOSED,	   /* refused */
	PROBE_SILENT,	   /* no answer in time, or no way there */
	PROBE_NO_TLS,	   /* connected, but no TLS */
	PROBE_INTERCEPTED, /* a chain that the trust store does not know */
	PROBE_EXPIRED,	   /* the server's certificate is expired, or not valid yet */
	PROBE_OTHER_HOST,  /* a certificate for another name */
	PROBE_NO_H2,	   /* no HTTP/2 */
	PROBE_BROKEN	   /* anything else */
};

struct probe {
	enum probe_end end;
	char address[64];   /* that was tried last; "" */
	struct buf issuer;  /* of the server's certificate */
	struct buf subject; /* of the server's certificate */
	int64_t not_before, not_after;
	char detail[256]; /* words of the system or of OpenSSL */
};

/* `trust`: "system" or a PEM file.  `h2`: HTTP/2 is wanted.  Never fails: the end says it. */
void probe_run(struct probe *p, const char *host, unsigned port, const char *trust, bool h2);
void probe_free(struct probe *p);
/* The sentence for an end: what was found, what it means, what to do. */
void probe_words(const struct probe *p, const char *host, unsigned port, struct buf *out);

#endif
