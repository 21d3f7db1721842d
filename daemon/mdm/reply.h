/* reply.h - what a verb answers, before anything of HTTP */
#ifndef CORDON_MDM_REPLY_H
#define CORDON_MDM_REPLY_H

#include "base/buf.h"

struct declarative_ask;

#define TYPE_PLIST "application/xml; charset=UTF-8"

struct reply {
	int status;
	bool refused;	  /* to who has no business here: nobody is told of it */
	const char *type; /* static; NULL: no Content-Type */
	struct buf body;
	struct declarative_ask *ask; /* owned; not NULL: another server has the answer, later */
};

#define REPLY_INIT                         \
	{                                  \
		200, false, 0, BUF_INIT, 0 \
	}

void reply_free(struct reply *r); /* cleanses: bodies may hold secrets */
/* Replaces what was there: one line of text. */
void reply_text(struct reply *r, int status, const char *text);
/* 503, for the store that takes no changes now; devices try again. */
void reply_busy(struct reply *r);

#endif
