/* show.h - certificate pairs and remarks, field by field */
#ifndef CORDON_TOOLS_SHOW_H
#define CORDON_TOOLS_SHOW_H

#include "fields.h"
#include "pki/certdir.h"

/* One object, also of a pair without its key; `title` heads it for people, "expires" is what its
 * end is called there. */
void show_pair(struct fields *f, const char *key, const char *title, const char *expires,
	const struct certpair *p, int64_t now);
void show_remarks(struct fields *f, const struct certdir *d);

#endif
