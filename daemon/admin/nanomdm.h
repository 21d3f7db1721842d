/*
 * nanomdm.h - what NanoMDM's clients ask for beside pushes and commands, in its shapes
 * (facts/anchors.md 1.5)
 */
#ifndef CORDON_ADMIN_NANOMDM_H
#define CORDON_ADMIN_NANOMDM_H

struct http_request;

/* GET /v1/pushcert?topic=: {"topic", "not_after"}; PUT: refused, with the way that it goes here */
void nanomdm_pushcert_handle(struct http_request *r, void *ctx);
/* POST /v1/escrowkeyunlock, a form: passed on to Apple with the topic's push certificate */
void nanomdm_escrow_handle(struct http_request *r, void *ctx);

#endif
