/* ask.h - what is asked on a terminal: missing fields of a subject */
#ifndef CORDON_TOOLS_ASK_H
#define CORDON_TOOLS_ASK_H

#include "base/buf.h"
#include "pki/csr.h"

/* Is there somebody to ask? */
bool ask_possible(void);
/*
 * Asks until the common name is given and well; with `contact`, country and e-mail address too
 * unless they are there (Enter leaves them out).  0, or -ENODATA at the end of input.
 */
int ask_subject(struct subject *s, const char *what_the_name_is, bool contact);
/* "Type yes to go on": only that word is a yes. */
bool ask_yes(void);
/* Without echo; wipe *ret.  0, -ENODATA at the end of input, or -errno of the terminal. */
int ask_password(const char *question, struct buf *ret);

#endif
