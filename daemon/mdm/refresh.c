/* refresh.c - questions about the device that the daemon asks by itself */
#include "mdm/refresh.h"

#include "base/log.h"
#include "mdm/enqueue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct kind {
	const char *type;
	size_t period; /* int64_t in struct conf */
	bool always;   /* asked after each enrollment, whatever the period */
};

static const struct kind kinds[REFRESH_COUNT] = {
	[REFRESH_DEVICE_INFORMATION] = { "DeviceInformation",
		offsetof(struct conf, refresh.device_information), true },
	[REFRESH_SECURITY_INFO] = { "SecurityInfo", offsetof(struct conf, refresh.security_info),
		false },
	[REFRESH_PROFILE_LIST] = { "ProfileList", offsetof(struct conf, refresh.profile_list),
		false },
	[REFRESH_CERTIFICATE_LIST] = { "CertificateList",
		offsetof(struct conf, refresh.certificate_list), false },
	[REFRESH_INSTALLED_APPLICATIONS] = { "InstalledApplicationList",
		offsetof(struct conf, refresh.installed_applications), false },
};

_Static_assert(REFRESH_COUNT == ENROLLMENT_REFRESH, "the record has a time for each kind");

bool
refresh_is_kind(const char *type)
{
	size_t i;

	for (i = 0; i < REFRESH_COUNT; i++)
		if (strcmp(kinds[i].type, type) == 0)
			return true;
	return false;
}

static int
ask(struct mdm *m, const char *id, size_t kind, const char *actor, bool bulk)
{
	struct enqueue_options o = {
		.actor = actor, .by_person = actor && !bulk, .refresh = true, .bulk = bulk
	};
	struct command c;
	char *why = NULL;
	int rc, fault = 0;

	if (command_from_words(kinds[kind].type, NULL, 0, &c, &why) < 0) {
		log_error("the question %s cannot be made: %s", kinds[kind].type, why);
		free(why);
		return -EINVAL;
	}
	rc = mdm_enqueue(m, &id, 1, &c, &o, &fault);
	command_free(&c);
	return rc < 0 ? rc : fault;
}

int
refresh_ask(struct mdm *m, const char *id, const char *type, const char *actor)
{
	size_t i;

	for (i = 0; i < REFRESH_COUNT; i++)
		if (strcmp(kinds[i].type, type) == 0)
			return ask(m, id, i, actor, false);
	return -EINVAL;
}

static int64_t
period_of(const struct mdm *m, size_t kind)
{
	const char *base = (const char *)m->conf;

	return *(const int64_t *)(const void *)(base + kinds[kind].period);
}

/*
 * Asks the kinds of `mask` and notes the time in `e`.  What waits in the queue already counts as
 * asked, but only in memory; a full queue is left alone until the kind's next turn.
 */
static int
ask_kinds(struct mdm *m, struct enrollment *e, unsigned mask, const char *actor, bool bulk,
	unsigned *asked)
{
	int64_t now = mdm_now(m);
	size_t i;
	int rc;

	*asked = 0;
	for (i = 0; i < REFRESH_COUNT; i++) {
		if (!(mask & (1u << i)))
			continue;
		rc = ask(m, e->id, i, actor, bulk);
		if (rc < 0 && rc != -EALREADY && rc != -EDQUOT)
			return rc;
		if (rc == 0) {
			*asked |= 1u << i;
			e->refreshed[i] = now;
		}
		roster_refreshed(m->roster, e->id, (unsigned)i, now);
	}
	return *asked ? enrollment_save(m->store, e) : 0;
}

static unsigned
wanted_kinds(const struct mdm *m)
{
	unsigned mask = 0;
	size_t i;

	for (i = 0; i < REFRESH_COUNT; i++)
		if (kinds[i].always || period_of(m, i) != DURATION_NEVER)
			mask |= 1u << i;
	return mask;
}

int
refresh_after_enrollment(struct mdm *m, struct enrollment *e)
{
	unsigned asked;

	return ask_kinds(m, e, wanted_kinds(m), NULL, false, &asked);
}

static int
ask_id(struct mdm *m, const char *id, unsigned mask, const char *actor, bool bulk, unsigned *asked)
{
	struct enrollment *e;
	int rc = enrollment_load(m->store, id, &e);

	if (rc < 0)
		return rc;
	rc = ask_kinds(m, e, mask, actor, bulk, asked);
	enrollment_free(e);
	return rc;
}

int
refresh_now(struct mdm *m, const char *id, const char *actor, bool bulk)
{
	unsigned asked = 0;
	int rc = ask_id(m, id, wanted_kinds(m), actor, bulk, &asked);

	return rc == 0 && !asked ? -EALREADY : rc;
}

int
refresh_tick(struct mdm *m, const struct roster_line *line, uint64_t spread, int64_t now)
{
	unsigned mask = 0, asked;
	size_t i;

	for (i = 0; i < REFRESH_COUNT; i++)
		if (refresh_due((enum refresh_kind)i, now, (int64_t)line->refreshed[i], spread,
			    period_of(m, i)))
			mask |= 1u << i;
	return mask ? ask_id(m, line->id, mask, NULL, true, &asked) : 0;
}
