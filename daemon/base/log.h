/*
 * log.h - what the daemon says, as records for whoever carries them (stderr, the journal's thread)
 *
 * Never in a record: tokens, push magics, PINs, challenges, keys, bodies.  Text from outside goes
 * through encode_visible; log_* do that to the finished message and to every field value.
 */
#ifndef CORDON_BASE_LOG_H
#define CORDON_BASE_LOG_H

#include <stdint.h>

#include "base/event.h"

struct log_field {
	const char *name;  /* CORDON_ENROLLMENT, CORDON_FILE ... */
	const char *value; /* NULL: the field is left out */
};

/* Fields of one record as a compound literal that ends itself: FIELDS({"CORDON_FILE", path}) */
#define FIELDS(...)                \
	(const struct log_field[]) \
	{                          \
		__VA_ARGS__,       \
		{                  \
			0, 0       \
		}                  \
	}
#define NO_FIELDS ((const struct log_field *)0)

#define F_ENROLLMENT(v)                  \
	{                                \
		"CORDON_ENROLLMENT", (v) \
	}
#define F_STATE(v)                  \
	{                           \
		"CORDON_STATE", (v) \
	}
#define F_TOPIC(v)                  \
	{                           \
		"CORDON_TOPIC", (v) \
	}
#define F_FILE(v)                  \
	{                          \
		"CORDON_FILE", (v) \
	}
#define F_ACTOR(v)                  \
	{                           \
		"CORDON_ACTOR", (v) \
	}
#define F_REASON(v)                  \
	{                            \
		"CORDON_REASON", (v) \
	}
#define F_COMMAND(v)                  \
	{                             \
		"CORDON_COMMAND", (v) \
	}
#define F_SERIAL(v)                  \
	{                            \
		"CORDON_SERIAL", (v) \
	}

/* What changed on a device: from, to; names that came, and that went. */
#define F_FROM(v)                  \
	{                          \
		"CORDON_FROM", (v) \
	}
#define F_TO(v)                  \
	{                        \
		"CORDON_TO", (v) \
	}
#define F_ADDED(v)                  \
	{                           \
		"CORDON_ADDED", (v) \
	}
#define F_REMOVED(v)                  \
	{                             \
		"CORDON_REMOVED", (v) \
	}

struct log_record {
	int level;	  /* syslog priority */
	enum event event; /* EV_NONE for plain lines */
	const char *message;
	const struct log_field *fields; /* NULL or ended by a name of NULL */
};

/* Who carries records; NULL: stderr.  Set before threads start, and at stop. */
typedef void (*log_sink)(const struct log_record *record);
void log_set_sink(log_sink sink);
/*
 * Who sees events (not plain lines) of the thread that set it, before they are carried; NULL:
 * nobody.
 */
typedef void (*log_observer)(void *arg, const struct log_record *record);
void log_set_observer(log_observer see, void *arg);
/* The stderr carrier: "<3>text" when systemd reads stderr, else "cordond: text". */
void log_to_stderr(const struct log_record *record);
void log_set_name(const char *program); /* static string */
void log_set_level(int level); /* least important priority that is carried; default LOG_INFO (6) */

void log_event(enum event ev, const struct log_field *fields, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* Plain lines: programmers' and operators' detail, no MESSAGE_ID.  errno survives. */
void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * A budget for chatter of one kind: at most `burst` at once, one more each `every_s` seconds.
 * True when the line may be said; *suppressed (may be NULL) receives how many were swallowed
 * since the last one.
 */
struct log_budget {
	int64_t next_ms;
	unsigned burst, every_s, have, swallowed;
};
int log_allowed(struct log_budget *b, int64_t mono_ms, unsigned *suppressed);

#endif
