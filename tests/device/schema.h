/* schema.h - Apple's command schema as a table: is a request well-formed, what may an answer hold
 *
 * The file has tab-separated columns: request type, req|resp, path, type, required|optional,
 * values. A path has "." between levels and "[]" for the items of an array; the type "none" is of a
 * command without keys.
 */
#ifndef FAKE_SCHEMA_H
#define FAKE_SCHEMA_H

#include <plist/plist.h>
#include <stdbool.h>
#include <stddef.h>

/* Read the file.  0 or -errno; without a file everything is known and right. */
int schema_init(const char *path);
void schema_fini(void);
bool schema_loaded(void);

/* Whether there is such a request type. */
bool schema_knows(const char *request_type);

/* Whether the dictionary of a command has what it needs, in the right types. */
bool schema_accepts(const char *request_type, plist_t command, char *why, size_t why_len);

/* Add the answer keys of a request type to `report`, with made-up values. */
void schema_fill(const char *request_type, plist_t report);

#endif
