/*
 * refresh.h - which questions about a device are due (DESIGN "Configuration", `refresh`)
 *
 * Each kind has its own period and, per device, its own point in that period, so that a fleet is
 * never asked all at once.
 */
#ifndef CORDON_POLICY_REFRESH_H
#define CORDON_POLICY_REFRESH_H

#include <stdbool.h>
#include <stdint.h>

enum refresh_kind {
	REFRESH_DEVICE_INFORMATION,
	REFRESH_SECURITY_INFO,
	REFRESH_PROFILE_LIST,
	REFRESH_CERTIFICATE_LIST,
	REFRESH_INSTALLED_APPLICATIONS,
	REFRESH_COUNT
};

/*
 * Wall seconds.  `asked`: when the question was last put into the queue (or was found waiting
 * there), 0: never.  `spread` is the hash of the device's id.  DURATION_NEVER: never due.  A clock
 * that was set, in either direction, costs one question.
 */
bool refresh_due(
	enum refresh_kind kind, int64_t now, int64_t asked, uint64_t spread, int64_t period);

#endif
