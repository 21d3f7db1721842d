/* state.h - the words of an enrollment's life: states, causes of removal, causes of a lock */
#ifndef CORDON_BASE_STATE_H
#define CORDON_BASE_STATE_H

enum state {
	STATE_NONE,
	STATE_PENDING,
	STATE_ENROLLED,
	STATE_INACTIVE,
	STATE_REMOVED,
	STATE_COUNT
};

enum removal {
	REMOVAL_NONE,
	REMOVAL_PUSH, /* APNs said 410 for the current token */
	REMOVAL_CHECKOUT,
	REMOVAL_ADMIN,
	REMOVAL_ERASED,
	REMOVAL_COUNT
};

enum lock_cause {
	LOCK_NONE,
	LOCK_INACTIVE,	/* silent for lock-after */
	LOCK_ADMIN,	/* by hand */
	LOCK_CONFLICT,	/* a replaced identity spoke again: two devices claim one id */
	LOCK_INHERITED, /* its serial number belongs to a locked enrollment */
	LOCK_CAUSE_COUNT
};

/* A.2 of facts/protocol.md: who speaks. */
enum channel {
	CHANNEL_DEVICE,
	CHANNEL_USER, /* macOS user */
	CHANNEL_SHARED_IPAD_USER,
	CHANNEL_USER_ENROLLMENT, /* device channel of a user enrollment */
	CHANNEL_USER_ENROLLMENT_USER,
	CHANNEL_COUNT
};

const char *state_name(enum state s);	  /* "Pending", "Enrolled", "Inactive", "Removed"; "none" */
const char *removal_name(enum removal r); /* "push", "checkout", "admin", "erased"; "" */
const char *lock_cause_name(enum lock_cause c);
const char *channel_name(enum channel c); /* "device", "user", ... */
/* True for channels that hang from a device: they have no identity and no state of their own. */
int channel_is_user(enum channel c);

#endif
