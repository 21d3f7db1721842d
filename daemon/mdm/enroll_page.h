/* enroll_page.h - the page at /enroll for browsers that cannot install a profile */
#ifndef CORDON_MDM_ENROLL_PAGE_H
#define CORDON_MDM_ENROLL_PAGE_H

#include <stdbool.h>

#include "base/buf.h"

/* A browser, and on no device of Apple's.  NULL: no User-Agent. */
bool enroll_page_wanted(const char *user_agent);
/*
 * Appends HTML.  `organization` NULL: not told, because the link is not valid; `fault` (may be
 * NULL) says why.
 */
void enroll_page_build(const char *organization, const char *fault, struct buf *out);

#endif
