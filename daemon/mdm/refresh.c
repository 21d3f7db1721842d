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

static const struct kind kinds[] = {
	{ "DeviceInformation", offsetof(struct conf, refresh.device_information), true },
	{ "SecurityInfo", offsetof(struct conf, refresh.security_info), false },
	{ "ProfileList", offsetof(struct conf, refresh.profile_list), false },
	{ "CertificateList", offsetof(struct conf, refresh.certificate_list), false },
	{ "InstalledApplicationList", offsetof(struct conf, refresh.installed_applications),
		false },
};

bool
refresh_is_kind(const char *type)
{
	size_t i;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].type, type) == 0)
			return true;
	return false;
}

int
refresh_ask(struct mdm *m, const char *id, const char *type, const char *actor)
{
	struct enqueue_options o = { .actor = actor, .by_person = actor != NULL, .refresh = true };
	struct command c;
	char *why = NULL;
	int rc, fault = 0;

	if (command_from_words(type, NULL, 0, &c, &why) < 0) {
		log_error("the question %s cannot be made: %s", type, why);
		free(why);
		return -EINVAL;
	}
	rc = mdm_enqueue(m, &id, 1, &c, &o, &fault);
	command_free(&c);
	return rc < 0 ? rc : fault;
}

int
refresh_after_enrollment(struct mdm *m, const struct enrollment *e)
{
	const char *base = (const char *)m->conf;
	size_t i;
	int rc;

	for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		int64_t period = *(const int64_t *)(const void *)(base + kinds[i].period);

		if (!kinds[i].always && period == DURATION_NEVER)
			continue;
		rc = refresh_ask(m, e->id, kinds[i].type, NULL);
		if (rc < 0 && rc != -EALREADY && rc != -ENOSPC)
			return rc;
	}
	return 0;
}
