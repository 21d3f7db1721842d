/* dbhead.h - the head record of state.gdbm as bytes; shared by its reader and its writer */
#ifndef CORDON_STORE_DBHEAD_H
#define CORDON_STORE_DBHEAD_H

#include "store/dbfile.h"

#define DBFILE_NAME "state.gdbm"
#define DBFILE_NEW "state.new"

void dbhead_encode(const struct dbfile_head *head, struct buf *out);
int dbhead_decode(struct bytes value, struct dbfile_head *head); /* 0 or -EBADMSG */
/* Starts the disk on a file piece by piece: syncing it in one go holds up the log (dbwriter.c). */
void dbwriter_write_out(int fd);

#endif
