/*
 * result.h - what devices answered
 *
 *   'r' id          the last results, newest last: uuid, type, status, time (bounded by
 * queue.keep-results) 'R' id uuid     one answer, sealed; above RESULT_INLINE bytes a file
 * (store_file_*) 'f' id kind     the latest answer of each refresh kind, sealed or a file
 */
#ifndef CORDON_STORE_RESULT_H
#define CORDON_STORE_RESULT_H

#include "store/store.h"

#define RESULT_INLINE 8192u

struct result {
	char *uuid, *type, *status,
		*error; /* error: first LocalizedDescription of the chain, NULL */
	char *actor;
	char *subject; /* PayloadIdentifier that the command was about; NULL */
	int64_t at, queued_at;
	unsigned generation;
	bool has_body;
};

struct result_list {
	struct result *items;
	size_t count, cap;
};

int result_list_load(
	struct store *s, const char *id, struct result_list *ret); /* empty when there is none */
void result_list_free(struct result_list *l);
/*
 * Stores one answer (the device's property list, as it came) and forgets the oldest beyond `keep`.
 * One without a body is a command that ended without an answer; of these, too, `keep` are kept.
 * The same (id, uuid) again replaces nothing and returns -EEXIST: reports may arrive twice.
 */
int result_add(
	struct store *s, const char *id, const struct result *r, struct bytes body, unsigned keep);
int result_body(struct store *s, const char *id, const char *uuid, size_t max, struct buf *ret);

/* Latest answer of one kind ("DeviceInformation", "SecurityInfo" ...), with its time. */
int result_latest_put(
	struct store *s, const char *id, const char *kind, int64_t at, struct bytes body);
int result_latest_get(struct store *s, const char *id, const char *kind, size_t max, int64_t *at,
	struct buf *ret);
int result_forget(struct store *s, const char *id); /* all of an id */

#endif
