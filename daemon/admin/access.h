/* access.h - /access: the gate's yes or no about one device, for reverse proxies */
#ifndef CORDON_ADMIN_ACCESS_H
#define CORDON_ADMIN_ACCESS_H

struct http_request;

/*
 * GET /access?id=|serial=|eas=|certificate=: 204 allowed; 403 {"allowed":false,"reason":...}; 400;
 * 503 when the store cannot say.  A certificate is PEM (nginx' $ssl_client_escaped_cert), RFC
 * 9440's
 * ":base64:", or the hex digits of its SHA-256; it may also come in the header
 * proxy.client-certificate-header.
 */
void access_handle(struct http_request *r, void *ctx);

#endif
