/* promote.h - a candidate becomes the enrollment by its certificate's first TokenUpdate */
#ifndef CORDON_MDM_PROMOTE_H
#define CORDON_MDM_PROMOTE_H

#include "mdm/party.h"
#include "policy/states.h"

/*
 * First enrollment, re-enrollment or renewal as the state table says (`action`); the candidate is
 * deleted, its identity bound, its delivery closed, a link's use counted.  The push fields are the
 * caller's.  0 or -errno.
 */
int promote_candidate(
	struct mdm *m, struct party *p, const struct speaker *who, enum state_action action);
/*
 * NULL when the link that a certificate was issued under still allows this device, else a sentence.
 */
const char *promote_link_refusal(struct mdm *m, const struct speaker *who, const char *id,
	const struct device_facts *facts, const struct enrollment *existing);
/* Deletes the candidate and revokes its identity; a record that is only Pending goes with it. */
int promote_drop_candidate(struct mdm *m, const char *id, const char *why);
/* Another enrollment with its serial number is locked: this one starts locked. */
void promote_inherit_lock(struct mdm *m, struct enrollment *e);
/* Lapses every candidate whose hour is over: a walk, for a rare tick.  How many, or -errno. */
int promote_lapse(struct mdm *m);

#endif
