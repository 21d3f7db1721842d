/*
 * queue.h - commands that wait for one enrollment, oldest first
 *
 *   'q' id    the entries in order          'b' uuid  a command's sealed body, kept once
 *   'B' uuid  how many queues refer to it
 *
 * Rules: DESIGN "Queue", facts/protocol.md B.  Bodies are the whole property list as it is sent
 * ({CommandUUID, Command}), XML.
 */
#ifndef CORDON_STORE_QUEUE_H
#define CORDON_STORE_QUEUE_H

#include "base/encode.h"
#include "store/store.h"

#define QUEUE_UUID_MAX \
	255 /* bytes of a CommandUUID, ours are UUIDs, a file's may be anything printable */
#define QUEUE_TYPE_MAX 64
#define QUEUE_BODY_INLINE 65536u   /* longer bodies are files of their own (store_file_*) */
#define QUEUE_BODY_MAX (16u << 20) /* longer ones are not read back */

enum family { /* commands of one family keep their order when one of them is NotNow */
	FAMILY_OTHER,
	FAMILY_PROFILES,
	FAMILY_APPLICATIONS,
	FAMILY_SETTINGS,
	FAMILY_LOST_MODE,
	FAMILY_PASSCODE,
	FAMILY_DECLARATIONS,
	FAMILY_QUERY
};

struct queue_entry {
	char *uuid;
	char *type; /* RequestType */
	enum family family;
	bool urgent;	/* EraseDevice, DeviceLock: first */
	bool by_person; /* not by a schedule */
	bool refresh;	/* a scheduled query: never twice in the queue */
	bool renewal;	/* the body is made when it is handed out */
	char *subject;	/* PayloadIdentifier, for supersession; NULL */
	char *actor;
	int64_t queued_at, expires_at; /* 0: never */
	int64_t offered_at;	       /* last; 0: not yet */
	unsigned not_now;	       /* how often */
	int64_t not_now_at, retry_at;  /* retry_at: next push because of it */
};

struct queue {
	char *id;
	struct queue_entry *entries; /* in order */
	size_t count, cap;
};

/* An id without a queue gives an empty one.  0 or -EIO, -EBADMSG. */
int queue_load(struct store *s, const char *id, struct queue **ret);
int queue_save(struct store *s, const struct queue *q); /* deletes the record when empty */
void queue_free(struct queue *q);
/* Takes the entry's strings: *entry is zeroed.  Urgent ones go before the others. */
void queue_add(struct queue *q, struct queue_entry *entry);
struct queue_entry *queue_find(struct queue *q, const char *uuid);
/* Frees the entry; the body's reference is given up by queue_body_drop. */
void queue_remove(struct queue *q, struct queue_entry *entry);
/*
 * The entry to offer now: the first that was not NotNow in this session (not_now_at <
 * session_start) and is of no family that has such a one before it; FAMILY_OTHER and FAMILY_QUERY
 * wait for none of theirs, and urgent ones for nobody.  NULL: nothing.
 */
struct queue_entry *queue_next(struct queue *q, int64_t session_start);
void queue_entry_clear(struct queue_entry *e); /* frees its strings */

/*
 * Bodies: `references` enrollments will refer to it.  Of a body that is there already they are
 * added; -EEXIST when it is another one.
 */
int queue_body_put(struct store *s, const char *uuid, struct bytes plist, unsigned references);
int queue_body_get(struct store *s, const char *uuid, struct buf *ret);
/* Gives up one reference; the last takes the body along.  0 also when there is none. */
int queue_body_drop(struct store *s, const char *uuid);
/* Drops all entries of an id with their bodies (re-enrollment, removal).  How many in *dropped (may
 * be NULL). */
int queue_clear(struct store *s, const char *id, size_t *dropped);

#endif
