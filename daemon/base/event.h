/*
 * event.h - everything an administrator acts on, with its journal MESSAGE_ID
 *
 * One line per event: name, MESSAGE_ID, journal priority, whether it belongs to the surveillance
 * log (DESIGN "What it tells").  systemd/cordon.catalog has one entry for each id; a test compares
 * them.
 */
#ifndef CORDON_BASE_EVENT_H
#define CORDON_BASE_EVENT_H

#include <stdbool.h>

/* syslog priorities, so that this header needs none */
#define EVENT_LIST(X)                                                        \
	X(STARTED, "c0a1d0c5f7e04b1e9a3f0d5e6b7a0001", 6, false)             \
	X(STOPPED, "c0a1d0c5f7e04b1e9a3f0d5e6b7a0002", 6, false)             \
	X(CONF_LOADED, "c0a1d0c5f7e04b1e9a3f0d5e6b7a0003", 6, false)         \
	X(CONF_FAULT, "c0a1d0c5f7e04b1e9a3f0d5e6b7a0004", 3, false)          \
	X(CONF_LAST_GOOD, "c0a1d0c5f7e04b1e9a3f0d5e6b7a0005", 4, false)      \
	X(CONF_NEEDS_RESTART, "c0a1d0c5f7e04b1e9a3f0d5e6b7a0006", 4, false)  \
	X(CERT_SKIPPED, "c0a1d0c5f7e04b1e9a3f0d5e6b7a0010", 4, false)        \
	X(CERT_IN_USE, "c0a1d0c5f7e04b1e9a3f0d5e6b7a0011", 5, false)         \
	X(CERT_GONE, "c0a1d0c5f7e04b1e9a3f0d5e6b7a0012", 4, false)           \
	X(CERT_EXPIRY, "c0a1d0c5f7e04b1e9a3f0d5e6b7a0013", 4, false)         \
	X(TOPIC_REFUSED, "c0a1d0c5f7e04b1e9a3f0d5e6b7a0014", 3, false)       \
	X(SERVER_NAME_REFUSED, "c0a1d0c5f7e04b1e9a3f0d5e6b7a0015", 3, false) \
	X(TOPIC_ACCEPTED, "c0a1d0c5f7e04b1e9a3f0d5e6b7a0016", 5, true)       \
	X(SERVER_NAME_ACCEPTED, "c0a1d0c5f7e04b1e9a3f0d5e6b7a0017", 5, true) \
	X(NOT_CONFIGURED, "c0a1d0c5f7e04b1e9a3f0d5e6b7a0018", 4, false)      \
	X(PUSH_STATE, "c0a1d0c5f7e04b1e9a3f0d5e6b7a0020", 5, false)          \
	X(PUSH_REFUSED, "c0a1d0c5f7e04b1e9a3f0d5e6b7a0021", 3, false)        \
	X(PUSH_INTERCEPTED, "c0a1d0c5f7e04b1e9a3f0d5e6b7a0022", 3, false)    \
	X(PUSH_FAILED, "c0a1d0c5f7e04b1e9a3f0d5e6b7a0023", 4, false)         \
	X(CLOCK_DOUBTED, "c0a1d0c5f7e04b1e9a3f0d5e6b7a0024", 4, false)       \
	X(DEVICE_PENDING, "c0a1d0c5f7e04b1e9a3f0d5e6b7a0030", 6, true)       \
	X(DEVICE_ENROLLED, "c0a1d0c5f7e04b1e9a3f0d5e6b7a0031", 5, true)      \
	X(DEVICE_REENROLLED, "c0a1d0c5f7e04b1e9a3f0d5e6b7a0032", 5, true)    \
	X(DEVICE_RENEWED, "c0a1d0c5f7e04b1e9a3f0d5e6b7a0033", 5, true)       \
	X(DEVICE_REMOVED, "c0a1d0c5f7e04b1e9a3f0d5e6b7a0034", 5, true)       \
	X(DEVICE_INACTIVE, "c0a1d0c5f7e04b1e9a3f0d5e6b7a0035", 4, true)      \
	X(DEVICE_BACK, "c0a1d0c5f7e04b1e9a3f0d5e6b7a0036", 5, true)          \
	X(DEVICE_LOCKED, "c0a1d0c5f7e04b1e9a3f0d5e6b7a0037", 5, true)        \
	X(DEVICE_UNLOCKED, "c0a1d0c5f7e04b1e9a3f0d5e6b7a0038", 5, true)      \
	X(DEVICE_CONFLICT, "c0a1d0c5f7e04b1e9a3f0d5e6b7a0039", 2, true)      \
	X(DEVICE_REFUSED, "c0a1d0c5f7e04b1e9a3f0d5e6b7a003a", 4, true)       \
	X(CANDIDATE_LAPSED, "c0a1d0c5f7e04b1e9a3f0d5e6b7a003b", 5, true)     \
	X(LOCK_LIMIT, "c0a1d0c5f7e04b1e9a3f0d5e6b7a003c", 2, true)           \
	X(DEVICE_PAUSED, "c0a1d0c5f7e04b1e9a3f0d5e6b7a003d", 5, true)        \
	X(LINK_MADE, "c0a1d0c5f7e04b1e9a3f0d5e6b7a0040", 5, true)            \
	X(LINK_REFUSED, "c0a1d0c5f7e04b1e9a3f0d5e6b7a0041", 5, true)         \
	X(IDENTITY_ISSUED, "c0a1d0c5f7e04b1e9a3f0d5e6b7a0042", 6, true)      \
	X(SCEP_REFUSED, "c0a1d0c5f7e04b1e9a3f0d5e6b7a0043", 4, true)         \
	X(LINK_REVOKED, "c0a1d0c5f7e04b1e9a3f0d5e6b7a0044", 5, true)         \
	X(RENEWAL_FAILED, "c0a1d0c5f7e04b1e9a3f0d5e6b7a0045", 4, true)       \
	X(RENEWAL_HALTED, "c0a1d0c5f7e04b1e9a3f0d5e6b7a0046", 2, true)       \
	X(RENEWAL_RESUMED, "c0a1d0c5f7e04b1e9a3f0d5e6b7a0047", 5, true)      \
	X(TAKEOVER_REFUSED, "c0a1d0c5f7e04b1e9a3f0d5e6b7a0048", 2, true)     \
	X(COMMAND_QUEUED, "c0a1d0c5f7e04b1e9a3f0d5e6b7a0050", 5, true)       \
	X(COMMAND_DONE, "c0a1d0c5f7e04b1e9a3f0d5e6b7a0051", 6, false)        \
	X(COMMAND_FAILED, "c0a1d0c5f7e04b1e9a3f0d5e6b7a0052", 5, false)      \
	X(COMMAND_FORMAT, "c0a1d0c5f7e04b1e9a3f0d5e6b7a0053", 3, false)      \
	X(COMMAND_EXPIRED, "c0a1d0c5f7e04b1e9a3f0d5e6b7a0054", 5, true)      \
	X(COMMAND_CANCELLED, "c0a1d0c5f7e04b1e9a3f0d5e6b7a0055", 5, true)    \
	X(SECRETS_READ, "c0a1d0c5f7e04b1e9a3f0d5e6b7a0056", 4, true)         \
	X(DEVICE_RELEASED, "c0a1d0c5f7e04b1e9a3f0d5e6b7a0057", 4, true)      \
	X(DEVICE_FORGOTTEN, "c0a1d0c5f7e04b1e9a3f0d5e6b7a0058", 4, true)     \
	X(OS_CHANGED, "c0a1d0c5f7e04b1e9a3f0d5e6b7a0080", 5, false)          \
	X(PASSCODE_REMOVED, "c0a1d0c5f7e04b1e9a3f0d5e6b7a0081", 4, true)     \
	X(PROFILE_REMOVED, "c0a1d0c5f7e04b1e9a3f0d5e6b7a0082", 4, true)      \
	X(APPS_CHANGED, "c0a1d0c5f7e04b1e9a3f0d5e6b7a0083", 5, false)        \
	X(STORE_REFUSING, "c0a1d0c5f7e04b1e9a3f0d5e6b7a0060", 2, false)      \
	X(STORE_RECOVERED, "c0a1d0c5f7e04b1e9a3f0d5e6b7a0061", 5, false)     \
	X(STORE_FAULT, "c0a1d0c5f7e04b1e9a3f0d5e6b7a0062", 2, false)         \
	X(STORE_SHORT, "c0a1d0c5f7e04b1e9a3f0d5e6b7a0064", 3, false)         \
	X(LIMIT_HIT, "c0a1d0c5f7e04b1e9a3f0d5e6b7a0063", 4, false)           \
	X(SECRETS_SHUT, "c0a1d0c5f7e04b1e9a3f0d5e6b7a0068", 3, false)        \
	X(WEBHOOK_FAILING, "c0a1d0c5f7e04b1e9a3f0d5e6b7a0072", 4, false)     \
	X(WEBHOOK_DROPPED, "c0a1d0c5f7e04b1e9a3f0d5e6b7a0073", 4, false)     \
	X(DECLARATIVE_FAILING, "c0a1d0c5f7e04b1e9a3f0d5e6b7a007a", 4, false) \
	X(BACKUP_MADE, "c0a1d0c5f7e04b1e9a3f0d5e6b7a0074", 5, true)          \
	X(MIGRATION_OPENED, "c0a1d0c5f7e04b1e9a3f0d5e6b7a0090", 5, true)     \
	X(MIGRATION_CLOSED, "c0a1d0c5f7e04b1e9a3f0d5e6b7a0091", 5, true)     \
	X(ORIGIN_NAMED, "c0a1d0c5f7e04b1e9a3f0d5e6b7a0092", 5, true)         \
	X(DEVICE_IMPORTED, "c0a1d0c5f7e04b1e9a3f0d5e6b7a0093", 5, true)      \
	X(DEVICE_BOUND, "c0a1d0c5f7e04b1e9a3f0d5e6b7a0094", 5, true)         \
	X(ADOPT_OPENED, "c0a1d0c5f7e04b1e9a3f0d5e6b7a0095", 4, true)         \
	X(ADOPT_CLOSED, "c0a1d0c5f7e04b1e9a3f0d5e6b7a0096", 5, true)         \
	X(DEVICE_ADOPTED, "c0a1d0c5f7e04b1e9a3f0d5e6b7a0097", 4, true)       \
	X(API_REFUSED, "c0a1d0c5f7e04b1e9a3f0d5e6b7a0070", 4, true)          \
	X(ESCROW_UNLOCK, "c0a1d0c5f7e04b1e9a3f0d5e6b7a0071", 5, true)

#define EVENT_ENUM(name, id, level, surveillance) EV_##name,
enum event { EV_NONE, EVENT_LIST(EVENT_ENUM) EVENT_COUNT };
#undef EVENT_ENUM

const char *event_name(enum event ev); /* "DEVICE_ENROLLED" */
const char *event_id(enum event ev);   /* 32 hex digits, NULL for EV_NONE */
int event_level(enum event ev);	       /* syslog priority */
bool event_surveillance(enum event ev);

#endif
