/* reason.h - APNs' reasons as a table: what to do, and a sentence (facts/protocol.md D.3) */
#ifndef CORDON_MDM_REASON_H
#define CORDON_MDM_REASON_H

enum reason_action {
	REASON_NOTE,	  /* our fault, or unknown: said, not repeated */
	REASON_TOKEN_BAD, /* no push to this token any more */
	REASON_GONE,	  /* 410: judged by token and time */
	REASON_SLOW,	  /* 429: this device later */
	REASON_LATER,	  /* 5xx: after 15 minutes, then doubled */
	REASON_AGAIN,	  /* at once, on a new connection */
	REASON_STOP	  /* the certificate is refused: stop pushing by it, alarm */
};

struct reason {
	int status;
	const char *name; /* NULL: any other reason of this status */
	enum reason_action action;
	const char *sentence;
};

/* Never NULL. */
const struct reason *reason_find(int status, const char *name);
/* Seconds to wait before try number `failures` + 1 (1, 2, ...). */
int reason_delay(enum reason_action action, unsigned failures);

#endif
