/*
 * login.h - who calls the control API over TCP: HTTP Basic with keys from files
 *
 * The user is a key's name, or "nanomdm", which NanoMDM's clients send: then the key alone says who
 * it is.  Keys are read from their files when those change, and only their hashes are kept.  Ten
 * wrong ones in a row close a user at one address for a minute.
 */
#ifndef CORDON_ADMIN_LOGIN_H
#define CORDON_ADMIN_LOGIN_H

#include <stdbool.h>

struct admin;
struct http_request;
struct login;

#define LOGIN_KEY_MIN 16u   /* bytes of a key */
#define LOGIN_TRIES 10u	    /* wrong keys in a row ... */
#define LOGIN_REST_S 60	    /* ... and the seconds for which even the right one is not looked at */
#define LOGIN_SUBJECTS 256u /* address and user whose failures are remembered */

struct login *login_new(void);
void login_free(struct login *l); /* NULL allowed */
/*
 * For http_server_set_admit; ctx is the struct admin.  On the API's side it answers 401, 403 or 429
 * itself and returns false unless the caller's role suffices (role.h); elsewhere it is true.
 */
bool login_admit(struct http_request *r, void *ctx);

#endif
