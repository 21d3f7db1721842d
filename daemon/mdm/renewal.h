/*
 * renewal.h - new identities for enrolled devices: begun in time, paced, halted when they fail
 *
 * DESIGN "Devices", Renewal.  A renewal is the enrollment profile of the recorded facts, sent as
 * InstallProfile; it is made when the command is handed out.  On devices enrolled by hand one that
 * fails can end management, so few are begun a day, and none after 3 of the last 20 failed until a
 * person says so.  Kept in meta "renewal-day", "renewal-begun", "renewal-record", "renewal-halted".
 */
#ifndef CORDON_MDM_RENEWAL_H
#define CORDON_MDM_RENEWAL_H

#include "mdm/mdm.h"
#include "store/enrollment.h"
#include "store/queue.h"

/* Looks at one enrolled device of the patrol's round: begins its renewal, or gives one up. */
void renewal_visit(struct mdm *m, const struct roster_line *line, uint64_t spread, int64_t now);
/*
 * By a person's word, whatever pace and halt say.  0; -ENOENT; -ESTALE it is not enrolled;
 * -EALREADY its renewal waits; -ENODATA and -ENOKEY as renewal_facts; -errno of the store.
 */
int renewal_ask(struct mdm *m, const char *id, const char *actor);
const char *renewal_fault_words(int fault);

/*
 * The device's expired identity speaks: its renewal is put into the queue, if none is there.  Saves
 * neither.  True when both changed.
 */
bool renewal_rescue(struct mdm *m, struct enrollment *e, struct queue *q);
/*
 * The command's property list, appended; a new delivery with its challenge is in the running batch.
 * `e` changed and is the caller's to save.  -ESTALE: it is not wanted any more, the entry is to be
 * dropped; -errno of the store.
 */
int renewal_body(
	struct mdm *m, struct enrollment *e, const struct queue_entry *entry, struct buf *out);
/* The device's word on the command.  All three change `e`, and save nothing of it. */
void renewal_put_off(struct enrollment *e); /* NotNow */
void renewal_failed(struct mdm *m, struct enrollment *e, const char *why);
void renewal_succeeded(struct mdm *m, struct enrollment *e);

/* Since when no renewals are begun; 0: they are. */
int64_t renewal_halted(const struct mdm *m);
/* No renewals are begun from now on; `why` for the alarm. */
void renewal_halt(struct mdm *m, const char *why);
int renewal_resume(struct mdm *m, const char *actor);

#endif
