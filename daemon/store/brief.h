/* brief.h - which records are walked over, and what of them: for store_options.walks */
#ifndef CORDON_STORE_BRIEF_H
#define CORDON_STORE_BRIEF_H

#include "store/store.h"

/*
 * Enrollments (as the roster knows them), last-seen, candidates, queues, links, issuance records
 * (as the CRL knows them), deliveries (whether they led anywhere), events for the webhook (without
 * their text), servers before this one.
 */
struct store_walks brief_walks(void);

#endif
