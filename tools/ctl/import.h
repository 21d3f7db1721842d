/* import.h - messages of another server as files: found below a directory, in the order in which
 * they must be sent */
#ifndef CORDON_CTL_IMPORT_H
#define CORDON_CTL_IMPORT_H

#include <stddef.h>

#define IMPORT_FILE_MAX (4u << 20) /* what the daemon takes of one message */
#define IMPORT_FILES_MAX 2000000u

/* By the order of sending: a device before its users, all that is wrong at the end. */
enum import_kind {
	IMPORT_AUTHENTICATE,
	IMPORT_TOKEN_UPDATE,
	IMPORT_BOOTSTRAP,
	IMPORT_USER_TOKEN_UPDATE,
	IMPORT_FAULTY, /* should be a message, and is none */
	IMPORT_OTHER   /* no property list: not for us */
};

struct import_file {
	char *path;
	enum import_kind kind;
	const char *why; /* of IMPORT_FAULTY: static */
};

struct import_files {
	struct import_file *items;
	size_t count, cap;
};

/* Every regular file below `directory`, links not followed.  0 or -errno. */
int import_find(const char *directory, struct import_files *ret);
void import_files_free(struct import_files *f);

#endif
