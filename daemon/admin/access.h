/* access.h - /access: the gate's yes or no about one device, for reverse proxies */
#ifndef CORDON_ADMIN_ACCESS_H
#define CORDON_ADMIN_ACCESS_H

struct http_request;

/* GET /access?id=|serial=|eas=: 204 allowed; 403 {"allowed":false,"reason":...}; 400; 503 when the
 * store cannot say. */
void access_handle(struct http_request *r, void *ctx);

#endif
