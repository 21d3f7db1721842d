/*
 * admin.h - what the administrator's side works with: the running server and how it came to be so
 *
 * `mdm` comes first on purpose: one route table serves devices and administrators, and its context
 * is the address of both.
 */
#ifndef CORDON_ADMIN_ADMIN_H
#define CORDON_ADMIN_ADMIN_H

#include "admin/metrics.h"
#include "mdm/mdm.h"
#include "store/sealed.h"

struct backup;
struct bulk;
struct events;
struct http_server;
struct login;
struct webhook;

struct admin {
	struct mdm mdm;
	struct http_server *http;
	struct login *login;	   /* callers of the API over TCP */
	struct conf_faults faults; /* of the last look at the configuration: faults and warnings */
	char *needs_restart;	   /* keys that changed and wait for a restart; NULL: none */
	char *refused_name; /* the server-name that the configuration asks for and devices do not
			       know; NULL: none */
	size_t refused_name_devices;		 /* enrolled when it was refused */
	size_t identities_near, identities_over; /* of devices: about to expire, expired */
	struct sealed_counts
		sealed; /* what store.key does not open, as of the start or its coming */
	bool listening; /* the device listener is open */
	struct metrics metrics;
	struct schema *schema; /* the table of commands; NULL: none */
	char *schema_fault;    /* why it could not be read; NULL */
	char *schema_seen;     /* the file that was looked at last, as it was then */
	struct bulk *bulks;
	struct backup *backup;
	struct events *events;
	struct webhook *webhook;   /* NULL until the store is open */
	void (*reload)(void *arg); /* look at configuration and certificates again */
	void *reload_arg;
};

#endif
