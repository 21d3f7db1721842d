/*
 * source.h - where a request comes from: its address and client certificate, also through a proxy;
 * and how often strangers from there may try
 *
 * Headers of a proxy count on listeners with behind-proxy and from peers in proxy.trusted alone;
 * anywhere else they are as if they were not there.
 */
#ifndef CORDON_MDM_SOURCE_H
#define CORDON_MDM_SOURCE_H

#include <netinet/in.h>
#include <openssl/x509.h>

#include "mdm/mdm.h"

#define SOURCE_RATE 20u	  /* tries a second ... */
#define SOURCE_BURST 500u /* ... and at once, of one source (DESIGN "Limits") */
#define SOURCES_MAX 10000u

/* The caller's; NULL: none. */
X509 *source_certificate(const struct mdm *m, const struct http_request *r);
void source_address(const struct mdm *m, const struct http_request *r, char out[INET6_ADDRSTRLEN]);

/*
 * One try without a valid link or challenge: false when this source has made too many.  IPv6
 * sources are counted by their /64.
 */
bool source_try(struct mdm *m, const char *address);
/* Has it no more tries at present?  Counts nothing. */
bool source_exhausted(struct mdm *m, const char *address);
/* 429, with when to come again. */
void source_refuse(struct http_request *r);

#endif
