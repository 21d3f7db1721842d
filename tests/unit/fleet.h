/*
 * fleet.h - a fleet of devices in fake time, driven through the daemon's own code
 *
 * Patrol, service clock, pusher, check-in, command channel and store are the ones that ship; the
 * clocks, the timers, Apple's push service and the way to ourselves are stand-ins.  A program that
 * links this needs the --wrap options of tests/unit/mdm.mk.  There is one fleet at a time.
 */
#ifndef CORDON_TESTS_FLEET_H
#define CORDON_TESTS_FLEET_H

#include "mdm_kit.h"

#define SECOND INT64_C(1000)
#define HOUR (3600 * SECOND)
#define DAY (24 * HOUR)
#define FLEET_ROUND (300 * SECOND) /* between rounds: the longest step that the clock counts */
#define NEVER_AWAKE INT64_MAX

/* What surrounds the daemon.  Changed by fleet_* alone where there is a call for it. */
struct fleet_world {
	bool running;	      /* the daemon; fleet_start, fleet_stop */
	bool push;	      /* Apple's push service; fleet_set_push */
	bool path;	      /* devices reach the server */
	const char *own_path; /* why its own request does not come back; NULL: it does */
	bool disk_full;	      /* nothing can be made durable */
	int64_t wall_offset;  /* seconds by which its wall clock is wrong */
};

struct fleet_device {
	struct kit_device d;
	struct speaker who; /* as it was last recognised */
	char id[16], serial[16], user[24];
	bool has_user, enrolled;
	int habit;	     /* the program's: which it is, */
	int64_t from;	     /* when it begins, */
	int64_t phase;	     /* and of what it does again and again */
	unsigned generation; /* of the token that Apple knows */
	int64_t changed;     /* since when */
	bool coming, unlocking;
	unsigned state, locked; /* as they were told last */
};

struct fleet_flight {
	struct fleet_device *dev;
	unsigned number, generation; /* of the token that it goes to */
	int64_t sent;
	void *tag;
	struct apns *line;
};

/* What Apple says of a push. */
struct fleet_verdict {
	int status;
	const char *reason;
	int64_t gone; /* fleet time, for 410 */
	bool early;   /* the device answers before this is heard */
};

struct fleet {
	struct kit *kit;
	struct fleet_world world;
	struct fleet_device *devices;
	unsigned count;
	int64_t now; /* milliseconds since the beginning */
	uint64_t seed;
	bool strict; /* who speaks is recognised anew each time */

	/* The program's.  When a device can next talk, from now on; NEVER_AWAKE. */
	int64_t (*awake_at)(const struct fleet_device *v);
	void (*judge)(const struct fleet_flight *f, struct fleet_verdict *ret);
	/* "Acknowledged" or "NotNow". */
	const char *(*status)(const struct fleet_device *v, const char *type);
	/* Something happened: "sent", "heard", ... ; `f` for pushes.  May be NULL. */
	void (*event)(const char *what, const struct fleet_device *v, const struct fleet_flight *f,
		const struct fleet_verdict *verdict);
	/* The daemon's word for its state or lock is another one. */
	void (*changed)(struct fleet_device *v);
};

extern struct fleet fleet;

/* Everything is as it should be, and the daemon does not run yet: the caller settles kit->conf. */
void fleet_init(unsigned count, uint64_t seed);
void fleet_fini(void);
/* A stop and a start, whatever lies between. */
void fleet_start(void);
void fleet_stop(void);
void fleet_set_push(bool up);

/* fn(arg, word) in `ms`; also while the daemon does not run. */
void fleet_later(int64_t ms, void (*fn)(void *arg, uint64_t word), void *arg, uint64_t word);
void fleet_run(int64_t ms); /* until then, in fleet time */
int64_t fleet_chance(int64_t of);
int64_t fleet_wall(void); /* seconds, right ones */
bool fleet_reachable(void);

/* For fleet_later; arg: the device. */
void fleet_enroll(void *arg, uint64_t word);
void fleet_check_out(void *arg, uint64_t word);
void fleet_renew_token(void *arg, uint64_t word);  /* Apple gives it another one ... */
void fleet_send_token(void *arg, uint64_t word);   /* ... and it tells, again and again */
void fleet_session(struct fleet_device *v);	   /* it comes by itself */
void fleet_renew_identity(struct fleet_device *v); /* a new certificate of its enrollment */
void fleet_look(struct fleet_device *v);	   /* calls changed() if it is so */

#endif
