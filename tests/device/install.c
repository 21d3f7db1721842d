/* install.c - the commands InstallProfile and RemoveProfile */
#include "install.h"

#include <string.h>

#include "answer.h"
#include "enroll.h"
#include "inventory.h"
#include "prop.h"
#include "step.h"

#define DOMAIN_PROFILE "MCProfileErrorDomain"
#define DOMAIN_INSTALL "MCInstallationErrorDomain"
#define DOMAIN_MDM "MCMDMErrorDomain"

/* A second MDM profile, or an update that Apple forbids, is an error; a good one is a renewal. */
static const char *
renew(struct device *d, struct profile *p, plist_t report)
{
	enum outcome o = enroll_install(d, p, true);

	if (d->state != DEVICE_ENROLLED)
		return NULL;
	if (o == OUTCOME_OK)
		return "Acknowledged";
	if (o == OUTCOME_PROFILE) {
		step_print(d->udid, "update-refused", json_pack("{s:s}", "why", d->why));
		return answer_error(report, DOMAIN_MDM, 12018, d->why);
	}
	return answer_error(report, DOMAIN_INSTALL, 4001, d->why);
}

const char *
install_profile(struct device *d, plist_t command, plist_t report)
{
	plist_t payload = prop_node(command, "Payload", PLIST_DATA);
	struct profile *p = NULL;
	uint64_t len = 0;
	const char *data;

	if (payload == NULL)
		return answer_error(report, DOMAIN_MDM, 12020, "InstallProfile without Payload");
	data = plist_get_data_ptr(payload, &len);
	p = profile_parse(data, (size_t)len, d->why, sizeof(d->why));
	if (p == NULL)
		return answer_error(report, DOMAIN_PROFILE, 1000, d->why);
	if (p->mdm != NULL)
		return renew(d, p, report);
	if (strcmp(p->identifier, d->profile->identifier) == 0) {
		profile_free(p);
		return answer_error(report, DOMAIN_MDM, 12019,
			"the MDM profile cannot be replaced by one without an MDM payload");
	}
	inventory_add(d, p);
	profile_free(p);
	return "Acknowledged";
}

const char *
install_remove(struct device *d, plist_t command, plist_t report)
{
	const char *identifier = prop_string(command, "Identifier");

	if (identifier == NULL)
		return answer_error(report, DOMAIN_MDM, 12020, "RemoveProfile without Identifier");
	if (strcmp(identifier, d->profile->identifier) == 0) {
		d->then = DEVICE_LEAVES;
		return "Acknowledged";
	}
	if (!inventory_remove(d, identifier))
		return answer_error(report, DOMAIN_MDM, 12075,
			"the profile is not installed, or not by this server");
	return "Acknowledged";
}
