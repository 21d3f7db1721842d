/* role.c - what each role of an API key may do */
#include "admin/role.h"

#include <string.h>

#include "admin/answer.h"

#define ANY_ONE "*" /* one segment of a path, whatever it is */

static const struct {
	unsigned methods;
	const char *path;
	int role;
} rights[] = {
	{ HTTP_GET, "/version", ROLE_NOBODY },
	{ HTTP_GET, "/access", ROLE_READ },
	{ HTTP_GET, "/v1/status", ROLE_READ },
	{ HTTP_GET, "/v1/steps", ROLE_READ },
	{ HTTP_GET, "/v1/bulk/*", ROLE_READ },
	{ HTTP_GET, "/v1/commands", ROLE_READ },
	{ HTTP_GET, "/v1/commands/*", ROLE_READ },
	{ HTTP_GET, "/v1/events", ROLE_READ },
	{ HTTP_GET, "/v1/export", ROLE_READ },
	{ HTTP_GET, "/v1/pushcert", ROLE_READ },
	{ HTTP_GET, "/v1/migration", ROLE_READ },
	{ HTTP_GET, "/v1/adopt", ROLE_READ },
	{ HTTP_GET, "/v1/enroll-links", ROLE_READ },
	{ HTTP_GET, "/v1/enrollments", ROLE_READ },
	{ HTTP_GET, "/v1/enrollments/*", ROLE_READ },
	{ HTTP_GET, "/v1/enrollments/*/queue", ROLE_READ },
	{ HTTP_GET, "/v1/enrollments/*/results", ROLE_READ },
	{ HTTP_GET, "/v1/enrollments/*/results/*", ROLE_READ },
	{ HTTP_GET | HTTP_PUT | HTTP_POST, "/v1/push/*", ROLE_OPERATE },
	{ HTTP_PUT | HTTP_POST, "/v1/enqueue/*", ROLE_OPERATE },
	{ HTTP_POST, "/v1/bulk", ROLE_OPERATE }, /* what it sends is judged apart */
	{ HTTP_POST, "/v1/enrollments/*/lock", ROLE_OPERATE },
	{ HTTP_POST, "/v1/enrollments/*/unlock", ROLE_OPERATE },
	{ HTTP_POST, "/v1/enrollments/*/refresh", ROLE_OPERATE },
	{ HTTP_POST, "/v1/enrollments/*/queue", ROLE_OPERATE },
	{ HTTP_DELETE, "/v1/enrollments/*/queue/*", ROLE_OPERATE },
};

/* Sorted by nothing: there are few.  DESIGN names the kinds, facts/protocol.md B the commands. */
static const struct {
	const char *type;
	bool hidden; /* its answer is a secret too */
} grave[] = {
	{ "ActivationLockBypassCode", true },
	{ "ClearPasscode", false },
	{ "ClearRestrictionsPassword", false },
	{ "DeviceLock", false },
	{ "EraseDevice", false },
	{ "RemoveProfile", false },
	{ "RequestUnlockToken", true },
	{ "RotateFileVaultKey", true },
	{ "SetAutoAdminPassword", false },
	{ "SetFirmwarePassword", false },
	{ "SetRecoveryLock", false },
	{ "UnlockUserAccount", false },
	{ "VerifyFirmwarePassword", false },
	{ "VerifyRecoveryLock", false },
};

const char *
role_name(enum conf_role role)
{
	static const char *const names[] = { "read", "operate", "admin" };

	return names[role];
}

/* Segment by segment; an empty one fits nothing. */
static bool
fits(const char *pattern, const char *path)
{
	for (;;) {
		size_t want = strcspn(pattern, "/"), have = strcspn(path, "/");
		bool any = want == 1 && *pattern == *ANY_ONE;

		if (any ? have == 0 : want != have || memcmp(pattern, path, want) != 0)
			return false;
		pattern += want;
		path += have;
		if (!*pattern || !*path)
			return *pattern == *path;
		pattern++;
		path++;
	}
}

int
role_needed(enum http_method method, const char *path)
{
	unsigned asked = method == HTTP_HEAD ? HTTP_GET : method;

	for (size_t i = 0; i < sizeof(rights) / sizeof(rights[0]); i++)
		if ((rights[i].methods & asked) && fits(rights[i].path, path))
			return rights[i].role;
	return ROLE_ADMIN;
}

enum conf_role
role_of(const struct http_request *r)
{
	if (http_side(r) != HTTP_API)
		return ROLE_ADMIN;
	return (enum conf_role)http_caller_level(r);
}

bool
role_may_send(enum conf_role role, const char *request_type)
{
	if (role >= ROLE_ADMIN)
		return true;
	if (role < ROLE_OPERATE)
		return false;
	for (size_t i = 0; i < sizeof(grave) / sizeof(grave[0]); i++)
		if (strcmp(grave[i].type, request_type) == 0)
			return false;
	return true;
}

bool
role_may_send_or_answer(struct http_request *r, const char *request_type)
{
	if (role_may_send(role_of(r), request_type))
		return true;
	answer_error(r, 403, "%s is for keys with the role admin; this one has %s", request_type,
		role_name(role_of(r)));
	return false;
}

bool
role_hides_answer(enum conf_role role, const char *request_type)
{
	for (size_t i = 0; role < ROLE_ADMIN && i < sizeof(grave) / sizeof(grave[0]); i++)
		if (grave[i].hidden && strcmp(grave[i].type, request_type) == 0)
			return true;
	return false;
}
