/*
 * backup.h - a backup over the API: made by POST, fetched in pieces by GET, given up by DELETE
 *
 * One at a time, as a file without a name in the state directory; it goes when it was not asked for
 * during BACKUP_KEEP_MS, and with the daemon.
 */
#ifndef CORDON_ADMIN_BACKUP_H
#define CORDON_ADMIN_BACKUP_H

struct admin;
struct backup;
struct http_request;

#define BACKUP_KEEP_MS 600000
#define BACKUP_PIECE (1u << 20) /* bytes of one answer */

struct backup *backup_new(struct admin *a);
void backup_free(struct backup *b); /* after the store; NULL allowed */
void backup_handle(struct http_request *r, void *ctx);

#endif
